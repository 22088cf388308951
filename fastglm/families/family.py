"""Base of families: scalar functions, their row blocks, and the methods on arrays."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy import ndarray as Array  # noqa: N812

from fastglm.errors import ModelError
from fastglm.families.anscombe import anscombe_difference
from fastglm.families.dispersion import DispersionEvidence
from fastglm.families.distribution import ResponseDistribution
from fastglm.families.domain import ResponseDomain, ResponseSummary
from fastglm.families.evaluate import Frozen, evaluate
from fastglm.families.functions import ResponseFunctions
from fastglm.families.links import (
    Identity,
    InversePower,
    InverseSquared,
    Link,
    Log,
    Power,
    Sqrt,
    resolve_link,
)
from fastglm.families.predictor_range import predictors_inside
from fastglm.families.registry import CUSTOM_FAMILIES, family_class
from fastglm.kernels.blocks.row_buffers import (
    COMPLEMENT,
    DEVIANCE,
    LOG_LIKELIHOOD,
    MEAN,
    PRIOR_WEIGHT,
    RESPONSE,
    SCRATCH,
)
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["UNBOUNDED_LINKS", "Family", "LinkLike"]

#: Links of families whose means have no upper end.
UNBOUNDED_LINKS = (Identity, Log, InversePower, InverseSquared, Sqrt, Power)

LinkLike = Link | type[Link] | str | None


class Family(Frozen):
    """Base of all families. Immutable; equal when class, parameters and link are.

    Parameters
    ----------
    link : Link, class or str, optional
        By default the family's `default_link`.

    Attributes
    ----------
    name : str
        Its key in `FAMILIES`.
    link : Link
    parameter : float
        The parameter of the variance function, 0 for families that have none.
    dispersion_known : bool
        Whether the dispersion is 1; otherwise it is estimated, by Pearson's statistic.
    has_likelihood : bool
        False for quasi families, whose log-likelihood is nan.
    deviance_is_likelihood_ratio : bool
        Whether differences of log-likelihoods are halves of those of scaled deviances.
    n_dispersion_parameters : int
        How many parameters the dispersion adds to the likelihood, for AIC and BIC.
    canonical_link : class or None
        The link for which Fisher scoring is Newton's method.
    stabilizing_link : class or None
        The link under which the weights of Fisher scoring do not depend on the mean.
    links : tuple of class
        The links that can be used.
    custom : bool
        Whether a user defined it.
    takes_two_columns : bool
        Whether a response may be successes and failures.
    response_kind : str
        "real", "counts", "proportion" or "positive".
    variance_is_mean : bool
        Whether counts have the variance of Poisson's at dispersion 1.
    parameter_name : str or None
        The argument that gives `parameter`, in families that can estimate it.
    anscombe_integral : callable or None
        The integral of V**(-1/3) up to a constant, of (n,) values; by quadrature where it is None.
    free_parameter : str or None
        Parameter that a fit is to estimate, from `parameter` on, None if there is none.

    Raises
    ------
    ModelError
        If the link cannot be used with the family.
    """

    name: str = ""
    parameter: float = 0.0
    dispersion_known: bool = False
    has_likelihood: bool = True
    deviance_is_likelihood_ratio: bool = False
    n_dispersion_parameters: int = 0
    free_parameter: str | None = None
    default_link: type[Link]
    canonical_link: type[Link] | None = None
    stabilizing_link: type[Link] | None = None
    links: tuple[type[Link], ...] = ()
    takes_two_columns: bool = False
    variance_is_mean: bool = False
    parameter_name: ClassVar[str | None] = None
    anscombe_integral: Any = None
    custom: bool = False
    link: Link
    functions: ResponseFunctions
    domain: ResponseDomain

    def __init__(self, link: Link | type[Link] | str | None = None):
        chosen = self.default_link() if link is None else resolve_link(link)
        if not chosen.custom and type(chosen) not in self.links:
            usable = ", ".join(cls.__name__ for cls in self.links)
            raise ModelError(
                f"link {type(chosen).__name__} cannot be used with family "
                f"{type(self).__name__}; its links are {usable}"
            )
        self._set(link=chosen)

    def arguments(self) -> dict[str, Any]:
        """Return constructor arguments that make an equal family."""
        return {"link": self.link}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.arguments().items())
        return f"{type(self).__name__}({arguments})"

    def with_link(self, link: Link | type[Link] | str) -> Family:
        """Return the same family with another link."""
        return type(self)(**(self.arguments() | {"link": link}))

    def with_estimate(self, value: float, **others: Any) -> Family:
        """The same family with its free parameter at an estimate, `value`."""
        arguments = self.arguments() | {str(self.free_parameter): value, "estimated": True} | others
        return type(self)(**arguments)

    def parameter_range(self, smallest: float) -> tuple[float, float]:
        """Ends of the values of the free parameter, for responses with this smallest value."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON from which `from_dict` makes an equal family."""
        arguments = {name: value for name, value in self.arguments().items() if name != "link"}
        return {"name": self.name, "arguments": arguments, "link": self.link.to_dict()}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> Family:
        """Rebuild the family that `to_dict` described; `ModelError` for an unknown name."""
        link = Link.from_dict(saved["link"])
        if saved.get("custom"):
            if saved["name"] not in CUSTOM_FAMILIES:
                quasi = saved["name"].startswith("quasi ")
                how = "Quasi(variance=...)" if quasi else f"CustomFamily({saved['name']!r}, ...)"
                raise ModelError(
                    f"the saved fit has a family {saved['name']!r} of its own: define it first, by "
                    f"the same fastglm.families.{how} as before the fit; no file holds its "
                    "functions."
                )
            return CUSTOM_FAMILIES[saved["name"]].with_link(link)
        return family_class(saved["name"])(**saved["arguments"], link=link)

    @property
    def has_canonical_link(self) -> bool:
        """Whether Fisher scoring is Newton's method."""
        return self.canonical_link is not None and isinstance(self.link, self.canonical_link)

    @property
    def has_constant_weights(self) -> bool:
        """Whether the weights of Fisher scoring do not depend on the mean."""
        return self.stabilizing_link is not None and isinstance(self.link, self.stabilizing_link)

    @property
    def is_linear(self) -> bool:
        """Whether the score is linear in the coefficients: least squares."""
        return False

    @property
    def respond_rows(self) -> RowBlock:
        """Row block: weight, score residual, Pearson residual and deviance."""
        return self.functions.respond_rows

    @property
    def score_rows(self) -> RowBlock:
        """Row block: weight, score residual and Pearson residual."""
        return self.functions.score_rows

    @property
    def start_rows(self) -> RowBlock:
        """Row block: a mean to start from."""
        return self.functions.start_rows

    @property
    def log_density_rows(self) -> RowBlock:
        """Row block: log-likelihood of each row."""
        return self.functions.log_density_rows

    def respond_rows_for(self, binary: bool) -> RowBlock:
        """Choose the quickest `respond_rows` for a response that is (not) 0 or 1 throughout."""
        return self.functions.respond_rows

    @property
    def is_unbounded(self) -> bool:
        """Whether every finite linear predictor gives a mean inside the domain."""
        means = self.link.mean_range
        return means is not None and self.domain.lower <= means[0] and means[1] <= self.domain.upper

    @property
    def predictor_range(self) -> tuple[float, float] | None:
        """Ends of the linear predictors with a mean in the domain; None if they are no interval."""
        if self.is_unbounded:
            return -math.inf, math.inf
        return predictors_inside(self.link, self.domain)

    @property
    def takes_two_levels(self) -> bool:
        """Whether a response may be one of two levels: where responses are from 0 to 1."""
        return (self.domain.lower, self.domain.upper) == (0.0, 1.0) and self.domain.includes_lower

    def check_response(self, y: np.ndarray, weights: np.ndarray | None = None) -> ResponseSummary:
        """Check that every response of positive weight is one the family can have.

        Parameters
        ----------
        y
            (n,) responses of any numeric dtype.
        weights
            (n,) prior or frequency weights; rows of weight 0 are not checked.

        Returns
        -------
        ResponseSummary

        Raises
        ------
        DataError
            Naming the first offending rows and what the family needs.
        """
        return self.domain.check(y, type(self).__name__, weights)

    def _evaluate(self, block: RowBlock, buffers: dict[int, Any], output: int, scale: float) -> Any:
        mu = np.asarray(buffers[MEAN], dtype=np.float64)
        buffers = buffers | {MEAN: mu, COMPLEMENT: 1.0 - mu}
        return evaluate(block, buffers, output, family=self.parameter, dispersion=scale)

    def variance(self, mu: Any) -> Array:
        """Variance function at the mean: the variance of a response is dispersion times it."""
        return self._evaluate(self.functions.variance_rows, {MEAN: mu}, SCRATCH, 1.0)

    def starting_mu(self, y: Any, var_weights: Any = 1.0) -> Array:
        """Mean to start from, of the shape of `y`: R's ``mustart``."""
        buffers = {RESPONSE: y, PRIOR_WEIGHT: var_weights}
        return evaluate(self.start_rows, buffers, MEAN, family=self.parameter)

    def unit_deviance(self, endog: Any, mu: Any) -> Array:
        """Deviance of each response at dispersion 1."""
        return self._evaluate(self.respond_rows, {RESPONSE: endog, MEAN: mu}, DEVIANCE, 1.0)

    def resid_dev(self, endog: Any, mu: Any, var_weights: Any = 1.0, scale: float = 1.0) -> Array:
        """Signed square root of each response's scaled deviance."""
        unit = np.maximum(self.unit_deviance(endog, mu), 0.0)
        return np.sign(np.subtract(endog, mu)) * np.sqrt(unit * var_weights / scale)

    def deviance(
        self,
        endog: Any,
        mu: Any,
        var_weights: Any = 1.0,
        freq_weights: Any = 1.0,
        scale: float = 1.0,
    ) -> float:
        """Sum of the weighted unit deviances, over `scale`."""
        weights = np.asarray(var_weights) * np.asarray(freq_weights)
        return float(np.sum(weights * self.unit_deviance(endog, mu)) / scale)

    def loglike_obs(self, endog: Any, mu: Any, var_weights: Any = 1.0, scale: float = 1.0) -> Array:
        """Log-likelihood of each response at dispersion `scale`; nan for quasi families."""
        buffers = {RESPONSE: endog, MEAN: mu, PRIOR_WEIGHT: var_weights}
        return self._evaluate(self.log_density_rows, buffers, LOG_LIKELIHOOD, scale)

    def loglike(
        self,
        endog: Any,
        mu: Any,
        var_weights: Any = 1.0,
        freq_weights: Any = 1.0,
        scale: float = 1.0,
    ) -> float:
        """Log-likelihood at dispersion `scale`, as R counts it; nan for quasi families."""
        rows = self.loglike_obs(endog, mu, var_weights, scale)
        return float(np.sum(np.asarray(freq_weights) * rows))

    def saturated_log_likelihood(self, binary: bool) -> float | None:
        """That of responses without weights at means that equal them, if no row need be read."""
        return None

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Dispersion at which R's ``logLik`` evaluates the likelihood.

        Parameters
        ----------
        deviance
            Of the fit.
        sum_weights
            Sum of prior weight times frequency over the rows.
        n
            Number of observations: the sum of the frequencies of rows with positive weight.
        scale
            The dispersion of the fit (Pearson), for families whose likelihood is taken there.
        """
        return 1.0

    # -- what the family can do, by its class, never by its name

    @property
    def response_kind(self) -> str:
        """Kind of responses: "real", "counts", "proportion" or "positive"."""
        return self.domain.kind

    @property
    def has_jeffreys_prior(self) -> bool:
        """Whether Firth's adjusted score is that of the likelihood times Jeffreys' prior."""
        return self.dispersion_known and self.has_canonical_link

    def same_kind(self, other: Family) -> bool:
        """Whether another family differs in no more than the numbers that are its parameters."""
        links = self.link, other.link
        return (type(self), self.name) == (type(other), other.name) and (
            links[0].name == links[1].name
        )

    def distribution(self, dispersion: float) -> ResponseDistribution:
        """The distribution of single responses: tails, quantiles, draws.

        Parameters
        ----------
        dispersion : float
            Positive; without meaning where it is known to be 1. A response's own is this over its
            weight; the weight of a binomial response is its number of trials.

        Raises
        ------
        ModelError
            If the family does not say how responses are distributed.
        """
        raise ModelError(
            f"{self!r} does not say how responses are distributed, only their mean and variance."
        )

    def draw(
        self,
        mean: np.ndarray,
        weights: np.ndarray,
        dispersion: float,
        generator: np.random.Generator,
    ) -> np.ndarray:
        """One response of each row, (n,), of these means and positive weights.

        Raises
        ------
        ModelError
            If the family does not say how responses are distributed.
        """
        return self.distribution(dispersion).drawn(mean, weights, generator)

    def anscombe_difference(self, response: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Response less mean, (n,), on the scale that makes responses most nearly normal.

        The integral of V**(-1/3) from the mean to the response. Anscombe (1953), *Journal of the
        Royal Statistical Society B* 15, discussion.
        """
        if self.anscombe_integral is None:
            return anscombe_difference(self.variance, response, mean)
        return self.anscombe_integral(response) - self.anscombe_integral(mean)

    def relative_variance(self, mean: np.ndarray) -> np.ndarray:
        """Variance function over mean."""
        return self.variance(mean) / mean

    def scaled_lack_of_fit(self, deviance: np.ndarray, nobs: float, scale: float) -> np.ndarray:
        """Twice the log-likelihood ratio to a saturated model, as far as R's tables count it."""
        return deviance / scale

    def bias_reduced_dispersion(self, found: DispersionEvidence) -> float:
        """Dispersion beside bias-reduced coefficients: 1 where it is known, else Pearson's."""
        return 1.0 if self.dispersion_known else found.pearson / found.df_resid

    def response_dispersion(self, scale: float) -> float:
        """Dispersion of the distribution of responses, (0, inf), given the `scale` of the fit."""
        return scale
