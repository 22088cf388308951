"""Whole numbers beyond 2**53: refused where double precision loses what they differ by."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastglm as fg
from fastglm.design.frames.whole_numbers import require_exact
from fastglm.errors import DataError
from fastglm.sklearn import GLMRegressor

N = 100
RNG = np.random.default_rng(1)
SMALL = RNG.integers(0, 50, N)
LARGE = 2**60 + SMALL
Y = 1.0 + 0.5 * SMALL + RNG.normal(size=N)
ONES = np.ones(N, dtype=np.int64)
FRAME = pd.DataFrame({"y": Y, "t": LARGE, "x": SMALL})

REFUSED = {
    "array": lambda: fg.GLM(Y, np.column_stack([ONES, LARGE]), "gaussian"),
    "array of one column": lambda: fg.GLM(Y, LARGE, "gaussian"),
    "frame": lambda: fg.GLM(Y, FRAME[["x", "t"]], "gaussian"),
    "formula": lambda: fg.GLM.from_formula("y ~ t", FRAME, family="gaussian"),
    "product": lambda: fg.GLM.from_formula("y ~ x:t", FRAME, family="gaussian"),
    "arithmetic": lambda: fg.GLM.from_formula("y ~ I(t - 2)", FRAME, family="gaussian"),
    "transform": lambda: fg.GLM.from_formula("y ~ center(t)", FRAME, family="gaussian"),
    "nullable": lambda: fg.GLM.from_formula("y ~ t", FRAME.astype({"t": "Int64"})),
    "unsigned": lambda: fg.GLM.from_formula("y ~ t", FRAME.astype({"t": "uint64"})),
    "objects": lambda: fg.GLM.from_formula("y ~ t", FRAME.astype({"t": object})),
    "polars": lambda: fg.GLM.from_formula("y ~ t", pl.DataFrame({"y": Y, "t": LARGE})),
    "response": lambda: fg.GLM(LARGE, SMALL, "gaussian"),
    "response of a formula": lambda: fg.GLM.from_formula("t ~ x", FRAME, family="gaussian"),
    "offset": lambda: fg.GLM(Y, SMALL, "gaussian", offset=LARGE),
    "mixed": lambda: fg.mixed("y ~ t + (1 | x)", FRAME),
    "estimator": lambda: GLMRegressor().fit(LARGE[:, None], Y),
    "estimator, frame": lambda: GLMRegressor().fit(FRAME[["x", "t"]], Y),
    "estimator, response": lambda: GLMRegressor().fit(SMALL[:, None], LARGE),
}


@pytest.mark.parametrize("way", REFUSED)
def test_differences_that_would_be_lost_are_refused(way):
    with pytest.raises(DataError, match=r"rounds to multiples of 256.*Subtract"):
        REFUSED[way]()


def test_new_rows_are_refused_as_well():
    fit = fg.glm("y ~ x", FRAME)
    with pytest.raises(DataError, match=r"'x'.*Subtract"):
        fit.predict(pd.DataFrame({"x": LARGE}))


def test_what_to_subtract_gives_the_right_slope():
    fit = fg.glm("y ~ t", FRAME.assign(t=LARGE - LARGE.min()))
    slope = np.polyfit(SMALL, Y, 1)[0]
    np.testing.assert_allclose(fit.params["t"], slope, rtol=1e-10)


def test_whole_numbers_that_double_precision_tells_apart_are_taken():
    # Nanoseconds of whole seconds are multiples of 512; levels are not made doubles.
    fit = fg.glm("y ~ t", FRAME.assign(t=1_764_500_000 * 10**9 + SMALL * 10**9))
    np.testing.assert_allclose(fit.params["t"] * 1e9, np.polyfit(SMALL, Y, 1)[0], rtol=1e-7)
    assert len(fg.glm("y ~ C(t)", FRAME).params) == np.unique(SMALL).size
    wide = RNG.integers(0, 2**62, N)
    for values in (LARGE[:1].repeat(N), wide, 2**53 + 2 * SMALL, -wide, LARGE.astype(float)):
        require_exact(values, "t")
    require_exact(np.array([0, 2**63 - 1, -(2**63)]), "t")


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_unsigned_and_negative_numbers(kind):
    values = np.array([2**63 - 5, 2**63 - 9, 2**63 - 1]).astype(kind)
    with pytest.raises(DataError, match="t holds whole numbers"):
        require_exact(values, "t")
    with pytest.raises(DataError, match="Column 1 of X"):
        require_exact(np.column_stack([values - values, values]), "X")
    if kind is np.int64:
        with pytest.raises(DataError, match="such as -92"):
            require_exact(-values, "t")
