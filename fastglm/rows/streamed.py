"""The rows of a streamed model, in place of `ModelRows`: their totals, and passes over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.learning import FormulaLearner
from fastglm.design.frames.frames import not_found_text
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.errors import ColumnNotFoundError, MemoryLimitError
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.passes.row_table import build_row_table
from fastglm.passes.source import StreamedRows
from fastglm.rows.gathered import VECTORS, GatheredRows, gather_rows
from fastglm.rows.groups import Groups
from fastglm.rows.learning import PIECE_GRAINS, RowTotals
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import weight_sources
from fastglm.rows.streamed_model import LeftOut, StreamedModel, level_codes
from fastglm.rows.window_sizes import sampled_rows, window_grains
from fastglm.rows.windows import RowReader, bytes_of, read_pieces, telling_rows
from fastglm.sources.base import Source
from fastglm.sources.streams import joined_tables

if TYPE_CHECKING:
    import pyarrow

__all__ = ["StreamedModelRows"]

#: Rows kept for later passes take at most `memory` divided by this.
KEPT = 3


class StreamedModelRows:
    """The rows of the result of a streamed fit, in place of `ModelRows`.

    Attributes of `ModelRows` that need the rows in memory raise `DataError`.

    Attributes
    ----------
    source : Source
    streamed : StreamedModel
    totals : RowTotals
        Sums over all rows.
    memory : int
        Bytes of memory that reading may use.
    """

    frame = None
    has_names = True
    frame_rows = None

    def __init__(
        self, source: Source, streamed: StreamedModel, totals: RowTotals, memory: int
    ) -> None:
        assert source.n_rows is not None
        self.source, self.streamed, self.totals = source, streamed, totals
        self.memory = memory
        columns, fitted_formula = streamed.columns, streamed.fitted_formula
        self.fitted_formula, self.response_levels = fitted_formula, streamed.response_levels
        self.response_name = streamed.response.text
        named = {name: columns.get(name) for name in ("offset", "exposure")}
        self.column_names = {k: v for k, v in named.items() if isinstance(v, str)}
        self.weights = weight_sources(columns)
        self.has_offset = columns.get("offset") is not None
        self.has_exposure = columns.get("exposure") is not None
        self.n_rows = source.n_rows - totals.n_dropped
        self.nobs, self.sum_weights = totals.nobs, totals.sum_weights
        self.summary, self.n_dropped = totals.summary, totals.n_dropped
        self.missing = totals.missing
        self._sources: dict[bool, StreamedRows] = {}
        self._gathered: GatheredRows | None = None
        #: The distinct rows with counts, which passes read instead; None without compression.
        self.cells: StreamedModelRows | None = None

    @property
    def named_by(self) -> Any:
        """What the library of tables of results is taken from: None for pandas."""
        return self.source.given

    @property
    def swept(self) -> StreamedModelRows:
        """The rows that passes read: distinct ones with their counts, or all."""
        return self.cells or self

    @cached_property
    def needed_memory(self) -> int:
        """Approximate bytes of all rows of the model in memory: columns, designs and vectors."""
        reader = self.own_source(1).windows
        assert isinstance(reader, RowReader)
        return int(self._raw_bytes(reader.names) + self._built_bytes)

    @property
    def _built_bytes(self) -> float:
        """Approximate bytes of the designs and vectors of all rows."""
        sample = self.own_source(1).row_table
        return self._n_all * bytes_of(sample) / sample.n_rows

    @property
    def fits(self) -> bool:
        """Whether all rows fit into `memory`."""
        return self.needed_memory <= self.memory

    @property
    def _n_all(self) -> int:
        """Number of rows of the source, complete or not."""
        assert self.source.n_rows is not None
        return self.source.n_rows

    def _raw_bytes(self, names: Sequence[str]) -> float:
        """Approximate bytes of columns of all rows, extrapolated from the first rows."""
        first = next(iter(self.source.read(names, 0, min(GRAIN_ROWS, self._n_all))))
        return self._n_all * first.nbytes / max(first.num_rows, 1)

    def table(self, what: str) -> pyarrow.Table:
        """All rows as a table, with all columns or those of the model; takes a pass.

        `what` names the method that needs them, for the message of an error.

        Raises
        ------
        MemoryLimitError
            If the rows take more than `memory`.
        """
        reader, needed = self.own_source(1).windows, self.needed_memory
        assert isinstance(reader, RowReader)
        if needed > self.memory:
            raise MemoryLimitError(
                f"{what} needs the {self._n_all:,} rows of {self.source.label} in memory, about "
                f"{needed / 1e6:,.1f} MB: fit with memory= of at least that, or a sample of the "
                "rows for it; predictions go to a file with predict_to()."
            )
        names: Sequence[str] = [n for n in self.source.names if n not in self.source.unlike]
        if self._built_bytes + self._raw_bytes(names) > self.memory:
            names = reader.names
        whole = joined_tables(list(self.source.read(names))).combine_chunks()
        reader.require_unchanged()
        return whole

    def gathered(self, what: str) -> GatheredRows:
        """Responses, weights and offsets of all rows; takes a pass the first time.

        `what` names the method that needs them, for the message of an error.

        Raises
        ------
        MemoryLimitError
            If the vectors take more than `memory`.
        """
        needed = 8 * VECTORS * self._n_all
        if needed > self.memory:
            raise MemoryLimitError(
                f"{what} needs a few numbers of each of the {self._n_all:,} rows of "
                f"{self.source.label} in memory, about {needed / 1e6:,.1f} MB: fit with memory= of "
                "at least that, or a sample of the rows for it; predictions go to a file with "
                "predict_to()."
            )
        if self._gathered is None:
            reader = self.own_source(1, single=True).windows
            assert isinstance(reader, RowReader)
            self._gathered = gather_rows(
                reader,
                column_names=self.column_names,
                weights=self.weights,
                response_name=self.response_name,
                n_dropped=self.n_dropped,
                missing=self.missing,
            )
        return self._gathered

    @property
    def mean_response(self) -> float:
        """Weighted mean of the response."""
        return self.totals.weighted_response / self.totals.sum_weights

    def row_source(self, n_threads: int, single: bool = False) -> StreamedRows:
        """Source of passes over the rows; with `single`, weights do not include frequencies."""
        return self.swept.own_source(n_threads, single)

    def own_source(self, n_threads: int, single: bool = False) -> StreamedRows:
        """As `row_source`, of all rows also where distinct ones are swept."""
        single = single and self.streamed.columns.get("freq_weights") is not None
        found = self._sources.get(single)
        if found is None:
            found = self._sources[single] = self._open(n_threads, single)
        return found

    def _open(self, n_threads: int, single: bool) -> StreamedRows:
        reader = RowReader(self.source, self.streamed, 1, single)
        first = reader.first_grain()
        row_bytes = 8 + bytes_of(first) / first.n_rows
        partial = 8 * (first.gram_order**2 + first.gram_order)
        reader.window_grains = window_grains(self.memory, row_bytes, partial, n_threads)
        most = reader.window_grains * GRAIN_ROWS
        self.source.batch_rows = min(type(self.source).batch_rows, most)
        sampled = sampled_rows(reader.n_rows, first.n_dense + first.n_indicators, self.memory)
        return StreamedRows(reader, reader.sample(*sampled), self.memory // KEPT)

    def grouped_source(self, name: str, n_threads: int) -> tuple[StreamedRows, int]:
        """Source of passes over rows grouped by a column, and the number of groups; takes a pass.

        Raises
        ------
        ColumnNotFoundError
            If there is no such column.
        DataError
            If a row has no group.
        ModelError
            If there are too many groups for `memory`.
        """
        if name not in self.source.names:
            raise ColumnNotFoundError(not_found_text(name, self.source.names))
        groups = Groups(name)
        reader = RowReader(self.source, self.streamed, 1, groups=groups)
        pieces = read_pieces(self.source, reader.names, 0, None, PIECE_GRAINS * GRAIN_ROWS)
        for position, table in pieces:
            with telling_rows(self.source, position, table.num_rows):
                rows = reader.rows(table, False)
                if rows is not None:
                    weights = rows.prior_weights
                    groups.add(table, None if weights is None else weights > 0.0)
        n_groups, known = groups.number(), self.own_source(n_threads)
        order = known.row_table.gram_order
        partial, row_bytes = 8 * n_groups * order, 8.0 * (order + 4)
        reader.window_grains = window_grains(self.memory, row_bytes, partial, n_threads)
        return StreamedRows(reader, known.row_table, 0), n_groups

    @cached_property
    def design(self) -> ShapeOfDesign:
        """Names and terms of the columns, without their values."""
        return ShapeOfDesign(self.row_source(1).row_table.design, self.source.label)

    @property
    def any_variance_weights(self) -> bool:
        """Whether there are variance weights or numbers of trials."""
        given = self.streamed.columns.get("var_weights") is not None
        return given or self.streamed.response.called("cbind") is not None

    @property
    def many_trials(self) -> bool:
        """Whether any row has more than one trial."""
        return self.totals.many_trials

    @property
    def any_offset(self) -> bool:
        """Whether linear predictors have an offset, from an argument or the formula."""
        return bool(self.has_offset or self.has_exposure or self.fitted_formula.offsets)

    def without_columns(self) -> StreamedModelRows:
        """The rows of the null model: an intercept alone."""
        if self.cells is not None:
            return self.cells.without_columns()
        model, fitted_formula = self.streamed, self.fitted_formula
        learner = FormulaLearner(f"{model.response.text} ~ 1", self.source.names)
        constant = replace(
            learner.fitted_formula(), offsets=fitted_formula.offsets, state=fitted_formula.state
        )
        # The same rows are left out: variables of the dropped columns must still be present.
        also = fitted_formula.factors if model.missing == "drop" else ()
        model = replace(model, fitted_formula=constant, also=also)
        return StreamedModelRows(self.source, model, self.totals, self.memory)

    @cached_property
    def level_counts(self) -> dict[int, np.ndarray]:
        """Counts of rows by level and side, (k, 3), by number of a categorical part of the design.

        Parts that were not counted are missing; see `LevelSides.of`.
        """
        counts, reader = self.totals.level_sides, self.row_source(1).windows
        assert isinstance(reader, RowReader)
        if counts is None:
            return {}
        levels = self.fitted_formula.levels
        found = {
            number: counts.of(texts, levels)
            for number, texts in enumerate(reader.level_terms)
            if texts is not None
        }
        return {number: some for number, some in found.items() if some is not None}

    def with_references(self, design: Design) -> StreamedModelRows:
        """The same rows with the reference levels that a design of the sample has."""
        model = replace(self.streamed, column_map=design.column_map)
        return StreamedModelRows(self.source, model, self.totals, self.memory)

    def source_without(self, left_out: LeftOut, n_threads: int) -> StreamedRows:
        """Source of passes over the rows without some levels and columns."""
        whole = self.row_source(n_threads)
        known, sample = whole.windows, whole.row_table
        assert isinstance(known, RowReader)
        model = replace(self.streamed, left_out=left_out)
        reader = RowReader(self.source, model, known.window_grains)
        counts = left_out.counts(sample.design).astype(np.float64)
        weights = counts if sample.weights is None else counts * sample.weights
        design = select_columns(sample.design, left_out.columns)
        rest = build_row_table(design, sample.response, weights, sample.offset)
        return StreamedRows(reader, rest, self.memory // KEPT)

    def rows_of_levels(
        self, places: tuple[tuple[int, int], ...], n_rows: int, n_threads: int
    ) -> list[tuple[np.ndarray, ModelRows]]:
        """Rows of some levels: a list of the index in `places` of each row, (m,), and the rows.

        One entry for each window with such rows. Takes a pass, which ends when the `n_rows` rows
        that there are have been found.
        """
        reader, found, left = self.row_source(n_threads).windows, [], n_rows
        assert isinstance(reader, RowReader)
        for window in (w for first, last in reader.shares() for w in reader.read(first, last)):
            rows = window.rows
            if rows is None:
                continue
            which = np.full(window.n_rows, -1)
            for k, (part, level) in enumerate(places):
                which[level_codes(rows.design, part) == level] = k
            if rows.prior_weights is not None:
                which[~(rows.prior_weights > 0.0)] = -1
            if (which >= 0).any():
                found.append((which[which >= 0], rows.take(np.flatnonzero(which >= 0))))
                left -= found[-1][0].size
            if left <= 0:
                break
        return found

    def changed(self, **changes: Any) -> StreamedModelRows:
        """The same rows with some fields of `streamed` changed."""
        model = replace(self.streamed, **changes)
        found = StreamedModelRows(self.source, model, self.totals, self.memory)
        found.cells = None if self.cells is None else self.cells.changed(**changes)
        return found

    def __getattr__(self, name: str) -> Any:
        if name not in _OF_ROWS:
            raise AttributeError(name)
        raise MemoryLimitError(_needs_rows(self.source.label))


class ShapeOfDesign:
    """Names, terms and the constant of a design whose rows are not in memory."""

    def __init__(self, design: Design, label: str) -> None:
        self.names, self.terms, self.constant = design.names, design.terms, design.constant
        self.n_columns, self._label = design.n_columns, label

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise MemoryLimitError(_needs_rows(self._label))


#: Attributes of `ModelRows` that are not available without the rows in memory.
_OF_ROWS = {*ModelRows.__dataclass_fields__, "offset", "layout", "take", "counts", "frame_column"}


def _needs_rows(label: str) -> str:
    return f"this needs the rows in memory, but the fit read them from {label}: fit a data frame."
