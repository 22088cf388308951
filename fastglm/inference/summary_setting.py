"""What a fit was given, as a summary names it: formulas, offsets, weights, levels, parameters."""

from __future__ import annotations

from typing import Any

from fastglm.design.formula.reference_levels import reference_levels

__all__ = ["family_parameters", "model_setting"]


def model_setting(fit: Any) -> list[tuple[str, str]]:
    """Formula, offset, exposure and weights of a fit of any model, those that there are.

    Parameters
    ----------
    fit : Fit or ResponseResults

    Returns
    -------
    list of tuple of str
        Names and values.
    """
    fitted_formulas = (
        fit.fitted_formulas if hasattr(fit, "fitted_formulas") else (fit.fitted_formula,)
    )
    rows = [("Formula", fit.formula)] if fit.formula else []
    parts = () if not hasattr(fit, "settings") else fit.settings.get("exogs", ())
    for name, fitted_formula in zip(parts, fitted_formulas[1:], strict=False):
        if fitted_formula is not None and fitted_formula.formula:
            rows.append((f"Formula of {name}", fitted_formula.formula))
    offsets = (
        []
        if fitted_formulas[0] is None
        else [f"offset({o.text})" for o in fitted_formulas[0].offsets]
    )
    if fit.has_offset:
        offsets.append(fit.column_names.get("offset", "array"))
    if offsets:
        rows.append(("Offset", " + ".join(offsets)))
    if fit.has_exposure:
        rows.append(("Exposure", fit.column_names.get("exposure", "array")))
    bases = reference_levels(fitted_formulas[0])
    if bases:
        rows.append(("Reference Levels", ", ".join(f"{f} = {level}" for f, level in bases.items())))
    if fit.weights:
        rows.append(
            ("Weights", ", ".join(f"{name} {column}" for name, column in fit.weights.items()))
        )
    return rows


def family_parameters(family: Any) -> list[tuple[str, str]]:
    """Parameters of a family beside its link: alpha, the power of the variance, and so on."""
    given = family.arguments()
    shown = [
        f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
        for name, value in given.items()
        if isinstance(value, int | float | str) and name not in ("name", "estimated")
    ]
    if not shown:
        return []
    return [("Family Parameters", ", ".join(shown) + ", estimated" * ("estimated" in given))]
