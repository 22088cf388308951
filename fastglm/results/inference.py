"""Methods about the estimates of a fit: other covariances, tests of hypotheses, intervals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fastglm.inference.covariance.registry import COVARIANCES
from fastglm.inference.covariance.sandwich import covariance_of
from fastglm.inference.intervals.profile import profile_intervals
from fastglm.results.comparison import ComparisonMethods

if TYPE_CHECKING:
    from typing import Self

    import numpy as np

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

    def _profile_limits(self, alpha: float) -> np.ndarray:
        return profile_intervals(self, alpha)
