"""The rows of models with several predictors: response, designs, weights and offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy

from fastglm.design.arrays import design_from_array
from fastglm.design.frames import Level, categorize, is_frame, read_column, with_nan
from fastglm.design.layout import IDENTITY
from fastglm.design.missing import missing_design_rows, rows_text
from fastglm.design.parts import Design, Ones
from fastglm.design.recipe import FrameDesign, Recipe
from fastglm.design.rows import take_rows
from fastglm.errors import DataError, MissingValueError, ModelError
from fastglm.vectors import require_same_index, vector

__all__ = ["JointRows", "constant_design", "read_arrays", "read_formulas", "side_by_side"]

#: Name of the extra column that marks rows to leave out by NaN.
_KEEP = "rows that every formula keeps"


@dataclass(frozen=True, eq=False)
class JointRows:
    """Everything a fit reads of its n rows.

    Attributes
    ----------
    response : ndarray, shape (n,) or (n, k)
        Codes from 0 of a categorical response.
    levels : tuple or None
        Of a categorical response.
    designs : tuple of Design
        One per formula.
    recipes : tuple of Recipe or None
        How to rebuild each design on new data; None for arrays.
    weights : ndarray, shape (n,), or None
        Numbers of identical rows.
    offset : ndarray, shape (n,), or None
        Of the first predictor.
    response_name : str
    index : pandas.Index or None
    n_dropped : int
    missing : dict of str to int
    """

    response: np.ndarray
    levels: tuple[Level, ...] | None
    designs: tuple[Design, ...]
    recipes: tuple[Recipe | None, ...]
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    response_name: str = "y"
    index: Any = None
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.designs[0].n_rows

    @property
    def nobs(self) -> float:
        """Number of observations: rows, or the sum of their frequencies."""
        return float(self.n_rows if self.weights is None else self.weights.sum())

    @property
    def prior_weights(self) -> np.ndarray | None:
        """`weights`, by the name that models of one predictor have for them."""
        return self.weights

    def counts(self) -> np.ndarray:
        """The response, (n,), checked to hold counts.

        Raises
        ------
        DataError
            Naming the rows that do not.
        """
        y = self.response
        if y.ndim != 1:
            raise DataError(f"the response has shape {y.shape}; it must be (n,).")
        wrong = (y < 0.0) | (y != np.floor(y))
        if wrong.any():
            raise DataError(f"the response must be counts: it is not in {rows_text(wrong)}.")
        return y

    def take(self, numbers: np.ndarray) -> JointRows:
        """Some of the rows, by their numbers; they are copied."""

        def taken(values: Any) -> Any:
            return None if values is None else values[numbers]

        return replace(
            self,
            response=self.response[numbers],
            designs=tuple(take_rows(design, numbers) for design in self.designs),
            weights=taken(self.weights),
            offset=taken(self.offset),
            index=taken(self.index),
        )

    def without_columns(self) -> JointRows:
        """The rows of the null model: every design is a constant."""
        designs = tuple(constant_design(self.n_rows) for _ in self.designs)
        return replace(self, designs=designs)


def constant_design(n_rows: int) -> Design:
    """Nothing but an intercept."""
    return Design((Ones(n_rows),), n_rows, ("Intercept",), None, 0, (("Intercept", slice(0, 1)),))


def side_by_side(designs: Sequence[Design]) -> Design:
    """One design with the columns of all, in order; one that occurs twice is stored once."""
    if len(designs) == 1:
        return designs[0]
    transforms = []
    for design in designs:
        q, p = design.n_sweep_columns, design.n_columns
        start, index, value = IDENTITY if design.transform is None else design.transform
        transforms.append(
            scipy.sparse.csc_array((value, index, start), shape=(q, p))
            if start.size
            else scipy.sparse.eye_array(q, format="csc")
        )
    whole = scipy.sparse.csc_array(scipy.sparse.block_diag(transforms, format="csc"))
    return Design(
        parts=tuple(part for design in designs for part in design.parts),
        n_rows=designs[0].n_rows,
        names=tuple(name for design in designs for name in design.names),
        transform=(whole.indptr, whole.indices, whole.data),
        constant=None,
        terms=(),
    )


def read_arrays(
    endog: Any,
    exogs: Mapping[str, Any],
    columns: Mapping[str, Any],
    missing: str,
    categorical: bool = False,
) -> JointRows:
    """Rows of a model given as arrays or frames of columns.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, k)
    exogs
        By argument name, array, sparse matrix or frame; None is a constant.
    columns
        ``freq_weights`` and ``offset``, each (n,) or None.
    missing
        "raise" or "drop".
    categorical
        Whether the response is a category.

    Raises
    ------
    DataError
        Naming the argument or row that cannot be used.
    """
    _require_choice(missing)
    values, levels = _read_response(endog, categorical)
    n = len(values)
    for name, exog in exogs.items():
        require_same_index(endog, exog, name)
    read = {name: _read_design(exog, name, n) for name, exog in exogs.items()}
    vectors = {k: None if v is None else vector(v, k, n) for k, v in columns.items()}
    absent = {"the response": _absent(values, categorical)}
    absent |= {k: np.isnan(v) for k, v in vectors.items() if v is not None and v.dtype.kind == "f"}
    absent |= {name: rows for name, (_, _, rows) in read.items() if rows is not None}
    counts = {name: int(rows.sum()) for name, rows in absent.items() if rows.any()}
    designs = tuple(design for design, _, _ in read.values())
    n_dropped, index = 0, getattr(endog, "index", None)
    if counts:
        keep = _kept(absent, counts, missing)
        n_dropped = int(n - keep.sum())
        designs = tuple(take_rows(design, keep) for design in designs)
        values = values[keep]
        vectors = {k: None if v is None else v[keep] for k, v in vectors.items()}
        index = None
    return _checked(
        values,
        levels,
        designs,
        tuple(recipe for _, recipe, _ in read.values()),
        vectors,
        response_name=str(getattr(endog, "name", None) or "y"),
        index=index if hasattr(index, "dtype") else None,
        n_dropped=n_dropped,
        missing=counts,
    )


def read_formulas(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    categorical: bool = False,
) -> JointRows:
    """Rows of a model given as formulas and a data frame.

    Parameters
    ----------
    formula
        With the response on its left side.
    others
        Formulas of further predictors, ``"~ x"``; None is a constant.
    data, columns, missing, categorical
        As for `read_arrays`; the name of a column of the frame will do for `columns`.

    Raises
    ------
    DataError, FormulaError
        Naming the column, row or piece of a formula that cannot be used.
    """
    _require_choice(missing)
    fits = _fit_recipes(formula, others, data, columns, missing, categorical, None)
    masks = [built.rows for _, built in fits if built is not None]
    keep = _together(masks)
    if keep is not None and any(mask is None or (mask != keep).any() for mask in masks):
        fits = _fit_recipes(formula, others, data, columns, missing, categorical, keep)
    recipe, built = fits[0]
    if built is None or recipe is None or built.y is None or recipe.response is None:
        raise DataError(f"the formula {formula!r} has no response: write it left of '~'.")
    n = built.design.n_rows
    offset, given = built.offset, built.extra.get("offset")
    if given is not None:
        offset = given if offset is None else offset + given
    index = getattr(data, "index", None)
    index = index if hasattr(index, "dtype") else None
    return _checked(
        built.y,
        built.response_levels if categorical else None,
        tuple(constant_design(n) if other is None else other.design for _, other in fits),
        tuple(each for each, _ in fits),
        {"freq_weights": built.extra.get("freq_weights"), "offset": offset},
        response_name=recipe.response,
        index=index if built.rows is None or index is None else index[built.rows],
        n_dropped=built.n_dropped,
        missing={k: v for k, v in built.missing.items() if k != _KEEP},
    )


def _fit_recipes(
    formula: str,
    others: Sequence[str | None],
    data: Any,
    columns: Mapping[str, Any],
    missing: str,
    categorical: bool,
    keep: np.ndarray | None,
) -> list[tuple[Recipe | None, FrameDesign | None]]:
    marked = {} if keep is None else {_KEEP: np.where(keep, 1.0, np.nan)}
    first = Recipe.fit(formula, data, missing, {**columns, **marked}, categorical)
    rest = [
        (None, None) if other is None else Recipe.fit(other, data, missing, marked)
        for other in others
    ]
    return [first, *rest]


def _together(masks: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """The rows that all keep; None for every row."""
    present = [mask for mask in masks if mask is not None]
    return np.logical_and.reduce(present) if present else None


def _read_response(endog: Any, categorical: bool) -> tuple[np.ndarray, tuple[Level, ...] | None]:
    if categorical:
        found = categorize(read_column(endog, "the response"), "the response")
        return found.codes, found.levels
    values = with_nan(endog)
    if values.dtype.kind == "O" and values.ndim == 1:
        values = vector(values, "the response")
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2):
        raise DataError(
            f"the response has dtype {values.dtype} and shape {values.shape}; it must be numbers, "
            "one or several to a row."
        )
    return values.astype(np.float64), None


def _read_design(exog: Any, name: str, n: int) -> tuple[Design, Recipe | None, np.ndarray | None]:
    """A design, its recipe, and its rows with missing values."""
    if exog is None:
        return constant_design(n), None, None
    recipe = None
    if is_frame(exog):
        recipe, built = Recipe.from_columns(exog)
        design = built.design
    else:
        design = design_from_array(exog)
    if design.n_rows != n:
        raise DataError(f"{name} has {design.n_rows} rows, but the response has {n}.")
    return design, recipe, missing_design_rows(design)


def _absent(values: np.ndarray, categorical: bool) -> np.ndarray:
    if categorical:
        return values < 0
    missing = np.isnan(values)
    return missing.any(axis=1) if missing.ndim == 2 else missing


def _kept(absent: Mapping[str, np.ndarray], counts: Mapping[str, int], missing: str) -> np.ndarray:
    rows = np.logical_or.reduce(list(absent.values()))
    if missing == "raise":
        raise MissingValueError(
            f"Missing values in {', '.join(counts)}, in {rows_text(rows)}. "
            'Pass missing="drop" to leave these rows out.'
        )
    if rows.all():
        raise MissingValueError("every row has a missing value: nothing is left to fit.")
    return ~rows


def _checked(
    response: np.ndarray,
    levels: tuple[Level, ...] | None,
    designs: tuple[Design, ...],
    recipes: tuple[Recipe | None, ...],
    vectors: Mapping[str, np.ndarray | None],
    **rest: Any,
) -> JointRows:
    weights, offset = vectors.get("freq_weights"), vectors.get("offset")
    for name, values in (("freq_weights", weights), ("offset", offset)):
        if values is not None and not np.isfinite(values).all():
            raise DataError(f"{name} is infinite in {rows_text(~np.isfinite(values))}.")
    if weights is not None:
        weights = weights.astype(np.float64)
        if (weights < 0).any():
            raise DataError(f"freq_weights is negative in {rows_text(weights < 0)}.")
        if not weights.any():
            raise DataError("all freq_weights are zero: there is nothing to fit.")
    if offset is not None:
        offset = offset.astype(np.float64)
    if levels is None:
        response = response.astype(np.float64)
        bad = ~np.isfinite(response).reshape(len(response), -1).all(axis=1)
        if bad.any():
            raise MissingValueError(f"the response is infinite in {rows_text(bad)}.")
    return JointRows(response, levels, designs, recipes, weights, offset, **rest)


def _require_choice(missing: str) -> None:
    if missing not in ("raise", "drop"):
        raise ModelError(f'missing must be "raise" or "drop", not {missing!r}')
