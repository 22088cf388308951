from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.families.distribution import lattice_quantile
from fastglm.families.members.negative_binomial import negative_binomial_distribution


@pytest.mark.parametrize(
    ("family", "dispersion", "theirs"),
    [
        (fg.families.Poisson(), 1.0, stats.poisson(3.3)),
        (fg.families.NegativeBinomial(alpha=0.4), 1.0, stats.nbinom(2.5, 2.5 / (2.5 + 3.3))),
        (fg.families.Gamma(), 0.7, stats.gamma(1 / 0.7, scale=3.3 * 0.7)),
        (fg.families.InverseGaussian(), 0.7, stats.invgauss(3.3 * 0.7, scale=1 / 0.7)),
        (fg.families.Gaussian(), 0.7, stats.norm(3.3, np.sqrt(0.7))),
    ],
)
def test_distributions_equal_scipy(family, dispersion, theirs):
    distribution = family.distribution(dispersion)
    y, one = np.array([1.0, 2.0, 7.0, 40.0]), np.ones(4)
    lower, upper = distribution.tails(y, 3.3 * one, one)
    np.testing.assert_allclose(lower, theirs.cdf(y), rtol=1e-10)
    np.testing.assert_allclose(upper, theirs.sf(y), rtol=1e-8)
    for probability in (0.001, 0.3, 0.975):
        quantile = distribution.quantile(probability, 3.3 * one, one)
        np.testing.assert_allclose(quantile, theirs.ppf(probability), rtol=1e-9)


def test_tweedie_distribution_is_a_sum_of_gamma_variables():
    rng = np.random.default_rng(3)
    counts = rng.poisson(2.0 * np.sqrt(2.0), 400_000)
    draws = rng.gamma(np.maximum(counts, 1e-9)) * (counts > 0) * 0.5 * np.sqrt(2.0)
    distribution = fg.families.Tweedie(var_power=1.5).distribution(1.0)
    for y in (0.0, 0.5, 2.0, 6.0):
        lower, upper = distribution.tails(np.array([y]), np.array([2.0]), np.ones(1))
        assert lower[0] == pytest.approx((draws <= y).mean(), abs=3e-3)
        assert lower[0] + upper[0] == pytest.approx(1.0, abs=1e-12)
    quantile = distribution.quantile(np.array(0.6), np.array([2.0]), np.ones(1))
    assert distribution.tails(quantile, np.array([2.0]), np.ones(1))[0] == pytest.approx(0.6)
    with pytest.raises(ModelError, match="closed form"):
        fg.families.Tweedie(var_power=2.5).distribution(1.0)


@pytest.mark.parametrize("mean", [1e-8, 0.3, 30.0, 1e9, 1e30])
@pytest.mark.parametrize("guess", [0.0, 1.0, 1e3])
def test_lattice_search_finds_the_count_from_anywhere(mean, guess):
    def lower(k):
        return np.where(k < 0, 0.0, special.gammaincc(np.maximum(k, 0.0) + 1.0, mean))

    for probability in (0.025, 0.5, 0.975):
        (k,) = lattice_quantile(lower, np.array([guess]), probability)
        assert lower(k) >= probability
        assert k == 0.0 or lower(k - max(1.0, np.spacing(k))) < probability


@pytest.mark.parametrize("dispersion", [1e-6, 0.1, 3.0, 1e4])
def test_inverse_gaussian_quantiles_far_out(dispersion):
    distribution = fg.families.InverseGaussian().distribution(dispersion)
    mu, weight = np.exp(np.linspace(-3.0, 6.0, 30)), np.ones(30)
    for probability in (0.001, 0.5, 0.975, 0.9999):
        quantile = distribution.quantile(probability, mu, weight)
        np.testing.assert_allclose(distribution.lower(quantile, mu, weight), probability, rtol=1e-8)


def test_negative_binomial_tails_of_an_alpha_for_each_row():
    """Rows of alpha 0 are Poisson, and the upper tail of small means keeps its digits."""
    alpha, mean = np.array([0.0, 0.5, 0.5, 2.0]), np.array([1.5, 1e-9, 1.5, 1e-12])
    counts, ones = np.array([2.0, 1.0, 2.0, 0.0]), np.ones(4)
    lower, upper = negative_binomial_distribution(alpha).tails(counts, mean, ones)
    assert lower[0] == pytest.approx(stats.poisson(1.5).cdf(2), rel=1e-14)
    assert upper[0] == pytest.approx(stats.poisson(1.5).sf(2), rel=1e-14)
    assert lower[2] == pytest.approx(stats.nbinom(2.0, 2.0 / 3.5).cdf(2), rel=1e-13)
    # Of size 2: P(2 or more) is 3 x**2 (1 - 4 x / 3 + ...), x = mean / (size + mean).
    x = 1e-9 / (2.0 + 1e-9)
    assert upper[1] == pytest.approx(3.0 * x**2, rel=1e-8)
    assert upper[3] == pytest.approx(-np.expm1(-0.5 * np.log1p(2e-12)), rel=1e-13)
    below = negative_binomial_distribution(alpha).tails_below(np.zeros(4), mean, ones)
    np.testing.assert_array_equal(below, [np.zeros(4), np.ones(4)])


@pytest.mark.parametrize("alpha", [1e-4, 1e-7, 1e-10, 1e-14, 1e-99, 1e-101, 1e-300])
def test_negative_binomial_tails_of_a_small_alpha_keep_their_digits(alpha):
    """Against sums of masses in which no digit is lost; the Poisson distribution is the limit."""
    mean, counts = 7.0, np.arange(60)
    rising = np.concatenate([[0.0], np.cumsum(np.log1p(alpha * counts[:-1]))])
    log_zero = -mean if alpha * mean < 1e-16 else -np.log1p(alpha * mean) / alpha
    log_mass = rising + counts * (np.log(mean) - np.log1p(alpha * mean)) + log_zero
    mass = np.exp(log_mass - np.concatenate([[0.0], np.cumsum(np.log(counts[1:]))]))
    distribution = fg.families.NegativeBinomial(alpha=alpha).distribution(1.0)
    ones = np.ones(31)
    found = distribution.lower(counts[:31], mean * ones, ones)
    np.testing.assert_allclose(found, np.cumsum(mass)[:31], rtol=1e-11)
    found = distribution.upper(counts[:31], mean * ones, ones)
    # SciPy's own function has ten digits where 1 / alpha is a large whole number.
    np.testing.assert_allclose(found, np.cumsum(mass[::-1])[::-1][1:32], rtol=1e-9)


def test_binomial_tails_of_a_small_probability_keep_its_digits():
    # Of 1e12 trials: Poisson's distribution but for terms of the size of the probability.
    trials, mean, counts = np.full(9, 1e12), np.full(9, 3.3e-12), np.arange(9.0)
    distribution = fg.families.Binomial().distribution(1.0)
    found = distribution.lower(counts / trials, mean, trials)
    np.testing.assert_allclose(found, stats.poisson.cdf(counts, 3.3), rtol=1e-11)
