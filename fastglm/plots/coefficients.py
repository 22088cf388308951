"""Coefficients with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fastglm.design.formula.reference_levels import reference_levels
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Design, Indicators, Ones
from fastglm.design.matrix.select import select_columns
from fastglm.errors import ModelError
from fastglm.fit.ratios import to_ratio
from fastglm.plots.style import BLUE, GREY, few_ticks, new_axes, picture, short_label, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastglm.fit.record import Fit

__all__ = ["coefficients"]

#: Most coefficients in one picture.
MOST = 60
#: Most letters of a name.
LONGEST_NAME = 36


@picture
def coefficients(
    fit: Fit,
    names: Sequence[str] | None = None,
    alpha: float = 0.05,
    exponentiate: bool = False,
    ax: Axes | None = None,
    standardize: bool = False,
) -> Axes:
    """Forest of coefficients: estimates and intervals, one row each.

    Parameters
    ----------
    fit : Fit
    names : sequence of str, optional
        Which coefficients; by default all but the intercept and those of splines and polynomials,
        which mean nothing one by one, and of more than 60 those of largest statistic.
    alpha : float, default 0.05
        Intervals are at level 1 - alpha.
    exponentiate : bool, default False
        Odds ratios, rate ratios or relativities on a logarithmic axis instead.
    ax : Axes, optional
    standardize : bool, default False
        Coefficients of numeric columns per standard deviation of the column, so that they can be
        compared; needs the data of the fit.

    Raises
    ------
    ModelError
        If a name is not that of a coefficient.
    DataError
        If the result was loaded without the data that `standardize` needs.

    Notes
    -----
    A hollow mark is the reference level of a factor, which the other levels are compared with.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> fg.plots.coefficients(res).get_title()
    'Coefficients with 95% intervals'
    """
    chosen = _chosen(fit, names)
    scale = _deviations(fit)[chosen] if standardize else np.ones(chosen.size)
    estimate = fit.estimates[chosen] * scale
    low, high = np.asarray(fit._wald_intervals(alpha))[chosen].T * scale
    label = "coefficient per standard deviation" if standardize else "coefficient"
    if exponentiate:
        estimate, low, high = to_ratio(estimate), to_ratio(low), to_ratio(high)
        kinds = {kind for kind in fit._ratio_names() if kind}
        label = kinds.pop() if len(kinds) == 1 else "exp(coefficient)"
    texts, place, bases = _places(fit, chosen, given=names is not None)
    ax = new_axes(ax, (6.5, 1.2 + 0.24 * max(len(texts), 4)))
    nothing = 1.0 if exponentiate else 0.0
    ax.axvline(nothing, color=GREY, linewidth=1.0)
    sign = np.array([fit.infinite.get(fit.names[k], 0) for k in chosen])
    finite = sign == 0
    ax.hlines(place[finite], low[finite], high[finite], color=BLUE, linewidth=2.0)
    size = 6 if len(texts) < 30 else 4
    ax.plot(estimate[finite], place[finite], "o", color=BLUE, markersize=size)
    ax.plot(
        np.full(len(bases), nothing), bases, "o", color=GREY, markerfacecolor="white", markersize=5
    )
    size = 9 if len(texts) < 30 else 7
    shown = [short_label(text, LONGEST_NAME) for text in texts]
    ax.set_yticks(np.arange(len(texts)), shown[::-1], fontsize=size)
    ax.set_ylim(-0.7, len(texts) - 0.3)
    if exponentiate:
        ax.set_xscale("log")
        _plain_ticks(ax)
    else:
        few_ticks(ax)
    if not finite.all():
        _mark_infinite(ax, place[~finite], sign[~finite])
        label += " (arrows: infinite)"
    return tidy(ax, f"Coefficients with {1 - alpha:.0%} intervals", label, "")


def _mark_infinite(ax: Axes, places: np.ndarray, signs: np.ndarray) -> None:
    """Arrows at the edges, where the others keep their scale."""
    low, high = ax.get_xlim()
    for edge, sign, marker in ((low, -1, "<"), (high, 1, ">")):
        there = places[signs == sign]
        ax.plot(np.full(there.size, edge), there, marker, color=BLUE, clip_on=False)
    ax.set_xlim(low, high)


def _places(fit: Fit, chosen: np.ndarray, given: bool) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Texts from the top, places of the coefficients, and those of reference levels."""
    before: dict[int, str] = {}
    if not given and not fit.has_several_predictors:
        known = reference_levels(fit.fitted_formula)
        for name, columns in fit.terms:
            inside = chosen[(chosen >= columns.start) & (chosen < columns.stop)]
            if name in known and inside.size:
                before[int(inside[0])] = f"{name} = {known[name]} (base)"
    texts: list[str] = []
    rows, bases = [], []
    for k in chosen:
        if int(k) in before:
            bases.append(len(texts))
            texts.append(before[int(k)])
        rows.append(len(texts))
        texts.append(fit.names[k])
    last = len(texts) - 1
    return texts, last - np.array(rows, dtype=int), last - np.array(bases, dtype=int)


def _deviations(fit: Fit) -> np.ndarray:
    """Standard deviations of numeric columns, 1 for those of levels, (p,)."""
    if fit.has_several_predictors:
        raise ModelError("standardize=True is for fits of one linear predictor: leave it out.")
    rows, p = fit._rows_beside_columns("standard deviations of columns"), len(fit.names)
    deviation, numeric = np.ones(p), np.arange(p)
    total, square, near, n = np.zeros(p), np.zeros(p), np.zeros(p), 0
    is_level = np.ones(p, dtype=bool)
    for design in rows.each_design():
        if not n:
            numeric = np.flatnonzero(~_are_indicators(design))
            if not numeric.size:
                return deviation
            total, square, is_level = total[numeric], square[numeric], is_level[numeric]
        for _, X in dense_slices(select_columns(design, numeric)):
            is_level &= ((X == 0.0) | (X == 1.0)).all(axis=0)
            # Sums of squares about a value near the mean keep the digits of the deviation.
            near = near if n else X.mean(axis=0)
            total += (X - near).sum(axis=0)
            square += ((X - near) ** 2).sum(axis=0)
            n += len(X)
    found = np.sqrt(np.maximum(square / n - (total / n) ** 2, 0.0))
    deviation[numeric] = np.where(is_level, 1.0, found)
    return deviation


def _are_indicators(design: Design) -> np.ndarray:
    """Which columns are those of one level, or of ones, by what they are stored as: (p,)."""
    plain = np.concatenate(
        [
            np.full(
                part.n_columns,
                isinstance(part, Ones) or (isinstance(part, Indicators) and not part.factors),
            )
            for part in design.parts
        ]
    )
    columns = design.transform_matrix()
    single = np.flatnonzero(np.diff(columns.indptr) == 1)
    stored = columns.indptr[single]
    found = np.zeros(design.n_columns, dtype=bool)
    found[single] = plain[columns.indices[stored]] & (columns.data[stored] == 1.0)
    return found


def _of_curves(fit: Fit) -> np.ndarray:
    """Which coefficients are of splines and polynomials: several numeric columns of one factor."""
    found = np.zeros(len(fit.names), dtype=bool)
    formula = None if fit.has_several_predictors else fit.fitted_formula
    if formula is None or len(formula.terms) != len(fit.terms):
        return found
    for term, (_, columns) in zip(formula.terms, fit.terms, strict=True):
        texts = {factor.text for product in term.products for factor in product.factors}
        if columns.stop - columns.start > 1 and not any(t in formula.levels for t in texts):
            found[columns] = True
    return found


def _plain_ticks(ax: Axes) -> None:
    """Ratios as numbers, not as powers of ten."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    low, high = ax.get_xlim()
    wide = high / low > 4.0
    locator = (
        LogLocator(subs=(1.0, 2.0, 5.0), numticks=9)
        if wide
        else MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])
    )
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _chosen(fit: Fit, names: Sequence[str] | None) -> np.ndarray:
    """Positions of the coefficients to draw; aliased ones are left out."""
    if names is not None:
        unknown = [name for name in names if name not in fit.names]
        if unknown:
            raise ModelError(f"there is no coefficient {unknown[0]!r}.")
        return np.array([fit.names.index(name) for name in names])
    present = ~np.isnan(fit.estimates)
    if fit.rank > 1:
        bare = [name.split("-")[-1].split(":")[-1] for name in fit.names]
        present &= ~np.isin(bare, ("Intercept", "const", "(Intercept)"))
    curves = _of_curves(fit)
    if (present & ~curves).any():
        present &= ~curves
    chosen = np.flatnonzero(present)
    if chosen.size > MOST:
        size = np.abs(fit._statistics)[chosen]
        chosen = np.sort(chosen[np.argsort(-size)[:MOST]])
    return chosen
