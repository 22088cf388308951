"""The scalar functions of a family as one set, and the row blocks made of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from fastglm.families.row_templates import (
    log_density_rows,
    respond_rows,
    start_rows,
    variance_rows,
)
from fastglm.families.shared_functions import (
    binary_difference,
    binary_unit_deviance,
    no_unit_deviance,
    undefined_log_density,
)
from fastglm.kernels.compiler.templates import RowBlock

__all__ = ["ResponseFunctions", "without_likelihood"]


@dataclass(frozen=True, eq=False)
class ResponseFunctions:
    """The ``inline`` scalar functions of a family, and the row blocks made of them.

    Attributes
    ----------
    name : str
        Unique among all families' functions: the compiled code is cached under it.
    standard_deviation, unit_deviance, starting_mean, valid_mean, difference, log_density : callable
        As listed in `fastglm.families.shared_functions`.
    variances, of_parameter : callable, optional
        As listed in `fastglm.families.derivative_templates`, for mixed models.
    cached : bool, default True
        False for functions that a user wrote.
    """

    name: str
    standard_deviation: Callable
    unit_deviance: Callable
    starting_mean: Callable
    valid_mean: Callable
    difference: Callable
    log_density: Callable
    variances: Callable | None = None
    of_parameter: Callable | None = None
    cached: bool = True

    def _block(self, template: Callable, name: str, functions: dict[str, Callable]) -> RowBlock:
        return RowBlock(template, f"{name}_{self.name}", functions, cached=self.cached)

    def _respond(self, name: str, unit_deviance: Callable, difference: Callable) -> RowBlock:
        functions = {
            "standard_deviation": self.standard_deviation,
            "unit_deviance": unit_deviance,
            "valid_mean": self.valid_mean,
            "difference": difference,
        }
        return self._block(respond_rows, name, functions)

    @functools.cached_property
    def respond_rows(self) -> RowBlock:
        """Weight, score residual, Pearson residual and deviance from the mean and its slope."""
        return self._respond("respond", self.unit_deviance, self.difference)

    @functools.cached_property
    def respond_binary_rows(self) -> RowBlock:
        """As `respond_rows`, for a probability when every response is exactly 0 or 1."""
        return self._respond("respond_binary", binary_unit_deviance, binary_difference)

    @functools.cached_property
    def score_rows(self) -> RowBlock:
        """As `respond_rows`, without the deviance, whose logarithms take half of the time."""
        return self._respond("score", no_unit_deviance, self.difference)

    @functools.cached_property
    def variance_rows(self) -> RowBlock:
        """Variance function at the mean."""
        functions = {"standard_deviation": self.standard_deviation}
        return self._block(variance_rows, "variance", functions)

    @functools.cached_property
    def start_rows(self) -> RowBlock:
        """A mean to start from."""
        return self._block(start_rows, "start", {"starting_mean": self.starting_mean})

    @functools.cached_property
    def log_density_rows(self) -> RowBlock:
        """Log-likelihood of each row."""
        return self._block(log_density_rows, "log_density", {"log_density": self.log_density})


def without_likelihood(
    functions: ResponseFunctions, name: str, **changes: Any
) -> ResponseFunctions:
    """The functions of a quasi family: those of another, without its density."""
    return replace(functions, name=name, log_density=undefined_log_density, **changes)
