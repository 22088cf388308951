"""Aliased columns among indicators, found exactly from the combinations of levels that occur.

The values of indicators in a row, and of their products with one numeric column, depend only on the
row's level codes, up to a common factor. One row of each combination of codes that occurs therefore
decides which of these columns are combinations of others, however many rows there are; finding the
combinations takes a few passes over the codes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import scipy

from fastglm.design.matrix.parts import Indicators
from fastglm.kernels.math.cholesky import factorize_and_solve, solve_factored
from fastglm.passes.row_table import RowTable

__all__ = ["coded_columns", "coded_combinations"]

#: Largest number of combinations of codes that a table holds, for each row and in any case.
CELLS_PER_ROW, LEAST_CELLS = 4, 1 << 20
#: More combinations are sorted instead, if there are as many columns: a fit's QR costs more then.
SORTED_FROM, MOST_SORTED = 256, 2.0**62
#: Most columns of a group that no combination of codes tells apart at once.
MOST_COLUMNS = 4_000
#: Rounds in which columns are told apart: three for an intercept, main effects and an interaction
#: in treatment coding.
MOST_ROUNDS = 8
#: Pivot, over equally weighted combinations of codes, below which a column is checked further.
NOTHING_LEFT = 1e-12
#: Coefficients of a combination this close to a whole number are rounded to it.
WHOLE = 1e-9
#: Largest remainder of an aliased column after its combination is subtracted, relative to its norm.
ROUNDING = 1e-13


@dataclass
class _Group:
    """Stored columns that are indicators, or ones, multiplied by the same numeric columns."""

    factors: tuple[np.ndarray, ...]
    #: First stored column and categoricals, which are none for a plain column.
    parts: list[tuple[int, Indicators | None]] = field(default_factory=list)


def coded_columns(row_table: RowTable) -> np.ndarray:
    """Numbers of the design columns that are made of indicators alone, or of ones."""
    plain = [g for g in _groups(row_table) if not g.factors]
    return _columns_of(row_table, plain[0])[0] if plain else np.empty(0, dtype=np.intp)


def coded_combinations(row_table: RowTable) -> dict[int, np.ndarray]:
    """Columns of indicators that are combinations of earlier ones with the same numeric factors.

    Parameters
    ----------
    row_table
        Design and prior weights; rows of weight 0 do not count.

    Returns
    -------
    dict of int to ndarray, shape (p,)
        Coefficients of the earlier columns, on the given scale, for each aliased column found.
        Other columns may be aliased too: only those of a group are compared.
    """
    found: dict[int, np.ndarray] = {}
    for group in _groups(row_table):
        if any(part is not None for _, part in group.parts):
            found |= _of_group(row_table, group)
    return dict(sorted(found.items()))


def _groups(row_table: RowTable) -> Iterable[_Group]:
    """Stored columns grouped by the numeric columns that they are multiplied by."""
    groups: dict[tuple, _Group] = {}
    first = 0
    for part in row_table.design.parts:
        factors = part.multipliers
        if factors is not None:
            place = sorted((f.__array_interface__["data"][0], f.strides[0]) for f in factors)
            group = groups.setdefault(tuple(place), _Group(factors))
            group.parts.append((first, part if isinstance(part, Indicators) else None))
        first += part.n_columns
    return groups.values()


def _columns_of(row_table: RowTable, group: _Group) -> tuple[np.ndarray, scipy.sparse.csr_array]:
    """Design columns made of a group's stored columns alone, and the map from stored to design."""
    matrix = row_table.design.transform_matrix()
    own = np.zeros(matrix.shape[0], dtype=bool)
    for first, part in group.parts:
        own[first : first + (1 if part is None else part.n_columns)] = True
    inside = np.bincount(
        np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr)),
        own[matrix.indices],
        minlength=matrix.shape[1],
    )
    columns = np.flatnonzero((inside == np.diff(matrix.indptr)) & (inside > 0))
    return columns, scipy.sparse.csr_array(matrix[:, columns])


def _of_group(row_table: RowTable, group: _Group) -> dict[int, np.ndarray]:
    columns, matrix = _columns_of(row_table, group)
    cells = _cells(row_table, group) if columns.size > 1 else None
    if cells is None:
        return {}
    design = (cells @ matrix).tocsc()
    open_columns = _may_be_combinations(design)
    columns, design = columns[open_columns], design[:, open_columns]
    if not 0 < columns.size <= MOST_COLUMNS:
        return {}
    gram = (design.T @ design).toarray()
    k = columns.size
    factor, scale, pivot = np.zeros((k, k)), np.zeros(k), np.zeros(k)
    factorize_and_solve(gram, np.zeros(k), factor, scale, pivot, NOTHING_LEFT, np.zeros(k))
    left = np.flatnonzero(pivot == 0.0)
    rests = np.zeros((k, left.size))
    for place, j in enumerate(left.tolist()):
        earlier, products = np.where(np.arange(k) < j, pivot, 0.0), np.ascontiguousarray(gram[j])
        solve_factored(factor, scale, earlier, products, coefficients := np.zeros(k))
        nearest = np.rint(coefficients)
        rests[:, place] = np.where(np.abs(coefficients - nearest) < WHOLE, nearest, coefficients)
        rests[j, place] = -1.0
    # Checked in every combination of codes, where values are exact whatever the numeric factor.
    over = np.abs(design @ rests).max(axis=0, initial=0.0) > ROUNDING * np.abs(rests).sum(axis=0)
    found = {}
    for place in np.flatnonzero(~over).tolist():
        combination = np.zeros(row_table.n_columns)
        combination[columns] = rests[:, place]
        combination[columns[left[place]]] = 0.0
        found[int(columns[left[place]])] = combination
    return found


def _may_be_combinations(design: scipy.sparse.csc_array) -> np.ndarray:
    """Columns that may take part in a combination that is zero; all others are out of it for sure.

    A row with one value that is not zero leaves the column of that value no part in any. Without
    these columns other rows have but one such value: in treatment coding, where every combination
    of codes occurs, the row of reference levels has the intercept alone, and then those of one
    other level have that level's column alone.
    """
    values = design.tocoo()
    row, column = values.row[values.data != 0.0], values.col[values.data != 0.0]
    is_open = np.ones(design.shape[1], dtype=bool)
    for _ in range(MOST_ROUNDS):
        left = is_open[column]
        row, column = row[left], column[left]
        alone = np.bincount(row, minlength=design.shape[0])[row] == 1
        if not alone.any():
            break
        is_open[column[alone]] = False
    return np.flatnonzero(is_open)


def _cells(row_table: RowTable, group: _Group) -> scipy.sparse.csr_array | None:
    """One row of each combination of codes that occurs, (m, n_stored); None if there are many."""
    categoricals: dict[tuple[int, int], tuple[np.ndarray, int]] = {}
    of_parts = []
    for first, part in group.parts:
        keys = []
        if part is not None:
            for codes, levels in zip(part.codes, part.levels, strict=True):
                keys.append((codes.__array_interface__["data"][0], codes.strides[0]))
                categoricals[keys[-1]] = codes, levels
        of_parts.append((first, part, keys))
    n_cells = np.prod([float(levels) for _, levels in categoricals.values()])
    is_sorted = n_cells > max(LEAST_CELLS, CELLS_PER_ROW * row_table.n_rows)
    if is_sorted:
        n_levels = sum(levels for _, levels in categoricals.values())
        if n_levels < SORTED_FROM or n_cells > MOST_SORTED:
            return None
    cell: np.ndarray = np.zeros(row_table.n_rows, dtype=np.int32 if n_cells < 2**31 else np.int64)
    for codes, levels in categoricals.values():
        np.multiply(cell, levels, out=cell)
        np.add(cell, codes, out=cell, casting="unsafe")
    if (rows := _present(row_table, group)) is not None:
        cell = cell[rows]
    rest = np.unique(cell) if is_sorted else _occurring(cell, int(n_cells))
    codes_of = {}
    m = rest.size
    for key, (_, levels) in reversed(categoricals.items()):
        rest, codes_of[key] = np.divmod(rest, levels)
    indices = np.empty((m, len(of_parts)), dtype=np.int32)
    for place, (first, part, keys) in enumerate(of_parts):
        code = np.zeros(m, dtype=np.int64)
        if part is not None:
            for key, levels in zip(keys, part.levels, strict=True):
                code = code * levels + codes_of[key]
        indices[:, place] = first + code
    start = np.arange(m + 1) * len(of_parts)
    shape = m, row_table.design.n_stored_columns
    return scipy.sparse.csr_array((np.ones(indices.size), indices.ravel(), start), shape=shape)


def _occurring(cell: np.ndarray, n_cells: int) -> np.ndarray:
    """Numbers of the cells that occur, in order, by a table of all."""
    occurs = np.zeros(n_cells, dtype=bool)
    occurs[cell] = True
    return np.flatnonzero(occurs)


def _present(row_table: RowTable, group: _Group) -> np.ndarray | None:
    """Mask of the rows of positive weight where the factors are not 0; None for all."""
    present = None if row_table.weights is None else row_table.weights > 0.0
    for factor in group.factors:
        is_other = factor != 0.0
        if not is_other.all():
            present = is_other if present is None else present & is_other
    return present
