"""Pictures of a mixed model, and the page with all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastglm.mixed.plots import plot_normality, plot_ranef, report_pictures
from fastglm.mixed.record import MixedFit
from fastglm.report import write_report

__all__ = ["PictureMethods"]


class PictureMethods(MixedFit):
    """Mixin of `MixedResults`."""

    def plot_ranef(self, group: str | None = None, alpha: float = 0.05) -> Any:
        """Caterpillar plot of the modes of a factor, a matplotlib figure."""
        return plot_ranef(self, group, alpha)

    def plot_normality(self, group: str | None = None) -> Any:
        """Modes of a factor against quantiles of the normal distribution, a matplotlib figure."""
        return plot_normality(self, group)

    def report_pictures(self) -> Any:
        """What the report draws, by section."""
        return report_pictures(self)

    def report(
        self,
        path: str | Path,
        title: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write one self-contained web page: the fit, variances, tests of terms, and pictures.

        Parameters
        ----------
        path : str or Path
            Of the HTML file.
        title : str, optional
            By default the family and the response.
        progress : callable, optional
            Called as ``progress(done, n_steps)`` after the tests and after each picture.

        Raises
        ------
        DataError
            If the result was loaded without its data.

        Examples
        --------
        >>> import os, tempfile
        >>> import numpy as np, fastglm as fg
        >>> g = np.repeat(np.arange(6), 4)
        >>> data = {"y": np.arange(24) % 5 + g, "x": np.arange(24) % 4, "g": g}
        >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
        >>> fg.mixed("y ~ x + (1 | g)", data).report(path)
        >>> os.path.exists(path)
        True
        """
        write_report(self, path, title, progress)
