"""Summaries of models with several predictors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastglm.errors import few_of
from fastglm.inference.summary import Summary, rounding_notes, separation_note

if TYPE_CHECKING:
    from fastglm.responses.record import ResponseFit

__all__ = ["ResponseSummary"]


class ResponseSummary(Summary):
    """Printable summary of a fit.

    Parameters
    ----------
    results
        The fit.
    alpha
        Intervals are at level 1 - alpha.
    """

    fit: ResponseFit  # type: ignore[assignment]

    def __init__(self, results: ResponseFit, alpha: float = 0.05):
        super().__init__(results, alpha)  # type: ignore[arg-type]
        self.title = results.title

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table."""
        return self.fit.header()

    def setting(self) -> list[tuple[str, str]]:
        """Settings of the fit, each on a line of its own."""
        return self.fit.setting()

    def aliased_columns(self) -> str:
        """Names of the aliased columns."""
        return few_of(list(self.fit.aliased))

    def advice(self) -> str:
        """Parameters on the boundary, or advice by the status."""
        return self.fit.boundary or self.fit.status.advice

    def model_notes(self) -> list[str]:
        """Notes of the model itself."""
        fit = self.fit
        separated = [separation_note(fit)] if fit.n_separated else []
        return [*fit.notes(), *rounding_notes(fit.numerical_error), *separated]
