"""Estimated marginal means and their contrasts, as R's package emmeans has them.

Searle, Speed & Milliken (1980), *The American Statistician* 34.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.effects.counterfactual import Counterfactual, cell_name
from fastglm.inference.effects.grid import average_over_grid
from fastglm.inference.effects.pieces import Piece
from fastglm.inference.hypothesis_tests.estimability import LinearCombinations, reason_not_estimable
from fastglm.inference.hypothesis_tests.estimates import (
    ADJUSTMENTS,
    INTERVALS,
    Estimates,
    adjusted,
    adjusted_critical_value,
)

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.families import Link
    from fastglm.fit.record import Fit

__all__ = ["Contrasts", "MarginalMeans", "chosen_values", "given_offset", "marginal_means"]


@dataclass(frozen=True, eq=False, repr=False)
class Contrasts(Estimates):
    """Differences of marginal means on the scale of the link.

    Attributes
    ----------
    adjustment : str
        Of p-values and intervals, for the number of contrasts: "none", "bonferroni", "sidak",
        "holm" (with Bonferroni's intervals) or "tukey".
    n_means : int
        Means that are compared.
    """

    adjustment: str = field(kw_only=True)
    n_means: int = field(kw_only=True)

    @property
    def pvalues(self) -> np.ndarray:
        """Two-sided, adjusted for their number, (m,)."""
        return adjusted(super().pvalues, self.statistic, self.adjustment, self.n_means, self.df)

    def _critical_value(self, alpha: float) -> float:
        m = int(np.count_nonzero(~np.isnan(self.estimate)))
        return adjusted_critical_value(self.adjustment, m, self.n_means, self.df, alpha)

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Contrasts, tests and intervals, a pandas DataFrame.

        Column adjustment names that of p-values, and of intervals where that is another.
        """
        frame = super().summary_frame(alpha)
        frame.insert(frame.shape[1] - 2, "adjustment", _adjustment_text(self.adjustment))
        return frame


@dataclass(frozen=True, eq=False, repr=False)
class MarginalMeans(Estimates):
    """Means over a grid with equal weights, on the scale of the link.

    Attributes
    ----------
    link : Link
        That maps them to means of the response.
    combinations : LinearCombinations
        The means as combinations of the coefficients.
    """

    link: Link = field(kw_only=True)
    combinations: Any = field(kw_only=True)

    def contrasts(
        self, method: str | Mapping[str, Sequence[float]] = "pairwise", adjust: str | None = None
    ) -> Contrasts:
        """Contrasts of the means.

        Parameters
        ----------
        method : "pairwise", "trt.vs.ctrl", "eff", or mapping of str to (k,) numbers
            All pairs; all against the first; all against the mean of all; or by name.
        adjust : {"tukey", "bonferroni", "sidak", "holm", "none"}, optional
            Of p-values and intervals, for the number of contrasts. Tukey's is for all pairs, and
            the default there; Sidak's is the default of others;
            beside Holm's p-values stand Bonferroni's intervals, as in R's package emmeans.

        Returns
        -------
        Contrasts
            NaN where the rows of the fit do not determine a contrast. One of means that are not
            estimable may itself be.

        Warns
        -----
        RankWarning
            If a contrast is not estimable.

        Raises
        ------
        ModelError
            If there is no such method, or "tukey" is not for pairs.
        """
        adjust = adjust or ("tukey" if method == "pairwise" else "sidak")
        matrix, names = self._checked_matrix(method, adjust, self.names)
        combinations = self.combinations.combined(matrix)
        estimate, covariance, estimable = combinations.estimate()
        return Contrasts(
            names,
            estimate,
            covariance,
            self.df,
            "Contrasts, scale of the link" + self._of_contrasts(adjust),
            reason_not_estimable(combinations.fit, names, estimable),
            adjustment=adjust,
            n_means=len(self.names),
        )

    def _of_contrasts(self, adjust: str) -> str:
        return f"; p-values and intervals adjusted for their number: {_adjustment_text(adjust)}"

    def _checked_matrix(
        self, method: Any, adjust: str, means: Sequence[str]
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """Weights of the means in each contrast, and the names of the contrasts."""
        matrix, names = _contrast_matrix(method, means)
        if adjust not in ADJUSTMENTS:
            raise ModelError(f"adjust must be one of {ADJUSTMENTS}, not {adjust!r}")
        if adjust == "tukey" and method != "pairwise":
            raise ModelError('adjust="tukey" is for method="pairwise"; use "holm" or "sidak".')
        return matrix, names

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Means on both scales with their intervals, a pandas DataFrame.

        Columns emmean, std err, ci_lower, ci_upper on the scale of the link, and response,
        response_lower, response_upper mapped back.
        """
        import pandas as pd

        limits = self.conf_int(alpha)
        back = np.sort(self.link.inverse(limits), axis=1)
        columns = {
            "emmean": self.estimate,
            "std err": self.standard_error,
            "ci_lower": limits[:, 0],
            "ci_upper": limits[:, 1],
            "response": self.link.inverse(self.estimate),
            "response_lower": back[:, 0],
            "response_upper": back[:, 1],
        }
        return pd.DataFrame(columns, index=list(self.names))


def _contrast_matrix(method: Any, means: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    k, one = len(means), np.eye(len(means))
    if isinstance(method, Mapping):
        matrix = np.array([np.asarray(row, np.float64) for row in method.values()])
        if matrix.shape != (len(method), k):
            raise ModelError(f"a contrast needs {k} numbers, one for each mean.")
        return matrix, tuple(method)
    if method == "pairwise":
        pairs = list(itertools.combinations(range(k), 2))
    elif method == "trt.vs.ctrl":
        pairs = [(j, 0) for j in range(1, k)]
    elif method == "eff":
        return one - 1.0 / k, tuple(f"{name} effect" for name in means)
    else:
        raise ModelError(
            f'method must be "pairwise", "trt.vs.ctrl", "eff" or numbers by name, not {method!r}'
        )
    names = tuple(f"{means[a]} - {means[b]}" for a, b in pairs)
    return np.array([one[a] - one[b] for a, b in pairs]), names


def _adjustment_text(adjustment: str) -> str:
    intervals = INTERVALS.get(adjustment, adjustment)
    return adjustment if intervals == adjustment else f"{adjustment} (intervals: {intervals})"


def chosen_values(
    rows: Counterfactual, specs: str | Sequence[str], at: Mapping[str, Any] | None
) -> tuple[list[str], dict[str, list[Any]]]:
    """The variables that are asked for, and the values of all."""
    if not isinstance(specs, Iterable) or not isinstance(at, Mapping | None):
        raise ModelError(
            "emmeans takes a name or a list of names, and at= a dictionary from a name to values."
        )
    chosen = [specs] if isinstance(specs, str) else list(specs)
    values = _grid_values(rows, at or {})
    for name in [*chosen, *(at or {})]:
        rows.require(name)
    return chosen, values


def marginal_means(
    fit: Fit, specs: str | Sequence[str], at: Mapping[str, Any] | None
) -> MarginalMeans:
    """See `Results.emmeans`."""
    rows = Counterfactual(fit)
    chosen, values = chosen_values(rows, specs, at)
    grid = average_over_grid(rows, values, chosen)
    combinations = LinearCombinations(
        fit, grid.columns, grid.offset + given_offset(rows), grid.sizes
    )
    estimate, covariance, estimable = combinations.estimate()
    names = tuple(cell_name(zip(chosen, cell, strict=True)) for cell in grid.cells)
    df = fit.df_inference if fit.use_t else np.inf
    return MarginalMeans(
        names,
        estimate,
        covariance,
        df,
        "Estimated marginal means, scale of the link",
        reason_not_estimable(fit, names, estimable),
        link=fit.family.link,
        combinations=combinations,
    )


def given_offset(rows: Counterfactual) -> float:
    """Mean of the first offset beside that of the formula, which follows the values of the grid."""

    def beside_formula(piece: Piece) -> np.ndarray:
        offset, own = piece.rows.offset, piece.rows.offset_parts.formula
        if offset is None:
            return np.zeros(piece.rows.n_rows)
        return offset if own is None else offset - own

    return rows.mean(beside_formula)


def _grid_values(rows: Counterfactual, at: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Levels of the categorical variables, and means of the numeric ones, unless given by `at`."""
    values: dict[str, list[Any]] = {}
    for name in rows.names():
        levels = rows.levels(name)
        if name in at:
            values[name] = np.atleast_1d(at[name]).tolist()
        elif levels is not None:
            values[name] = list(levels)
        else:
            values[name] = [rows.mean(methodcaller("column", name))]
    return values
