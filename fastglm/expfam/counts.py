"""Counts: their log masses without cancellation, and sums over them that are exact but short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from fastglm.expfam.construction import Constructed
from fastglm.expfam.special import log_factorial_gap, poisson_divergence

Array = np.ndarray[Any, Any]

# Panels of up to this many counts are summed one by one, longer ones by as many nodes.
_PANEL = 32


def category_log_mass(counts: Array, p: Array, log_p: Array) -> Array:
    """Return the multinomial log mass of `counts` (…, k), real or whole, at probabilities p.

    The saturated log-likelihood less half the deviance (Loader 2000); `log_p` is used where p
    has underflown.
    """
    total = counts.sum(-1, keepdims=True)
    deviance = poisson_divergence(counts, total * p, np.log(total) + log_p)
    return (log_factorial_gap(counts) - deviance).sum(-1) - log_factorial_gap(total[..., 0])


def whole(y: Array, least: float = 0.0, most: Any = np.inf) -> Array:
    """Return whether each y is a whole number from `least` to `most`."""
    return (y >= least) & (y <= most) & (y == np.floor(y)) & np.isfinite(y)


def count_entropy(member: Constructed, mean: Array, sd: Array, top: Any) -> Array:
    """Return -Σ p log p over the counts, one element of the batch at a time."""
    result = np.empty(member.batch_shape)
    mean, sd, top = (np.broadcast_to(v, member.batch_shape) for v in (mean, sd, top))
    for index in np.ndindex(member.batch_shape):
        fixed = {key: np.asarray(value)[index] for key, value in member.fixed.items()}
        single = type(member)._member(member.natural_parameter[index], fixed)

        def surprise(y: Array, single: Constructed = single) -> Array:
            log_mass = single._log_density(y)
            return -np.exp(log_mass) * log_mass

        with np.errstate(under="ignore"):
            result[index] = count_sum(surprise, mean[index], sd[index], top[index])
    return result[()]


def count_sum(function: Callable[[Array], Array], mean: Any, sd: Any, top: Any) -> float:
    """Return the sum of `function` over the counts 0, 1, ..., top.

    Parameters
    ----------
    function : callable
        Takes real counts, returns a smooth function of them times a probability mass, so that
        it is negligible away from the mean.
    mean, sd : float
        Of that probability mass.
    top : float
        The largest count, or inf.

    Notes
    -----
    Short panels near the ends and the mean, growing ones elsewhere; in a long panel Gauss's
    rule for equally spaced points (Gram polynomials; Golub & Welsch 1969) stands for the sum.
    The cost does not grow with the mean.
    """
    if sd == 0:  # the probability of any other count has underflown
        return float(function(np.round(np.array([mean])))[0])
    reach = mean + 40 * (sd + sd * sd / mean) + _PANEL
    last = min(top, np.ceil(reach)) + 1
    growth = _PANEL * 2.0 ** np.arange(np.ceil(max(np.log2(last / _PANEL), 0.0)) + 1)
    around = np.floor(mean + 2 * sd * np.arange(-20, 21))
    ends = [np.array([0.0, last]), growth, around]
    if np.isfinite(top):
        ends.append(top + 1 - growth)
    edges = np.unique(np.concatenate(ends))
    edges = edges[(edges >= 0) & (edges <= last)]
    nodes, weights = zip(*map(_panel, edges[:-1], edges[1:]), strict=True)
    return float(np.concatenate(weights) @ function(np.concatenate(nodes)))


def _panel(first: float, stop: float) -> tuple[Array, Array]:
    """Return nodes and weights whose weighted sum is the sum over first, ..., stop - 1."""
    length = stop - first
    if length <= _PANEL:
        return np.arange(first, stop), np.ones(int(length))
    order = np.arange(1, _PANEL)
    off_diagonal = order / 2 * np.sqrt((length**2 - order**2) / (4.0 * order**2 - 1))
    nodes, vectors = linalg.eigh_tridiagonal(np.zeros(_PANEL), off_diagonal)
    return first + (length - 1) / 2 + nodes, length * vectors[0] ** 2
