"""Members on the unbounded counts: Poisson, geometric and negative binomial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.counts import category_log_mass, count_entropy, whole
from fastglm.expfam.special import log_factorial_gap, log_one_minus_exp, poisson_divergence

if TYPE_CHECKING:
    from typing_extensions import Self


class Poisson(ExponentialFamily):
    """Poisson distribution.

    Parameters
    ----------
    mean : array_like
        E[y] > 0.
    """

    parameter_names = ("mean",)
    support_symbols = "y in {0, 1, 2, ...}"
    natural_domain_symbols = "η real"
    mean_domain_symbols = "E[y] > 0"
    symbols = Symbols("y", "mean", "exp(-log Γ(y + 1))", "log(mean)", "mean = exp(η)")
    response_names = ("Poisson", "Log")
    plot_examples = ({"mean": 1.0}, {"mean": 4.0}, {"mean": 10.0})
    _support = Support(support_symbols, whole, np.array(0.0))
    mean: Array

    def __init__(self, mean: Any) -> None:
        mean = checks.positive(mean, "mean")
        self._hold(np.log(mean)[..., None], mean=mean)

    def _mean_parameter(self) -> Array:
        return np.asarray(self.mean)[..., None]

    def _fisher_information(self) -> Array:
        return np.asarray(self.mean)[..., None, None]

    def _log_partition(self) -> Array:
        return self.mean

    def _entropy(self) -> Array:
        return count_entropy(self, self.mean, np.sqrt(self.mean), np.inf)

    def _statistic(self, y: Array) -> Array:
        return y[..., None]

    def _log_base_measure(self, y: Array) -> Array:
        return -special.gammaln(y + 1)

    def _log_density(self, y: Array) -> Array:
        log_mean = self.natural_parameter[..., 0]
        return log_factorial_gap(y) - poisson_divergence(y, self.mean, log_mean)

    def _divergence(self, other: Poisson) -> Array:
        return poisson_divergence(self.mean, other.mean, other.natural_parameter[..., 0])

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.poisson(self.mean, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"mean": np.exp(eta[..., 0])}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return np.isfinite(eta[..., 0])

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return mean[..., 0] > 0

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(mean[..., 0])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0)

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu


class _Failures(ExponentialFamily):
    """Failures before the size-th success, by the log probability η of a failure."""

    natural_domain_symbols = "η < 0"
    p: Array

    @property
    def _successes(self) -> Array:
        raise NotImplementedError

    @property
    def _failure_mean(self) -> Array:
        # (1 - p) / p = 1 / (exp(-η) - 1).
        return self._successes / np.expm1(-self.natural_parameter[..., 0])

    def _fisher_information(self) -> Array:
        variance = self._failure_mean / -np.expm1(self.natural_parameter[..., 0])
        return variance[..., None, None]

    def _statistic(self, y: Array) -> Array:
        return y[..., None]

    def _divergence(self, other: _Failures) -> Array:
        eta, end = self.natural_parameter[..., 0], other.natural_parameter[..., 0]
        success = poisson_divergence(-np.expm1(eta), -np.expm1(end))
        failure = poisson_divergence(np.exp(eta), np.exp(end), end)
        return self._successes / -np.expm1(eta) * (success + failure)

    def _failure_log_mass(self, y: Array) -> Array:
        eta, size = self.natural_parameter[..., 0], self._successes
        counts = np.stack(np.broadcast_arrays(y, size), axis=-1)
        log_p = np.stack([eta, log_one_minus_exp(eta)], axis=-1)
        p = np.stack([np.exp(eta), -np.expm1(eta)], axis=-1)
        return category_log_mass(counts, p, log_p) - np.log1p(y / size)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"p": -np.expm1(eta[..., 0])}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return eta[..., 0] < 0


class Geometric(_Failures):
    """Geometric distribution: trials up to and including the first success, as scipy's.

    Parameters
    ----------
    p : array_like
        Probability of a success, strictly between 0 and 1.
    """

    parameter_names = ("p",)
    support_symbols = "y in {1, 2, 3, ...}"
    mean_domain_symbols = "E[y] > 1"
    symbols = Symbols("y", "log((1 - p)/p)", "1", "log(1 - p)", "p = 1 - exp(η)")
    plot_examples = ({"p": 0.2}, {"p": 0.5}, {"p": 0.8})
    _support = Support(support_symbols, lambda y: whole(y, 1.0), np.array(1.0))

    def __init__(self, p: Any) -> None:
        p = checks.probability(p, "p")
        self._hold(np.log1p(-p)[..., None], p=p)

    @property
    def _successes(self) -> Array:
        return np.ones(self.batch_shape)

    def _mean_parameter(self) -> Array:
        return -1 / np.expm1(self.natural_parameter)

    def _log_partition(self) -> Array:
        return self.natural_parameter[..., 0] - log_one_minus_exp(self.natural_parameter[..., 0])

    def _entropy(self) -> Array:
        eta = self.natural_parameter[..., 0]
        return -log_one_minus_exp(eta) - eta * self._failure_mean

    def _log_base_measure(self, y: Array) -> Array:
        return np.zeros(y.shape)

    def _log_density(self, y: Array) -> Array:
        eta = self.natural_parameter[..., 0]
        return (y - 1) * eta + log_one_minus_exp(eta)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.geometric(self.p, shape)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return mean[..., 0] > 1

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(1 / mean[..., 0])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(0.5)


class NegativeBinomial(_Failures):
    """Negative binomial distribution with a known size: failures before the size-th success.

    As the response of a generalized linear model its alpha is 1 / size.

    Parameters
    ----------
    size : array_like
        Successes waited for, above 0, whole or not (scipy's n); known: `fit` and
        `from_natural_parameter` take it by name.
    p : array_like
        Probability of a success, strictly between 0 and 1.
    """

    parameter_names = ("size", "p")
    fixed_names = ("size",)
    support_symbols = "y in {0, 1, 2, ...}"
    mean_domain_symbols = "E[y] > 0"
    symbols = Symbols(
        "y",
        "-size log(p)",
        "exp(log Γ(y + size) - log Γ(size) - log Γ(y + 1))",
        "log(1 - p)",
        "p = 1 - exp(η)",
    )
    response_names = ("NegativeBinomial", "NegativeBinomial")
    plot_examples = ({"size": 3, "p": 0.25}, {"size": 3, "p": 0.5}, {"size": 3, "p": 0.75})
    _support = Support(support_symbols, whole, np.array(0.0))
    size: Array

    def __init__(self, size: Any, p: Any) -> None:
        size, p = checks.broadcast(size=checks.positive(size, "size"), p=checks.probability(p, "p"))
        self._hold(np.log1p(-p)[..., None], size=size, p=p)

    @property
    def _successes(self) -> Array:
        return np.asarray(self.size)

    def _mean_parameter(self) -> Array:
        return self._failure_mean[..., None]

    def _log_partition(self) -> Array:
        return -self.size * log_one_minus_exp(self.natural_parameter[..., 0])

    def _entropy(self) -> Array:
        sd = np.sqrt(self.fisher_information[..., 0, 0])
        return count_entropy(self, self._failure_mean, sd, np.inf)

    def _log_base_measure(self, y: Array) -> Array:
        rest = special.gammaln(self.size) + special.gammaln(y + 1)
        return special.gammaln(y + self.size) - rest

    def _log_density(self, y: Array) -> Array:
        return self._failure_log_mass(y)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.negative_binomial(self.size, self.p, shape)

    @classmethod
    def _check_fixed(cls, **fixed: Any) -> dict[str, Array]:
        return {"size": checks.positive(fixed["size"], "size")}

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return mean[..., 0] > 0

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        eta = -np.log1p(fixed["size"] / mean[..., 0])
        return cls._member(eta[..., None], fixed)

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(fixed["size"], 0.5)

    @classmethod
    def _response_options(cls, **fixed: Any) -> dict[str, Any]:
        return {"alpha": 1 / cls._known(fixed)["size"][()]}

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu * (1 + mu / fixed["size"])
