"""Members on counts of successes: Bernoulli and binomial, which differ in the number of trials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.counts import category_log_mass, count_entropy, whole
from fastglm.expfam.special import poisson_divergence

if TYPE_CHECKING:
    from typing_extensions import Self


class _Successes(ExponentialFamily):
    """Counts of successes in independent trials, by the log odds η of a success."""

    natural_domain_symbols = "η real"
    response_names = ("Binomial", "Logit")
    p: Array

    @property
    def _trials(self) -> Array:
        raise NotImplementedError

    @property
    def _odds(self) -> Array:
        return self.natural_parameter[..., 0]

    def _mean_parameter(self) -> Array:
        return (self._trials * special.expit(self._odds))[..., None]

    def _fisher_information(self) -> Array:
        variance = self._trials * special.expit(self._odds) * special.expit(-self._odds)
        return variance[..., None, None]

    def _log_partition(self) -> Array:
        return self._trials * np.logaddexp(0.0, self._odds)

    def _statistic(self, y: Array) -> Array:
        return y[..., None]

    def _divergence(self, other: _Successes) -> Array:
        return self._trials * _coin_divergence(self._odds, other._odds)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"p": special.expit(eta[..., 0])}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return np.isfinite(eta[..., 0])

    @classmethod
    def _variance(cls, mu: Array, **fixed: Array) -> Array:
        return mu * (1 - mu)


def _coin_divergence(odds: Array, other: Array) -> Array:
    """Return the divergence between Bernoulli members with these log odds."""
    success = poisson_divergence(
        special.expit(odds), special.expit(other), -np.logaddexp(0.0, -other)
    )
    failure = poisson_divergence(
        special.expit(-odds), special.expit(-other), -np.logaddexp(0.0, other)
    )
    return success + failure


def _coin_log_mass(successes: Array, failures: Array, odds: Array) -> Array:
    """Return the binomial log mass of real counts at these log odds."""
    counts = np.stack(np.broadcast_arrays(successes, failures), axis=-1)
    odds = np.stack([odds, -odds], axis=-1)
    return category_log_mass(counts, special.expit(odds), -np.logaddexp(0.0, -odds))


class Bernoulli(_Successes):
    """Bernoulli distribution.

    Parameters
    ----------
    p : array_like
        P(y = 1), strictly between 0 and 1.
    """

    parameter_names = ("p",)
    support_symbols = "y in {0, 1}"
    mean_domain_symbols = "0 < E[y] < 1"
    symbols = Symbols("y", "-log(1 - p)", "1", "log(p/(1 - p))", "p = 1/(1 + exp(-η))")
    plot_examples = ({"p": 0.25}, {"p": 0.5}, {"p": 0.9})
    _support = Support("y in {0, 1}", lambda y: (y == 0) | (y == 1), np.array(0.0))

    def __init__(self, p: Any) -> None:
        p = checks.probability(p, "p")
        self._hold(special.logit(p)[..., None], p=p)

    @property
    def _trials(self) -> Array:
        return np.ones(self.batch_shape)

    def _entropy(self) -> Array:
        odds = self._odds
        success = special.expit(odds) * np.logaddexp(0.0, -odds)
        return success + special.expit(-odds) * np.logaddexp(0.0, odds)

    def _log_base_measure(self, y: Array) -> Array:
        return np.zeros(y.shape)

    def _log_density(self, y: Array) -> Array:
        return -np.logaddexp(0.0, np.where(y == 1, -self._odds, self._odds))

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.binomial(1, self.p, shape)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return (mean[..., 0] > 0) & (mean[..., 0] < 1)

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(mean[..., 0])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(0.5)


class Binomial(_Successes):
    """Binomial distribution with a known number of trials.

    As the response of a generalized linear model it is the proportion y / n, with n as weight.

    Parameters
    ----------
    n : array_like
        Trials, whole and at least 1; known: `fit` and `from_natural_parameter` take it by name.
    p : array_like
        Probability of a success, strictly between 0 and 1.
    """

    parameter_names = ("n", "p")
    fixed_names = ("n",)
    support_symbols = "y in {0, ..., n}"
    mean_domain_symbols = "0 < E[y] < n"
    symbols = Symbols(
        "y",
        "-n log(1 - p)",
        "exp(log Γ(n + 1) - log Γ(y + 1) - log Γ(n - y + 1))",
        "log(p/(1 - p))",
        "p = 1/(1 + exp(-η))",
    )
    plot_examples = ({"n": 10, "p": 0.25}, {"n": 10, "p": 0.5}, {"n": 10, "p": 0.9})
    n: Array

    def __init__(self, n: Any, p: Any) -> None:
        n, p = checks.broadcast(n=checks.trial_count(n, "n"), p=checks.probability(p, "p"))
        self._hold(special.logit(p)[..., None], n=n, p=p)

    def _support_set(self) -> Support:
        return Support(self.support_symbols, lambda y: whole(y, 0.0, self.n), np.array(0.0))

    @property
    def _trials(self) -> Array:
        return np.asarray(self.n)

    def _entropy(self) -> Array:
        sd = np.sqrt(self.fisher_information[..., 0, 0])
        return count_entropy(self, self.mean_parameter[..., 0], sd, self.n)

    def _log_base_measure(self, y: Array) -> Array:
        rest = special.gammaln(y + 1) + special.gammaln(self.n - y + 1)
        return special.gammaln(self.n + 1) - rest

    def _log_density(self, y: Array) -> Array:
        return _coin_log_mass(y, self.n - y, self._odds)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.binomial(np.asarray(self.n).astype(np.int64), self.p, shape)

    @classmethod
    def _check_fixed(cls, **fixed: Any) -> dict[str, Array]:
        return {"n": checks.trial_count(fixed["n"], "n")}

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return (mean[..., 0] > 0) & (mean[..., 0] < fixed["n"])

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(fixed["n"], mean[..., 0] / fixed["n"])

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(fixed["n"], 0.5)
