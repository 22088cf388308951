"""The fixed list of functions a formula may call on numeric columns.

Element-wise functions are NumPy's. Those that learn something from the data (knots, means,
polynomial recurrences) are formulaic's; what they learn is kept as plain numbers and lists, so
that it can be saved as JSON and used again on new data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastglm.design.formula.many_rows import MANY_ROWS, few_values, learn_few, piecewise_basis
from fastglm.design.formula.order_statistics import quantiles
from fastglm.design.matrix.parts import Piecewise
from fastglm.errors import DataError, FormulaError

__all__ = ["ELEMENTWISE", "STATEFUL", "Basis", "apply_stateful", "spline_state"]

ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    "abs": np.abs,
    "cos": np.cos,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "power": np.power,
    "sin": np.sin,
    "sqrt": np.sqrt,
    "square": np.square,
    "tan": np.tan,
    "tanh": np.tanh,
}

# Name in a formula: where formulaic keeps it.
STATEFUL = {
    "bs": ("basis_spline", "basis_spline"),
    "cc": ("cubic_spline", "cyclic_cubic_spline"),
    "center": ("scale", "center"),
    "cr": ("cubic_spline", "natural_cubic_spline"),
    "cs": ("cubic_spline", "natural_cubic_spline"),
    "poly": ("poly", "poly"),
    "scale": ("scale", "scale"),
    "standardize": ("patsy_compat", "standardize"),
}


#: Those that give several columns.
BASES = ("bs", "cc", "cr", "cs", "poly")
#: Splines whose columns add up to a constant: centred unless the formula has it otherwise, as mgcv
#: centres them, since beside an intercept one column would be a combination of the others.
CENTRED = ("cc", "cr", "cs")
#: Where `constraints` stands among their arguments.
CONSTRAINTS_PLACE = 5
#: Pieces of a column, on average, that are evaluated anew whenever its rows are read.
MOST_PIECES = 12


@dataclass(frozen=True, eq=False)
class Basis:
    """Several numeric columns made from one, the value of ``bs(...)`` or ``poly(...)``.

    Parameters
    ----------
    values : ndarray, shape (n, k) or (L, k), float64
        Of each row; with `codes`, of each of L distinct values of the column.
    labels : tuple of str
        The text in brackets in each column's name.
    spans_intercept : bool
        Whether the columns sum to a constant, so that the first goes next to an intercept.
    codes : ndarray of int, shape (n,), optional
        Which of the distinct values each row has.
    pieces : Piecewise, optional
        The columns as piecewise polynomials of the column, which `values` then are, (n,).
    """

    values: np.ndarray
    labels: tuple[str, ...]
    spans_intercept: bool = False
    codes: np.ndarray | None = None
    pieces: Piecewise | None = None

    def written_out(self) -> Basis:
        """The same with a value of each row."""
        if self.pieces is not None:
            return replace(self, values=self.pieces.to_dense(), pieces=None)
        if self.codes is None:
            return self
        return replace(self, values=self.values[self.codes], codes=None)


def apply_stateful(
    name: str,
    arguments: list[Any],
    options: dict[str, Any],
    state: dict[str, Any],
    call: str,
    may_code: bool = False,
) -> np.ndarray | Basis:
    """Call a function that learns from the data the first time and repeats it afterwards.

    Parameters
    ----------
    name : str
        A key of `STATEFUL`.
    arguments, options
        As written in the formula; the first argument is the (n,) float64 column.
    state : dict
        What was learned. Filled in place if empty; plain numbers and lists.
    call : str
        The call as written, for messages.
    may_code : bool, default False
        Whether a `Basis` may have codes or be in pieces.

    Returns
    -------
    ndarray, shape (n,), or Basis
        NaN in the rows without a finite value, from which nothing is learned.

    Raises
    ------
    FormulaError
        If the arguments do not fit the function.
    DataError
        If the values do not, such as values beyond the outer knots of a spline.
    """
    import importlib

    if name in CENTRED and len(arguments) <= CONSTRAINTS_PLACE:
        options = {"constraints": "center"} | options
    module, function = STATEFUL[name]
    transform = getattr(importlib.import_module(f"formulaic.transforms.{module}"), function)
    learned = _with_arrays(state)
    values, *rest = arguments
    try:
        result = None
        if name in BASES and values.size >= MANY_ROWS:
            result = _of_many_rows(name, transform, values, rest, options, learned, may_code)
        if result is None:
            present = np.isfinite(values)
            everywhere = bool(present.all()) or not present.any()
            some = values if everywhere else values[present]
            result = _columns(transform(some, *rest, _state=learned, **options))
            result = result if everywhere else _spread(result, present)
    except TypeError as error:
        raise FormulaError(f"{call}: {error}") from error
    except ValueError as error:
        outside = _outside_text(values, learned)
        raise DataError(f"{call}: {outside or error}") from error
    if not state:
        state.update({key: _plain(value) for key, value in learned.items()})
    return result


def _outside_text(values: np.ndarray, learned: dict[str, Any]) -> str | None:
    """What to do where values are outside the outer knots of a spline; None where none is."""
    if "upper_bound" not in learned:
        return None
    lower, upper = float(learned["lower_bound"]), float(learned["upper_bound"])
    outside = values[np.isfinite(values) & ((values < lower) | (values > upper))]
    if not outside.size:
        return None
    return (
        f"{outside[0]:.6g} is outside the outer knots, {lower:.6g} and {upper:.6g}, which are the "
        "range of the rows of the fit unless lower_bound= and upper_bound= in the formula say "
        "otherwise: write bounds that hold all rows, or extrapolation=. For folds, "
        "fastglm.cross_validate takes the knots from all rows."
    )


def _of_many_rows(
    name: str,
    transform: Callable[..., Any],
    values: np.ndarray,
    rest: list[Any],
    options: dict[str, Any],
    state: dict[str, Any],
    may_code: bool,
) -> np.ndarray | Basis | None:
    """The columns by `fastglm.design.formula.many_rows`, or None."""
    bounds = float(values.min()), float(values.max())
    if not np.isfinite(bounds).all():
        return None
    call = transform, rest, options, state
    # Of a window of rows, how many values there are tells nothing of the others' number, on which
    # last bits must not depend: what is written out in the end is evaluated in one way.
    coded = few_values(values) if may_code or not state else None
    if coded is not None and (state or learn_few(name, *call, values, coded)):
        result = _columns(transform(coded[0], *rest, _state=state, **options))
        if not isinstance(result, Basis) or not np.isfinite(result.values).all():
            return None
        result = replace(result, codes=coded[1])
        return result if may_code else result.written_out()
    pieces = piecewise_basis(name, *call, values, bounds)
    if pieces is None:
        return None
    # What they are called, and whether they span the intercept, two rows tell as well as all.
    few = _columns(transform(np.array(bounds), *rest, _state=state, **options))
    if not isinstance(few, Basis):
        return None
    result = replace(few, values=pieces.values, pieces=pieces)
    is_cheap = pieces.n_evaluated <= MOST_PIECES * pieces.n_columns
    return result if may_code and is_cheap else result.written_out()


def spline_state(
    values: np.ndarray, df: int | None = None, degree: int = 3, include_intercept: bool = False
) -> dict[str, Any]:
    """What ``bs(values, ...)`` learns, without its columns: bounds, and knots at quantiles.

    Parameters
    ----------
    values : ndarray, shape (n,), float64
        NaN where there is none.
    df, degree, include_intercept
        As for ``bs``.
    """
    finite = np.isfinite(values)
    values = np.ascontiguousarray(values) if finite.all() else values[finite]
    lower, upper = float(values.min()), float(values.max())
    n_knots = 0 if df is None else df - degree - (1 if include_intercept else 0)
    inner: list[float] = []
    if n_knots > 0:
        inner = quantiles(values, np.linspace(0, 1, n_knots + 2)[1:-1]).tolist()
    knots = [lower] * (degree + 1) + inner + [upper] * (degree + 1)
    return {"lower_bound": lower, "upper_bound": upper, "knots": knots}


def _spread(result: np.ndarray | Basis, present: np.ndarray) -> np.ndarray | Basis:
    """The columns for all rows: NaN where there is no value."""
    values = result.values if isinstance(result, Basis) else result
    spread = np.full((present.size, *values.shape[1:]), np.nan, order="F")
    spread[present] = values
    return replace(result, values=spread) if isinstance(result, Basis) else spread


def _columns(result: Any) -> np.ndarray | Basis:
    metadata = getattr(result, "__formulaic_metadata__", None)
    values = getattr(result, "__wrapped__", result)
    if isinstance(values, dict):
        stacked = np.stack(list(values.values())).T
        labels = tuple(str(label) for label in values)
    elif values.ndim == 1:
        return values
    else:
        stacked = np.asfortranarray(values, dtype=np.float64)
        named = metadata.column_names if metadata is not None else None
        labels = tuple(str(label) for label in named or range(values.shape[1]))
    return Basis(stacked, labels, spans_intercept=bool(metadata and metadata.spans_intercept))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        # The recurrences of poly() are keyed 0, 1, 2, ...: a list, since JSON has no such keys.
        return [_plain(value[key]) for key in sorted(value)]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _with_arrays(state: dict[str, Any]) -> dict[str, Any]:
    return {
        key: np.array(value) if key == "constraints" and value is not None else value
        for key, value in state.items()
    }
