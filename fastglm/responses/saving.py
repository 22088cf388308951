"""Saved fits with several predictors, as plain JSON types (see `fastglm.saving`)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from fastglm.design.recipe import Recipe
from fastglm.errors import DataError, Status
from fastglm.plain_json import float_from_json, plain_json
from fastglm.responses import MODELS
from fastglm.responses.results import KINDS, Block, ResponseResults

__all__ = ["describe_response", "read_response"]

_PLAIN = (
    "llf", "nobs", "rank", "n_iter", "n_sweeps", "response_name", "has_offset", "has_exposure",
    "labelled", "n_dropped", "n_threads", "n_separated", "boundary", "cov_type", "df_inference",
)  # fmt: skip
_DICTS = ("settings", "missing", "column_names", "weights", "infinite")
_ARRAYS = ("estimates", "information_inverse", "covariance")


def describe_response(results: ResponseResults) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved: dict[str, Any] = {"kind": results.kind}
    saved |= {name: plain_json(getattr(results, name)) for name in (*_PLAIN, *results.lazy_numbers)}
    saved["names"] = list(results.names)
    saved["blocks"] = [[b.name, b.design, b.start, b.stop] for b in results.blocks]
    saved |= {name: plain_json(getattr(results, name).tolist()) for name in _ARRAYS}
    saved["status"] = results.status.name
    saved |= {name: dict(getattr(results, name)) for name in _DICTS}
    saved["n_columns"] = list(results.n_columns)
    saved["formula"] = results.formula
    saved["recipes"] = [None if r is None else r.to_dict() for r in results.recipes]
    return saved


def read_response(saved: dict[str, Any]) -> ResponseResults:
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
    recipes = tuple(None if r is None else Recipe.from_dict(r) for r in saved["recipes"])
    if "column_names" not in saved:
        saved = _of_first_version(saved, recipes)
    numbers = {name: float_from_json(saved[name]) for name in _PLAIN}
    for name in _ARRAYS:
        numbers[name] = np.array(saved[name], np.float64)
        numbers[name].setflags(write=False)
    results = cls(
        names=tuple(saved["names"]),
        blocks=tuple(Block(*block) for block in saved["blocks"]),
        status=Status[saved["status"]],
        **{name: saved[name] for name in _DICTS},
        n_columns=tuple(saved["n_columns"]),
        formula=saved["formula"],
        recipes=recipes,
        **numbers,
    )
    results.__dict__.update({name: float_from_json(saved[name]) for name in cls.lazy_numbers})
    return results


def _of_first_version(saved: dict[str, Any], recipes: tuple[Recipe | None, ...]) -> dict[str, Any]:
    """A saved fit with what files of earlier versions leave out.

    Raises
    ------
    DataError
        If the fit ignored an offset, as theirs did in every formula but the first.
    """
    if any(recipe is not None and recipe.offsets for recipe in recipes[1:]):
        raise DataError(
            "the saved fit ignored the offset() of a further formula: fit the model again."
        )
    in_formula = recipes[0] is not None and bool(recipes[0].offsets)
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
