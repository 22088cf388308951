"""What all pictures share: colours, axes, clouds of any number of points, and smooth curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.entry import F, entry
from fastglm.errors import ModelError, require_package
from fastglm.fit.base import FitBase
from fastglm.inference.evaluation.pure_premium import PurePremium

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "ORANGE",
    "VERMILION",
    "cloud",
    "few_ticks",
    "legend_above",
    "level_ticks",
    "name_points",
    "new_axes",
    "per_exposure",
    "picture",
    "picture_of_any_fit",
    "require_matplotlib",
    "short_label",
    "short_number",
    "smooth_line",
    "strip_below",
    "tidy",
    "weighted_means",
]

#: Okabe & Ito's colours.
BLUE, ORANGE, GREEN, VERMILION, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A8A8A"
#: More points than this are counted in hexagons.
MOST_POINTS = 3_000
HEXAGONS = 60
#: Letters that fit below an axis, and those of one name of a level.
MOST_LETTERS, LONGEST_NAME = 60, 24
#: Heights of its letters that a slanted label takes along the axis, and the smallest readable
#: letters, in points.
SLANTED_HEIGHT, SMALLEST = 1.45, 6.0
#: Groups of equally many points that a smooth curve is fitted to, and points in each at least.
SMOOTH_GROUPS = 100
GROUP_POINTS = 5


def require_matplotlib() -> None:
    """Raise `MissingPackageError` where nothing could be drawn."""
    require_package("matplotlib", "plots", "pictures")


def picture(function: F) -> F:
    """An entry point that draws a fit without random effects.

    Without matplotlib, or of another fit, it raises before it computes.
    """

    def check(fit: Any) -> None:
        _require_fit(fit, function)
        if getattr(fit, "has_random_effects", False):
            raise ModelError(
                f"plots.{function.__name__} is not there for mixed models: use plots.effect, "
                "plots.calibration, plot_ranef(), plot_normality() or report()."
            )

    return entry(function, before=check)


def picture_of_any_fit(function: F) -> F:
    """As `picture`, of fits with random effects too."""
    return entry(function, before=lambda fit: _require_fit(fit, function))


def _require_fit(fit: Any, function: Callable[..., Any]) -> None:
    """Raise where nothing could be drawn, or what is given is no fit; None is one given by name."""
    require_matplotlib()
    if fit is not None and not isinstance(fit, FitBase | PurePremium):
        raise ModelError(
            f"plots.{function.__name__} draws a fitted model, as fg.glm(...) or fit() returns it, "
            f"not a {type(fit).__name__}."
        )


def new_axes(ax: Axes | None, size: tuple[float, float] = (6.0, 4.2)) -> Axes:
    """The axes given, or those of a new figure."""
    if ax is not None:
        if not hasattr(ax, "plot"):
            raise ModelError(f"ax must be axes of matplotlib, not a {type(ax).__name__}.")
        return ax
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def tidy(ax: Axes, title: str, x_label: str, y_label: str) -> Axes:
    """Title and labels, no frame above and to the right."""
    ax.set_title(title, fontsize=11)
    ax.set_xlabel(x_label)
    ax.set_ylabel(y_label)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def few_ticks(ax: Axes, axis: str = "x", most: int = 5) -> None:
    """At most so many ticks, numbers in full: labels that neither touch nor hide a common part."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    of = ax.xaxis if axis == "x" else ax.yaxis
    of.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_powerlimits((-4, 6))
    of.set_major_formatter(formatter)


def legend_above(ax: Axes) -> None:
    """The legend in a line between the title and the picture, where it hides no point."""
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles, labels, frameon=False, fontsize=8, ncols=len(labels), loc="lower left",
        bbox_to_anchor=(0.0, 0.985), borderaxespad=0.0, handletextpad=0.4, columnspacing=1.2,
    )  # fmt: skip
    ax.set_title(ax.get_title(), fontsize=11, pad=18)


def strip_below(ax: Axes, label: str) -> Axes:
    """A low strip under the axes for how much data there is, with the axes' own values of x."""
    strip = ax.inset_axes((0.0, -0.27, 1.0, 0.2), sharex=ax)
    strip.set_ylabel(label, color=GREY, fontsize=8)
    strip.tick_params(axis="y", colors=GREY, labelsize=7)
    strip.spines[["top", "right"]].set_visible(False)
    strip.spines[["left", "bottom"]].set_color(GREY)
    strip.yaxis.set_major_formatter(short_number)
    strip.locator_params(axis="y", nbins=2)
    ax.tick_params(axis="x", labelbottom=False)
    ax.set_xlabel("")
    return strip


def short_number(value: float, _: Any = None) -> str:
    """A number of rows or of exposure in a few letters: 12k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def level_ticks(ax: Axes, labels: Sequence[str], shift: float = 0.0) -> None:
    """Names of levels at 0, 1, ..., slanted where they would run into each other.

    Many are written smaller; of more than can be read every second, third, ... has its name.
    """
    names, place = [short_label(label) for label in labels], np.arange(len(labels)) + shift
    if max(len(name) for name in names) * len(names) <= MOST_LETTERS:
        ax.set_xticks(place, names)
        return
    inches = ax.figure.get_figwidth() * ax.get_position().width / len(names)  # type: ignore[union-attr]
    room = 72.0 * inches / SLANTED_HEIGHT
    step = max(int(np.ceil(SMALLEST / room)), 1)
    ax.set_xticks(place, [name if k % step == 0 else "" for k, name in enumerate(names)])
    for text in ax.get_xticklabels():
        text.set(rotation=45, ha="right", fontsize=min(float(text.get_fontsize()), room * step))


def per_exposure(fit: Any) -> str:
    """The unit of a rate: the response for a unit of exposure, by its name if it is a column."""
    name = getattr(fit, "column_names", {}).get("exposure", "exposure")
    return f"{fit.response_name} per {short_label(name)}"


def short_label(text: str, longest: int = LONGEST_NAME) -> str:
    """A name of at most so many letters: both ends of a longer one, which tell most names apart."""
    if len(text) <= longest:
        return text
    end = (longest - 1) // 3
    return f"{text[: longest - 1 - end]}…{text[-end:]}"


def cloud(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Points, or their number by hexagon on a logarithmic scale of greys."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if x.size <= MOST_POINTS:
        ax.plot(x, y, "o", color=BLUE, markersize=3.5, alpha=0.45, markeredgewidth=0)
        return
    drawn = ax.hexbin(x, y, gridsize=HEXAGONS, bins="log", mincnt=1, cmap="Blues", linewidths=0.1)
    # The lightest colours of the map would vanish on white.
    drawn.set_clim(0.3 * max(float(np.min(np.asarray(drawn.get_array()))), 1.0), None)
    bar = ax.figure.colorbar(drawn, ax=ax, pad=0.01, aspect=40)
    bar.set_label("rows", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def smooth_line(ax: Axes, x: np.ndarray, y: np.ndarray, **style: Any) -> None:
    """A smoothing spline through means of groups of equally many points."""
    from scipy.interpolate import make_smoothing_spline

    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    n_groups = min(SMOOTH_GROUPS, x.size // GROUP_POINTS)
    if n_groups < GROUP_POINTS:
        return
    edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, n_groups + 1)))
    if edges.size < GROUP_POINTS + 1:
        return
    group = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, edges.size - 2)
    count = np.bincount(group, minlength=edges.size - 1)
    kept = count > 0
    center = np.bincount(group, x, minlength=count.size)[kept] / count[kept]
    level = np.bincount(group, y, minlength=count.size)[kept] / count[kept]
    center, first = np.unique(center, return_index=True)
    if center.size < GROUP_POINTS:
        return
    # Splines are fitted on a unit scale: their penalty has no units.
    span = center[-1] - center[0]
    unit = (center - center[0]) / span
    curve = make_smoothing_spline(unit, level[first], w=count[kept][first].astype(float))
    at = np.linspace(0.0, 1.0, 200)
    shown: dict[str, Any] = {"color": VERMILION, "linewidth": 1.8} | style
    ax.plot(center[0] + span * at, curve(at), **shown)


def weighted_means(
    values: np.ndarray, weight: np.ndarray, group: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means of groups and their standard errors, (g,) each."""
    use = np.isfinite(values) & (weight > 0.0)
    values, weight, group = values[use], weight[use], group[use]
    total = np.bincount(group, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(group, weight * values) / total
        spread = np.bincount(group, (weight * (values - mean[group])) ** 2)
        return mean, np.sqrt(spread) / total


def name_points(ax: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str]) -> None:
    """Names beside points; those without room beside the ones before are left out."""
    left, right = ax.get_xlim()
    low, high = ax.get_ylim()
    # Points and letters as shares of the picture.
    u, v = (x - left) / (right - left), (y - low) / (high - low)
    taken: list[tuple[float, float, float, Any]] = []
    for across, up, name in zip(u, v, names, strict=True):
        width, to_left = 0.022 * len(name) + 0.02, across > 0.75
        start = across - width if to_left else across
        for step in (0, -1, 1, -2, 2):
            place = up + 0.055 * step
            free = all(
                abs(place - b) > 0.05 or start > a + w or start + width < a for a, b, w, _ in taken
            )
            if free and 0.0 < place < 0.96:
                break
        else:
            continue
        mark = ax.annotate(
            name, (across, up), xytext=(-4 if to_left else 4, 3 + 14 * step), fontsize=8,
            xycoords="axes fraction", textcoords="offset points", ha="right" if to_left else "left",
        )  # fmt: skip
        taken.append((start, place, width, mark))
