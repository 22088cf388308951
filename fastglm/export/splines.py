"""Transforms of a column that learned something from the data, as scoring expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.errors import ModelError
from fastglm.export.nodes import Binary, Call, Choice, Comparison, Node, Number, Polynomials

__all__ = ["combined", "transform_nodes"]

NAN = float("nan")
#: From points, (m,), to values of the columns, (m, k).
Values: TypeAlias = Callable[[np.ndarray], np.ndarray]
#: Widths between knots from the end of a natural spline over which its slope beyond is taken.
FAR = 1024.0


def transform_nodes(
    name: str,
    variable: Node,
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    state: Mapping[str, Any],
    call: str,
) -> list[Node]:
    """The columns of a stateful transform.

    Parameters
    ----------
    name
        One of `fastglm.design.formula.transforms.STATEFUL`.
    variable
        Its first argument.
    arguments, options
        The others.
    state
        What it learned.
    call
        As written.

    Raises
    ------
    ModelError
        If the transform has no such form.
    """
    if name in ("center", "scale", "standardize"):
        return [_scaled(variable, state)]
    if name == "poly":
        degree = int(arguments[0] if arguments else options.get("degree", 1))
        return _polynomials(variable, degree, bool(options.get("raw", False)), state)
    if name not in ("bs", "cc", "cr", "cs"):
        raise ModelError(f"{call} cannot be exported.")
    return _spline(name, variable, list(arguments), dict(options), state, call)


def combined(columns: Sequence[Node], weights: Sequence[float]) -> Node:
    """The sum of some columns of one transform times weights: one piecewise polynomial of them."""
    first = columns[0]
    assert isinstance(first, Polynomials)
    pieces = []
    for k in range(len(first.pieces)):
        of_columns = [np.array(c.pieces[k]) for c in columns if isinstance(c, Polynomials)]
        pieces.append(tuple(float(v) for v in np.array(weights) @ np.array(of_columns)))
    return Polynomials(first.variable, first.breaks, tuple(pieces), first.origins, first.widths)


def _scaled(variable: Node, state: Mapping[str, Any]) -> Node:
    if state.get("center") is not None:
        variable = Binary("-", variable, Number(float(state["center"])))
    if state.get("scale") is not None:
        variable = Binary("/", variable, Number(float(state["scale"])))
    return variable


def _polynomials(variable: Node, degree: int, raw: bool, state: Mapping[str, Any]) -> list[Node]:
    """Powers, or the orthonormal polynomials of a three-term recurrence."""
    if raw:
        unit = np.eye(degree + 1)[1:]
        return [Polynomials(variable, (), (tuple(row),), (0.0,), (1.0,)) for row in unit]
    alpha, norms = state["alpha"], state["norms2"]
    origin = float(alpha[0])
    width = float(np.sqrt(norms[1] / norms[0]))
    powers = np.polynomial.polynomial
    before, now = np.array([0.0]), np.array([1.0])
    columns: list[Node] = []
    for k in range(degree):
        # (x - alpha) P is ((x - origin) / width - (alpha - origin) / width) P width.
        following = powers.polymul([(origin - alpha[k]) / width, 1.0], now)
        if k:
            following = powers.polysub(following, norms[k] / norms[k - 1] / width**2 * before)
        before, now = now, following
        scale = width ** (k + 1) / np.sqrt(norms[k + 1])
        piece = np.zeros(degree + 1)
        piece[: now.size] = scale * now
        columns.append(Polynomials(variable, (), (tuple(map(float, piece)),), (origin,), (width,)))
    return columns


def _spline(
    name: str,
    variable: Node,
    arguments: list[Any],
    options: dict[str, Any],
    state: Mapping[str, Any],
    call: str,
) -> list[Node]:
    """Every column by its polynomials between the knots, found from values of the basis itself."""
    lower, upper = float(state["lower_bound"]), float(state["upper_bound"])
    knots = np.unique(np.array(state["knots"], dtype=np.float64))
    degree = int(options.get("degree", 3)) if name == "bs" else 3
    outside = str(options.get("extrapolation", "raise" if name == "bs" else "extend"))

    def basis(at: np.ndarray) -> np.ndarray:
        value = apply_stateful(name, [at, *arguments], options, dict(state), call)
        assert isinstance(value, Basis)
        return value.values

    origins, widths = knots[:-1], np.diff(knots)
    pieces = [
        _piece(basis, origin, width, degree) for origin, width in zip(origins, widths, strict=True)
    ]
    origins = np.concatenate([origins[:1], origins, origins[-1:]])
    widths = np.concatenate([widths[:1], widths, widths[-1:]])
    if name == "cc" and outside == "extend":
        variable = _wrapped(variable, lower, upper)
        pieces = [pieces[0], *pieces, pieces[-1]]
    elif outside == "extend":
        origins[0], origins[-1], widths[0] = knots[0], knots[-1], -widths[0]
        beyond = [_beyond(name, basis, origins[k], widths[k], degree) for k in (0, -1)]
        pieces = [beyond[0], *pieces, beyond[1]]
    else:
        if outside == "clip":
            variable = _clipped(variable, lower, upper)
        gone = np.full_like(pieces[0], 0.0 if outside == "zero" else NAN)
        pieces = [gone, *pieces, gone]
    return [
        Polynomials(
            variable,
            tuple(knots.tolist()),
            tuple(tuple(each[:, column].tolist()) for each in pieces),
            tuple(origins.tolist()),
            tuple(widths.tolist()),
        )
        for column in range(pieces[0].shape[1])
    ]


def _piece(basis: Values, origin: float, width: float, degree: int) -> np.ndarray:
    """Coefficients of the polynomials between two knots, from their values at as many points."""
    points = 0.5 - 0.5 * np.cos(np.pi * (np.arange(degree + 1) + 0.5) / (degree + 1))
    to_powers = np.linalg.inv(np.vander(points, increasing=True))
    return np.asarray(to_powers @ basis(origin + width * points))


def _beyond(name: str, basis: Values, end: float, width: float, degree: int) -> np.ndarray:
    """Coefficients beyond an end; `width` points outwards."""
    return _piece(basis, end, width, degree) if name == "bs" else _line(basis, end, width)


def _line(basis: Values, end: float, width: float) -> np.ndarray:
    """Coefficients of the lines beyond an end of natural splines; `width` points outwards."""
    # Over a long way, on which a slope keeps its digits; higher powers are exactly zero.
    start, stop = basis(np.array([end, end + FAR * width]))
    return np.vstack([start, (stop - start) / FAR, np.zeros((2, start.size))])


def _clipped(variable: Node, lower: float, upper: float) -> Node:
    above = Choice(Comparison(">", variable, Number(upper)), Number(upper), variable)
    return Choice(Comparison("<", variable, Number(lower)), Number(lower), above)


def _wrapped(variable: Node, lower: float, upper: float) -> Node:
    """The number brought between the ends of a period; the ends are one point."""
    distance = Binary("-", variable, Number(lower))
    turns = Call("floor", (Binary("/", distance, Number(upper - lower)),))
    return Binary("-", variable, Binary("*", turns, Number(upper - lower)))
