"""Saved fits: plain JSON with a format version; no pickle, no data, and no code to run."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from fastglm.arguments import checked_path
from fastglm.entry import entry
from fastglm.errors import DataError, FastGLMError
from fastglm.fit.json_numbers import FORMAT, digest
from fastglm.fit.saving import read_fit
from fastglm.responses.saving import read_response
from fastglm.results import Results

if TYPE_CHECKING:
    from fastglm.mixed.results import MixedResults
    from fastglm.responses.results import ResponseResults

    AnyResults: TypeAlias = Results | ResponseResults | MixedResults

__all__ = ["load"]

#: Kind of a mixed model, whose module is imported when it is needed.
MIXED = "MixedGLM"
#: And of one of several linear predictors.
MIXED_SEVERAL = "MixedSeveral"


@entry
def load(path: str | Path, check: bool = True) -> AnyResults:
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
        saved = json.loads(checked_path("path", path).read_text(encoding="utf-8"))
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


def _read(saved: dict[str, Any], path: str | Path, is_sure: bool) -> AnyResults:
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


def _read_by_kind(saved: dict[str, Any]) -> AnyResults:
    if saved.get("kind") == MIXED:
        from fastglm.mixed.results import MixedResults
        from fastglm.mixed.saving import read_mixed

        return read_mixed(saved, MixedResults)
    if saved.get("kind") == MIXED_SEVERAL:
        from fastglm.mixed.several.results import MixedSeveralResults
        from fastglm.mixed.several.saving import read_several

        return read_several(saved, MixedSeveralResults)
    if "kind" in saved:
        return cast("ResponseResults", read_response(saved))
    return read_fit(saved, Results)


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
