"""Whether one set of coefficients will do at every threshold of an ordinal response."""

from __future__ import annotations

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError, Status
from fastglm.families import Binomial, Gaussian
from fastglm.families.links import Link
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.kernels.blocks.row_buffers import MEAN, SLOPE
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.rows.model_rows import ModelRows, constant_design, side_by_side
from fastglm.solve.fit import SolverOptions, solve

__all__ = ["proportional_odds_test"]


def proportional_odds_test(
    rows: ModelRows, codes: np.ndarray, n_levels: int, link: Link
) -> HypothesisTest:
    """Wald test of equal coefficients; see `OrdinalResults.proportional_odds_test`."""
    if n_levels < 3:
        raise ModelError("two levels have one threshold: there is nothing to compare.")
    design = rows.designs[0]
    constant = design.constant
    if constant is None:
        design, constant = side_by_side([constant_design(rows.n_rows), design]), 0
    estimates, responses = _threshold_models(design, rows, codes, n_levels, link)
    p = design.n_columns
    covariance = np.empty((n_levels - 1, p, n_levels - 1, p))
    inverses = [
        _inverse_gram(design, rows, _weight(responses[j], responses[j]))
        for j in range(n_levels - 1)
    ]
    for j in range(n_levels - 1):
        for k in range(j + 1):
            if j == k:
                block = inverses[j]
            else:
                meat = np.linalg.inv(
                    _inverse_gram(design, rows, _weight(responses[k], responses[j]))
                )
                block = inverses[j] @ meat @ inverses[k]
            covariance[j, :, k] = block
            covariance[k, :, j] = block.T
    slopes = np.delete(np.arange(p), constant)
    compared = np.concatenate(
        [estimates[j, slopes] - estimates[0, slopes] for j in range(1, n_levels - 1)]
    )
    whole = covariance[:, slopes][:, :, :, slopes]
    differences = whole[1:, :, 1:] - whole[:1, :, 1:] - whole[1:, :, :1] + whole[:1, :, :1]
    variance = differences.reshape(compared.size, compared.size)
    statistic = float(compared @ np.linalg.solve(variance, compared))
    return HypothesisTest.of("proportional odds", statistic, float(compared.size))


def _threshold_models(
    design: Design, rows: ModelRows, codes: np.ndarray, n_levels: int, link: Link
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Coefficients, (K - 1, p), of P(y <= level), and of each the means and slopes of the rows."""
    family, estimates, responses = Binomial(link), [], []
    for level in range(n_levels - 1):
        offset = None if rows.offsets[0] is None else -rows.offsets[0]
        below = (codes <= level).astype(np.float64)
        row_table = build_row_table(design, below, rows.prior_weights, offset)
        solution = solve(row_table, family, SolverOptions(), binary=True)
        if solution.status != Status.CONVERGED or np.isnan(solution.params).any():
            raise ModelError(
                f"the model of the first {level + 1} levels against the others has no unique "
                "estimate, so proportional odds cannot be tested."
            )
        mean, slope = evaluate_rows(row_table, family, solution.params, (MEAN, SLOPE))
        estimates.append(solution.params)
        responses.append((mean, slope))
    return np.array(estimates), responses


def _weight(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Covariance of two models' scores in their linear predictors, row by row.

    The indicators of y <= j and of y <= k, j <= k, have covariance mean_j (1 - mean_k).
    """
    (mean_j, slope_j), (mean_k, slope_k) = first, second
    return slope_j * slope_k / ((1.0 - mean_j) * mean_k)


def _inverse_gram(design: Design, rows: ModelRows, weight: np.ndarray) -> np.ndarray:
    """Inverse of X' diag(weight) X, prior weights included."""
    weight = weight if rows.prior_weights is None else weight * rows.prior_weights
    row_table = build_row_table(design, np.arange(rows.n_rows, dtype=np.float64), weight)
    return solve(row_table, Gaussian(), SolverOptions()).information_inverse
