"""A generalized linear model built and fitted in one call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastglm.entry import entry
from fastglm.errors import ModelError
from fastglm.fit.progress import shown
from fastglm.model import GLM
from fastglm.results import Results
from fastglm.results.statsmodels_names import read_fit_options
from fastglm.rows.cluster import require_client
from fastglm.solve.fit import Progress
from fastglm.sources.scan import is_source
from fastglm.streamed import StreamedGLM

__all__ = ["glm"]

_MEMORY = "1GB"


@entry
def glm(
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
    subset: Any = None,
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
    memory: str | int = _MEMORY,
    checkpoint: str | Path | None = None,
    client: Any = None,
    compress: str | bool = "auto",
    **statsmodels_options: Any,
) -> Results:
    """Fit a generalized linear model, in R's spelling.

    Parameters
    ----------
    formula, data, family, offset, exposure, freq_weights, var_weights, missing, link, subset
        As for `GLM.from_formula`. The data may also be a path, a glob or a folder of files, or
        whatever else `fastglm.scan` takes: its rows are then read a few at a time.
    tol, max_iter, start_params, cov_type, cov_kwds, scale, use_t, n_threads, progress
        As for `GLM.fit`.
    separation, bias_reduction, exact
        As for `GLM.fit`.
    memory : str or int, default "1GB"
        Where `data` is a path, or whatever else `fastglm.scan` takes as rows that are not in
        memory: bytes that they may take at a time. What fits into a third of it is read only once.
    checkpoint : str or Path, optional
        Of such a fit: a file for the sums of its passes. Where it is there already, because the fit
        was stopped, even by a crash, the fit goes on from it, to the same bits.
    client : dask.distributed.Client, optional
        Of such a fit: of a cluster whose workers sweep the rows, to the same bits. They read the
        source themselves: its files must be where all of them find them.
    compress : "auto" or bool, default "auto"
        Whether rows that are alike in all that the model reads, the response among it, become one
        that counts as many, which is exact. "auto" does so of rows that are read from a source,
        where there are half a million or more, and at most a tenth of them are distinct.
    **statsmodels_options
        As for `GLM.fit`.

    Returns
    -------
    Results

    Raises
    ------
    FormulaError, DataError, ModelError
        As for `GLM.from_formula` and `GLM.fit`.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 2.0, 4.0, 8.0]}
    >>> res = fg.glm("y ~ x", data, family="poisson")
    >>> round(float(res.params[1]), 4)
    0.6931
    """
    tol, max_iter = read_fit_options(glm, GLM, statsmodels_options, tol, max_iter)
    given = (formula, data, family, offset, exposure, freq_weights, var_weights, missing)
    options = (
        *(tol, max_iter, start_params, cov_type, cov_kwds, scale, use_t, n_threads, progress),
        *(separation, bias_reduction, exact),
    )
    if client is not None:
        require_client(client)
    if is_source(data):
        if subset is not None:
            raise ModelError("subset is for rows in memory: choose those of a source beforehand.")
        with shown(progress, "reading rows to learn the formula") as told:
            streamed = StreamedGLM(*given, link=link, memory=memory, compress=compress)
            options = (*options[:8], told, *options[9:])
            return streamed.fit(*options, checkpoint=checkpoint, client=client)
    _require_source(memory, checkpoint, client, compress)
    return GLM.from_formula(*given, link=link, subset=subset).fit(*options)


def _require_source(memory: Any, checkpoint: Any, client: Any, compress: Any) -> None:
    """Refuse what rows in memory would leave without effect."""
    if memory != _MEMORY:
        raise ModelError(
            "memory is for rows that are read from a source: give fastglm.scan(data), or leave it "
            "out, since a fit of a data frame takes little beside the frame."
        )
    if checkpoint is not None:
        raise ModelError("checkpoint is for rows that are read from a source: see fastglm.scan.")
    if compress is True:
        raise ModelError(
            "compress is for rows that are read from a source: give fastglm.scan(data), whose fit "
            "is of its distinct rows, or the distinct rows with freq_weights."
        )
    if client is not None:
        raise ModelError(
            "client is for rows that are read from a source: write them to Parquet files, and give "
            "their path; see fastglm.scan."
        )
