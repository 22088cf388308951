"""What can go wrong, by name: exceptions for bad input, warnings for fits to be read with care."""

from __future__ import annotations

__all__ = [
    "ColumnNotFoundError",
    "ConvergenceWarning",
    "DataError",
    "FastGLMError",
    "FastGLMWarning",
    "FormulaError",
    "MissingValueError",
    "ModelError",
    "RankWarning",
    "SeparationError",
    "SeparationWarning",
    "UnseenLevelError",
]


class FastGLMError(Exception):
    """Base of every exception this library raises on purpose."""


class DataError(FastGLMError, ValueError):
    """A value, shape or type in the data cannot be used; the text names where and what to do."""


class MissingValueError(DataError):
    """Missing or infinite values where finite numbers are needed."""


class UnseenLevelError(DataError):
    """A categorical column holds a level that the fitted model has never seen."""


class ColumnNotFoundError(DataError, KeyError):
    """A column named in a formula or an argument is not in the data frame."""

    def __str__(self) -> str:
        # KeyError would print the repr of the message, quotes included.
        return str(self.args[0]) if self.args else ""


class FormulaError(FastGLMError, ValueError):
    """A formula cannot be parsed or uses a transform outside the fixed list."""


class ModelError(FastGLMError, ValueError):
    """Options that contradict each other, such as a link the family does not allow."""


class SeparationError(FastGLMError, ValueError):
    """The maximum likelihood estimate does not exist: some estimates are infinite."""


class FastGLMWarning(UserWarning):
    """Base of every warning this library gives."""


class ConvergenceWarning(FastGLMWarning):
    """The fit stopped before it reached the optimum; the text says why and what to try."""


class RankWarning(FastGLMWarning):
    """Some coefficients cannot be told apart by the data."""


class SeparationWarning(FastGLMWarning):
    """Some estimates are infinite because the regressors separate the responses."""
