"""Assembles the rows of a model from response, weights, offsets and designs, and checks them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastglm.design.formula.response import ResponseRule
from fastglm.design.frames.missing import rows_text
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, MissingValueError
from fastglm.families import Family, summarize
from fastglm.families.links import Log
from fastglm.records import filled
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.vectors import OffsetParts, checked, product, vector

__all__ = ["WEIGHTS", "assembled"]

#: Offset parts of a model without offset, which most are: one shared object.
NO_OFFSETS = OffsetParts()
#: Arguments that hold weights.
WEIGHTS = ("freq_weights", "var_weights")


def assembled(
    values: np.ndarray,
    designs: tuple[Design, ...],
    columns: Mapping[str, Any],
    formula_offsets: tuple[np.ndarray | None, ...],
    takes: Family | ResponseRule,
    *,
    are_all: bool = True,
    **rest: Any,
) -> ModelRows:
    """Rows of a model, after checks of the vectors against the first design and each other.

    With `are_all` these are all rows of the model, and some must have positive weight.
    """
    n, family = designs[0].n_rows, takes if isinstance(takes, Family) else None
    trials: np.ndarray | None = None
    if family is not None:
        values, trials = _response_and_trials(values, family, n)
    vectors = {}
    if columns:
        vectors = {k: vector(v, k, n) for k, v in columns.items() if v is not None}
    frequencies = variance_weights = prior_weights = None
    if vectors or trials is not None:
        for name in WEIGHTS:
            if name in vectors:
                checked(vectors[name], name, 0.0, True)
        frequencies = vectors.get("freq_weights")
        variance_weights = product(vectors.get("var_weights"), trials)
        prior_weights = product(frequencies, variance_weights)
    if are_all and prior_weights is not None and not prior_weights.any():
        raise DataError("all weights are zero: there is nothing to fit.")
    parts = NO_OFFSETS
    if vectors or formula_offsets[0] is not None:
        given = vectors.get("offset"), vectors.get("exposure")
        parts = OffsetParts(formula=formula_offsets[0], offset=given[0], exposure=given[1])
    if family is not None:
        summary = family.check_response(values, prior_weights)
    else:
        values = values if rest["response_levels"] is not None else _finite(values)
        summary = summarize(values.reshape(-1))
    link = Log() if family is None else family.link
    first = None if parts is NO_OFFSETS else parts.total(link)
    known = {
        "response": values,
        "designs": designs,
        "offsets": (first,) if len(designs) == 1 else (first, *formula_offsets[1:]),
        "offset_parts": parts,
        "prior_weights": prior_weights,
        "variance_weights": variance_weights,
        "frequencies": None if frequencies is None else frequencies.astype(np.float64),
        "trials": trials,
        "summary": summary,
    }
    return filled(ModelRows, known | rest)


def _finite(response: np.ndarray) -> np.ndarray:
    """Responses as float64; raises if any is infinite."""
    response = response.astype(np.float64)
    bad = ~np.isfinite(response).reshape(len(response), -1).all(axis=1)
    if bad.any():
        raise MissingValueError(f"the response is infinite in {rows_text(bad)}.")
    return response


def _response_and_trials(
    array: np.ndarray, family: Family, n: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """The response as one column, and the numbers of trials of a response of two columns."""
    if array.ndim != 2:
        return vector(array, "the response", n), None
    if array.shape[1] != 2 or not family.takes_two_columns:
        raise DataError(
            f"the response has shape {array.shape}; only a binomial response may have two columns "
            "(successes, failures)."
        )
    successes = vector(array[:, 0], "the successes", n).astype(np.float64)
    failures = vector(array[:, 1], "the failures", n).astype(np.float64)
    checked(successes, "the number of successes", 0.0, True)
    checked(failures, "the number of failures", 0.0, True)
    trials = successes + failures
    return np.divide(successes, trials, out=np.zeros_like(trials), where=trials > 0), trials
