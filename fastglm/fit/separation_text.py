"""What is separated, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastglm.design.formula.reference_levels import reference_levels
from fastglm.solve.separation import infinite_text

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["separated_reference", "separation_text"]


def separation_text(fit: Fit) -> str:
    """Which rows are separated by which estimates, or by which reference level."""
    reference = separated_reference(fit)
    if reference is None:
        return infinite_text(fit.infinite, fit.n_separated)
    factor, level = reference
    sign = next(iter(fit.infinite.values()))
    rows = "1 row is" if fit.n_separated == 1 else f"{fit.n_separated} rows are"
    return (
        f"{rows} separated from the others by level {level} of {factor}, which all other levels "
        f"are compared with: Intercept ({'+' if sign > 0 else '-'}infinity) and all "
        f"{len(fit.infinite) - 1} coefficients of {factor} ({'-' if sign > 0 else '+'}infinity) "
        "are infinite. With another reference level one coefficient would be."
    )


def separated_reference(fit: Fit) -> tuple[str, str] | None:
    """The factor whose reference level is separated, and the level; None if that is not all.

    The intercept and all levels of one factor are infinite, and nothing else is: then rows of the
    reference level move along with the intercept alone, and no row of it stands still.
    """
    known = reference_levels(fit.fitted_formula)
    for name, columns in fit.terms:
        levels = fit.names[columns]
        if name not in known or set(fit.infinite) != {"Intercept", *levels}:
            continue
        signs = {fit.infinite[level] for level in levels}
        if signs == {-fit.infinite["Intercept"]}:
            return name, repr(known[name])
    return None
