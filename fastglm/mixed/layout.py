"""Arrays of random effects for the kernels: rows by level of the largest factor, and a remainder.

The factor with most effects is eliminated level by level; the effects of all others, the
remainder, are columns of a symmetric matrix that is dense inside each of its components, sets of
levels that share rows. Nested factors have a component for every level of the outermost, so that
there is no fill-in. Bates & DebRoy (2004), "Linear mixed models and penalized least squares".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.kernels.compiler.decorators import entry
from fastglm.mixed.blocks import Block, Term

__all__ = ["Layout"]

#: Rows of a chunk. Chunks depend on the data alone and are added in order. With several factors
#: they are larger, as each has partial sums over the remainder of its own.
CHUNK_ROWS = 16_384
CHUNK_ROWS_OF_SEVERAL = 65_536
#: Most bytes of the partial sums over the remainder, one set a chunk.
CHUNK_BYTES = 64_000_000
#: Most entries of the remainder's matrix; three copies take 2.4 GB.
MOST_ENTRIES = 100_000_000


@entry
def sort_rows(codes, start, order):
    """Write row numbers sorted by code into `order`, the first place of each code into `start`."""
    for i in range(codes.size):
        start[codes[i] + 1] += 1
    for j in range(1, start.size):
        start[j] += start[j - 1]
    for i in range(codes.size):
        order[start[codes[i]]] = i
        start[codes[i]] += 1
    for j in range(start.size - 1, 0, -1):
        start[j] = start[j - 1]
    start[0] = 0
    return 0


class Layout:
    """The random effects of n rows.

    Parameters
    ----------
    blocks : sequence of Block
        In any order.

    Attributes
    ----------
    blocks : tuple of Block
        The one with most effects first.
    order : ndarray, shape (n,), int64
        Rows by level of the first block.
    start : ndarray, shape (q + 1,), int64
        Where each level's rows begin.
    z, z_planes : ndarray, shape (n, k) and (k, n)
        Columns of the first block, in that order.
    rest : ndarray, shape (n, K)
        Columns of the other blocks.
    widths : ndarray, shape (b,), int64
        Effects of a level of every block.
    column : ndarray, shape (n, b - 1), int64
        Where the effects of a row's levels begin in the remainder.
    local : ndarray, shape (n, b - 1), int64
        The same among the columns that meet its level of the first block.
    pair_start : ndarray, shape (q + 1,), int64
        Where each level's pairs begin: levels of other blocks that share rows with it.
    pair_column, pair_block, pair_local : ndarray, shape (n_pairs,), int64
        Of a pair: first column of the remainder, block, and place among the level's columns.
    cross_start : ndarray, shape (q + 1,), int64
        How many columns the pairs of earlier levels have.
    cross_column : ndarray, shape (columns of all pairs,), int64
        Which of the remainder these are, level by level.
    rest_size : int
        Columns of the remainder.
    rest_first : ndarray, shape (levels of other blocks + 1,), int64
        First column of each level there, in order of columns.
    rest_block : ndarray, shape (levels of other blocks,), int64
    component_first : ndarray, shape (n_components + 1,), int64
        First column of each component.
    row_start : ndarray, shape (rest_size,), int64
        Entry (r, c) of the remainder's matrix is at ``row_start[r] + c``.
    n_entries : int
        Of the remainder's matrix.
    component : ndarray, shape (q,), int64
        Of each level of the first block.
    column_component : ndarray, shape (rest_size,), int64
    chunks : ndarray, shape (n_chunks + 1,), int64
        Levels of the first block where chunks begin.
    """

    def __init__(self, blocks: Sequence[Block]):
        self.blocks = tuple(sorted(blocks, key=lambda block: -block.q * block.k))
        first, others = self.blocks[0], self.blocks[1:]
        self.n_rows = first.codes.size
        self.widths = np.array([block.k for block in self.blocks], dtype=np.int64)
        self.start, self.order = np.zeros(first.q + 1, dtype=np.int64), np.empty_like(first.codes)
        sort_rows(first.codes, self.start, self.order)
        self.z = np.take(first.columns, self.order, axis=0)
        self.z_planes = self.z.reshape(1, -1) if first.k == 1 else np.ascontiguousarray(self.z.T)
        columns = [block.columns[self.order] for block in others]
        self.rest = np.ascontiguousarray(np.hstack([np.empty((self.n_rows, 0)), *columns]))
        self._number_columns(others)
        self._find_pairs(others)
        self.chunks = self._cut_chunks()

    @property
    def q(self) -> int:
        """Levels of the first block."""
        return self.blocks[0].q

    @property
    def k(self) -> int:
        """Effects of a level of the first block."""
        return self.blocks[0].k

    @cached_property
    def place(self) -> np.ndarray:
        """Where each row of the data is in the order of levels, (n,)."""
        place = np.empty_like(self.order)
        place[self.order] = np.arange(self.n_rows)
        return place

    def _number_columns(self, others: Sequence[Block]) -> None:
        """Columns of the remainder, those of a component side by side."""
        code = self.blocks[0].codes[self.order]
        offsets = np.concatenate([[0], np.cumsum([block.q for block in others])]).astype(np.int64)
        self._levels = [b.codes[self.order] + o for b, o in zip(others, offsets, strict=False)]
        n_levels = int(offsets[-1])
        n_components, of_level = self._components(len(others), n_levels, code)
        block = np.repeat(np.arange(len(others)), [b.q for b in others]).astype(np.int64)
        by_column = np.argsort(of_level, kind="stable")
        width = self.widths[1:][block[by_column]] if others else np.empty(0, dtype=np.int64)
        self.rest_block = block[by_column] + 1
        self.rest_first = np.concatenate([[0], np.cumsum(width)]).astype(np.int64)
        self.rest_size = int(self.rest_first[-1])
        self.column_of_level = np.empty(n_levels, dtype=np.int64)
        self.column_of_level[by_column] = self.rest_first[:-1]
        self.column_component = np.repeat(of_level[by_column], width)
        sizes = np.bincount(self.column_component, minlength=n_components)
        self.component_first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        area = np.concatenate([[0], np.cumsum(sizes.astype(np.int64) ** 2)])
        self.n_entries = int(area[-1])
        if self.n_entries > MOST_ENTRIES:
            raise ModelError(
                f"the {self.rest_size:,} effects of the smaller grouping factors would need a "
                f"matrix of {self.n_entries:,} numbers ({self.n_entries * 24 / 1e9:.1f} GB with "
                f"its factor and inverse), more than {MOST_ENTRIES:,}: leave a factor out, or "
                "make it a fixed effect."
            )
        c, column = self.column_component, np.arange(self.rest_size)
        first = self.component_first[c]
        self.row_start = (area[c] + (column - first) * sizes[c] - first).astype(np.int64)
        shape2 = (self.n_rows, len(others))
        self.column = np.empty(shape2, dtype=np.int64)
        for t, level in enumerate(self._levels):
            self.column[:, t] = self.column_of_level[level]

    def _components(self, n_others: int, n_levels: int, code: np.ndarray) -> tuple[int, np.ndarray]:
        """Number of components, and which one every level of the other blocks is in."""
        if not n_others:
            self.component = np.arange(self.q)
            return self.q, np.empty(0, dtype=np.int64)
        ends = np.concatenate([self.q + level for level in self._levels])
        shape = (self.q + n_levels, self.q + n_levels)
        links = (np.ones(ends.size, bool), (np.tile(code, n_others), ends))
        graph = scipy.sparse.coo_array(links, shape=shape)
        n_components, found = scipy.sparse.csgraph.connected_components(graph, directed=False)
        self.component = found[: self.q].astype(np.int64)
        return n_components, found[self.q :].astype(np.int64)

    def _find_pairs(self, others: Sequence[Block]) -> None:
        """Pairs of levels, of the first block and another, that share rows, and their places."""
        code = self.blocks[0].codes[self.order]
        self.local = np.empty((self.n_rows, len(others)), dtype=np.int64)
        found, base = [], np.zeros(self.q, dtype=np.int64)
        n_all = self.column_of_level.size
        for t, level in enumerate(self._levels):
            keys, inverse = np.unique(code * max(n_all, 1) + level, return_inverse=True)
            j, k = keys // max(n_all, 1), self.widths[t + 1]
            count = np.bincount(j, minlength=self.q)
            before = np.concatenate([[0], np.cumsum(count)[:-1]])
            local = base[j] + (np.arange(keys.size) - before[j]) * k
            self.local[:, t] = local[inverse]
            found.append((j, self.column_of_level[keys % n_all], np.full(j.size, t + 1), local))
            base += count * k
        empty = np.empty(0, dtype=np.int64)
        j, column, block, local = (
            np.concatenate([empty, *parts])
            for parts in (zip(*found, strict=True) if found else [()] * 4)
        )
        by_level = np.lexsort((local, j))
        self.pair_column, self.pair_block, self.pair_local = (
            np.ascontiguousarray(a[by_level]).astype(np.int64) for a in (column, block, local)
        )
        counts = np.bincount(j, minlength=self.q)
        self.pair_start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.cross_start = np.concatenate([[0], np.cumsum(base)]).astype(np.int64)
        width = self.widths[self.pair_block]
        within = np.arange(int(width.sum())) - np.repeat(np.cumsum(width) - width, width)
        self.cross_column = np.repeat(self.pair_column, width) + within

    @cached_property
    def shared(self) -> tuple[np.ndarray, np.ndarray]:
        """Levels of the remainder, in the order of its columns, that share rows with later ones.

        Where those of each level, which is among them itself, begin, (levels + 1,); and which.
        """
        n_levels, rank = self.rest_block.size, np.empty_like(self.column_of_level)
        rank[np.argsort(self.column_of_level)] = np.arange(n_levels)
        ranks = [rank[level] for level in self._levels]
        own = np.arange(n_levels)
        low, high = [own], [own]
        for one, two in itertools.combinations(ranks, 2):
            low.append(np.minimum(one, two))
            high.append(np.maximum(one, two))
        places = np.concatenate(high), np.concatenate(low)
        links = scipy.sparse.coo_array((np.ones(places[0].size, bool), places), (n_levels,) * 2)
        found = links.tocsr()
        return found.indptr.astype(np.int64), found.indices.astype(np.int64)

    def _cut_chunks(self) -> np.ndarray:
        """Levels where chunks begin: about as many rows each, and few enough for partial sums."""
        bytes_each = 8 * max(self.n_entries + self.rest_size, 1)
        rows_each = CHUNK_ROWS_OF_SEVERAL if self.rest_size else CHUNK_ROWS
        most = max(1, min(self.n_rows // rows_each, CHUNK_BYTES // bytes_each))
        cuts = np.searchsorted(self.start, np.arange(1, most) * self.n_rows // most)
        return np.unique(np.concatenate([[0], cuts, [self.q]])).astype(np.int64)

    def columns_of(self, block: int) -> np.ndarray:
        """Columns of the remainder of every level of a block other than the first, (q, k)."""
        start = sum(each.q for each in self.blocks[1:block])
        levels = self.column_of_level[start : start + self.blocks[block].q]
        return levels[:, None] + np.arange(self.widths[block])

    def places(self, block: int) -> np.ndarray:
        """Effects of every level of a block, (q, k): numbers, those of the first block first."""
        if block == 0:
            return np.arange(self.q * self.k).reshape(self.q, self.k)
        return self.q * self.k + self.columns_of(block)

    @cached_property
    def _sizes(self) -> np.ndarray:
        return np.diff(self.component_first)

    def large_components(self, small: int) -> list[tuple[slice, int]]:
        """Offsets in the flat matrix and sizes of components of more than `small` columns."""
        area = np.concatenate([[0], np.cumsum(self._sizes**2)])
        return [
            (slice(int(area[c]), int(area[c + 1])), int(self._sizes[c]))
            for c in np.flatnonzero(self._sizes > small)
        ]

    def large_columns(self, small: int) -> list[slice]:
        """Columns of these components."""
        return [
            slice(int(self.component_first[c]), int(self.component_first[c + 1]))
            for c in np.flatnonzero(self._sizes > small)
        ]

    @cached_property
    def theta_order(self) -> tuple[tuple[int, Term], ...]:
        """Terms with the number of their block, in the order of theta: as lme4, by levels."""
        terms = [(b, term) for b, block in enumerate(self.blocks) for term in block.terms]
        return tuple(sorted(terms, key=lambda item: -self.blocks[item[0]].q))

    @cached_property
    def n_theta(self) -> int:
        """Number of covariance parameters."""
        return sum(term.structure.n_theta for _, term in self.theta_order)

    def split(self, theta: np.ndarray) -> list[np.ndarray]:
        """Parameters of each term in `theta_order`."""
        return [theta[place] for place in self.theta_places]

    @cached_property
    def theta_places(self) -> list[slice]:
        """Where the parameters of each term in `theta_order` are."""
        ends = np.cumsum([0, *(term.structure.n_theta for _, term in self.theta_order)]).tolist()
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    def theta_of_block(self, block: int) -> np.ndarray:
        """Which entries of theta are those of a block, in their order."""
        parts = zip(self.theta_order, self.theta_places, strict=True)
        own = [np.arange(place.start, place.stop) for (b, _), place in parts if b == block]
        return np.concatenate(own)

    def theta_units(self) -> np.ndarray:
        """Units of theta, (m,), that go with those of the blocks."""
        parts = [
            term.structure.theta_units(self.blocks[b].units[term.start : term.stop])
            for b, term in self.theta_order
        ]
        return np.concatenate(parts)

    def start_theta(self) -> np.ndarray:
        """Theta for which every Lambda is the identity, (m,)."""
        return np.concatenate([term.structure.start() for _, term in self.theta_order])

    def theta_names(self) -> tuple[str, ...]:
        """Names of the m parameters, ``group.column``, as lme4 has them."""
        return tuple(
            f"{self.blocks[b].group}.{name}"
            for b, term in self.theta_order
            for name in term.structure.names(term.columns)
        )

    def canonical(self, theta: np.ndarray) -> np.ndarray:
        """Theta of the same covariances with non-negative standard deviations."""
        parts = zip(self.theta_order, self.split(theta), strict=True)
        return np.concatenate([term.structure.canonical(part) for (_, term), part in parts])

    def lifted(self, theta: np.ndarray, least: float) -> np.ndarray:
        """Theta to start from, off the boundary, where it would stay."""
        parts = zip(self.theta_order, self.split(theta), strict=True)
        return np.concatenate([term.structure.lifted(part, least) for (_, term), part in parts])

    @cached_property
    def _widest(self) -> int:
        return int(self.widths.max())

    def factors(self, theta: np.ndarray) -> np.ndarray:
        """Lambda of every block, (b, K, K), padded with zeros."""
        if len(self.theta_order) == 1:
            return self.theta_order[0][1].structure.factor(theta)[None]
        factors = np.zeros((len(self.blocks), self._widest, self._widest))
        for (b, term), part in zip(self.theta_order, self.split(theta), strict=True):
            place = slice(term.start, term.stop)
            factors[b, place, place] = term.structure.factor(part)
        return factors

    def chain(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Derivatives in theta, (m,), from those in the entries of every Lambda, (b, K, K)."""
        if len(self.theta_order) == 1:
            return self.theta_order[0][1].structure.chain(theta, gradient[0])
        found = []
        for (b, term), part in zip(self.theta_order, self.split(theta), strict=True):
            place = slice(term.start, term.stop)
            found.append(term.structure.chain(part, gradient[b, place, place]))
        return np.concatenate(found)
