"""Predictions of rows that need not be in memory, written as they are made."""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from fastglm.data.writing import TableWriter
from fastglm.design.frames.frames import not_found_text
from fastglm.errors import (
    ColumnNotFoundError,
    DataError,
    FastGLMWarning,
    ModelError,
    counted,
    warn,
)
from fastglm.fit.outcomes import named_prediction
from fastglm.inference.intervals.prediction_intervals import get_prediction
from fastglm.inference.rows.prediction import (
    PREDICTIONS,
    means_outside,
    new_rows,
    outside_text,
    predict_rows,
)
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.rows.cluster import Tasks, pickled, require_client
from fastglm.rows.windows import read_pieces, shares_of, telling_rows
from fastglm.sources.scan import scan

if TYPE_CHECKING:
    import pyarrow

    from fastglm.fit.record import Fit
    from fastglm.sources.base import Source

__all__ = ["predict_to"]

#: Rows that are predicted at a time.
PIECE_ROWS = 16 * GRAIN_ROWS
#: Ranges of rows for each thread of a cluster that are scored, or waiting to be written.
WAITING = 2


class Scorer(NamedTuple):
    """What `predict_to` writes of some rows; plain values, for this process or another.

    Attributes
    ----------
    fit : Fit
    kept : list of str
        Columns beside the predictions.
    which, interval, alpha, offset, exposure, unseen
        As for `fastglm.Results.predict_to`.
    """

    fit: Fit
    kept: list[str]
    which: str
    interval: bool
    alpha: float
    offset: Any
    exposure: Any
    unseen: str

    def score(self, source: Source, position: int, table: pyarrow.Table, threads: int) -> Any:
        """The table to write for the rows of a source from a position on."""
        fit, offset, exposure, unseen = self.fit, self.offset, self.exposure, self.unseen
        with telling_rows(source, position, table.num_rows):
            rows = new_rows(fit, table, offset, exposure, unseen)
            if self.interval:
                found = get_prediction(fit, rows, None, threads)
                limits = np.asarray(found.conf_int(self.alpha))
                values = {"prediction": np.asarray(found.predicted_mean)}
                values |= {"lower": limits[:, 0], "upper": limits[:, 1]}
            else:
                values = {"prediction": np.asarray(predict_rows(fit, rows, self.which, threads))}
        return _with_kept(table.select(self.kept), values)


def predict_to(
    fit: Fit,
    path: str | Path | BinaryIO,
    data: Any,
    *,
    keep: str | Sequence[str] = (),
    which: str = "mean",
    interval: bool = False,
    alpha: float = 0.05,
    offset: Any = None,
    exposure: Any = None,
    unseen: str = "raise",
    n_threads: int | None = None,
    client: Any = None,
) -> int:
    """Predict the rows of a source and write them; see `fastglm.Results.predict_to`."""
    source = scan(data)
    kept = [keep] if isinstance(keep, str) else list(keep)
    which = named_prediction(which, PREDICTIONS)
    for name in kept:
        if kept.count(name) > 1:
            raise DataError(f"keep has the column '{name}' {kept.count(name)} times: name it once.")
    if not isinstance(interval, bool | np.bool_):
        raise ModelError(
            f"interval must be True or False, not {interval!r}: its level is 1 - alpha."
        )
    if interval and which != "mean":
        raise ModelError(f'interval=True is of means: which must be "mean", not {which!r}.')
    names = _columns(fit, source, kept, offset, exposure)
    if isinstance(path, str | Path) and str(Path(path).resolve()) in source.files:
        raise DataError(f"cannot write {path}, whose rows are predicted: choose another name.")
    n_rows, n_outside, threads = 0, 0, usable_threads(n_threads)
    scorer = Scorer(fit, kept, which, interval, alpha, offset, exposure, unseen)
    if client is not None:
        require_client(client)
    with TableWriter(path) as writer:
        tables: Iterator[pyarrow.Table]
        if client is None or source.starts is None:
            pieces = read_pieces(source, names, 0, None, PIECE_ROWS)
            tables = (scorer.score(source, *piece, threads) for piece in pieces)
        else:
            tables = _scored_by_workers(client, source, names, scorer)
        for table in tables:
            writer.write(table)
            n_rows += table.num_rows
            if which == "mean":
                n_outside += int(means_outside(fit, table.column("prediction")).sum())
    if n_outside:
        where = f"{counted(n_outside, 'row')} of {source.label}"
        warn(outside_text(fit, where), FastGLMWarning)
    return n_rows


def _scored_by_workers(
    client: Any, source: Source, names: list[str], scorer: Scorer
) -> Iterator[pyarrow.Table]:
    """What the workers of a cluster make of ranges of rows, in the order of the rows."""
    tasks = Tasks(client)
    job = pickled((source, names, scorer), source.label)
    threads, waiting = tasks.threads(), deque[Any]()
    addresses, most = cycle(sorted(threads)), WAITING * sum(threads.values())
    try:
        for share in shares_of(source, PIECE_ROWS // GRAIN_ROWS):
            waiting.append(tasks.submit(score_range, job, share, address=next(addresses)))
            # Not all at once: what is scored waits in the memory of workers until it is written.
            if len(waiting) > most:
                yield from tasks.result(waiting.popleft())
        while waiting:
            yield from tasks.result(waiting.popleft())
    finally:
        client.cancel(list(waiting))


def score_range(job: bytes, share: tuple[int, int]) -> list[pyarrow.Table]:
    """What a worker makes of a range of grains, by one thread."""
    source, names, scorer = pickle.loads(job)
    first, last = share[0] * GRAIN_ROWS, min(share[1] * GRAIN_ROWS, source.n_rows)
    pieces = read_pieces(source, names, first, last - first, PIECE_ROWS)
    return [scorer.score(source, *piece, 1) for piece in pieces]


def _columns(
    fit: Fit, source: Source, kept: Sequence[str], offset: Any, exposure: Any
) -> list[str]:
    """The columns that predictions and what is kept beside them need."""
    fitted = fit.fitted_formula
    if fitted is None:
        raise DataError(
            "predict_to needs a fit of a formula, or of a frame with names: predict arrays with "
            "predict()."
        )
    named = [name for e in (*fitted.factors, *fitted.offsets) for name in e.columns]
    for argument, given in (("offset", offset), ("exposure", exposure)):
        column = fit.column_names.get(argument) if given is None else given
        if isinstance(column, str):
            named.append(column)
        elif column is not None and np.ndim(column):
            raise ModelError(f"{argument} must be the name of a column, or one number.")
    for name in (*named, *kept):
        if name not in source.names:
            raise ColumnNotFoundError(not_found_text(name, source.names))
    return list(dict.fromkeys([*named, *kept]))


def _with_kept(kept: pyarrow.Table, values: dict[str, np.ndarray]) -> pyarrow.Table:
    import pyarrow

    for place, field in enumerate(kept.schema):
        if pyarrow.types.is_dictionary(field.type):
            # Files of several pieces have no room for a dictionary of each.
            plain = kept.column(place).cast(field.type.value_type)
            kept = kept.set_column(place, field.name, plain)
    for name, column in values.items():
        if name in kept.column_names:
            raise DataError(f"a column '{name}' cannot be kept beside that of the predictions.")
        # What cannot be predicted is a missing value.
        kept = kept.append_column(name, pyarrow.array(column, from_pandas=True))
    return kept
