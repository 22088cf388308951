"""A fit as plain JSON types, and the way back (see `fastglm.load`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import DataError, Status
from fastglm.families import Family
from fastglm.fit.json_numbers import float_from_json, json_numbers, require_kinds
from fastglm.fit.record import Fit
from fastglm.fit.saved_covariance import describe_covariance, read_covariance
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.scaling import Centering
from fastglm.records import frozen

__all__ = ["describe_fit", "read_fit"]

F = TypeVar("F", bound=Fit)


#: Fields as they are, and what they hold.
_KINDS: dict[str, type] = {
    "deviance": float, "pearson_chi2": float, "scale": float, "nobs": float, "sum_weights": float,
    "rank": int, "has_intercept": bool, "n_iter": int, "n_sweeps": int, "decrement": float,
    "use_t": bool, "dispersion_known": bool, "cov_type": str, "df_inference": float,
    "parameter_se": float, "response_name": str, "has_offset": bool, "has_exposure": bool,
    "labelled": bool, "n_dropped": int, "n_threads": int, "n_separated": int,
    "bias_reduction": str, "numerical_error": float, "orthogonal": bool,
}  # fmt: skip


#: Fields that files of the first versions do not have.
_LATER: dict[str, Any] = {
    "numerical_error": None,
    "orthogonal": False,
    "weights": {},
    "response_levels": None,
}


_DICTS = ("column_names", "missing", "infinite", "aliased", "timings", "weights")


def describe_fit(fit: Fit) -> dict[str, Any]:
    """A fit as plain JSON types. NaN is null; floats are written so that they read back exactly."""
    saved: dict[str, Any] = {
        name: json_numbers(getattr(fit, name)) for name in (*_KINDS, *fit.lazy_numbers)
    }
    saved |= {name: dict(getattr(fit, name)) for name in _DICTS}
    saved["estimates"] = json_numbers(fit.estimates.tolist())
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
    saved["names"] = list(fit.names)
    saved["terms"] = [[name, term.start, term.stop] for name, term in fit.terms]
    saved["status"] = fit.status.name
    saved["family"] = fit.family.to_dict()
    saved["formula"] = fit.formula
    levels = fit.response_levels
    saved["response_levels"] = None if levels is None else list(levels)
    saved["recipe"] = None if fit.fitted_formula is None else fit.fitted_formula.to_dict()
    return saved


def read_fit(saved: Mapping[str, Any], kind: type[F]) -> F:
    """The fit that `describe_fit` described, or an earlier version of it.

    Raises
    ------
    DataError
        If something does not hold what it should.
    """
    saved = _LATER | dict(saved)
    require_kinds(saved, _KINDS | dict.fromkeys(_DICTS, dict))
    if not all(math.isfinite(float_from_json(saved[name])) for name in ("nobs", "sum_weights")):
        raise DataError("the saved model has no number of observations.")
    arguments: dict[str, Any] = {name: float_from_json(saved[name]) for name in _KINDS}
    arguments["n_threads"] = max(1, min(arguments["n_threads"], usable_threads(None)))
    arguments |= {name: saved[name] for name in _DICTS}
    names, p = tuple(saved["names"]), len(saved["names"])
    centering, estimates = _read_centering(saved["centring"], p), _vector(saved["estimates"], p)
    terms = tuple((str(name), slice(start, stop)) for name, start, stop in saved["terms"])
    if not all(isinstance(name, str) for name in names):
        raise DataError("a name of the saved model is not text.")
    if any(not 0 <= term.start <= term.stop <= p for _, term in terms):
        raise DataError("a term of the saved model has columns that there are not.")
    covariances = _first_format(saved, p) if saved["fastglm"] == 1 else _triangles(saved, centering)
    levels = saved["response_levels"]
    arguments["response_levels"] = None if levels is None else tuple(levels)
    arguments |= {name: None if m is None else frozen(m) for name, m in covariances.items()}
    fit = kind(
        family=Family.from_dict(saved["family"]),
        names=names,
        terms=terms,
        estimates=estimates,
        centering=centering,
        status=Status[saved["status"]],
        formula=saved["formula"],
        fitted_formula=None
        if saved["recipe"] is None
        else FittedFormula.from_dict(saved["recipe"]),
        **arguments,
    )
    require_kinds(saved, dict.fromkeys(kind.lazy_numbers, float))
    fit.__dict__.update({name: float_from_json(saved[name]) for name in kind.lazy_numbers})
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
    return Centering(_vector(saved["centre"], p), constant, value)


def _vector(values: Any, p: int) -> np.ndarray:
    vector = np.array([float_from_json(value) for value in values], dtype=np.float64)
    if vector.shape != (p,):
        raise DataError(f"the saved model has {p} names, but {vector.size} estimates or centres.")
    return frozen(vector)
