"""The rows of a fit with some variables set to other values, and averages of outcomes over them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.design.frames.frames import Categories, Column, Level
from fastglm.design.matrix.dense_slices import transposed_product
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, ModelError
from fastglm.inference.covariance.groups import renumbered
from fastglm.inference.hypothesis_tests.estimability import (
    LinearCombinations,
    reason_not_estimable,
    rows_apart,
)
from fastglm.inference.hypothesis_tests.estimates import Estimates
from fastglm.inference.number_format import format_level
from fastglm.rows.model_rows import ModelRows, constant_design

if TYPE_CHECKING:
    from fastglm.design.formula.fitted_formula import FittedFormula
    from fastglm.fit.base import FitBase
    from fastglm.fit.outcomes import Outcomes

__all__ = ["Averages", "Counterfactual", "cell_name", "native"]

#: Designs and their offsets, one for each formula of the model.
Designs = Sequence[Design]
Offsets = Sequence["np.ndarray | None"]

#: Distance of the points that tell whether a slope is estimable, in ranges of the variable.
ASIDE = 0.01


def cell_name(values: Iterable[tuple[str, Any]]) -> str:
    """Variables and their values."""
    return ", ".join(f"{name}={format_level(value)}" for name, value in values)


class Averages(NamedTuple):
    """Averages of k outcomes by group, the groups of each outcome one after the other.

    Attributes
    ----------
    value : ndarray, shape (k g,)
    gradient : ndarray, shape (k g, p)
        Its derivatives in the coefficients.
    apart : ndarray of bool, shape (k g,)
        Whether some row is one of which the rows of the fit do not tell.
    size : ndarray, shape (k g, p)
        Sums of the sizes of what was added up to `gradient`.
    """

    value: np.ndarray
    gradient: np.ndarray
    apart: np.ndarray
    size: np.ndarray

    def less(self, other: Averages) -> Averages:
        """The differences from those of `other`."""
        return Averages(
            self.value - other.value,
            self.gradient - other.gradient,
            self.apart | other.apart,
            self.size + other.size,
        )


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

    @property
    def fitted_formulas(self) -> tuple[FittedFormula, ...]:
        """What makes columns of variables, for every design that a formula was given for.

        Raises
        ------
        ModelError
            If the model was given as arrays.
        """
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
        if name not in self.names():
            known = ", ".join(self.names())
            raise ModelError(
                f"{name!r} is not in the formula; "
                + (f"its variables are {known}." if known else "it has no variables.")
            )
        return self.rows.frame_column(name)

    def as_column(self, name: str, values: list[Any]) -> Any:
        """Values of a variable as a fitted formula reads them.

        Raises
        ------
        ModelError
            If one is no level of a categorical variable.
        """
        column = self.column(name)
        if not isinstance(column, Categories):
            return np.array(values)
        position = {level: k for k, level in enumerate(column.levels)}
        unknown = sorted((value for value in set(values) if value not in position), key=str)
        if unknown:
            raise ModelError(
                f"{name!r} has no level {unknown[0]!r}; its levels are {column.levels}."
            )
        return native(Categories(np.array([position[value] for value in values]), column.levels))

    def levels(self, name: str) -> tuple[Level, ...] | None:
        """The values of a categorical variable, None for a numeric one."""
        column = self.column(name)
        if isinstance(column, Categories):
            return column.levels
        if column.dtype == bool:
            return False, True
        for fitted_formula in self.fitted_formulas:
            for factor in fitted_formula.factors:
                if factor.columns == (name,) and factor.text in fitted_formula.levels:
                    return tuple(np.unique(column).tolist())
        return None

    def at(self, values: Mapping[str, Any]) -> tuple[Designs, Offsets]:
        """Designs and offsets where these variables have other values: one, or (n,) of them."""
        rows = self.fit._model_with_data("averages over the rows").rows
        if not values:
            return rows.designs, rows.offsets
        n, own = rows.n_rows, {name: native(self.column(name)) for name in self.names()}
        columns = own | {name: native(_filled(self, name, v, n)) for name, v in values.items()}
        designs, offsets = list(rows.designs), list(rows.offsets)
        for k, fitted_formula in enumerate(rows.fitted_formulas):
            if fitted_formula is not None:
                built = fitted_formula.apply(columns)
                designs[k] = built.design
                if fitted_formula.offsets and offsets[k] is not None and built.offset is not None:
                    offsets[k] = offsets[k] + (built.offset - fitted_formula.apply(own).offset)
        return designs, offsets

    def groups(self, by: str | None) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names of the groups of a variable, the group of each row, and how often it counts.

        Groups without observations are left out.
        """
        n = self.rows.n_rows
        frequencies = self.rows.frequencies
        weights = np.ones(n) if frequencies is None else frequencies
        if by is None:
            return ("",), np.zeros(n, dtype=np.intp), weights
        column = self.rows.frame_column(by)
        if isinstance(column, Categories):
            names, codes = column.levels, np.asarray(column.codes, dtype=np.intp)
        else:
            found, codes = np.unique(column, return_inverse=True)
            names = tuple(found.tolist())
            codes = np.where(column == column, codes, -1)
        if (codes < 0).any():
            raise DataError(
                f"{by!r} has no value in row {int(np.argmin(codes))}; every row needs a group."
            )
        present = np.bincount(codes, weights, minlength=len(names)) > 0.0
        kept = tuple(f"{by}={name}" for name, used in zip(names, present, strict=True) if used)
        return kept, renumbered(codes, present)[0], weights

    def average(self, values: Mapping[str, Any], by: str | None) -> Averages:
        """Averages of the outcomes by group."""
        designs, offsets = self.at(values)
        names, codes, weights = self.groups(by)
        found = self.outcomes.evaluate(designs, offsets)
        totals = np.bincount(codes, weights, minlength=len(names))
        share = weights / totals[codes]
        # A row that was never observed may have no mean there.
        value = np.where(weights == 0.0, 0.0, found.values)
        averages = np.array([np.bincount(codes, weights * v, minlength=len(names)) for v in value])
        slopes = [np.where(weights == 0.0, 0.0, slope) for slope in found.slopes]
        gradient = self.gradient(designs, [share * slope for slope in slopes], codes, len(names))
        apart = np.tile(self._apart(designs if values else [], by), len(averages))
        return Averages((averages / totals).ravel(), gradient, apart, np.abs(gradient))

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

    def _apart(self, designs: Sequence[Design], by: str | None) -> np.ndarray:
        """Groups, (g,) bool, with rows of which the rows of the fit do not tell."""
        names, codes, weights = self.groups(by)
        fit: Any = self.fit
        if not fit.aliased or not designs:
            return np.zeros(len(names), dtype=bool)
        apart = np.any([rows_apart(fit, design) for design in designs], axis=0)
        return np.bincount(codes, weights * apart, minlength=len(names)) > 0.0

    def average_change(
        self,
        variable: str,
        points: Sequence[np.ndarray],
        shares: Sequence[np.ndarray],
        by: str | None,
    ) -> Averages:
        """Averages of the outcomes' derivatives in a variable by group.

        Parameters
        ----------
        variable
            Numeric.
        points, shares
            (n,) values of it, and their weights in the derivative of a row's linear predictors. The
            rest, of the outcomes in the linear predictors and of all in the coefficients, is exact.
        by
            As for `groups`.
        """
        names, codes, weights = self.groups(by)
        weights = weights / np.bincount(codes, weights, minlength=len(names))[codes]
        moved = [self.at({variable: point}) for point in points]
        change = sum(
            share * self.outcomes.evaluate(*built).predictors
            for built, share in zip(moved, shares, strict=True)
        )
        designs, offsets = self.at({})
        found = self.outcomes.evaluate(designs, offsets)
        bent = self.outcomes.along(found, np.asarray(change))
        averages = np.array(
            [np.bincount(codes, weights * v, minlength=len(names)) for v in bent.values]
        )
        gradient = self.gradient(designs, [weights * b for b in bent.slopes], codes, len(names))
        for (others, _), share in zip(moved, shares, strict=True):
            slopes = [weights * slope * share for slope in found.slopes]
            gradient = gradient + self.gradient(others, slopes, codes, len(names))
        fit: Any = self.fit
        aside = self._aside(variable) if fit.aliased else []
        apart = np.any([self._apart(each, by) for each in aside], axis=0) if aside else False
        apart = np.tile(np.broadcast_to(apart, len(names)), len(averages))
        return Averages(averages.ravel(), gradient, apart, np.abs(gradient))

    def _aside(self, variable: str) -> list[Designs]:
        """Designs where a numeric variable is a little to either side of what it is, or one."""
        column = np.asarray(self.column(variable), dtype=np.float64)
        step = ASIDE * (column.max() - column.min())
        sides = (np.clip(column + s, column.min(), column.max()) for s in (-step, step))
        return [self.at({variable: side})[0] for side in sides]

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


def _filled(rows: Counterfactual, name: str, value: Any, n: int) -> Column:
    """One value in all rows, as a level where the variable is categorical."""
    column = rows.column(name)
    if isinstance(column, Categories):
        if value not in column.levels:
            raise ModelError(f"{name!r} has no level {value!r}; its levels are {column.levels}.")
        return Categories(np.full(n, column.levels.index(value)), column.levels)
    return np.broadcast_to(np.asarray(value), (n,))
