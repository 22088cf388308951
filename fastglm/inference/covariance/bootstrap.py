"""The bootstrap: estimates of many resampled data sets.

Efron & Tibshirani (1993), *An Introduction to the Bootstrap*; Cameron, Gelbach & Miller (2008),
*Review of Economics and Statistics* 90, for groups drawn as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.matrix.parts import Dense, Design, Indicators, Piecewise
from fastglm.errors import ConvergenceWarning, ModelError, Status, require_seed, warn
from fastglm.inference.covariance.groups import group_codes
from fastglm.inference.covariance.replicated_estimates import Bootstrap
from fastglm.inference.covariance.sandwich import SANDWICHES, covariance_of
from fastglm.inference.hypothesis_tests.refits import refit, require_maximum_likelihood
from fastglm.inference.rows.simulate import draw_responses
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.draws import ResampleCounts, ResponseShifts
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.solve.replicates import LARGEST_BATCH, Replicates

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["Bootstrap", "bootstrap"]

#: Memory for the counts or residuals of samples that are drawn at a time.
SAMPLE_BYTES = 100_000_000
#: A value that fewer rows have than this may be missing from a sample (with probability e**-40).
RARE_ROWS = 40

Progress = Callable[[int, int], None]


def bootstrap(
    fit: Any,
    n_replicates: int,
    seed: int,
    kind: str,
    groups: Any,
    progress: Progress | None,
) -> Bootstrap:
    """Replicates of a fit; see `Results.bootstrap`."""
    if kind not in ("pairs", "parametric"):
        raise ModelError(f'kind must be "pairs" or "parametric", not {kind!r}')
    if groups is not None and kind == "parametric":
        raise ModelError("groups are drawn as a whole from the data: leave out kind=.")
    if not isinstance(n_replicates, int | np.integer) or n_replicates < 2:
        raise ModelError(f"n_replicates must be a whole number from 2 on, not {n_replicates!r}")
    several = fit.has_several_predictors
    if not several:
        require_maximum_likelihood(fit)
    # A copy, because the caller's array may change while intervals still need it.
    codes = None if groups is None else group_codes(fit, groups)[0].copy()
    require_seed(seed)
    seeds = np.random.SeedSequence(seed).generate_state(int(n_replicates), np.uint64)
    if kind != "parametric":
        kind = "pairs" if groups is None else "cluster"
    if several:
        replicates = fit.replicates_of_samples(kind, seeds, codes, progress)
    elif kind == "parametric":
        replicates = _parametric(fit, seeds, progress)
    else:
        replicates = _resampled(fit, seeds, codes, progress)
    kept = ~np.isnan(fit.estimates)
    failed = np.isnan(replicates[:, kept]).any(axis=1)
    replicates[failed] = np.nan
    if failed.any():
        warn(
            f"{failed.sum()} of {n_replicates} samples have no estimates, because they are "
            "separated or a column tells nothing in them; they are left out.",
            ConvergenceWarning,
        )
    n_failed = int(failed.sum())
    return Bootstrap(fit.names, fit.estimates, replicates, kind, seed, n_failed, codes, fit)


# -- rows or groups drawn with replacement


def _resampled(
    fit: Fit, seeds: np.ndarray, codes: np.ndarray | None, progress: Progress | None
) -> np.ndarray:
    model = fit._model_with_data("the bootstrap")
    rows = model.rows
    n_units = rows.n_rows
    weights, row_table = rows.variance_weights, fit._row_table
    covariance = covariance_of(fit, "HC0", {}, SANDWICHES)
    if codes is not None:
        n_units = int(codes.max()) + 1
        options = {"groups": codes, "use_correction": False}
        covariance = covariance_of(fit, "cluster", options, SANDWICHES)
        # A group that is drawn brings all observations behind its rows.
        weights, row_table = rows.prior_weights, model.row_table
    probabilities = None if codes is not None else _probabilities(fit)
    rare = _rare_units(rows.design, codes)
    problem = _problem(fit, covariance.matrix, row_table, codes)
    replicates = np.empty((seeds.size, len(fit.names)))
    batch = _batch(seeds.size, n_units * (1 if probabilities is None else 8))
    counts = ResampleCounts(n_units, batch, probabilities, round(fit.nobs))
    for start in range(0, seeds.size, batch):
        chosen = seeds[start : start + batch]
        counts.draw(chosen, fit.n_threads)
        estimates, converged = problem.estimates(counts, chosen.size)
        for units in rare:
            converged &= counts.include(units)[: chosen.size]
        for b in map(int, np.flatnonzero(~converged)):
            drawn = counts[b] if codes is None else counts[b][codes]
            other = drawn.astype(np.float64) if weights is None else weights * drawn
            estimates[b] = _solved(
                fit, build_row_table(rows.design, rows.response, other, rows.offset)
            )
        replicates[start : start + batch] = estimates
        if progress is not None:
            progress(min(start + batch, seeds.size), seeds.size)
    return replicates


def _problem(
    fit: Fit, covariance: np.ndarray, row_table: RowTable, codes: np.ndarray | None = None
) -> Replicates:
    """Estimates of samples of the row table's rows, or of groups of them."""
    return Replicates(
        row_table,
        fit.family,
        fit.estimates,
        codes,
        fit._model_with_data("the bootstrap").row_table,
        covariance,
        # An intercept that is aliased cannot take what shifts add.
        shifted=fit.has_intercept and not fit.aliased,
        n_threads=fit.n_threads,
    )


def _batch(n_samples: int, sample_bytes: int) -> int:
    """How many samples of that size are drawn at a time."""
    return max(1, min(n_samples, LARGEST_BATCH, SAMPLE_BYTES // sample_bytes))


def _solved(fit: Fit, row_table: RowTable, same_response: bool = True) -> np.ndarray:
    """Estimates by the solver; NaN where it does not reach an optimum."""
    start = np.nan_to_num(fit.estimates)
    params, _, status = refit(fit, row_table, start, same_response=same_response)
    return params if status == Status.CONVERGED else np.full(params.shape, np.nan)


def _probabilities(fit: Fit) -> np.ndarray | None:
    """How likely a draw gives each row; None if all are alike."""
    rows = fit._model_with_data("the bootstrap").rows
    present = None if rows.prior_weights is None else rows.prior_weights > 0.0
    if rows.frequencies is None and (present is None or present.all()):
        return None
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    often = often if present is None else often * present
    return often / often.sum()


def _rare_units(design: Design, codes: np.ndarray | None) -> list[np.ndarray]:
    """Units of the rows of each level, or value 0 or 1, that few rows have.

    A sample without them has columns that are combinations of others, which steps with the
    information of the fit cannot notice.
    """
    found = []
    for part in design.parts:
        if isinstance(part, Indicators):
            code = part.combined_codes(slice(None))
            sizes = np.bincount(code, minlength=part.n_columns)
            found += [code == k for k in np.flatnonzero((sizes > 0) & (sizes < RARE_ROWS))]
        elif isinstance(part, Dense | Piecewise):
            columns = part.values if isinstance(part, Dense) else part.to_dense()
            for column in columns.T:
                # The first rows show that most columns are not nearly constant.
                first = column[: 2 * RARE_ROWS]
                near = [v for v in (0, 1) if np.count_nonzero(first != v) < RARE_ROWS]
                found += [column != value for value in near]
    rows = [np.flatnonzero(mask) for mask in found if 0 < np.count_nonzero(mask) < RARE_ROWS]
    return rows if codes is None else [np.unique(codes[r]) for r in rows]


# -- responses drawn from the model


def _parametric(fit: Fit, seeds: np.ndarray, progress: Progress | None) -> np.ndarray:
    rows = fit._model_with_data("the bootstrap").rows
    if rows.frequencies is not None:
        raise ModelError(
            "a parametric bootstrap draws a response for each observation: repeat the rows "
            "instead of counting them by freq_weights."
        )
    mean, slope, weight = fit.row_values(row_buffers.MEAN, row_buffers.SLOPE, row_buffers.WEIGHT)
    variance_weights = np.ones(rows.n_rows)
    if rows.variance_weights is not None:
        variance_weights = rows.variance_weights

    def drawn(seed: np.uint64) -> np.ndarray:
        return draw_responses(fit, mean, variance_weights, np.random.default_rng(seed))

    replicates = np.full((seeds.size, len(fit.names)), np.nan)
    converged = np.zeros(seeds.size, dtype=bool)
    if fit.family.has_canonical_link:
        # There the score residual is this times the response, whatever the coefficients.
        share = np.divide(weight, slope, out=np.zeros(rows.n_rows), where=slope != 0.0)
        replicates, converged = _of_responses(fit, seeds, drawn, share, progress)
    done = int(np.count_nonzero(converged))
    for b in map(int, np.flatnonzero(~converged)):
        row_table = build_row_table(rows.design, drawn(seeds[b]), rows.prior_weights, rows.offset)
        replicates[b] = _solved(fit, row_table, same_response=False)
        done += 1
        if progress is not None:
            progress(done, seeds.size)
    return replicates


def _of_responses(
    fit: Fit,
    seeds: np.ndarray,
    drawn: Callable[[np.uint64], np.ndarray],
    share: np.ndarray,
    progress: Progress | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates from drawn responses, which enter the residuals by a share of them; and whether so.

    Those that are not reached are left to the solver.
    """
    model = fit._model_with_data("the bootstrap")
    response, n_rows = model.rows.response, model.rows.n_rows
    problem = _problem(fit, fit.scale * fit.information_inverse, model.row_table)
    replicates = np.full((seeds.size, len(fit.names)), np.nan)
    converged = np.zeros(seeds.size, dtype=bool)
    if not problem.solvable:
        return replicates, converged
    batch = _batch(seeds.size, 4 * n_rows)
    added = ResponseShifts(batch, problem.residual_scale)

    def draw(sample: int, seed: np.uint64) -> None:
        added[sample] = (drawn(seed) - response) * share

    with ThreadPoolExecutor(fit.n_threads) as pool:
        for start in range(0, seeds.size, batch):
            chosen = seeds[start : start + batch]
            list(pool.map(draw, range(chosen.size), chosen))
            part = slice(start, start + chosen.size)
            replicates[part], converged[part] = problem.estimates(added, chosen.size)
            if progress is not None:
                progress(int(np.count_nonzero(converged)), seeds.size)
    return replicates, converged
