"""A generalized linear model of rows that are read from a source, a few at a time."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fastglm.errors import DataError, FastGLMWarning, ModelError, warn
from fastglm.families import Family, resolve_family
from fastglm.fit.estimate import FitOptions
from fastglm.fit.options import solver_options
from fastglm.fit.progress import shown
from fastglm.fit.streamed import RowsNeededError, fit_streamed
from fastglm.model import GLM
from fastglm.passes.row_table import RowTable
from fastglm.results import Results
from fastglm.rows.cells import ASKED_SHARE, AUTO_SHARE, LEAST_ROWS, find_cells
from fastglm.rows.cluster import require_client
from fastglm.rows.learning import learn_rows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.names import names_of_rows
from fastglm.rows.read import row_columns
from fastglm.rows.streamed import StreamedModelRows
from fastglm.solve.fit import Progress
from fastglm.solve.indistinct import IndistinctColumnsError
from fastglm.sources.base import Source
from fastglm.sources.scan import scan

__all__ = ["StreamedGLM"]

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(r"\s*(\d+\.?\d*|\.\d+)\s*([A-Za-z]*)\s*")


class StreamedGLM:
    """A generalized linear model given as a formula and a source of rows.

    Parameters
    ----------
    formula, family, link, missing
        As for `fastglm.GLM.from_formula`.
    data
        What `fastglm.scan` takes, or gives.
    offset, exposure, freq_weights, var_weights : str or number, optional
        As for `fastglm.GLM.from_formula`; the name of a column.
    memory : str or int, default "1GB"
        Bytes that rows may take at a time; rows that fit into a third of it are read only once.
        What needs all rows, as residuals do, reads them where they fit into all of it.
    compress : "auto" or bool, default "auto"
        Whether rows that are alike in all that the model reads, the response among it, become one
        that counts as many: the same results, but for rounding, from one pass. "auto" does so where
        there are half a million rows, and at most a tenth of them are distinct.

    Raises
    ------
    FormulaError, DataError, ModelError
        As for `fastglm.GLM.from_formula`.

    Warns
    -----
    FastGLMWarning
        Where ``compress=True`` finds more than half of the rows distinct, and leaves them as they
        are.
    """

    def __init__(
        self,
        formula: str,
        data: Any,
        family: Any = "gaussian",
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        *,
        link: Any = None,
        memory: str | int = "1GB",
        compress: str | bool = "auto",
    ):
        if not isinstance(compress, bool) and compress != "auto":
            raise ModelError(f'compress must be "auto", True or False, not {compress!r}.')
        self.family: Family = resolve_family(family, link)
        self.formula = formula
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        limit = bytes_of_text(memory)
        source = scan(data)
        model, totals = learn_rows(formula, source, self.family, columns, missing, limit)
        self.source: Source | None = source
        self.rows = StreamedModelRows(source, model, totals, limit)
        self._in_memory: GLM | None = None
        self.compress_seconds = 0.0
        self._compress(compress)

    def _compress(self, compress: str | bool) -> None:
        """Finds the distinct rows, where that is asked for or promises to pay."""
        if not compress or (compress == "auto" and (self.rows.source.n_rows or 0) < LEAST_ROWS):
            return
        begin, share = perf_counter(), ASKED_SHARE if compress is True else AUTO_SHARE
        self.rows.cells, reason = find_cells(self.rows, share)
        self.compress_seconds = perf_counter() - begin
        if reason and compress is True:
            warn(f"compress=True leaves all rows as they are: {reason}.", FastGLMWarning)

    def with_formula(self, formula: str, data: Any = None, **options: Any) -> StreamedGLM:
        """The model of another formula, source or options; see `fastglm.GLM.with_formula`."""
        rows = self.rows
        given: dict[str, Any] = {
            "family": self.family,
            "missing": rows.streamed.missing,
            "memory": rows.memory,
            "compress": rows.cells is not None,
        }
        given |= {**rows.streamed.columns, **options}
        return StreamedGLM(formula, rows.source if data is None else data, **given)

    def in_memory(self, what: str) -> GLM:
        """The same model with its rows in memory, which `what` needs; takes a pass, once.

        Raises
        ------
        MemoryLimitError
            If the rows take more than `memory`.
        """
        if self._in_memory is None:
            table, model = self.rows.table(what), self.rows.streamed
            self._in_memory = GLM.from_formula(
                self.formula, table, self.family, missing=model.missing, **model.columns
            )
            rows = self._in_memory.rows
            names = names_of_rows(self.rows.source, rows.frame_rows)
            self._in_memory.rows = replace(rows, **names)
        return self._in_memory

    def rows_beside_columns(self, what: str) -> ModelRows:
        """Responses, weights and offsets of all rows, which `what` needs; takes a pass, once.

        With the columns, where these fit into memory too.

        Raises
        ------
        MemoryLimitError
            If even a few numbers of each row take more than `memory`.
        """
        return self.in_memory(what).rows if self.rows.fits else self.rows.gathered(what)

    @property
    def row_table(self) -> RowTable:
        """What the kernels read, of rows in memory."""
        return self.in_memory("the row table").row_table

    def subset(self, keep: np.ndarray) -> GLM:
        """The same model of some of its rows, in memory; see `fastglm.GLM.subset`."""
        return self.in_memory("a model of some of the rows").subset(keep)

    def fit(
        self,
        tol: float = 1e-8,
        max_iter: int = 50,
        start_params: Any = None,
        cov_type: str = "nonrobust",
        cov_kwds: dict[str, Any] | None = None,
        scale: float | str | None = None,
        use_t: bool | None = None,
        n_threads: int | None = None,
        progress: Progress | bool | str | None = None,
        separation: str = "warn",
        bias_reduction: str = "none",
        exact: bool = False,
        checkpoint: str | Path | None = None,
        client: Any = None,
    ) -> Results:
        """Maximise the likelihood; see `fastglm.GLM.fit`.

        Parameters
        ----------
        tol, max_iter, start_params, cov_type, cov_kwds, scale, use_t, n_threads, progress
            As for `fastglm.GLM.fit`. A line of `progress` has rows a second, and what limits them:
            decoding, making columns, or sums.
        separation : {"warn", "ignore"}, default "warn"
            Levels that are separated are found by passes; other separation is looked for in memory
            where the rows fit there, and elsewhere only its signs are seen.
        bias_reduction, exact
            None of these where rows are not in memory.
        checkpoint : str or Path, optional
            A file for the sums of each pass, written after every pass and every minute, and removed
            at the end. Where it is there already, the fit goes on from it, to the same bits.
        client : dask.distributed.Client, optional
            Of a cluster whose workers sweep the rows in every pass, to the same bits. They read the
            source themselves; the formula is learned, and what takes a pass after the fit is
            computed, in this process.

        Raises
        ------
        MissingPackageError
            If there is a client, but no dask.distributed.
        ModelError
            If an option is out of range or needs rows in memory, or a cluster loses its workers.
        DataError
            If values cannot be used. Where columns are nearly, but not quite, combinations of each
            other, too nearly for sums of products, if the rows take more than `memory`: then they
            are fitted in memory.
        """
        if separation not in ("warn", "ignore"):
            raise ModelError(
                f'separation="{separation}" needs the rows in memory: use "warn" or "ignore" where '
                "they are streamed."
            )
        if bias_reduction != "none" or exact:
            what = "exact=True" if exact else "bias_reduction"
            raise ModelError(f"{what} needs the rows in memory: fit a data frame of them.")
        if client is not None:
            require_client(client)
        alone = {
            "tol": tol, "max_iter": max_iter, "start_params": start_params, "cov_type": cov_type,
            "cov_kwds": cov_kwds, "scale": scale, "use_t": use_t, "n_threads": n_threads,
            "progress": progress, "separation": separation,
        }  # fmt: skip
        start = None if start_params is None else np.asarray(start_params, dtype=np.float64)
        with shown(progress, "fitting") as told:
            options = solver_options(tol, max_iter, n_threads, told)
            fit_options = FitOptions(options, start, scale, use_t, separation, bias_reduction)
            try:
                results = self._fit_by_passes(fit_options, checkpoint, client)
            except (IndistinctColumnsError, RowsNeededError):
                if not self.rows.fits:
                    raise
                if checkpoint is not None:
                    Path(checkpoint).unlink(missing_ok=True)
                alone["progress"] = told
                return self.in_memory("this fit").fit(**alone)
        if cov_type == "nonrobust" and not cov_kwds:
            return results
        return results.with_covariance(cov_type, **(cov_kwds or {}))

    def _fit_by_passes(
        self, fit_options: FitOptions, checkpoint: str | Path | None, client: Any
    ) -> Results:
        if self.rows.cells is not None:
            try:
                return fit_streamed(self, fit_options, Results, checkpoint, client)
            except IndistinctColumnsError:
                raise
            except DataError:
                # All rows tell where something is wrong.
                self.rows.cells = None
        return fit_streamed(self, fit_options, Results, checkpoint, client)

    def __repr__(self) -> str:
        cells = "" if self.rows.cells is None else f"{self.rows.cells.n_rows:,} distinct of "
        return f"<StreamedGLM {self.family!r}, {cells}{self.rows.n_rows:,} rows, {self.formula!r}>"


def bytes_of_text(memory: str | int) -> int:
    """Bytes from a number or a text such as "800MB".

    Raises
    ------
    ModelError
        If it is neither, or not positive.
    """
    match = _SIZE.fullmatch(str(memory))
    unit = None if match is None else _UNITS.get(match[2].upper())
    if match is None or unit is None or not float(match[1]) > 0.0:
        raise ModelError(
            f'memory must be a number of bytes or a text such as "800MB", not {memory!r}'
        )
    return int(float(match[1]) * unit)
