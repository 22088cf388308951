"""How numbers are stored is immaterial: every dtype and layout gives the fit of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse

import fastglm as fg

N = 3_000
RNG = np.random.default_rng(21)
# Small whole numbers, which every numeric dtype holds.
WHOLE = np.column_stack([np.ones(N), RNG.integers(0, 2, (N, 1)), RNG.integers(0, 9, (N, 3))])
RESPONSE = RNG.poisson(np.exp(0.1 * WHOLE[:, 2]))
WEIGHTS = RNG.integers(1, 4, N)
OFFSET = RNG.integers(-2, 3, N)
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
DTYPES = ["float64", "float32", "float16", "longdouble", *INTEGERS]


def fitted(
    X: Any,
    y: Any = RESPONSE,
    weights: Any = WEIGHTS,
    offset: Any = OFFSET,
) -> fg.Results:
    return fg.GLM(y, X, family="poisson", var_weights=weights, offset=offset).fit()


def assert_same(fit: fg.Results, other: fg.Results, rtol: float = 1e-12) -> None:
    assert fit.converged
    for name in ("params", "bse", "deviance", "pearson_chi2", "llf", "null_deviance", "aic"):
        actual, expected = np.asarray(getattr(fit, name)), np.asarray(getattr(other, name))
        assert actual.dtype == np.float64
        np.testing.assert_allclose(actual, expected, rtol=rtol, err_msg=name)
    mean = np.asarray(fit.fittedvalues)
    np.testing.assert_allclose(mean, np.asarray(other.fittedvalues), rtol=rtol)


@pytest.fixture(scope="module")
def usual() -> fg.Results:
    """The fit of the same values in float64, row by row."""
    return fitted(WHOLE.astype(np.float64), *(a.astype(np.float64) for a in (RESPONSE, WEIGHTS)))


def every_other(X: np.ndarray) -> np.ndarray:
    whole = np.full((2 * N, 3 * X.shape[1]), 77).astype(X.dtype)
    whole[::2, 1::3] = X
    return whole[::2, 1::3]


def unaligned(X: np.ndarray) -> np.ndarray:
    """A field of packed records: neither aligned nor a whole number of elements apart."""
    record = np.zeros(N, dtype=[("flag", "i1"), ("x", X.dtype, (X.shape[1],))])
    record["x"] = X
    return record["x"]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": every_other,
    "rows backwards": lambda X: np.ascontiguousarray(X[::-1])[::-1],
    "columns backwards": lambda X: np.ascontiguousarray(X[:, ::-1])[:, ::-1],
    "unaligned": unaligned,
    "swapped bytes": lambda X: X.astype(X.dtype.newbyteorder()),
    "Fortran, strided": lambda X: every_other(X.T.copy().T),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_matrices(dtype: str, layout: str, usual: fg.Results) -> None:
    X = LAYOUTS[layout](WHOLE.astype(dtype))
    np.testing.assert_array_equal(X, WHOLE)
    assert_same(fitted(X), usual)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boolean_matrices(layout: str) -> None:
    X = WHOLE[:, :2].astype(bool)
    assert_same(fitted(LAYOUTS[layout](X)), fitted(X.astype(np.float64)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_that_are_rounded(dtype: str, layout: str) -> None:
    X = np.column_stack([np.ones(N), RNG.normal(size=(N, 4)) / 3]).astype(dtype)
    assert_same(fitted(LAYOUTS[layout](X)), fitted(X.astype(np.float64)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_responses_weights_and_offsets(dtype: str, usual: fg.Results) -> None:
    assert_same(fitted(WHOLE, RESPONSE.astype(dtype), WEIGHTS.astype(dtype)), usual)
    if not dtype.startswith("uint"):
        assert_same(fitted(WHOLE, offset=OFFSET.astype(dtype)[::-1][::-1]), usual)


def test_boolean_responses() -> None:
    won = RESPONSE > 0
    fits = [fg.GLM(y, WHOLE, family="binomial").fit() for y in (won, won.astype(np.float64))]
    assert_same(*fits)


def test_extreme_integers() -> None:
    for dtype in ("int64", "uint64", "int32", "uint32", "int8", "uint8"):
        limits = np.iinfo(dtype)
        column = np.array([limits.min, limits.max, limits.max // 2, 1, 7] * 40, dtype=dtype)
        X = np.column_stack([np.ones_like(column), column])
        y = np.tile([1.0, 2.0, 2.5, 0.5, 4.0], 40)
        fit = fg.GLM(y, X).fit()
        assert_same(fit, fg.GLM(y, X.astype(np.float64)).fit())
        assert np.isfinite(fit.params).all()


def test_memory_maps(tmp_path: Path, usual: fg.Results) -> None:
    for dtype in ("float32", "int16"):
        np.save(tmp_path / "X.npy", WHOLE.astype(dtype))
        assert_same(fitted(np.load(tmp_path / "X.npy", mmap_mode="r")), usual)


@pytest.mark.parametrize("format_", ["csr", "csc", "coo", "lil"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "int64", "uint16"])
def test_sparse_matrices(format_: str, dtype: str, usual: fg.Results) -> None:
    array = scipy.sparse.csr_array(WHOLE.astype(dtype)).asformat(format_)
    assert_same(fitted(array), usual)
    assert_same(fitted(scipy.sparse.csc_matrix(WHOLE.astype(dtype)).asformat(format_)), usual)


def test_sparse_matrices_with_entries_in_any_order(usual: fg.Results) -> None:
    """Unsorted indices, entries given in two pieces, and zeros that are stored."""
    rows, columns = np.nonzero(WHOLE)
    values = WHOLE[rows, columns]
    order = RNG.permutation(rows.size)
    pieces = np.concatenate([values[order] - 1.0, np.ones(rows.size), np.zeros(5)])
    rows = np.concatenate([rows[order], rows, np.arange(5)])
    columns = np.concatenate([columns[order], columns, np.full(5, 1)])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=N))])
    by_row = np.argsort(rows, kind="stable")
    X = scipy.sparse.csr_array((pieces[by_row], columns[by_row], indptr), shape=WHOLE.shape)
    assert not X.has_canonical_format
    before = X.data.copy(), X.indices.copy()
    assert_same(fitted(X), usual)
    np.testing.assert_array_equal(X.data, before[0])
    np.testing.assert_array_equal(X.indices, before[1])


# -- columns of frames ----------------------------------------------------------------------------

VALUES = {"y": RESPONSE, "a": WHOLE[:, 2], "b": WHOLE[:, 3], "w": WEIGHTS}
FRAMES: dict[str, Callable[[str], Any]] = {
    "pandas": lambda dtype: pd.DataFrame(VALUES).astype(dtype),
    "pandas, nullable": lambda dtype: pd.DataFrame(VALUES).astype(
        dtype.replace("f", "F")
        .replace("uint", "UInt")
        .replace("int", "Int")
        .replace("UInt", "UInt")
    ),
    "pandas, arrow": lambda dtype: pd.DataFrame(VALUES).astype(
        dtype.replace("float64", "double").replace("float32", "float") + "[pyarrow]"
    ),
    "polars": lambda dtype: pl.DataFrame({k: v.astype(dtype) for k, v in VALUES.items()}),
    "polars, chunked": lambda dtype: pl.concat(
        [pl.DataFrame({k: v.astype(dtype)[s] for k, v in VALUES.items()}) for s in HALVES],
        rechunk=False,
    ),
    "pyarrow": lambda dtype: pa.table({k: v.astype(dtype) for k, v in VALUES.items()}),
    "pyarrow, chunked": lambda dtype: pa.concat_tables(
        [pa.table({k: v.astype(dtype)[s] for k, v in VALUES.items()}) for s in HALVES]
    ),
    "dictionary": lambda dtype: {k: v.astype(dtype) for k, v in VALUES.items()},
}
HALVES = (slice(0, 1100), slice(1100, None))


@pytest.mark.parametrize("dtype", ["float64", "float32", *INTEGERS])
@pytest.mark.parametrize("kind", FRAMES)
def test_frames(kind: str, dtype: str) -> None:
    def fit(frame: Any) -> fg.Results:
        return fg.glm("y ~ a * b", frame, family="poisson", var_weights="w")

    frame = FRAMES[kind](dtype)
    assert_same(fit(frame), fit(pd.DataFrame(VALUES).astype(np.float64)))


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_frames_as_matrices(kind: str) -> None:
    X = WHOLE[:, :4].astype(np.float32)
    names = ["const", "u", "v", "w"]
    frame = {
        "pandas": lambda: pd.DataFrame(X, columns=names),
        "polars": lambda: pl.DataFrame(X, schema=names),
        "pyarrow": lambda: pa.table(dict(zip(names, X.T, strict=True))),
    }[kind]()
    plain = fg.GLM(RESPONSE, X.astype(np.float64), family="poisson").fit()
    assert_same(fg.GLM(RESPONSE, frame, family="poisson").fit(), plain)


# -- nothing changes ------------------------------------------------------------------------------


def digest(*arrays: np.ndarray) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()


@pytest.mark.parametrize("dtype", ["float64", "float32", "int32"])
def test_inputs_are_left_as_they_are(dtype: str) -> None:
    arrays = [a.astype(dtype) for a in (WHOLE, RESPONSE, WEIGHTS, OFFSET)]
    start = np.zeros(WHOLE.shape[1])
    before = digest(*arrays, start)
    for array in [*arrays, start]:
        array.setflags(write=False)
    X, y, weights, offset = arrays
    model = fg.GLM(y, X, family="poisson", var_weights=weights, offset=offset)
    fit = model.fit(start_params=start, cov_type="HC3")
    fit.predict(X, offset=offset)
    fit.get_influence().cooks_distance  # noqa: B018
    str(fit.summary())
    assert digest(*arrays, start) == before


def test_frames_are_left_as_they_are() -> None:
    frame = pd.DataFrame(VALUES)
    frame["g"] = np.where(WHOLE[:, 1] == 1, "yes", "no")
    before = frame.copy(deep=True)
    fit = fg.glm("y ~ a + C(g) + scale(b)", frame, family="poisson", var_weights="w")
    fit.predict(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_one_model_fitted_with_different_options() -> None:
    model = fg.GLM(RESPONSE, WHOLE, family="quasipoisson", offset=OFFSET)
    first = model.fit()
    bits = first.params.tobytes(), first.bse.tobytes(), first.deviance, first.scale
    rows, names = model.rows, model.names
    other = model.fit(scale=2.0, cov_type="HC1", n_threads=1, tol=1e-4, use_t=False)
    model.fit(start_params=first.params * 1.1)
    model.fit(bias_reduction="firth")
    assert other.scale == 2.0
    # A fit does not know of those that came after it, and the model of none.
    assert (first.params.tobytes(), first.bse.tobytes(), first.deviance, first.scale) == bits
    assert model.rows is rows
    assert model.names == names
    again = model.fit()
    assert (again.params.tobytes(), again.bse.tobytes(), again.deviance, again.scale) == bits


def test_results_cannot_be_changed() -> None:
    fit = fitted(WHOLE)
    with pytest.raises(FrozenInstanceError):
        fit.scale = 3.0  # type: ignore[misc]
    for name in ("estimates", "information_inverse", "covariance"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(fit, name)[...] = 0.0
    given_out = fit.params, fit.bse, fit.tvalues, fit.fittedvalues, fit.cov_params()
    for array in given_out:
        if array.flags.writeable:
            array[...] = 0.0
    assert_same(fit, fitted(WHOLE))
    np.testing.assert_array_equal(fit.cov_params(), fitted(WHOLE).cov_params())
