"""Marginal means of outcomes that are no linear functions of the coefficients.

Predictions averaged over the grid of all values of the variables with equal weights, as R's package
emmeans has them in its modes "prob", "mean.class" and "response". Standard errors are by the delta
method.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.families.links import Identity
from fastglm.inference.effects.counterfactual import Counterfactual, cell_name
from fastglm.inference.effects.grid import MOST_POINTS, require_few
from fastglm.inference.effects.marginal_means import (
    Contrasts,
    MarginalMeans,
    chosen_values,
    given_offset,
)
from fastglm.rows.model_rows import constant_design

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.base import FitBase

__all__ = ["OutcomeMeans", "outcome_means"]


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeMeans(MarginalMeans):
    """Means of outcomes over a grid with equal weights; all cells of the first outcome come first.

    Attributes
    ----------
    cells, outcomes : tuple of str
        What each mean is of: `names` are all pairs.
    """

    cells: tuple[str, ...] = field(kw_only=True)
    outcomes: tuple[str, ...] = field(kw_only=True)

    def contrasts(
        self, method: str | Mapping[str, Sequence[float]] = "pairwise", adjust: str | None = None
    ) -> Contrasts:
        """Contrasts of the cells for each outcome; see `MarginalMeans.contrasts`.

        Tukey's adjustment is for the cells of one outcome, the others are for all contrasts.
        """
        adjust = adjust or ("tukey" if method == "pairwise" else "sidak")
        one, names = self._checked_matrix(method, adjust, self.cells)
        matrix = np.kron(np.eye(len(self.outcomes)), one)
        labels = [_labelled(name, outcome) for outcome in self.outcomes for name in names]
        return Contrasts(
            tuple(labels),
            matrix @ self.estimate,
            matrix @ self.covariance @ matrix.T,
            self.df,
            "Contrasts" + self._of_contrasts(adjust),
            adjustment=adjust,
            n_means=len(self.cells),
        )

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Means and their intervals, a pandas DataFrame: emmean, std err, ci_lower, ci_upper."""
        return super().summary_frame(alpha).iloc[:, :4]


def _labelled(name: str, outcome: str) -> str:
    return f"{name}, {outcome}" if outcome else name


def outcome_means(
    fit: FitBase, specs: str | Sequence[str], at: Mapping[str, Any] | None, which: str
) -> OutcomeMeans:
    """See `ResponseResults.emmeans`."""
    rows = Counterfactual(fit, which)
    chosen, values = chosen_values(rows, specs, at)
    require_few(values, list(values), MOST_POINTS, "their grid has {} points")
    points = list(itertools.product(*values.values()))
    columns = {
        name: rows.as_column(name, list(column))
        for name, column in zip(values, zip(*points, strict=True), strict=True)
    }
    places = [list(values).index(name) for name in chosen]
    number: dict[tuple[Any, ...], int] = {}
    group = np.array([number.setdefault(tuple(p[k] for k in places), len(number)) for p in points])
    designs, offsets = _grid_designs(rows, columns, len(points))
    share = 1.0 / np.bincount(group)[group]
    found = rows.outcomes.evaluate(designs, offsets)
    means = np.array([np.bincount(group, share * v, minlength=len(number)) for v in found.values])
    slopes = [share * slope for slope in found.slopes]
    gradient = rows.gradient(designs, slopes, group, len(number))
    cells = tuple(cell_name(zip(chosen, cell, strict=True)) for cell in number)
    outcomes = rows.outcomes.names
    return OutcomeMeans(
        tuple(_labelled(cell, outcome) for outcome in outcomes for cell in cells),
        means.ravel(),
        fit.covariance_of_combinations(gradient),
        fit.df_inference if fit.use_t else np.inf,
        f"Estimated marginal means of {which!r}",
        link=Identity(),
        combinations=None,
        cells=cells,
        outcomes=outcomes,
    )


def _grid_designs(rows: Counterfactual, columns: Mapping[str, Any], n: int) -> tuple[list, list]:
    """Designs and offsets of the points of a grid; an offset that was given has its mean."""
    fit: Any = rows.fit
    if fit.aliased:
        raise ModelError(
            f"{', '.join(fit.aliased)} cannot be told from earlier columns: leave these out of the "
            "model, so that every point of the grid has a prediction."
        )
    designs, offsets = [], []
    for k, fitted_formula in enumerate(rows.rows.fitted_formulas):
        built = None if fitted_formula is None else fitted_formula.apply(columns)
        designs.append(constant_design(n) if built is None else built.design)
        offset = None if built is None else built.offset
        given = given_offset(rows) if k == 0 else 0.0
        if given:
            offset = np.full(n, given) if offset is None else offset + given
        offsets.append(offset)
    return designs, offsets
