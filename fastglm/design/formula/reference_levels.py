"""Reference levels of the categorical factors of a formula."""

from __future__ import annotations

import ast

from fastglm.design.formula.contrasts import Contrast
from fastglm.design.formula.expressions import (
    Expression,
    contrast_node,
    function_name,
    read_contrast,
)
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.frames.categories import Level

__all__ = ["contrast_of", "reference_levels"]


def contrast_of(expression: Expression) -> Contrast:
    """The contrast of a categorical factor, treatment where it names none."""
    tree = expression.tree
    if isinstance(tree, ast.Call) and function_name(tree) == "C":
        coding = contrast_node(tree)
        if coding is not None:
            return read_contrast(coding, expression.text)
    return Contrast()


def reference_levels(fitted_formula: FittedFormula | None) -> dict[str, Level]:
    """The level that others are compared with, by the text of the factor.

    Parameters
    ----------
    fitted_formula : FittedFormula or None

    Returns
    -------
    dict of str to level
        Of the factors that some term codes against one level, which has zeros in all columns:
        factors with other contrasts, or coded in full wherever they stand, are not there.
    """
    if fitted_formula is None:
        return {}
    reduced = {
        factor.text
        for term in fitted_formula.terms
        for product in term.products
        for factor in product.factors
        if factor.reduced
    }
    found = {}
    for expression in fitted_formula.factors:
        levels = fitted_formula.levels.get(expression.text)
        if levels is None or expression.text not in reduced:
            continue
        matrix, _ = contrast_of(expression).columns(levels, True, expression.text)
        empty = [k for k in range(len(levels)) if not matrix[[k], :].toarray().any()]
        if len(empty) == 1:
            found[expression.text] = levels[empty[0]]
    return found
