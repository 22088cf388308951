"""Tables of sums by level, and H = I + Lambda' Z'WZ Lambda factored for given Lambda."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import lapack

from fastglm.mixed import level_algebra as kernels
from fastglm.mixed import remainder_algebra as remainder
from fastglm.mixed.layout import Layout
from fastglm.mixed.level_sums import sum_products
from fastglm.mixed.scaling import FixedColumns

__all__ = ["Columns", "Factor", "Products", "Schur", "over_chunks", "over_rows", "scale"]

#: Components of the remainder up to this size are factored by the library's own loops.
SMALL = 32
#: Rows from which threads are worth their start: of kernels that visit levels, and rows.
PARALLEL_ROWS = 200_000
PARALLEL_VISITS = 50_000


def over_chunks(kernel: Callable, layout: Layout, n_threads: int, *arguments: Any) -> None:
    """Run a kernel over the levels of every chunk, each with sums of its own."""
    _share(kernel, layout, n_threads if layout.n_rows >= PARALLEL_ROWS else 1, arguments)


def over_rows(kernel: Callable, layout: Layout, n_threads: int, *arguments: Any) -> None:
    """The same of a kernel that visits every row, and so is worth threads earlier."""
    _share(kernel, layout, n_threads if layout.n_rows >= PARALLEL_VISITS else 1, arguments)


def _share(kernel: Callable, layout: Layout, n_threads: int, arguments: tuple[Any, ...]) -> None:
    """Every thread takes the next chunk that nobody has; kernels raise nothing."""
    cuts, n_chunks = layout.chunks, layout.chunks.size - 1
    if n_chunks == 1:
        kernel(0, layout.q, 0, *arguments)
        return
    chunks = iter(range(n_chunks))

    def work() -> None:
        for chunk in chunks:
            kernel(cuts[chunk], cuts[chunk + 1], chunk, *arguments)

    others = [threading.Thread(target=work) for _ in range(1, min(n_threads, n_chunks))]
    for thread in others:
        thread.start()
    work()
    for thread in others:
        thread.join()


class Products:
    """Z'WZ of given weights.

    Parameters
    ----------
    layout : Layout
    weight : ndarray, shape (n,)
        Of the rows in the layout's order.
    n_threads : int

    Attributes
    ----------
    own : ndarray, shape (q, k, k)
        Inside levels of the first block.
    cross : ndarray, flat
        Between these levels and their pairs.
    other : ndarray, flat
        Of the remainder.
    """

    def __init__(self, layout: Layout, weight: np.ndarray, n_threads: int):
        self.layout, self.n_threads = layout, n_threads
        k = layout.k
        self.own = np.zeros((layout.q, k, k))
        self.cross = np.zeros(k * int(layout.cross_start[-1]))
        other = np.zeros((layout.chunks.size - 1, layout.n_entries))
        over_chunks(
            sum_products, layout, n_threads, layout.start, layout.z, layout.rest, layout.widths,
            layout.column, layout.local, layout.row_start, layout.cross_start, weight, self.own,
            self.cross, other,
        )  # fmt: skip
        self.other = other[0] if len(other) == 1 else other.sum(axis=0)

    @classmethod
    def of_levels(cls, layout: Layout, own: np.ndarray, n_threads: int) -> Products:
        """Those of a single factor, (q, k, k), which are known."""
        products = cls.__new__(cls)
        products.layout, products.n_threads = layout, n_threads
        products.own, products.cross, products.other = own, np.zeros(0), np.zeros(0)
        return products

    def dense(self) -> np.ndarray:
        """All of Z'WZ, (N, N), the effects of the first block first: for few effects."""
        layout, k = self.layout, self.layout.k
        first = layout.q * k
        whole = np.zeros((first + layout.rest_size,) * 2)
        for j in range(layout.q):
            place = slice(j * k, (j + 1) * k)
            whole[place, place] = self.own[j]
            pairs = slice(*layout.pair_start[j : j + 2])
            widths = layout.widths[layout.pair_block[pairs]]
            columns = np.concatenate(
                [
                    np.arange(c, c + w)
                    for c, w in zip(layout.pair_column[pairs], widths, strict=True)
                ]
                or [np.empty(0, dtype=np.int64)]
            )
            cross = self.cross[slice(*(k * layout.cross_start[j : j + 2]))].reshape(k, -1)
            whole[place, first + columns] = cross
            whole[first + columns, place] = cross.T
        for component in range(layout.component_first.size - 1):
            c = np.arange(*layout.component_first[component : component + 2])
            if c.size:
                entries = layout.row_start[c][:, None] + c
                whole[np.ix_(first + c, first + c)] = self.other[entries]
        return whole

    def residuals(
        self, own: np.ndarray, other: np.ndarray, effects: np.ndarray, other_effects: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Z'W times what is left of c columns when given effects (not spherical) are taken off.

        `own`, (q, k, c), and `other`, (R, c), are Z'W of the columns.
        """
        layout = self.layout
        target, rest = own.copy(), np.zeros((layout.chunks.size - 1, *other.shape))
        over_chunks(
            kernels.cross_residuals, layout, self.n_threads, *_pairs(layout), self.own, self.cross,
            effects, other_effects, target, rest,
        )  # fmt: skip
        remaining = other + rest.sum(axis=0)
        if layout.rest_size:
            remainder.remainder_residuals(
                layout.component_first, layout.row_start, self.other, other_effects, remaining
            )
        return target, remaining


class Columns:
    """Z'W[X y] and [X y]'W[X y] of standardised columns: all that a linear model reads of rows.

    The tables are sums over rows in any order: another source of rows can fill them likewise.
    Rows are in the order of the data.

    Parameters
    ----------
    layout : Layout
    fixed : FixedColumns
    weight, y : ndarray, shape (n,)

    Attributes
    ----------
    own : ndarray, shape (q, k, p + 1)
    other : ndarray, shape (R, p + 1)
    gram : ndarray, shape (p + 1, p + 1)
    """

    def __init__(self, layout: Layout, fixed: FixedColumns, weight: np.ndarray, y: np.ndarray):
        p = fixed.p
        self.own = level_products(layout, 0, fixed, weight, y)
        self.other = np.zeros((layout.rest_size, p + 1))
        for number in range(1, len(layout.blocks)):
            places = layout.columns_of(number)
            self.other[places] = level_products(layout, number, fixed, weight, y)
        weighted = weight * y
        self.gram = np.empty((p + 1, p + 1))
        self.gram[:p, :p], self.gram[:p, p] = fixed.products(weight, weighted)
        self.gram[p, :p], self.gram[p, p] = self.gram[:p, p], weighted @ y


def level_products(
    layout: Layout, number: int, fixed: FixedColumns, weight: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Z'W[X y] of the levels of a block, (q, k, p + 1)."""
    block = layout.blocks[number]
    values = weight * block.columns.T
    table = np.empty((block.q, block.k, fixed.p + 1))
    table[:, :, :-1] = fixed.by_level(values, block.codes, block.q)
    for a, value in enumerate(values):
        table[:, a, -1] = np.bincount(block.codes, value * y, minlength=block.q)
    return table


def _pairs(layout: Layout) -> tuple[np.ndarray, ...]:
    return (
        layout.widths, layout.pair_start, layout.pair_column, layout.pair_block,
        layout.pair_local, layout.cross_start,
    )  # fmt: skip


class Factor:
    """H factored by blocks.

    Parameters
    ----------
    products : Products
    factors : ndarray, shape (b, K, K)
        Lambda of every block.

    Attributes
    ----------
    log_determinant : float
    """

    def __init__(self, products: Products, factors: np.ndarray):
        self.products, self.factors = products, factors
        self.layout, self.n_threads = products.layout, products.n_threads
        layout = self.layout
        n_chunks = layout.chunks.size - 1
        self._roots = np.empty_like(products.own)
        self._scaled = np.empty_like(products.cross)
        parts, logs = np.zeros((n_chunks, layout.n_entries)), np.empty(n_chunks)
        over_chunks(
            kernels.eliminate, layout, self.n_threads, layout.widths, factors,
            layout.pair_start, layout.pair_block, layout.pair_local, layout.cross_start,
            layout.cross_column, layout.row_start, products.own, products.cross, self._roots,
            self._scaled, parts, logs,
        )  # fmt: skip
        self.log_determinant = float(logs.sum())
        self._matrix = parts[0] if n_chunks == 1 else parts.sum(axis=0)
        if layout.rest_size:
            self.log_determinant += self._factor_remainder()

    def _large(self) -> list[tuple[slice, int]]:
        return self.layout.large_components(SMALL)

    def _factor_remainder(self) -> float:
        layout, products = self.layout, self.products
        remainder.scale_remainder(
            layout.widths, self.factors, layout.rest_first, layout.rest_block, *layout.shared,
            layout.row_start, products.other, self._matrix,
        )  # fmt: skip
        total = remainder.factor_small(
            layout.component_first, layout.row_start, SMALL, self._matrix
        )
        for place, size in self._large():
            block = self._matrix[place].reshape(size, size)
            # The lower triangle by rows is the upper one by columns: LAPACK works in place.
            _, info = lapack.dpotrf(block.T, lower=0, clean=0, overwrite_a=1)
            total += 2.0 * np.log(np.diag(block)).sum() if info == 0 else np.nan
        return float(total)

    def solve(self, own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """H^-1 of right sides given as (q, k, c) and (R, c)."""
        layout = self.layout
        first = own.copy()
        parts = np.zeros((layout.chunks.size - 1, *other.shape))
        over_chunks(
            kernels.forward_substitute, layout, self.n_threads, *_pairs(layout), self._roots,
            self._scaled, first, parts,
        )  # fmt: skip
        rest = other + parts.sum(axis=0)
        if layout.rest_size:
            remainder.solve_small(
                layout.component_first, layout.row_start, SMALL, self._matrix, rest
            )
            for (place, size), columns in zip(self._large(), self._large_columns(), strict=True):
                block = self._matrix[place].reshape(size, size)
                rest[columns], _ = lapack.dpotrs(block.T, rest[columns], lower=0)
        over_chunks(
            kernels.back_substitute, layout, self.n_threads, *_pairs(layout), self._roots,
            self._scaled, first, rest,
        )  # fmt: skip
        return first, rest

    def _large_columns(self) -> list[slice]:
        return self.layout.large_columns(SMALL)

    @cached_property
    def remainder_inverse(self) -> np.ndarray:
        """Entries of H^-1 inside components of the remainder, flat."""
        layout = self.layout
        inverse = np.empty(layout.n_entries)
        remainder.invert_small(
            layout.component_first, layout.row_start, SMALL, self._matrix, inverse
        )
        for place, size in self._large():
            block = inverse[place].reshape(size, size)
            block[:] = self._matrix[place].reshape(size, size)
            lapack.dpotri(block.T, lower=0, overwrite_c=1)
            remainder.mirror(block)
        return inverse

    @cached_property
    def inverse(self) -> tuple[np.ndarray, np.ndarray]:
        """Entries of H^-1 inside levels, (q, k, k), and between levels and their pairs, flat."""
        layout = self.layout
        own, cross = np.empty_like(self._roots), np.empty_like(self._scaled)
        over_chunks(
            kernels.invert_levels, layout, self.n_threads, layout.widths, layout.cross_start,
            layout.cross_column, layout.row_start, self._roots, self._scaled,
            self.remainder_inverse, own, cross,
        )  # fmt: skip
        return own, cross

    def traces(self) -> np.ndarray:
        """Half the derivatives of log det H in the entries of every Lambda, (b, K, K)."""
        layout, products = self.layout, self.products
        parts = np.zeros((layout.chunks.size - 1, *self.factors.shape))
        over_chunks(
            kernels.add_traces, layout, self.n_threads, layout.widths, self.factors,
            *_pairs(layout)[1:], products.own, products.cross, *self.inverse, parts,
        )  # fmt: skip
        total = parts.sum(axis=0)
        if layout.rest_size:
            remainder.trace_remainder(
                layout.widths, self.factors, layout.rest_first, layout.rest_block, *layout.shared,
                layout.row_start, products.other, self.remainder_inverse, total,
            )  # fmt: skip
        return total

    def scale(
        self, own: np.ndarray, other: np.ndarray, transposed: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lambda, or its transpose, times (q, k, c) and (R, c) columns."""
        return scale(self.layout, self.factors, own, other, transposed)

    def level_covariances(self, block: int) -> np.ndarray:
        """Lambda H^-1 Lambda' inside the levels of a block, (q, k, k)."""
        layout, k = self.layout, int(self.layout.widths[block])
        root = self.factors[block, :k, :k]
        if block == 0:
            return _symmetric(root @ self.inverse[0] @ root.T)
        columns = layout.columns_of(block)
        places = layout.row_start[columns][:, :, None] + columns[:, None, :]
        return _symmetric(root @ self.remainder_inverse[places] @ root.T)


def _symmetric(matrices: np.ndarray) -> np.ndarray:
    """Without the rounding that tells (q, k, k) matrices from their transposes."""
    return 0.5 * (matrices + matrices.transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class Schur:
    """What is left of [X y]'W[X y] when the random effects are eliminated.

    Attributes
    ----------
    effects : tuple of ndarray, (q, k, p + 1) and (R, p + 1)
        Spherical effects that fit each column of [X y].
    matrix : ndarray, shape (p + 1, p + 1)
    """

    effects: tuple[np.ndarray, np.ndarray]
    matrix: np.ndarray

    @classmethod
    def of(cls, factor: Factor, columns: Columns) -> Schur:
        """By the factored H and the columns' products of the same weights."""
        right = factor.scale(columns.own, columns.other, transposed=True)
        effects = factor.solve(*right)
        explained = np.tensordot(right[0], effects[0], ([0, 1], [0, 1]))
        explained += right[1].T @ effects[1]
        return cls(effects, columns.gram - 0.5 * (explained + explained.T))


def scale(
    layout: Layout, factors: np.ndarray, own: np.ndarray, other: np.ndarray, transposed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Lambda, or its transpose, times (q, k, c) and (R, c) columns."""
    k = layout.k
    root = factors[0, :k, :k]
    first = (root.T if transposed else root) @ own
    rest = np.empty_like(other)
    for block in range(1, len(layout.blocks)):
        width = int(layout.widths[block])
        root = factors[block, :width, :width]
        columns = layout.columns_of(block)
        rest[columns] = (root.T if transposed else root) @ other[columns]
    return first, rest
