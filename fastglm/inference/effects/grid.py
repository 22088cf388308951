"""Averages over the grid of all values of the variables, which is never written out.

A column of a model is the sum of products of functions of few variables. Its average over the grid
is the average over the values of these alone: terms that do not interact need no grid at all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.design.formula.assemble import ScaledTerm
from fastglm.design.formula.contrast_coding import CodedTerm
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError

if TYPE_CHECKING:
    from fastglm.design.formula.fitted_formula import FittedFormula
    from fastglm.inference.effects.counterfactual import Counterfactual

__all__ = ["GridAverages", "average_over_grid", "require_few"]

#: Most combinations of values of the variables of one term, and most combinations averaged for.
MOST_POINTS, MOST_CELLS = 1_000_000, 10_000
_INTERCEPT = ScaledTerm("1", (CodedTerm(()),))


class GridAverages(NamedTuple):
    """Averages over the grid for each combination of values of some variables.

    Attributes
    ----------
    cells : list of tuple
        The k combinations.
    columns, sizes : ndarray, shape (k, p)
        Averages of the model's columns, and of their absolute values.
    offset : ndarray, shape (k,)
        Averages of the formula's offset.
    """

    cells: list[tuple[Any, ...]]
    columns: np.ndarray
    sizes: np.ndarray
    offset: np.ndarray


def average_over_grid(
    rows: Counterfactual, values: Mapping[str, list[Any]], chosen: Sequence[str]
) -> GridAverages:
    """Averages with equal weights over the values of all variables but the chosen ones.

    Parameters
    ----------
    rows
        Of the fit.
    values
        Of every variable of its formula.
    chosen
        The variables of which all combinations are kept apart.

    Raises
    ------
    ModelError
        If there are too many of those, or of the values of the variables of one term.
    """
    require_few(values, chosen, MOST_CELLS, "there are {} means")
    # In the order of the whole grid.
    ordered = [name for name in values if name in chosen]
    places = [ordered.index(name) for name in chosen]
    points = itertools.product(*(values[name] for name in ordered))
    cells = list(dict.fromkeys(tuple(point[k] for k in places) for point in points))
    fitted_formula = rows.fitted_formula
    groups: dict[frozenset[str], list[int]] = {}
    for k, term in enumerate(fitted_formula.terms):
        groups.setdefault(frozenset(_variables(fitted_formula, term)), []).append(k)
    blocks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for names, members in groups.items():
        terms = tuple(fitted_formula.terms[k] for k in members)
        design, group, of_cell = _design(rows, terms, values, chosen, names, cells)
        means, sizes = _means(design, group)
        for k, (_, owned) in zip(members, design.terms, strict=True):
            blocks[k] = means[of_cell, owned], sizes[of_cell, owned]
    columns, sizes = (np.hstack([blocks[k][i] for k in sorted(blocks)]) for i in range(2))
    return GridAverages(cells, columns, sizes, _offsets(rows, values, chosen, cells))


def _offsets(
    rows: Counterfactual,
    values: Mapping[str, list[Any]],
    chosen: Sequence[str],
    cells: list[tuple[Any, ...]],
) -> np.ndarray:
    """Averages of the formula's offset for each of the cells, (k,)."""
    total = np.zeros(len(cells))
    for expression in rows.fitted_formula.offsets:
        names = frozenset(expression.columns)
        only = replace(rows.fitted_formula, terms=(_INTERCEPT,), factors=(), offsets=(expression,))
        columns, group, of_cell = _points(rows, values, chosen, names, cells)
        offset = only.apply(columns).offset
        if offset is not None:
            total += (np.bincount(group, offset) / np.bincount(group))[of_cell]
    return total


def _design(
    rows: Counterfactual,
    terms: tuple[ScaledTerm, ...],
    values: Mapping[str, list[Any]],
    chosen: Sequence[str],
    names: frozenset[str],
    cells: list[tuple[Any, ...]],
) -> tuple[Design, np.ndarray, np.ndarray]:
    """Columns of terms of the same variables over the grid of these; see `_points`."""
    texts = {factor.text for term in terms for p in term.products for factor in p.factors}
    factors = tuple(factor for factor in rows.fitted_formula.factors if factor.text in texts)
    only = replace(rows.fitted_formula, terms=terms, factors=factors, offsets=())
    columns, group, of_cell = _points(rows, values, chosen, names, cells)
    return only.apply(columns).design, group, of_cell


def _points(
    rows: Counterfactual,
    values: Mapping[str, list[Any]],
    chosen: Sequence[str],
    names: frozenset[str],
    cells: list[tuple[Any, ...]],
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Columns of the grid of some variables, its points' group, and the group of each cell.

    Points of a group agree in the chosen variables.
    """
    own = [name for name in values if name in names]
    require_few(values, own, MOST_POINTS, "their grid has {} points")
    used = {name: values[name] for name in own}
    if not used:
        # A frame has a column at least.
        first = next(iter(values))
        used = {first: values[first][:1]}
    points = list(itertools.product(*used.values()))
    columns = {
        name: rows.as_column(name, list(column))
        for name, column in zip(used, zip(*points, strict=True), strict=True)
    }
    shared = [name for name in chosen if name in names]
    number: dict[tuple[Any, ...], int] = {}
    places = [list(used).index(name) for name in shared]
    group = [number.setdefault(tuple(p[k] for k in places), len(number)) for p in points]
    places = [list(chosen).index(name) for name in shared]
    of_cell = [number[tuple(cell[k] for k in places)] for cell in cells]
    return columns, np.array(group), np.array(of_cell)


def _means(design: Design, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of the columns and of their absolute values in each group of rows, (g, p) each."""
    count = np.bincount(group)
    means, sizes = (np.zeros((count.size, design.n_columns)) for _ in range(2))
    for rows, X in dense_slices(design):
        np.add.at(means, group[rows], X)
        np.add.at(sizes, group[rows], np.abs(X))
    return means / count[:, None], sizes / count[:, None]


def _variables(fitted_formula: FittedFormula, term: ScaledTerm) -> Iterable[str]:
    """The variables of a term."""
    texts = {factor.text for product in term.products for factor in product.factors}
    return (n for factor in fitted_formula.factors if factor.text in texts for n in factor.columns)


def require_few(
    values: Mapping[str, list[Any]], names: Sequence[str], most: int, what: str
) -> None:
    """Refuse variables with more combinations of values than that."""
    n = prod(len(values[name]) for name in names)
    if n > most:
        raise ModelError(
            f"{', '.join(names)} have too many combinations of values: {what.format(n)}; fix some "
            "of these variables with at=."
        )
