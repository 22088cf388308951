"""From evaluated factors to a `Design`: parts, column names and the sparse transform."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import scipy.sparse

from fastglm.design.contrasts import Contrast
from fastglm.design.frames import Level
from fastglm.design.parts import Coded, Dense, Design, Ones, Part, Product
from fastglm.design.scoping import ScopedTerm

__all__ = ["CategoricalFactor", "Factor", "NumericFactor", "ScaledTerm", "assemble"]


@dataclass(frozen=True, eq=False)
class NumericFactor:
    """Numeric columns of a factor.

    Parameters
    ----------
    values : ndarray, shape (n,) or (n, k)
        One column as it lies, or the columns of a basis.
    names : tuple of str
        One per column.
    spans_intercept : bool
        Whether the first column is left out when the factor is reduced.
    """

    values: np.ndarray
    names: tuple[str, ...]
    spans_intercept: bool = False

    def columns(self, reduced: bool) -> np.ndarray:
        """Give the columns as a matrix, (n, k), a view."""
        matrix = self.values[:, None] if self.values.ndim == 1 else self.values
        return matrix[:, 1:] if reduced else matrix


@dataclass(frozen=True, eq=False)
class CategoricalFactor:
    """Codes of a factor, checked to lie between 0 and len(levels) - 1.

    Parameters
    ----------
    codes : ndarray, shape (n,), integer
    levels : tuple
    contrast : Contrast
    name : str
    spans_intercept : bool
        Whether rank rules may reduce it.
    """

    codes: np.ndarray
    levels: tuple[Level, ...]
    contrast: Contrast
    name: str
    spans_intercept: bool = True


Factor: TypeAlias = NumericFactor | CategoricalFactor


@dataclass(frozen=True)
class ScaledTerm:
    """A term of the model with the products of factors that make it up, all times `scale`."""

    name: str
    products: tuple[ScopedTerm, ...]
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class _Block:
    """The parts of one product of factors and the transform of their sweep columns, (q, p)."""

    parts: list[Part]
    transform: scipy.sparse.csc_array
    names: list[str]


def assemble(terms: Sequence[ScaledTerm], factors: Mapping[str, Factor], n_rows: int) -> Design:
    """Build the design of scoped terms.

    Parameters
    ----------
    terms : sequence of ScaledTerm
    factors : mapping of factor text to Factor
    n_rows : int

    Returns
    -------
    Design
        With the columns in formulaic's order: terms as given, and inside a term the first factor
        varies fastest.
    """
    blocks: list[_Block] = []
    slices: list[tuple[str, slice]] = []
    constant, start = None, 0
    for term in terms:
        width = 0
        for product in term.products:
            block = _block(product, factors, n_rows)
            if not block.names:
                continue
            if not product.factors and term.scale == 1:
                constant = start + width
            block.transform.data *= term.scale
            blocks.append(block)
            width += len(block.names)
        slices.append((term.name, slice(start, start + width)))
        start += width
    return Design(
        parts=tuple(_gather([part for block in blocks for part in block.parts])),
        n_rows=n_rows,
        names=tuple(name for block in blocks for name in block.names),
        transform=_side_by_side([block.transform for block in blocks]),
        constant=constant,
        terms=tuple(slices),
    )


def _gather(parts: list[Part]) -> list[Part]:
    """Join neighbouring numeric columns that lie side by side in one matrix of the frame."""
    gathered: list[Part] = []
    for part in parts:
        last = gathered[-1] if gathered else None
        joined = _join_columns(last, part)
        if joined is None:
            gathered.append(part)
        else:
            gathered[-1] = joined
    return gathered


def _join_columns(left: Part | None, right: Part) -> Dense | None:
    """Give the view of both parts as one matrix, or None if they do not lie side by side."""
    if not (isinstance(right, Product) and len(right.factors) == 1):
        return None
    column = right.factors[0]
    if isinstance(left, Product) and len(left.factors) == 1:
        block = left.factors[0][:, None]
    elif isinstance(left, Dense):
        block = left.values
    else:
        return None
    matrix = column.base
    if matrix is None or matrix is not block.base or np.ndim(matrix) != 2:
        return None
    matrix = matrix if len(matrix) == len(column) else matrix.T
    if len(matrix) != len(column) or matrix.strides[0] != column.strides[0]:
        return None
    first = (_address(block) - _address(matrix)) // matrix.strides[1]
    last = (_address(column) - _address(matrix)) // matrix.strides[1]
    if last != first + block.shape[1] or last >= matrix.shape[1]:
        return None
    if _address(column) != _address(matrix[:, last]) or column.dtype != matrix.dtype:
        return None
    return Dense(matrix[:, first : last + 1])


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def _side_by_side(
    transforms: Sequence[scipy.sparse.csc_array],
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Give the block-diagonal transform, or None if it is the identity."""
    indptr: list[np.ndarray] = [np.zeros(1, np.int64)]
    indices: list[np.ndarray] = []
    data: list[np.ndarray] = []
    n_rows = n_stored = 0
    for block in transforms:
        indptr.append(block.indptr[1:] + n_stored)
        indices.append(block.indices + n_rows)
        data.append(block.data)
        n_rows += block.shape[0]
        n_stored += block.nnz
    pointers = np.concatenate(indptr).astype(np.int64)
    rows = np.concatenate([np.empty(0), *indices]).astype(np.int64)
    values = np.concatenate([np.empty(0), *data])
    n_columns = len(pointers) - 1
    diagonal = np.arange(n_columns)
    if n_columns == n_rows == n_stored and (rows == diagonal).all() and (values == 1).all():
        return None
    return pointers, rows, values


def _block(product: ScopedTerm, factors: Mapping[str, Factor], n_rows: int) -> _Block:
    if not product.factors:
        return _Block([Ones(n_rows)], scipy.sparse.csc_array(np.ones((1, 1))), ["Intercept"])
    scoped = [(factors[factor.text], factor.reduced) for factor in product.factors]
    names, coding = _columns(scoped)
    numeric = [f.columns(reduced) for f, reduced in scoped if isinstance(f, NumericFactor)]
    categorical = [f for f, _ in scoped if isinstance(f, CategoricalFactor)]
    parts: list[Part]
    if len(numeric) == 1 and not categorical and numeric[0].shape[1] > 1:
        parts = [Dense(numeric[0])]
    else:
        picks = itertools.product(*(range(values.shape[1]) for values in numeric))
        parts = [
            _part(
                [values[:, j] for values, j in zip(numeric, pick, strict=True)],
                categorical,
            )
            for pick in picks
        ]
    return _Block(parts, coding, names)


def _part(numeric: list[np.ndarray], categorical: list[CategoricalFactor]) -> Part:
    if not categorical:
        return Product(tuple(numeric))
    return Coded(
        tuple(factor.codes for factor in categorical),
        tuple(len(factor.levels) for factor in categorical),
        tuple(numeric),
    )


def _columns(scoped: Sequence[tuple[Factor, bool]]) -> tuple[list[str], scipy.sparse.csc_array]:
    """Model column names of a product and its transform.

    The sweep columns are ordered by numeric columns first, then by levels, the last varying
    fastest; so the transform is the Kronecker product of the factors' codings in that order,
    with its columns put into the order of the names, where the first factor varies fastest.
    """
    names: list[list[str]] = []
    codings: list[scipy.sparse.csc_array] = []
    for factor, reduced in scoped:
        if isinstance(factor, CategoricalFactor):
            matrix, columns = factor.contrast.columns(factor.levels, reduced, factor.name)
        else:
            columns = list(factor.names[1:] if reduced else factor.names)
            matrix = scipy.sparse.eye_array(len(columns), format="csc")
        names.append(columns)
        codings.append(matrix)
    order = sorted(range(len(scoped)), key=lambda i: isinstance(scoped[i][0], CategoricalFactor))
    transform = codings[order[0]]
    for i in order[1:]:
        transform = scipy.sparse.kron(transform, codings[i], format="csc")
    widths = [len(columns) for columns in names]
    positions = np.arange(transform.shape[1]).reshape([widths[i] for i in order])
    by_factor = positions.transpose(np.argsort(order))
    transform = scipy.sparse.csc_array(transform[:, by_factor.ravel(order="F")])
    transform.sort_indices()
    joined = [":".join(reversed(labels)) for labels in itertools.product(*reversed(names))]
    return joined, transform
