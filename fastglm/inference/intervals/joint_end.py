"""Ends of profile likelihood intervals by steps in all coefficients at once.

At an end the score of the other coefficients is zero and the deviance has risen by so much. Each
step solves the quadratic that deviance, score and information give there. Venzon & Moolgavkar
(1988), "A method for computing profile-likelihood-based confidence intervals", *Applied Statistics*
37. The information may be that of earlier coefficients, as long as steps shrink fast with it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastglm.kernels.blocks import row_buffers
from fastglm.passes.products import CrossProducts, StandardizedColumns, information, inverse_factor
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering, find_scaling

if TYPE_CHECKING:
    from fastglm.families import Family

__all__ = ["Optimum", "deviance_inside", "joint_end"]

MAX_STEPS = 30
#: The last step, in standard errors, of which a quarter at most is left.
TOLERANCE = 1e-7
#: A step that is more than this share of the one before needs the information where it is.
SLOW = 0.25


class Optimum(NamedTuple):
    """A maximum of the likelihood, where the steps begin.

    Attributes
    ----------
    family : Family
    row_table : RowTable
        Design, response, weights and offset.
    params : ndarray, shape (p,)
        NaN where aliased.
    deviance : float
    inverse_information_factor : ndarray, shape (p, p)
        ``root root'`` is the inverse information of centred columns.
    centering : Centering
    shifted : bool
        Whether the design has a constant column.
    scale : float
        Dispersion.
    n_threads : int
    """

    family: Family
    row_table: RowTable
    params: np.ndarray
    deviance: float
    inverse_information_factor: np.ndarray
    centering: Centering
    shifted: bool
    scale: float
    n_threads: int


class _Metric(NamedTuple):
    """The inverse information as F F', F for standardised columns, and F for the given ones."""

    root: np.ndarray
    given: np.ndarray


def joint_end(optimum: Optimum, column: int, target: float) -> float | None:
    """Where the signed root of the rise of the deviance over the dispersion is `target`.

    Returns
    -------
    float or None
        None where the steps do not lead there: then nothing is known of the end.
    """
    params = np.nan_to_num(optimum.params)
    start, sign = params[column], math.copysign(1.0, target)
    goal = optimum.deviance + target**2 * optimum.scale
    metric = _first_metric(optimum)
    deviance, score, before = optimum.deviance, np.zeros_like(params), math.inf
    for _ in range(MAX_STEPS):
        step, size, rises = _step(metric, column, score, deviance - goal, sign)
        if not math.isfinite(size):
            return None
        params = params + step
        size /= math.sqrt(optimum.scale)
        if size <= TOLERANCE and before <= 1.0:
            is_beyond = (params[column] - start) * sign > 0.0
            return float(params[column]) if is_beyond and rises else None
        deviance = deviance_inside(optimum.row_table, optimum.family, params, optimum.n_threads)
        if not math.isfinite(deviance):
            return None
        is_slow = size > SLOW * before
        products = _information(optimum, params, is_slow)
        if is_slow:
            try:
                metric = _new_metric(products.gram, products.standard, metric)
            except np.linalg.LinAlgError:
                return None
        score, before = products.score, size
    return None


def _first_metric(optimum: Optimum) -> _Metric:
    root, centering = optimum.inverse_information_factor, optimum.centering
    standard = StandardizedColumns(
        find_scaling(optimum.row_table, optimum.shifted), optimum.row_table
    )
    return _Metric(standard.to_standardized_centered(root, centering), centering.to_given(root))


def _information(optimum: Optimum, params: np.ndarray, with_gram: bool) -> CrossProducts:
    return information(
        optimum.row_table,
        optimum.family,
        params,
        shifted=optimum.shifted,
        n_threads=optimum.n_threads,
        with_gram=with_gram,
    )


def _new_metric(gram: np.ndarray, standard: StandardizedColumns, before: _Metric) -> _Metric:
    root = inverse_factor(gram, (before.root != 0.0).any(axis=1))
    return _Metric(root, standard.from_standardized @ root)


def deviance_inside(
    row_table: RowTable, family: Family, params: np.ndarray, n_threads: int
) -> float:
    """Deviance of coefficients, infinite where a row has a mean outside the family's domain.

    Beyond the domain its formula may go on to have values, lower than any inside.
    """
    wanted = row_buffers.DEVIANCE, row_buffers.MEAN, row_buffers.PRIOR_WEIGHT
    rows, mean, prior = evaluate_rows(row_table, family, params, wanted, n_threads=n_threads)
    if not (family.is_unbounded or family.domain.contains(mean[prior > 0.0]).all()):
        return math.inf
    return float(rows.sum())


def _step(
    metric: _Metric, column: int, score: np.ndarray, excess: float, sign: float
) -> tuple[np.ndarray, float, bool]:
    """The step, its length in standard errors at dispersion 1, and whether it climbs outward.

    With inverse information V, s = V score and c = V's column over v, its diagonal entry, the
    deviance of a step ``s - c s_j + c d`` rises by ``(d^2 - 2 d s_j + s_j^2) / v - score's``.
    """
    projected = metric.root.T @ score
    whole = metric.given @ projected
    along = metric.given @ metric.given[column]
    variance = float(along[column])
    own = float(whole[column])
    rest = max(float(projected @ projected) - own**2 / variance, 0.0)
    square = own**2 - variance * (excess - rest)
    move = own + sign * math.sqrt(max(square, 0.0))
    step = whole + along * ((move - own) / variance)
    return step, math.sqrt(rest + move**2 / variance), own * sign < 0.0
