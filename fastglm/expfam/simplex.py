"""Members on proportions: beta and Dirichlet, which share everything but the form of y."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.errors import DataError
from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.special import (
    gamma_excess,
    gamma_excess_curvature,
    gamma_excess_divergence,
    gamma_excess_gap,
    gamma_excess_slope,
    gamma_excess_slope_gap,
    inverse_digamma_start,
    poisson_divergence,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_START_ROUNDS = 5


class _Proportions(ExponentialFamily):
    """Dirichlet distribution of k parts: η is the concentration, T the logarithms of the parts."""

    @property
    def _totals(self) -> tuple[Array, Array, Array]:
        """The concentrations, their sum (…, 1), and for each the sum of the others."""
        alpha = self.natural_parameter
        others = np.ones((alpha.shape[-1],) * 2) - np.eye(alpha.shape[-1])
        return alpha, alpha.sum(-1, keepdims=True), alpha @ others

    @property
    def _log_shares(self) -> Array:
        """log(α / total), where one concentration may be nearly all of the total."""
        alpha, total, others = self._totals
        most = alpha > others
        return np.where(most, np.log1p(-np.where(most, others / total, 0.0)), np.log(alpha / total))

    def _mean_parameter(self) -> Array:
        alpha, _, others = self._totals
        return self._log_shares - gamma_excess_slope_gap(alpha, others)

    def _fisher_information(self) -> Array:
        alpha, total, others = self._totals
        curvature = gamma_excess_curvature(total)
        diagonal = others / alpha / total + gamma_excess_curvature(alpha) - curvature
        identity = np.eye(alpha.shape[-1])
        rest = -(1 / total + curvature)[..., None]
        return diagonal[..., None] * identity + rest * (1 - identity)

    def _log_partition(self) -> Array:
        alpha, total, _ = self._totals
        parts = alpha * self._log_shares + gamma_excess(alpha)
        return parts.sum(-1) - gamma_excess(total[..., 0])

    def _entropy(self) -> Array:
        alpha = self.natural_parameter
        k, total = alpha.shape[-1], alpha.sum(-1)
        parts = np.log(alpha) + gamma_excess(alpha) + (1 - alpha) * gamma_excess_slope(alpha)
        whole = gamma_excess(total) + (k - total) * gamma_excess_slope(total)
        return parts.sum(-1) - k * np.log(total) - whole

    def _logs(self, y: Array) -> Array:
        """Return the logarithms (…, k) of the parts of y."""
        raise NotImplementedError

    def _statistic(self, y: Array) -> Array:
        return self._logs(y)

    def _log_base_measure(self, y: Array) -> Array:
        return -self._logs(y).sum(-1)

    def _log_density(self, y: Array) -> Array:
        alpha, log_y = self.natural_parameter, self._logs(y)
        total = alpha.sum(-1, keepdims=True)
        distance = poisson_divergence(alpha, total * np.exp(log_y), np.log(total) + log_y)
        parts = gamma_excess(alpha) + distance + log_y
        return gamma_excess(total[..., 0]) - parts.sum(-1)

    def _divergence(self, other: _Proportions) -> Array:
        # Means apart times the other's total, then the sizes of the concentrations.
        alpha, total, others = self._totals
        end, end_total, end_others = other._totals
        sizes = gamma_excess_divergence(end, alpha)
        # The other's largest concentration may be nearly all of its total. Far from here both
        # have the same large divergence, and only what sets them apart counts.
        far = np.abs(end_total - total) > total / 2
        largest = far & (np.arange(end.shape[-1]) == end.argmax(-1)[..., None])
        apart = (
            gamma_excess_gap(alpha, others)
            - gamma_excess_gap(end, end_others)
            + gamma_excess_slope_gap(alpha, others) * (end - alpha)
            + gamma_excess_slope(total) * (end_others - others)
        )
        scaled = alpha * (end_total / total)
        sizes = np.where(largest, apart, sizes) + poisson_divergence(end, scaled)
        whole = np.where(far, 0.0, gamma_excess_divergence(end_total, total))
        return sizes.sum(-1) - whole[..., 0]

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        return np.asarray((eta > 0).all(-1))

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        return np.asarray(special.logsumexp(mean, axis=-1) < 0)

    @classmethod
    def _start(cls, mean: Array, **fixed: Array) -> Array:
        # Exact to first order for large totals, then fixed-point rounds for small ones (Minka
        # 2000, "Estimating a Dirichlet distribution", equation 9).
        logs = special.logsumexp(mean, axis=-1, keepdims=True)
        alpha = np.exp(mean - logs) * (mean.shape[-1] - 1) / (-2 * logs)
        for _ in range(_START_ROUNDS):
            total = special.digamma(alpha.sum(-1, keepdims=True))
            alpha = inverse_digamma_start(mean + total)
        return alpha


class Beta(_Proportions):
    """Beta distribution.

    Parameters
    ----------
    a, b : array_like
        Scipy's names of the two shapes, above 0; E[y] = a / (a + b).
    """

    parameter_names = ("a", "b")
    support_symbols = "0 < y < 1"
    natural_domain_symbols = "η₁ > 0, η₂ > 0"
    mean_domain_symbols = "exp(E[log y]) + exp(E[log(1 - y)]) < 1"
    symbols = Symbols(
        "(log(y), log(1 - y))",
        "log Γ(a) + log Γ(b) - log Γ(a + b)",
        "1/(y (1 - y))",
        "(a, b)",
        "a = η₁, b = η₂",
    )
    plot_examples = ({"a": 2.0, "b": 5.0}, {"a": 3.0, "b": 3.0}, {"a": 6.0, "b": 1.5})
    _support = Support(support_symbols, lambda y: (y > 0) & (y < 1), np.array(0.5))
    a: Array
    b: Array

    def __init__(self, a: Any, b: Any) -> None:
        a, b = checks.broadcast(a=checks.positive(a, "a"), b=checks.positive(b, "b"))
        self._hold(np.stack([a, b], axis=-1), a=a, b=b)

    def _logs(self, y: Array) -> Array:
        return np.stack([np.log(y), np.log1p(-y)], axis=-1)

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.beta(self.a, self.b, shape)

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"a": eta[..., 0], "b": eta[..., 1]}

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(1.0, 1.0)


class Dirichlet(_Proportions):
    """Dirichlet distribution of k parts that sum to 1.

    Parameters
    ----------
    alpha : array_like, shape (…, k)
        Concentrations, above 0, k of at least 2; E[y] = alpha / sum(alpha).
    """

    parameter_names = ("alpha",)
    support_symbols = "y > 0, sum(y) = 1"
    natural_domain_symbols = "η > 0"
    mean_domain_symbols = "sum(exp(E[log y])) < 1"
    symbols = Symbols(
        "log(y)",
        "sum(log Γ(alpha)) - log Γ(sum(alpha))",
        "1/prod(y)",
        "alpha",
        "alpha = η",
    )
    plot_examples = (
        {"alpha": [1.0, 1.0, 1.0]},
        {"alpha": [2.0, 6.0, 2.0]},
        {"alpha": [6.0, 2.0, 2.0]},
    )
    alpha: Array

    def __init__(self, alpha: Any) -> None:
        alpha = checks.positive(checks.vector(alpha, "alpha", least=2), "alpha")
        self._hold(alpha, alpha=alpha)

    def _support_set(self) -> Support:
        k = self.natural_parameter.shape[-1]

        def contains(y: Array) -> Array:
            return (y > 0).all(-1) & (np.abs(y.sum(-1) - 1) < 1e-9)

        return Support(self.support_symbols, contains, np.full(k, 1 / k))

    def _logs(self, y: Array) -> Array:
        return np.log(y)

    def _marginal(self) -> Beta:
        return Beta(self.alpha[..., 0], self.alpha[..., 1:].sum(-1))

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        # Logarithms of gamma draws (Marsaglia & Tsang 2000, section 8): with small
        # concentrations the draws themselves would all underflow.
        full = (*shape, self.alpha.shape[-1])
        logs = np.log(rng.standard_gamma(self.alpha + 1, full))
        return special.softmax(logs - rng.standard_exponential(full) / self.alpha, axis=-1)

    @classmethod
    def _check_size(cls, size: int) -> None:
        if size < 2:
            raise DataError(f"Dirichlet has parameter vectors of at least 2 entries; got {size}")

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        return {"alpha": eta}

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        return cls(np.ones(checks.vector(sample, "sample", least=2).shape[-1]))
