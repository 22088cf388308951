"""Members on the whole real line: the normal distribution, with the variance unknown or known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.special import poisson_divergence

if TYPE_CHECKING:
    from typing_extensions import Self

_LOG_TWO_PI = np.log(2 * np.pi)
_REAL_LINE = Support("y real", np.isfinite, np.array(0.0))


def _log_density(y: Array, mean: Array, variance: Array) -> Array:
    return -0.5 * ((y - mean) ** 2 / variance + np.log(variance) + _LOG_TWO_PI)


class Normal(ExponentialFamily):
    """Normal distribution with unknown mean and variance.

    Parameters
    ----------
    mean : array_like
        E[y].
    variance : array_like
        Var[y] > 0 (not the standard deviation).
    """

    parameter_names = ("mean", "variance")
    support_symbols = "y real"
    natural_domain_symbols = "η₂ < 0"
    mean_domain_symbols = "E[y^2] > E[y]^2"
    symbols = Symbols(
        "(y, y^2)",
        "mean^2/(2 variance) + log(variance)/2",
        "1/√(2π)",
        "(mean/variance, -1/(2 variance))",
        "mean = -η₁/(2 η₂), variance = -1/(2 η₂)",
    )
    response_names = ("Gaussian", "Identity")
    plot_examples = (
        {"mean": 0.0, "variance": 1.0},
        {"mean": 0.0, "variance": 4.0},
        {"mean": 3.0, "variance": 0.5},
    )
    mean: Array
    variance: Array

    def __init__(self, mean: Any, variance: Any) -> None:
        mean, variance = checks.broadcast(
            mean=checks.real(mean, "mean"), variance=checks.positive(variance, "variance")
        )
        eta = np.stack([mean / variance, -0.5 / variance], axis=-1)
        self._hold(eta, mean=mean, variance=variance)

    _support = _REAL_LINE

    def _mean_parameter(self) -> Array:
        return np.stack([self.mean, self.mean**2 + self.variance], axis=-1)

    def _fisher_information(self) -> Array:
        cross = 2 * self.mean * self.variance
        last = 2 * self.variance * (2 * self.mean**2 + self.variance)
        rows = [np.stack([self.variance, cross], -1), np.stack([cross, last], -1)]
        return np.stack(rows, axis=-2)

    def _log_partition(self) -> Array:
        return 0.5 * (self.mean**2 / self.variance + np.log(self.variance))

    def _entropy(self) -> Array:
        return 0.5 * (_LOG_TWO_PI + 1 + np.log(self.variance))

    def _statistic(self, y: Array) -> Array:
        return np.stack([y, y * y], axis=-1)

    def _log_base_measure(self, y: Array) -> Array:
        return np.full(y.shape, -0.5 * _LOG_TWO_PI)

    def _log_density(self, y: Array) -> Array:
        return _log_density(y, self.mean, self.variance)

    def _divergence(self, other: Normal) -> Array:
        shift = (self.mean - other.mean) ** 2
        spread = poisson_divergence(other.variance, self.variance)
        return 0.5 * (shift + spread) / other.variance

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(self.mean, np.sqrt(self.variance), shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        variance = -0.5 / eta[..., 1]
        return {"mean": eta[..., 0] * variance, "variance": variance}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return eta[..., 1] < 0

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return mean[..., 1] > mean[..., 0] ** 2

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(mean[..., 0], mean[..., 1] - mean[..., 0] ** 2)

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(0.0, 1.0)

    @classmethod
    def _fitted(cls, statistic: Array, weights: Array, prior: Any, fixed: dict[str, Any]) -> Self:
        # About the sample mean: E[y²] - E[y]² has no digits left when the mean is far from 0.
        y, total = statistic[..., 0], weights.sum(0)
        center = y[0] + (weights * (y - y[0])).sum(0) / total
        spread = (weights * (y - center) ** 2).sum(0)
        if prior is not None:
            strength = checks.positive(prior.strength, "prior.strength")
            anchor = checks.real(prior.mean_parameter, "prior.mean_parameter")
            shift = anchor[..., 0] - center
            # Moments about the sample mean of the prior's pseudo-observations.
            second = anchor[..., 1] - anchor[..., 0] ** 2 + shift**2
            moved = strength * shift / (total + strength)
            spread = spread + strength * second - (total + strength) * moved**2
            center, total = center + moved, total + strength
        message = f"{cls.__name__}: the fitted variance must be positive (fit needs a prior)"
        checks.demand(spread > 0, spread, message)
        return cls(center, spread / total)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return np.ones(mu.shape)


class NormalKnownVariance(ExponentialFamily):
    """Normal distribution with unknown mean and known variance.

    Parameters
    ----------
    mean : array_like
        E[y].
    variance : array_like
        Var[y] > 0, known: `fit` and `from_natural_parameter` take it by name.
    """

    parameter_names = ("mean", "variance")
    fixed_names = ("variance",)
    support_symbols = "y real"
    natural_domain_symbols = "η real"
    mean_domain_symbols = "E[y] real"
    symbols = Symbols(
        "y",
        "mean^2/(2 variance)",
        "exp(-y^2/(2 variance))/√(2π variance)",
        "mean/variance",
        "mean = variance η",
    )
    response_names = ("Gaussian", "Identity")
    plot_examples = (
        {"mean": -2.0, "variance": 1.0},
        {"mean": 0.0, "variance": 1.0},
        {"mean": 3.0, "variance": 1.0},
    )
    mean: Array
    variance: Array

    def __init__(self, mean: Any, variance: Any) -> None:
        mean, variance = checks.broadcast(
            mean=checks.real(mean, "mean"), variance=checks.positive(variance, "variance")
        )
        self._hold((mean / variance)[..., None], mean=mean, variance=variance)

    _support = _REAL_LINE

    def _mean_parameter(self) -> Array:
        return np.asarray(self.mean)[..., None]

    def _fisher_information(self) -> Array:
        return np.asarray(self.variance)[..., None, None]

    def _log_partition(self) -> Array:
        return 0.5 * self.mean**2 / self.variance

    def _entropy(self) -> Array:
        return 0.5 * (_LOG_TWO_PI + 1 + np.log(self.variance))

    def _statistic(self, y: Array) -> Array:
        return y[..., None]

    def _log_base_measure(self, y: Array) -> Array:
        return _log_density(y, np.array(0.0), self.variance)

    def _log_density(self, y: Array) -> Array:
        return _log_density(y, self.mean, self.variance)

    def _divergence(self, other: NormalKnownVariance) -> Array:
        return 0.5 * (self.mean - other.mean) ** 2 / self.variance

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(self.mean, np.sqrt(self.variance), shape)

    @classmethod
    def _check_fixed(cls, **fixed: Any) -> dict[str, Array]:
        return {"variance": checks.positive(fixed["variance"], "variance")}

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"mean": eta[..., 0] * fixed["variance"]}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return np.isfinite(eta[..., 0])

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return np.isfinite(mean[..., 0])

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(mean[..., 0], fixed["variance"])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(0.0, fixed["variance"])

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return np.ones(mu.shape)
