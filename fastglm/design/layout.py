"""From a design to the table of addresses that the kernels read; nothing is copied on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import scipy.sparse

from fastglm.design.parts import Coded, Dense, Design, Ones, Product
from fastglm.kernels import context as slots
from fastglm.kernels.context import CONTEXT_SIZE, ELEMENT_CODES
from fastglm.kernels.gram import accumulate_stage
from fastglm.kernels.load import load_stage
from fastglm.kernels.planes import BLOCK_ROWS
from fastglm.kernels.predict import predict_stage

__all__ = ["Layout", "Transform", "lay_out"]

#: CSC arrays of a (sweep columns x model columns) matrix; empty arrays are the identity.
Transform = tuple[np.ndarray, np.ndarray, np.ndarray]

IDENTITY: Transform = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


@dataclass
class _Tables:
    """Lists that grow part by part and become the kernels' int64 tables."""

    sources: list[np.ndarray] = field(default_factory=list)
    dense_start: list[int] = field(default_factory=lambda: [0])
    dense_factor: list[int] = field(default_factory=list)
    coded_start: list[int] = field(default_factory=lambda: [0])
    coded_source: list[int] = field(default_factory=list)
    coded_radix: list[int] = field(default_factory=list)
    coded_levels: list[int] = field(default_factory=list)
    coded_factor_start: list[int] = field(default_factory=lambda: [0])
    coded_factor: list[int] = field(default_factory=list)
    sparse: list[scipy.sparse.spmatrix] = field(default_factory=list)

    def add_source(self, array: np.ndarray) -> int:
        self.sources.append(_readable(array))
        return len(self.sources) - 1

    def add_dense(self, part: Dense) -> None:
        values = part.values if part.values.ndim == 2 else part.values[:, None]
        for j in range(values.shape[1]):
            self.dense_factor.append(self.add_source(values[:, j]))
            self.dense_start.append(len(self.dense_factor))

    def add_product(self, part: Product | Ones) -> None:
        if isinstance(part, Product):
            self.dense_factor.extend(self.add_source(factor) for factor in part.factors)
        self.dense_start.append(len(self.dense_factor))

    def add_coded(self, part: Coded) -> None:
        radix = part.n_columns
        for codes, levels in zip(part.codes, part.levels, strict=True):
            radix //= levels
            self.coded_source.append(self.add_source(codes))
            self.coded_radix.append(radix)
        self.coded_start.append(len(self.coded_source))
        self.coded_levels.append(part.n_columns)
        self.coded_factor.extend(self.add_source(factor) for factor in part.factors)
        self.coded_factor_start.append(len(self.coded_factor))


def _readable(array: np.ndarray) -> np.ndarray:
    """The array itself where kernels can read it as it lies, else the nearest copy they can."""
    array = np.asarray(array)
    if array.dtype.name not in ELEMENT_CODES or not array.dtype.isnative:
        array = array.astype(np.float64)
    if not array.flags.aligned or (array.ndim and array.strides[0] % array.itemsize):
        array = np.ascontiguousarray(array)
    return array


def _describe(sources: Sequence[np.ndarray]) -> np.ndarray:
    rows = [
        (a.__array_interface__["data"][0], a.strides[0] // a.itemsize, ELEMENT_CODES[a.dtype.name])
        for a in sources
    ]
    return np.array(rows, dtype=np.int64).reshape(-1)


@dataclass(frozen=True, eq=False)
class Layout:
    """What the kernels need to know of a design, its response, weights and offset.

    Attributes
    ----------
    context : ndarray of int64
        Table of sizes and addresses (`fastglm.kernels.context`); fits work on copies of it.
    transform : tuple of ndarray
        Sweep columns to model columns, in the kernels' order of sweep columns.
    dense_owner : ndarray of int, shape (n_dense,)
        The model column that is each dense sweep column and nothing else, or -1.
    n_rows, n_dense, n_sweep, n_columns : int
        Sizes: rows, dense sweep columns, sweep columns, model columns.
    """

    context: np.ndarray
    transform: Transform
    dense_owner: np.ndarray
    n_rows: int
    n_dense: int
    n_sweep: int
    n_columns: int
    _kept_alive: tuple[object, ...]


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
        first += part.n_columns
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
    context = np.zeros(CONTEXT_SIZE, dtype=np.int64)
    rows = [
        (slots.RESPONSE_SOURCE, response),
        (slots.WEIGHT_SOURCE, weights),
        (slots.OFFSET_SOURCE, offset),
    ]
    for slot, array in rows:
        context[slot] = -1 if array is None else tables.add_source(array)
    order = list(chain(*dense_parts, *coded_parts, *sparse_parts))
    kept = _fill(context, tables, design.n_rows, n_dense)
    transform = _reordered(design.transform, order, first)
    return Layout(
        context=context,
        transform=transform,
        dense_owner=_owners(transform, n_dense),
        n_rows=design.n_rows,
        n_dense=n_dense,
        n_sweep=first,
        n_columns=design.n_columns,
        _kept_alive=(*kept, *tables.sources),
    )


def _fill(context: np.ndarray, tables: _Tables, n_rows: int, n_dense: int) -> list[np.ndarray]:
    """Writes sizes and addresses into the table; returns the arrays behind the addresses."""
    kept = []

    def put(slot: int, values: Sequence[int] | np.ndarray, dtype: type = np.int64) -> None:
        array = np.ascontiguousarray(values, dtype=dtype)
        kept.append(array)
        context[slot] = array.ctypes.data

    context[slots.LOAD] = load_stage.address
    context[slots.PREDICT] = predict_stage.address
    context[slots.ACCUMULATE] = accumulate_stage.address
    n_coded = len(tables.coded_levels)
    offsets = np.cumsum([n_dense, *tables.coded_levels])
    context[slots.N_ROWS] = n_rows
    context[slots.BLOCK_STEP] = 1
    context[slots.N_BLOCKS] = -(-n_rows // BLOCK_ROWS)
    context[slots.N_DENSE] = n_dense
    context[slots.N_CODED] = n_coded
    context[slots.CONSTANT] = -1
    context[slots.MAX_ENTRIES] = n_coded
    put(slots.PARAMETERS, np.zeros(3), np.float64)
    put(slots.SOURCES, _describe(tables.sources))
    put(slots.DENSE_START, tables.dense_start)
    put(slots.DENSE_FACTOR, tables.dense_factor)
    if n_coded:
        put(slots.CODED_START, tables.coded_start)
        put(slots.CODED_SOURCE, tables.coded_source)
        put(slots.CODED_RADIX, tables.coded_radix)
        put(slots.CODED_OFFSET, offsets[:-1])
        put(slots.CODED_FACTOR_START, tables.coded_factor_start)
        put(slots.CODED_FACTOR, tables.coded_factor)
    n_sweep = int(offsets[-1])
    if tables.sparse:
        rows = scipy.sparse.csr_array(
            tables.sparse[0] if len(tables.sparse) == 1 else scipy.sparse.hstack(tables.sparse)
        )
        if not rows.has_canonical_format:
            rows = rows.copy()
            rows.sum_duplicates()
        put(slots.SPARSE_START, rows.indptr)
        put(slots.SPARSE_INDEX, rows.indices, np.int32)
        put(slots.SPARSE_VALUE, rows.data, np.float64)
        context[slots.SPARSE_OFFSET] = n_sweep
        n_sweep += rows.shape[1]
        most = int(np.diff(rows.indptr).max(initial=0))
        context[slots.MAX_ENTRIES] = n_coded + most
    context[slots.N_SWEEP] = n_sweep
    return kept


def _reordered(
    transform: tuple[np.ndarray, np.ndarray, np.ndarray] | None, order: list[int], q: int
) -> Transform:
    """The design's transform on the kernels' order of sweep columns: dense, coded, sparse."""
    in_order = order == list(range(q))
    if transform is None:
        if in_order:
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


def _owners(transform: Transform, n_dense: int) -> np.ndarray:
    start, index, value = transform
    if not start.size:
        return np.arange(n_dense)
    owner = np.full(n_dense, -1)
    used = np.bincount(index[index < n_dense], minlength=n_dense)
    single = np.flatnonzero(np.diff(start) == 1)
    sweep_column = index[start[single]]
    plain = (sweep_column < n_dense) & (value[start[single]] == 1.0)
    owner[sweep_column[plain]] = single[plain]
    owner[used != 1] = -1
    return owner
