"""Results of counts with a model of their own for the zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy import special

from fastglm.errors import ModelError
from fastglm.families import resolve_family
from fastglm.families.members.negative_binomial import negative_binomial_distribution
from fastglm.responses.count_density import log_count_density
from fastglm.responses.residuals import Tails
from fastglm.responses.results import ResponseResults

__all__ = ["HurdleResults", "ZeroInflatedResults", "estimates_alpha", "log_zero_count"]


def estimates_alpha(family: str) -> bool:
    """Whether counts of a family, by its name, have an alpha, which is then estimated."""
    return resolve_family(family).free_parameter == "alpha"


def log_zero_count(mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Logarithms of the probability that a count is zero, (n,); alpha is 0 for Poisson counts."""
    positive = np.where(alpha > 0.0, alpha, 1.0)
    return np.where(alpha > 0.0, -np.log1p(positive * mean) / positive, -mean)


class _CountResults(ResponseResults):
    """Base of both kinds of results; the coefficients of the count, of the zeros, log alpha."""

    takes_exposure: ClassVar[bool] = True
    predictions: ClassVar[tuple[str, ...]] = ("mean", "prob-zero", "mean-count", "alpha")
    unit_interval: ClassVar[tuple[str, ...]] = ("prob-zero",)
    #: Whether zeros are cut off from the counts, and all are of their own.
    cuts_zeros: ClassVar[bool] = False
    first_component: ClassVar[str] = "count"

    def _ratio_of(self, component: str) -> str | None:
        return {"count": "rate ratio", "zero": "odds ratio"}.get(component)

    @property
    def alpha(self) -> float:
        """The negative binomial's alpha; 0 for Poisson counts.

        Raises
        ------
        ModelError
            If alpha has columns of its own.
        """
        if self._has_columns_of_alpha:
            raise ModelError("alpha differs between rows: use predict(which='alpha').")
        has_alpha = estimates_alpha(self.settings["family"])
        return float(np.exp(self.estimates[-1])) if has_alpha else 0.0

    @property
    def _has_columns_of_alpha(self) -> bool:
        return "dispersion" in self.names_of_designs

    @property
    def alpha_se(self) -> float:
        """Standard error of `alpha`, by the delta method."""
        return self.alpha * float(self.standard_errors[-1]) if self.alpha else float("nan")

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        header = super().header()
        header[2] = ("Counts", self.settings["family"])
        return header

    def notes(self) -> list[str]:
        """Alpha itself, beside its logarithm in the table."""
        if self._has_columns_of_alpha or not self.alpha:
            return []
        return [f"alpha = {self.alpha:.6g} (std err {self.alpha_se:.4g})."]

    def _alpha_of(self, etas: np.ndarray) -> np.ndarray:
        """Alpha of each row, from the predictor that is its logarithm; 0 for Poisson counts."""
        return np.exp(etas[2]) if len(etas) > 2 else np.zeros(etas.shape[1])

    def _raw_moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means of counts of the count distribution, and of their squares."""
        mean = np.exp(etas[0])
        return mean, mean + (1.0 + self._alpha_of(etas)) * mean**2

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        mean, ones = np.exp(etas[0]), np.ones(etas.shape[1])
        counts = negative_binomial_distribution(self._alpha_of(etas))
        u, positive = generator.random((2, mean.size))
        is_zero = u < self._share_of_zeros(etas)
        if self.cuts_zeros:
            no_zero = np.exp(self._count(etas)[1])
            drawn = counts.quantile(no_zero + positive * (1.0 - no_zero), mean, ones)
            drawn = np.maximum(drawn, 1.0)
        else:
            drawn = counts.drawn(mean, ones, generator)
        return np.where(is_zero, 0.0, drawn).astype(np.float64)

    def _log_counts(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        """Logarithms of the probabilities of the count distribution, zeros not cut off."""
        return log_count_density(response, np.exp(etas[0]), self._alpha_of(etas))

    def _share_of_zeros(self, etas: np.ndarray) -> np.ndarray:
        """Probability of a zero that is none of the counts."""
        return special.expit(-etas[1] if self.cuts_zeros else etas[1])

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        return self._tails_at(response, etas), self._tails_at(response - 1.0, etas)

    def _count_tails(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        """Tails of the count distribution, at -1 too."""
        mean = np.exp(etas[0])
        counts = negative_binomial_distribution(self._alpha_of(etas))
        return counts.tails(count, mean, np.ones_like(mean))

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        """Tails at counts from -1 on."""
        raise NotImplementedError

    def _count(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean of the count distribution, and the logarithm of its probability of zero."""
        mean = np.exp(etas[0])
        return mean, log_zero_count(mean, self._alpha_of(etas))


@dataclass(frozen=True, eq=False, repr=False)
class ZeroInflatedResults(_CountResults):
    """A fitted zero-inflated regression.

    `predict` gives "mean", the mean of the response, "prob-zero", the probability that it is zero,
    "alpha", or "mean-count", the mean of the count distribution alone.
    """

    kind: ClassVar[str] = "ZeroInflated"
    title: ClassVar[str] = "Zero-Inflated Regression Results"

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        if which == "alpha":
            return self._alpha_of(etas), []
        mean, log_zero = self._count(etas)
        rest = special.expit(-etas[1])
        if which == "prob-zero":
            return special.expit(etas[1]) + rest * np.exp(log_zero), []
        return (mean if which == "mean-count" else rest * mean), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, square = self._raw_moments(etas)
        rest = special.expit(-etas[1])
        return rest * mean, rest * square - (rest * mean) ** 2

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        counts = special.log_expit(-etas[1]) + self._log_counts(response, etas)
        inflated = np.logaddexp(special.log_expit(etas[1]), counts)
        return np.where(response == 0.0, inflated, counts)

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        rest = special.expit(-etas[1])
        lower, upper = self._count_tails(count, etas)
        inflated = np.where(count < 0.0, 0.0, special.expit(etas[1]))
        return inflated + rest * lower, np.where(count < 0.0, 1.0, rest * upper)


@dataclass(frozen=True, eq=False, repr=False)
class HurdleResults(_CountResults):
    """A fitted hurdle regression.

    `predict` gives "mean", the mean of the response, "prob-zero", the probability that it is zero,
    "alpha", or "mean-count", the mean of the count distribution before its zeros are cut off.
    """

    kind: ClassVar[str] = "Hurdle"
    title: ClassVar[str] = "Hurdle Regression Results"
    cuts_zeros: ClassVar[bool] = True

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        if which == "alpha":
            return self._alpha_of(etas), []
        mean, log_zero = self._count(etas)
        if which == "prob-zero":
            return special.expit(-etas[1]), []
        if which == "mean-count":
            return mean, []
        return special.expit(etas[1]) * mean / -np.expm1(log_zero), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, square = self._raw_moments(etas)
        share = special.expit(etas[1]) / -np.expm1(self._count(etas)[1])
        return share * mean, share * square - (share * mean) ** 2

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        cut = np.log(-np.expm1(self._count(etas)[1]))
        positive = special.log_expit(etas[1]) + self._log_counts(response, etas) - cut
        return np.where(response == 0.0, special.log_expit(-etas[1]), positive)

    def _tails_at(self, count: np.ndarray, etas: np.ndarray) -> Tails:
        log_zero = self._count(etas)[1]
        kept = -np.expm1(log_zero)
        lower, upper = self._count_tails(count, etas)
        above = np.minimum(upper / kept, 1.0)
        # Of counts that are rarely positive, what lies above tells how many are not.
        between = np.where(lower < 0.5, (lower - np.exp(log_zero)) / kept, 1.0 - above)
        zero, positive = special.expit(-etas[1]), special.expit(etas[1])
        below = np.where(count < 0.0, 0.0, zero + positive * np.maximum(between, 0.0))
        return below, np.where(count < 0.0, 1.0, positive * above)
