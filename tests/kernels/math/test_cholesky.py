"""Factors and inverses of Gram matrices, of few columns and in panels of many, by NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

from fastglm.kernels.math.blocked_cholesky import BLOCKED_FROM, PANEL
from fastglm.kernels.math.cholesky import factorize_and_solve, invert

TOLERANCE = 1e-10


def _gram(p: int, *, empty: tuple[int, ...] = (), sums: tuple[int, ...] = ()) -> np.ndarray:
    """A Gram matrix with columns of zeros, and columns that are sums of their two neighbours."""
    X = np.random.default_rng(p).normal(size=(p + 40, p))
    X[:, list(empty)] = 0.0
    for j in sums:
        X[:, j] = X[:, j - 2] + X[:, j - 1]
    return X.T @ X


def _factorize(gram: np.ndarray) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Number of aliased columns, factor, scale, pivots and solution; nothing is zero before."""
    p = len(gram)
    factor, scale, pivot, step = np.full((p, p), 7.0), np.ones(p), np.ones(p), np.zeros(p)
    aliased = factorize_and_solve(gram, np.arange(p) + 1.0, factor, scale, pivot, TOLERANCE, step)
    return aliased, factor, scale, pivot, step


SIZES = (5, BLOCKED_FROM - 1, BLOCKED_FROM, BLOCKED_FROM + 1, BLOCKED_FROM + PANEL + 13)


@pytest.mark.parametrize("p", SIZES)
def test_of_full_rank(p: int) -> None:
    gram = _gram(p)
    aliased, factor, scale, pivot, step = _factorize(gram)
    assert aliased == 0
    correlation = gram * np.outer(scale, scale)
    np.testing.assert_allclose(factor, np.linalg.cholesky(correlation), rtol=0.0, atol=1e-13)
    np.testing.assert_array_equal(np.triu(factor, 1), 0.0)
    np.testing.assert_allclose(np.sqrt(pivot), np.diag(factor), rtol=1e-14)
    np.testing.assert_allclose(gram @ step, np.arange(p) + 1.0, rtol=1e-8)


@pytest.mark.parametrize("p", SIZES)
def test_inverse_and_its_root(p: int) -> None:
    gram = _gram(p)
    _, factor, scale, pivot, _ = _factorize(gram)
    inverse, root = np.full((p, p), 3.0), np.full((p, p), 5.0)
    invert(factor, scale, pivot, inverse, root)
    expected = np.linalg.inv(gram)
    np.testing.assert_allclose(inverse, expected, rtol=0.0, atol=1e-9 * np.abs(expected).max())
    np.testing.assert_allclose(root @ root.T, inverse, rtol=0.0, atol=1e-14 * inverse.max())
    np.testing.assert_array_equal(np.tril(root, -1), 0.0)
    np.testing.assert_array_equal(inverse, inverse.T)


@pytest.mark.parametrize("p", SIZES[1:])
def test_without_aliased_columns_as_if_they_were_not_there(p: int) -> None:
    # In the first panel, at either side of the edge of two, and in the last rows.
    empty, sums = (7, PANEL), (20, PANEL - 1, p - 1)
    gram = _gram(p, empty=empty, sums=sums)
    aliased, factor, scale, pivot, _ = _factorize(gram)
    left_out = np.sort([*empty, *sums])
    np.testing.assert_array_equal(np.flatnonzero(pivot == 0.0), left_out)
    assert aliased == left_out.size
    assert not factor[left_out].any()
    assert not factor[:, left_out].any()
    kept = np.setdiff1d(np.arange(p), left_out)
    inner = np.ix_(kept, kept)
    correlation = (gram * np.outer(scale, scale))[inner]
    np.testing.assert_allclose(factor[inner], np.linalg.cholesky(correlation), rtol=0.0, atol=1e-13)
    inverse, root = np.full((p, p), 3.0), np.full((p, p), 5.0)
    invert(factor, scale, pivot, inverse, root)
    expected = np.linalg.inv(gram[inner])
    tolerance = 1e-9 * np.abs(expected).max()
    np.testing.assert_allclose(inverse[inner], expected, rtol=0.0, atol=tolerance)
    assert not inverse[left_out].any()
    assert not root[left_out].any()
    assert not root[:, left_out].any()


@pytest.mark.parametrize("p", SIZES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_told(p: int, value: float) -> None:
    gram = _gram(p)
    gram[p - 1, 2] = gram[2, p - 1] = value
    assert _factorize(gram)[0] == -1
    gram = _gram(p)
    gram[p - 1, p - 1] = value
    assert _factorize(gram)[0] == -1
