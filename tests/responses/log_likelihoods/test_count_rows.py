"""Rows of counts at every size of alpha, against sums that lose no digits."""

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from as_entry import as_entry

from fastglm.responses.count_density import log_count_density
from fastglm.responses.log_likelihoods.count_rows import (
    negative_binomial_count,
    negative_binomial_terms,
    poisson_count,
)

ALPHAS = [30.0, 0.4, 1e-3, 1e-6, 1e-8, 1e-10, 1e-13, 1e-30, 1e-90]
COUNTS = [(0, 1e-9), (0, 0.7), (1, 1.3), (2, 0.8), (3, 40.0), (60, 50.0), (1500, 1450.0)]


def log_mass(y, mu, alpha):
    """Sums of logarithms of 1 + alpha j, of no gamma function."""
    log_rising = math.log1p(alpha * mu)
    rising = [math.log1p(alpha * j) for j in range(y)]
    factorial = [-math.log(j) for j in range(2, y + 1)]
    return math.fsum([*rising, *factorial, y * math.log(mu), -y * log_rising, -log_rising / alpha])


def in_log_alpha(y, mu, alpha):
    """First and second derivative of the log-mass in log(alpha), of terms in powers of alpha."""
    a, j = alpha * mu, np.arange(y)
    share = alpha * j / (1.0 + alpha * j)
    # (log(1 + a) - a / (1 + a)) / alpha, by its series where it cancels.
    k = np.arange(2.0, 12.0)
    series = mu * np.sum((-1.0) ** k * (k - 1.0) / k * a ** (k - 1.0))
    gap = series if a < 1e-2 else (math.log1p(a) - a / (1.0 + a)) / alpha
    first = math.fsum([*share, gap, -y * a / (1.0 + a)])
    second = math.fsum([*(share / (1.0 + alpha * j)), -gap, (mu - y) * a / (1.0 + a) ** 2])
    return first, second


@pytest.mark.parametrize("alpha", ALPHAS)
def test_a_negative_binomial_keeps_its_digits_at_every_alpha(alpha):
    for y, mu in COUNTS:
        found = as_entry(negative_binomial_count)(float(y), math.log(mu), math.log(alpha))
        # The terms of a log-mass are as large as y log(mu).
        size = 1.0 + abs(y * math.log(mu)) + mu
        assert found[0] == pytest.approx(log_mass(y, mu, alpha), abs=3e-15 * size)
        (density,) = log_count_density(np.array([float(y)]), np.array([mu]), np.array([alpha]))
        assert density == pytest.approx(log_mass(y, mu, alpha), abs=2e-14 * size)
        # Terms in log(alpha) are of the size of alpha (y + mu)^2, or of y.
        unit = min(alpha * (y + mu) ** 2, y + mu + 1.0)
        first, second = in_log_alpha(y, mu, alpha)
        assert found[2] == pytest.approx(first, rel=1e-11, abs=1e-13 * unit)
        assert found[5] == pytest.approx(second, rel=1e-11, abs=1e-13 * unit)


def test_the_limit_is_poissons():
    for y, mu in COUNTS:
        found = as_entry(negative_binomial_count)(float(y), math.log(mu), -math.inf)
        want = as_entry(poisson_count)(float(y), math.log(mu), 0.0)
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-90)


def test_a_zero_of_a_tiny_mean_is_as_rare_as_it_is():
    # Odds of what a hurdle cuts off are made of it.
    for size in (0.3, 7.0, 2e3):
        value = as_entry(negative_binomial_terms)(0.0, math.log(1e-14), size)[0]
        assert value == pytest.approx(-1e-14, rel=1e-13)


def exact_log_gamma(x):
    """Stirling's series from 1,000 on, in the digits of the context."""
    below = Decimal(1)
    while x < 1000:
        below, x = below * x, x + 1
    square, ratios = x * x, [(1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188)]
    series = sum(Decimal(a) / b / (x * square**k) for k, (a, b) in enumerate(ratios))
    two_pi = Decimal("6.28318530717958647692528676655900576839433879875021164195")
    return (x - Decimal("0.5")) * x.ln() - x + two_pi.ln() / 2 + series - below.ln()


def exact_log_mass(y, mu, log_alpha):
    size = (-log_alpha).exp()
    gammas = exact_log_gamma(y + size) - exact_log_gamma(size) - exact_log_gamma(y + 1)
    return gammas + y * (mu / (size + mu)).ln() + size * (size / (size + mu)).ln()


@pytest.mark.parametrize("alpha", [1e4, 3.0, 0.21, 0.099, 1e-5, 1e-9, 1e-12])
def test_large_counts_keep_the_digits_of_what_is_left_of_their_large_terms(alpha):
    for y, ratio in [(16, 1.2), (1000, 0.9), (10**6, 1.001), (10**9, 1.5), (10**12, 1.0)]:
        log_mu, log_alpha = math.log(y * ratio), math.log(alpha)
        found = as_entry(negative_binomial_count)(float(y), log_mu, log_alpha)
        with localcontext() as context:
            context.prec, step = 70, Decimal("1e-14")
            mu, at = Decimal(math.exp(log_mu)), Decimal(log_alpha)
            low, middle, high = (exact_log_mass(Decimal(y), mu, at + k * step) for k in (-1, 0, 1))
            want = [middle, (high - low) / (2 * step), (high - 2 * middle + low) / step**2]
        # What is told of y / mu in eta and its exponential.
        rounding = 4e-16 * (1.0 + abs(found[1])) * (1.0 + log_mu)
        for one, reference in zip((found[0], found[2], found[5]), want, strict=True):
            assert one == pytest.approx(float(reference), rel=2e-14, abs=1e-13 + rounding)
        (density,) = log_count_density(*np.array([[y], [float(mu)], [alpha]], dtype=float))
        assert density == pytest.approx(float(want[0]), rel=1e-13, abs=1e-12 + rounding)
        poisson = as_entry(poisson_count)(float(y), log_mu, 0.0)[0]
        with localcontext() as context:
            context.prec = 60
            limit = y * mu.ln() - mu - exact_log_gamma(Decimal(y + 1))
        rounding = 4e-16 * y * abs(ratio - 1.0) * log_mu
        assert poisson == pytest.approx(float(limit), rel=2e-14, abs=1e-13 + rounding)
