"""Inverse links as scoring expressions."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import scipy

from fastglm.errors import ModelError
from fastglm.export.factors import expm1
from fastglm.export.nodes import Binary, Call, Choice, Comparison, Node, Number, Polynomials
from fastglm.families import Link
from fastglm.families.links import LINKS

__all__ = ["INVERSES", "mean_of"]

#: Of linear predictors; every engine reads this number.
LARGEST = 1.79e308

#: Degree at which the tail of the normal distribution has its digits.
TAIL_DEGREE = 22

ZERO, ONE, MISSING = Number(0.0), Number(1.0), Number(math.nan)


def _negative(node: Node) -> Node:
    return Binary("-", ZERO, node)


def _positive_only(eta: Node, value: Node) -> Node:
    return Choice(Comparison(">", eta, ZERO), value, MISSING)


def _by_sign(eta: Node, tail: Node) -> Node:
    """Mean of a symmetric distribution, from its tail beyond abs(eta)."""
    return Choice(Comparison(">=", eta, ZERO), Binary("-", ONE, tail), tail)


def _logit(eta: Node, parameter: float) -> Node:
    small = Call("exp", (_negative(Call("abs", (eta,))),))
    near_one = Binary("/", ONE, Binary("+", ONE, small))
    return Choice(Comparison(">=", eta, ZERO), near_one, Binary("*", small, near_one))


@cache
def _scaled_tail() -> tuple[float, ...]:
    """Powers of u = 2t - 1, t = 4/(4 + x), whose sum times t is exp(x**2) erfc(x) for x >= 0.

    By interpolation at Chebyshev's points, to about 1e-15.
    """
    u = np.cos(np.pi * (np.arange(TAIL_DEGREE + 1) + 0.5) / (TAIL_DEGREE + 1))
    t = 0.5 * (u + 1.0)
    series = np.polynomial.chebyshev.chebfit(u, scipy.special.erfcx(4.0 / t - 4.0) / t, TAIL_DEGREE)
    return tuple(np.polynomial.chebyshev.cheb2poly(series).tolist())


def _probit(eta: Node, parameter: float) -> Node:
    size = Call("abs", (eta,))
    t = Binary("/", Number(4.0), Binary("+", Number(4.0), Binary("*", size, Number(0.5**0.5))))
    smooth = Polynomials(t, (), (_scaled_tail(),), (0.5,), (0.5,))
    square = Binary("*", Number(-0.5), Binary("*", size, size))
    bell = Binary("*", Call("exp", (square,)), Number(0.5))
    return _by_sign(eta, Binary("*", bell, Binary("*", t, smooth)))


def _cauchit(eta: Node, parameter: float) -> Node:
    size = Call("abs", (eta,))
    far = Call("atan", (Binary("/", ONE, size),))
    near = Binary("-", Number(math.pi / 2.0), Call("atan", (size,)))
    angle = Choice(Comparison(">", size, ONE), far, near)
    return _by_sign(eta, Binary("*", Number(1.0 / math.pi), angle))


def _negative_binomial(eta: Node, alpha: float) -> Node:
    odds = Binary("*", Number(alpha), expm1(_negative(eta)))
    return Choice(Comparison("<", eta, ZERO), Binary("/", ONE, odds), MISSING)


def _exp_of_exp(eta: Node) -> Node:
    return _negative(Call("exp", (eta,)))


#: The mean from the linear predictor and the parameter of the link, by its name.
INVERSES: dict[str, Callable[[Node, float], Node]] = {
    "identity": lambda eta, _: eta,
    "log": lambda eta, _: Call("exp", (eta,)),
    "logit": _logit,
    "probit": _probit,
    "cloglog": lambda eta, _: _negative(expm1(_exp_of_exp(eta))),
    "loglog": lambda eta, _: Call("exp", (_exp_of_exp(_negative(eta)),)),
    "cauchit": _cauchit,
    "inverse": lambda eta, _: Choice(Comparison("=", eta, ZERO), MISSING, Binary("/", ONE, eta)),
    "1/mu^2": lambda eta, _: _positive_only(eta, Binary("/", ONE, Call("sqrt", (eta,)))),
    "sqrt": lambda eta, _: _positive_only(eta, Binary("*", eta, eta)),
    "power": lambda eta, power: _positive_only(eta, Call("power", (eta, Number(1.0 / power)))),
    "logc": lambda eta, _: _negative(expm1(eta)),
    "nbinom": _negative_binomial,
}


def mean_of(link: Link, eta: Node) -> Node:
    """The mean of a linear predictor; missing where that is infinite, which `predict` refuses.

    Raises
    ------
    ModelError
        If the link is one of the user's own.
    """
    for name, known in LINKS.items():
        if type(link) is known:
            is_finite = Comparison("<=", Call("abs", (eta,)), Number(LARGEST))
            return Choice(is_finite, INVERSES[name](eta, link.parameter), Number(math.nan))
    raise ModelError(
        f"{link!r} is a link of your own, which cannot be exported: use what='linear'."
    )
