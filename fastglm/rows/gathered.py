"""Streamed rows with response, weights and offsets in memory, but not the columns of the design."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.design.frames.frames import Column, Frame, not_found_text
from fastglm.design.matrix.dense_slices import transposed_product
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import take_rows
from fastglm.errors import ColumnNotFoundError, DataError, MemoryLimitError
from fastglm.families import summarize
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.passes.row_table import RowTable
from fastglm.passes.windows import Window
from fastglm.records import fast_init
from fastglm.rows.model_rows import ModelRows, constant_design
from fastglm.rows.names import names_of_rows
from fastglm.rows.vectors import OffsetParts
from fastglm.rows.windows import RowReader
from fastglm.sources.streams import joined_tables

__all__ = ["VECTORS", "GatheredRows", "gather_rows"]

#: Numbers of a row that a method may hold in memory at a time: results, sort orders and sums.
VECTORS = 12


@fast_init
@dataclass(frozen=True, eq=False)
class GatheredRows(ModelRows):
    """Responses, weights and offsets of all complete rows; anything else is read by a pass.

    Attributes
    ----------
    reader : RowReader
        Reads the columns.
    present : ndarray of bool, shape (rows of the source,)
        True for rows without missing values.
    """

    reader: Any = None
    present: Any = None

    @property
    def n_rows(self) -> int:
        """Number of complete rows."""
        return int(self.response.shape[0])

    @property
    def design(self) -> Design:
        """Raises: the columns are not in memory."""
        raise _needs_columns(self.reader)

    def take(self, rows: np.ndarray) -> ModelRows:
        """Raises, as `design` does."""
        raise _needs_columns(self.reader)

    def without_columns(self) -> ModelRows:
        """The rows of the null model."""
        plain = {name: getattr(self, name) for name in ModelRows.__dataclass_fields__}
        return ModelRows(**plain | {"designs": (constant_design(self.n_rows),)})

    def values(self, of: Callable[[RowTable], np.ndarray], k: int) -> np.ndarray:
        """The function `of`, which returns (k, m) for m rows, of all n rows: (k, n); by a pass."""
        found, place = np.empty((k, self.n_rows)), 0
        for window, present in _windows(self.reader):
            assert window.row_table is not None
            some = of(window.row_table)[:, present]
            found[:, place : place + some.shape[1]] = some
            place += some.shape[1]
        return found

    def times_columns(self, factors: np.ndarray) -> np.ndarray:
        """Product X' factors, (p,), with one factor a row, (n,); takes a pass."""
        total, place = np.zeros(0), 0
        for window, present in _windows(self.reader):
            whole = np.zeros(window.n_rows)
            n = int(np.count_nonzero(present))
            whole[present] = factors[place : place + n]
            sums = transposed_product(window.rows.design, whole)
            total, place = sums + total if total.size else sums, place + n
        return total

    def each_design(self) -> Iterator[Design]:
        """The columns, some rows after the other; takes a pass."""
        for window, present in _windows(self.reader):
            design = window.rows.design
            yield design if present.all() else take_rows(design, np.flatnonzero(present))

    @property
    def has_frame(self) -> bool:
        """Whether columns have names: those of a source do."""
        return True

    def frame_column(self, name: str) -> Column:
        """A column of the source at the n complete rows; takes a pass."""
        source = self.reader.source
        if name not in source.names:
            raise ColumnNotFoundError(not_found_text(name, source.names))
        tables = list(source.read([name]))
        self.reader.require_unchanged()
        column = Frame(joined_tables(tables).combine_chunks()).column(name)
        if self.present.all():
            return column
        present = self.present
        return column[present] if isinstance(column, np.ndarray) else column.take(present)


#: Vectors that are kept in memory, by name, each computed from the rows of a window.
_WANTED: Mapping[str, Callable[[ModelRows], Any]] = {
    "response": lambda rows: rows.response,
    "offset": lambda rows: rows.offset,
    "prior_weights": lambda rows: rows.prior_weights,
    "variance_weights": lambda rows: rows.variance_weights,
    "frequencies": lambda rows: rows.frequencies,
    "trials": lambda rows: rows.trials,
    "formula": lambda rows: rows.offset_parts.formula,
    "given": lambda rows: rows.offset_parts.offset,
    "exposure": lambda rows: rows.offset_parts.exposure,
}


def gather_rows(reader: RowReader, checked: bool = False, **known: Any) -> GatheredRows:
    """Responses, weights and offsets of all complete rows; takes a pass.

    Parameters
    ----------
    reader
        Reads the rows; frequencies must be kept apart from the weights (`single=True`).
    checked
        Whether to look for missing values in numeric columns too.
    known
        Further fields of `ModelRows`.
    """
    vectors, present = _gathered(reader, checked)
    response = vectors.pop("response")
    parts = OffsetParts(vectors.pop("formula"), vectors.pop("given"), vectors.pop("exposure"))
    return GatheredRows(
        response=response,
        **{"n_dropped": int(present.size - len(response))} | known,
        summary=summarize(response.reshape(-1)),
        designs=(),
        fitted_formulas=(reader.model.fitted_formula,),
        offsets=(vectors.pop("offset"),),
        offset_parts=parts,
        response_levels=reader.model.response_levels,
        reader=reader,
        present=present,
        **names_of_rows(reader.source, present),
        **vectors,
    )


def _gathered(reader: RowReader, checked: bool) -> tuple[dict[str, Any], np.ndarray]:
    """Vectors of `_WANTED`, (n,) or None, and the mask of complete rows, (rows of the source,)."""
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in _WANTED}
    places = np.zeros(reader.n_rows, dtype=bool)
    for window, present in _windows(reader, checked):
        first = window.first * GRAIN_ROWS
        places[first : first + window.n_rows] = present
        for name, read in _WANTED.items():
            values = read(window.rows)
            if values is not None:
                pieces[name].append(values[present])
    if not pieces["response"]:
        raise DataError(f"no row of {reader.source.label} is complete.")
    # Windows with incomplete rows have weights of 0 and 1 even where the model has no weights.
    columns = reader.model.columns
    if columns.get("var_weights") is None and not pieces["trials"]:
        pieces["variance_weights"].clear()
        if columns.get("freq_weights") is None:
            pieces["prior_weights"].clear()
    return {name: np.concatenate(some) if some else None for name, some in pieces.items()}, places


def _windows(reader: RowReader, checked: bool = False) -> Iterator[tuple[Window, np.ndarray]]:
    """Windows with at least one complete row, each with the mask of its complete rows, (m,)."""
    for first, last in reader.shares():
        for window in reader.read(first, last, checked):
            if window.rows is not None:
                everywhere = np.ones(window.n_rows, dtype=bool)
                yield window, everywhere if window.present is None else window.present
    reader.require_unchanged()


def _needs_columns(reader: RowReader) -> MemoryLimitError:
    return MemoryLimitError(
        f"this needs all columns in memory, and those of {reader.source.label} do not fit into "
        "memory=: raise it, or fit a sample of the rows for this."
    )
