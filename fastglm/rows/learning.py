"""The pass before a streamed fit: levels and knots that a formula learns, and sums over rows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.learning import FormulaLearner, LevelsSeen
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.categories import Categories, Level
from fastglm.design.frames.frames import Frame, not_found_text
from fastglm.errors import ColumnNotFoundError, DataError, FormulaError, ModelError
from fastglm.families import Family, ResponseSummary
from fastglm.families.open_ends import open_ends, sides
from fastglm.passes.grains import GRAIN_ROWS, TreeSum, count_grains
from fastglm.rows.level_sides import NO_SIDE, LevelSides
from fastglm.rows.model_rows import ModelRows, constant_design
from fastglm.rows.read import rule_of
from fastglm.rows.streamed_model import StreamedModel, coded_response, rows_of_piece
from fastglm.rows.vectors import require_log_link
from fastglm.rows.windows import columns_used, piece_of, read_pieces, telling_rows
from fastglm.sources.base import Source
from fastglm.sources.streams import whole_columns

__all__ = ["PIECE_GRAINS", "RowTotals", "learn_rows"]

#: Grains in a piece of rows while learning.
PIECE_GRAINS = 32


class RowTotals(NamedTuple):
    """Sums over the rows that do not involve the columns of the design.

    Attributes
    ----------
    nobs, sum_weights : float
        See `fastglm.rows.single.ModelRows`.
    weighted_response : float
        Sum of weight times response.
    summary : ResponseSummary
        Of all responses.
    offset_range : tuple of float
        Smallest and largest offset of a row of positive weight.
    many_trials : bool
        Whether any row has more than one trial.
    n_dropped : int
        Number of rows left out because of missing values.
    missing : dict of str to int
        Number of missing values by column.
    level_sides : LevelSides or None
        Counts of responses of each level at the ends of the response's range, which show
        separation; None if the family cannot separate.
    """

    nobs: float
    sum_weights: float
    weighted_response: float
    summary: ResponseSummary
    offset_range: tuple[float, float]
    many_trials: bool
    n_dropped: int
    missing: dict[str, int]
    level_sides: LevelSides | None = None


class _Learning:
    """State of learning one model from the rows of a source."""

    def __init__(
        self,
        formula: str,
        source: Source,
        family: Family,
        columns: Mapping[str, Any],
        missing: str,
    ) -> None:
        self.source, self.family, self.columns = source, family, columns
        self.missing = missing
        self.learner = FormulaLearner(formula, source.names)
        response = self.learner.parsed.response
        if response is None:
            raise DataError(f"the formula {formula!r} has no response: write it left of '~'.")
        if response.is_stateful:
            raise FormulaError(
                f"the response '{response.text}' is computed from a whole column, which a stream "
                "never holds: compute it beforehand."
            )
        self.response: Expression = response
        self.every = (response, *self.learner.expressions)
        self._require_columns()
        if columns.get("exposure") is not None:
            require_log_link(family.link)
        self.levels: tuple[Level, ...] | None = None

    def _require_columns(self) -> None:
        for argument, value in self.columns.items():
            if value is not None and not isinstance(value, str) and np.ndim(value) != 0:
                raise ModelError(
                    f"{argument} must be the name of a column, or one number, where rows are "
                    "read from a source: make it a column of it."
                )
        for name in columns_used(self.every, self.columns):
            if name not in self.source.names:
                raise ColumnNotFoundError(not_found_text(name, self.source.names))

    def pieces(
        self, expressions: tuple[Expression, ...], grains: int = PIECE_GRAINS
    ) -> Iterator[tuple[int, Table, Table | None, np.ndarray | None]]:
        """Pieces of rows: position, rows as read, rows without missing values, and their mask.

        The last two are as returned by `piece_of`.
        """
        names = columns_used(expressions, self.columns)
        for position, table in read_pieces(self.source, names, 0, None, grains * GRAIN_ROWS):
            with telling_rows(self.source, position, table.num_rows):
                whole = read_table(Frame(table), expressions, self.columns)
                # Numeric columns are checked too: a row with a missing number must not be counted.
                found = piece_of(whole, self.missing, True)
            complete, present = (None, None) if found is None else found
            yield position, whole, complete, present

    def learn_state(self, memory: int) -> None:
        """Learns the state of splines and similar functions, which need a column as a whole."""
        names = self.learner.stateful_columns()
        if not names:
            return
        tables, held = [], 0
        for table in self.source.read(names):
            tables.append(table)
            held += table.num_rows * len(names) * 8
            if held > memory:
                raise ModelError(
                    f"{', '.join(names)} must be read as a whole, for functions of the formula "
                    "that learn from all values: raise memory=, or give knots, bounds and centres "
                    "in the formula."
                )
        whole = whole_columns(tables)
        stateful = tuple(e for e in self.learner.expressions if e.is_stateful)
        table = read_table(Frame(whole), stateful, None).with_nan()
        self.learner.learn_state(table.columns)

    def look(self) -> None:
        """Learns the types of the factors and the response from the first complete rows."""
        counts: dict[str, int] = {}
        for _, whole, piece, _ in self.pieces(self.every, 1):
            if piece is not None:
                self.learner.look(piece.columns)
                self._learn_response(piece)
                return
            for name, rows in whole.missing().items():
                counts[name] = counts.get(name, 0) + int(np.count_nonzero(rows))
        raise DataError(
            f"No row of {self.source.label} is complete: missing values by column are {counts}. "
            "Leave out columns that are mostly missing."
        )

    def _learn_response(self, piece: Table) -> None:
        rule, name = rule_of(self.family), f"'{self.response.text}'"
        if self.response.called("cbind") is not None:
            return
        value = self.response.evaluate(piece.columns, {})
        if not isinstance(value, Categories):
            if isinstance(value, np.ndarray):
                self.levels = rule.coded(value, name)[1]
            return
        seen = LevelsSeen(self.response.text)
        read = (self.response,) if self.missing == "raise" else self.every
        for _, _, piece_, _ in self.pieces(read):
            if piece_ is not None:
                found = self.response.evaluate(piece_.columns, {})
                assert isinstance(found, Categories)
                seen.add(found)
        self.levels = rule.coded(seen.whole(), name)[1]

    def learn_all(self) -> RowTotals:
        """Learns the levels of the factors, and returns the sums over all rows."""
        totals, parsed = _Totals(), self.learner.parsed
        levelled = set(self.learner.level_columns())
        factors = (e for e in parsed.factors if levelled.issuperset(e.columns))
        lean = (self.response, *parsed.offsets, *factors)
        by_level = None
        if levelled and open_ends(self.family):
            by_level = LevelSides(parsed.terms, self.learner.levelled)
        position = 0
        for position, whole, piece, present in self.pieces(
            lean if self.missing == "raise" else self.every
        ):
            n = whole.n_rows
            if self.missing == "drop":
                totals.count_missing(whole, present, piece)
            if piece is None:
                totals.add(position, None, n)
                continue
            with telling_rows(self.source, position, n):
                found = self.learner.add(piece.columns)
                rows = self._without_columns(piece, present)
                totals.add(position, rows, n)
                if by_level is not None:
                    by_level.add(found, _sides_of(rows, self.family))
        position += n
        if self.source.n_rows is None:
            self.source.n_rows = position
        return totals.all(position)._replace(level_sides=by_level)

    def _without_columns(self, piece: Table, present: np.ndarray | None) -> ModelRows:
        n = piece.n_rows
        ones = constant_design(n)
        offsets = FittedFormula(
            "", None, (), (), {}, self.learner.parsed.offsets, self.learner.state
        )
        response = coded_response(self.response, self.levels, piece, self.family)
        offset = offsets.offset(piece)
        return rows_of_piece(self.family, ones, response, self.columns, piece, offset, present)


def _sides_of(rows: ModelRows, family: Family) -> np.ndarray:
    """Side of each response, (n,) int8, as `LevelSides.add` takes it."""
    side = sides(family, rows.response)
    if rows.prior_weights is not None:
        side[~(rows.prior_weights > 0.0)] = NO_SIDE
    return side


class _Totals:
    """Sums over rows, accumulated by grain: the division into pieces does not change a bit."""

    def __init__(self) -> None:
        self._sums = TreeSum()
        self._least, self._greatest = math.inf, -math.inf
        self._binary, self._many_trials = True, False
        self._offsets = (math.inf, -math.inf)
        self._dropped = 0
        self._missing: dict[str, int] = {}

    def count_missing(self, whole: Table, present: np.ndarray | None, piece: Table | None) -> None:
        """Counts missing values and incomplete rows of a piece; arguments as of `pieces`."""
        for name, rows in whole.missing().items():
            self._missing[name] = self._missing.get(name, 0) + int(np.count_nonzero(rows))
        if piece is None:
            self._dropped += whole.n_rows
        elif present is not None:
            self._dropped += int(whole.n_rows - np.count_nonzero(present))

    def add(self, position: int, rows: ModelRows | None, n: int) -> None:
        """Adds n rows from `position`, the start of a grain; None if none of them is complete."""
        sums = np.zeros((count_grains(n), 3))
        if rows is not None:
            self._look(rows)
            weights, y = rows.prior_weights, rows.response
            present = None if weights is None else weights > 0.0
            for k in range(len(sums)):
                part = slice(k * GRAIN_ROWS, min((k + 1) * GRAIN_ROWS, n))
                sums[k] = _sums_of(
                    y[part],
                    None if weights is None else weights[part],
                    None if present is None else present[part],
                    None if rows.frequencies is None else rows.frequencies[part],
                )
        self._sums.add_grains(position // GRAIN_ROWS, sums)

    def _look(self, rows: ModelRows) -> None:
        summary = rows.summary
        self._least = min(self._least, summary.minimum)
        self._greatest = max(self._greatest, summary.maximum)
        self._binary = self._binary and summary.binary
        self._many_trials = self._many_trials or rows.many_trials
        offset = rows.offset
        if offset is None:
            self._offsets = (0.0, 0.0)
            return
        if rows.prior_weights is not None:
            offset = offset[rows.prior_weights > 0.0]
        least, greatest = self._offsets
        self._offsets = (
            min(least, float(offset.min(initial=math.inf))),
            max(greatest, float(offset.max(initial=-math.inf))),
        )

    def all(self, n_rows: int) -> RowTotals:
        """Totals of all rows.

        Raises
        ------
        DataError
            If no row has positive weight.
        """
        nobs, weights, weighted = self._sums.total(count_grains(n_rows)).tolist()
        if not weights > 0.0:
            raise DataError("all weights are zero: there is nothing to fit.")
        summary = ResponseSummary(self._least, self._greatest, 0, self._binary)
        return RowTotals(
            nobs,
            weights,
            weighted,
            summary,
            self._offsets,
            self._many_trials,
            self._dropped,
            self._missing,
        )


def _sums_of(
    y: np.ndarray,
    weights: np.ndarray | None,
    present: np.ndarray | None,
    frequencies: np.ndarray | None,
) -> tuple[float, float, float]:
    """Observations, sum of weights, and sum of weight times response."""
    if weights is None or present is None:
        return float(y.size), float(y.size), float(np.sum(y, dtype=np.float64))
    observed = np.count_nonzero(present) if frequencies is None else frequencies[present].sum()
    weighted = weights * np.where(present, y, 0.0)
    return float(observed), float(weights.sum()), float(weighted.sum())


def learn_rows(
    formula: str,
    source: Source,
    family: Family,
    columns: Mapping[str, Any],
    missing: str,
    memory: int,
) -> tuple[StreamedModel, RowTotals]:
    """Learn a formula and sums over the rows from a source.

    Parameters
    ----------
    formula : str
    source : Source
    family : Family
    columns : mapping of str to str, number or None
        Offset, exposure and weights by argument.
    missing : {"raise", "drop"}
    memory : int
        Bytes that columns may take which must be read as a whole.

    Raises
    ------
    DataError, FormulaError, ModelError
        Naming the column, rows or piece of the formula that cannot be used.
    """
    checked_choice("missing", missing, ("raise", "drop"), " with a formula")
    learning = _Learning(formula, source, family, columns, missing)
    learning.learn_state(memory)
    learning.look()
    totals = learning.learn_all()
    model = StreamedModel(
        family,
        learning.learner.fitted_formula(),
        learning.response,
        learning.levels,
        columns,
        missing,
    )
    return model, totals
