"""Average predictions, comparisons and slopes of a variable of the data frame.

The names and meaning are those of R's package marginaleffects: Arel-Bundock, Greifer & Heiss
(2024), *Journal of Statistical Software* 111(9). Standard errors are by the delta method with
exact derivatives in the coefficients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_number
from fastglm.errors import ModelError
from fastglm.inference.effects.averages import Averages
from fastglm.inference.effects.counterfactual import Counterfactual, cell_name
from fastglm.inference.hypothesis_tests.estimates import Estimates

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase

__all__ = ["average_comparisons", "average_predictions", "average_slopes"]

#: Distance of the points that show how columns change with a variable, in ranges of the variable.
SLOPE_STEP = 3e-5


def _values_of(rows: Counterfactual, variables: Any) -> Mapping[str, Any]:
    """Values of each variable: all levels of those that are only named."""
    if variables is None or isinstance(variables, Mapping):
        return variables or {}
    named = [variables] if isinstance(variables, str) else variables
    if not isinstance(named, list | tuple):
        raise ModelError(
            "variables is a dictionary of values, or the names of categorical variables, not "
            f"{variables!r}."
        )
    levels = {name: rows.levels(name) for name in named}
    for name, values in levels.items():
        if values is None:
            raise ModelError(f"{name!r} is numeric: give its values, as in {{{name!r}: [1, 2]}}.")
    return levels


def average_predictions(
    fit: FitBase, variables: Any, by: str | None, which: str = "mean"
) -> Estimates:
    """See `Results.avg_predictions`."""
    rows = Counterfactual(fit, which)
    settings: list[dict[str, Any]] = [{}]
    for name, chosen in _values_of(rows, variables).items():
        settings = [s | {name: value} for s in settings for value in np.atleast_1d(chosen).tolist()]
    groups, parts = rows.averages(settings, by)
    texts = (cell_name(setting.items()) for setting in settings)
    names = [name or "all rows" for text in texts for name in rows.labels(text, groups)]
    return rows.estimates(names, parts, "Average predictions")


def average_comparisons(
    fit: FitBase, variable: str | None, step: float, by: str | None, which: str = "mean"
) -> Estimates:
    """See `Results.avg_comparisons`."""
    checked_number("step", step)
    rows = Counterfactual(fit, which)
    found = [_comparisons(rows, each, step, by) for each in _variables(rows, variable)]
    return _joined(rows, found, "Average comparisons")


def average_slopes(
    fit: FitBase, variable: str | None, by: str | None, which: str = "mean"
) -> Estimates:
    """See `Results.avg_slopes`."""
    rows = Counterfactual(fit, which)
    if variable is not None and rows.levels(variable) is not None:
        raise ModelError(f"{variable!r} is categorical: use avg_comparisons() for its levels.")
    found = [
        _slopes(rows, each, by) if rows.levels(each) is None else _comparisons(rows, each, 1.0, by)
        for each in _variables(rows, variable)
    ]
    return _joined(rows, found, "Average slopes")


#: Names of averages, and the averages.
_Named = tuple[list[str], list[Averages]]


def _variables(rows: Counterfactual, variable: str | None) -> list[str]:
    """The one that is asked for, or all of the formula."""
    names = [variable] if variable is not None else rows.names()
    if not names:
        raise ModelError("the formula has no variables.")
    return names


def _joined(rows: Counterfactual, found: Sequence[_Named], heading: str) -> Estimates:
    names = [name for some, _ in found for name in some]
    return rows.estimates(names, [part for _, parts in found for part in parts], heading)


def _comparisons(rows: Counterfactual, variable: str, step: float, by: str | None) -> _Named:
    """Changes of the mean with a variable, from the first level or by a step."""
    levels = rows.levels(variable)
    # What each average is called, and where: the first is what the others are compared with.
    settings: list[tuple[str, Any]]
    if levels is None:
        settings = [("", lambda column: column), (f"+{step:g}", lambda column: column + step)]
    else:
        settings = [("", levels[0])]
        settings += [(f"{level} - {levels[0]}", level) for level in levels[1:]]
    if len(settings) == 1:
        raise ModelError(f"{variable!r} has one level only: there is nothing to compare.")
    groups, (below, *others) = rows.averages([{variable: value} for _, value in settings], by)
    names = [
        name for text, _ in settings[1:] for name in rows.labels(f"{variable}: {text}", groups)
    ]
    return names, [other.less(below) for other in others]


def _slopes(rows: Counterfactual, variable: str, by: str | None) -> _Named:
    """Derivatives of the mean in a numeric variable."""
    known = rows.variable(variable)
    if known.least == known.most:
        raise ModelError(f"{variable!r} is {known.least:g} in every row: it has no slope.")
    points = partial(_three_points, least=known.least, most=known.most)
    groups, averages = rows.average_change(variable, points, by)
    return rows.labels(variable, groups), [averages]


def _three_points(
    column: np.ndarray, least: float, most: float
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Values about those of a variable, and their weights in the derivative of a parabola there.

    Points beyond the data could lie beyond the outer knots of a spline; at the ends of the data
    all three are on one side.
    """
    step = SLOPE_STEP * (most - least)
    middle = np.clip(column, least + step, most - step)
    points = [middle - step, middle, middle + step]
    shares = []
    for k in range(3):
        own, (one, other) = points[k], [p for j, p in enumerate(points) if j != k]
        shares.append(((column - one) + (column - other)) / ((own - one) * (own - other)))
    return points, shares
