"""The quasi-deviance of any variance function, by quadrature.

2 times the integral of (y - t) / V(t) from mu to y. Variance functions vanish at the ends of their
domain, so the way from mu to y is taken at a constant rate on the scale of logarithms or log odds,
on which the integrand is smooth. Wedderburn (1974), "Quasi-likelihood functions".
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from fastglm.kernels.compiler.decorators import inline
from fastglm.kernels.math import elementary as vm

__all__ = ["deviance_of_variance"]

N_NODES = 24
#: Logarithms that the first half of the way to the end of a domain covers.
TO_THE_END = 8.0
_nodes, _weights = np.polynomial.legendre.leggauss(N_NODES)
#: Gauss-Legendre rule on (0, 1).
NODES = tuple(float(node) for node in (_nodes + 1.0) / 2.0)
WEIGHTS = tuple(float(weight) for weight in _weights / 2.0)


def deviance_of_variance(variance: Callable, domain: tuple[float, float]) -> Callable:
    """The ``unit_deviance`` (`fastglm.families.shared_functions`) of a compiled variance."""
    lower, upper = domain
    if math.isfinite(lower) and math.isfinite(upper):
        return _between(variance, lower, upper)
    if math.isfinite(lower):
        return _above(variance, lower)
    return _linear(variance)


def _linear(variance: Callable) -> Callable:
    @inline
    def unit_deviance(y, mu, complement, parameter):
        total = 0.0
        for k in range(N_NODES):
            total += WEIGHTS[k] * (1.0 - NODES[k]) / variance(mu + NODES[k] * (y - mu))
        return 2.0 * (y - mu) * (y - mu) * total

    return unit_deviance


def _above(variance: Callable, lower: float) -> Callable:
    @inline
    def unit_deviance(y, mu, complement, parameter):
        height, target = mu - lower, y - lower
        inside = target > 0.0
        log_ratio = vm.log((target if inside else height) / height)
        total = 0.0
        for k in range(N_NODES):
            share = NODES[k]
            # To the end itself the logarithm has an infinite way to go.
            distance = TO_THE_END * share / (1.0 - share)
            t = height * vm.exp(share * log_ratio if inside else -distance)
            rate = t * (log_ratio if inside else -TO_THE_END / (1.0 - share) ** 2)
            spread = variance(lower + t)
            total += WEIGHTS[k] * (target - t) * rate / spread if spread > 0.0 else 0.0
        return 2.0 * total

    return unit_deviance


def _between(variance: Callable, lower: float, upper: float) -> Callable:
    width = upper - lower

    @inline
    def unit_deviance(y, mu, complement, parameter):
        p, q = (mu - lower) / width, (y - lower) / width
        inside = (q > 0.0) & (q < 1.0)
        low = q <= 0.0
        safe = q if inside else 0.5
        start = vm.log(p) - vm.log(1.0 - p)
        end = vm.log(safe) - vm.log(1.0 - safe)
        # To an end of the interval: at a constant rate in the logarithm of the other tail.
        tail = vm.log(1.0 - p) if low else vm.log(p)
        total = 0.0
        for k in range(N_NODES):
            share = NODES[k]
            odds = vm.exp(start + share * (end - start))
            near = vm.exp((1.0 - share) * tail)
            t = odds / (1.0 + odds) if inside else (1.0 - near if low else near)
            rate = (
                t * (1.0 - t) * (end - start) if inside else (near * tail if low else -near * tail)
            )
            total += WEIGHTS[k] * (q - t) * rate / variance(lower + width * t)
        return 2.0 * width * width * total

    return unit_deviance
