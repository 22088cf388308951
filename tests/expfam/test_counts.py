"""Sums over counts against plain sums, and entropies where a plain sum is too long."""

import numpy as np
import pytest
from scipy import stats

from fastglm import expfam
from fastglm.expfam.counts import count_sum


@pytest.mark.parametrize("mean", [1e-300, 1e-3, 0.7, 20.0, 900.0, 5e4])
def test_masses_sum_to_one(mean):
    member = expfam.Poisson(mean)
    total = count_sum(lambda y: np.exp(member._log_density(y)), mean, np.sqrt(mean), np.inf)
    np.testing.assert_allclose(total, 1.0, rtol=1e-13)


@pytest.mark.parametrize("mean", [1e-6, 0.5, 30.0, 5e4])
def test_poisson_entropy(mean):
    y = np.arange(int(mean + 60 * np.sqrt(mean) + 60))
    mass = stats.poisson.pmf(y, mean)
    expected = -np.sum(mass * stats.poisson.logpmf(y, mean))
    np.testing.assert_allclose(expfam.Poisson(mean).entropy(), expected, rtol=1e-9)


@pytest.mark.parametrize("mean", [1e5, 1e9, 1e14])
def test_poisson_entropy_for_large_means(mean):
    # Evans & Boersma (1988): the expansion in 1 / mean.
    expected = 0.5 * np.log(2 * np.pi * np.e * mean) - 1 / (12 * mean) - 1 / (24 * mean**2)
    # A count is held to eps * mean, which is this share of a standard deviation.
    rtol = max(1e-13, 4 * np.finfo(float).eps * np.sqrt(mean) / expected)
    np.testing.assert_allclose(expfam.Poisson(mean).entropy(), expected, rtol=rtol)


@pytest.mark.parametrize(
    ("n", "p"), [(1, 0.3), (40, 0.5), (1000, 1e-3), (3000, 0.999), (100_000, 0.2)]
)
def test_binomial_entropy(n, p):
    y = np.arange(n + 1)
    mass = stats.binom.pmf(y, n, p)
    expected = -np.sum(mass[mass > 0] * np.log(mass[mass > 0]))
    np.testing.assert_allclose(expfam.Binomial(n, p).entropy(), expected, rtol=1e-9)


@pytest.mark.parametrize(("size", "p"), [(0.01, 0.5), (0.2, 1e-4), (5.0, 1e-3), (900.0, 0.6)])
def test_negative_binomial_entropy(size, p):
    y = np.arange(int((size + 60 * np.sqrt(size) + 60) / p))
    log_mass = stats.nbinom.logpmf(y, size, p)
    expected = -np.sum(np.exp(log_mass) * log_mass)
    np.testing.assert_allclose(expfam.NegativeBinomial(size, p).entropy(), expected, rtol=1e-8)


def test_multinomial_entropy():
    p = [0.05, 0.6, 0.35]
    expected = stats.multinomial(60, p).entropy()
    np.testing.assert_allclose(expfam.Multinomial(60, p).entropy(), expected, rtol=1e-10)


def test_entropy_costs_the_same_at_any_size():
    # A plain sum would have 1e12 terms here; the normal limit is within 1e-6.
    expected = 0.5 * np.log(2 * np.pi * np.e * 1e12 * 0.25)
    np.testing.assert_allclose(expfam.Binomial(1e12, 0.5).entropy(), expected, rtol=1e-11)
