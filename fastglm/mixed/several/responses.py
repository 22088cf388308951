"""Responses of mixed models that have several linear predictors.

The models without random effects are those of `fastglm.responses`: they check the rows, start the
search, and say what follows from linear predictors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fastglm.design.formula.response import NUMBERS, ResponseRule
from fastglm.errors import ModelError
from fastglm.families.links import Link
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.mixed.explained import latent_variance
from fastglm.mixed.prediction import marginal_mean
from fastglm.mixed.several.third_derivatives import (
    HURDLE_THIRDS,
    ZERO_INFLATED_THIRDS,
    beta_thirds,
    cumulative_thirds,
    negative_binomial_thirds,
)
from fastglm.responses.models.beta import BetaModel
from fastglm.responses.models.negative_binomial_p import NegativeBinomialP
from fastglm.responses.models.ordinal import OrderedModel
from fastglm.responses.models.zero_inflated_and_hurdle import Hurdle, ZeroInflated
from fastglm.rows.model_rows import ModelRows

__all__ = [
    "BetaResponse",
    "HurdleResponse",
    "MixedResponse",
    "NegativeBinomialResponse",
    "OrdinalResponse",
    "ZeroInflatedResponse",
    "is_constant",
]


@dataclass(frozen=True)
class MixedResponse:
    """A response whose rows have several linear predictors.

    Attributes
    ----------
    link : Link
        Of the predictor with the random effects.
    """

    link: Link

    #: Name of the response in saved fits.
    name: ClassVar[str] = ""
    #: Rule for allowed responses.
    takes: ClassVar[ResponseRule] = NUMBERS
    has_zero_part: ClassVar[bool] = False
    #: Whether `dispformula` may have columns.
    has_dispersion_part: ClassVar[bool] = False
    takes_exposure: ClassVar[bool] = False
    is_linear: ClassVar[bool] = False

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return {"name": self.name, "link": self.link.name}

    def further(self, ziformula: str | None, dispformula: str | None) -> tuple[str | None, ...]:
        """Formulas of the predictors beside the first that have columns."""
        zeros = (ziformula,) if self.has_zero_part else ()
        return zeros if is_constant(dispformula) else (*zeros, dispformula)

    def without_alpha(self) -> MixedResponse | None:
        """The response at an alpha of zero; None where there is no alpha."""
        return None

    def without_effects(self, rows: ModelRows) -> Any:
        """The model of the rows without random effects.

        Raises
        ------
        DataError
            If the model does not allow the response.
        """
        if rows.offset_parts.exposure is not None and not self.takes_exposure:
            raise ModelError(
                "exposure= multiplies a mean of counts: give offset=, on the scale of the linear "
                "predictor."
            )
        return self._model_of(rows)

    def _model_of(self, rows: ModelRows) -> Any:
        raise NotImplementedError

    def direction(self, model: Any) -> np.ndarray:
        """Factors of the random part in each predictor, (K,)."""
        size = len(model._maps(model._blocks()))
        return np.eye(size)[0]

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        raise NotImplementedError

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """Variance of a response around its mean, on the scale of the linear predictor.

        Raises
        ------
        ModelError
            If it is not defined.
        """
        raise ModelError(
            "shares of variance are not defined for counts with a model of their zeros, whose "
            "variance is that of two linear predictors: use varcorr, or fit the counts without "
            "ziformula=."
        )


class BetaResponse(MixedResponse):
    """Shares between 0 and 1; the logarithm of the precision may have columns of its own."""

    name = "beta"
    has_dispersion_part = True

    def _model_of(self, rows: ModelRows) -> Any:
        model = BetaModel.__new__(BetaModel)
        rows = rows if len(rows.designs) > 1 else rows.with_constant_design()
        model._take(rows, self.link, "log", "observed")
        return model

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return beta_thirds(self.link.name)

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """By the delta method at the mean share."""
        link, precision = self.link, float(np.mean(population.predict(which="precision")))
        mean = float(np.mean(marginal_mean(link, eta, sd)))
        slope = float(link.inverse_deriv(link(mean)))
        return mean * (1.0 - mean) / (1.0 + precision) / slope**2


class OrdinalResponse(MixedResponse):
    """Ordered categories by cumulative links; effects are added to x'b, as the offset is."""

    name = "ordinal"

    takes = ResponseRule("family='ordinal'", category=True, ordered=True)

    def _model_of(self, rows: ModelRows) -> Any:
        model = OrderedModel.__new__(OrderedModel)
        model._take(rows, self.link)
        return model

    def direction(self, model: Any) -> np.ndarray:
        """The random part is subtracted from both thresholds of a row."""
        return np.array([-1.0, -1.0])

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return cumulative_thirds(self.link.name)

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """Variance of the latent variable that the thresholds divide."""
        found = latent_variance(self.link)
        if found is None:
            raise ModelError(
                f"the latent variable of the link {self.link.name} has no variance, so that there "
                "are no shares of it: use varcorr."
            )
        return found


class NegativeBinomialResponse(MixedResponse):
    """Counts of variance mu + alpha mu**2; the logarithm of alpha has columns of its own."""

    name = "negative_binomial"
    counts: ClassVar[str] = "negative_binomial"
    takes_exposure = True
    has_dispersion_part = True

    def _model_of(self, rows: ModelRows) -> Any:
        return NegativeBinomialP.of_rows(rows, power=2.0)

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return negative_binomial_thirds

    def distribution_variance(self, population: Any, eta: np.ndarray, sd: np.ndarray) -> float:
        """By the delta method at the mean rate, alpha averaged over the rows."""
        mean = float(np.mean(marginal_mean(self.link, eta, sd)))
        return 1.0 / mean + float(np.mean(population.predict(which="alpha")))


@dataclass(frozen=True)
class ZeroInflatedResponse(MixedResponse):
    """Counts with a model for extra zeros.

    Attributes
    ----------
    counts : str
        Distribution of the counts.
    """

    counts: str = "poisson"

    name: ClassVar[str] = "zero-inflated"
    has_zero_part: ClassVar[bool] = True
    takes_exposure: ClassVar[bool] = True
    of_rows: ClassVar[Any] = ZeroInflated
    thirds: ClassVar[dict[str, RowBlock]] = ZERO_INFLATED_THIRDS

    @property
    def has_dispersion_part(self) -> bool:  # type: ignore[override]
        """Whether `dispformula` may have columns: those of log alpha."""
        return self.counts != "poisson"

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return super().to_dict() | {"counts": self.counts}

    def without_alpha(self) -> MixedResponse | None:
        """Poisson counts."""
        return None if self.counts == "poisson" else replace(self, counts="poisson")

    def _model_of(self, rows: ModelRows) -> Any:
        model = self.of_rows.__new__(self.of_rows)
        model._take(rows, self.counts)
        return model

    def third_rows(self, model: Any) -> RowBlock:
        """Row block of the third derivatives."""
        return self.thirds[self.counts]


class HurdleResponse(ZeroInflatedResponse):
    """Counts cut off at zero, with a model for whether there are any."""

    name = "hurdle"
    of_rows = Hurdle
    thirds = HURDLE_THIRDS


def is_constant(formula: str | None) -> bool:
    """Whether a formula of the dispersion is left out, or an intercept alone."""
    return formula is None or formula.replace(" ", "") == "~1"
