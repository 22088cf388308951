"""Saved fits with several predictors, as plain JSON types (see `fastglm.load`)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import DataError
from fastglm.fit.json_numbers import pack_triangle, unpack_triangle
from fastglm.fit.saved_fields import (
    SavedFields,
    formula_from_json,
    formula_to_json,
    restore_lazy_numbers,
)
from fastglm.records import frozen
from fastglm.responses import MODELS
from fastglm.responses.record import KINDS, PredictorBlock, ResponseFit

__all__ = ["describe_response", "read_response"]

_FIELDS = SavedFields(
    {
        "llf": float, "nobs": float, "rank": int, "n_iter": int, "n_sweeps": int,
        "response_name": str, "has_offset": bool, "has_exposure": bool, "labelled": bool,
        "n_dropped": int, "n_threads": int, "n_separated": int, "boundary": str, "cov_type": str,
        "df_inference": float, "numerical_error": float,
    },
    tables=("settings", "missing", "column_names", "weights", "infinite"),
    later={"numerical_error": None},
)  # fmt: skip


def describe_response(fit: ResponseFit) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved = {"kind": fit.kind} | _FIELDS.describe(fit)
    saved["blocks"] = [[b.name, b.design, b.start, b.stop] for b in fit.blocks]
    saved["information"] = pack_triangle(fit.information_inverse)
    is_robust = fit.covariance is not fit.information_inverse
    saved["robust"] = pack_triangle(fit.covariance) if is_robust else None
    saved["n_columns"] = list(fit.n_columns)
    saved["recipes"] = [formula_to_json(formula) for formula in fit.fitted_formulas]
    return saved


def read_response(saved: dict[str, Any]) -> ResponseFit:
    """The fit that `describe_response` described.

    Raises
    ------
    DataError
        If its model is not known.
    """
    kind = saved["kind"]
    if kind not in MODELS:
        raise DataError(f"unknown kind of model {kind!r}; known: {', '.join(MODELS)}.")
    import_module(MODELS[kind])
    cls = KINDS[kind]
    fitted_formulas = tuple(formula_from_json(recipe) for recipe in saved["recipes"])
    if "column_names" not in saved:
        saved = _of_first_version(saved, fitted_formulas)
    arguments = _FIELDS.read(saved)
    arguments |= _read_matrices(saved, len(arguments["names"]))
    results = cls(
        blocks=tuple(PredictorBlock(*block) for block in saved["blocks"]),
        n_columns=tuple(saved["n_columns"]),
        fitted_formulas=fitted_formulas,
        **arguments,
    )
    restore_lazy_numbers(results, saved)
    return results


def _read_matrices(saved: dict[str, Any], p: int) -> dict[str, np.ndarray]:
    """Covariances, (p, p)."""
    if saved["fastglm"] == 1:
        inverse = np.array(saved["information_inverse"], np.float64)
        covariance = np.array(saved["covariance"], np.float64)
    else:
        inverse = covariance = unpack_triangle(saved["information"], p, symmetric=True)
        if saved["robust"] is not None:
            covariance = unpack_triangle(saved["robust"], p, symmetric=True)
    if inverse.shape != (p, p) or covariance.shape != (p, p):
        raise DataError(f"the saved model has {p} names, but not as many variances.")
    return {"information_inverse": frozen(inverse), "covariance": frozen(covariance)}


def _of_first_version(
    saved: dict[str, Any], fitted_formulas: tuple[FittedFormula | None, ...]
) -> dict[str, Any]:
    """A saved fit with what files of earlier versions leave out.

    Raises
    ------
    DataError
        If the fit ignored an offset, as theirs did in every formula but the first.
    """
    if any(
        fitted_formula is not None and fitted_formula.offsets
        for fitted_formula in fitted_formulas[1:]
    ):
        raise DataError(
            "the saved fit ignored the offset() of a further formula: fit the model again."
        )
    in_formula = fitted_formulas[0] is not None and bool(fitted_formulas[0].offsets)
    is_asked_for = saved["has_offset"] and not in_formula
    return saved | {
        "has_offset": is_asked_for,
        "has_exposure": False,
        "column_names": {},
        "weights": {},
        "n_separated": 0,
        "boundary": "",
        "infinite": {},
    }
