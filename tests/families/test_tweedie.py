"""The Tweedie density against characteristic-function inversion and its own moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from fastglm import families

MU = 1.7


def density(power: float, dispersion: float):
    family = families.Tweedie(var_power=power)
    return lambda y: np.exp(family.loglike_obs(y, MU, 1.0, dispersion))


def inverted(y: float, power: float, dispersion: float) -> float:
    """Density at y from the characteristic function, the atom at 0 taken off."""
    a, b = 2.0 - power, 1.0 - power
    theta = MU**b / b

    def cumulant(t):
        return ((b * (theta + 1j * t * dispersion)) ** (a / b) - MU**a) / (a * dispersion)

    atom = np.exp(-(MU**a) / (a * dispersion)) if 1 < power < 2 else 0.0
    value = integrate.quad(
        lambda t: ((np.exp(cumulant(t)) - atom) * np.exp(-1j * t * y)).real,
        0.0,
        4000.0,
        limit=20_000,
        epsabs=1e-11,
    )[0]
    return value / np.pi


@pytest.mark.parametrize("power", [1.2, 1.5, 2.5, 4.0])
@pytest.mark.parametrize("y", [0.6, 1.7, 4.0])
def test_against_inversion(power, y):
    dispersion = 0.3
    assert density(power, dispersion)(y) == pytest.approx(inverted(y, power, dispersion), rel=2e-5)


@pytest.mark.parametrize("power", [1.05, 1.2, 1.5, 1.8, 2.0, 2.2, 2.5, 3.0, 4.0, 6.0])
@pytest.mark.parametrize("dispersion", [1e-7, 1e-3, 0.1, 0.7])
def test_total_mean_and_variance(power, dispersion):
    # The trapezoidal rule on log y; the densities die off at both ends.
    reach = 30 * np.sqrt(dispersion * MU ** (power - 2.0))
    lower, upper = (60.0, 25.0) if dispersion >= 0.1 else (reach, reach)
    log_y, step = np.linspace(-lower, upper, 4_001, retstep=True)
    y = MU * np.exp(log_y)
    mass = density(power, dispersion)(y) * y * step
    atom = density(power, dispersion)(0.0) if power < 2 else 0.0
    assert mass.sum() + atom == pytest.approx(1.0, rel=1e-7)
    assert np.sum(mass * y) == pytest.approx(MU, rel=1e-9)
    squares = np.sum(mass * (y - MU) ** 2) + atom * MU**2
    assert squares == pytest.approx(dispersion * MU**power, rel=1e-7)


def test_special_powers():
    y, w, dispersion = np.array([0.3, 2.0, 5.0]), 1.5, 0.4
    scale = dispersion / w
    expected = {
        0.0: stats.norm.logpdf(y, MU, np.sqrt(scale)),
        2.0: stats.gamma.logpdf(y, 1 / scale, scale=MU * scale),
        3.0: stats.invgauss.logpdf(y, MU * scale, scale=1 / scale),
    }
    for power, value in expected.items():
        got = families.Tweedie(var_power=power).loglike_obs(y, MU, w, dispersion)
        np.testing.assert_allclose(got, value, rtol=1e-12)
    counts = np.array([0.0, 3.0])
    got = families.Tweedie(var_power=1).loglike_obs(counts * 0.2, MU, 1.0, 0.2)
    np.testing.assert_allclose(got, stats.poisson.logpmf(counts, MU / 0.2), rtol=1e-12)


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_special_powers_are_limits_of_the_others(power):
    y = np.array([0.3, 2.0, 5.0])
    exact = families.Tweedie(var_power=power).loglike_obs(y, MU, 2.0, 0.4)
    below = families.Tweedie(var_power=power - 1e-6).loglike_obs(y, MU, 2.0, 0.4)
    above = families.Tweedie(var_power=power + 1e-6).loglike_obs(y, MU, 2.0, 0.4)
    np.testing.assert_allclose(0.5 * (below + above), exact, rtol=1e-9)


def test_exact_zeros_have_the_poisson_probability():
    family = families.Tweedie(var_power=1.5)
    got = family.loglike_obs(0.0, MU, 2.0, 0.4)
    assert got == pytest.approx(-2.0 * np.sqrt(MU) / (0.5 * 0.4), rel=1e-13)


def test_no_overflow_at_any_dispersion():
    y = np.array([0.0, 1e-200, 1e-8, 1.0, 1e8, 1e200])
    for dispersion in (1e-12, 1e-3, 1.0, 1e12):
        got = families.Tweedie(var_power=1.5).loglike_obs(y, 1.0, 1.0, dispersion)
        assert np.isfinite(got).all()
