"""Ends of profile likelihood intervals by steps in all coefficients at once.

At an end the score of the other coefficients is zero and the deviance has risen by so much. Each
step solves the quadratic that deviance, score and information give there. Venzon & Moolgavkar
(1988), "A method for computing profile-likelihood-based confidence intervals", *Applied Statistics*
37. The information may be that of earlier coefficients, as long as steps shrink fast with it.

Of the ends at plus and minus a target the even powers of the target are the same: what one end has
beyond a straight line is most of what the other has.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fastglm.kernels.blocks import row_buffers
from fastglm.passes.products import LikelihoodSums, inverse_factor, likelihood_sums
from fastglm.passes.row_table import RowTable
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering, find_scaling
from fastglm.passes.standardized import StandardizedColumns

if TYPE_CHECKING:
    from fastglm.families import Family

__all__ = ["JointEnd", "Optimum", "deviance_inside", "joint_end"]

#: Steps to an end of an interval.
MAX_STEPS = 30
#: The last step, in standard errors, of which a quarter at most is left.
TOLERANCE = 1e-7
#: A step that is more than this share of the one before needs the information where it is.
SLOW = 0.25
#: With the same information steps shrink by the same factor, or by this many times more.
RATE_SLACK = 10.0


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
    binary : bool
        Whether every response is exactly 0 or 1.
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
    binary: bool


class _Metric(NamedTuple):
    """The inverse information as F F', F for standardised columns, and F for the given ones."""

    root: np.ndarray
    given: np.ndarray


class JointEnd(NamedTuple):
    """An end that was found.

    Attributes
    ----------
    params : ndarray, shape (p,)
        All coefficients there.
    value : float
        The coefficient that the end is of.
    rate : float
        The largest share that a step was of the one before.
    """

    params: np.ndarray
    value: float
    rate: float


def joint_end(
    optimum: Optimum, column: int, target: float, opposite: JointEnd | None = None
) -> JointEnd | None:
    """Where the signed root of the rise of the deviance over the dispersion is `target`.

    Parameters
    ----------
    optimum : Optimum
    column : int
        Number of the coefficient that is to be as far out as it can.
    target : float
    opposite : JointEnd, optional
        The end of the same coefficient at ``-target``, if it is known: saves steps.

    Returns
    -------
    JointEnd or None
        None where the steps do not lead there: then nothing is known of the end.
    """
    centre, sign = np.nan_to_num(optimum.params), math.copysign(1.0, target)
    rise, metric = target**2 * optimum.scale, _first_metric(optimum)
    step, _, _ = _step(metric, column, np.zeros_like(centre), -rise, sign)
    before, rate, with_gram = abs(target), 0.0, False
    if opposite is not None and opposite.rate <= SLOW:
        # What bends one end off the straight line bends the other alike.
        bent = opposite.params - centre + step
        before, rate = max(abs(target) * opposite.rate, TOLERANCE), opposite.rate
        step = step + bent
    params = centre + step
    for _ in range(MAX_STEPS):
        found = _sums(optimum, params, with_gram)
        if not math.isfinite(found.deviance):
            break
        if with_gram:
            try:
                metric = _new_metric(found.gram, found.standard, metric)
            except np.linalg.LinAlgError:
                break
        step, size, rises = _step(
            metric, column, found.score, found.deviance - (optimum.deviance + rise), sign
        )
        if not math.isfinite(size):
            break
        params = params + step
        size /= math.sqrt(optimum.scale)
        rate = max(rate, size / before) if size > 0.0 else rate
        if min(1.0, RATE_SLACK * rate) * size <= SLOW * TOLERANCE or size <= TOLERANCE:
            is_beyond = (params[column] - centre[column]) * sign > 0.0
            return JointEnd(params, float(params[column]), rate) if is_beyond and rises else None
        with_gram = size > SLOW * before
        before = size
    # The opposite end may have led astray.
    return None if opposite is None else joint_end(optimum, column, target)


def _first_metric(optimum: Optimum) -> _Metric:
    root, centering = optimum.inverse_information_factor, optimum.centering
    standard = StandardizedColumns(
        find_scaling(optimum.row_table, optimum.shifted), optimum.row_table
    )
    return _Metric(standard.to_standardized_centered(root, centering), centering.to_given(root))


def _sums(optimum: Optimum, params: np.ndarray, with_gram: bool) -> LikelihoodSums:
    return likelihood_sums(
        optimum.row_table,
        optimum.family,
        params,
        binary=optimum.binary,
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


@np.errstate(over="ignore", invalid="ignore")
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
    rest = max(float(projected @ projected) - own * own / variance, 0.0)
    square = own * own - variance * (excess - rest)
    move = own + sign * math.sqrt(max(square, 0.0))
    step = whole + along * ((move - own) / variance)
    return step, math.sqrt(rest + move * move / variance), own * sign < 0.0
