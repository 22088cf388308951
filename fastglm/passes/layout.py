"""From a design to the table of addresses that the kernels read; nothing is copied on the way."""

from __future__ import annotations

import array
from functools import cache, lru_cache
from itertools import accumulate, chain
from typing import NamedTuple

import numpy as np
import scipy

from fastglm.design.matrix.parts import Coded, Dense, Design, Ones, Product, transform_matrix
from fastglm.design.matrix.select import select_columns
from fastglm.kernels.blocks import table as slots
from fastglm.kernels.blocks.load import load_stage, widen_stage
from fastglm.kernels.blocks.planes import BLOCK_ROWS, TILE
from fastglm.kernels.blocks.table import CONTEXT_SIZE, ELEMENT_CODES, address_of
from fastglm.kernels.passes.gram import accumulate_stage
from fastglm.kernels.passes.predict import predict_stage

__all__ = ["Layout", "Transform", "lay_out"]

#: CSC arrays of a (sweep columns x model columns) matrix; empty arrays are the identity.
Transform = tuple[np.ndarray, np.ndarray, np.ndarray]

IDENTITY: Transform = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


class _Tables:
    """Lists that grow part by part and become the kernels' int64 tables.

    Sources are held one after another, three numbers each: address, stride in elements, element
    type; `kept_alive` owns the memory.
    """

    def __init__(self) -> None:
        self.sources: list[int] = []
        self.dense_start = [0]
        self.dense_factor: list[int] = []
        self.coded_start = [0]
        self.coded_source: list[int] = []
        self.coded_radix: list[int] = []
        self.coded_levels: list[int] = []
        self.coded_factor_start = [0]
        self.coded_factor: list[int] = []
        self.sparse: list[scipy.sparse.csr_array | scipy.sparse.csc_array] = []
        self.kept_alive: list[object] = []

    def add_source(self, values: np.ndarray) -> int:
        """One column; its number."""
        values, element = self._readable(values)
        self.sources += address_of(values), values.strides[0] // values.itemsize, element
        return len(self.sources) // 3 - 1

    def add_dense(self, part: Dense) -> None:
        """Every column of a matrix."""
        values, element = self._readable(part.values)
        address, (down, across) = address_of(values), values.strides
        p, stride = values.shape[1], down // values.itemsize
        source, factor = len(self.sources) // 3, len(self.dense_factor)
        columns = [0, stride, element] * p
        columns[::3] = range(address, address + across * p, across) if across else [address] * p
        self.sources += columns
        self.dense_factor += range(source, source + p)
        self.dense_start += range(factor + 1, factor + p + 1)

    def add_product(self, part: Product | Ones) -> None:
        """One column, the product of its factors."""
        if isinstance(part, Product):
            self.dense_factor.extend([self.add_source(factor) for factor in part.factors])
        self.dense_start.append(len(self.dense_factor))

    def add_coded(self, part: Coded) -> None:
        """The levels of crossed categoricals."""
        radix = part.n_columns
        for codes, levels in zip(part.codes, part.levels, strict=True):
            radix //= levels
            self.coded_source.append(self.add_source(codes))
            self.coded_radix.append(radix)
        self.coded_start.append(len(self.coded_source))
        self.coded_levels.append(part.n_columns)
        self.coded_factor.extend([self.add_source(factor) for factor in part.factors])
        self.coded_factor_start.append(len(self.coded_factor))

    def _readable(self, values: np.ndarray) -> tuple[np.ndarray, int]:
        """The array, or a copy if kernels cannot read it where it lies, and its element type."""
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
        return values, element


class Layout(NamedTuple):
    """What the kernels need to know of a design, its response, weights and offset.

    Attributes
    ----------
    design : Design
    response, weights, offset : ndarray, shape (n,), or None
        Of the rows; prior weights are None for all ones.
    context : ndarray of int64
        Table of sizes and addresses (`fastglm.kernels.blocks.table`); fits work on copies of it.
    transform : tuple of ndarray
        Sweep columns to model columns, in the kernels' order of sweep columns.
    dense_owner : ndarray of int, shape (n_dense,)
        The model column that is each dense sweep column and nothing else, or -1.
    n_rows, n_dense, n_sweep, n_columns : int
        Sizes: rows, dense sweep columns, sweep columns, model columns.
    kept_alive : tuple
        Owners of the memory at the addresses.
    """

    design: Design
    response: np.ndarray | None
    weights: np.ndarray | None
    offset: np.ndarray | None
    context: np.ndarray
    transform: Transform
    dense_owner: np.ndarray
    n_rows: int
    n_dense: int
    n_sweep: int
    n_columns: int
    kept_alive: tuple[object, ...]

    @property
    def gram_order(self) -> int:
        """Order of a partial Gram matrix: `fastglm.kernels.blocks.block.padded_size` for Python."""
        return max(self.n_sweep, -(-self.n_dense // TILE) * TILE)

    def transform_matrix(self) -> scipy.sparse.csc_array:
        """The transform as a matrix, (n_sweep, n_columns)."""
        return transform_matrix(self.transform, self.n_sweep, self.n_columns)

    @property
    def is_dense(self) -> bool:
        """Whether the model's columns are dense columns of the sweep, and no others."""
        return self.n_dense == self.n_sweep and not self.transform[0].size

    @property
    def owned(self) -> tuple[np.ndarray, np.ndarray]:
        """Dense sweep columns that are model columns themselves, and which these are."""
        columns = np.flatnonzero(self.dense_owner >= 0)
        return columns, self.dense_owner[columns]

    def of_columns(self, columns: np.ndarray) -> Layout:
        """The same rows with some of the model columns, by their numbers in increasing order."""
        design = select_columns(self.design, columns)
        return lay_out(design, self.response, self.weights, self.offset)


def lay_out(
    design: Design,
    response: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    offset: np.ndarray | None = None,
) -> Layout:
    """Describe a design to the kernels.

    Parameters
    ----------
    design
        Its arrays must stay unchanged while the layout is in use; the layout keeps them alive.
    response, weights, offset
        (n,) numeric arrays of any dtype and stride, or None for none, ones and zeros.
    """
    tables, dense_parts, coded_parts, sparse_parts = _Tables(), [], [], []
    first = 0
    for part in design.parts:
        columns = range(first, first + part.n_columns)
        first = columns.stop
        if isinstance(part, Dense):
            tables.add_dense(part)
            dense_parts.append(columns)
        elif isinstance(part, Product | Ones):
            tables.add_product(part)
            dense_parts.append(columns)
        elif isinstance(part, Coded):
            tables.add_coded(part)
            coded_parts.append(columns)
        else:
            tables.sparse.append(part.matrix)
            sparse_parts.append(columns)
    n_dense = len(tables.dense_start) - 1
    context = _empty_context().copy()
    if response is not None:
        context[slots.RESPONSE_SOURCE] = tables.add_source(response)
    if weights is not None:
        context[slots.WEIGHT_SOURCE] = tables.add_source(weights)
    if offset is not None:
        context[slots.OFFSET_SOURCE] = tables.add_source(offset)
    _fill(context, tables, design.n_rows, n_dense)
    order = list(chain(*dense_parts, *coded_parts, *sparse_parts))
    transform = _reordered(design.transform, order, first)
    context[slots.N_MODEL] = n_columns = design.n_columns
    if transform[0].size:
        places = (slots.TRANSFORM_START, slots.TRANSFORM_INDEX, slots.TRANSFORM_VALUE)
        for slot, values in zip(places, transform, strict=True):
            context[slot] = address_of(values)
    dense_owner = _owners(transform, n_dense)
    context[slots.DENSE_OWNER] = address_of(dense_owner)
    return Layout(
        design=design,
        response=response,
        weights=weights,
        offset=offset,
        context=context,
        transform=transform,
        dense_owner=dense_owner,
        n_rows=design.n_rows,
        n_dense=n_dense,
        n_sweep=first,
        n_columns=n_columns,
        kept_alive=tuple(tables.kept_alive),
    )


@cache
def _empty_context() -> np.ndarray:
    """The table of a design of nothing."""
    context = np.zeros(CONTEXT_SIZE, dtype=np.int64)
    context[slots.BLOCK_STEP] = 1
    context[slots.BLOCK_LENGTH] = BLOCK_ROWS
    context[slots.CHUNK_STEP] = 1
    for slot in (
        slots.CONSTANT,
        slots.RESPONSE_SOURCE,
        slots.WEIGHT_SOURCE,
        slots.OFFSET_SOURCE,
    ):
        context[slot] = -1
    context[slots.LOAD] = load_stage.address
    context[slots.WIDEN] = widen_stage.address
    context[slots.PREDICT] = predict_stage.address
    context[slots.ACCUMULATE] = accumulate_stage.address
    return context


def _fill(context: np.ndarray, tables: _Tables, n_rows: int, n_dense: int) -> None:
    """Write sizes and addresses into the table."""
    n_coded = len(tables.coded_levels)
    context[slots.N_ROWS] = n_rows
    context[slots.N_BLOCKS] = -(-n_rows // BLOCK_ROWS)
    context[slots.N_DENSE] = n_dense
    context[slots.N_CODED] = n_coded
    context[slots.N_SWEEP] = n_dense + sum(tables.coded_levels)
    context[slots.MAX_ENTRIES] = n_coded
    lists = {
        slots.SOURCES: tables.sources,
        slots.DENSE_START: tables.dense_start,
        slots.DENSE_FACTOR: tables.dense_factor,
        # Zeros until a fit puts its own there.
        slots.PARAMETERS: [0, 0, 0],
    }
    if n_coded:
        lists |= {
            slots.CODED_START: tables.coded_start,
            slots.CODED_SOURCE: tables.coded_source,
            slots.CODED_RADIX: tables.coded_radix,
            slots.CODED_OFFSET: list(accumulate(tables.coded_levels[:-1], initial=n_dense)),
            slots.CODED_FACTOR_START: tables.coded_factor_start,
            slots.CODED_FACTOR: tables.coded_factor,
        }
    _put(context, tables, lists)
    if tables.sparse:
        _fill_sparse(context, tables)


def _put(context: np.ndarray, tables: _Tables, lists: dict[int, list[int]]) -> None:
    """Store all lists in one array and their addresses in the table."""
    numbers: list[int] = []
    for values in lists.values():
        numbers += values
    table = array.array("q", numbers)
    tables.kept_alive.append(table)
    address, _ = table.buffer_info()
    for slot, values in lists.items():
        context[slot] = address
        address += 8 * len(values)


def _fill_sparse(context: np.ndarray, tables: _Tables) -> None:
    """Describe the sparse parts as one CSR matrix behind the other columns."""
    rows = scipy.sparse.csr_array(
        tables.sparse[0] if len(tables.sparse) == 1 else scipy.sparse.hstack(tables.sparse)
    )
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    arrays: dict[int, np.ndarray] = {
        slots.SPARSE_START: np.ascontiguousarray(rows.indptr, dtype=np.int64),
        slots.SPARSE_INDEX: np.ascontiguousarray(rows.indices, dtype=np.int32),
        slots.SPARSE_VALUE: np.ascontiguousarray(rows.data, dtype=np.float64),
    }
    for slot, values in arrays.items():
        context[slot] = address_of(values)
    tables.kept_alive.extend(arrays.values())
    context[slots.SPARSE_OFFSET] = context[slots.N_SWEEP]
    context[slots.N_SWEEP] += rows.shape[1]
    context[slots.MAX_ENTRIES] += int(np.diff(rows.indptr).max(initial=0))


def _reordered(
    transform: tuple[np.ndarray, np.ndarray, np.ndarray] | None, order: list[int], q: int
) -> Transform:
    """The design's transform on the kernels' order of sweep columns: dense, coded, sparse."""
    if transform is None:
        if order == list(range(q)):
            return IDENTITY
        transform = (np.arange(q + 1), np.arange(q), np.ones(q))
    start, index, value = transform
    position = np.empty(q, dtype=np.int64)
    position[order] = np.arange(q)
    return (
        np.ascontiguousarray(start, dtype=np.int64),
        position[np.asarray(index, dtype=np.int64)],
        np.ascontiguousarray(value, dtype=np.float64),
    )


@lru_cache(maxsize=64)
def _identity(n: int) -> np.ndarray:
    # Shared by all layouts, and written to by none.
    return np.arange(n)


def _owners(transform: Transform, n_dense: int) -> np.ndarray:
    start, index, value = transform
    if not start.size:
        return _identity(n_dense)
    owner = np.full(n_dense, -1)
    used = np.bincount(index[index < n_dense], minlength=n_dense)
    single = np.flatnonzero(np.diff(start) == 1)
    sweep_column = index[start[single]]
    plain = (sweep_column < n_dense) & (value[start[single]] == 1.0)
    owner[sweep_column[plain]] = single[plain]
    owner[used != 1] = -1
    return owner
