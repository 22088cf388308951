"""Other models of the rows of a fit: with another family, or more columns, and tests of these."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError, RankWarning, SeparationWarning
from fastglm.families import Family
from fastglm.inference.hypothesis_tests.refits import require_unconstrained, streamed_rows
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed_model import with_columns

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["Added", "other_fit", "predictor_of_rows", "test_of_columns"]


class Added(NamedTuple):
    """Columns that are added to rows as these are read.

    Attributes
    ----------
    n_columns : int
    columns : callable
        Returns (n, n_columns) from rows of the model and the values of the piece.
    """

    n_columns: int
    columns: Callable[[ModelRows, Any], np.ndarray]


def other_fit(fit: Fit, design: Design | Added | None = None, family: Family | None = None) -> Fit:
    """The fit of the same rows with another design or family; aliased columns are no surprise.

    Of rows that are not in memory, the design is the fit's own with `Added` columns.
    """
    require_unconstrained(fit)
    rows = streamed_rows(fit)
    model = copy(
        fit._model_of_rows("another model") if rows else fit._model_with_data("another model")
    )
    model.__dict__.pop("row_table", None)
    model.family = fit.family if family is None else family
    more = 0
    if rows is not None:
        added = design.columns if isinstance(design, Added) else None
        model.rows = rows.changed(family=model.family, added=added)
        more = design.n_columns if isinstance(design, Added) else 0
    elif design is not None:
        model.rows = model.rows.with_design(design)
        more = design.n_columns - fit.estimates.size
    start = None
    if design is not None and not (rows is not None and fit.infinite):
        # More columns: a model that has this fit in it cannot end above its deviance.
        start = np.append(np.nan_to_num(fit.estimates), np.zeros(more))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        if fit.infinite:
            # The fit itself has told it.
            warnings.simplefilter("ignore", SeparationWarning)
        return model.fit(
            tol=1e-10,
            max_iter=200,
            start_params=start,
            scale=fit.scale if fit.dispersion_known else "X2",
            n_threads=fit.n_threads,
        )


def predictor_of_rows(fit: Fit, rows: ModelRows) -> np.ndarray:
    """Linear predictor of some rows of the model, (n,)."""
    row_table = build_row_table(rows.design, rows.response, rows.prior_weights, rows.offset)
    wanted = (row_buffers.LINEAR_PREDICTOR,)
    return evaluate_rows(row_table, fit.family, fit.estimates, wanted, n_threads=1)[0]


def test_of_columns(fit: Fit, name: str, columns: np.ndarray | Added) -> HypothesisTest:
    """Likelihood ratio test of more columns, (n, k), or F where the dispersion is estimated.

    Raises
    ------
    ModelError
        If they are combinations of those that are there.
    """
    k = columns.n_columns if isinstance(columns, Added) else columns.shape[1]
    already = f"{name}: what it adds is in the model already."
    if k == 0:
        raise ModelError(already)
    if isinstance(columns, Added):
        larger = other_fit(fit, columns)
    else:
        design = fit._model_with_data(name).rows.design
        larger = other_fit(fit, with_columns(design, columns))
    df = larger.rank - fit.rank
    if df == 0:
        raise ModelError(already)
    drop = fit.deviance - larger.deviance
    if fit.dispersion_known:
        return HypothesisTest.of(name, max(drop, 0.0) / fit.scale, df)
    return HypothesisTest.of(name, max(drop, 0.0) / larger.scale, df, larger.df_resid)
