"""The rows of a model: response, designs, weights and offsets, checked and in one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.frames.frames import Column, Level
from fastglm.design.frames.labels import row_labels
from fastglm.design.frames.missing import rows_text
from fastglm.design.matrix.dense_slices import transposed_product
from fastglm.design.matrix.parts import Design, Ones
from fastglm.design.matrix.select import join_designs
from fastglm.design.matrix.take import frame_column, take_rows
from fastglm.errors import DataError
from fastglm.families import ResponseSummary, summarize
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.records import fast_init
from fastglm.rows.vectors import OffsetParts

__all__ = ["ModelRows", "constant_design", "side_by_side"]


@fast_init
@dataclass(frozen=True, eq=False)
class ModelRows:
    """The data of a fit, n rows.

    Attributes
    ----------
    response : ndarray, shape (n,) or (n, k)
        Proportions for a response of successes and failures; codes from 0 for categories.
    summary : ResponseSummary
        Summary of all numbers of the response.
    designs : tuple of Design
        One for each formula: more than one in a model of several linear predictors.
    fitted_formulas : tuple of FittedFormula or None
        Formulas that rebuild each design on new data; None for arrays.
    offsets : tuple of (ndarray, shape (n,), or None)
        One per design, on the scale of its linear predictor; log exposure included.
    offset_parts : OffsetParts
        Terms of which the first offset is the sum.
    prior_weights : ndarray, shape (n,), or None
        Product of frequency weights, variance weights and numbers of trials; None for all ones.
    variance_weights : ndarray, shape (n,), or None
        Product of variance weights and numbers of trials, without frequencies.
    frequencies : ndarray, shape (n,), or None
        Frequency weights: the number of identical rows that each row stands for.
    trials : ndarray, shape (n,), or None
        Numbers of trials of a response of successes and failures.
    column_names : dict of str to str
        Columns of the frame given as "offset" and "exposure"; without arguments given as arrays.
    weights : dict of str to str
        Origin of "freq_weights" and "var_weights", where given: a column of the frame, or "array".
    response_name : str
    response_levels : tuple of levels, or None
        Levels, in the order of their codes, of a response of text, categories or truth values. For
        a family there are two, coded 0 and 1.
    index : pandas.Index or None
        Labels of the rows, if the data were pandas objects.
    n_dropped : int
        Number of rows left out because of missing values.
    missing : dict of str to int
        Number of missing values by column.
    frame : data frame or None
        The data of the formula.
    frame_rows : ndarray of bool, shape (rows of the frame,), or None
        Mask of the frame's rows that are in the model, or after `take` their numbers; None for all.
    named_by : data frame or None
        A frame of another library than pandas given in place of an array, which named the columns.
    """

    response: np.ndarray
    summary: ResponseSummary
    designs: tuple[Design, ...]
    fitted_formulas: tuple[FittedFormula | None, ...] = (None,)
    offsets: tuple[np.ndarray | None, ...] = (None,)
    offset_parts: OffsetParts = field(default_factory=OffsetParts)
    prior_weights: np.ndarray | None = None
    variance_weights: np.ndarray | None = None
    frequencies: np.ndarray | None = None
    trials: np.ndarray | None = None
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    response_name: str = "y"
    response_levels: tuple[Level, ...] | None = None
    index: Any = None
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    frame: Any = None
    frame_rows: np.ndarray | None = None
    named_by: Any = None

    @property
    def design(self) -> Design:
        """The design of the first, or only, linear predictor."""
        return self.designs[0]

    @property
    def fitted_formula(self) -> FittedFormula | None:
        """Rebuilds the columns of `design` on new data; None for arrays."""
        return self.fitted_formulas[0]

    @property
    def offset(self) -> np.ndarray | None:
        """Offset of the first linear predictor, (n,), or None."""
        return self.offsets[0]

    @cached_property
    def labels(self) -> Any:
        """Labels for results with one number a row, as returned by `row_labels`."""
        if self.index is not None:
            return self.index
        return row_labels(self.frame) if self.named_by is None else self.named_by

    @property
    def has_names(self) -> bool:
        """Whether the data had names: a frame or a named column, not a mapping of arrays."""
        if self.index is None and self.frame is None and self.named_by is None:
            return False
        return self.labels is not None

    @property
    def has_frame(self) -> bool:
        """Whether `frame_column` gives columns by name: a formula was read on a frame."""
        return self.frame is not None

    def each_design(self) -> Iterator[Design]:
        """The first design, some rows after the other: here all at once."""
        yield self.design

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.designs[0].n_rows

    @property
    def has_offset(self) -> bool:
        """Whether predictions of new data need an offset."""
        return self.offset_parts.offset is not None

    @property
    def has_exposure(self) -> bool:
        """Whether predictions of new data need an exposure."""
        return self.offset_parts.exposure is not None

    @property
    def nobs(self) -> float:
        """Number of rows of positive weight, or the sum of their frequencies."""
        return float(self.n_rows) if self.prior_weights is None else self._sums[0]

    @property
    def sum_weights(self) -> float:
        """Sum of the prior weights."""
        return float(self.n_rows) if self.prior_weights is None else self._sums[1]

    @cached_property
    def _sums(self) -> tuple[float, float]:
        """`nobs` and `sum_weights` of rows with weights."""
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

    @property
    def any_offset(self) -> bool:
        """Whether the first linear predictor has an offset, from an argument or the formula."""
        return self.offsets[0] is not None

    @property
    def any_variance_weights(self) -> bool:
        """Whether there are variance weights or numbers of trials."""
        return self.variance_weights is not None

    @property
    def many_trials(self) -> bool:
        """Whether any row has more than one trial."""
        return self.trials is not None and bool((self.trials > 1).any())

    def weighted_sum(self, values: np.ndarray) -> float:
        """Sum over the rows of (n,) values times the prior weights."""
        weights = self.prior_weights
        return float(values.sum() if weights is None else values @ weights)

    def times_columns(self, factors: np.ndarray) -> np.ndarray:
        """Product X' factors, (p,), with one factor a row, (n,)."""
        return transposed_product(self.design, factors)

    def row_table(self, design: int = 0, response: np.ndarray | None = None) -> RowTable:
        """Row table of a design, by number, with its offset, the weights and a response.

        By default the response of the model.
        """
        response = self.response if response is None else response
        return build_row_table(
            self.designs[design], response, self.prior_weights, self.offsets[design]
        )

    def counts(self) -> np.ndarray:
        """The response, (n,), if it consists of counts.

        Raises
        ------
        DataError
            If it does not; the message names the rows.
        """
        y = self.response
        if y.ndim != 1:
            raise DataError(f"the response has shape {y.shape}; it must be (n,).")
        wrong = (y < 0.0) | (y != np.floor(y))
        if wrong.any():
            raise DataError(f"the response must be counts: it is not in {rows_text(wrong)}.")
        return y

    def take(self, rows: np.ndarray) -> ModelRows:
        """A copy of some rows, given as a mask, (n,) bool, or as row numbers."""

        def taken(values: Any) -> Any:
            return None if values is None else values[rows]

        response = self.response[rows]
        return replace(
            self,
            response=response,
            designs=tuple(take_rows(design, rows) for design in self.designs),
            offsets=tuple(map(taken, self.offsets)),
            offset_parts=self.offset_parts.take(rows),
            prior_weights=taken(self.prior_weights),
            variance_weights=taken(self.variance_weights),
            frequencies=taken(self.frequencies),
            trials=taken(self.trials),
            summary=summarize(response.reshape(-1)),
            index=taken(self.index),
            frame_rows=self._rows_of_frame(rows),
        )

    def _rows_of_frame(self, rows: np.ndarray) -> np.ndarray:
        known = self.frame_rows
        if known is None:
            return rows
        if known.dtype != bool or rows.dtype != bool:
            return (np.flatnonzero(known) if known.dtype == bool else known)[rows]
        known = known.copy()
        known[self.frame_rows] = rows
        return known

    def with_design(self, design: Design) -> ModelRows:
        """The rows with the first design replaced."""
        return replace(self, designs=(design, *self.designs[1:]))

    def with_designs(self, *numbers: int) -> ModelRows:
        """The rows with the designs of these numbers, in that order."""

        def chosen(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[k] for k in numbers)

        return replace(
            self,
            designs=chosen(self.designs),
            fitted_formulas=chosen(self.fitted_formulas),
            offsets=chosen(self.offsets),
        )

    def with_constant_design(self) -> ModelRows:
        """The rows with a further design: an intercept alone."""
        return replace(
            self,
            designs=(*self.designs, constant_design(self.n_rows)),
            fitted_formulas=(*self.fitted_formulas, None),
            offsets=(*self.offsets, None),
        )

    def without_columns(self) -> ModelRows:
        """The rows of the null model: every design is an intercept alone."""
        return replace(self, designs=tuple(constant_design(self.n_rows) for _ in self.designs))

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


def constant_design(n_rows: int) -> Design:
    """A design of an intercept alone."""
    return Design((Ones(n_rows),), n_rows, ("Intercept",), None, 0, (("Intercept", slice(0, 1)),))


def side_by_side(designs: Sequence[Design]) -> Design:
    """One design with the columns of all, in order; a design that occurs twice is stored once."""
    if len(designs) == 1:
        return designs[0]
    return replace(reduce(join_designs, designs), constant=None, terms=())
