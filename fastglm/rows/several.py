"""The rows of models with several predictors: response, designs, weights and offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np

from fastglm.design.formula.recipe import Recipe
from fastglm.design.frames.frames import Column, Level
from fastglm.design.frames.missing import rows_text
from fastglm.design.matrix.parts import Design, Ones
from fastglm.design.matrix.select import join_designs
from fastglm.design.matrix.take import frame_column, take_rows
from fastglm.errors import DataError
from fastglm.passes.layout import Layout, lay_out
from fastglm.rows.vectors import OffsetParts

__all__ = ["JointRows", "constant_design", "side_by_side"]


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
    prior_weights : ndarray, shape (n,), or None
        What the log-likelihood of each row is multiplied by: product of both kinds of weights.
    frequencies : ndarray, shape (n,), or None
        Numbers of identical rows.
    offsets : tuple of (ndarray, shape (n,), or None)
        One per design, added to every linear predictor on it; log exposure included.
    offset_parts : OffsetParts
        What that of the first design adds up.
    column_names, weights : dict of str to str
        As of `fastglm.rows.single.ModelRows`.
    frame, frame_rows
        Likewise.
    response_name : str
    index : pandas.Index or None
    n_dropped : int
    missing : dict of str to int
    """

    response: np.ndarray
    levels: tuple[Level, ...] | None
    designs: tuple[Design, ...]
    recipes: tuple[Recipe | None, ...]
    prior_weights: np.ndarray | None = None
    frequencies: np.ndarray | None = None
    offsets: tuple[np.ndarray | None, ...] = ()
    offset_parts: OffsetParts = field(default_factory=OffsetParts)
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    response_name: str = "y"
    index: Any = None
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    frame: Any = None
    frame_rows: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.designs[0].n_rows

    @property
    def nobs(self) -> float:
        """Number of observations: rows, or the sum of their frequencies; none of weight 0."""
        if self.prior_weights is None:
            return float(self.n_rows)
        present = self.prior_weights > 0.0
        if self.frequencies is None:
            return float(np.count_nonzero(present))
        return float(self.frequencies[present].sum())

    @property
    def sum_weights(self) -> float:
        """Sum of the prior weights."""
        return float(self.n_rows if self.prior_weights is None else self.prior_weights.sum())

    @property
    def mean_response(self) -> float:
        """Weighted mean of the response."""
        return float(np.average(self.response, weights=self.prior_weights))

    def weighted_sum(self, values: np.ndarray) -> float:
        """Sum over the rows, (n,) values times the prior weights."""
        weights = self.prior_weights
        return float(values.sum() if weights is None else values @ weights)

    def frame_column(self, name: str) -> Column:
        """A column of the frame, for the n rows; see `fastglm.design.matrix.take.frame_column`."""
        return frame_column(self.frame, self.frame_rows, name)

    def layout(self, design: int, response: np.ndarray | None = None) -> Layout:
        """One of the designs with its offset and the weights; by default with the response."""
        response = self.response if response is None else response
        return lay_out(self.designs[design], response, self.prior_weights, self.offsets[design])

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

        frame_rows = numbers
        if self.frame_rows is not None:
            frame_rows = np.flatnonzero(self.frame_rows)[numbers]
        return replace(
            self,
            response=self.response[numbers],
            designs=tuple(take_rows(design, numbers) for design in self.designs),
            prior_weights=taken(self.prior_weights),
            frequencies=taken(self.frequencies),
            offsets=tuple(taken(offset) for offset in self.offsets),
            offset_parts=self.offset_parts.take(numbers),
            index=taken(self.index),
            frame_rows=frame_rows,
        )

    def with_designs(self, *numbers: int) -> JointRows:
        """The rows with those of their designs, in that order."""

        def chosen(values: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(values[k] for k in numbers)

        return replace(
            self,
            designs=chosen(self.designs),
            recipes=chosen(self.recipes),
            offsets=chosen(self.offsets),
        )

    def with_constant_design(self) -> JointRows:
        """The rows with one more design, of nothing but an intercept."""
        return replace(
            self,
            designs=(*self.designs, constant_design(self.n_rows)),
            recipes=(*self.recipes, None),
            offsets=(*self.offsets, None),
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
    return replace(reduce(join_designs, designs), constant=None, terms=())
