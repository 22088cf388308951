"""Members on categories: categorical and multinomial, which differ in the number of draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.counts import category_log_mass, count_sum
from fastglm.expfam.special import log_factorial_gap, poisson_divergence
from fastglm.expfam.trials import Binomial

if TYPE_CHECKING:
    from typing_extensions import Self


def _log_probabilities(eta: Array) -> Array:
    """Return the k log probabilities from the k - 1 log odds against the last category."""
    log_odds = np.concatenate([eta, np.zeros((*eta.shape[:-1], 1))], axis=-1)
    top = log_odds.argmax(-1)[..., None]
    log_odds = log_odds - np.take_along_axis(log_odds, top, axis=-1)
    # The others' share, not the total: the log of a probability near 1 keeps its digits.
    share = np.exp(log_odds)
    np.put_along_axis(share, top, 0.0, axis=-1)
    return log_odds - np.log1p(share.sum(-1, keepdims=True))


class _Draws(ExponentialFamily):
    """Draws from k categories, by the log odds η of the first k - 1 against the last."""

    natural_domain_symbols = "η real"
    p: Array

    @property
    def _trials(self) -> Array:
        raise NotImplementedError

    @property
    def _log_p(self) -> Array:
        return _log_probabilities(self.natural_parameter)

    def _mean_parameter(self) -> Array:
        return self._trials[..., None] * np.exp(self._log_p[..., :-1])

    def _fisher_information(self) -> Array:
        log_p = self._log_p[..., :-1]
        p = np.exp(log_p)
        # The diagonal p (1 - p) from the other categories keeps its digits as p nears 1.
        identity = np.eye(p.shape[-1])
        outer = -p[..., :, None] * p[..., None, :]
        diagonal = (p * -np.expm1(log_p))[..., None] * identity
        return self._trials[..., None, None] * (outer * (1 - identity) + diagonal)

    def _log_partition(self) -> Array:
        return -self._trials * self._log_p[..., -1]

    def _divergence(self, other: _Draws) -> Array:
        log_p, log_q = self._log_p, other._log_p
        return self._trials * poisson_divergence(np.exp(log_p), np.exp(log_q), log_q).sum(-1)

    @classmethod
    def _check_size(cls, size: int) -> None:
        """Accept any number of categories."""

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"p": np.exp(_log_probabilities(eta))}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return np.asarray(np.isfinite(eta).all(-1))


class Categorical(_Draws):
    """Categorical distribution of one draw from k categories, coded 0 to k - 1.

    `fit` takes as many categories as the largest code in the sample asks for.

    Parameters
    ----------
    p : array_like, shape (…, k)
        Probabilities, above 0 and summing to 1, k of at least 2.
    """

    parameter_names = ("p",)
    support_symbols = "y in {0, ..., k - 1}"
    mean_domain_symbols = "E[T] > 0, sum(E[T]) < 1"
    symbols = Symbols(
        "([y = 0], ..., [y = k - 2])",
        "-log(p_k)",
        "1",
        "log(p_i/p_k), i < k",
        "p_i = exp(η_i)/(1 + sum(exp(η)))",
    )
    plot_examples = ({"p": [0.25, 0.5, 0.25]}, {"p": [0.6, 0.3, 0.1]}, {"p": [0.1, 0.2, 0.7]})

    def __init__(self, p: Any) -> None:
        p = checks.probabilities(p, "p")
        log_p = np.log(p)
        self._hold(log_p[..., :-1] - log_p[..., -1:], p=p)

    def _support_set(self) -> Support:
        k = self.natural_parameter.shape[-1] + 1

        def contains(y: Array) -> Array:
            return (y >= 0) & (y < k) & (y == np.floor(y))

        return Support(f"y in {{0, ..., {k - 1}}}", contains, np.array(0.0))

    @property
    def _trials(self) -> Array:
        return np.ones(self.batch_shape)

    def _entropy(self) -> Array:
        log_p = self._log_p
        return -(np.exp(log_p) * log_p).sum(-1)

    def _statistic(self, y: Array) -> Array:
        return (y[..., None] == np.arange(self.natural_parameter.shape[-1])).astype(float)

    def _log_base_measure(self, y: Array) -> Array:
        return np.zeros(y.shape)

    def _log_density(self, y: Array) -> Array:
        chosen = y[..., None] == np.arange(self.natural_parameter.shape[-1] + 1)
        return np.where(chosen, self._log_p, 0.0).sum(-1)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        below = np.cumsum(self.p, axis=-1)[..., :-1]
        return (rng.random(shape)[..., None] >= below).sum(-1)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return (mean > 0).all(-1) & (mean.sum(-1) < 1)

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        return cls(np.concatenate([mean, 1 - mean.sum(-1, keepdims=True)], axis=-1))

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        k = max(2, int(sample.max(initial=0.0)) + 1)
        return cls(np.full(k, 1 / k))


class Multinomial(_Draws):
    """Multinomial distribution with a known number of draws from k categories.

    Parameters
    ----------
    n : array_like
        Draws, whole and at least 1; known: `fit` and `from_natural_parameter` take it by name.
    p : array_like, shape (…, k)
        Probabilities, above 0 and summing to 1, k of at least 2.
    """

    parameter_names = ("n", "p")
    fixed_names = ("n",)
    support_symbols = "y whole, y ≥ 0, sum(y) = n"
    mean_domain_symbols = "E[T] > 0, sum(E[T]) < n"
    symbols = Symbols(
        "(y_1, ..., y_(k-1))",
        "-n log(p_k)",
        "n!/prod(y!)",
        "log(p_i/p_k), i < k",
        "p_i = exp(η_i)/(1 + sum(exp(η)))",
    )
    plot_examples = (
        {"n": 10, "p": [0.2, 0.4, 0.4]},
        {"n": 10, "p": [0.5, 0.25, 0.25]},
        {"n": 10, "p": [0.8, 0.1, 0.1]},
    )
    n: Array

    def __init__(self, n: Any, p: Any) -> None:
        p, n = checks.probabilities(p, "p"), checks.trial_count(n, "n")
        shape = checks.common_shape(n=n, p=p[..., 0])
        p = np.broadcast_to(p, (*shape, p.shape[-1]))
        log_p = np.log(p)
        self._hold(log_p[..., :-1] - log_p[..., -1:], n=np.broadcast_to(n, shape), p=p)

    def _support_set(self) -> Support:
        k = self.natural_parameter.shape[-1] + 1

        def contains(y: Array) -> Array:
            return ((y >= 0) & (y == np.floor(y))).all(-1) & (y.sum(-1) == self.n)

        return Support(self.support_symbols, contains, np.eye(k)[0])

    @property
    def _trials(self) -> Array:
        return np.asarray(self.n)

    def _entropy(self) -> Array:
        # Category by category: each count is binomial.
        log_p = self._log_p
        result = np.array(log_factorial_gap(self.n))
        for index in np.ndindex(log_p.shape):
            result[index[:-1]] += _category_surprise(self._trials[index[:-1]], log_p[index])
        return result[()]

    def _marginal(self) -> Binomial:
        return Binomial(self.n, self.p[..., 0])

    def _statistic(self, y: Array) -> Array:
        return y[..., :-1]

    def _log_base_measure(self, y: Array) -> Array:
        return special.gammaln(self.n + 1) - special.gammaln(y + 1).sum(-1)

    def _log_density(self, y: Array) -> Array:
        return category_log_mass(y, np.exp(self._log_p), self._log_p)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.multinomial(np.asarray(self.n).astype(np.int64), self.p, shape)

    @classmethod
    def _check_fixed(cls, **fixed: Any) -> dict[str, Array]:
        return {"n": checks.trial_count(fixed["n"], "n")}

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return (mean > 0).all(-1) & (mean.sum(-1) < fixed["n"])

    @classmethod
    def _from_mean(cls, mean: Array, **fixed: Array) -> Self:
        n = fixed["n"]
        share = mean / n[..., None]
        return cls(n, np.concatenate([share, 1 - share.sum(-1, keepdims=True)], axis=-1))

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        k = checks.vector(sample, "sample", least=2).shape[-1]
        return cls(fixed["n"], np.full(k, 1 / k))


def _category_surprise(n: Array, log_p: Array) -> float:
    """Return the expected surprise of one count, binomial(n, p), less the part from its total."""
    p, rest = np.exp(log_p), -np.expm1(log_p)

    def weighted(y: Array) -> Array:
        counts = np.stack([y, n - y], axis=-1)
        pair = np.array([log_p, np.log(np.maximum(rest, np.finfo(float).tiny))])
        mass = np.exp(category_log_mass(counts, np.exp(pair), pair))
        return mass * (poisson_divergence(y, n * p, np.log(n) + log_p) - log_factorial_gap(y))

    with np.errstate(under="ignore"):
        return count_sum(weighted, float(n * p), float(np.sqrt(n * p * rest)), float(n))
