"""Members on the positive half-line: exponential, gamma, chi-squared and inverse Gaussian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.special import (
    gamma_excess,
    gamma_excess_divergence,
    gamma_excess_slope,
    inverse_digamma_start,
    log_excess,
    log_gamma_divergence,
    poisson_divergence,
    product_excess,
    scaled_exponential_integral,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_NON_NEGATIVE = Support("y ≥ 0", lambda y: (y >= 0) & np.isfinite(y), np.array(1.0))
_POSITIVE = Support("y > 0", lambda y: (y > 0) & np.isfinite(y), np.array(1.0))


class Exponential(ExponentialFamily):
    """Exponential distribution.

    Parameters
    ----------
    rate : array_like
        1 / E[y], above 0.
    """

    parameter_names = ("rate",)
    support_symbols = "y ≥ 0"
    natural_domain_symbols = "η < 0"
    mean_domain_symbols = "E[y] > 0"
    symbols = Symbols("y", "-log(rate)", "1", "-rate", "rate = -η")
    response_names = ("Gamma", "InversePower")
    plot_examples = ({"rate": 0.5}, {"rate": 1.0}, {"rate": 2.0})
    rate: Array

    def __init__(self, rate: Any) -> None:
        rate = checks.positive(rate, "rate")
        self._hold(-rate[..., None], rate=rate)

    _support = _NON_NEGATIVE

    def _mean_parameter(self) -> Array:
        return np.asarray(1 / self.rate)[..., None]

    def _fisher_information(self) -> Array:
        return np.asarray(1 / self.rate**2)[..., None, None]

    def _log_partition(self) -> Array:
        return -np.log(self.rate)

    def _entropy(self) -> Array:
        return 1 - np.log(self.rate)

    def _statistic(self, y: Array) -> Array:
        return y[..., None]

    def _log_base_measure(self, y: Array) -> Array:
        return np.zeros(y.shape)

    def _log_density(self, y: Array) -> Array:
        return np.log(self.rate) - self.rate * y

    def _divergence(self, other: Exponential) -> Array:
        return poisson_divergence(self.rate, other.rate) / self.rate

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.exponential(1 / self.rate, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"rate": -eta[..., 0]}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return eta[..., 0] < 0

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return mean[..., 0] > 0

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(1 / mean[..., 0])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu**2


def _gamma_log_density(y: Array, shape: Array, rate: Array) -> Array:
    scaled = poisson_divergence(shape, rate * y, np.log(rate) + np.log(y))
    return -np.log(y) - gamma_excess(shape) - scaled


class Gamma(ExponentialFamily):
    """Gamma distribution.

    Parameters
    ----------
    shape : array_like
        E[y]² / Var[y], above 0.
    rate : array_like
        E[y] / Var[y], above 0; 1 over scipy's scale.
    """

    parameter_names = ("shape", "rate")
    support_symbols = "y > 0"
    natural_domain_symbols = "η₁ > 0, η₂ < 0"
    mean_domain_symbols = "E[log y] < log E[y]"
    symbols = Symbols(
        "(log(y), y)",
        "log Γ(shape) - shape log(rate)",
        "1/y",
        "(shape, -rate)",
        "shape = η₁, rate = -η₂",
    )
    response_names = ("Gamma", "InversePower")
    plot_examples = (
        {"shape": 1.0, "rate": 1.0},
        {"shape": 3.0, "rate": 1.0},
        {"shape": 9.0, "rate": 2.0},
    )
    shape: Array
    rate: Array

    def __init__(self, shape: Any, rate: Any) -> None:
        shape, rate = checks.broadcast(
            shape=checks.positive(shape, "shape"), rate=checks.positive(rate, "rate")
        )
        self._hold(np.stack([shape, -rate], axis=-1), shape=shape, rate=rate)

    _support = _POSITIVE

    def _mean_parameter(self) -> Array:
        log_mean = special.digamma(self.shape) - np.log(self.rate)
        return np.stack([log_mean, self.shape / self.rate], axis=-1)

    def _fisher_information(self) -> Array:
        cross = 1 / self.rate
        first = special.polygamma(1, self.shape)
        rows = [np.stack([first, cross], -1), np.stack([cross, self.shape * cross**2], -1)]
        return np.stack(rows, axis=-2)

    def _log_partition(self) -> Array:
        return special.gammaln(self.shape) - self.shape * np.log(self.rate)

    def _entropy(self) -> Array:
        slope = gamma_excess_slope(self.shape)
        scale = np.log(self.shape) - np.log(self.rate)
        return scale + gamma_excess(self.shape) + (1 - self.shape) * slope

    def _statistic(self, y: Array) -> Array:
        return np.stack([np.log(y), y], axis=-1)

    def _log_base_measure(self, y: Array) -> Array:
        return -np.log(y)

    def _log_density(self, y: Array) -> Array:
        return _gamma_log_density(y, self.shape, self.rate)

    def _divergence(self, other: Gamma) -> Array:
        # Means apart, then shapes apart at equal means: both parts are non-negative.
        shapes = (self.shape - other.shape) / other.shape
        rates = (other.rate - self.rate) / self.rate
        ratio = (self.shape / other.shape) * (other.rate / self.rate)
        means = log_excess(product_excess(shapes, rates, ratio), ratio)
        return other.shape * means + gamma_excess_divergence(other.shape, self.shape)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.gamma(self.shape, 1 / self.rate, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"shape": eta[..., 0], "rate": -eta[..., 1]}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return (eta[..., 0] > 0) & (eta[..., 1] < 0)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        positive = mean[..., 1] > 0
        return positive & (mean[..., 0] < np.log(np.where(positive, mean[..., 1], 1.0)))

    @classmethod
    def _start(cls, mean: Array, **fixed: Array) -> Array:
        # Minka (2002), "Estimating a Gamma distribution", equation 9 as Choi & Wette (1969).
        gap = np.log(mean[..., 1]) - mean[..., 0]
        shape = (3 - gap + np.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
        return np.stack([shape, -shape / mean[..., 1]], axis=-1)

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0, 1.0)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu**2


class ChiSquared(ExponentialFamily):
    """Chi-squared distribution.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, above 0, whole or not.
    """

    parameter_names = ("df",)
    support_symbols = "y > 0"
    natural_domain_symbols = "η > 0"
    mean_domain_symbols = "E[log y] real"
    symbols = Symbols("log(y)", "log Γ(df/2) + (df/2) log(2)", "exp(-y/2)/y", "df/2", "df = 2 η")
    plot_examples = ({"df": 2.0}, {"df": 4.0}, {"df": 9.0})
    df: Array

    def __init__(self, df: Any) -> None:
        df = checks.positive(df, "df")
        self._hold(df[..., None] / 2, df=df)

    _support = _POSITIVE

    def _mean_parameter(self) -> Array:
        return special.digamma(self.natural_parameter) + np.log(2)

    def _fisher_information(self) -> Array:
        return special.polygamma(1, self.natural_parameter)[..., None]

    def _log_partition(self) -> Array:
        shape = self.natural_parameter[..., 0]
        return special.gammaln(shape) + shape * np.log(2)

    def _entropy(self) -> Array:
        return Gamma(self.df / 2, 0.5).entropy()

    def _statistic(self, y: Array) -> Array:
        return np.log(y)[..., None]

    def _log_base_measure(self, y: Array) -> Array:
        return -y / 2 - np.log(y)

    def _log_density(self, y: Array) -> Array:
        return _gamma_log_density(y, self.natural_parameter[..., 0], np.array(0.5))

    def _divergence(self, other: ChiSquared) -> Array:
        return log_gamma_divergence(other.df / 2, self.df / 2)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.chisquare(self.df, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"df": 2 * eta[..., 0]}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return eta[..., 0] > 0

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return np.isfinite(mean[..., 0])

    @classmethod
    def _start(cls, mean: Array, **fixed: Array) -> Array:
        return inverse_digamma_start(mean - np.log(2))

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0)


class InverseGaussian(ExponentialFamily):
    """Inverse Gaussian distribution.

    Parameters
    ----------
    mean : array_like
        E[y] > 0.
    shape : array_like
        The textbook's λ = E[y]³ / Var[y] > 0.
    """

    parameter_names = ("mean", "shape")
    support_symbols = "y > 0"
    natural_domain_symbols = "η₁ < 0, η₂ < 0"
    mean_domain_symbols = "E[y] > 0, E[1/y] > 1/E[y]"
    symbols = Symbols(
        "(y, 1/y)",
        "-shape/mean - log(shape)/2",
        "1/√(2π y^3)",
        "(-shape/(2 mean^2), -shape/2)",
        "mean = √(η₂/η₁), shape = -2 η₂",
    )
    response_names = ("InverseGaussian", "InverseSquared")
    plot_examples = (
        {"mean": 1.0, "shape": 0.5},
        {"mean": 1.0, "shape": 3.0},
        {"mean": 2.0, "shape": 8.0},
    )
    mean: Array
    shape: Array

    def __init__(self, mean: Any, shape: Any) -> None:
        mean, shape = checks.broadcast(
            mean=checks.positive(mean, "mean"), shape=checks.positive(shape, "shape")
        )
        eta = np.stack([-0.5 * shape / mean / mean, -0.5 * shape], axis=-1)
        self._hold(eta, mean=mean, shape=shape)

    _support = _POSITIVE

    def _mean_parameter(self) -> Array:
        return np.stack([self.mean, 1 / self.mean + 1 / self.shape], axis=-1)

    def _fisher_information(self) -> Array:
        cross = -self.mean / self.shape
        last = (1 / self.mean + 2 / self.shape) / self.shape
        rows = [np.stack([-cross * self.mean**2, cross], -1), np.stack([cross, last], -1)]
        return np.stack(rows, axis=-2)

    def _log_partition(self) -> Array:
        return -self.shape / self.mean - 0.5 * np.log(self.shape)

    def _entropy(self) -> Array:
        log_ratio = -scaled_exponential_integral(2 * self.shape / self.mean)  # E[log(y/mean)]
        spread = 3 * np.log(self.mean) - np.log(self.shape)
        return 0.5 * (np.log(2 * np.pi) + 1 + spread + 3 * log_ratio)

    def _statistic(self, y: Array) -> Array:
        return np.stack([y, 1 / y], axis=-1)

    def _log_base_measure(self, y: Array) -> Array:
        return -0.5 * np.log(2 * np.pi) - 1.5 * np.log(y)

    def _log_density(self, y: Array) -> Array:
        distance = (y - self.mean) / self.mean
        return (
            0.5 * np.log(self.shape / (2 * np.pi))
            - 1.5 * np.log(y)
            - (0.5 * self.shape * (distance * (distance / y)))
        )

    def _divergence(self, other: InverseGaussian) -> Array:
        distance = (self.mean - other.mean) / other.mean
        shapes = poisson_divergence(self.shape, other.shape) / self.shape
        return 0.5 * (shapes + other.shape * distance**2 / self.mean)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.wald(self.mean, self.shape, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"mean": np.sqrt(eta[..., 1] / eta[..., 0]), "shape": -2 * eta[..., 1]}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return (eta[..., 0] < 0) & (eta[..., 1] < 0)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        positive = mean[..., 0] > 0
        return positive & (mean[..., 1] > 1 / np.where(positive, mean[..., 0], 1.0))

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(mean[..., 0], 1 / (mean[..., 1] - 1 / mean[..., 0]))

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0, 1.0)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu**3
