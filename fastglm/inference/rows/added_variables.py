"""What a column adds to a fit, row by row: for added-variable plots and CERES plots."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Dense, Design
from fastglm.design.matrix.select import join_designs, select_columns
from fastglm.errors import ModelError
from fastglm.inference.hypothesis_tests.refits import refit, refit_columns
from fastglm.inference.rows.residuals import RESIDUALS
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["added_variable", "ceres_residuals", "column_named", "values_of_column"]

#: Columns of the spline that means of other columns are fitted by; a column of no more values than
#: one more than these has a mean at each.
SPLINE_COLUMNS = 5
#: Of the largest, of directions that are taken to be different from none.
SMALLEST = 1e-8


def column_named(fit: Fit, name: Any) -> int:
    """Number of a column by its name or number, of those that have an estimate.

    Raises
    ------
    ModelError
        If there is none, or the column is a combination of others.
    """
    if isinstance(name, int | np.integer) and not isinstance(name, bool):
        number = int(name) if -len(fit.names) <= name < len(fit.names) else None
        number = number if number is None or number >= 0 else number + len(fit.names)
    else:
        number = fit.names.index(name) if name in fit.names else None
    if number is None:
        raise ModelError(f"there is no column {name!r}; the columns are {', '.join(fit.names)}.")
    if np.isnan(fit.estimates[number]):
        raise ModelError(f"{fit.names[number]} is a combination of other columns.")
    return number


def values_of_column(fit: Fit, number: int) -> np.ndarray:
    """A column of X, (n,)."""
    design = fit._model_with_data("a column").rows.design
    return np.asarray(select_columns(design, [number]).to_dense()[:, 0])


def _other_columns(fit: Fit, number: int) -> np.ndarray:
    """Numbers of the other columns that are not aliased."""
    return np.setdiff1d(np.flatnonzero(~np.isnan(fit.estimates)), [number])


def added_variable(
    fit: Fit, number: int, kind: str = "pearson"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What other columns leave of a column, and of the response, and weights, (n,) each.

    Parameters
    ----------
    fit
        The fit.
    number
        Of the column.
    kind
        Of the residuals of the response: a name of `RESIDUALS`.

    Returns
    -------
    Residuals of the column from the regression on the others, with the weights of the fit, and
    residuals of the model without it, and its weights. Wang (1985), *Technometrics* 27; Cook &
    Weisberg (1999), *Applied Regression Including Computing and Graphics*, chapter 16.
    """
    rows = fit._model_with_data("an added variable").rows
    # Coefficients of the other columns, for this one, are in its column of the inverse.
    inverse = np.nan_to_num(np.asarray(fit.information_inverse)[:, number])
    left = evaluate_rows(
        build_row_table(rows.design),
        fit.family,
        inverse / inverse[number],
        (row_buffers.LINEAR_PREDICTOR,),
        n_threads=fit.n_threads,
    )[0]
    without = refit_columns(fit, _other_columns(fit, number))
    smaller = replace(fit, estimates=without.params)
    (weight,) = smaller.row_values(row_buffers.WEIGHT)
    return np.asarray(left), np.asarray(RESIDUALS[kind](smaller)), np.asarray(weight)


def ceres_residuals(
    fit: Fit, number: int, conditional_means: np.ndarray | None = None
) -> np.ndarray:
    """Partial residuals that show the shape of a column's effect beside others that bend with it.

    The model without the column gets the means of all others given it, as smooth functions of it;
    what these add is in the residuals again. Cook (1993), *Technometrics* 35.

    Parameters
    ----------
    fit
        The fit.
    number
        Of the column.
    conditional_means
        (n, k); by default those by a natural spline of the column.
    """
    rows = fit._model_with_data("partial residuals").rows
    others = _other_columns(fit, number)
    if not others.size:
        raise ModelError(
            "CERES residuals of the only column are its partial residuals: draw those instead."
        )
    means = _conditional_means(fit, number, others)
    if conditional_means is not None:
        means = np.asarray(conditional_means, dtype=np.float64).reshape(rows.n_rows, -1)
    design, k = select_columns(rows.design, others), means.shape[1]
    if k:
        names = tuple(f"mean {j}" for j in range(k))
        added = Design((Dense(means),), rows.n_rows, names, None, None, ((names[0], slice(0, k)),))
        design = join_designs(design, added)
    row_table = build_row_table(design, rows.response, rows.prior_weights, rows.offset)
    params = np.nan_to_num(refit(fit, row_table)[0])
    mean, slope = evaluate_rows(
        row_table,
        fit.family,
        params,
        (row_buffers.MEAN, row_buffers.SLOPE),
        n_threads=fit.n_threads,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (rows.response - mean) / slope
    return np.asarray(residual + means @ params[design.n_columns - k :])


def _conditional_means(fit: Fit, number: int, others: np.ndarray) -> np.ndarray:
    """A basis of the smooth functions of a column that means of the others are, (n, k)."""
    rows = fit._model_with_data("partial residuals").rows
    values = values_of_column(fit, number)
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    basis = _functions(values)
    basis = basis - often @ basis / often.sum()
    root = np.linalg.qr(np.sqrt(often)[:, None] * basis, mode="r")
    _, sizes, directions = np.linalg.svd(root)
    kept = sizes > SMALLEST * sizes[0]
    basis = basis @ (directions[kept].T / sizes[kept])
    products = np.column_stack([rows.times_columns(often * column)[others] for column in basis.T])
    spread = np.sqrt(np.maximum(_squares(fit, often)[others], np.finfo(float).tiny))
    found, sizes, _ = np.linalg.svd((products / spread[:, None]).T, full_matrices=False)
    return np.asarray(basis @ found[:, sizes > SMALLEST])


def _squares(fit: Fit, often: np.ndarray) -> np.ndarray:
    """Sums of squares of the columns, (p,)."""
    rows = fit._model_with_data("partial residuals").rows
    total = np.zeros(rows.design.n_columns)
    for part, X in dense_slices(rows.design):
        total += often[part] @ np.square(X)
    return total


def _functions(values: np.ndarray) -> np.ndarray:
    """Functions of a column: of each of a few values, or a natural cubic spline, (n, k)."""
    different = np.unique(values)
    if different.size < 2:
        raise ModelError("the column has one value: its effect has no shape.")
    if different.size <= SPLINE_COLUMNS + 2:
        return np.asarray(values[:, None] == different[None, 1:], dtype=np.float64)
    options = {"df": SPLINE_COLUMNS, "constraints": None}
    basis = apply_stateful("cr", [values], options, {}, f"cr(values, df={SPLINE_COLUMNS})")
    return np.asarray(basis.values if isinstance(basis, Basis) else basis)
