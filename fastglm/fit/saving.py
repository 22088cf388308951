"""A fit as plain JSON types, and the way back (see `fastglm.load`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from fastglm.errors import DataError
from fastglm.families import Family
from fastglm.fit.json_numbers import float_from_json, json_numbers
from fastglm.fit.record import Fit
from fastglm.fit.saved_covariance import describe_covariance, read_covariance
from fastglm.fit.saved_fields import (
    SavedFields,
    formula_from_json,
    formula_to_json,
    restore_lazy_numbers,
    vector_from_json,
)
from fastglm.passes.scaling import Centering
from fastglm.records import frozen

__all__ = ["describe_fit", "read_fit"]

F = TypeVar("F", bound=Fit)


_FIELDS = SavedFields(
    {
        "deviance": float, "pearson_chi2": float, "scale": float, "nobs": float,
        "sum_weights": float, "rank": int, "has_intercept": bool, "n_iter": int, "n_sweeps": int,
        "decrement": float, "use_t": bool, "dispersion_known": bool, "cov_type": str,
        "df_inference": float, "parameter_se": float, "response_name": str, "has_offset": bool,
        "has_exposure": bool, "labelled": bool, "n_dropped": int, "n_threads": int,
        "n_separated": int, "bias_reduction": str, "numerical_error": float, "orthogonal": bool,
    },
    tables=("column_names", "missing", "infinite", "aliased", "timings", "weights"),
    labels=("response_levels", "constraints"),
    later={
        "numerical_error": None, "orthogonal": False, "weights": {}, "response_levels": None,
        "constraints": (),
    },
)  # fmt: skip


def describe_fit(fit: Fit) -> dict[str, Any]:
    """A fit as plain JSON types. NaN is null; floats are written so that they read back exactly."""
    saved = _FIELDS.describe(fit)
    centering, root = fit.centering, fit.covariance_root
    saved["centring"] = {
        "centre": json_numbers(centering.center.tolist()),
        "constant": centering.constant,
        "value": centering.value,
    }
    saved["information"] = describe_covariance(
        fit.inverse_information_factor, fit.information_inverse, centering, is_definite=True
    )
    saved["robust"] = (
        None
        if root is None
        else describe_covariance(root, fit.covariance, centering, fit.orthogonal)
    )
    saved["terms"] = [[name, term.start, term.stop] for name, term in fit.terms]
    saved["family"] = fit.family.to_dict()
    saved["recipe"] = formula_to_json(fit.fitted_formula)
    return saved


def read_fit(saved: Mapping[str, Any], kind: type[F]) -> F:
    """The fit that `describe_fit` described, or an earlier version of it.

    Raises
    ------
    DataError
        If something does not hold what it should.
    """
    arguments = _FIELDS.read(saved)
    if not all(math.isfinite(arguments[name]) for name in ("nobs", "sum_weights")):
        raise DataError("the saved model has no number of observations.")
    p = len(arguments["names"])
    centering = _read_centering(saved["centring"], p)
    terms = tuple((str(name), slice(start, stop)) for name, start, stop in saved["terms"])
    if any(not 0 <= term.start <= term.stop <= p for _, term in terms):
        raise DataError("a term of the saved model has columns that there are not.")
    covariances = _first_format(saved, p) if saved["fastglm"] == 1 else _triangles(saved, centering)
    arguments |= {name: None if m is None else frozen(m) for name, m in covariances.items()}
    fit = kind(
        family=Family.from_dict(saved["family"]),
        terms=terms,
        centering=centering,
        fitted_formula=formula_from_json(saved["recipe"]),
        **arguments,
    )
    restore_lazy_numbers(fit, saved)
    return fit


def _triangles(saved: Mapping[str, Any], centering: Centering) -> dict[str, np.ndarray | None]:
    """Both covariances and their roots."""
    p = len(saved["names"])
    root, inverse = read_covariance(saved["information"], centering, p)
    scale = float_from_json(saved["scale"])
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = inverse if scale == 1.0 else inverse * scale
    robust: np.ndarray | None = None
    if saved["robust"] is not None:
        robust, covariance = read_covariance(saved["robust"], centering, p)
    return {
        "inverse_information_factor": root,
        "information_inverse": inverse,
        "covariance": covariance,
        "covariance_root": robust,
    }


def _first_format(saved: Mapping[str, Any], p: int) -> dict[str, np.ndarray | None]:
    """The same from files of the first format, which write every matrix out as numbers."""
    matrices: dict[str, np.ndarray | None] = {}
    names = {"inverse_information_factor": "information_root"}
    for field in (
        "inverse_information_factor", "information_inverse", "covariance", "covariance_root",
    ):  # fmt: skip
        name = names.get(field, field)
        if name == "covariance_root" and saved[name] is None:
            matrices[field] = None
            continue
        matrix = np.array(saved[name], dtype=np.float64)
        if matrix.shape != (p, p):
            raise DataError(f"{name!r} of the saved model has shape {matrix.shape}, not {(p, p)}.")
        matrices[field] = matrix
    return matrices


def _read_centering(saved: Mapping[str, Any], p: int) -> Centering:
    constant, value = saved["constant"], float(saved["value"])
    if constant is not None and not (type(constant) is int and 0 <= constant < p and value):
        raise DataError("the constant column of the saved model is none of its columns.")
    return Centering(vector_from_json(saved["centre"], p), constant, value)
