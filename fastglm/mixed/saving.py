"""Saved mixed models, as plain JSON types (see `fastglm.load`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from fastglm.design.formula.expressions import expression_from_dict, expression_to_dict
from fastglm.families import Family
from fastglm.fit.json_numbers import float_from_json, json_numbers, pack, unpack
from fastglm.fit.saved_fields import SavedFields, formula_from_json, formula_to_json
from fastglm.mixed.blocks import Term
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.effects import GroupEffects, VarianceComponent
from fastglm.mixed.record import MixedFit
from fastglm.mixed.rows import FittedGroup, FittedTerm, levels_of
from fastglm.records import frozen

__all__ = ["describe_mixed", "read_mixed"]

F = TypeVar("F", bound=MixedFit)

_FIELDS = SavedFields(
    {
        "sigma": float, "criterion": float, "n_parameters": int, "reml": bool, "method": str,
        "nobs": float, "rank": int, "gradient": float, "n_evaluations": int, "n_iter": int,
        "cov_type": str, "use_t": bool, "df_inference": float, "response_name": str,
        "has_offset": bool, "has_exposure": bool, "labelled": bool, "n_dropped": int,
        "n_threads": int, "n_separated": int,
    },
    tables=("singular", "column_names", "weights", "missing", "infinite"),
    labels=("response_levels",),
    later={"infinite": {}, "n_separated": 0},
)  # fmt: skip
_ARRAYS = ("covariance", "conditional_covariance", "theta", "parameter_covariance")


def describe_mixed(results: MixedFit) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved = {"kind": results.kind} | _FIELDS.describe(results)
    saved |= {name: json_numbers(getattr(results, name).tolist()) for name in _ARRAYS}
    saved["theta_names"] = list(results.theta_names)
    saved["family"] = results.family.to_dict()
    saved["recipe"] = formula_to_json(results.fitted_formula)
    saved["components"] = [
        [c.group, c.term1, c.term2, *(json_numbers(v) for v in (c.variance, c.sd, c.se))]
        for c in results.components
    ]
    saved["groups"] = [_describe_group(group) for group in results.groups]
    return saved


def _describe_group(group: GroupEffects) -> dict[str, Any]:
    """A factor; what there is of every level is written once, and its numbers packed."""
    fitted_formula, k = group.fitted_formula, len(group.columns)
    combined = [list(parts) for parts in fitted_formula.parts if isinstance(parts, tuple)]
    return {
        "group": group.group,
        "levels": None if combined else list(group.levels),
        "parts": combined or None,
        "columns": list(group.columns),
        "terms": [
            [list(t.columns), t.start, t.structure.name, *([t.predictor] if t.predictor else [])]
            for t in group.terms
        ],
        "covariance": json_numbers(group.covariance.tolist()),
        "modes": pack(group.modes),
        "variances": pack(group.variances[(slice(None), *np.tril_indices(k))]),
        "factors": [expression_to_dict(factor) for factor in fitted_formula.factors],
        "recipes": [
            [formula_to_json(t.fitted_formula), t.width, t.is_intercept]
            for t in fitted_formula.terms
        ],
    }


def read_mixed(
    saved: dict[str, Any],
    kind: type[F],
    read_family: Callable[[dict[str, Any]], Any] = Family.from_dict,
) -> F:
    """The fit that `describe_mixed` described, as a record of that class."""
    arguments = _FIELDS.read(saved)
    arguments |= {name: frozen(np.array(saved[name], dtype=np.float64)) for name in _ARRAYS}
    return kind(
        theta_names=tuple(saved["theta_names"]),
        family=read_family(saved["family"]),
        fitted_formula=formula_from_json(saved["recipe"]),
        components=tuple(
            VarianceComponent(*names, *(float_from_json(v) for v in values))
            for *names, a, b, c in saved["components"]
            for values in [(a, b, c)]
        ),
        groups=tuple(_read_group(group) for group in saved["groups"]),
        **arguments,
    )


def _read_group(saved: dict[str, Any]) -> GroupEffects:
    terms = tuple(
        Term(tuple(columns), start, structure_named(name, len(columns)), *predictor)
        for columns, start, name, *predictor in saved["terms"]
    )
    parts = saved["parts"]
    parts = saved["levels"] if parts is None else [tuple(p) for p in parts]
    levels = levels_of(parts)
    fitted_formula = FittedGroup(
        saved["group"],
        tuple(expression_from_dict(factor) for factor in saved["factors"]),
        levels,
        tuple(parts),
        tuple(
            FittedTerm(formula_from_json(r), width, is_intercept)
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
