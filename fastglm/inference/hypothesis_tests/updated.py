"""A fit with its formula, data or options changed: R's ``update``."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastglm.design.formula.grammar import parse_formula
from fastglm.design.frames.frames import Frame
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.refits import require_unconstrained

__all__ = ["updated", "with_dots"]

#: A dot that is a side of a formula, not part of a name, a number or a call.
_DOT = re.compile(r"(?<![\w.)\]])\.(?![\w.(])")
#: Covariances that a new fit can have without being told more.
_OF_ROWS = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "HC4")


def with_dots(text: str, stands_for: str) -> str:
    """A side of a formula in which a dot stands for another, in parentheses where it needs them."""
    plain = stands_for.strip()
    first = re.sub(r"^\s*\.(?=\s*([+-]|$))", lambda _: plain, text)
    whole = plain if plain.isidentifier() else f"({plain})"
    return _DOT.sub(lambda _: whole, first)


def updated(fit: Any, formula: str | None, data: Any, options: Mapping[str, Any]) -> Any:
    """The new fit; see `SharedMethods.update`."""
    require_unconstrained(fit)
    if fit.model is None:
        raise DataError(_of_loaded(fit, formula))
    model = fit.model
    if getattr(model, "source", None) is None or model.formula is None:
        raise ModelError("update needs a model that was given as a formula and data for it.")
    of_model = inspect.signature(getattr(type(model), "from_formula", type(model))).parameters
    if "subset" in options and "subset" not in of_model:
        raise ModelError("subset is for rows in memory: choose those of a source beforehand.")
    chosen = {name: options[name] for name in options if name in of_model}
    rest = {name: options[name] for name in options if name not in of_model}
    text = model.formula if formula is None else _expanded(formula, model.formula)
    new = model.with_formula(text, data, **chosen)
    if formula is not None and _DOT.search(formula) and "|" not in text:
        # With the terms written out, as R has it.
        new = model.with_formula(_written_out(text, _names_of(new.rows)), data, **chosen)
    return new.fit(**(_kept_options(fit, chosen, rest) | rest))


def _of_loaded(fit: Any, formula: str | None) -> str:
    """Why a result that was loaded is not fitted again, and what to write instead."""
    text = getattr(fit, "formula", None)
    told = "update needs the model of a fit, and this result was loaded without it"
    if text is None:
        return f"{told}: fit the model to its data again."
    if formula is not None:
        text = _expanded(formula, text)
    given = "".join(f", {name}={column!r}" for name, column in fit.column_names.items())
    return f"{told}: fit the formula {text!r} to data again{f' with {given[2:]}' if given else ''}."


def _expanded(formula: str, known: str) -> str:
    left, tilde, right = str(formula).partition("~")
    if not tilde:
        raise ModelError(f"formula must be such as '. ~ . - x', not {formula!r}.")
    response, terms = known.split("~", 1)
    left = with_dots(left.strip() or ".", response)
    return f"{left.strip()} ~ {with_dots(right, terms).strip()}"


def _names_of(rows: Any) -> Sequence[str]:
    """Names of the columns of a frame, or of a source of rows."""
    return rows.source.names if rows.frame is None else Frame(rows.frame).names


def _written_out(text: str, columns: Sequence[str]) -> str:
    parsed = parse_formula(text, columns)
    names = [term.name for term in parsed.terms]
    constant = "1" if "1" in names or "Intercept" in names else "0"
    terms = [name for name in names if name not in ("1", "Intercept")]
    offsets = [f"offset({offset.text})" for offset in parsed.offsets]
    terms = terms if terms and constant == "1" else [constant, *terms]
    return f"{text.partition('~')[0].strip()} ~ {' + '.join([*terms, *offsets])}"


def _kept_options(fit: Any, changed: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """How the fit was fitted, as far as its record says."""
    kept = dict(getattr(fit, "fit_options", None) or getattr(fit, "options_of_refits", {}))
    if "family" in changed:
        kept.pop("scale", None)
    if getattr(fit, "bias_reduction", "none") != "none":
        kept["bias_reduction"] = fit.bias_reduction
    is_told = "cov_type" in told
    if fit.cov_type != "nonrobust" and hasattr(fit, "information_inverse") and not is_told:
        if fit.cov_type not in _OF_ROWS:
            raise ModelError(
                f"update cannot know the options of the covariance {fit.cov_type!r}: give "
                "cov_type= and cov_kwds=."
            )
        kept["cov_type"] = fit.cov_type
    return kept
