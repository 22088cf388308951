"""What a fit predicts for rows as a function of their linear predictors, and its derivatives.

Averages over rows, marginal effects and marginal means are made of these, for models of one linear
predictor and of several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError
from fastglm.families.links import Identity
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

__all__ = [
    "Channel",
    "Evaluated",
    "NumericOutcomes",
    "OneOutcome",
    "Outcomes",
    "named_prediction",
]

#: R's words for what to predict.
WORDS_OF_R = {"response": "mean", "link": "linear"}

#: Distance of the points of a difference quotient, and their weights in it: exact for polynomials
#: of the sixth degree. Of functions of logarithms and log odds about 1e-11 of the value is lost.
STEP = 0.02
STENCIL = ((1.0, 3.0 / 4.0), (2.0, -3.0 / 20.0), (3.0, 1.0 / 60.0))


def named_prediction(which: str, known: Sequence[str]) -> str:
    """What to predict, in the words of this library.

    Raises
    ------
    ModelError
        If it is none of those `known`.
    """
    word = WORDS_OF_R.get(which, which) if isinstance(which, str) else which
    if word not in known:
        raise ModelError(f"which must be one of {tuple(dict.fromkeys(known))}, not {which!r}")
    return word


class Channel(NamedTuple):
    """How coefficients enter one linear predictor.

    Attributes
    ----------
    design : int or None
        The design whose columns they are coefficients of; None for a column of ones.
    columns : ndarray of int, shape (c,)
        Of that design.
    places : ndarray of int, shape (c,)
        Of their coefficients among all.
    """

    design: int | None
    columns: np.ndarray
    places: np.ndarray


class Evaluated(NamedTuple):
    """Outcomes of n rows.

    Attributes
    ----------
    predictors : ndarray, shape (K, n)
    values : ndarray, shape (k, n)
    slopes : sequence of ndarray, shape (k, n)
        Derivatives in each of the K linear predictors.
    """

    predictors: np.ndarray
    values: np.ndarray
    slopes: Sequence[np.ndarray]


@dataclass(frozen=True, eq=False)
class OneOutcome:
    """The mean of a generalized linear model, or its linear predictor, with exact derivatives.

    Attributes
    ----------
    fit : Fit
    is_mean : bool
    names : tuple of str
        Of the outcomes; one without a name where there is nothing to tell apart.
    """

    fit: Any
    is_mean: bool = True
    names: tuple[str, ...] = ("",)

    @property
    def is_linear(self) -> bool:
        """Whether that is the linear predictor."""
        return not self.is_mean or isinstance(self.fit.family.link, Identity)

    @property
    def channels(self) -> tuple[Channel, ...]:
        """All columns of the one design."""
        columns = np.arange(self.fit.estimates.size)
        return (Channel(0, columns, columns),)

    def evaluate(
        self, designs: Sequence[Design], offsets: Sequence[np.ndarray | None]
    ) -> Evaluated:
        """Outcomes of rows with these designs and offsets."""
        fit = self.fit
        row_table = build_row_table(designs[0], offset=offsets[0])
        wanted = (row_buffers.LINEAR_PREDICTOR, row_buffers.MEAN, row_buffers.SLOPE)
        eta, mean, slope = evaluate_rows(
            row_table, fit.family, fit.estimates, wanted, n_threads=fit.n_threads
        )
        if not self.is_mean:
            mean, slope = eta.copy(), np.ones_like(eta)
        return Evaluated(eta[None], mean[None], [slope[None]])

    def along(self, at: Evaluated, change: np.ndarray) -> Evaluated:
        """Derivatives of the outcomes as the predictors change, (1, n), and the slopes of these."""
        bend = np.zeros_like(change)
        if self.is_mean:
            bend = self.fit.family.link.inverse_deriv2(at.predictors) * change
        return Evaluated(at.predictors, at.slopes[0] * change, [bend])


@dataclass(frozen=True, eq=False)
class NumericOutcomes:
    """Outcomes that are any smooth functions of several linear predictors.

    Attributes
    ----------
    names : tuple of str
    channels : tuple of Channel
        One for each linear predictor.
    predict : callable
        Linear predictors of rows, ``predict(designs, offsets)``, (K, n).
    function : callable
        Outcomes, (k, n), of linear predictors, (K, n).
    is_linear : bool
        Whether they are linear predictors themselves.
    """

    names: tuple[str, ...]
    channels: tuple[Channel, ...]
    predict: Callable[[Sequence[Design], Sequence[np.ndarray | None]], np.ndarray]
    function: Callable[[np.ndarray], np.ndarray]
    is_linear: bool = False

    def at(self, etas: np.ndarray) -> Evaluated:
        """Outcomes of these linear predictors, (K, n)."""
        slopes = [_difference(self.function, etas, one) for one in np.eye(len(etas))]
        return Evaluated(etas, self.function(etas), slopes)

    def evaluate(
        self, designs: Sequence[Design], offsets: Sequence[np.ndarray | None]
    ) -> Evaluated:
        """As of `OneOutcome`."""
        return self.at(self.predict(designs, offsets))

    def along(self, at: Evaluated, change: np.ndarray) -> Evaluated:
        """As of `OneOutcome`."""
        size = np.abs(change).max(axis=0)
        direction = np.divide(change, size, out=np.zeros_like(change), where=size > 0.0)

        def derivative(etas: np.ndarray) -> np.ndarray:
            return size * _difference(self.function, etas, direction)

        slopes = [_difference(derivative, at.predictors, one) for one in np.eye(len(change))]
        return Evaluated(at.predictors, derivative(at.predictors), slopes)


#: The k numbers that a fit predicts for each row.
Outcomes: TypeAlias = OneOutcome | NumericOutcomes


def _difference(
    function: Callable[[np.ndarray], np.ndarray], etas: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Derivative of a function of (K, n) predictors in a direction, (K,) or (K, n)."""
    step = STEP * (direction[:, None] if direction.ndim == 1 else direction)
    total = sum(w * (function(etas + d * step) - function(etas - d * step)) for d, w in STENCIL)
    return np.asarray(total) / STEP
