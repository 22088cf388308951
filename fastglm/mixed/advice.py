"""What is said of a fit that a reader must know more of than its numbers."""

from __future__ import annotations

import math

from fastglm.errors import BoundaryWarning, ConvergenceWarning, SeparationWarning, warn
from fastglm.mixed.assemble import still_moving
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.record import MixedFit
from fastglm.solve.separation import infinite_text

__all__ = ["warn_of_fit", "warn_of_several"]

#: Standard deviation of effects on probabilities from which levels hold nothing but 0 or 1.
LARGEST_SD = 10.0
#: Coefficients that are logarithms of what may be zero: below these they are on their way there.
LEAST_LOGARITHMS = {
    "log(alpha)": (
        -9.0, "the counts vary no more than Poisson counts would. Use family='poisson'."
    ),
    "zero-Intercept": (
        -14.0, "hardly any zero is more than a count. Leave out ziformula=, unless its columns say "
        "otherwise."
    ),
}  # fmt: skip


def warn_of_fit(results: MixedFit, estimate: LinearEstimate | GeneralizedEstimate) -> None:
    """What the reader must know."""
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
    if isinstance(estimate, GeneralizedEstimate) and estimate.at_zero:
        warn(
            "Given the random effects the counts vary no more than Poisson counts would: alpha is "
            "0, on the boundary, and the fit is that of the Poisson family.",
            BoundaryWarning,
        )


def warn_of_several(results: MixedFit, estimate: GeneralizedEstimate) -> None:
    """What the reader must know of a model of several linear predictors."""
    _warn_of_end(results, estimate)
    for name, value in zip(results.names, results.estimates, strict=True):
        if name in LEAST_LOGARITHMS and value < LEAST_LOGARITHMS[name][0]:
            warn(f"{name} is {value:.3g}: {LEAST_LOGARITHMS[name][1]}", BoundaryWarning)


def _warn_of_end(results: MixedFit, estimate: LinearEstimate | GeneralizedEstimate) -> None:
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
