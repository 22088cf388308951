"""What can go wrong, by name: exceptions for bad input, warnings for fits to be read with care."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from enum import IntEnum
from importlib import import_module
from typing import SupportsFloat

__all__ = [
    "BoundaryWarning",
    "ColumnNotFoundError",
    "ConvergenceWarning",
    "DataError",
    "FastGLMError",
    "FastGLMWarning",
    "FormulaError",
    "MemoryLimitError",
    "MissingPackageError",
    "MissingValueError",
    "ModelError",
    "OptionError",
    "RankWarning",
    "SeparationError",
    "SeparationWarning",
    "StartError",
    "Status",
    "UnknownNameError",
    "UnseenLevelError",
    "counted",
    "few_of",
    "require_level",
    "require_package",
    "require_seed",
    "warn",
]

#: Most names that a message gives.
MOST_NAMED = 6

#: Modules whose frames stand between a user's line and the warning about it: this package, and what
#: calls its properties and context managers.
_BETWEEN = frozenset({"fastglm", "functools", "contextlib"})


class FastGLMError(Exception):
    """Base of every exception this library raises on purpose."""


class DataError(FastGLMError, ValueError):
    """A value, shape or type in the data cannot be used; the text names where and what to do."""


class MissingValueError(DataError):
    """Missing or infinite values where finite numbers are needed."""


class UnseenLevelError(DataError):
    """A categorical column holds a level that the fitted model has never seen."""


class MemoryLimitError(DataError):
    """Something needs more of a source's rows in memory than ``memory=`` has room for."""


class ColumnNotFoundError(DataError, KeyError):
    """A column named in a formula or an argument is not in the data frame."""

    def __str__(self) -> str:
        # KeyError would print the repr of the message, quotes included.
        return str(self.args[0]) if self.args else ""


class MissingPackageError(DataError, ImportError):
    """A package that only some functions need is not installed; the text says how to install it."""


class FormulaError(FastGLMError, ValueError):
    """A formula cannot be parsed or uses a transform outside the fixed list."""


class ModelError(FastGLMError, ValueError):
    """Options that contradict each other, such as a link the family does not allow."""


class OptionError(ModelError, TypeError):
    """A call with an argument that does not exist, or without one that it needs."""


class UnknownNameError(FastGLMError, AttributeError):
    """A name that a module, model or result does not have; the text says what to use instead."""


class StartError(FastGLMError, ValueError):
    """No coefficients were found for which every mean lies inside the family's domain."""


class SeparationError(FastGLMError, ValueError):
    """The maximum likelihood estimate does not exist: some estimates are infinite."""


class FastGLMWarning(UserWarning):
    """Base of every warning this library gives."""


class BoundaryWarning(FastGLMWarning):
    """An estimated parameter lies at the end of its range."""


class ConvergenceWarning(FastGLMWarning):
    """The fit stopped before it reached the optimum; the text says why and what to try."""


class RankWarning(FastGLMWarning):
    """Some coefficients cannot be told apart by the data."""


class SeparationWarning(FastGLMWarning):
    """Some estimates are infinite because the regressors separate the responses."""


#: What PyPI calls the packages that are imported under another name.
PYPI_NAMES = {"sklearn": "scikit-learn"}


def require_package(package: str, extra: str, what: str) -> None:
    """Raise `MissingPackageError` unless an optional package can be imported.

    Parameters
    ----------
    package : str
    extra : str
        The extra of this package that installs it.
    what : str
        Subject of the sentence, in the plural.
    """
    try:
        import_module(package)
    except ImportError:
        text = f"{what} need {PYPI_NAMES.get(package, package)}; pip install 'fastglm[{extra}]'."
        raise MissingPackageError(text) from None


def counted(n: int, noun: str) -> str:
    """A number of things, as in ``1 coefficient`` and ``2 coefficients``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def require_level(alpha: float) -> None:
    """Raise `ModelError` unless intervals can be at level 1 - alpha, a number."""
    shape = getattr(alpha, "shape", ())  # arrays have __float__, of any shape
    if not (isinstance(alpha, SupportsFloat) and shape == () and 0.0 < float(alpha) < 1.0):
        raise ModelError(f"alpha must be between 0 and 1, not {alpha!r}")


def require_seed(seed: object) -> None:
    """Raise `ModelError` unless random numbers can be drawn with this seed."""
    import numpy as np

    try:
        np.random.SeedSequence(seed)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ModelError(
            f"seed must be an integer from 0 up, or a sequence of them, not {seed!r}"
        ) from None


def few_of(texts: Sequence[str], separator: str = ", ") -> str:
    """Texts one after the other, as ``a, b, c and 993 others`` where there are many."""
    shown = separator.join(texts[:MOST_NAMED])
    more = len(texts) - MOST_NAMED
    return shown if more <= 0 else f"{shown} and {more} other{'s' if more > 1 else ''}"


def warn(text: str, category: type[FastGLMWarning]) -> None:
    """Give a warning that names the line outside this package from which the package was called.

    Parameters
    ----------
    text : str
    category : type
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_between(frame.f_globals):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def _is_between(scope: dict) -> bool:
    return scope.get("__name__", "").partition(".")[0] in _BETWEEN


class Status(IntEnum):
    """How a fit ended. Compiled code returns it; `advice` says what to do about it."""

    RUNNING = 0
    CONVERGED = 1
    MAX_ITERATIONS = 2
    STEP_TOO_SHORT = 3
    NOT_FINITE = 4
    NOT_CONSTANT = 5
    NO_START = 6
    BOUNDARY = 7

    @property
    def advice(self) -> str:
        """What happened and what to try, in a sentence or two."""
        return _ADVICE[self]


_ADVICE = {
    Status.RUNNING: "the fit was interrupted before it converged.",
    Status.CONVERGED: "the fit converged.",
    Status.MAX_ITERATIONS: (
        "the fit did not converge within max_iter iterations. Estimates that keep growing point to "
        "separation or to a link that does not suit the data; otherwise raise max_iter."
    ),
    Status.STEP_TOO_SHORT: (
        "the fit stopped where no step along the Fisher direction lowers the deviance: the optimum "
        "may lie on the boundary of the link's domain. Try another link, or start_params closer to "
        "the optimum."
    ),
    Status.NOT_FINITE: (
        "the fit met values that are not finite. Look for extreme values in X, the offset or the "
        "weights, or give start_params."
    ),
    Status.NOT_CONSTANT: "a column taken for a constant is not one.",
    Status.BOUNDARY: (
        "the optimum lies on the boundary of the domain: some fitted means are at the end of what "
        "the family allows. Standard errors and tests do not hold there; a link without bounds "
        "avoids it."
    ),
    Status.NO_START: (
        "no coefficients were found for which every mean lies inside the family's domain. Give "
        "start_params that do, add an intercept, or use a link whose domain has no bounds."
    ),
}


def __dir__() -> list[str]:
    return list(__all__)
