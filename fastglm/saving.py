"""Saved fits: plain JSON with a format version; no pickle, no data, and no code to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastglm.design.recipe import Recipe
from fastglm.entry import entry
from fastglm.errors import DataError, FastGLMError, Status
from fastglm.families import Family
from fastglm.inference.record import Record
from fastglm.plain_json import float_from_json, plain_json
from fastglm.responses.results import ResponseResults
from fastglm.responses.saving import describe_response, read_response
from fastglm.results import Results
from fastglm.solve.scaling import Centring

__all__ = ["FORMAT", "load", "save"]

#: Version of the format; a file of a later one is refused.
FORMAT = 1
#: Kind of a mixed model, whose module is imported when it is needed.
MIXED = "MixedGLM"

_PLAIN = (
    "deviance", "pearson_chi2", "scale", "nobs", "sum_weights", "rank", "has_intercept", "n_iter",
    "n_sweeps", "decrement", "use_t", "dispersion_known", "cov_type", "df_inference",
    "parameter_se", "response_name", "has_offset", "has_exposure", "labelled", "n_dropped",
    "n_threads", "n_separated", "bias_reduction",
)  # fmt: skip
#: What files of the first versions do not have.
_LATER = {"numerical_error": float("nan"), "orthogonal": False}
_DICTS = ("column_names", "missing", "infinite", "aliased", "timings")
_ARRAYS = ("estimates", "information_inverse", "covariance", "information_root")


def save(results: Record, path: str | Path) -> None:
    """Write a fit to `path`, atomically; see `Results.save`."""
    if isinstance(results, ResponseResults):
        saved = {"fastglm": FORMAT} | describe_response(results)
    elif getattr(results, "kind", "") == MIXED:
        from fastglm.mixed.saving import describe_mixed

        saved = {"fastglm": FORMAT} | describe_mixed(cast("Any", results))
    else:
        saved = to_dict(cast("Results", results))
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    temporary.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    temporary.replace(target)


def to_dict(results: Results) -> dict[str, Any]:
    """A fit as plain JSON types. NaN is null; floats are written so that they read back exactly."""
    saved: dict[str, Any] = {"fastglm": FORMAT}
    plain = (*_PLAIN, *_LATER, *results.lazy_numbers)
    saved |= {name: plain_json(getattr(results, name)) for name in plain}
    saved |= {name: dict(getattr(results, name)) for name in (*_DICTS, "weights")}
    saved |= {name: plain_json(getattr(results, name).tolist()) for name in _ARRAYS}
    root, centring = results.covariance_root, results.centring
    saved["covariance_root"] = None if root is None else plain_json(root.tolist())
    saved["centring"] = {
        "centre": plain_json(centring.centre.tolist()),
        "constant": centring.constant,
        "value": centring.value,
    }
    saved["names"] = list(results.names)
    saved["terms"] = [[name, term.start, term.stop] for name, term in results.terms]
    saved["status"] = results.status.name
    saved["family"] = results.family.to_dict()
    saved["formula"] = results.formula
    levels = results.response_levels
    saved["response_levels"] = None if levels is None else list(levels)
    saved["recipe"] = None if results.recipe is None else results.recipe.to_dict()
    return saved


@entry
def load(path: str | Path) -> Any:
    """Read a fit that `Results.save` wrote.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    Results, ResponseResults or MixedResults
        That predicts exactly the same numbers. What needs the data of the fit, such as residuals,
        raises `DataError`.

    Raises
    ------
    DataError
        If the file is not a saved fit, is of a later format, or names a transform, family or link
        that is not known. Nothing in the file is ever run.
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a saved model: {error}") from None
    if not isinstance(saved, dict) or "fastglm" not in saved:
        raise DataError(f"{path} is not a model saved by fastglm.")
    if saved["fastglm"] != FORMAT:
        raise DataError(
            f"{path} has format {saved['fastglm']!r}, but this version reads format {FORMAT}: "
            "upgrade fastglm."
        )
    try:
        if saved.get("kind") == MIXED:
            from fastglm.mixed.saving import read_mixed

            return read_mixed(saved)
        return read_response(saved) if "kind" in saved else from_dict(saved)
    except FastGLMError:
        raise
    except KeyError as error:
        raise DataError(f"{path} is not a complete model: {error} is missing.") from None
    except (TypeError, ValueError) as error:
        raise DataError(f"{path} is not a complete model: {error}.") from None


def from_dict(saved: dict[str, Any]) -> Results:
    """The fit that `to_dict` described."""
    arguments: dict[str, Any] = {name: saved[name] for name in _DICTS}
    # Files of earlier versions do not say which weights there were.
    arguments["weights"] = saved.get("weights", {})
    arguments |= {name: float_from_json(saved[name]) for name in _PLAIN}
    arguments |= {name: float_from_json(saved.get(name, old)) for name, old in _LATER.items()}
    for name in _ARRAYS:
        arguments[name] = np.array(saved[name], dtype=np.float64)
        arguments[name].setflags(write=False)
    # Files of earlier versions do not have them.
    levels = saved.get("response_levels")
    arguments["response_levels"] = None if levels is None else tuple(levels)
    root, centring = saved["covariance_root"], saved["centring"]
    arguments["covariance_root"] = None if root is None else np.array(root, dtype=np.float64)
    centre = np.array(centring["centre"], dtype=np.float64)
    arguments["centring"] = Centring(centre, centring["constant"], centring["value"])
    results = Results(
        family=Family.from_dict(saved["family"]),
        names=tuple(saved["names"]),
        terms=tuple((name, slice(start, stop)) for name, start, stop in saved["terms"]),
        status=Status[saved["status"]],
        formula=saved["formula"],
        recipe=None if saved["recipe"] is None else Recipe.from_dict(saved["recipe"]),
        **arguments,
    )
    results.__dict__.update({name: float_from_json(saved[name]) for name in Results.lazy_numbers})
    return results
