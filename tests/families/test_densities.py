"""Log-densities against SciPy's distributions."""

from __future__ import annotations

import numpy as np
import pytest
from as_entry import as_entry
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from fastglm import families
from fastglm.families.shared_functions import stirling_error

COUNTS = np.array([0.0, 1.0, 2.0, 7.0, 15.0, 16.0, 17.0, 200.0, 1e5])
POSITIVE = np.array([1e-3, 0.4, 1.0, 6.0, 1e3])


@pytest.mark.parametrize("mu", [1e-3, 0.7, 15.0, 1e4])
def test_poisson(mu):
    got = families.Poisson().loglike_obs(COUNTS, mu, 2.5)
    np.testing.assert_allclose(got, 2.5 * stats.poisson.logpmf(COUNTS, mu), rtol=1e-10)


@pytest.mark.parametrize("mu", [1e-3, 0.7, 15.0, 1e4])
@pytest.mark.parametrize("alpha", [1e-3, 0.5, 1.0, 40.0])
def test_negative_binomial(mu, alpha):
    size = 1.0 / alpha
    expected = stats.nbinom.logpmf(COUNTS, size, size / (size + mu))
    got = families.NegativeBinomial(alpha=alpha).loglike_obs(COUNTS, mu, 2.0)
    np.testing.assert_allclose(got, 2.0 * expected, rtol=1e-8)


def test_negative_binomial_tends_to_poisson():
    got = families.NegativeBinomial(alpha=1e-12).loglike_obs(COUNTS[:7], 9.0)
    np.testing.assert_allclose(got, stats.poisson.logpmf(COUNTS[:7], 9.0), rtol=1e-9)


@pytest.mark.parametrize("trials", [1.0, 12.0, 5000.0])
@pytest.mark.parametrize("mu", [1e-6, 0.3, 0.5, 0.999])
def test_binomial(trials, mu):
    successes = np.unique(np.round(trials * np.array([0.0, 0.1, 0.5, 0.9, 1.0])))
    got = families.Binomial().loglike_obs(successes / trials, mu, trials)
    np.testing.assert_allclose(got, stats.binom.logpmf(successes, trials, mu), rtol=1e-9)


def test_binomial_rounds_trials_and_successes_as_r():
    got = families.Binomial().loglike_obs(0.5, 0.3, 4.6)
    assert got == pytest.approx(stats.binom.logpmf(2, 5, 0.3))


@pytest.mark.parametrize("mu", [0.2, 3.0])
@pytest.mark.parametrize("dispersion", [1e-4, 0.3, 5.0])
def test_gaussian_gamma_and_inverse_gaussian(mu, dispersion):
    y, w = POSITIVE, 1.7
    got = families.Gaussian().loglike_obs(y, mu, w, dispersion)
    expected = stats.norm.logpdf(y, mu, np.sqrt(dispersion / w))
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    got = families.Gamma().loglike_obs(y, mu, w, dispersion)
    expected = w * stats.gamma.logpdf(y, 1 / dispersion, scale=mu * dispersion)
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    got = families.InverseGaussian().loglike_obs(y, mu, w, dispersion)
    expected = w * stats.invgauss.logpdf(y, mu * dispersion, scale=1 / dispersion)
    np.testing.assert_allclose(got, expected, rtol=1e-9)


def test_gamma_of_a_tiny_dispersion_keeps_its_digits():
    # Within 1e-10 the gamma of shape 1e10 is the normal on this scale, at its mean.
    got = families.Gamma().loglike_obs(2.0, 2.0, 1.0, 1e-10)
    assert got == pytest.approx(stats.norm.logpdf(0.0, scale=2e-5), rel=1e-10)


def test_quasi_families_have_no_likelihood():
    for family in (families.QuasiPoisson(), families.QuasiBinomial(), families.Quasi()):
        assert np.isnan(family.loglike([0.2, 0.4], [0.3, 0.3]))


def test_frequencies_multiply_and_sum():
    family = families.Poisson()
    rows = family.loglike_obs(COUNTS, 3.0)
    total = family.loglike(COUNTS, 3.0, freq_weights=np.arange(9))
    assert total == pytest.approx(np.sum(rows * np.arange(9)))


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-3, 1e6))
def test_stirling_error(x):
    direct = special.gammaln(x + 1) - (x + 0.5) * np.log(x) + x - 0.5 * np.log(2 * np.pi)
    rounding = 1e-15 * (1 + special.gammaln(x + 2) + abs(x * np.log(x)))
    assert as_entry(stirling_error)(x) == pytest.approx(direct, abs=rounding, rel=1e-13)
