"""Compression of rows: rows with equal values in all columns of a model become one with a count.

The count is a frequency weight, so that estimates, standard errors, likelihoods, deviances and
robust covariances are those of the single rows. Responses must be equal as well: means of responses
would suffice for the estimates, but not for deviance, dispersion and robust covariances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import Frame
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.rows.learning import PIECE_GRAINS
from fastglm.rows.streamed import KEPT, StreamedModelRows
from fastglm.rows.streamed_model import StreamedModel
from fastglm.rows.windows import columns_used, read_pieces
from fastglm.sources.streams import joined_tables
from fastglm.sources.tables import TableSource

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ASKED_SHARE", "AUTO_SHARE", "LEAST_ROWS", "Cells", "find_cells"]

#: Fewest rows that are compressed by default: passes over fewer take too little time to save any.
LEAST_ROWS = 64 * GRAIN_ROWS
#: Largest share of distinct rows with which compression is used: by default, and on request.
AUTO_SHARE, ASKED_SHARE = 0.1, 0.5


class Cells(NamedTuple):
    """Distinct rows of a source, or the reason why it is not compressed.

    Attributes
    ----------
    rows : StreamedModelRows or None
        The distinct rows with their counts; None if the source is not compressed.
    reason : str
        Why it is not; empty if `rows` is given.
    """

    rows: StreamedModelRows | None
    reason: str = ""


def find_cells(rows: StreamedModelRows, most_share: float) -> Cells:
    """The distinct rows of a model with their counts, by one pass, which may end early.

    Parameters
    ----------
    rows : StreamedModelRows
        All rows. The distinct ones may take a third of `rows.memory`.
    most_share : float
        Largest share of distinct rows among all. The pass ends as soon as there are more, or more
        are to be expected: if f of the first m rows occur once, the next row is new with a
        probability of about f / m (Good, 1953).
    """
    import pyarrow

    source, model, memory = rows.source, rows.streamed, rows.memory
    collected = _Collected(source.names, model)
    assert source.n_rows is not None
    n_all = source.n_rows
    names = columns_used(model.expressions, model.columns)
    too_many = f"more than {most_share:.0%} of the rows are like no other"
    try:
        for _, piece in read_pieces(source, names, 0, n_all, PIECE_GRAINS * GRAIN_ROWS):
            present = _complete(piece, model)
            if present is not None and model.missing == "raise":
                return Cells(None, "values are missing")
            whole = piece if present is None else piece.filter(pyarrow.array(present))
            if not collected.n_read and collected.is_hopeless(whole, n_all, most_share * n_all):
                return Cells(None, too_many)
            collected.add(whole)
            if collected.promised(n_all) > most_share * n_all:
                break
            if KEPT * collected.n_bytes > memory:
                return Cells(None, "the distinct rows take more than a third of memory=")
        table = collected.table()
    except pyarrow.ArrowException as error:
        return Cells(None, (str(error).splitlines() or ["a column cannot be compared"])[0])
    if collected.promised(n_all) > most_share * n_all:
        return Cells(None, too_many)
    distinct = TableSource(table)
    distinct.label = f"the distinct rows of {source.label}"
    columns = {**model.columns, "freq_weights": collected.times}
    alike = replace(model, columns=columns, missing="raise")
    known = rows.totals._replace(n_dropped=0, missing={})
    return Cells(StreamedModelRows(distinct, alike, known, memory))


def _complete(piece: pyarrow.Table, model: StreamedModel) -> np.ndarray | None:
    """The rows without missing values, (n,) bool; None if all are."""
    missing = read_table(Frame(piece), model.expressions, model.columns).missing()
    return ~np.logical_or.reduce(list(missing.values())) if missing else None


class _Collected:
    """Distinct rows so far: tables with a column of counts, which are merged when there are many.

    Columns are renamed "key 0", "key 1", ..., so that no name equals that of a column of sums.
    """

    def __init__(self, names: Sequence[str], model: StreamedModel) -> None:
        others = {k: v for k, v in model.columns.items() if k != "freq_weights"}
        self._names = columns_used(model.expressions, others)
        self._keys = [f"key {k}" for k in range(len(self._names))]
        self._weight: Any = model.columns.get("freq_weights")
        self._sums = ["count", "times"] if isinstance(self._weight, str) else ["count"]
        self._categories: set[str] = set()
        self._parts: list[pyarrow.Table] = []
        self._n_joined = 0
        self.n_read = 0
        #: Column of frequency weights in `table`.
        self.times = _unlike("(times)", names)

    def add(self, piece: pyarrow.Table) -> None:
        """Adds rows without missing values."""
        import pyarrow

        n = piece.num_rows
        if not n:
            return
        columns = [_comparable(piece.column(name)) for name in self._names]
        columns.append(pyarrow.array(np.ones(n, dtype=np.int64)))
        if isinstance(self._weight, str):
            columns.append(piece.column(self._weight).cast("float64"))
        whole = pyarrow.table(columns, [*self._keys, *self._sums])
        self._parts.append(self._plain(self._grouped(whole)))
        self.n_read += n
        if sum(part.num_rows for part in self._parts) >= 2 * self._n_joined:
            self._join()

    def is_hopeless(self, piece: pyarrow.Table, n_all: int, most: float) -> bool:
        """Whether one column of numbers alone promises more than `most` distinct rows.

        Rows differ where a column does, and one column is cheap to look at.
        """
        import pyarrow

        for name in self._names:
            column = piece.column(name)
            if not pyarrow.types.is_floating(column.type):
                continue
            counts = column.value_counts().field("counts").to_numpy()
            if _expected(counts, n_all - piece.num_rows) > most:
                return True
        return False

    def promised(self, n_all: int) -> float:
        """Expected number of distinct rows among all `n_all`, from the rows merged so far."""
        if not self._n_joined:
            return 0.0
        return _expected(self._parts[0].column("count").to_numpy(), n_all - self.n_read)

    @property
    def n_bytes(self) -> int:
        """Bytes of the distinct rows so far."""
        return sum(part.nbytes for part in self._parts)

    def table(self) -> pyarrow.Table:
        """All distinct rows, sorted by their values, with their counts as frequency weights."""
        import pyarrow

        self._join()
        table = self._parts[0].sort_by([(name, "ascending") for name in self._keys])
        columns = [
            table.column(key).combine_chunks().dictionary_encode()
            if key in self._categories
            else table.column(key)
            for key in self._keys
        ]
        if isinstance(self._weight, str):
            times = table.column("times")
        else:
            each = 1.0 if self._weight is None else float(self._weight)
            times = pyarrow.array(table.column("count").to_numpy() * each)
        return pyarrow.table([*columns, times], [*self._names, self.times]).combine_chunks()

    def _join(self) -> None:
        if len(self._parts) > 1:
            self._parts = [self._grouped(joined_tables(self._parts))]
        self._n_joined = self._parts[0].num_rows if self._parts else 0

    def _grouped(self, table: pyarrow.Table) -> pyarrow.Table:
        """Each distinct row once, with the sums of count and weight over its duplicates."""
        groups = table.group_by(self._keys, use_threads=False)
        found = groups.aggregate([(name, "sum") for name in self._sums])
        return found.select([*self._keys, *(f"{name}_sum" for name in self._sums)]).rename_columns(
            [*self._keys, *self._sums]
        )

    def _plain(self, table: pyarrow.Table) -> pyarrow.Table:
        """With dictionary codes replaced by their values, as dictionaries differ between pieces."""
        import pyarrow

        for place, name in enumerate(table.column_names):
            kind = table.schema.field(name).type
            if pyarrow.types.is_dictionary(kind):
                self._categories.add(name)
                table = table.set_column(place, name, table.column(name).cast(kind.value_type))
        return table


def _expected(counts: np.ndarray, n_more: int) -> float:
    """Expected number of distinct rows after `n_more`, from the counts of those so far."""
    alone = np.count_nonzero(counts == 1) / max(int(counts.sum()), 1)
    return counts.size + n_more * alone


def _comparable(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """The column in a type that Arrow can group by."""
    import pyarrow

    types, kind = pyarrow.types, column.type
    if types.is_dictionary(kind) and types.is_string_view(kind.value_type):
        return column.cast(pyarrow.large_string()).dictionary_encode()
    return column.cast(pyarrow.large_string()) if types.is_string_view(kind) else column


def _unlike(name: str, others: Sequence[str]) -> str:
    """`name`, changed until it differs from all `others`."""
    while name in others:
        name += "'"
    return name
