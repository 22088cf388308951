"""`Results`: what `fastglm.GLM.fit` gives."""

from __future__ import annotations

from typing import Any

from fastglm.entry import entry_points
from fastglm.errors import counted
from fastglm.fit.saving import describe_fit
from fastglm.inference.summary import Summary
from fastglm.results.export import ExportMethods
from fastglm.results.penalized import PenalizedMethods
from fastglm.results.statsmodels_names import StatsmodelsNames

__all__ = ["Results"]


@entry_points
class Results(ExportMethods, StatsmodelsNames, PenalizedMethods):
    """One fitted model.

    Labelled pandas objects where pandas objects came in, NumPy arrays in the order of `names`
    otherwise. Aliased coefficients, whose columns are combinations of earlier ones, are NaN and
    listed in `aliased`.

    Attributes
    ----------
    params : (p,)
        Estimated coefficients, on the scale of the linear predictor.
    scale : float
        Dispersion: 1 where the family fixes it, else Pearson's statistic over `df_resid`.
    deviance, pearson_chi2 : float
    df_resid, df_model : float
        Observations less coefficients, and coefficients less the intercept.
    cov_type : str
        Name of the covariance behind standard errors, tests and intervals.
    df_inference : float
        Degrees of freedom of their t and F statistics: `df_resid`, or clusters less one.
    dispersion_known : bool
        Whether the dispersion was known, by the family or from a number given as ``scale``, and
        not estimated from the data: then tests are chi-squared, not F.
    nobs : float
        Observations: rows of positive weight, or the sum of their frequencies.
    n_iter, n_sweeps : int
        Steps taken, and passes over all rows.
    status : Status
        How the fit ended; ``status.advice`` is what to do about it.
    converged : bool
    names : tuple of str
        Names of the p coefficients.
    family : Family
        With its parameter, where the fit estimated that.
    parameter_se : float
        Standard error of that parameter; NaN where it was given, or lies on a boundary.
    response_levels : tuple of two levels, or None
        Of a response of text, categories or truth values: the second is the one whose probability
        is modelled.
    n_dropped : int
        Rows left out because of missing values; `missing` counts them by column.
    n_separated : int
        Rows that regressors separate from the others; see `GLM.check_separation`. With
        ``separation="drop"`` they were left out.
    infinite : dict of str to int
        Sign of each estimate that is infinite because of them; what is reported for it is only
        where the fit stopped.
    aliased : dict of str to dict of str to float
        Columns that are combinations of earlier ones, whose coefficients are NaN: each with the
        coefficients of the earlier columns that add up to it.
    bias_reduction : str
        "none", "firth" or "median".
    constraints : tuple of str
        Linear equations that the coefficients had to fulfil; see `GLM.fit_constrained`.
    numerical_error : float
        Bound on the relative error of any standard error that rounding may have left, magnified by
        collinear columns: 1e-7 or less but for condition numbers above about 1e8. NaN in a fit that
        an earlier version saved.
    orthogonal : bool
        Whether standard errors and robust covariances come from a QR factorisation, as those of
        nearly collinear columns do, and all with ``exact=True``.
    timings : dict of str to float
        Seconds by stage.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> round(float(res.params[1]), 4)
    0.4525
    >>> res.converged
    True
    """

    def _summary(self, alpha: float) -> Summary:
        return Summary(self, alpha)

    def __repr__(self) -> str:
        return (
            f"<Results: {type(self.family).__name__}/{type(self.family.link).__name__}, "
            f"{counted(self.rank, 'coefficient')}, {self.nobs:g} observations, "
            f"deviance {self.deviance:.6g}, "
            f"{'converged' if self.converged else self.status.name.lower()}>"
        )

    def _described(self) -> dict[str, Any]:
        return describe_fit(self)
