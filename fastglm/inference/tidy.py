"""A fit as frames: its coefficients, the fit as a whole, and its rows, under broom's names.

Robinson, Hayes & Couch, *broom: Convert Statistical Objects into Tidy Tibbles*, R package; Bolker
& Robinson, *broom.mixed*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import one_row
from fastglm.design.frames.labels import frame_of_rows, labelled_rows
from fastglm.design.frames.output import frame_of, is_arrow, with_columns
from fastglm.errors import ModelError
from fastglm.fit.ratios import to_ratio
from fastglm.inference.diagnostics.influence import Influence
from fastglm.inference.intervals.prediction_intervals import get_prediction
from fastglm.inference.rows.new_rows import fitted_designs
from fastglm.inference.rows.prediction import (
    named_prediction,
    new_rows,
    predict_rows,
)
from fastglm.inference.rows.residuals import deviance_residuals

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase
    from fastglm.fit.record import Fit

__all__ = ["augmented", "coefficient_columns", "glance", "ratio_of", "ratios", "row_columns"]


def ratios(fit: FitBase) -> list[str | None]:
    """What the exponential of each coefficient is, such as an odds ratio; None for those of none.

    Raises
    ------
    ModelError
        If it is that of no coefficient.
    """
    found = fit._ratio_names()
    if not any(found):
        raise ModelError(
            "exponentiate=True is for links whose coefficients are logarithms of ratios, such as "
            "log and logit: these coefficients are not."
        )
    return found


def ratio_of(found: Sequence[str | None]) -> str:
    """One title for ratios of coefficients."""
    names = {name for name in found if name}
    return names.pop() if len(names) == 1 else "exp(coef)"


def coefficient_columns(
    fit: FitBase, limits: np.ndarray | None = None, exponentiate: bool = False
) -> dict[str, Any]:
    """Columns of broom's ``tidy``, a value for each of the p coefficients.

    Parameters
    ----------
    fit
        Of any model.
    limits
        Intervals of the coefficients, (p, 2), if they are wanted.
    exponentiate
        Whether estimates and limits are ratios. Standard errors and tests stay those of the
        coefficients, as in broom.
    """
    columns: dict[str, Any] = dict(fit._tidy_names())
    columns |= {
        "estimate": fit.estimates.copy(),
        "std.error": fit.standard_errors,
        "statistic": fit._statistics,
        "p.value": fit._pvalues,
    }
    if limits is not None:
        columns |= {"conf.low": limits[:, 0].copy(), "conf.high": limits[:, 1].copy()}
    if exponentiate:
        which = np.array([name is not None for name in ratios(fit)])
        for name in ("estimate", "conf.low", "conf.high"):
            if name in columns:
                columns[name][which] = to_ratio(columns[name][which])
    return columns


def glance(fit: FitBase) -> Any:
    """One row about the whole fit, in a frame of the user's library."""
    columns = {
        name: np.array([getattr(fit, attribute)], dtype=np.float64)
        for name, attribute in fit._glance_columns()
    }
    return frame_of(columns, fit._like)


def row_columns(fit: Fit, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
    """Columns of broom's ``augment`` of a generalized linear model, (n,) each."""
    which = named_prediction(which or "linear", ("linear", "mean"))
    rows = fitted_designs(fit) if data is None else new_rows(fit, data)
    columns = {}
    if se_fit:
        both = get_prediction(fit, rows, n_threads=fit.n_threads)
        linear = which == "linear"
        columns[".fitted"] = np.asarray(both.linear_predictor if linear else both.predicted_mean)
        columns[".se.fit"] = np.asarray(both.se_linear_predictor if linear else both.se_mean)
    else:
        columns[".fitted"] = np.asarray(predict_rows(fit, rows, which, fit.n_threads))
    if data is not None:
        return columns
    influence = Influence(fit)
    return columns | {
        ".resid": deviance_residuals(fit),
        ".hat": np.asarray(influence.hat_matrix_diag),
        ".sigma": influence.deletion_scale,
        ".cooksd": np.asarray(influence.cooks_distance[0]),
        ".std.resid": np.asarray(influence.resid_standardized),
    }


def _own_columns(fit: FitBase) -> Any:
    """Response and columns of a model that was given as arrays, as a frame."""
    rows = fit._model_with_data("the rows of the fit").rows
    rows = getattr(rows, "fixed", rows)
    design = rows.design if hasattr(rows, "design") else rows.designs[0]
    names = fit.names if len(fit.names) == design.n_columns else design.names
    columns = dict(zip(names, design.to_dense().T, strict=True))
    response = {rows.response_name: rows.response} if np.ndim(rows.response) == 1 else {}
    return frame_of_rows(response | columns, rows.labels)


def augmented(fit: FitBase, data: Any, columns: dict[str, np.ndarray]) -> Any:
    """Rows beside new columns, in a frame of the user's library.

    Parameters
    ----------
    fit
        Of any model.
    data
        The frame of the rows, or an array of the model's columns; None for those of the fit.
    columns
        The new ones, (n,) each.
    """
    kept = None
    if data is None:
        rows = fit._model_with_data("the rows of the fit").rows
        data, kept = rows.frame, getattr(rows, "fixed", rows).frame_rows
        data = _own_columns(fit) if data is None else data
        if is_arrow(data):
            # The rows of a source, which may be that of another library.
            data, kept = labelled_rows(data, kept, rows.labels), None
    elif isinstance(data, np.ndarray | list | tuple):
        matrix = np.asarray(data)
        data = frame_of(dict(zip(fit.names, np.atleast_2d(matrix).T, strict=True)))
    return with_columns(one_row(data), kept, columns)
