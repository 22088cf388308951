"""Pictures of how a density or mass function moves with its natural parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError, require_package
from fastglm.expfam.definition import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWS = 4000
_POINTS = 801
_MOST_BARS = 400


def draw(family: type[Any], members: list[Any], ax: Any = None) -> Axes:
    """Draw `members`, single ones of `family`, into `ax` (default a new figure)."""
    if not members or any(member.batch_shape for member in members):
        raise ModelError("plot needs at least one eta, and one natural parameter for each")
    if ax is None:
        require_package("matplotlib", "plots", "pictures")
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    shown = [(member._marginal(), _label(member)) for member in members]
    first, last = _range([marginal for marginal, _ in shown])
    if _contains(shown[0][0], np.ravel(shown[0][0].support.example) + 0.25):
        _draw_curves(shown, first, last, ax)
    else:
        _draw_bars(shown, first, last, ax)
    # Room for the legend above.
    ax.set_ylim(0, ax.get_ylim()[1] * (1 + 0.08 * len(members)))
    ax.set_ylabel("p(y; η)")
    ax.set_xlabel("first entry of y" if members[0].support.example.ndim else "y")
    ax.set_title(f"{family.__name__}{_known(members[0])}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def _contains(member: Any, y: Array) -> Array:
    return np.asarray(member.support.contains(_responses(member, y)))


def _responses(member: Any, y: Array) -> Array:
    """Return numbers y (n,) as responses: a matrix of one entry still has two axes."""
    return y.reshape(y.shape + (1,) * member.support.example.ndim)


def _mass(member: Any, y: Array) -> Array:
    return np.exp(member.log_prob(_responses(member, y)))


def _range(members: list[Any]) -> tuple[float, float]:
    """Return where nearly all of the probability lies, from fixed draws."""
    draws = np.stack([member.sample(0, _DRAWS).reshape(_DRAWS) for member in members])
    low, high = np.quantile(draws, [0.002, 0.998], axis=1)
    return float(low.min()), float(high.max())


def _draw_bars(shown: list[tuple[Any, str]], first: float, last: float, ax: Axes) -> None:
    y = np.arange(np.floor(first), np.ceil(last) + 1)
    y = y[_contains(shown[0][0], y)]
    if y.size > _MOST_BARS:
        y = np.unique(np.round(np.linspace(y[0], y[-1], _MOST_BARS)))
    width = 0.8 / len(shown)
    for order, (member, label) in enumerate(shown):
        place = y + (order - (len(shown) - 1) / 2) * width
        ax.bar(place, _mass(member, y), width, label=label)
    if y.size <= 12:
        ax.set_xticks(y)


def _draw_curves(shown: list[tuple[Any, str]], first: float, last: float, ax: Axes) -> None:
    y = np.linspace(first, last, _POINTS)
    for member, label in shown:
        density = _mass(member, y)
        (line,) = ax.plot(y, density, label=label)
        ax.fill_between(y, density, alpha=0.12, color=line.get_color(), linewidth=0)


def _label(member: Any) -> str:
    """Return the free parameters and η of `member`, to three digits."""
    free = [name for name in member.parameter_names if name not in member.fixed_names]
    values = ", ".join(f"{name} = {_digits(getattr(member, name))}" for name in free)
    return f"{values}  (η = {_digits(np.squeeze(member.natural_parameter))})"


def _known(member: Any) -> str:
    values = ", ".join(f"{name} = {_digits(value)}" for name, value in member.fixed.items())
    return f", {values}" if values else ""


def _digits(value: Any) -> str:
    numbers = [f"{number:.3g}".replace("-", "−") for number in np.ravel(value)]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"
