"""Saved mixed models, as plain JSON types (see `fastglm.load`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastglm.design.formula.expressions import expression_from_dict, expression_to_dict
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.fit.json_numbers import float_from_json, json_numbers, pack, unpack
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.effects import GroupEffects, VarianceComponent
from fastglm.mixed.layout import Term
from fastglm.mixed.record import MixedFit
from fastglm.mixed.rows import FittedGroup, FittedTerm, label

__all__ = ["describe_mixed", "read_mixed"]

F = TypeVar("F", bound=MixedFit)

_PLAIN = (
    "sigma", "criterion", "n_parameters", "reml", "method", "nobs", "rank", "gradient",
    "n_evaluations", "n_iter", "cov_type", "use_t", "df_inference", "response_name", "has_offset",
    "has_exposure", "labelled", "n_dropped", "n_threads",
)  # fmt: skip
_ARRAYS = ("estimates", "covariance", "conditional_covariance", "theta", "parameter_covariance")
_DICTS = ("singular", "column_names", "weights", "missing")
#: Not in files of earlier versions.
_LATER = {"infinite": {}, "n_separated": 0}


def describe_mixed(results: MixedFit) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved: dict[str, Any] = {"kind": results.kind}
    saved |= {name: json_numbers(getattr(results, name)) for name in _PLAIN}
    saved |= {name: json_numbers(getattr(results, name).tolist()) for name in _ARRAYS}
    saved |= {name: dict(getattr(results, name)) for name in _DICTS}
    saved |= {name: json_numbers(getattr(results, name)) for name in _LATER}
    saved["names"], saved["theta_names"] = list(results.names), list(results.theta_names)
    saved["family"], saved["status"] = results.family.to_dict(), results.status.name
    saved["formula"] = results.formula
    levels = results.response_levels
    saved["response_levels"] = None if levels is None else list(levels)
    saved["recipe"] = None if results.fitted_formula is None else results.fitted_formula.to_dict()
    saved["components"] = [
        [c.group, c.term1, c.term2, *(json_numbers(v) for v in (c.variance, c.sd, c.se))]
        for c in results.components
    ]
    saved["groups"] = [_describe_group(group) for group in results.groups]
    return saved


def _describe_group(group: GroupEffects) -> dict[str, Any]:
    """A factor; what there is of every level is written once, and its numbers packed."""
    fitted_formula, k = group.fitted_formula, len(group.columns)
    is_single = len(fitted_formula.parts[0]) == 1
    return {
        "group": group.group,
        "levels": None if not is_single else list(group.levels),
        "parts": None if is_single else [list(parts) for parts in fitted_formula.parts],
        "columns": list(group.columns),
        "terms": [[list(t.columns), t.start, t.structure.name] for t in group.terms],
        "covariance": json_numbers(group.covariance.tolist()),
        "modes": pack(group.modes),
        "variances": pack(group.variances[(slice(None), *np.tril_indices(k))]),
        "factors": [expression_to_dict(factor) for factor in fitted_formula.factors],
        "recipes": [
            [
                None if t.fitted_formula is None else t.fitted_formula.to_dict(),
                t.width,
                t.is_intercept,
            ]
            for t in fitted_formula.terms
        ],
    }


def read_mixed(
    saved: dict[str, Any],
    kind: type[F],
    read_family: Callable[[dict[str, Any]], Any] = Family.from_dict,
) -> F:
    """The fit that `describe_mixed` described, as a record of that class."""
    numbers: dict[str, Any] = {name: float_from_json(saved[name]) for name in _PLAIN}
    for name in _ARRAYS:
        numbers[name] = np.array(saved[name], dtype=np.float64)
        numbers[name].setflags(write=False)
    return kind(
        names=tuple(saved["names"]),
        theta_names=tuple(saved["theta_names"]),
        family=read_family(saved["family"]),
        status=Status[saved["status"]],
        formula=saved["formula"],
        response_levels=saved["response_levels"] and tuple(saved["response_levels"]),
        fitted_formula=None
        if saved["recipe"] is None
        else FittedFormula.from_dict(saved["recipe"]),
        components=tuple(
            VarianceComponent(*names, *(float_from_json(v) for v in values))
            for *names, a, b, c in saved["components"]
            for values in [(a, b, c)]
        ),
        groups=tuple(_read_group(group) for group in saved["groups"]),
        **{name: saved[name] for name in _DICTS},
        **{name: saved.get(name, value) for name, value in _LATER.items()},
        **numbers,
    )


def _read_group(saved: dict[str, Any]) -> GroupEffects:
    terms = tuple(
        Term(tuple(columns), start, structure_named(name, len(columns)))
        for columns, start, name in saved["terms"]
    )
    parts = saved["parts"]
    parts = [(level,) for level in saved["levels"]] if parts is None else [tuple(p) for p in parts]
    levels = tuple(label(each) for each in parts)
    fitted_formula = FittedGroup(
        saved["group"],
        tuple(expression_from_dict(factor) for factor in saved["factors"]),
        levels,
        tuple(parts),
        tuple(
            FittedTerm(None if r is None else FittedFormula.from_dict(r), width, is_intercept)
            for r, width, is_intercept in saved["recipes"]
        ),
    )
    modes, variances = _read_effects(saved, len(levels))
    return GroupEffects(
        saved["group"],
        levels,
        tuple(saved["columns"]),
        terms,
        np.array(saved["covariance"], dtype=np.float64),
        modes,
        variances,
        fitted_formula,
    )


def _read_effects(saved: dict[str, Any], q: int) -> tuple[np.ndarray, np.ndarray]:
    """Modes, (q, k), and their variances, (q, k, k); earlier files have them as numbers."""
    k = len(saved["columns"])
    if not isinstance(saved["modes"], str):
        modes, variances = (np.array(saved[name], np.float64) for name in ("modes", "variances"))
        return modes, variances
    variances = np.empty((q, k, k))
    row, column = np.tril_indices(k)
    triangles = unpack(saved["variances"], q * row.size).reshape(q, -1)
    variances[:, row, column] = variances[:, column, row] = triangles
    return unpack(saved["modes"], q * k).reshape(q, k), variances
