"""The rows of a model: response, weights and offset, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from fastglm.design.formula.recipe import FrameDesign, Recipe
from fastglm.design.formula.response import ResponseRule, read_response
from fastglm.design.frames.frames import Column, Level, is_frame
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.take import frame_column, take_rows
from fastglm.errors import DataError, ModelError
from fastglm.families import Family, ResponseSummary, summarize
from fastglm.records import filled_at_once
from fastglm.rows.dropping import drop_missing
from fastglm.rows.vectors import OffsetParts, checked, product, require_same_index, vector

__all__ = [
    "WEIGHTS",
    "ModelRows",
    "named_columns",
    "rows_from_arrays",
    "rows_from_formula",
    "weight_sources",
]

_MISSING = ("raise", "drop", "none")
#: Arguments that hold weights.
WEIGHTS = ("freq_weights", "var_weights")


@filled_at_once
@dataclass(frozen=True, eq=False)
class ModelRows:
    """Everything a fit reads of its n rows.

    Attributes
    ----------
    design : Design
    response : ndarray, shape (n,)
        For two columns of successes and failures, the proportion.
    summary : ResponseSummary
        Of the response.
    prior_weights : ndarray, shape (n,), or None
        Product of frequency weights, variance weights and numbers of trials; None for all ones.
    variance_weights : ndarray, shape (n,), or None
        Without the frequencies.
    frequencies : ndarray, shape (n,), or None
    trials : ndarray, shape (n,), or None
        Of two columns of successes and failures.
    offset : ndarray, shape (n,), or None
        On the scale of the linear predictor, log exposure included.
    offset_parts : OffsetParts
        What that adds up.
    column_names : dict of str to str
        The frame's columns that "offset" and "exposure" came from, where they were named.
    weights : dict of str to str
        Of the arguments "freq_weights" and "var_weights" those that were given: the frame's column,
        or "array".
    recipe : Recipe or None
        How to rebuild the columns on new data; None for arrays.
    response_name : str
    response_levels : tuple of two levels, or None
        Of a response of text, categories or truth values: those that are 0 and 1.
    index : pandas.Index or None
        Of the rows, when pandas objects came in.
    n_dropped : int
        Rows left out because of missing values.
    missing : dict of str to int
        Missing values by column.
    frame : data frame or None
        That the formula was read on.
    frame_rows : ndarray of bool, shape (rows of the frame,), or None
        Those that the n rows are; None for all.
    """

    design: Design
    response: np.ndarray
    summary: ResponseSummary
    prior_weights: np.ndarray | None = None
    variance_weights: np.ndarray | None = None
    frequencies: np.ndarray | None = None
    trials: np.ndarray | None = None
    offset: np.ndarray | None = None
    offset_parts: OffsetParts = field(default_factory=OffsetParts)
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    recipe: Recipe | None = None
    response_name: str = "y"
    response_levels: tuple[Level, ...] | None = None
    index: Any = None
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    frame: Any = None
    frame_rows: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.design.n_rows

    @property
    def has_offset(self) -> bool:
        """Whether new data must bring an offset along."""
        return self.offset_parts.offset is not None

    @property
    def has_exposure(self) -> bool:
        """Whether new data must bring an exposure along."""
        return self.offset_parts.exposure is not None

    @property
    def nobs(self) -> float:
        """Number of observations: rows, or the sum of their frequencies; none of weight 0."""
        return float(self.design.n_rows) if self.prior_weights is None else self._sums[0]

    @property
    def sum_weights(self) -> float:
        """Sum of the prior weights."""
        return float(self.design.n_rows) if self.prior_weights is None else self._sums[1]

    @cached_property
    def _sums(self) -> tuple[float, float]:
        """`nobs` and `sum_weights`, where there are weights."""
        weights = self.prior_weights
        assert weights is not None
        present = weights > 0
        if self.frequencies is None:
            return float(np.count_nonzero(present)), float(weights.sum())
        return float(self.frequencies[present].sum()), float(weights.sum())

    @cached_property
    def mean_response(self) -> float:
        """Weighted mean of the response."""
        weights = self.prior_weights
        if weights is None:
            return float(np.mean(self.response, dtype=np.float64))
        return float(weights @ np.where(weights > 0, self.response, 0.0) / weights.sum())

    def take(self, keep: np.ndarray) -> ModelRows:
        """Some of the rows, by a (n,) bool mask; they are copied."""

        def kept(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[keep]

        response = self.response[keep]
        frame_rows = keep
        if self.frame_rows is not None:
            frame_rows = self.frame_rows.copy()
            frame_rows[self.frame_rows] = keep
        return replace(
            self,
            design=take_rows(self.design, keep),
            response=response,
            summary=summarize(response),
            prior_weights=kept(self.prior_weights),
            variance_weights=kept(self.variance_weights),
            frequencies=kept(self.frequencies),
            trials=kept(self.trials),
            offset=kept(self.offset),
            offset_parts=self.offset_parts.take(keep),
            index=kept(self.index),
            frame_rows=frame_rows,
        )

    def frame_column(self, name: str) -> Column:
        """A column of the frame, for the n rows.

        Raises
        ------
        ColumnNotFoundError
            If the frame has no such column.
        ModelError
            If the model was not given as a formula and a frame.
        """
        return frame_column(self.frame, self.frame_rows, name)


def named_columns(columns: Mapping[str, Any], arguments: Sequence[str]) -> dict[str, str]:
    """Of these arguments those that were given as the name of a column, and that name."""
    return {name: columns[name] for name in arguments if isinstance(columns.get(name), str)}


def weight_sources(columns: Mapping[str, Any]) -> dict[str, str]:
    """Where the weights that were given come from, by argument: a column's name, or "array"."""
    return {
        name: value if isinstance(value, str) else "array"
        for name in WEIGHTS
        if (value := columns.get(name)) is not None
    }


def _rule(family: Family) -> ResponseRule:
    return _rule_of(type(family).__name__, family.takes_two_levels)


@lru_cache(maxsize=64)
def _rule_of(kind: str, two_levels: bool) -> ResponseRule:
    return ResponseRule(f"family {kind}", two_levels=two_levels)


def _response_and_trials(
    array: np.ndarray, family: Family, n: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """The response as one column, and the trials behind it for successes and failures."""
    if array.ndim != 2:
        return vector(array, "the response", n), None
    if array.shape[1] != 2 or not family.takes_two_columns:
        raise DataError(
            f"the response has shape {array.shape}; only a binomial response may have two columns "
            "(successes, failures)."
        )
    successes = vector(array[:, 0], "the successes", n).astype(np.float64)
    failures = vector(array[:, 1], "the failures", n).astype(np.float64)
    checked(successes, "the number of successes", 0.0, True)
    checked(failures, "the number of failures", 0.0, True)
    trials = successes + failures
    return np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0), trials


def _assemble(
    family: Family,
    design: Design,
    endog: np.ndarray,
    columns: Mapping[str, Any],
    formula_offset: np.ndarray | None,
    **rest: Any,
) -> ModelRows:
    """Checks the row quantities against the design and each other."""
    n = design.n_rows
    response, trials = _response_and_trials(endog, family, n)
    vectors: dict[str, np.ndarray | None] = {
        name: None if values is None else vector(values, name, n)
        for name, values in columns.items()
    }
    parts = OffsetParts(
        formula=formula_offset, offset=vectors["offset"], exposure=vectors["exposure"]
    )
    for name in WEIGHTS:
        values = vectors[name]
        if values is not None:
            checked(values, name, 0.0, True)
    frequencies = vectors["freq_weights"]
    variance_weights = product(vectors["var_weights"], trials)
    prior_weights = product(frequencies, variance_weights)
    if prior_weights is not None and not prior_weights.any():
        raise DataError("all weights are zero: there is nothing to fit.")
    return ModelRows(
        design=design,
        response=response,
        summary=family.check_response(response, prior_weights),
        prior_weights=prior_weights,
        variance_weights=variance_weights,
        frequencies=None if frequencies is None else frequencies.astype(np.float64),
        trials=trials,
        offset=parts.total(family.link),
        offset_parts=parts,
        **rest,
    )


def rows_from_arrays(
    endog: Any, exog: Any, family: Family, columns: Mapping[str, Any], missing: str
) -> ModelRows:
    """Rows of a model given as arrays, or as a data frame of columns to take as they are.

    Parameters
    ----------
    endog, exog
        Response, and array, sparse matrix or frame of columns.
    family
        What the response may be.
    columns
        ``offset``, ``exposure``, ``freq_weights`` and ``var_weights``, each (n,) or None.
    missing
        "raise", "drop", or "none" for no check beyond the solver's own.

    Raises
    ------
    DataError
        Naming the argument, column or row that cannot be used.
    """
    if missing not in _MISSING:
        raise ModelError(f"missing must be one of {_MISSING}, not {missing!r}")
    response, shown_name = read_response(endog)
    require_same_index(endog, exog, "X")
    if is_frame(exog):
        recipe, built = Recipe.from_columns(exog, missing="raise" if missing != "drop" else "drop")
        design, kept = built.design, built.rows
        counts, n_dropped = dict(built.missing), built.n_dropped
    else:
        recipe, design, kept, counts, n_dropped = None, design_from_array(exog), None, {}, 0
    index, response_name = getattr(endog, "index", None), getattr(endog, "name", None)
    if missing == "drop":
        given = {"the response": response, **{k: v for k, v in columns.items() if v is not None}}
        n_given = design.n_rows + n_dropped
        given, design, kept = drop_missing(given, design, kept, n_given, recipe is None, counts)
        n_dropped = 0 if kept is None else int(n_given - kept.sum())
        response, columns = given.pop("the response"), {name: given.get(name) for name in columns}
    values, levels = _rule(family).coded(response, shown_name)
    index = index if hasattr(index, "dtype") else None
    if index is not None and kept is not None:
        index = index[kept]
    return _assemble(
        family,
        design,
        values,
        columns,
        None,
        column_names={},
        weights=weight_sources(columns),
        recipe=recipe,
        response_name=str(response_name or "y"),
        response_levels=levels,
        index=index,
        n_dropped=n_dropped,
        missing=counts,
        frame=None,
        frame_rows=None,
    )


def rows_from_formula(
    formula: str, frame: Any, family: Family, columns: Mapping[str, Any], missing: str
) -> ModelRows:
    """Rows of a model given as a formula and a data frame.

    Parameters
    ----------
    formula, frame
        See `fastglm.GLM.from_formula`.
    family
        What the response may be.
    columns
        As in `rows_from_arrays`; the name of a column of the frame will do.
    missing
        "raise" or "drop".

    Raises
    ------
    DataError, FormulaError
        Naming the column, row or piece of the formula that cannot be used.
    """
    if missing not in ("raise", "drop"):
        raise ModelError(f'missing must be "raise" or "drop" with a formula, not {missing!r}')
    recipe, built = Recipe.fit(formula, frame, missing, columns, _rule(family))
    if built.y is None or recipe.response is None:
        raise DataError(f"the formula {formula!r} has no response: write it left of '~'.")
    given: dict[str, Any] = {name: built.extra.get(name) for name in columns}
    formula_offset = built.offset
    # An offset() in the formula is rebuilt from new data by the recipe, not asked for.
    return _assemble(
        family,
        built.design,
        built.y,
        given,
        formula_offset,
        recipe=recipe,
        column_names=named_columns(columns, ("offset", "exposure")),
        weights=weight_sources(columns),
        response_name=recipe.response,
        response_levels=built.response_levels,
        index=_kept_index(frame, built),
        n_dropped=built.n_dropped,
        missing=built.missing,
        frame=frame,
        frame_rows=built.rows,
    )


def _kept_index(frame: Any, built: FrameDesign) -> Any:
    index = getattr(frame, "index", None)
    if index is None or not hasattr(index, "dtype"):
        return None
    return index if built.rows is None else index[built.rows]
