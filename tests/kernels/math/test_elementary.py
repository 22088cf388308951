"""Elementary functions against NumPy's long double."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from as_entry import as_entry
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from fastglm.kernels.math import elementary as vm

LONG = np.longdouble
EPSILON = np.finfo(float).eps


def over(function):
    """The scalar function over an array, compiled as kernels do."""

    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    def call(values):
        x = np.asarray(values, dtype=float)
        out = np.empty_like(x)
        loop(x, out)
        return out

    return call


@pytest.fixture(scope="module")
def compiled():
    return {name: over(getattr(vm, name)) for name in ("exp", "expm1", "log", "log1p")}


def units_off(got, exact):
    exact = np.asarray(exact)
    return np.abs((got - exact) / np.spacing(np.abs(exact).astype(float))).max()


GRIDS = {
    "exp": np.concatenate([np.linspace(-708, 709.7, 20001), np.linspace(-1, 1, 20001)]),
    "expm1": np.concatenate(
        [np.linspace(-60, 709.7, 20001), np.linspace(-1, 1, 20001), np.logspace(-300, 0, 999)]
    ),
    "log": np.concatenate([np.logspace(-307, 308, 20001), np.linspace(0.5, 2, 20001)]),
    "log1p": np.concatenate([np.linspace(-0.999, 5, 20001), np.logspace(-300, 300, 999)]),
}


@pytest.mark.parametrize("name", GRIDS)
def test_within_two_units_in_the_last_place(compiled, name):
    x = GRIDS[name]
    assert units_off(compiled[name](x), getattr(np, name)(x.astype(LONG))) < 2.0


@pytest.mark.parametrize("name", GRIDS)
def test_the_ends_are_the_c_librarys(compiled, name):
    x = np.array([np.inf, -np.inf, np.nan, 0.0, 710.0, 800.0, -746.0, -800.0, -1.0, -2.0, 5e-324])
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    np.testing.assert_array_equal(compiled[name](x), expected)


@settings(max_examples=200, deadline=None)
@given(
    st.floats(1e-300, 1e300),
    st.floats(-5.0, 5.0).filter(lambda p: abs(p) > 1e-3),
)
def test_power(x, exponent):
    got = as_entry(vm.power)(x, exponent)
    bound = 4.0 * EPSILON * (1.0 + abs(exponent * np.log(x)))
    with np.errstate(over="ignore", under="ignore"):
        expected = float(np.power(LONG(x), LONG(exponent)))
    if 1e-300 < expected < 1e300:
        assert got == pytest.approx(expected, rel=bound)


@pytest.mark.parametrize(
    ("x", "nearest"), [(0.5, 0), (1.5, 2), (2.5, 2), (2.51, 3), (1e300, 1e300)]
)
def test_nearest_integer_takes_halves_to_even(x, nearest):
    assert as_entry(vm.nearest_integer)(x) == nearest


def test_arc_cotangent():
    x = np.concatenate([np.linspace(0, 5, 20001), np.logspace(-300, 300, 999)])
    got = over(vm.arc_cotangent)(x)
    assert units_off(got, np.arctan2(LONG(1), x.astype(LONG))) < 3.0
    assert as_entry(vm.arc_cotangent)(np.inf) == 0.0


@pytest.mark.parametrize("y", [1e-8, 0.3, 7.0, 1e6])
@pytest.mark.parametrize("ratio", [1e-9, 1e-5, 1e-3, 0.05, 0.2, 0.21, 0.5, 3.0, 1e5])
def test_relative_entropy_near_and_far(y, ratio):
    mu = y * (1.0 + ratio)
    x = (LONG(y) - LONG(mu)) / LONG(mu)
    # y log(y/mu) - y + mu in terms of x = (y - mu)/mu; its series where long double cancels.
    k = np.arange(2, 12, dtype=LONG)
    series = np.sum((-x) ** k / (k * (k - 1)))
    exact = LONG(mu) * ((1 + x) * np.log1p(x) - x if ratio > 0.01 else series)
    assert as_entry(vm.relative_entropy)(y, mu, y - mu) == pytest.approx(float(exact), rel=2e-15)


@pytest.mark.parametrize(
    ("y", "mu", "expected"),
    [
        (0.0, 0.0, 0.0),
        (0.0, 3.0, 3.0),
        (2.0, 0.0, np.inf),
        (1e5, 1e-304, 1e5 * (np.log(1e5) + 304 * np.log(10.0)) - 1e5),
        (1e-20, 1e304, 1e304),
        (1e300, 1.0, special.rel_entr(1e300, 1.0) - 1e300),
    ],
)
def test_relative_entropy_at_the_ends(y, mu, expected):
    assert as_entry(vm.relative_entropy)(y, mu, y - mu) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_single_precision_within_two_units_in_its_last_place(compiled, name):
    function = getattr(vm, name)

    @numba.njit(error_model="numpy")
    def loop(x, out):
        for i in range(x.shape[0]):
            out[i] = function(x[i])

    low = -87.3 if name == "exp" else -30.0
    x = np.linspace(low, 88.3, 40_001).astype(np.float32)
    x = np.concatenate([x, np.linspace(-1, 1, 20_001).astype(np.float32)])
    got = np.empty_like(x)
    loop(x, got)
    assert str(loop.nopython_signatures[0].args[0].dtype) == "float32"
    exact = getattr(np, name)(x.astype(float))
    assert (np.abs(got - exact) <= 2.0 * np.spacing(np.abs(exact).astype(np.float32))).all()
    # What is computed in double precision is within half a unit, but for a few in a million.
    assert (np.abs(got - exact) > 0.51 * np.spacing(np.abs(exact).astype(np.float32))).any()
    ends = np.array([-np.inf, -200.0, 100.0, np.inf, np.nan], dtype=np.float32)
    got = np.empty_like(ends)
    loop(ends, got)
    lowest = -1.0 if name == "expm1" else 0.0
    np.testing.assert_array_equal(got, [lowest, lowest, np.inf, np.inf, np.nan])
