"""Special functions against Python's decimal arithmetic, exact integer sums and scipy."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import integrate
from scipy import special as scipy_special

from fastglm.expfam import special

magnitudes = st.floats(-25, 25).map(lambda x: float(10.0**x))


def decimal_divergence(y, mean):
    with localcontext() as context:
        context.prec = 110
        y, mean = Decimal(y), Decimal(mean)
        return float(y * (y / mean).ln() - y + mean)


@given(magnitudes, magnitudes)
def test_poisson_divergence(y, mean):
    np.testing.assert_allclose(
        special.poisson_divergence(y, mean), decimal_divergence(y, mean), rtol=1e-13, atol=1e-70
    )


@given(magnitudes, st.floats(-0.7, 0.7), st.integers(0, 12))
def test_poisson_divergence_of_close_numbers(y, difference, shrink):
    mean = y * (1 + difference * 10.0**-shrink)
    expected = decimal_divergence(y, mean)
    np.testing.assert_allclose(
        special.poisson_divergence(y, mean), expected, rtol=1e-13, atol=1e-70
    )


def test_poisson_divergence_at_the_edges():
    assert special.poisson_divergence(0.0, 3.0) == 3.0
    np.testing.assert_allclose(special.poisson_divergence(2.0, 0.0, -800.0), 2 * np.log(2) + 1598)


def log_factorial(n):
    with localcontext() as context:
        context.prec = 60
        product = Decimal(1)
        for factor in range(2, n + 1):
            product *= factor
        return product.ln()


@pytest.mark.parametrize("n", [1, 2, 5, 9, 10, 11, 40, 300, 2000])
def test_gamma_excess_at_whole_numbers(n):
    with localcontext() as context:
        context.prec = 60
        number = Decimal(n)
        log_gamma = log_factorial(n) - number.ln()
        excess = float(log_gamma - number * number.ln() + number)
        gap = float(number * number.ln() - number - log_factorial(n))
    np.testing.assert_allclose(special.gamma_excess(n), excess, rtol=3e-15)
    np.testing.assert_allclose(special.log_factorial_gap(n), gap, rtol=3e-15)


@pytest.mark.parametrize("x", [1e-8, 0.3, 4.0, 9.99, 10.0, 10.01, 60.0])
def test_gamma_excess_derivatives(x):
    slope = scipy_special.digamma(x) - np.log(x)
    curvature = scipy_special.polygamma(1, x) - 1 / x
    np.testing.assert_allclose(special.gamma_excess_slope(x), slope, rtol=1e-13)
    np.testing.assert_allclose(special.gamma_excess_curvature(x), curvature, rtol=2e-12)


@pytest.mark.parametrize("x", [0.02, 1.7, 8.0, 30.0, 1e4])
@pytest.mark.parametrize("ratio", [1e-3, 0.4, 0.51, 1.49, 1.6, 50.0])
def test_log_gamma_divergence_of_far_numbers(x, ratio):
    y = x * ratio
    expected = (
        scipy_special.gammaln(y) - scipy_special.gammaln(x) - scipy_special.digamma(x) * (y - x)
    )
    np.testing.assert_allclose(special.log_gamma_divergence(y, x), expected, rtol=1e-12)


@pytest.mark.parametrize("x", [0.02, 1.7, 8.0, 30.0, 1e9])
@pytest.mark.parametrize("relative", [0.4, -0.3, 1e-3, 1e-9])
def test_log_gamma_divergence_of_close_numbers(x, relative):
    delta = x * (1 + relative) - x

    def remainder(t):
        return (1 - t) * delta**2 * scipy_special.polygamma(1, x + t * delta)

    expected = integrate.quad(remainder, 0, 1, epsabs=0, epsrel=1e-13)[0]
    np.testing.assert_allclose(special.log_gamma_divergence(x + delta, x), expected, rtol=1e-12)


@pytest.mark.parametrize("value", [-1e6, -50.0, -2.3, -2.2, 0.0, 5.0, 40.0])
def test_inverse_digamma_start_is_close(value):
    start = special.inverse_digamma_start(value)
    step = (scipy_special.digamma(start) - value) / scipy_special.polygamma(1, start)
    assert abs(step) < start / 3


@pytest.mark.parametrize("z", [1e-10, 0.3, 5.0, 49.99, 50.0, 300.0, 1e200])
def test_scaled_exponential_integral(z):
    # Twice the confluent function U(1, 1, z) by its integral over the half-line.
    expected = (
        integrate.quad(lambda t: np.exp(-t) / (z + t), 0, np.inf, epsabs=0)[0]
        if (z > 0.1)
        else np.exp(z) * (-np.log(z) - np.euler_gamma + z)
    )
    np.testing.assert_allclose(special.scaled_exponential_integral(z), expected, rtol=1e-9)


@pytest.mark.parametrize("step", [1e-300, 1e-9, 1e-3])
def test_gaps_keep_the_digits_of_a_small_step(step):
    # Abramowitz & Stegun 6.3.14: digamma(1 + x) + gamma = zeta(2) x - zeta(3) x^2 + ...
    zeta = [np.pi**2 / 6, -1.2020569031595942, np.pi**4 / 90, -1.03692775514337, np.pi**6 / 945]
    digamma = sum(z * step ** (k + 1) for k, z in enumerate(zeta))
    slope = special.gamma_excess_slope_gap(1.0, step)
    np.testing.assert_allclose(slope, digamma - np.log1p(step), rtol=2e-13)
    # log Gamma(1 + x) is the integral of the series above.
    log_gamma = sum(z * step ** (k + 2) / (k + 2) for k, z in enumerate(zeta))
    expected = log_gamma - np.euler_gamma * step - (1 + step) * np.log1p(step) + step
    np.testing.assert_allclose(special.gamma_excess_gap(1.0, step), expected, rtol=2e-13)


@given(st.floats(1e-6, 1e8), st.floats(1e-3, 1e3))
@example(7.0, 0.0078125)
def test_gaps_are_differences(x, ratio):
    step = x * ratio
    for gap, function in (
        (special.gamma_excess_gap, special.gamma_excess),
        (special.gamma_excess_slope_gap, special.gamma_excess_slope),
    ):
        start, end = function(x), function(x + step)
        # Small arguments give the function as a difference of terms of this size, whose rounding
        # the gap does not have: at x = 7 it is 1e-15 where the function is 0.04.
        small = [z for z in (x, x + step) if z < special._LARGE]
        terms = max((z + z * np.abs(np.log(z)) for z in small), default=0.0)
        size = np.abs(start) + np.abs(end) + 0.05 * terms
        np.testing.assert_allclose(gap(x, step), end - start, rtol=0, atol=1e-14 * size)
