"""Sums over the rows of models with several linear predictors that may share coefficients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.table import WITH_GRAM
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes import several_predictors as table_of
from fastglm.kernels.passes.several_predictors import predictors_kernel
from fastglm.passes.chunks import count_chunks
from fastglm.passes.kernel_table import KernelTable, SlotTable
from fastglm.passes.row_table import RowTable

__all__ = ["LinearPredictors", "PredictorMaps", "PredictorSums"]

#: Entries of a map up to which it is dense.
SMALL_MAP = 100_000
#: Products of columns in a row, over all pairs of predictors, from which sweeps without them are so
#: much cheaper that several may replace one.
COSTLY_PRODUCTS = 1000


@dataclass(frozen=True, eq=False)
class PredictorSums:
    """Sums of one sweep at m coefficients.

    Attributes
    ----------
    log_likelihood : float
        -inf where a row is outside the domain.
    score : ndarray, shape (m,)
    information : ndarray, shape (m, m)
        Negative second derivatives.
    """

    log_likelihood: float
    score: np.ndarray
    information: np.ndarray


@dataclass(frozen=True, eq=False)
class PredictorMaps:
    """Maps of m coefficients to those of the K linear predictors of a row table.

    Attributes
    ----------
    n_params : int
        Number of coefficients, m.
    of_predictors : list of tuple
        The coefficients of each predictor, and the (n_stored, own) matrix from these to those of
        the stored columns.
    """

    n_params: int
    of_predictors: list[tuple[np.ndarray, Any]]

    @classmethod
    def of(
        cls, row_table: RowTable, matrices: Sequence[scipy.sparse.csr_array], kept: np.ndarray
    ) -> PredictorMaps:
        """From (columns of the design, all coefficients) matrices and a mask of those kept."""
        columns, maps = row_table.transform_matrix().tocsr(), []
        for matrix in matrices:
            whole = (columns @ matrix)[:, kept].tocsr()
            own = np.unique(whole.indices)
            few = whole[:, own]
            maps.append((own, few.toarray() if few.shape[0] * own.size <= SMALL_MAP else few))
        return cls(int(np.count_nonzero(kept)), maps)


class _PredictorsTable(SlotTable):
    """The table of the kernel, with the tables of all predictors."""

    __slots__ = ()

    array_slots: ClassVar = {
        table_of.PREDICTOR_TABLES: (np.dtype(np.int64),),
        **dict.fromkeys(
            (
                table_of.EXTRA,
                table_of.OFFSETS,
                table_of.SHAPE,
                table_of.PREDICTOR_PARTIALS,
                table_of.ROW_DERIVATIVES,
            ),
            (np.dtype(np.float64),),
        ),
    }
    function_slots = frozenset((table_of.RESPOND,))


class LinearPredictors:
    """Rows, their response, and the maps of m coefficients to K linear predictors.

    Parameters
    ----------
    row_table
        Design, response and prior weights; no offset.
    maps
        From coefficients to those of the stored columns of each predictor.
    respond
        Row block of the response (`fastglm.kernels.passes.several_predictors`).
    extra
        (r, n) further numbers of the rows that the response reads.
    offsets
        (K, n) offsets of the predictors.
    shape
        Up to four parameters of the response.
    shift, scale
        (n_dense,): the dense columns count as ``(x - shift) * scale``.
    n_threads
        From `usable_threads`.
    """

    def __init__(
        self,
        row_table: RowTable,
        maps: PredictorMaps,
        respond: RowBlock,
        *,
        extra: np.ndarray | None = None,
        offsets: np.ndarray | None = None,
        shape: Sequence[float] = (),
        shift: np.ndarray,
        scale: np.ndarray,
        n_threads: int = 1,
    ):
        n_predictors, q = len(maps.of_predictors), row_table.n_stored
        self._n_stored, self._below = q, np.tri(q, k=-1)
        self.n_params, self._maps = maps.n_params, maps.of_predictors
        self.n_threads = n_threads
        self._order = row_table.gram_order
        self._n_pairs = n_predictors * (n_predictors + 1) // 2
        size = self._n_pairs * (self._order**2 + q) + 2
        self._n_chunks = count_chunks(row_table, 8 * size)
        self._partials = np.empty((self._n_chunks, size))
        self._beta = np.zeros((n_predictors, self._order))
        self._shape = np.zeros(table_of.N_SHAPES)
        self._shape[: len(shape)] = shape
        self._row_table = row_table
        tables = self._tabulate(shift, scale)
        #: The kernel reads fields common to all predictors from the first table.
        self._first = KernelTable(tables[0])
        self._table = _PredictorsTable(np.zeros(table_of.TABLE_SIZE, dtype=np.int64))
        self._table.point(table_of.PREDICTOR_TABLES, tables)
        self._table.set(table_of.N_PREDICTORS, n_predictors)
        self._table.set(table_of.N_EXTRA, 0 if extra is None else extra.shape[0])
        self._table.point(table_of.EXTRA, extra)
        self._table.point(table_of.OFFSETS, offsets)
        self._table.call(table_of.RESPOND, respond)
        self._table.point(table_of.SHAPE, self._shape)
        self._table.point(table_of.PREDICTOR_PARTIALS, self._partials)

    def _tabulate(self, shift: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """The kernels' table of each predictor, alike but for the address of its coefficients."""
        #: Owners of the arrays that the tables point to.
        self._common = common = self._row_table.table.copy()
        common.set(fields.N_CHUNKS, self._n_chunks)
        common.point(fields.SHIFT, shift)
        common.point(fields.SCALE, scale)
        common.point(fields.PARAMETERS, np.zeros(3))
        tables = []
        for beta in self._beta:
            common.point(fields.BETA, beta)
            tables.append(common.values.copy())
        return np.array(tables)

    @property
    def has_many_rows(self) -> bool:
        """Whether the rows are enough for several threads."""
        return self._n_chunks > 1

    @property
    def weights(self) -> np.ndarray | None:
        """Prior weights of the rows, (n,); None for ones."""
        return self._row_table.weights

    @property
    def is_information_costly(self) -> bool:
        """Whether the information matrix takes most of the time of a sweep."""
        return self._n_pairs * self._order * (self._order + 1) // 2 >= COSTLY_PRODUCTS

    def sweep(self, params: np.ndarray, information: bool = True) -> PredictorSums:
        """One pass over the rows at (m,) coefficients."""
        for beta, (own, matrix) in zip(self._beta, self._maps, strict=True):
            beta[: self._n_stored] = matrix @ params[own]
        self._first.mode = WITH_GRAM if information else 0
        self._table.launch(predictors_kernel, self._n_chunks, self.n_threads)
        sums = self._partials.sum(axis=0)
        pairs = sums[:-2].reshape(self._n_pairs, -1)
        score = np.zeros(self.n_params)
        for k, (own, matrix) in enumerate(self._maps):
            # Pairs go (0, 0), (1, 0), (1, 1), (2, 0), ...: a predictor's own pair is its last.
            score[own] += matrix.T @ pairs[(k + 1) * (k + 2) // 2 - 1, self._order**2 :]
        grams = pairs[:, : self._order**2].reshape(-1, self._order, self._order)
        log_likelihood = float(sums[-2]) if sums[-1] == 0.0 else -math.inf
        return PredictorSums(log_likelihood, score, self._information(grams))

    def row_derivatives(self, params: np.ndarray, second: bool = False) -> np.ndarray:
        """Derivatives of the rows' log-likelihoods in their predictors, weights included.

        Parameters
        ----------
        params
            (m,) coefficients.
        second
            Whether the negative second derivatives follow the scores.

        Returns
        -------
        ndarray, shape (K, n) or (K + K (K + 1) / 2, n)
            Scores; then W_ab, a >= b, in the order (0, 0), (1, 0), (1, 1), (2, 0), ...
        """
        n_values = len(self._maps) + (self._n_pairs if second else 0)
        values = np.empty((n_values, self._row_table.n_rows))
        self._table.set(table_of.N_ROW_DERIVATIVES, n_values)
        self._table.point(table_of.ROW_DERIVATIVES, values)
        self.sweep(params, information=False)
        self._table.point(table_of.ROW_DERIVATIVES, None)
        return values

    def _information(self, grams: np.ndarray) -> np.ndarray:
        total, q = np.zeros((self.n_params, self.n_params)), self._n_stored
        pair = 0
        for a, (rows, left) in enumerate(self._maps):
            for b, (columns, right) in enumerate(self._maps[: a + 1]):
                block = left.T @ (right.T @ self._whole(grams[pair][:q, :q])).T
                total[np.ix_(rows, columns)] += block
                if a != b:
                    total[np.ix_(columns, rows)] += block.T
                pair += 1
        return total

    def _whole(self, gram: np.ndarray) -> np.ndarray:
        """The symmetric matrix from the part that the kernel stores."""
        lower, sparse = gram * self._below, slice(self._row_table.n_dense, None)
        # Products of sparse entries are on either side, by the order of the row's entries.
        lower[sparse, sparse] += (gram * self._below.T)[sparse, sparse].T
        whole = lower + lower.T
        np.fill_diagonal(whole, gram.diagonal())
        return whole
