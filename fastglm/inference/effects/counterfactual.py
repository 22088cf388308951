"""The rows of a fit with some variables set to other values, and averages of outcomes over them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import Categories, Column, Level
from fastglm.design.matrix.dense_slices import transposed_product
from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError
from fastglm.inference.effects.averages import Averages, Sums
from fastglm.inference.effects.pieces import AllRows, Piece, Pieces, StreamedPieces, Variable
from fastglm.inference.hypothesis_tests.estimability import (
    LinearCombinations,
    reason_not_estimable,
    rows_apart,
)
from fastglm.inference.hypothesis_tests.estimates import Estimates
from fastglm.inference.hypothesis_tests.refits import streamed_rows
from fastglm.inference.number_format import format_level
from fastglm.rows.model_rows import ModelRows, constant_design
from fastglm.rows.streamed import StreamedModelRows

if TYPE_CHECKING:
    from fastglm.design.formula.fitted_formula import FittedFormula
    from fastglm.fit.base import FitBase
    from fastglm.fit.outcomes import Outcomes

__all__ = ["Counterfactual", "cell_name", "native"]

#: Designs and their offsets, one for each formula of the model.
Designs = Sequence[Design]
Offsets = Sequence["np.ndarray | None"]

#: Distance of the points that tell whether a slope is estimable, in ranges of the variable.
ASIDE = 0.01


def cell_name(values: Iterable[tuple[str, Any]]) -> str:
    """Variables and their values."""
    return ", ".join(f"{name}={format_level(value)}" for name, value in values)


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """The rows of a fit, with some variables of its frame set to other values.

    Attributes
    ----------
    fit : Fit
    which : str
        The outcome that is averaged, one of those that the fit predicts.
    """

    fit: FitBase
    which: str = "mean"

    @cached_property
    def outcomes(self) -> Outcomes:
        """What is averaged."""
        return self.fit.outcomes(self.which)

    @property
    def rows(self) -> ModelRows:
        """The rows of the fit, perhaps without their columns."""
        return self.fit._rows_beside_columns("averages over the rows")

    @cached_property
    def _streamed(self) -> StreamedModelRows | None:
        """The rows of the fit, if they are read from a source and do not fit into memory."""
        return streamed_rows(self.fit)

    @cached_property
    def pieces(self) -> Pieces:
        """The rows of the fit, as averages are taken over them."""
        if self._streamed is not None:
            return StreamedPieces(self._streamed, self.names())
        return AllRows(self.fit._model_with_data("averages over the rows").rows)

    @property
    def fitted_formulas(self) -> tuple[FittedFormula, ...]:
        """What makes columns of variables, for every design that a formula was given for.

        Raises
        ------
        ModelError
            If the model was given as arrays.
        """
        streamed = self._streamed
        if streamed is not None:
            return (streamed.fitted_formula,)
        fitted_formulas = tuple(
            fitted_formula
            for fitted_formula in self.rows.fitted_formulas
            if fitted_formula is not None
        )
        if not fitted_formulas or not self.rows.has_frame:
            raise ModelError(
                "averages over the values of a variable need a model from a formula and a data "
                "frame; for the columns of an array use get_margeff()."
            )
        return fitted_formulas

    @property
    def fitted_formula(self) -> FittedFormula:
        """That of the first, or only, design."""
        return self.fitted_formulas[0]

    def names(self) -> list[str]:
        """The variables of the formulas, in order of appearance."""
        expressions = [e for r in self.fitted_formulas for e in (*r.factors, *r.offsets)]
        return list(dict.fromkeys(name for e in expressions for name in e.columns))

    def column(self, name: str) -> Column:
        """A variable in the rows of the fit."""
        self.require(name)
        return self.rows.frame_column(name)

    def require(self, name: str) -> None:
        """Refuse what is no variable of the formulas."""
        if name not in self.names():
            known = ", ".join(self.names())
            raise ModelError(
                f"{name!r} is not in the formula; "
                + (f"its variables are {known}." if known else "it has no variables.")
            )

    def variable(self, name: str) -> Variable:
        """What a variable holds in the rows of the fit."""
        self.require(name)
        is_coded = any(
            factor.columns == (name,) and factor.text in fitted_formula.levels
            for fitted_formula in self.fitted_formulas
            for factor in fitted_formula.factors
        )
        return self.pieces.variable(name, is_coded)

    def as_column(self, name: str, values: list[Any]) -> Any:
        """Values of a variable as a fitted formula reads them.

        Raises
        ------
        ModelError
            If one is no level of a categorical variable.
        """
        levels = self._known_levels(name)
        if levels is None:
            return np.array(values)
        position = {level: k for k, level in enumerate(levels)}
        unknown = sorted((value for value in set(values) if value not in position), key=str)
        if unknown:
            raise ModelError(f"{name!r} has no level {unknown[0]!r}; its levels are {levels}.")
        return native(Categories(np.array([position[value] for value in values]), levels))

    def _known_levels(self, name: str) -> tuple[Level, ...] | None:
        """Levels of the rows and of the fit, whose rows they need not be; None for numbers."""
        levels = self.variable(name).levels
        if levels is None:
            return None
        learned = (
            level
            for fitted_formula in self.fitted_formulas
            for factor in fitted_formula.factors
            if factor.columns == (name,)
            for level in fitted_formula.levels.get(factor.text, ())
        )
        return tuple(dict.fromkeys((*levels, *learned)))

    def levels(self, name: str) -> tuple[Level, ...] | None:
        """The values of a categorical variable, None for a numeric one."""
        variable = self.variable(name)
        return variable.values if variable.levels is None else variable.levels

    def at(self, piece: Piece, values: Mapping[str, Any]) -> tuple[Designs, Offsets]:
        """Designs and offsets of some rows where variables have other values.

        A value is that of all rows, or a function that makes (n,) of the (n,) that there are.
        """
        rows = piece.rows
        if not values:
            return rows.designs, rows.offsets
        own = {name: native(piece.column(name)) for name in self.names()}
        columns = own | {name: native(self._filled(piece, name, v)) for name, v in values.items()}
        designs, offsets = list(rows.designs), list(rows.offsets)
        for k, fitted_formula in enumerate(rows.fitted_formulas):
            if fitted_formula is not None:
                built = fitted_formula.apply(columns)
                designs[k] = built.design
                if fitted_formula.offsets and offsets[k] is not None and built.offset is not None:
                    offsets[k] = offsets[k] + (built.offset - fitted_formula.apply(own).offset)
        return designs, offsets

    def _filled(self, piece: Piece, name: str, value: Any) -> Column:
        """A value in all rows, as a level where the variable is categorical."""
        if callable(value):
            return np.asarray(value(np.asarray(piece.column(name), dtype=np.float64)))
        n, levels = piece.rows.n_rows, self._known_levels(name)
        if levels is None:
            return np.broadcast_to(np.asarray(value), (n,))
        if value not in levels:
            raise ModelError(f"{name!r} has no level {value!r}; its levels are {levels}.")
        return Categories(np.full(n, levels.index(value)), levels)

    def mean(self, values: Callable[[Piece], Any]) -> float:
        """Mean over the rows of numbers of a piece, (n,), each as often as it was observed."""
        total = weighted = 0.0
        for piece in self.pieces.each():
            times = piece.times
            total += float(times.sum())
            weighted += float(times @ np.asarray(values(piece), dtype=np.float64))
        return weighted / total

    def averages(
        self, settings: Sequence[Mapping[str, Any]], by: str | None
    ) -> tuple[tuple[str, ...], list[Averages]]:
        """Names of the groups, and averages of the outcomes by group for each of some settings.

        Groups without observations are left out. A pass over rows that are not in memory.
        """
        groups = self.pieces.groups(by)
        totals, sums = np.zeros(len(groups.names)), [Sums() for _ in settings]
        for piece in self.pieces.each(by):
            codes, times = groups.codes(piece), piece.times
            totals += np.bincount(codes, times, minlength=totals.size)
            for values, found in zip(settings, sums, strict=True):
                designs, offsets = self.at(piece, values)
                outcome = self.outcomes.evaluate(designs, offsets)
                # A row that was never observed may have no mean there.
                value = np.where(times == 0.0, 0.0, outcome.values)
                found.values += np.array(
                    [np.bincount(codes, times * v, minlength=totals.size) for v in value]
                )
                slopes = [times * np.where(times == 0.0, 0.0, s) for s in outcome.slopes]
                found.gradient += self.gradient(designs, slopes, codes, totals.size)
                if values:
                    found.apart |= self._apart(designs, codes, times, totals.size)
        return groups.names, [found.averages(totals) for found in sums]

    def gradient(
        self, designs: Designs, slopes: Sequence[np.ndarray], codes: np.ndarray, n_groups: int
    ) -> np.ndarray:
        """Derivatives in the coefficients, (k g, p), of sums over the rows of each group.

        `slopes` are those of the rows' terms in each predictor, (k, n).
        """
        k, n = slopes[0].shape
        gradient = np.zeros((k, n_groups, self.fit.estimates.size))
        ones = constant_design(n)
        for channel, slope in zip(self.outcomes.channels, slopes, strict=True):
            design = ones if channel.design is None else designs[channel.design]
            for j in range(k):
                for g in range(n_groups):
                    total = transposed_product(design, slope[j] * (codes == g))
                    gradient[j, g, channel.places] += total[channel.columns]
        return gradient.reshape(k * n_groups, -1)

    def _apart(
        self, designs: Sequence[Design], codes: np.ndarray, times: np.ndarray, n_groups: int
    ) -> np.ndarray:
        """Groups, (g,) bool, with rows of which the rows of the fit do not tell."""
        fit: Any = self.fit
        if not fit.aliased:
            return np.zeros(n_groups, dtype=bool)
        apart = np.any([rows_apart(fit, design) for design in designs], axis=0)
        return np.bincount(codes, times * apart, minlength=n_groups) > 0.0

    def average_change(
        self,
        variable: str,
        points: Callable[[np.ndarray], tuple[list[np.ndarray], list[np.ndarray]]],
        by: str | None,
    ) -> tuple[tuple[str, ...], Averages]:
        """Names of the groups, and averages of the outcomes' derivatives in a variable by group.

        Parameters
        ----------
        variable
            Numeric.
        points
            Makes of (n,) values those, (n,) each, at which linear predictors are computed, and
            their weights in the derivative. The rest, of the outcomes in the linear predictors and
            of all in the coefficients, is exact.
        by
            As for `averages`.
        """
        groups, sums = self.pieces.groups(by), Sums()
        totals = np.zeros(len(groups.names))
        for piece in self.pieces.each(by):
            codes, times = groups.codes(piece), piece.times
            totals += np.bincount(codes, times, minlength=totals.size)
            self._add_change(sums, piece, variable, points, codes, totals.size)
        return groups.names, sums.averages(totals)

    def _add_change(
        self,
        sums: Sums,
        piece: Piece,
        variable: str,
        points: Callable[[np.ndarray], tuple[list[np.ndarray], list[np.ndarray]]],
        codes: np.ndarray,
        n_groups: int,
    ) -> None:
        """Adds the derivatives of some rows."""
        column, times = np.asarray(piece.column(variable), dtype=np.float64), piece.times
        at, shares = points(column)
        moved = [self.at(piece, {variable: lambda _, point=point: point}) for point in at]
        change = sum(
            share * self.outcomes.evaluate(*built).predictors
            for built, share in zip(moved, shares, strict=True)
        )
        designs, offsets = self.at(piece, {})
        found = self.outcomes.evaluate(designs, offsets)
        bent = self.outcomes.along(found, np.asarray(change))
        sums.values += np.array(
            [np.bincount(codes, times * v, minlength=n_groups) for v in bent.values]
        )
        sums.gradient += self.gradient(designs, [times * b for b in bent.slopes], codes, n_groups)
        for (others, _), share in zip(moved, shares, strict=True):
            slopes = [times * slope * share for slope in found.slopes]
            sums.gradient += self.gradient(others, slopes, codes, n_groups)
        fit: Any = self.fit
        if fit.aliased:
            # Where the variable is a little to either side of what it is, or one.
            known = self.variable(variable)
            step = ASIDE * (known.most - known.least)
            for aside in (-step, step):
                side = np.clip(column + aside, known.least, known.most)
                others, _ = self.at(piece, {variable: lambda _, side=side: side})
                sums.apart |= self._apart(others, codes, times, n_groups)

    def labels(self, text: str, groups: Sequence[str]) -> list[str]:
        """Names of the averages of each outcome and group."""
        every = itertools.product(self.outcomes.names, groups)
        return [", ".join(filter(None, (text, group, name))) for name, group in every]

    def estimates(self, names: Sequence[str], parts: Sequence[Averages], heading: str) -> Estimates:
        """Estimates by the delta method; NaN, with the reason, where they are not estimable."""
        fit: Any = self.fit
        values, gradient, apart, size = map(np.concatenate, zip(*parts, strict=True))
        if apart.any() and self.outcomes.is_linear:
            # Then an average is a combination of the coefficients, which may be estimable though
            # those of its rows are not.
            apart &= ~LinearCombinations(fit, gradient, np.zeros(apart.size), size).estimable
        covariance = fit.covariance_of_combinations(gradient)
        values[apart] = np.nan
        covariance[apart] = np.nan
        covariance[:, apart] = np.nan
        df = fit.df_inference if fit.use_t else np.inf
        notes = reason_not_estimable(fit, names, ~apart)
        return Estimates(tuple(names), values, covariance, df, heading, notes)


def native(column: Column) -> Any:
    """A column as a fitted formula reads it."""
    if not isinstance(column, Categories):
        return column
    import pandas as pd

    return pd.Series(pd.Categorical.from_codes(column.codes, list(column.levels)))
