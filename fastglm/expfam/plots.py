"""Pictures of how a density or mass function moves with its natural parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.expfam.base import Array, ExponentialFamily

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DRAWS = 4000
_POINTS = 801
_MOST_BARS = 400


def draw(family: type[ExponentialFamily], members: list[Any], ax: Any = None) -> Axes:
    """Draw `members`, each a single member of `family` with a scalar response, into `ax`."""
    if not members or members[0].support.example.ndim > 0:
        raise ModelError(
            f"plot draws responses that are single numbers, and {family.__name__} has none; "
            "plot one of its marginals instead"
        )
    if any(member.batch_shape for member in members):
        raise ModelError("plot needs one natural parameter per curve, not a batch")
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(6.4, 4.0), layout="constrained")
    first, last = _range(members)
    if _is_discrete(members[0]):
        _draw_bars(members, first, last, ax)
    else:
        _draw_curves(members, first, last, ax)
    ax.set_xlabel("y")
    ax.set_title(f"{family.__name__}{_known(members[0])}")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False)
    return ax


def _is_discrete(member: ExponentialFamily) -> bool:
    return not member.support.contains(member.support.example + 0.25)


def _range(members: list[Any]) -> tuple[float, float]:
    """Return where nearly all of the probability lies, from fixed draws."""
    draws = np.concatenate([member.sample(0, _DRAWS) for member in members])
    per_member = draws.reshape(len(members), _DRAWS)
    low, high = np.quantile(per_member, [0.002, 0.998], axis=1)
    return float(low.min()), float(high.max())


def _draw_bars(members: list[Any], first: float, last: float, ax: Axes) -> None:
    y = np.arange(np.floor(first), np.ceil(last) + 1)
    y = y[np.asarray(members[0].support.contains(y))]
    if y.size > _MOST_BARS:
        y = np.unique(np.round(np.linspace(y[0], y[-1], _MOST_BARS)))
    width = 0.8 / len(members)
    for order, member in enumerate(members):
        place = y + (order - (len(members) - 1) / 2) * width
        ax.bar(place, np.exp(member.log_prob(y)), width, label=_label(member))
    ax.set_ylim(top=ax.get_ylim()[1] * (1 + 0.08 * len(members)))  # room for the legend
    if y.size <= 12:
        ax.set_xticks(y)
    ax.set_ylabel("p(y; η)")


def _draw_curves(members: list[Any], first: float, last: float, ax: Axes) -> None:
    y = np.linspace(first, last, _POINTS)
    for member in members:
        density: Array = np.exp(member.log_prob(y))
        (line,) = ax.plot(y, density, label=_label(member))
        ax.fill_between(y, density, alpha=0.12, color=line.get_color(), linewidth=0)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("p(y; η)")


def _label(member: ExponentialFamily) -> str:
    """Return the free parameters and η of `member`, to three digits."""
    free = [name for name in member.parameter_names if name not in member.fixed_names]
    values = ", ".join(f"{name} = {_digits(getattr(member, name))}" for name in free)
    return f"{values}  (η = {_digits(np.squeeze(member.natural_parameter))})"


def _known(member: ExponentialFamily) -> str:
    values = ", ".join(f"{name} = {_digits(value)}" for name, value in member.fixed.items())
    return f", {values}" if values else ""


def _digits(value: Any) -> str:
    numbers = [f"{number:.3g}".replace("-", "−") for number in np.atleast_1d(value)]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"
