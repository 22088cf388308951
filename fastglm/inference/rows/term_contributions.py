"""What each term adds to the linear predictor, and partial residuals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.labels import label_rows
from fastglm.inference.hypothesis_tests.refits import intercept_column
from fastglm.inference.rows.new_rows import fitted_designs
from fastglm.inference.rows.prediction import new_rows_without_offset
from fastglm.inference.rows.residuals import working_residuals
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "TermContributions",
    "model_terms",
    "partial_residuals",
    "term_contributions",
]


@dataclass(frozen=True, eq=False)
class TermContributions:
    """Parts of the linear predictor.

    Attributes
    ----------
    names : tuple of str
        Of the terms, without the intercept.
    values : ndarray, shape (n, terms)
    constant : float
        What is left of the linear predictor without its offset: the intercept and the centring.
    """

    names: tuple[str, ...]
    values: np.ndarray
    constant: float
    _labels: Any

    def labelled(self) -> Any:
        """The values, as a frame where one came in."""
        return label_rows(self.values, self._labels, self.names)


def model_terms(fit: Fit) -> list[tuple[str, slice]]:
    """Terms of the model and their columns, without the intercept."""
    constant = intercept_column(fit)
    return [
        (name, columns)
        for name, columns in fit.terms
        if (columns.start, columns.stop - 1) != (constant, constant)
    ]


def term_contributions(fit: Fit, exog: Any = None) -> TermContributions:
    """Contributions of the terms, centred where there is an intercept."""
    fitted = fitted_designs(fit)
    rows = fitted if exog is None else new_rows_without_offset(fit, exog)
    row_table, fitted_table = build_row_table(rows.design), build_row_table(fitted.design)
    terms = model_terms(fit)
    often = fit._model_with_data("the centres of terms").rows.frequencies
    values = np.empty((row_table.n_rows, len(terms)), order="F")
    intercept = intercept_column(fit)
    constant = 0.0 if intercept is None else float(fit.estimates[intercept])
    for k, (_, columns) in enumerate(terms):
        values[:, k] = _linear(fit, row_table, columns)
        if intercept is not None:
            center = float(np.average(_linear(fit, fitted_table, columns), weights=often))
            values[:, k] -= center
            constant += center
    if rows.nan_rows is not None:
        values[rows.nan_rows] = np.nan
    return TermContributions(tuple(name for name, _ in terms), values, constant, rows.labels)


def partial_residuals(fit: Fit) -> TermContributions:
    """Working residuals plus the contribution of each term."""
    terms = term_contributions(fit)
    terms.values[...] += working_residuals(fit)[:, None]
    return terms


def _linear(fit: Fit, row_table: RowTable, columns: slice) -> np.ndarray:
    """What some columns add to the linear predictor, (n,)."""
    params = np.zeros_like(fit.estimates)
    params[columns] = fit.estimates[columns]
    (values,) = evaluate_rows(
        row_table, fit.family, params, (row_buffers.LINEAR_PREDICTOR,), n_threads=fit.n_threads
    )
    return values
