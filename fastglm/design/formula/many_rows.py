"""Splines and polynomials of a column of many rows: formulaic's, evaluated at few values.

Formulaic evaluates every function of a basis in every row. A column of few distinct values needs it
at these only. Any other spline is a polynomial between two knots, which its values at some points
there determine; compiled code evaluates it in each row when it reads the row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastglm.design.formula.order_statistics import distinct_quantiles, quantiles
from fastglm.design.matrix.parts import Piecewise
from fastglm.kernels.math.pieces import CUBIC, QUINTIC, piece_moments, polynomial_sums

__all__ = ["FEW_VALUES", "MANY_ROWS", "few_values", "learn_few", "piecewise_basis"]

#: From so many rows on it is worth while. No more than a grain of streamed rows has, or values
#: would depend on how many of these are read together.
MANY_ROWS = 8_192
#: Half the length, in standard deviations, of the piece that orthogonal polynomials are written in.
_REACH = 4.0
#: Most distinct values of a column that is coded by them: fewer than the levels of a categorical
#: that a fit eliminates.
FEW_VALUES = 120
#: Values looked at first.
_GLANCE = 1_000
#: From the least to the greatest of whole numbers that are coded by a table.
_WIDEST_SPAN = 4_096
#: Highest degree that values at as many points determine to rounding.
_HIGHEST_DEGREE = QUINTIC - 1

_ARGUMENTS = {
    "bs": ("df", "knots", "degree", "include_intercept", "lower_bound", "upper_bound",
           "extrapolation"),
    "cr": ("df", "knots", "lower_bound", "upper_bound", "constraints"),
    "poly": ("degree", "raw"),
}  # fmt: skip
_ARGUMENTS["cc"] = _ARGUMENTS["cs"] = _ARGUMENTS["cr"]

Transform = Callable[..., Any]


def few_values(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Distinct values, in order, and the code of each row, where there are few; else None."""
    some = np.unique(values[:: max(1, values.size // _GLANCE)])
    if some.size > FEW_VALUES:
        return None
    coded = (
        _whole_numbers(values) if np.equal(some - some[0], np.rint(some - some[0])).all() else None
    )
    if coded is not None:
        return coded if coded[0].size <= FEW_VALUES else None
    levels = some
    for _ in range(2):
        codes = np.searchsorted(levels, values).clip(max=levels.size - 1).astype(np.uint8)
        other = levels[codes] != values
        if not other.any():
            return levels, codes
        levels = np.union1d(levels, values[other])
        if levels.size > FEW_VALUES:
            return None
    return None


def _whole_numbers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """As `few_values`, for values whole numbers apart within a small span; None for others.

    A table of the span codes them in a tenth of the time that searching takes.
    """
    least = values.min()
    if not values.max() - least <= _WIDEST_SPAN:
        return None
    places = (values - least).astype(np.intp)
    levels = np.flatnonzero(np.bincount(places))
    if not (places + least == values).all():
        return None
    number = np.zeros(int(levels[-1]) + 1, dtype=np.uint8)
    # Of more levels than are coded the numbers are not used.
    number[levels] = np.arange(levels.size).astype(np.uint8)
    return levels + least, number[places]


class _Call(NamedTuple):
    """A call of a transform with its arguments by name."""

    name: str
    transform: Transform
    given: dict[str, Any]

    def at(self, values: np.ndarray, state: dict[str, Any], **changed: Any) -> np.ndarray:
        """Columns at some values, (n, k)."""
        given = {k: v for k, v in (self.given | changed).items() if v is not None}
        result = self.transform(values, **given, _state=state)
        columns = getattr(result, "__wrapped__", result)
        if isinstance(columns, dict):
            return np.stack(list(columns.values())).T
        return np.asarray(columns)


def _call(
    name: str, transform: Transform, rest: Sequence[Any], options: Mapping[str, Any]
) -> _Call | None:
    """The call, if its arguments are all known."""
    names = _ARGUMENTS.get(name, ())
    if len(rest) > len(names) or not {*options} <= {*names, "extrapolation"}:
        return None
    return _Call(name, transform, dict(zip(names, rest, strict=False)) | dict(options))


def learn_few(
    name: str,
    transform: Transform,
    rest: Sequence[Any],
    options: Mapping[str, Any],
    state: dict[str, Any],
    rows: np.ndarray,
    coded: tuple[np.ndarray, np.ndarray],
) -> bool:
    """Fills `state` with what the transform learns from all rows of a coded column, if it can."""
    levels, codes = coded
    counts = np.bincount(codes, minlength=levels.size).astype(np.float64)
    if name == "poly":
        call = _call(name, transform, rest, options)
        if call is None or call.given.get("raw"):
            return False
        _learn_polynomials(levels, counts, int(call.given.get("degree", 1)), state)
        return True
    call = _plain_spline(name, transform, rest, options)
    if call is None:
        return False

    def mean(learned: dict[str, Any]) -> np.ndarray:
        columns = call.at(levels, learned, df=None, constraints=None)
        return counts @ columns / counts.sum()

    bounds = float(levels[0]), float(levels[-1])
    return bounds[0] < bounds[1] and _learn_spline(call, rows, levels, bounds, mean, state)


def _plain_spline(
    name: str, transform: Transform, rest: Sequence[Any], options: Mapping[str, Any]
) -> _Call | None:
    """The call of a spline that lies between the least and the greatest value."""
    call = _call(name, transform, rest, options)
    if call is None:
        return None
    given = call.given
    is_bounded = given.get("lower_bound") is None and given.get("upper_bound") is None
    constraints = given.get("constraints")
    is_plain = constraints is None or (isinstance(constraints, str) and constraints == "center")
    degree = given.get("degree", 3)
    is_plain = is_plain and isinstance(degree, int) and 0 <= degree <= _HIGHEST_DEGREE
    return call if is_bounded and is_plain else None


def _learn_polynomials(
    values: np.ndarray, counts: np.ndarray, degree: int, state: dict[str, Any]
) -> None:
    """The recurrence of polynomials that are orthogonal over the rows, from distinct values."""

    def sums(alpha: np.ndarray, beta: np.ndarray, k: int) -> tuple[float, float]:
        before, now = np.zeros(values.size), np.ones(values.size)
        for i in range(k):
            before, now = now, (values - alpha[i]) * now - beta[i] * before
        return float(counts @ now**2), float(counts @ (values * now**2))

    _learn_recurrence(sums, degree, state)


def _learn_recurrence(
    sums: Callable[[np.ndarray, np.ndarray, int], tuple[float, float]],
    degree: int,
    state: dict[str, Any],
) -> None:
    """Fills `state` with a recurrence, by the sums of p**2 and x p**2 over the rows."""
    alpha, beta = np.zeros(degree), np.zeros(degree)
    norms: dict[int, float] = {}
    for k in range(degree + 1):
        norms[k], moment = sums(alpha, beta, k)
        if k < degree:
            alpha[k] = moment / norms[k]
            beta[k] = norms[k] / norms[k - 1] if k else 0.0
    state |= {"alpha": dict(enumerate(alpha.tolist())), "norms2": norms}


def _learn_spline(
    call: _Call,
    rows: np.ndarray,
    levels: np.ndarray | None,
    bounds: tuple[float, float],
    mean: Callable[[dict[str, Any]], np.ndarray],
    state: dict[str, Any],
) -> bool:
    """Fills `state` with bounds, knots and constraints; False to leave errors to formulaic.

    `mean` gives the means of the columns without constraints over all rows, by their state.
    """
    given, df = call.given, call.given.get("df")
    lower, upper = bounds
    changed: dict[str, Any] = {"lower_bound": lower, "upper_bound": upper}
    ends = np.array([lower, upper])
    if call.name == "bs":
        if df:
            n_knots = df - given.get("degree", 3) - bool(given.get("include_intercept"))
            if n_knots < 0 or given.get("knots") is not None:
                return False
            knots = quantiles(rows, np.linspace(0, 1, n_knots + 2)[1:-1]).tolist()
            changed |= {"df": None, "knots": knots}
        call.at(ends, state, **changed)
        return True
    is_centred = given.get("constraints") is not None
    if df is not None:
        n_knots = df - 2 + is_centred + (call.name == "cc")
        if n_knots < 0 or df < (1 if is_centred or call.name == "cc" else 2):
            return False
        if given.get("knots") is not None:
            return False
        shares = np.linspace(0, 100, n_knots + 2)[1:-1]
        knots = distinct_quantiles(rows if levels is None else levels, shares / 100.0)
        changed |= {"df": None, "knots": knots if n_knots else []}
    elif given.get("knots") is None:
        return False
    learned: dict[str, Any] = {}
    call.at(ends, learned, **changed, constraints=None)
    if is_centred:
        learned["constraints"] = mean(learned)[None, :]
    state |= learned
    return True


def piecewise_basis(
    name: str,
    transform: Transform,
    rest: Sequence[Any],
    options: Mapping[str, Any],
    state: dict[str, Any],
    values: np.ndarray,
    bounds: tuple[float, float],
) -> Piecewise | None:
    """A spline or orthogonal polynomials in pieces, learned if `state` is empty.

    `bounds` are the least and the greatest of the values. None where a basis is not a polynomial
    between every two knots, as a spline is not beyond the outer ones.
    """
    is_known = bool(state)
    if not bounds[0] < bounds[1]:
        return None
    values = np.ascontiguousarray(values, dtype=np.float64)
    if name == "poly":
        call = _call(name, transform, rest, options)
        degree = 1 if call is None else call.given.get("degree", 1)
        if call is None or call.given.get("raw") or degree not in range(1, _HIGHEST_DEGREE + 1):
            return None
        if not is_known:
            _learn_recurrence(lambda *known: polynomial_sums(values, *known), degree, state)
        # From what was learned, not from these rows: others give the same values, to the last bit.
        reach = _REACH * math.sqrt(state["norms2"][1] / state["norms2"][0])
        ends = state["alpha"][0] + reach * np.array([-1.0, 1.0])
        return Piecewise(values, *_pieces(call, state, ends, degree))
    call = _plain_spline(name, transform, rest, options)
    if call is None:
        return None
    degree = call.given.get("degree", 3)

    def mean(learned: dict[str, Any]) -> np.ndarray:
        breaks = np.unique(np.array(learned["knots"], dtype=np.float64))
        breaks, coefficients = _pieces(call, learned, breaks, degree, df=None, constraints=None)
        moments = piece_moments(values, breaks)[:, : coefficients.shape[2]]
        return np.einsum("mp,kmp->k", moments, coefficients) / values.size

    if not is_known and not _learn_spline(call, values, None, bounds, mean, state):
        return None
    if bounds[0] < float(state["lower_bound"]) or bounds[1] > float(state["upper_bound"]):
        return None
    breaks = np.unique(np.array(state["knots"], dtype=np.float64))
    return Piecewise(values, *_pieces(call, state, breaks, degree))


def _pieces(
    call: _Call, state: dict[str, Any], breaks: np.ndarray, degree: int, **changed: Any
) -> tuple[np.ndarray, np.ndarray]:
    """The breaks, and coefficients of a `Piecewise`, from values at some points of each piece.

    Values at the points of a piece in which a function is zero are zero themselves, so that the
    kernel can leave it out.
    """
    n_points = degree + 1
    points = -np.cos(np.pi * (np.arange(n_points) + 0.5) / n_points)
    middle, half = 0.5 * (breaks[1:] + breaks[:-1]), 0.5 * np.diff(breaks)
    at = middle[:, None] + half[:, None] * points
    values = call.at(at.ravel(), dict(state), **changed).reshape(middle.size, n_points, -1)
    to_powers = np.linalg.inv(np.vander(points, increasing=True))
    n_powers = CUBIC if n_points <= CUBIC else QUINTIC
    coefficients = np.zeros((values.shape[2], middle.size, n_powers))
    coefficients[:, :, :n_points] = np.einsum("pq,mqk->kmp", to_powers, values)
    return breaks, coefficients
