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
    "llf", "nobs", "rank", "n_iter", "n_sweeps", "response_name", "has_offset", "labelled",
    "n_dropped", "n_threads", "cov_type", "df_inference",
)  # fmt: skip
_ARRAYS = ("estimates", "information_inverse", "covariance")


def describe_response(results: ResponseResults) -> dict[str, Any]:
    """A fit as plain JSON types."""
    saved: dict[str, Any] = {"kind": results.kind}
    saved |= {name: plain_json(getattr(results, name)) for name in (*_PLAIN, *results.lazy_numbers)}
    saved["names"] = list(results.names)
    saved["blocks"] = [[b.name, b.design, b.start, b.stop] for b in results.blocks]
    saved |= {name: plain_json(getattr(results, name).tolist()) for name in _ARRAYS}
    saved["status"] = results.status.name
    saved["settings"] = dict(results.settings)
    saved["missing"] = dict(results.missing)
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
    numbers = {name: float_from_json(saved[name]) for name in _PLAIN}
    for name in _ARRAYS:
        numbers[name] = np.array(saved[name], np.float64)
        numbers[name].setflags(write=False)
    results = cls(
        names=tuple(saved["names"]),
        blocks=tuple(Block(*block) for block in saved["blocks"]),
        status=Status[saved["status"]],
        settings=saved["settings"],
        missing=saved["missing"],
        n_columns=tuple(saved["n_columns"]),
        formula=saved["formula"],
        recipes=tuple(None if r is None else Recipe.from_dict(r) for r in saved["recipes"]),
        **numbers,
    )
    results.__dict__.update({name: float_from_json(saved[name]) for name in cls.lazy_numbers})
    return results
