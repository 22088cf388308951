"""Fitting: from a model and what was asked for to the record of the fit, separated rows and all."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from typing import Any, NamedTuple, TypeVar

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.frames.missing import require_finite_design
from fastglm.design.matrix.arrays import array_names, column_terms
from fastglm.errors import (
    ConvergenceWarning,
    DataError,
    ModelError,
    SeparationError,
    SeparationWarning,
    StartError,
    Status,
    warn,
)
from fastglm.families import Family
from fastglm.fit.aliased import aliased_text, warn_of_aliased
from fastglm.fit.free_parameters.estimators import ESTIMATORS
from fastglm.fit.free_parameters.problem import Problem
from fastglm.fit.record import Fit
from fastglm.fit.separation_text import separation_text
from fastglm.records import filled, frozen, replaced
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.newton.blocked_inverse import scaled_matrix
from fastglm.solve.newton.constants import MAX_WEIGHT_CHANGE
from fastglm.solve.rebased_levels import rebase_separated
from fastglm.solve.separated_levels import (
    separated_columns,
    sides_of_levels,
    solve_beside_levels,
)
from fastglm.solve.separation import (
    Separation,
    find_separation,
    looks_separated,
)
from fastglm.solve.solution import Solution

__all__ = [
    "Estimates",
    "FitOptions",
    "fit_model",
    "record_of",
    "require_a_mean",
    "runs_away",
    "warn_of",
    "with_separation",
]

F = TypeVar("F", bound=Fit)

SEPARATION = ("warn", "raise", "drop", "firth", "check", "ignore")
BIAS_REDUCTION = ("none", "firth", "median")
_ADVICE = ' bias_reduction="firth" gives finite ones; separation="drop" fits the other rows.'


class FitOptions(NamedTuple):
    """Arguments of `fastglm.GLM.fit`."""

    options: SolverOptions
    start_params: np.ndarray | None
    scale: float | str | None
    use_t: bool | None
    separation: str
    bias_reduction: str


class Estimates(NamedTuple):
    """Estimates of everything: coefficients, dispersion where it goes with them, and family."""

    solution: Solution
    family: Family
    scale: float | str | None
    parameter_se: float = float("nan")


def fit_model(model: Any, fit_options: FitOptions, kind: type[F]) -> F:
    """Fit a model as planned, and warn of doubtful results; see `fastglm.GLM.fit`."""
    begin = perf_counter()
    checked_choice("separation", fit_options.separation, SEPARATION)
    checked_choice("bias_reduction", fit_options.bias_reduction, BIAS_REDUCTION)
    known = _beside_separated_levels(model, fit_options)
    estimate, found = known or (_estimate(model, fit_options), None)
    solution = estimate.solution
    if solution.status in (Status.NOT_FINITE, Status.NO_START):
        # The kernels notice values that are not finite, but not where they are.
        require_finite_design(model.rows.design)
        require_a_mean(model)
    if solution.status == Status.NO_START:
        advice = solution.status.advice
        raise StartError(advice[0].upper() + advice[1:])
    if solution.combinations:
        _require_more_rows_than_rank(model, solution)
    if found is None:
        found = _search(model, fit_options, estimate)
    if found is None and fit_options.separation != "ignore" and runs_away(solution):
        estimate = estimate._replace(solution=replace(solution, status=Status.MAX_ITERATIONS))
    if found is not None and fit_options.separation in ("drop", "firth"):
        return _fit_again(model, fit_options, found, kind)
    solution.timings["fit"] = perf_counter() - begin
    fit = record_of(model, estimate, fit_options, kind)
    if found is not None:
        fit = with_separation(fit, found.direction, found.n_rows)
        if fit_options.separation == "raise":
            raise SeparationError(separation_text(fit) + _ADVICE)
    warn_of(fit)
    return fit


def record_of(model: Any, estimate: Estimates, fit_options: FitOptions, kind: type[F]) -> F:
    """The record of what was estimated."""
    solution, family, scale = estimate.solution, estimate.family, estimate.scale
    rows, use_t = model.rows, fit_options.use_t
    design, nobs = rows.design, rows.nobs
    names, terms = design.names, design.terms
    if rows.fitted_formula is None and design.constant is None:
        # Which column of an array is constant is not known before a sweep has read every row.
        names = array_names(len(names), solution.constant)
        terms = column_terms(names)
    rank = len(names) - len(solution.combinations)
    dispersion = _dispersion(scale, family, solution, nobs - rank)
    inverse: Any = solution.information_inverse
    covariance: Any = inverse if dispersion == 1.0 else scaled_matrix(inverse, dispersion)
    values = _of_rows(rows)
    values |= _of_solution(solution)
    values |= {
        "family": family,
        "names": names,
        "terms": terms,
        "covariance": covariance,
        "covariance_root": None,
        "cov_type": "nonrobust",
        "scale": dispersion,
        "nobs": nobs,
        "rank": rank,
        "df_inference": nobs - rank,
        "has_intercept": solution.constant is not None or design.constant is not None,
        "use_t": _is_estimated(scale, family) if use_t is None else use_t,
        "dispersion_known": not _is_estimated(fit_options.scale, family),
        "parameter_se": estimate.parameter_se,
        "formula": model.formula,
        "n_separated": 0,
        "constraints": (),
        "infinite": {},
        "aliased": _aliased(solution, names) if solution.combinations else {},
        "bias_reduction": fit_options.bias_reduction,
        "n_threads": fit_options.options.n_threads,
        "model": model,
    }
    return filled(kind, values)


def _aliased(solution: Solution, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """Each aliased coefficient, and the combination of earlier columns that its column is."""
    return {
        names[j]: {names[k]: float(parts[k]) for k in np.flatnonzero(parts)}
        for j, parts in solution.combinations.items()
    }


def _of_solution(solution: Solution) -> dict[str, Any]:
    """Fields of a record that are the solution's, whose arrays nobody writes to from now on."""
    for matrix in (solution.information_inverse, solution.inverse_information_factor):
        if isinstance(matrix, np.ndarray):
            frozen(matrix)
    return {
        "estimates": frozen(solution.params),
        "information_inverse": solution.information_inverse,
        "inverse_information_factor": solution.inverse_information_factor,
        "centering": solution.centering,
        "deviance": solution.deviance,
        "pearson_chi2": solution.pearson_chi2,
        "status": solution.status,
        "n_iter": solution.n_iter,
        "n_sweeps": solution.n_sweeps,
        "decrement": solution.decrement,
        "numerical_error": solution.numerical_error,
        "orthogonal": solution.orthogonal,
        "timings": solution.timings,
    }


def _of_rows(rows: Any) -> dict[str, Any]:
    """Fields of a record that say how the rows came, which new rows must follow."""
    return {
        "sum_weights": rows.sum_weights,
        "response_name": rows.response_name,
        "response_levels": rows.response_levels,
        "fitted_formula": rows.fitted_formula,
        "has_offset": rows.has_offset,
        "has_exposure": rows.has_exposure,
        "column_names": rows.column_names,
        "weights": rows.weights,
        "labelled": rows.has_names,
        "n_dropped": rows.n_dropped,
        "missing": rows.missing,
    }


def require_a_mean(model: Any) -> None:
    """Raises `ModelError` if the link has no mean as large, or small, as that of the response."""
    link, mean = model.family.link, model.rows.mean_response
    lowest, highest = link.mean_range or (-np.inf, np.inf)
    if not lowest <= mean <= highest:
        raise ModelError(
            f"link {type(link).__name__} has means between {lowest:g} and {highest:g} only, but "
            f"the responses have the mean {mean:.4g}: choose another link."
        )


def runs_away(solution: Solution) -> bool:
    """Whether an estimate was on its way to infinity when the rest of the fit had converged."""
    return solution.status == Status.CONVERGED and solution.weight_change > MAX_WEIGHT_CHANGE


def _require_more_rows_than_rank(model: Any, solution: Solution) -> None:
    """Raises `DataError` for more columns than rows that leave nothing of any response to chance.

    Columns that are combinations of others, as sets of fixed effects have, do not count.
    """
    if solution.status == Status.NOT_FINITE:
        return
    weights, p = model.rows.prior_weights, solution.params.size
    n = model.rows.n_rows if weights is None else int(np.count_nonzero(weights > 0.0))
    if p > n and p - len(solution.combinations) == n:
        raise DataError(
            f"X has {p} columns, but only {n} rows of positive weight, and {n} of the columns fit "
            "these exactly whatever their responses are. Give more rows, or leave out columns."
        )


def _estimate(model: Any, fit_options: FitOptions) -> Estimates:
    if fit_options.bias_reduction != "none":
        return _estimate_with_less_bias(model, fit_options)
    family = model.family
    if family.free_parameter is None:
        solution = solve(
            model.row_table,
            family,
            fit_options.options,
            binary=model.rows.summary.binary,
            start_params=fit_options.start_params,
            safe_mean=lambda: model.rows.mean_response,
        )
        return Estimates(solution, family, fit_options.scale)
    problem = Problem(model.row_table, model.rows, family, fit_options.options)
    estimate = ESTIMATORS[family.free_parameter](problem, fit_options.start_params)
    scale = estimate.scale if fit_options.scale is None else fit_options.scale
    return Estimates(estimate.solution, estimate.family, scale, estimate.standard_error)


def _beside_separated_levels(
    model: Any, fit_options: FitOptions
) -> tuple[Estimates, Separation] | None:
    """Estimates and separation where levels of categoricals are all that is separated."""
    family, options = model.family, fit_options.options
    is_plain = fit_options.bias_reduction == "none" and family.free_parameter is None
    asked = fit_options.separation in ("ignore", "check") or fit_options.start_params is not None
    if asked or options.exact or not is_plain or model.row_table.is_dense:
        return None
    sides_of = sides_of_levels(model.row_table, family)
    if not sides_of:
        return None
    steps = rebase_separated(model.row_table, sides_of)
    row_table = steps[-1].row_table if steps else model.row_table
    levels = separated_columns(row_table, sides_of)
    if levels is None:
        return None
    both = solve_beside_levels(row_table, family, options, model.rows.summary, levels)
    if both is None:
        return None
    solution, separation = both
    for step in reversed(steps):
        solution = step.solution(solution)
        separation = replace(separation, direction=step.direction(separation.direction))
    return Estimates(solution, family, fit_options.scale), separation


def _estimate_with_less_bias(model: Any, fit_options: FitOptions) -> Estimates:
    from fastglm.solve.bias_reduction import BiasProblem, reduce_bias

    kind, family, scale = fit_options.bias_reduction, model.family, fit_options.scale
    if family.free_parameter is not None:
        raise ModelError(
            f"bias_reduction needs a value of the family's {family.free_parameter}: give the one "
            "that a fit without bias_reduction estimates."
        )
    given = None if scale is None or isinstance(scale, str) else float(scale)
    problem = BiasProblem(model.rows, family, kind, given)
    reduced = reduce_bias(problem, fit_options.options, fit_options.start_params)
    return Estimates(reduced.solution, family, reduced.dispersion if scale is None else scale)


def _search(model: Any, fit_options: FitOptions, estimate: Estimates) -> Separation | None:
    """Separation, if a search is called for and finds any."""
    if fit_options.bias_reduction != "none" or fit_options.separation == "ignore":
        return None
    rows, n_threads, family = model.rows, fit_options.options.n_threads, estimate.family
    if fit_options.separation != "check" and not looks_separated(
        estimate.solution, family, rows.summary, model.row_table, n_threads
    ):
        return None
    found = find_separation(rows.design, family, rows.response, rows.prior_weights, n_threads)
    return found if found.exists else None


def _fit_again(model: Any, fit_options: FitOptions, found: Separation, kind: type[F]) -> F:
    """The fit without the separated rows, or with less bias."""
    again = fit_options._replace(start_params=None, separation="ignore")
    if fit_options.separation == "firth":
        again = again._replace(bias_reduction="firth")
    elif found.rows.all():
        raise SeparationError(
            "the regressors separate the responses completely: no row would be left to fit. Use "
            'bias_reduction="firth", or leave out columns.'
        )
    else:
        model = model.subset(~found.rows)
    return replace(fit_model(model, again, kind), n_separated=found.n_rows)


def with_separation(fit: F, direction: np.ndarray, n_rows: int) -> F:
    """The fit, with which estimates are infinite: those that change along a direction, (p,)."""
    signs = zip(fit.names, np.sign(direction).astype(int), strict=True)
    infinite = {name: int(sign) for name, sign in signs if sign}
    return replaced(fit, n_separated=n_rows, infinite=infinite)


def warn_of(fit: Fit, advice: str = _ADVICE) -> None:
    """Warn of doubtful results, with what to do about infinite estimates."""
    if fit.infinite:
        warn(separation_text(fit) + advice, SeparationWarning)
    elif fit.status != Status.CONVERGED:
        text = fit.status.advice
        if fit.status == Status.MAX_ITERATIONS and _kept_leaving(fit):
            text += (
                f" Most steps had to be shortened, as they led to means that link "
                f"'{fit.family.link.name}' does not have: try one without bounds, such as "
                "link='log'."
            )
        warn(text[0].upper() + text[1:], ConvergenceWarning)
    if fit.aliased and fit.status != Status.NOT_FINITE:
        warn_of_aliased(aliased_text(fit.aliased))


def _kept_leaving(fit: Fit) -> bool:
    """Whether steps were tried more than twice, for want of means where they led."""
    return not fit.family.is_unbounded and fit.n_sweeps > 2 * fit.n_iter


def _is_estimated(scale: float | str | None, family: Family) -> bool:
    """Whether the dispersion comes from the data, be it for the family's own sake or as asked."""
    return not family.dispersion_known if scale is None else isinstance(scale, str)


def _dispersion(
    scale: float | str | None, family: Family, solution: Solution, df_resid: float
) -> float:
    """The dispersion asked for; NaN where it is estimated and no degree of freedom is left."""
    if scale is None:
        scale = 1.0 if family.dispersion_known else "X2"
    if isinstance(scale, str):
        if scale.lower() not in ("x2", "dev"):
            raise ModelError(f'scale must be a positive number, "X2" or "dev", not {scale!r}')
        total = solution.pearson_chi2 if scale.lower() == "x2" else solution.deviance
        return total / df_resid if df_resid > 0 else float("nan")
    if not scale > 0:
        raise ModelError(f"scale must be positive, not {scale!r}")
    return float(scale)
