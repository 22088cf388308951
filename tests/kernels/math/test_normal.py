from __future__ import annotations

import numba
import numpy as np
import pytest
from as_entry import as_entry
from scipy import special

from fastglm.kernels.math.normal import normal_density_and_tail, normal_quantile


@numba.njit(error_model="numpy")
def over(x, density, tail):
    for i in range(x.shape[0]):
        density[i], tail[i] = normal_density_and_tail(x[i])


def test_density_and_tail_to_the_ends_of_the_range():
    x = np.concatenate([np.linspace(0, 37, 20001), np.logspace(-8, 1, 999)])
    density, tail = np.empty_like(x), np.empty_like(x)
    over(x, density, tail)
    exact = np.exp(-(x.astype(np.longdouble) ** 2) / 2) / np.sqrt(8 * np.arctan(np.longdouble(1)))
    np.testing.assert_allclose(density, exact, rtol=2e-15)
    # The tail from SciPy's scaled function: exp(-x**2 / 2) in double would lose digits.
    scaled = special.erfcx(x * np.sqrt(0.5))
    exact_tail = exact * np.sqrt(2 * np.arctan(np.longdouble(1)) * 4) * scaled / 2
    np.testing.assert_allclose(tail, exact_tail, rtol=4e-15)


@pytest.mark.parametrize("x", [39.0, 1e200, np.inf])
def test_far_out_both_are_negligible(x):
    density, tail = as_entry(normal_density_and_tail)(x)
    assert density < 1e-300
    assert tail < 1e-300


def test_nan_stays():
    assert np.isnan(as_entry(normal_density_and_tail)(np.nan)).all()


def test_quantile():
    p = np.concatenate([np.logspace(-300, -1, 600), np.linspace(0.01, 0.5, 500)])
    got = np.array([as_entry(normal_quantile)(value, 1.0 - value) for value in p])
    np.testing.assert_allclose(got, special.ndtri(p), rtol=1e-13, atol=1e-15)
    mirrored = np.array([as_entry(normal_quantile)(1.0 - value, value) for value in p])
    np.testing.assert_array_equal(mirrored, -got)


def test_quantile_at_the_ends():
    assert as_entry(normal_quantile)(0.0, 1.0) == -np.inf
    assert as_entry(normal_quantile)(1.0, 0.0) == np.inf
    assert np.isnan(as_entry(normal_quantile)(-0.1, 1.1))
