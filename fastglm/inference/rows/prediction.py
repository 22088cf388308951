"""Predictions for new rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.missing import rows_text
from fastglm.errors import FastGLMWarning, RankWarning, warn
from fastglm.fit.aliased import aliased_text
from fastglm.fit.outcomes import named_prediction
from fastglm.inference.hypothesis_tests.estimability import rows_apart
from fastglm.inference.rows.new_rows import NewRows, fitted_designs, new_designs
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.row_values import evaluate_rows

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "PREDICTIONS",
    "means_outside",
    "new_rows",
    "new_rows_without_offset",
    "outside_text",
    "predict",
    "predict_rows",
    "warn_of_means_outside",
]

_BUFFERS = {"mean": row_buffers.MEAN, "linear": row_buffers.LINEAR_PREDICTOR}
#: What can be predicted of a row.
PREDICTIONS = tuple(_BUFFERS)


def new_rows(
    fit: Fit, exog: Any, offset: Any = None, exposure: Any = None, unseen: str = "raise"
) -> NewRows:
    """Bring new rows to the model's columns; arguments as for `Results.predict`.

    Raises
    ------
    DataError
        If columns, offset or exposure are missing or cannot be used.

    Warns
    -----
    RankWarning
        If aliased columns are not the combinations that they were in the fit, as R's ``predict``.
    """
    rows = new_designs(fit, exog, offset, exposure, unseen)
    _warn_of_other_combinations(fit, rows)
    return rows


def new_rows_without_offset(fit: Fit, exog: Any) -> NewRows:
    """New rows for what no offset enters, such as the contributions of terms.

    Warns
    -----
    RankWarning
        As `new_rows`.
    """
    rows = new_designs(fit, exog, with_offset=False)
    _warn_of_other_combinations(fit, rows)
    return rows


def _warn_of_other_combinations(fit: Fit, rows: NewRows) -> None:
    """Say in which rows an aliased column is not the combination that it was in the fit."""
    if not fit.aliased:
        return
    apart = rows_apart(fit, rows.design)
    if rows.nan_rows is not None:
        apart &= ~rows.nan_rows
    if apart.any():
        warn(
            f"In {rows_text(apart)} of the new data {aliased_text(fit.aliased)} does not hold "
            "as it did in the fit: their predictions depend on taking NaN coefficients for 0.",
            RankWarning,
        )


def predict(
    fit: Fit,
    exog: Any,
    which: str,
    offset: Any,
    exposure: Any,
    unseen: str,
    n_threads: int | None,
) -> Any:
    """Predictions for new rows, or the fitted ones; see `Results.predict`."""
    which = named_prediction(which, PREDICTIONS)
    if exog is None:
        rows = fitted_designs(fit, offset, exposure, unseen)
    else:
        rows = new_rows(fit, exog, offset, exposure, unseen)
    n_threads = fit.n_threads if n_threads is None else usable_threads(n_threads)
    values = predict_rows(fit, rows, which, n_threads)
    if which == "mean":
        warn_of_means_outside(fit, values)
    return values


def means_outside(fit: Fit, means: Any) -> np.ndarray:
    """Which predicted means, (n,) bool, no response of the family can have; NaN is none of them.

    Outside the rows of the fit nothing keeps linear predictors within what the link allows.
    """
    values = np.asarray(means)
    if fit.family.is_unbounded:
        return np.zeros(values.shape, dtype=bool)
    return ~fit.family.domain.contains(values) & ~np.isnan(values)


def outside_text(fit: Fit, where: str) -> str:
    """What is wrong with predicted means outside the domain."""
    family = fit.family
    return (
        f"The predicted mean is outside the domain of family {type(family).__name__}, "
        f"{family.domain}, in {where}: its {type(family.link).__name__} link has no bound there. A "
        "link such as log or logit has."
    )


def warn_of_means_outside(fit: Fit, means: Any) -> None:
    """Say in which rows a predicted mean is none that the family can have."""
    outside = means_outside(fit, means)
    if outside.any():
        warn(outside_text(fit, rows_text(outside)), FastGLMWarning)


def predict_rows(fit: Fit, rows: NewRows, which: str, n_threads: int) -> Any:
    """Means or linear predictors, "mean" or "linear", of rows brought to the model's columns."""
    buffers = (_BUFFERS[which],)
    (values,) = evaluate_rows(
        rows.row_table, fit.family, fit.estimates, buffers, n_threads=n_threads
    )
    return rows.label(values)
