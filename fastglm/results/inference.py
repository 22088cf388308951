"""Methods about the estimates of a fit: other covariances, tests of hypotheses, intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastglm.arguments import checked_choice
from fastglm.inference.covariance.registry import COVARIANCES
from fastglm.inference.covariance.sandwich import covariance_of
from fastglm.inference.intervals.profile import profile_intervals
from fastglm.results.comparison import ComparisonMethods

if TYPE_CHECKING:
    from typing import Self

    from fastglm.typing import Matrix

__all__ = ["InferenceMethods"]


class InferenceMethods(ComparisonMethods):
    """Methods of `fastglm.Results` for inference."""

    def with_covariance(self, cov_type: str, **cov_kwds: Any) -> Self:
        """The same fit with another covariance of its estimates.

        Parameters
        ----------
        cov_type : str
            - "nonrobust": inverse information times the dispersion.
            - "HC0", ..., "HC4": right whatever the variances of the responses are (White);
              "HC1" times n/(n-p), "HC2", "HC3" and "HC4" with residuals made larger by their
              leverage. Equal to ``vcovHC`` of R's package sandwich.
            - "cluster": responses may depend on each other within groups. ``groups``, (n,) or the
              name of a column of the frame, or several ways of grouping as a tuple or the columns
              of a matrix. ``use_correction``:
              True for G/(G-1) (n-1)/(n-p) as in Stata's ``regress`` and statsmodels, "groups" for
              G/(G-1) as ``vcovCL`` does for a GLM and Stata for maximum likelihood, False for
              none. t and F statistics get G-1 degrees of freedom, of the smallest G.
            - "HAC": responses may depend on those up to ``maxlags`` rows before (Newey & West), by
              default 4 (n/100)^(2/9). ``use_correction=True`` multiplies by n/(n-p).
            - "jackknife": each observation left out in turn.
            - "bootstrap": of the replicates of `bootstrap`, whose options it takes.
        **cov_kwds
            Options of that covariance.

        Returns
        -------
        Results

        Raises
        ------
        ModelError
            If there is no such covariance, or an option it does not take.
        DataError
            If the result was loaded without its data, or there is not a group for each row.

        Notes
        -----
        A dispersion cancels from all but "nonrobust". References are in
        `fastglm.inference.covariance.sandwich`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.with_covariance("HC1").cov_type
        'HC1'
        """
        covariance = covariance_of(self, cov_type, cov_kwds, COVARIANCES)
        covariance.matrix.setflags(write=False)
        return replace(
            self,
            covariance=covariance.matrix,
            covariance_root=covariance.root,
            cov_type=cov_type,
            df_inference=covariance.df,
        )

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Matrix:
        """Intervals of the coefficients at level 1 - alpha, (p, 2).

        Parameters
        ----------
        alpha : float, default 0.05
        method : {"wald", "profile", "bootstrap"}, default "wald"
            "wald" is the estimate and so many standard errors, of the covariance of this fit.
            "profile" is where the deviance of the best model with that coefficient rises by the
            chi-squared quantile times the dispersion, as R's ``confint``; it takes refits, does
            not use the covariance, and can be infinite, as one end is where regressors separate
            the responses. With ``bias_reduction="firth"`` it is the
            deviance less the penalty (`penalized_llf`), as R's package logistf.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1, there is no such method, or a profile has no
            dispersion to measure the deviance in: no degree of freedom is left to estimate it.

        Warns
        -----
        ConvergenceWarning
            If a profile did not converge: its end of the interval is then NaN.

        Notes
        -----
        Venzon & Moolgavkar (1988), *Applied Statistics* 37, for the profile likelihood.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.conf_int()[1, 0]), 4)
        0.2366
        """
        checked_choice("method", method, ("wald", "profile", "bootstrap"))
        if method == "profile":
            return self._matrix(profile_intervals(self, alpha), (0, 1))
        if method == "bootstrap":
            return self._matrix(self.bootstrap().conf_int(alpha), (0, 1))
        return self._wald_intervals(alpha)

    def _intervals(self, alpha: float, method: str) -> Any:
        return self.conf_int(alpha, method)
