"""Predictions of a mixed model: with the modes of levels, without, or averaged over levels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import Frame, read_column
from fastglm.design.frames.labels import label_rows
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, ModelError, UnseenLevelError
from fastglm.inference.intervals.predictive_mixture import normal_quadrature
from fastglm.inference.rows import new_rows as population_rows
from fastglm.inference.rows.new_rows import as_rows, new_designs
from fastglm.mixed.record import MixedFit
from fastglm.mixed.rows import FittedGroup, as_categories
from fastglm.responses.designs import linear_predictor

__all__ = [
    "LEVELS",
    "NEW_LEVELS",
    "NewRows",
    "conditional_part",
    "effect_sd",
    "marginal_mean",
    "new_rows",
    "predict_rows",
    "quadrature_nodes",
    "split_options",
    "with_effects",
]

LEVELS = ("conditional", "population", "marginal")
NEW_LEVELS = ("raise", "zero", "nan")
#: Nodes of the quadrature over a normal distribution.
N_NODES = 61


@dataclass(frozen=True, eq=False)
class NewRows:
    """Rows to predict.

    Attributes
    ----------
    design : Design
        Fixed columns.
    offset : ndarray, shape (n,), or None
    codes : list of ndarray, shape (n,)
        Levels of every grouping factor; negative for unseen ones.
    columns : list of ndarray, shape (n, k)
        Columns of its effects.
    nan_rows : ndarray of bool, shape (n,)
        Rows with missing values.
    labels : pandas.Index, data frame or None
        Of the rows, as `row_labels` gives them.
    """

    design: Design
    offset: np.ndarray | None
    codes: list[np.ndarray]
    columns: list[np.ndarray]
    nan_rows: np.ndarray
    labels: Any

    def label(self, values: np.ndarray) -> Any:
        """(n,) numbers, NaN where values are missing; a Series if a frame came in."""
        return label_rows(np.where(self.nan_rows, np.nan, values), self.labels)


def predict_rows(
    results: MixedFit,
    exog: Any,
    level: str,
    which: str,
    new_levels: str,
    others: Mapping[str, Any],
) -> Any:
    """Predictions; arguments as for `MixedResults.predict`."""
    for value, known, name in (
        (level, LEVELS, "level"),
        (which, ("mean", "linear"), "which"),
        (new_levels, NEW_LEVELS, "new_levels"),
    ):
        checked_choice(name, value, known)
    if level == "marginal" and which == "linear":
        raise ModelError("the marginal mean is one of the response: leave out which='linear'.")
    rows = new_rows(results, exog, others, level)
    eta = linear_predictor(rows.design, results.estimates, results.n_threads)
    if rows.offset is not None:
        eta = eta + rows.offset
    if level == "conditional":
        eta = eta + conditional_part(results, rows, new_levels)
    link = results.family.link
    if level == "marginal":
        return rows.label(marginal_mean(link, eta, effect_sd(results, rows)))
    return rows.label(eta if which == "linear" else link.inverse(eta))


def conditional_part(
    results: MixedFit, rows: NewRows, new_levels: str, predictor: int = 0
) -> np.ndarray:
    """What the modes of the rows' levels add to a linear predictor, (n,)."""
    total = np.zeros(rows.design.n_rows)
    for group, codes, columns in zip(results.groups, rows.codes, rows.columns, strict=True):
        unseen = (codes < 0) & ~rows.nan_rows
        if unseen.any() and new_levels == "raise":
            row = int(np.flatnonzero(unseen)[0])
            raise UnseenLevelError(
                f"row {row} has a level of '{group.group}' that the fit has not seen: pass "
                "new_levels='zero' to predict it with random effects of zero, or 'nan'."
            )
        own = group.predictors == predictor
        part = (group.modes[codes] * columns)[:, own].sum(axis=1)
        part[codes < 0] = 0.0 if new_levels == "zero" else np.nan
        total += part
    return total


def effect_sd(results: MixedFit, rows: NewRows, predictor: int = 0) -> np.ndarray:
    """Standard deviation of the random part of a predictor over all levels, (n,)."""
    variance = np.zeros(rows.design.n_rows)
    for group, columns in zip(results.groups, rows.columns, strict=True):
        own = columns * (group.predictors == predictor)
        variance += np.einsum("na,ab,nb->n", own, group.covariance, own)
    return np.sqrt(variance)


def quadrature_nodes() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a standard normal variable."""
    return normal_quadrature(N_NODES)


def marginal_mean(link: Any, eta: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Mean of the response over normal linear predictors, by Gauss-Hermite quadrature, (n,)."""
    total = np.zeros(eta.size)
    for node, weight in zip(*quadrature_nodes(), strict=True):
        total += weight * link.inverse(eta + node * sd)
    return total


def new_rows(
    results: MixedFit, exog: Any, others: Mapping[str, Any], level: str = "conditional"
) -> NewRows:
    """Bring new rows to the model's columns.

    Population predictions do not need the columns of the random terms.

    Raises
    ------
    DataError
        If columns are missing or cannot be used.
    """
    given, of_effects = split_options(others, exog)
    if exog is None:
        return _fitted_rows(results)
    exog = as_rows(results, exog)
    fixed = new_designs(results, exog, **given)
    return with_effects(results, fixed, exog, of_effects, level)


def split_options(others: Mapping[str, Any], exog: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of predictions: those of the fixed part, and those of the random one.

    Raises
    ------
    ModelError
        If there is no such option, or one is given for the fitted rows.
    """
    unknown = set(others) - {"offset", "exposure", "groups", "Z"}
    if unknown:
        raise ModelError(f"predict does not know {', '.join(sorted(unknown))}.")
    if exog is None and others:
        raise ModelError(f"predict of the fitted rows takes no {', '.join(others)}=.")
    given = {name: value for name, value in others.items() if name in ("offset", "exposure")}
    return given, {name: value for name, value in others.items() if name not in given}


def with_effects(
    results: MixedFit,
    fixed: population_rows.NewRows,
    exog: Any,
    of_effects: Mapping[str, Any],
    level: str,
) -> NewRows:
    """Rows with the levels and columns of every grouping factor, unless `level` needs none."""
    n = fixed.design.n_rows
    nan_rows = np.zeros(n, dtype=bool) if fixed.nan_rows is None else fixed.nan_rows.copy()
    codes, columns = [], []
    for group in results.groups if level != "population" else ():
        one = _codes_and_columns(group.fitted_formula, exog, of_effects, n, nan_rows)
        codes.append(one[0])
        columns.append(one[1])
    return NewRows(fixed.design, fixed.offsets[0], codes, columns, nan_rows, fixed.labels)


def _fitted_rows(results: MixedFit) -> NewRows:
    rows = results._model_with_data("predictions").mixed_rows
    blocks = {block.group: block for block in rows.blocks}
    own = [blocks[group.group] for group in results.groups]
    fixed = rows.fixed
    return NewRows(
        fixed.design,
        fixed.offset,
        [block.codes for block in own],
        [block.columns for block in own],
        np.zeros(fixed.n_rows, dtype=bool),
        fixed.labels,
    )


def _codes_and_columns(
    fitted_formula: FittedGroup, exog: Any, others: Mapping[str, Any], n: int, nan_rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Levels and columns of one factor for new rows; rows with missing columns are marked."""
    if not fitted_formula.factors:
        return _from_arrays(fitted_formula, others, n, nan_rows)
    table = read_table(Frame(exog), fitted_formula.factors, None)
    values = [as_categories(f.evaluate(table.columns, {}), f.text) for f in fitted_formula.factors]
    matrices = []
    for term in fitted_formula.terms:
        assert term.fitted_formula is not None
        built = term.fitted_formula.apply(exog, missing="nan")
        if built.nan_rows is not None:
            nan_rows |= built.nan_rows
        matrices.append(built.design.to_dense())
    for column in values:
        nan_rows |= column.codes < 0
    return fitted_formula.codes(values), np.hstack(matrices)


def _from_arrays(
    fitted_formula: FittedGroup, others: Mapping[str, Any], n: int, nan_rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    groups, Z = others.get("groups"), others.get("Z")
    groups = groups.get(fitted_formula.group) if isinstance(groups, Mapping) else groups
    if groups is None:
        raise DataError(
            f"predict needs groups= with the levels of '{fitted_formula.group}', "
            "or level='population'."
        )
    values = as_categories(read_column(groups, fitted_formula.group), fitted_formula.group)
    codes = fitted_formula.codes([values])
    if codes.size != n:
        raise DataError(f"groups has {codes.size} values for {n} rows.")
    nan_rows |= values.codes < 0
    width = sum(term.width for term in fitted_formula.terms)
    given = Z.get(fitted_formula.group) if isinstance(Z, Mapping) else Z
    if given is None:
        if not all(term.is_intercept for term in fitted_formula.terms):
            raise DataError(f"predict needs Z= with the columns of '{fitted_formula.group}'.")
        return codes, np.ones((n, width))
    matrix = np.asarray(given, dtype=np.float64).reshape(n, -1)
    if matrix.shape[1] != width:
        raise DataError(
            f"Z has {matrix.shape[1]} columns, but '{fitted_formula.group}' has {width}."
        )
    return codes, matrix
