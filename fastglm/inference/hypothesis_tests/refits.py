"""Other models of the same rows: refits on some of the columns, and score tests of more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.matrix.select import select_columns
from fastglm.errors import ConvergenceWarning, ModelError, Status, warn
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.products import WITH_GRAM, score_pass, sum_products
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows, RowSource
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_model import LeftOut
from fastglm.rows.streamed_passes import sum_values
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.solution import Solution
from fastglm.solve.streamed import solve_streamed

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "NestedRefit",
    "intercept_column",
    "refit",
    "refit_columns",
    "require_maximum_likelihood",
    "require_unconstrained",
    "score_statistic",
    "term_factors",
    "warn_of_refit",
]

#: A Gram matrix on unit diagonal cannot separate directions below this from none.
RANK_TOLERANCE = 1e-10
#: A start near the optimum saves sweeps, which count from so many values of X on; with more
#: coefficients, the inverse information takes longer than it saves.
PROJECTED_FROM_VALUES, MOST_PROJECTED = 200_000, 1_000


@dataclass(frozen=True, eq=False)
class NestedRefit:
    """Another model of the rows of a fit.

    Attributes
    ----------
    columns : ndarray of int
        Of the design that was given.
    params : ndarray, shape (p,)
        Coefficients of all columns of that design; 0 for those left out, NaN where aliased.
    deviance : float
    rank : int
    status : Status
    """

    columns: np.ndarray
    params: np.ndarray
    deviance: float
    rank: int
    status: Status


def refit(
    fit: Fit,
    row_table: RowTable,
    start: np.ndarray | None = None,
    tol: float = 1e-10,
    same_response: bool = True,
) -> tuple[np.ndarray, float, Status]:
    """Coefficients, deviance and status of another model with the family of the fit.

    Parameters
    ----------
    fit
        The fit; its family and threads.
    row_table
        Of the other model.
    start
        Coefficients to start from; without them, or where they do not lead to the optimum, the
        fit starts from the response.
    tol
        As for `fastglm.GLM.fit`.
    same_response
        Whether the other model has the response of the fit.

    Raises
    ------
    ModelError
        If the fit does not maximise the likelihood.
    """
    require_maximum_likelihood(fit)
    rows = fit._model_with_data("another model").rows
    options = SolverOptions(tol=tol, max_iter=200, n_threads=fit.n_threads)
    best: Solution | None = None
    for first in (start, None) if start is not None else (None,):
        solution = solve(
            row_table,
            fit.family,
            options,
            binary=same_response and rows.summary.binary,
            start_params=first,
            safe_mean=lambda: rows.mean_response,
        )
        if solution.status in (Status.CONVERGED, Status.BOUNDARY):
            best = solution
            break
        if best is None or solution.deviance < best.deviance:
            best = solution
    assert best is not None
    return best.params, best.deviance, best.status


def require_maximum_likelihood(fit: Fit) -> None:
    """Refuse fits by another criterion, or under constraints, than other models would be fitted by.

    Raises
    ------
    ModelError
        If the bias was reduced, or coefficients were constrained.
    """
    require_unconstrained(fit)
    if fit.bias_reduction != "none":
        raise ModelError(
            "other models are fitted by maximum likelihood, and this fit reduced its bias: fit it "
            'with bias_reduction="none", or use penalized_tests.'
        )


def require_unconstrained(fit: Any) -> None:
    """Refuse fits of `fastglm.GLM.fit_constrained`, whose constraints other models would not have.

    Raises
    ------
    ModelError
        If there are constraints.
    """
    constraints = getattr(fit, "constraints", ())
    if constraints:
        raise ModelError(
            f"this needs other models, which would not be under the constraints of this fit "
            f"({', '.join(constraints)}): compare fits by fg.anova(small, large), or use fit()."
        )


def streamed_rows(fit: Any) -> StreamedModelRows | None:
    """The rows of a fit that are read from a source and do not fit into memory; None of others."""
    rows = fit._model_of_rows("another model").rows
    return rows if isinstance(rows, StreamedModelRows) and not rows.fits else None


def rows_of_columns(fit: Any, what: str) -> ModelRows | StreamedModelRows:
    """The rows with their columns: in memory, or those of a source that do not fit there."""
    found: ModelRows | StreamedModelRows = streamed_rows(fit) or fit._model_with_data(what).rows
    return found


def refit_columns(fit: Any, columns: Sequence[int] | np.ndarray, model: Any = None) -> NestedRefit:
    """The fit of some of the columns of a model, by default that of the fit itself.

    A fit of several predictors counts the columns of all designs, one after the other.

    Warns
    -----
    ConvergenceWarning
        If it did not converge.
    """
    if fit.has_several_predictors:
        return fit.refitted(columns, model)
    known = fit._model_of_rows("another model").rows
    streamed = model is None and isinstance(known, StreamedModelRows)
    if streamed and (known.cells is not None or not known.fits):
        return _refit_streamed(fit, known.swept, columns)
    if model is not None and isinstance(model.rows, StreamedModelRows):
        return _refit_streamed(fit, model.rows.swept, columns)
    rows = fit._model_with_data("another model").rows
    names = fit.names if model is None else model.rows.design.names
    design = rows.design if model is None else model.rows.design
    columns = np.sort(np.asarray(columns, dtype=np.intp))
    params = np.zeros(design.n_columns)
    if columns.size == 0:
        # Nothing to estimate: the linear predictor is the offset.
        row_table = build_row_table(design, rows.response, rows.prior_weights, rows.offset)
        deviance = evaluate_rows(
            row_table, fit.family, params, (row_buffers.DEVIANCE,), n_threads=fit.n_threads
        ).sum()
        return NestedRefit(columns, params, float(deviance), 0, Status.CONVERGED)
    chosen = select_columns(design, columns)
    row_table = build_row_table(chosen, rows.response, rows.prior_weights, rows.offset)
    start = None
    if rows.n_rows * columns.size >= PROJECTED_FROM_VALUES:
        place = columns if model is None else _places(fit, [names[k] for k in columns])
        start = _one_step_start(fit, place)
    params[columns], deviance, status = refit(fit, row_table, start)
    if status != Status.CONVERGED:
        warn_of_refit(status, [names[k] for k in columns])
    rank = int(np.count_nonzero(~np.isnan(params[columns])))
    return NestedRefit(columns, params, deviance, rank, status)


def _places(fit: Fit, names: Sequence[str]) -> np.ndarray:
    """Which columns of a fit have these names, -1 where none has."""
    known = {name: k for k, name in enumerate(fit.names)}
    return np.array([known.get(name, -1) for name in names], dtype=np.intp)


def _one_step_start(fit: Fit, place: np.ndarray) -> np.ndarray | None:
    """Coefficients from which a model of some columns of a fit, and of others, starts.

    Those at which the quadratic of the deviance at the fit is least, where the coefficients of all
    columns that are left out are 0; columns that the fit does not have begin with 0. It is no use
    to fits that stand at no optimum, or where not every linear predictor has a mean.

    Parameters
    ----------
    fit
        The fit.
    place
        (k,) columns of the fit, -1 for others.
    """
    estimates = np.asarray(fit.estimates)
    usable = fit.status == Status.CONVERGED and fit.family.is_unbounded
    if not usable or estimates.size > MOST_PROJECTED or not np.isfinite(estimates).all():
        return None
    left_out = np.setdiff1d(np.arange(estimates.size), place)
    inverse = np.asarray(fit.information_inverse)
    try:
        share = np.linalg.solve(inverse[np.ix_(left_out, left_out)], estimates[left_out])
    except np.linalg.LinAlgError:
        return None
    projected = estimates - inverse[:, left_out] @ share
    return np.where(place >= 0, projected[place], 0.0)


def _refit_streamed(fit: Any, rows: StreamedModelRows, columns: Any) -> NestedRefit:
    """As `refit_columns`, by passes over rows that do not fit into memory."""
    require_maximum_likelihood(fit)
    columns = np.sort(np.asarray(columns, dtype=np.intp))
    names, family, n_threads = rows.design.names, fit.family, fit.n_threads
    params = np.zeros(len(names))
    if columns.size == 0:

        def deviances(some: ModelRows) -> np.ndarray:
            row_table = build_row_table(some.design, some.response, some.prior_weights, some.offset)
            return evaluate_rows(row_table, family, params, (row_buffers.DEVIANCE,))[0]

        deviance = float(sum_values(rows, deviances, n_threads)[0])
        return NestedRefit(columns, params, deviance, 0, Status.CONVERGED)
    solution = solve_streamed(
        rows.source_without(LeftOut((), columns), n_threads),
        family,
        SolverOptions(tol=1e-10, max_iter=200, n_threads=n_threads),
        binary=rows.summary.binary,
        safe_mean=lambda: rows.mean_response,
        offset_range=rows.totals.offset_range,
    ).solution
    if solution.status != Status.CONVERGED:
        warn_of_refit(solution.status, [names[k] for k in columns])
    params[columns] = solution.params
    rank = int(np.count_nonzero(~np.isnan(solution.params)))
    return NestedRefit(columns, params, solution.deviance, rank, solution.status)


def warn_of_refit(status: Status, names: Sequence[str]) -> None:
    """Say that a model of these terms or columns did not converge."""
    warn(f"The model of {', '.join(names)}: {status.advice}", ConvergenceWarning)


def intercept_column(fit: Fit) -> int | None:
    """Number of the column of ones, None if there is none."""
    design = fit._model_of_rows("the intercept").rows.design
    if design.constant is not None or not fit.has_intercept:
        return design.constant
    row_table = fit._row_table
    constant = find_scaling(row_table).constant
    return None if constant < 0 else int(row_table.design_column_of[constant])


def score_statistic(
    fit: Fit, model: NestedRefit, rows: ModelRows | StreamedModelRows, columns: np.ndarray
) -> tuple[float, int]:
    """Rao's statistic of adding columns to a model, for a dispersion of 1, and the larger's rank.

    Parameters
    ----------
    fit
        The fit; its family and threads.
    model
        The model without them, on `rows`.
    rows
        With the columns of both models; a pass over those of a source.
    columns
        Of the model with them.

    Returns
    -------
    The score of the larger model in units of its information, at the estimates of the smaller.
    """
    require_unconstrained(fit)
    if isinstance(rows, StreamedModelRows):
        source: RowSource = rows.source_without(LeftOut((), np.asarray(columns)), fit.n_threads)
    else:
        chosen = select_columns(rows.design, columns)
        source = MemoryRows(build_row_table(chosen, rows.response, rows.prior_weights, rows.offset))
    run = score_pass(
        source.row_table, fit.family, model.params[columns], shifted=bool(fit.has_intercept)
    )
    run.table.mode = WITH_GRAM
    products = sum_products(run, source, fit.n_threads)
    diagonal = np.diag(products.gram)
    scale = 1.0 / np.sqrt(np.where(diagonal > 0.0, diagonal, np.inf))
    values, vectors = np.linalg.eigh(products.gram * np.outer(scale, scale))
    usable = values > RANK_TOLERANCE * len(values)
    score = vectors[:, usable].T @ (products.score * scale)
    return float((score**2 / values[usable]).sum()), int(np.count_nonzero(usable))


def term_factors(fit: Any, names: Sequence[str]) -> list[frozenset[str]]:
    """The factors of terms, by name; without a formula, a name has no parts."""
    if fit.formula is None:
        return [frozenset([name]) for name in names]
    return [frozenset() if name in ("1", "Intercept") else _factors(name) for name in names]


def _factors(name: str) -> frozenset[str]:
    """Splits at colons outside brackets and quotes."""
    pieces, depth, start, quote = [], 0, 0, ""
    for k, letter in enumerate(name):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == ":" and depth == 0:
            pieces.append(name[start:k])
            start = k + 1
    return frozenset([*pieces, name[start:]])
