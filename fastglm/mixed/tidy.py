"""A mixed model under the names of R's package broom.mixed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.fit.outcomes import named_prediction
from fastglm.mixed.effects import VarianceComponent
from fastglm.mixed.record import MixedFit

__all__ = ["mixed_rows", "with_random_rows"]


def with_random_rows(fit: MixedFit, fixed: dict[str, Any]) -> dict[str, Any]:
    """Columns of the fixed coefficients, and below them rows of variance components."""
    components = [c for c in fit.components if c.group != "Residual" or fit.is_linear]
    n_fixed = len(fit.names)
    columns: dict[str, Any] = {
        "effect": ["fixed"] * n_fixed + ["ran_pars"] * len(components),
        "group": [None] * n_fixed + [c.group for c in components],
        "term": fixed.pop("term") + [_term(c) for c in components],
    }
    known = {
        "estimate": np.array([c.sd for c in components]),
        "std.error": np.array([c.se for c in components]),
    }
    missing = np.full(len(components), np.nan)
    return columns | {
        name: np.concatenate([values, known.get(name, missing)]) for name, values in fixed.items()
    }


def _term(component: VarianceComponent) -> str:
    if component.group == "Residual":
        return "sd__Observation"
    if component.term2:
        return f"cor__{component.term1}.{component.term2}"
    return f"sd__{component.term1}"


def mixed_rows(
    fit: MixedFit, predict: Callable[..., Any], data: Any, which: str | None, se_fit: bool
) -> dict[str, np.ndarray]:
    """Columns of ``augment``, (n,) each.

    Parameters
    ----------
    fit
        The fit.
    predict
        `MixedResults.predict`.
    data, which, se_fit
        As for `MixedResults.augment`.
    """
    if se_fit:
        raise ModelError("standard errors of predictions are in res.get_prediction(): not se_fit.")
    which = named_prediction(which or "linear", ("linear", "mean"))
    columns = {".fitted": np.asarray(predict(data, which=which))}
    if data is None:
        mean = np.asarray(predict(None, which="mean"))
        response = fit._model_with_data("residuals").rows.response
        columns[".resid"] = response - mean
        columns[".fixed"] = np.asarray(predict(None, "population", "linear"))
        columns[".mu"] = mean
    return columns
