"""Warnings and notes of a fit: boundaries, separation and failed convergence."""

from __future__ import annotations

import math

from fastglm.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    RankWarning,
    SeparationWarning,
    few_of,
    warn,
)
from fastglm.fit.aliased import warn_of_aliased
from fastglm.mixed.assemble import still_moving
from fastglm.mixed.effects import undetermined, undetermined_text
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.record import MixedFit
from fastglm.solve.separation import infinite_text

__all__ = ["warn_of_fit", "warn_of_several"]

#: Standard deviation of effects on log odds above which nearly all responses of a level are equal.
LARGEST_SD = 10.0
#: Log odds of extra zeros below which they are taken to go to minus infinity.
LEAST_LOG_ODDS = -14.0


def warn_of_fit(results: MixedFit, estimate: LinearEstimate | GeneralizedEstimate) -> None:
    """Gives the warnings of a fit."""
    _warn_of_end(results, estimate)
    if math.isfinite(results.family.domain.upper):
        for c in results.components:
            if not c.term2 and c.sd > LARGEST_SD:
                warn(
                    f"the standard deviation of {c.term1} between levels of {c.group} is {c.sd:.3g}"
                    " on the scale of the linear predictor: nearly all responses of a level are "
                    "equal, and the likelihood hardly tells it from infinity.",
                    BoundaryWarning,
                )
    if isinstance(estimate, GeneralizedEstimate):
        _warn_of_no_alpha(estimate)


def warn_of_several(results: MixedFit, estimate: GeneralizedEstimate) -> None:
    """Gives the warnings of a fit of several linear predictors."""
    zeros = [name for name in results.names if name.startswith("zero-")]
    odds = dict(zip(results.names, results.estimates, strict=True))
    if zeros == ["zero-Intercept"] and odds[zeros[0]] < LEAST_LOG_ODDS:
        warn(
            f"zero-Intercept is {odds[zeros[0]]:.3g}, on its way to minus infinity: there are no "
            "more zeros than the counts explain. Leave out ziformula=.",
            BoundaryWarning,
        )
    else:
        _warn_of_end(results, estimate)
    _warn_of_no_alpha(estimate)


def _warn_of_no_alpha(estimate: GeneralizedEstimate) -> None:
    if estimate.at_zero:
        warn(
            "Given the random effects the counts vary no more than Poisson counts would: alpha is "
            "0, on the boundary, and the fit is that of the Poisson family.",
            BoundaryWarning,
        )


def _warn_of_end(results: MixedFit, estimate: LinearEstimate | GeneralizedEstimate) -> None:
    if results.aliased:
        warn_of_aliased(few_of(list(results.aliased)))
    lost = undetermined(results.components, results.singular)
    if lost and results.converged:
        warn(f"{undetermined_text(lost)} Leave out one of these random terms.", RankWarning)
    if results.infinite:
        text = infinite_text(results.infinite, results.n_separated)
        warn(f"{text} Leave out columns, or fit fewer of them.", SeparationWarning)
    elif not results.converged:
        warn(_advice(results, still_moving(estimate, results.names)), ConvergenceWarning)


def _advice(results: MixedFit, moving: str) -> str:
    return (
        f"the fit did not converge: {moving} still moves, and the largest derivative of the "
        f"criterion is {results.gradient:.2g}. Raise max_iter, rescale columns, or leave out a "
        "random term that the data say little about."
    )
