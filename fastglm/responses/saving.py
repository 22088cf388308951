"""Saved fits with several predictors, as plain JSON types (see `fastglm.load`)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import DataError, Status
from fastglm.fit.json_numbers import (
    float_from_json,
    json_numbers,
    pack_triangle,
    require_kinds,
    unpack_triangle,
)
from fastglm.kernels.threads.threads import usable_threads
from fastglm.responses import MODELS
from fastglm.responses.record import KINDS, PredictorBlock, ResponseFit

__all__ = ["describe_response", "read_response"]

#: Fields as they are, and what they hold.
_KINDS: dict[str, type] = {
    "llf": float, "nobs": float, "rank": int, "n_iter": int, "n_sweeps": int, "response_name": str,
    "has_offset": bool, "has_exposure": bool, "labelled": bool, "n_dropped": int, "n_threads": int,
    "n_separated": int, "boundary": str,
    "cov_type": str, "df_inference": float, "numerical_error": float,
}  # fmt: skip
_DICTS = ("settings", "missing", "column_names", "weights", "infinite")


def describe_response(fit: ResponseFit) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved: dict[str, Any] = {"kind": fit.kind}
    saved |= {name: json_numbers(getattr(fit, name)) for name in (*_KINDS, *fit.lazy_numbers)}
    saved["names"] = list(fit.names)
    saved["blocks"] = [[b.name, b.design, b.start, b.stop] for b in fit.blocks]
    saved["estimates"] = json_numbers(fit.estimates.tolist())
    saved["information"] = pack_triangle(fit.information_inverse)
    is_robust = fit.covariance is not fit.information_inverse
    saved["robust"] = pack_triangle(fit.covariance) if is_robust else None
    saved["status"] = fit.status.name
    saved |= {name: dict(getattr(fit, name)) for name in _DICTS}
    saved["n_columns"] = list(fit.n_columns)
    saved["formula"] = fit.formula
    saved["recipes"] = [None if r is None else r.to_dict() for r in fit.fitted_formulas]
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
    fitted_formulas = tuple(
        None if r is None else FittedFormula.from_dict(r) for r in saved["recipes"]
    )
    if "column_names" not in saved:
        saved = _of_first_version(saved, fitted_formulas)
    # Files of earlier versions do not have it.
    saved = {"numerical_error": None} | saved
    require_kinds(saved, _KINDS | dict.fromkeys(_DICTS, dict))
    numbers = {name: float_from_json(saved[name]) for name in _KINDS}
    numbers["n_threads"] = max(1, min(numbers["n_threads"], usable_threads(None)))
    numbers |= _read_matrices(saved, len(saved["names"]))
    for array in (numbers["estimates"], numbers["information_inverse"], numbers["covariance"]):
        array.setflags(write=False)
    results = cls(
        names=tuple(saved["names"]),
        blocks=tuple(PredictorBlock(*block) for block in saved["blocks"]),
        status=Status[saved["status"]],
        **{name: saved[name] for name in _DICTS},
        n_columns=tuple(saved["n_columns"]),
        formula=saved["formula"],
        fitted_formulas=fitted_formulas,
        **numbers,
    )
    require_kinds(saved, dict.fromkeys(cls.lazy_numbers, float))
    results.__dict__.update({name: float_from_json(saved[name]) for name in cls.lazy_numbers})
    return results


def _read_matrices(saved: dict[str, Any], p: int) -> dict[str, np.ndarray]:
    """Estimates, (p,), and covariances, (p, p)."""
    estimates = np.array([float_from_json(value) for value in saved["estimates"]], np.float64)
    if saved["fastglm"] == 1:
        inverse = np.array(saved["information_inverse"], np.float64)
        covariance = np.array(saved["covariance"], np.float64)
    else:
        inverse = covariance = unpack_triangle(saved["information"], p, symmetric=True)
        if saved["robust"] is not None:
            covariance = unpack_triangle(saved["robust"], p, symmetric=True)
    if estimates.shape != (p,) or inverse.shape != (p, p) or covariance.shape != (p, p):
        raise DataError(f"the saved model has {p} names, but not as many estimates.")
    return {"estimates": estimates, "information_inverse": inverse, "covariance": covariance}


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
