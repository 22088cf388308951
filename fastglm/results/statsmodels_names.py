"""Statsmodels' names of what has another name here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import OptionError
from fastglm.inference.hypothesis_tests.refits import require_unconstrained
from fastglm.inference.rows.residuals import anscombe_residuals
from fastglm.pointers import describe_option
from fastglm.results.inference import InferenceMethods
from fastglm.results.rows import RowMethods
from fastglm.results.shared import SharedMethods

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from typing_extensions import Self

    from fastglm.typing import Vector

__all__ = ["StatsmodelsNames", "read_fit_options"]

# fmt: off
#: Options of statsmodels' ``GLM.fit`` for how the optimum is looked for, or what is printed.
_OTHER_SEARCH = frozenset({
    "method", "disp", "full_output", "max_start_irls", "attach_wls", "tol_criterion", "atol",
    "wls_method", "optim_hessian", "retall", "skip_hessian", "warn_convergence",
})
# fmt: on


def read_fit_options(
    function: Callable[..., Any], model: type, options: Mapping[str, Any], tol: float, max_iter: int
) -> tuple[float, int]:
    """Tolerance and most steps, from the options of statsmodels' ``GLM.fit`` that are not ours.

    Parameters
    ----------
    function : callable
        What was given them, whose own options are known.
    model : type
        Class of the model.
    options : mapping of str to object
        ``maxiter`` is `max_iter`, and ``rtol`` a `tol`. Those that choose another way to the same
        optimum change nothing.
    tol, max_iter
        Where they leave it out, or give less.

    Raises
    ------
    OptionError
        If there is no such option.
    """
    if not options:
        return tol, max_iter
    for name in options:
        if name not in _OTHER_SEARCH and name not in ("maxiter", "rtol"):
            own = inspect.signature(function).parameters
            known = [p for p in own if p not in ("self", "statsmodels_options")]
            raise OptionError(describe_option(function.__name__, name, known, model))
    rtol = options.get("rtol")
    return min(tol, rtol) if rtol else tol, options.get("maxiter", max_iter)


class StatsmodelsNames(InferenceMethods, RowMethods, SharedMethods):
    """Mixin of `fastglm.Results`."""

    @property
    def mu(self) -> Vector:
        """Fitted means, (n,): `fittedvalues`."""
        return self.fittedvalues

    def fit(self, **options: Any) -> Self:
        """Fit the model again with other options; without any, this fit.

        So ``fg.glm(formula, data).fit()``, as a script for ``statsmodels.formula.api`` has it, is
        ``fg.glm(formula, data)``.

        Parameters
        ----------
        **options
            As for `fastglm.GLM.fit`.

        Returns
        -------
        Results

        Raises
        ------
        DataError
            If the result was loaded without its data.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.fit(cov_type="HC1").cov_type
        'HC1'
        """
        if not options:
            return self
        require_unconstrained(self)
        return self._model_of_rows("another fit").fit(**options)

    # -- goodness of fit

    @property
    def null(self) -> Vector:
        """Means of the null model, (n,): of nothing but an intercept and the offset."""
        rows = self._model_with_data("the null model").rows
        eta = np.zeros(rows.n_rows) if rows.offset is None else rows.offset
        return self._rows(self.family.link.inverse(self._null.params[0] + eta))

    @property
    def bic_deviance(self) -> float:
        """Deviance less `df_resid` log(nobs)."""
        return self.deviance - self.df_resid * float(np.log(self.nobs))

    @property
    def resid_anscombe_scaled(self) -> Vector:
        """`resid_anscombe`, (n,)."""
        return self.resid_anscombe

    @property
    def resid_anscombe_unscaled(self) -> Vector:
        """`resid_anscombe` times the root of the dispersion, (n,)."""
        return self._rows(anscombe_residuals(self))

    # -- pictures

    def plot_added_variable(
        self, focus_exog: str | int, resid_type: str = "resid_deviance", ax: Any = None
    ) -> Figure:
        """`fastglm.plots.added_variable` of a coefficient; returns the figure.

        Parameters
        ----------
        focus_exog : str or int
            The coefficient, by its name or number.
        resid_type : str, default "resid_deviance"
            "resid_pearson", "resid_working", ...
        ax : matplotlib Axes, optional

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.plot_added_variable("x").axes[0].get_xlabel()
        'x | others'
        """
        from fastglm.plots import added_variable

        kind = str(resid_type).removeprefix("resid_")
        return _figure(added_variable(self, focus_exog, ax, kind))

    def plot_partial_residuals(self, focus_exog: str | int, ax: Any = None) -> Figure:
        """`fastglm.plots.partial_residuals` of a term or variable; returns the figure.

        Parameters
        ----------
        focus_exog : str or int
            Its name, or the number of a coefficient.
        ax : matplotlib Axes, optional

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.plot_partial_residuals("x").axes[0].get_xlabel()
        'x'
        """
        from fastglm.plots import partial_residuals

        name = focus_exog if isinstance(focus_exog, str) else self.names[int(focus_exog)]
        return _figure(partial_residuals(self, name, ax))

    def plot_ceres_residuals(self, focus_exog: str | int, ax: Any = None) -> Figure:
        """`fastglm.plots.ceres_residuals` of a coefficient; returns the figure.

        Parameters
        ----------
        focus_exog : str or int
            The coefficient, by its name or number.
        ax : matplotlib Axes, optional

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": list(range(12)), "y": [1, 2, 2, 4, 3, 5] * 2}
        >>> fg.glm("y ~ x", data, "poisson").plot_ceres_residuals("x").axes[0].get_xlabel()
        'x'
        """
        from fastglm.plots import ceres_residuals

        return _figure(ceres_residuals(self, focus_exog, ax))


def _figure(ax: Any) -> Figure:
    """The whole figure that axes belong to, which notebooks draw."""
    figure: Figure = ax.get_figure()
    return figure
