"""Pictures of a mixed model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastglm.mixed.plots import plot_normality, plot_ranef, report_pictures
from fastglm.mixed.record import MixedFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PictureMethods"]


class PictureMethods(MixedFit):
    """Mixin of `MixedResults`."""

    def plot_ranef(self, group: str | None = None, alpha: float = 0.05) -> Figure:
        """Caterpillar plot of the modes of a factor, a matplotlib figure.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> len(res.plot_ranef().axes)
        1
        """
        return plot_ranef(self, group, alpha)

    def plot_normality(self, group: str | None = None) -> Figure:
        """Modes of a factor against quantiles of the normal distribution, a matplotlib figure.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> len(res.plot_normality().axes)
        1
        """
        return plot_normality(self, group)

    def report_pictures(self) -> Any:
        """Functions that draw the pictures of a report, by section."""
        return report_pictures(self)
