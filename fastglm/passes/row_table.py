"""From a design to the table of addresses that the kernels read, without copies of the data."""

from __future__ import annotations

import array
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
import scipy

from fastglm.design.matrix.parts import (
    Dense,
    Design,
    Indicators,
    Piecewise,
    transform_matrix,
)
from fastglm.design.matrix.select import select_columns
from fastglm.design.matrix.stored_columns import Place
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS, TILE
from fastglm.kernels.blocks.table import ELEMENT_CODES, PIECES, address_of
from fastglm.passes.kernel_table import KernelTable, empty_table

__all__ = ["MANY_LEVELS", "ColumnMap", "RowTable", "build_row_table"]

#: Number of levels from which the indicators of the largest categorical are the last stored
#: columns, which a fit may eliminate (`fastglm.passes.eliminated_levels`).
MANY_LEVELS = 128
#: CSC arrays of a (stored columns x design columns) matrix; empty arrays are the identity.
ColumnMap = tuple[np.ndarray, np.ndarray, np.ndarray]

IDENTITY: ColumnMap = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class _Tables:
    """Lists that grow part by part and become the kernels' int64 tables.

    Sources are held one after another, three numbers each: address, stride in elements, element
    type; `kept_alive` owns the memory.
    """

    def __init__(self) -> None:
        self.sources: list[int] = []
        self.dense_start = [0]
        self.dense_factor: list[int] = []
        self.indicator_start = [0]
        self.indicator_source: list[int] = []
        self.indicator_stride: list[int] = []
        self.indicator_levels: list[int] = []
        self.indicator_factor_start = [0]
        self.indicator_factor: list[int] = []
        self.sparse: list[scipy.sparse.csr_array | scipy.sparse.csc_array] = []
        self.kept_alive: list[object] = []

    def add_parts(self, design: Design) -> tuple[Sequence[int], bool]:
        """Add the design's columns in the kernels' order; whether the last have many levels."""
        if len(design.parts) == 1 and isinstance(design.parts[0], Dense):
            self.add_dense(design.parts[0])
            return range(len(self.dense_factor)), False
        places: list[list[tuple[Any, range]]] = [[] for _ in Place]
        first = 0
        for part in design.parts:
            columns = range(first, first + part.n_columns)
            first = columns.stop
            places[part.place].append((part, columns))
        has_many_levels = _move_largest_back(places[Place.INDICATORS])
        in_order = list(chain(*places))
        for part, _ in in_order:
            part.add_to(self)
        return list(chain(*(columns for _, columns in in_order))), has_many_levels

    def add_source(self, values: np.ndarray) -> int:
        """Add one column; returns its number."""
        values, address, element = self._readable(values)
        self.sources += address, values.strides[0] // values.itemsize, element
        return len(self.sources) // 3 - 1

    def add_dense(self, part: Dense) -> None:
        """Add every column of a matrix."""
        values, address, element = self._readable(part.values)
        down, across = values.strides
        p, stride = values.shape[1], down // values.itemsize
        source, factor = len(self.sources) // 3, len(self.dense_factor)
        columns = [0, stride, element] * p
        columns[::3] = range(address, address + across * p, across) if across else [address] * p
        self.sources += columns
        self.dense_factor += range(source, source + p)
        self.dense_start += range(factor + 1, factor + p + 1)

    def add_piecewise(self, part: Piecewise) -> None:
        """Add every piecewise polynomial of a column."""
        table, arrays = part.kernel_table()
        self.kept_alive += [table, *arrays]
        for number in range(part.n_columns):
            self.dense_factor.append(len(self.sources) // 3)
            self.dense_start.append(len(self.dense_factor))
            self.sources += address_of(table), number, PIECES

    def add_product(self, factors: Sequence[np.ndarray]) -> None:
        """Add one column, the product of factors."""
        self.dense_factor.extend([self.add_source(factor) for factor in factors])
        self.dense_start.append(len(self.dense_factor))

    def add_indicators(self, part: Indicators) -> None:
        """Add the levels of crossed categoricals."""
        code_stride = part.n_columns
        for codes, levels in zip(part.codes, part.levels, strict=True):
            code_stride //= levels
            self.indicator_source.append(self.add_source(codes))
            self.indicator_stride.append(code_stride)
        self.indicator_start.append(len(self.indicator_source))
        self.indicator_levels.append(part.n_columns)
        self.indicator_factor.extend([self.add_source(factor) for factor in part.factors])
        self.indicator_factor_start.append(len(self.indicator_factor))

    def keep_numbers(self, numbers: list[int]) -> int:
        """Store numbers for the kernels; their address."""
        stored = array.array("q", numbers)
        self.kept_alive.append(stored)
        return stored.buffer_info()[0]

    def _readable(self, values: np.ndarray) -> tuple[np.ndarray, int, int]:
        """The array, or a copy if kernels cannot read it, with its address and element type."""
        values = np.asarray(values)
        element = ELEMENT_CODES.get(values.dtype)
        if element is None:
            values, element = values.astype(np.float64), 0
        flags = values.flags
        if not flags.carray:
            whole = flags.c_contiguous or not any(step % values.itemsize for step in values.strides)
            if not (whole and flags.aligned):
                values = np.ascontiguousarray(values)
        self.kept_alive.append(values)
        return values, address_of(values), element


class RowTable(NamedTuple):
    """Design, response, weights and offset as the kernels read them.

    Attributes
    ----------
    design : Design
    response, weights, offset : ndarray, shape (n,), or None
        Of the rows; prior weights are None for all ones.
    table : KernelTable
        Sizes and addresses; fits work on copies of it.
    column_map : tuple of ndarray
        Sweep columns to design columns, in the kernels' order of stored columns.
    design_column_of : ndarray of int, shape (n_dense,)
        The design column that is each dense stored column and nothing else, or -1.
    n_rows, n_dense, n_stored, n_columns : int
        Sizes: rows, dense stored columns, stored columns, design columns.
    kept_alive : tuple
        Owners of the memory at the addresses.
    """

    design: Design
    response: np.ndarray | None
    weights: np.ndarray | None
    offset: np.ndarray | None
    table: KernelTable
    column_map: ColumnMap
    design_column_of: np.ndarray
    n_rows: int
    n_dense: int
    n_stored: int
    n_columns: int
    kept_alive: tuple[object, ...]

    @property
    def gram_order(self) -> int:
        """Order of a partial Gram matrix: `fastglm.kernels.blocks.block.padded_size` for Python."""
        return max(self.n_stored, -(-self.n_dense // TILE) * TILE)

    def transform_matrix(self) -> scipy.sparse.csc_array:
        """The column map as a matrix, (n_stored, n_columns)."""
        return transform_matrix(self.column_map, self.n_stored, self.n_columns)

    @property
    def n_indicators(self) -> int:
        """Number of categorical terms."""
        return self.table[fields.N_INDICATORS]

    @property
    def is_dense(self) -> bool:
        """Whether all design columns are dense stored columns."""
        return self.n_dense == self.n_stored and not self.column_map[0].size

    @property
    def direct_columns(self) -> tuple[np.ndarray, np.ndarray]:
        """Dense stored columns that are design columns themselves, and the numbers of these."""
        columns = np.flatnonzero(self.design_column_of >= 0)
        return columns, self.design_column_of[columns]

    def of_columns(self, columns: np.ndarray) -> RowTable:
        """The same rows with some of the design columns, by their numbers in increasing order."""
        design = select_columns(self.design, columns)
        return build_row_table(design, self.response, self.weights, self.offset)

    def in_unit(self, unit: float) -> RowTable:
        """The same rows with weights in another unit."""
        assert self.weights is not None
        weights = np.asarray(self.weights, dtype=np.float64) / unit
        return build_row_table(self.design, self.response, weights, self.offset)


def build_row_table(
    design: Design,
    response: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> RowTable:
    """Describe a design to the kernels.

    Parameters
    ----------
    design
        Its arrays must stay unchanged while the row table is in use; it keeps them alive.
    response, weights, offset
        (n,) numeric arrays of any dtype and stride, or None for none, ones and zeros.
    """
    tables = _Tables()
    order, has_many_levels = tables.add_parts(design)
    n_dense = len(tables.dense_start) - 1
    table = empty_table().values.copy()
    if response is not None:
        table[fields.RESPONSE_SOURCE] = tables.add_source(response)
    if weights is not None:
        table[fields.WEIGHT_SOURCE] = tables.add_source(weights)
    if offset is not None:
        table[fields.OFFSET_SOURCE] = tables.add_source(offset)
    _fill(table, tables, design.n_rows, n_dense)
    column_map = _reordered(design.column_map, order, has_many_levels)
    table[fields.N_DESIGN] = n_columns = design.n_columns
    if column_map[0].size:
        places = (fields.COLUMN_MAP_START, fields.COLUMN_MAP_INDEX, fields.COLUMN_MAP_VALUE)
        for field, values in zip(places, column_map, strict=True):
            table[field] = address_of(values)
    design_column_of, table[fields.DESIGN_COLUMN_OF] = _design_columns_of(column_map, n_dense)
    sizes = design.n_rows, n_dense, len(order), n_columns
    owners = tuple(tables.kept_alive)
    return RowTable(
        design,
        response,
        weights,
        offset,
        KernelTable(table),
        column_map,
        design_column_of,
        *sizes,
        owners,
    )


def _move_largest_back(indicators: list[tuple[Indicators, range]]) -> bool:
    """Move the categorical of most levels to the end if these are many; whether they are."""
    if not indicators:
        return False
    sizes = [part.n_columns for part, _ in indicators]
    largest = sizes.index(max(sizes))
    if sizes[largest] < MANY_LEVELS:
        return False
    indicators.append(indicators.pop(largest))
    return True


def _fill(table: np.ndarray, tables: _Tables, n_rows: int, n_dense: int) -> None:
    """Write sizes and addresses into the table."""
    n_indicators = len(tables.indicator_levels)
    table[fields.N_ROWS] = n_rows
    table[fields.N_BLOCKS] = -(-n_rows // BLOCK_ROWS)
    table[fields.N_DENSE] = n_dense
    table[fields.N_INDICATORS] = n_indicators
    table[fields.N_STORED] = n_dense + sum(tables.indicator_levels)
    table[fields.MAX_ENTRIES] = n_indicators
    sources, start, factor = tables.sources, tables.dense_start, tables.dense_factor
    # Three zeros for the parameters, until a fit puts its own there.
    address = tables.keep_numbers([*sources, *start, *factor, 0, 0, 0])
    table[fields.SOURCES] = address
    table[fields.DENSE_START] = address = address + 8 * len(sources)
    table[fields.DENSE_FACTOR] = address = address + 8 * len(start)
    table[fields.PARAMETERS] = address + 8 * len(factor)
    if n_indicators:
        lists = {
            fields.INDICATOR_START: tables.indicator_start,
            fields.INDICATOR_SOURCE: tables.indicator_source,
            fields.INDICATOR_STRIDE: tables.indicator_stride,
            fields.INDICATOR_OFFSET: list(
                accumulate(tables.indicator_levels[:-1], initial=n_dense)
            ),
            fields.INDICATOR_FACTOR_START: tables.indicator_factor_start,
            fields.INDICATOR_FACTOR: tables.indicator_factor,
        }
        for field, numbers in lists.items():
            table[field] = tables.keep_numbers(numbers)
    if tables.sparse:
        _fill_sparse(table, tables)


def _fill_sparse(table: np.ndarray, tables: _Tables) -> None:
    """Describe the sparse parts as one CSR matrix behind the other columns."""
    rows = scipy.sparse.csr_array(
        tables.sparse[0] if len(tables.sparse) == 1 else scipy.sparse.hstack(tables.sparse)
    )
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    arrays: dict[int, np.ndarray] = {
        fields.SPARSE_START: np.ascontiguousarray(rows.indptr, dtype=np.int64),
        fields.SPARSE_INDEX: np.ascontiguousarray(rows.indices, dtype=np.int32),
        fields.SPARSE_VALUE: np.ascontiguousarray(rows.data, dtype=np.float64),
    }
    for field, values in arrays.items():
        table[field] = address_of(values)
    tables.kept_alive.extend(arrays.values())
    table[fields.SPARSE_OFFSET] = table[fields.N_STORED]
    table[fields.N_STORED] += rows.shape[1]
    table[fields.MAX_ENTRIES] += int(np.diff(rows.indptr).max(initial=0))


def _reordered(
    column_map: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    order: Sequence[int],
    written_out: bool,
) -> ColumnMap:
    """The design's column map on the kernels' stored columns: dense, indicators, sparse.

    The identity is `IDENTITY` unless it is to be `written_out`.
    """
    q = len(order)
    if column_map is None:
        if not written_out and (isinstance(order, range) or order == list(range(q))):
            return IDENTITY
        column_map = (np.arange(q + 1), np.arange(q), np.ones(q))
    start, index, value = column_map
    position = np.empty(q, dtype=np.int64)
    position[list(order)] = np.arange(q)
    return (
        np.ascontiguousarray(start, dtype=np.int64),
        position[np.asarray(index, dtype=np.int64)],
        np.ascontiguousarray(value, dtype=np.float64),
    )


@lru_cache(maxsize=64)
def _identity(n: int) -> tuple[np.ndarray, int]:
    # Shared by all row tables, and never written to.
    numbers = np.arange(n)
    return numbers, address_of(numbers)


def _design_columns_of(column_map: ColumnMap, n_dense: int) -> tuple[np.ndarray, int]:
    """The design column that is each dense one, or -1, and the address of these numbers."""
    start, index, value = column_map
    if not start.size:
        return _identity(n_dense)
    design_column = np.full(n_dense, -1)
    used = np.bincount(index[index < n_dense], minlength=n_dense)
    single = np.flatnonzero(np.diff(start) == 1)
    stored_column = index[start[single]]
    plain = (stored_column < n_dense) & (value[start[single]] == 1.0)
    design_column[stored_column[plain]] = single[plain]
    design_column[used != 1] = -1
    return design_column, address_of(design_column)
