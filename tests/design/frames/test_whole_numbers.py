"""Whole numbers beyond 2**53: refused where double precision loses what they differ by."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy

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
WITH_MISSING = FRAME.assign(t=FRAME.t.astype("Int64").where(FRAME.index > 2))

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
    "sparse rows": lambda: fg.GLM(Y, scipy.sparse.csr_array(np.column_stack([ONES, LARGE]))),
    "sparse columns": lambda: fg.GLM(Y, scipy.sparse.csc_matrix(np.column_stack([ONES, LARGE]))),
    "nullable, missing": lambda: fg.glm("y ~ t", WITH_MISSING, missing="drop"),
    "nullable, missing, levels": lambda: fg.glm("y ~ C(t)", WITH_MISSING, missing="drop"),
    "polars, missing": lambda: fg.glm("y ~ t", pl.from_pandas(WITH_MISSING), missing="drop"),
    "objects, missing": lambda: fg.glm("y ~ t", WITH_MISSING.astype(object), missing="drop"),
    "masked": lambda: fg.GLM(Y, np.ma.masked_less(LARGE, LARGE[0]), missing="drop"),
    "objects of a response": lambda: fg.GLM(LARGE.astype(object), SMALL),
    "mixed, levels": lambda: fg.mixed("y ~ x + (1 | t)", WITH_MISSING, missing="drop"),
    "estimator, list": lambda: GLMRegressor().fit(LARGE[:, None].tolist(), Y),
    "estimator, objects": lambda: GLMRegressor().fit(LARGE[:, None].astype(object), Y),
    "estimator, sparse": lambda: GLMRegressor().fit(scipy.sparse.csr_array(LARGE[:, None]), Y),
    "estimator, coordinates": lambda: GLMRegressor().fit(scipy.sparse.coo_array(LARGE[:, None]), Y),
}


@pytest.mark.parametrize("way", REFUSED)
def test_differences_that_would_be_lost_are_refused(way):
    with pytest.raises(DataError, match=r"rounds to multiples of 256.*Subtract"):
        REFUSED[way]()


def test_levels_that_are_doubles_too_large_to_tell_apart_are_refused():
    """As pandas and CSV files give whole numbers with missing values, or of twenty digits."""
    accounts = FRAME.assign(t=2.0**60 + 256.0 * SMALL)
    for formula in ("y ~ C(t)", "y ~ x + (1 | t)"):
        with pytest.raises(DataError, match=r"t\)?' holds numbers such as 1152921504606\d+ in do"):
            (fg.mixed if "|" in formula else fg.glm)(formula, accounts)
    assert len(fg.glm("y ~ C(t)", FRAME.assign(t=2.0**40 + SMALL)).params) == np.unique(SMALL).size


def test_new_rows_are_refused_as_well():
    fit = fg.glm("y ~ x", FRAME)
    with pytest.raises(DataError, match=r"'x'.*Subtract"):
        fit.predict(pd.DataFrame({"x": LARGE}))


def test_what_to_subtract_gives_the_right_slope():
    fit = fg.glm("y ~ t", FRAME.assign(t=LARGE - LARGE.min()))
    slope = np.polyfit(SMALL, Y, 1)[0]
    np.testing.assert_allclose(fit.params["t"], slope, rtol=1e-10)


def test_whole_numbers_that_differ_in_double_precision_are_accepted():
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
