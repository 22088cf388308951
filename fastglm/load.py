"""Saved fits: plain JSON with a format version; no pickle, no data, and no code to run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np

from fastglm.design.formula.recipe import Recipe
from fastglm.entry import entry
from fastglm.errors import DataError, FastGLMError, Status
from fastglm.families import Family
from fastglm.fit.base import Record
from fastglm.fit.json_numbers import digest, float_from_json, plain_json, require_kinds
from fastglm.fit.saved_covariance import describe_covariance, read_covariance
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.scaling import Centring
from fastglm.responses.results import ResponseResults
from fastglm.responses.saving import describe_response, read_response
from fastglm.results import Results

__all__ = ["FORMAT", "load", "save"]

#: Version of the format; a file of a later one is refused.
FORMAT = 2
#: Kind of a mixed model, whose module is imported when it is needed.
MIXED = "MixedGLM"

#: Fields as they are, and what they hold.
_KINDS: dict[str, type] = {
    "deviance": float, "pearson_chi2": float, "scale": float, "nobs": float, "sum_weights": float,
    "rank": int, "has_intercept": bool, "n_iter": int, "n_sweeps": int, "decrement": float,
    "use_t": bool, "dispersion_known": bool, "cov_type": str, "df_inference": float,
    "parameter_se": float, "response_name": str, "has_offset": bool, "has_exposure": bool,
    "labelled": bool, "n_dropped": int, "n_threads": int, "n_separated": int,
    "bias_reduction": str, "numerical_error": float, "orthogonal": bool,
}  # fmt: skip
#: What files of the first versions do not have.
_LATER: dict[str, Any] = {
    "numerical_error": None,
    "orthogonal": False,
    "weights": {},
    "response_levels": None,
}
_DICTS = ("column_names", "missing", "infinite", "aliased", "timings", "weights")


def save(results: Record, path: str | Path) -> None:
    """Write a fit to `path`, atomically; see `Results.save`."""
    if isinstance(results, ResponseResults):
        saved = {"fastglm": FORMAT} | describe_response(results)
    elif getattr(results, "kind", "") == MIXED:
        from fastglm.mixed.saving import describe_mixed

        saved = {"fastglm": FORMAT} | describe_mixed(cast("Any", results))
    else:
        saved = to_dict(cast("Results", results))
    saved = json.loads(json.dumps(saved))
    saved["digest"] = digest(saved)
    target = Path(path)
    temporary = target.with_name(target.name + ".part")
    temporary.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
    temporary.replace(target)


def to_dict(results: Results) -> dict[str, Any]:
    """A fit as plain JSON types. NaN is null; floats are written so that they read back exactly."""
    saved: dict[str, Any] = {"fastglm": FORMAT}
    saved |= {name: plain_json(getattr(results, name)) for name in (*_KINDS, *results.lazy_numbers)}
    saved |= {name: dict(getattr(results, name)) for name in _DICTS}
    saved["estimates"] = plain_json(results.estimates.tolist())
    centring, root = results.centring, results.covariance_root
    saved["centring"] = {
        "centre": plain_json(centring.centre.tolist()),
        "constant": centring.constant,
        "value": centring.value,
    }
    saved["information"] = describe_covariance(
        results.information_root, results.information_inverse, centring, is_definite=True
    )
    saved["robust"] = (
        None
        if root is None
        else describe_covariance(root, results.covariance, centring, results.orthogonal)
    )
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
def load(path: str | Path, check: bool = True) -> Any:
    """Read a fit that `Results.save` wrote.

    Parameters
    ----------
    path : str or Path
    check : bool, default True
        Refuse a file that is not as it was written. With False a file that was edited on purpose
        is read; what is wrong with it may then show only when the result is used.

    Returns
    -------
    Results, ResponseResults or MixedResults
        That predicts exactly the same numbers. What needs the data of the fit, such as residuals,
        raises `DataError`.

    Raises
    ------
    DataError
        If the file is not a saved fit, was damaged, is of a later format, or names a transform,
        family or link that is not known. Nothing in the file is ever run.

    Examples
    --------
    >>> import os, tempfile
    >>> import fastglm as fg
    >>> res = fg.GLM([1.0, 2.0, 4.0], [[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]]).fit()
    >>> path = os.path.join(tempfile.mkdtemp(), "model.json")
    >>> res.save(path)
    >>> float(fg.load(path).predict([[1.0, 3.0]])[0]) == float(res.predict([[1.0, 3.0]])[0])
    True
    """
    try:
        saved = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not a saved model: {error}") from None
    if not isinstance(saved, dict) or "fastglm" not in saved:
        raise DataError(f"{path} is not a model saved by fastglm.")
    if saved["fastglm"] not in (1, FORMAT):
        raise DataError(
            f"{path} has format {saved['fastglm']!r}, but this version reads format {FORMAT}: "
            "upgrade fastglm."
        )
    written = saved.pop("digest", None)
    # Files of the first format have none.
    if check and saved["fastglm"] != 1 and written != digest(saved):
        raise DataError(
            f"{path} is not as fastglm wrote it: save the fit again, or read what you edited "
            "yourself with load(path, check=False)."
        )
    return _read(saved, path, is_sure=check and written is not None)


def _read(saved: dict[str, Any], path: str | Path, is_sure: bool) -> Any:
    """The fit; one that is not surely as it was written is tried out first."""
    try:
        results = _read_by_kind(saved)
        if not is_sure:
            results.__dict__["_is_edited"] = True
            _try_out(results)
    except FastGLMError:
        raise
    except KeyError as error:
        raise DataError(f"{path} is not a complete model: {error} is missing.") from None
    except Exception as error:
        raise DataError(f"{path} is not a complete model: {error}.") from None
    return results


def _read_by_kind(saved: dict[str, Any]) -> Any:
    if saved.get("kind") == MIXED:
        from fastglm.mixed.saving import read_mixed

        return read_mixed(saved)
    return read_response(saved) if "kind" in saved else from_dict(saved)


def _try_out(results: Any) -> None:
    """Ask for all that is no method, so that what is wrong with it shows now."""
    for name in dir(results):
        if not name.startswith("_") and not callable(getattr(type(results), name, None)):
            with suppress(FastGLMError), np.errstate(all="ignore"):
                getattr(results, name)
    with np.errstate(all="ignore"):
        for text in (repr(results), str(results.summary()), results._repr_html_()):
            text.encode()
        results.conf_int()


def from_dict(saved: Mapping[str, Any]) -> Results:
    """The fit that `to_dict` described, or an earlier version of it.

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
    centring, estimates = _read_centring(saved["centring"], p), _vector(saved["estimates"], p)
    terms = tuple((str(name), slice(start, stop)) for name, start, stop in saved["terms"])
    if not all(isinstance(name, str) for name in names):
        raise DataError("a name of the saved model is not text.")
    if any(not 0 <= term.start <= term.stop <= p for _, term in terms):
        raise DataError("a term of the saved model has columns that there are not.")
    covariances = _first_format(saved, p) if saved["fastglm"] == 1 else _triangles(saved, centring)
    levels = saved["response_levels"]
    arguments["response_levels"] = None if levels is None else tuple(levels)
    arguments |= {name: None if m is None else _frozen(m) for name, m in covariances.items()}
    results = Results(
        family=Family.from_dict(saved["family"]),
        names=names,
        terms=terms,
        estimates=estimates,
        centring=centring,
        status=Status[saved["status"]],
        formula=saved["formula"],
        recipe=None if saved["recipe"] is None else Recipe.from_dict(saved["recipe"]),
        **arguments,
    )
    require_kinds(saved, dict.fromkeys(Results.lazy_numbers, float))
    results.__dict__.update({name: float_from_json(saved[name]) for name in Results.lazy_numbers})
    return results


def _triangles(saved: Mapping[str, Any], centring: Centring) -> dict[str, np.ndarray | None]:
    """Both covariances and their roots."""
    p = len(saved["names"])
    root, inverse = read_covariance(saved["information"], centring, p)
    scale = float_from_json(saved["scale"])
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = inverse if scale == 1.0 else inverse * scale
    robust: np.ndarray | None = None
    if saved["robust"] is not None:
        robust, covariance = read_covariance(saved["robust"], centring, p)
    return {
        "information_root": root,
        "information_inverse": inverse,
        "covariance": covariance,
        "covariance_root": robust,
    }


def _first_format(saved: Mapping[str, Any], p: int) -> dict[str, np.ndarray | None]:
    """The same from files of the first format, which write every matrix out as numbers."""
    matrices: dict[str, np.ndarray | None] = {}
    for name in ("information_root", "information_inverse", "covariance", "covariance_root"):
        if name == "covariance_root" and saved[name] is None:
            matrices[name] = None
            continue
        matrix = np.array(saved[name], dtype=np.float64)
        if matrix.shape != (p, p):
            raise DataError(f"{name!r} of the saved model has shape {matrix.shape}, not {(p, p)}.")
        matrices[name] = matrix
    return matrices


def _read_centring(saved: Mapping[str, Any], p: int) -> Centring:
    constant, value = saved["constant"], float(saved["value"])
    if constant is not None and not (type(constant) is int and 0 <= constant < p and value):
        raise DataError("the constant column of the saved model is none of its columns.")
    return Centring(_vector(saved["centre"], p), constant, value)


def _vector(values: Any, p: int) -> np.ndarray:
    vector = np.array([float_from_json(value) for value in values], dtype=np.float64)
    if vector.shape != (p,):
        raise DataError(f"the saved model has {p} names, but {vector.size} estimates or centres.")
    return _frozen(vector)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
