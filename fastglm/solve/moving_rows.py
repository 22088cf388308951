"""Changes of linear predictors along directions of the coefficients, to search for separation."""

from __future__ import annotations

import numpy as np

from fastglm.design.matrix.parts import Design, Indicators
from fastglm.design.matrix.select import select_columns
from fastglm.design.matrix.take import take_rows
from fastglm.families import Gaussian
from fastglm.kernels.blocks.row_buffers import LINEAR_PREDICTOR, QUADRATIC_FORM
from fastglm.passes.eliminated_levels import EliminatedLevels, find_eliminated_levels
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

__all__ = ["DesignRows", "MovingRows"]


class MovingRows:
    """Changes of n linear predictors along a direction of p coefficients.

    Attributes
    ----------
    n_rows, n_columns : int
        Numbers of rows, n, and of coefficients, p.
    """

    n_rows: int
    n_columns: int

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """Design matrix of m rows, given by number, (m, p)."""
        raise NotImplementedError

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """Change of every linear predictor along `direction`, (p,), as (n,)."""
        raise NotImplementedError

    def squares(self, directions: np.ndarray) -> np.ndarray:
        """Sum of squared changes of every row along d directions, (p, d), as (n,)."""
        raise NotImplementedError

    def direction_of_levels(self, side: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
        """Direction, (p,), that separates all levels whose rows lie on one side; None without any.

        `side` and `counts`, (n,), are those of the search for separation.
        """
        return None

    def without_levels(self, side: np.ndarray, counts: np.ndarray) -> MovingRows:
        """These rows with the coefficients of many levels eliminated, which keeps separation."""
        return self

    def of_all(self, direction: np.ndarray) -> np.ndarray:
        """Direction of all coefficients, (p,), from one of `without_levels`."""
        return direction


class DesignRows(MovingRows):
    """The rows of a design."""

    def __init__(self, design: Design, n_threads: int = 1):
        self.design, self.row_table, self.n_threads = design, build_row_table(design), n_threads
        self.n_rows, self.n_columns = design.n_rows, design.n_columns

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        return take_rows(self.design, rows).to_dense()

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        return self._evaluate(direction, LINEAR_PREDICTOR)

    def squares(self, directions: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        origin = np.zeros(self.n_columns)
        return self._evaluate(origin, QUADRATIC_FORM, np.ascontiguousarray(directions.T))

    def direction_of_levels(self, side: np.ndarray, counts: np.ndarray) -> np.ndarray | None:
        """See `MovingRows`."""
        direction, found = np.zeros(self.n_columns), False
        for part, columns in _columns_of_levels(self.design):
            code = part.combined_codes(slice(None))[counts]
            kinds = (
                np.bincount(code[side[counts] == s], minlength=columns.size) for s in (-1, 0, 1)
            )
            down, still, up = kinds
            gains = (still == 0) & ((down == 0) != (up == 0))
            sign = np.where(up > 0, 1.0, -1.0)
            own = gains & (columns >= 0)
            direction[columns[own]] = sign[own]
            found |= bool(own.any())
            reference = np.flatnonzero(gains & (columns < 0))
            constant = self.design.constant
            if not found and constant is not None and np.count_nonzero(columns < 0) == 1:
                # The indicator of the reference level is the constant minus all other levels.
                for level in reference:
                    direction[constant] = sign[level]
                    direction[columns[columns >= 0]] = -sign[level]
                    return direction
        return direction if found else None

    def without_levels(self, side: np.ndarray, counts: np.ndarray) -> MovingRows:
        """See `MovingRows`."""
        eliminated = find_eliminated_levels(self.row_table)
        if eliminated is None:
            return self
        code = eliminated.part.combined_codes(slice(None))
        fixed = np.full(eliminated.n_levels, -1)
        rows = np.flatnonzero(counts & (side == 0))
        fixed[code[rows]] = rows
        counted = np.bincount(code[counts], minlength=eliminated.n_levels) > 0
        is_free = eliminated.level_column >= 0
        if (counted & is_free & (fixed < 0)).any():
            return self
        fixed[~is_free] = -1
        return _LevelFreeRows(self, eliminated, code, fixed)

    def _evaluate(
        self, direction: np.ndarray, buffer: int, factor: np.ndarray | None = None
    ) -> np.ndarray:
        values = evaluate_rows(
            self.row_table,
            Gaussian(),
            direction,
            (buffer,),
            factor=factor,
            n_threads=self.n_threads,
        )
        return values[0]


class _LevelFreeRows(MovingRows):
    """Rows with the coefficients of levels eliminated, by differences from one row of each level.

    That row's linear predictor must not change, which determines the coefficient of its level.

    Parameters
    ----------
    rows
        The rows with all coefficients.
    eliminated
        The levels.
    code
        (n,) level of each row.
    fixed
        (n_levels,) number of the row that must not change; -1 for a level without coefficient or
        without rows that count.
    """

    def __init__(
        self, rows: DesignRows, eliminated: EliminatedLevels, code: np.ndarray, fixed: np.ndarray
    ):
        self._eliminated, self._fixed, self._fixed_of_row = eliminated, fixed, fixed[code]
        self._all_columns = rows.n_columns
        self._kept = DesignRows(select_columns(rows.design, eliminated.kept_column), rows.n_threads)
        self.n_rows, self.n_columns = rows.n_rows, eliminated.n_kept

    def matrix(self, rows: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        fixed = self._fixed_of_row[rows]
        matrix, is_relative = self._kept.matrix(rows), fixed >= 0
        different, place = np.unique(fixed[is_relative], return_inverse=True)
        if different.size:
            matrix[is_relative] -= self._kept.matrix(different)[place]
        return matrix

    def moved(self, direction: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        predictor = self._kept.moved(direction)
        return predictor - np.where(self._fixed_of_row >= 0, predictor[self._fixed_of_row], 0.0)

    def squares(self, directions: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        total = np.zeros(self.n_rows)
        for direction in np.ascontiguousarray(directions.T):
            total += np.square(self.moved(direction))
        return total

    def of_all(self, direction: np.ndarray) -> np.ndarray:
        """See `MovingRows`."""
        whole = np.zeros(self._all_columns)
        whole[self._eliminated.kept_column] = direction
        is_relative = (self._fixed >= 0) & (self._eliminated.level_column >= 0)
        predictor = self._kept.moved(direction)
        columns = self._eliminated.level_column[is_relative]
        whole[columns] = -predictor[self._fixed[is_relative]]
        return whole


def _columns_of_levels(design: Design) -> list[tuple[Indicators, np.ndarray]]:
    """Categorical parts, each with the design column of every level's indicator, -1 without one."""
    column_map = design.transform_matrix()
    single = np.flatnonzero(np.diff(column_map.indptr) == 1)
    entry = column_map.indptr[single]
    single = single[column_map.data[entry] == 1.0]
    of_stored = np.full(design.n_stored_columns, -1)
    of_stored[column_map.indices[column_map.indptr[single]]] = single
    found, start = [], 0
    for part in design.parts:
        if isinstance(part, Indicators) and not part.factors:
            found.append((part, of_stored[start : start + part.n_columns]))
        start += part.n_columns
    return found
