"""Registered functions that ask one library for one task: what they take and what they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.problems import Data


@dataclass(frozen=True)
class Outcome:
    """What a result is judged by.

    Attributes
    ----------
    certificate : float
        What the fit minimises: the deviance, or minus the log-likelihood.
    standard_errors : ndarray or None
    values : ndarray or None
        What else was asked for, or a sample of it; must agree between libraries.
    """

    certificate: float
    standard_errors: np.ndarray | None = None
    values: np.ndarray | None = None


@dataclass(frozen=True)
class Job:
    """A call ready to be timed; `seconds` reads the time from a result that brings its own."""

    run: Callable[[], Any]
    inspect: Callable[[Any], Outcome]
    seconds: Callable[[Any], float] | None = None


@dataclass(frozen=True)
class Adapter:
    """One way of asking one library.

    Attributes
    ----------
    library, variant : str
    task : str
    standard_errors : bool
        Whether the call ends with standard errors.
    module : str
        What a user imports.
    tolerances : tuple of float or None
        Tried in turn, None being the library's own, until the optimum is the same as fastglm's.
    prepare : callable
        ``prepare(data, tolerance) -> Job``.
    accepts : callable
        Whether it can do these data.
    """

    library: str
    variant: str
    task: str
    standard_errors: bool
    module: str
    tolerances: tuple[float | None, ...]
    prepare: Callable[[Data, float | None], Job]
    accepts: Callable[[Data], bool]

    @property
    def name(self) -> str:
        """Library and variant."""
        return f"{self.library} {self.variant}".rstrip()


ADAPTERS: dict[tuple[str, str], Adapter] = {}

#: Looser first: a library is timed at the loosest tolerance that reaches the common optimum.
_TIGHTENING = (None, *(10.0**-k for k in range(5, 13)))


def is_dense(data: Data) -> bool:
    return data.X is not None


def is_frame(data: Data) -> bool:
    return data.frame is not None


def register(
    library: str,
    variant: str = "",
    *,
    accepts: Callable[[Data], bool],
    task: str = "fit",
    standard_errors: bool = True,
    module: str | None = None,
    tolerances: tuple[float | None, ...] = _TIGHTENING,
) -> Callable[[Callable[..., Job]], Callable[..., Job]]:
    """Decorator: this function prepares `task` for `library`."""

    def add(prepare: Callable[..., Job]) -> Callable[..., Job]:
        adapter = Adapter(
            library,
            variant,
            task,
            standard_errors,
            module or library,
            tolerances,
            prepare,
            accepts,
        )
        ADAPTERS[task, adapter.name] = adapter
        return prepare

    return add


def tolerance_option(name: str, value: float | None) -> dict[str, Any]:
    """A library's option of this name, or nothing where its own default is wanted."""
    return {} if value is None else {name: value}
