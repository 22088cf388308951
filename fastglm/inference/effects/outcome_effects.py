"""Marginal effects of columns on outcomes of several linear predictors, as statsmodels has them.

Greene (2012), *Econometric Analysis*, 7th edition, section 18.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.dense_slices import dense_slices, transposed_product
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.fit.outcomes import Channel, Evaluated, NumericOutcomes
from fastglm.inference.effects.marginal_effects import (
    AT,
    METHODS,
    MarginalEffects,
    column_kinds,
    median_of_columns,
    named_column,
)
from fastglm.rows.model_rows import constant_design

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase

__all__ = ["OutcomeEffects", "outcome_effects"]


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeEffects(MarginalEffects):
    """Marginal effects on several outcomes: all columns for the first, then for the next.

    Attributes
    ----------
    outcomes : tuple of str
    """

    outcomes: tuple[str, ...] = field(default=("",), kw_only=True)

    @property
    def margeff(self) -> np.ndarray:
        """Effects, (k,), or of each column on each of J outcomes, (k, J), as in statsmodels."""
        return self._by_outcome(self.estimate)

    @property
    def margeff_se(self) -> np.ndarray:
        """Their standard errors, by the delta method, in that shape."""
        return self._by_outcome(self.standard_error)

    def _by_outcome(self, values: np.ndarray) -> np.ndarray:
        return values if len(self.outcomes) == 1 else values.reshape(len(self.outcomes), -1).T


def outcome_effects(
    fit: FitBase,
    constants: Sequence[int | None],
    names: Sequence[str],
    at: str,
    method: str,
    atexog: Mapping[Any, float] | None,
    dummy: bool,
    count: bool,
    which: str,
) -> OutcomeEffects:
    """Effects of each column of the first design but the intercept.

    Parameters
    ----------
    fit
        The fit.
    constants
        The column of the intercept of each design, if it has one.
    names
        Of the columns.
    at, method, atexog, dummy, count, which
        As for `ResponseResults.get_margeff`.
    """
    checked_choice("at", at, AT)
    checked_choice("method", method, METHODS)
    rows = fit._model_with_data("marginal effects").rows
    relative_y, relative_x = METHODS[method]
    outcomes: Any = fit.outcomes(which)
    if relative_y:
        function = outcomes.function
        outcomes = replace(outcomes, function=lambda etas: np.log(function(etas)))
    fixed = {named_column(names, key): float(value) for key, value in (atexog or {}).items()}
    kinds = np.full(len(names), "", dtype=object)
    if dummy or count:
        kinds = column_kinds([rows.designs[0]], len(names), dummy, count)
    designs, offsets, weights = _rows_at(rows, at, constants, fixed)
    room = _Effects(fit.estimates, outcomes, designs, offsets, weights / weights.sum())
    columns = [c for c in range(len(names)) if c != constants[0]]
    found = [
        room.of_step(c, kinds[c]) if kinds[c] else room.of_column(c, relative_x) for c in columns
    ]
    effect = np.array([value for value, _ in found]).T.ravel()
    gradient = np.array([each for _, each in found]).transpose(1, 0, 2)
    heading = f"d({'ln ' * relative_y}y)/d({'ln ' * relative_x}x), {at}"
    return OutcomeEffects(
        tuple(", ".join(filter(None, (names[c], j))) for j in outcomes.names for c in columns),
        effect,
        fit.covariance_of_combinations(gradient.reshape(effect.size, -1)),
        fit.df_inference if fit.use_t else np.inf,
        heading,
        method=f"{method[:2]}/{method[2:]}",
        outcomes=outcomes.names,
    )


def _rows_at(
    rows: Any, at: str, constants: Sequence[int | None], fixed: Mapping[int, float]
) -> tuple[list[Design], list[Any], np.ndarray]:
    """Rows to average over: designs, offsets, and how often each was observed."""
    times = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    designs, offsets, weights = list(rows.designs), list(rows.offsets), times
    if at != "overall":
        designs = [
            _point(design, at, times, constant)
            for design, constant in zip(rows.designs, constants, strict=True)
        ]
        offsets = [
            None if o is None else np.average(o, weights=times, keepdims=True) for o in offsets
        ]
        weights = np.ones(1)
    if fixed:
        X = designs[0].to_dense()
        X[:, list(fixed)] = list(fixed.values())
        designs[0] = design_from_array(X)
    return designs, offsets, weights


def _point(design: Design, at: str, times: np.ndarray, constant: int | None) -> Design:
    """One row: the mean or median of every column, or zeros."""
    point = np.zeros(design.n_columns)
    if at == "mean":
        for part, X in dense_slices(design):
            point += times[part] @ X
        point /= times.sum()
    elif at == "median":
        point = median_of_columns(design, times)
    if constant is not None:
        point[constant] = 1.0
    return design_from_array(point[None, :])


@dataclass(frozen=True, eq=False)
class _Effects:
    """Average effects of columns at some rows, and their derivatives in the coefficients."""

    estimates: np.ndarray
    outcomes: NumericOutcomes
    designs: Sequence[Design]
    offsets: Sequence[Any]
    weights: np.ndarray

    @cached_property
    def at(self) -> Evaluated:
        """The outcomes of the rows."""
        return self.outcomes.evaluate(self.designs, self.offsets)

    @cached_property
    def bends(self) -> list[Sequence[np.ndarray]]:
        """Their second derivatives, by one predictor and the other."""
        ones = np.ones(self.at.predictors.shape[1])
        unit = np.eye(len(self.outcomes.channels))
        return [self.outcomes.along(self.at, np.outer(one, ones)).slopes for one in unit]

    def _coefficients(self, column: int) -> Iterator[tuple[int, int, float]]:
        """Predictors that a column of the first design is in: their number, place, coefficient."""
        for a, channel in enumerate(self.outcomes.channels):
            if channel.design == 0:
                for place in channel.places[channel.columns == column]:
                    yield a, int(place), float(np.nan_to_num(self.estimates[place]))

    def _sums(self, channel: Channel, values: np.ndarray) -> np.ndarray:
        """Sums over the rows of (k, n) values times the channel's columns, (k, c)."""
        design = constant_design(values.shape[1])
        if channel.design is not None:
            design = self.designs[channel.design]
        return np.array([transposed_product(design, v)[channel.columns] for v in values])

    def of_column(self, column: int, relative_x: bool) -> tuple[np.ndarray, np.ndarray]:
        """Average derivatives in a column, (k,), and their own in the coefficients, (k, m)."""
        at, bends = self.at, self.bends
        scale = self.weights
        if relative_x:
            scale = scale * select_columns(self.designs[0], [column]).to_dense()[:, 0]
        effect = np.zeros(len(at.values))
        gradient = np.zeros((len(at.values), self.estimates.size))
        for a, place, coefficient in self._coefficients(column):
            average = at.slopes[a] @ scale
            effect += coefficient * average
            gradient[:, place] += average
            for b, channel in enumerate(self.outcomes.channels):
                sums = self._sums(channel, scale * bends[a][b])
                gradient[:, channel.places] += coefficient * sums
        return effect, gradient

    def of_step(self, column: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
        """The same of a column that changes from 0 to 1, or from one below to one above."""
        at = self.at
        x = select_columns(self.designs[0], [column]).to_dense()[:, 0]
        effect = np.zeros(len(at.values))
        gradient = np.zeros((len(at.values), self.estimates.size))
        part = 1.0 if kind == "dummy" else 0.5
        low, high = (0.0, 1.0) if kind == "dummy" else (x - 1.0, x + 1.0)
        for end, sign in ((high, part), (low, -part)):
            moved = at.predictors.copy()
            for a, _, coefficient in self._coefficients(column):
                moved[a] += (end - x) * coefficient
            found = self.outcomes.at(moved)
            effect += sign * (found.values @ self.weights)
            signed = [sign * self.weights * slope for slope in found.slopes]
            for channel, slope in zip(self.outcomes.channels, signed, strict=True):
                sums = self._sums(channel, slope)
                if channel.design == 0:
                    own = channel.columns == column
                    sums[:, own] = (slope * end).sum(axis=1, keepdims=True)
                gradient[:, channel.places] += sums
        return effect, gradient
