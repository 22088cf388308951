"""What a statistician asks of a fit next: other covariances, tests, intervals, other models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.anova import anova, drop1
from fastglm.inference.bootstrap import Bootstrap, Progress, bootstrap
from fastglm.inference.covariance import covariance_of
from fastglm.inference.goodness import (
    comparison_with_null,
    dispersion_test,
    goodness_of_fit,
    hosmer_lemeshow,
    pseudo_rsquared,
    score_test,
)
from fastglm.inference.hypotheses import LinearTests, t_test, wald_test
from fastglm.inference.profile import profile_intervals
from fastglm.inference.stepwise import Step, add1, step
from fastglm.inference.tables import HypothesisTest, Table

if TYPE_CHECKING:
    from fastglm.results import Results

__all__ = ["Questions"]


class Questions:
    """Methods of `fastglm.Results` that ask for inference."""

    @property
    def _fit(self) -> Results:
        return cast("Results", self)

    def with_covariance(self, cov_type: str, **cov_kwds: Any) -> Results:
        """The same fit with another covariance of its estimates.

        Parameters
        ----------
        cov_type : str
            - "nonrobust": inverse information times the dispersion.
            - "HC0", ..., "HC4": right whatever the variances of the responses are (White);
              "HC1" times n/(n-p), "HC2", "HC3" and "HC4" with residuals made larger by their
              leverage. Equal to ``vcovHC`` of R's package sandwich.
            - "cluster": responses may depend on each other within groups. ``groups``, (n,), or
              several ways of grouping as a tuple or the columns of a matrix. ``use_correction``:
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
            If there is no such covariance, or an option it does not know.
        DataError
            If the result was loaded without its data, or there is not a group for each row.

        Notes
        -----
        A dispersion cancels from all but "nonrobust". References are in
        `fastglm.inference.covariance`.
        """
        fit = self._fit
        covariance = covariance_of(fit, cov_type, cov_kwds)
        covariance.matrix.setflags(write=False)
        return replace(
            fit,
            covariance=covariance.matrix,
            cov_type=cov_type,
            df_inference=covariance.df,
        )

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Any:
        """Intervals of the coefficients at level 1 - alpha, (p, 2).

        Parameters
        ----------
        alpha : float, default 0.05
        method : {"wald", "profile", "bootstrap"}, default "wald"
            "wald" is the estimate and so many standard errors, of the covariance of this fit.
            "profile" is where the deviance of the best model with that coefficient rises by the
            chi-squared quantile times the dispersion, as R's ``confint``; it takes refits, does
            not use the covariance, and can be infinite. With ``bias_reduction="firth"`` it is the
            deviance less the penalty (`penalized_llf`), as R's package logistf.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1, or there is no such method.

        Notes
        -----
        Venzon & Moolgavkar (1988), *Applied Statistics* 37, for the profile likelihood.
        """
        fit = self._fit
        if method == "profile":
            return fit._matrix(profile_intervals(fit, alpha), (0, 1))
        if method == "bootstrap":
            return fit._matrix(self.bootstrap().conf_int(alpha), (0, 1))
        if method != "wald":
            raise ModelError(f'method must be "wald", "profile" or "bootstrap", not {method!r}')
        half = fit.critical_value(alpha) * fit._standard_errors
        limits = np.column_stack([fit.estimates - half, fit.estimates + half])
        return fit._matrix(limits, (0, 1))

    def confint(self, level: float = 0.95, method: str = "profile") -> Any:
        """`conf_int` in R's spelling: by the level, and by profile likelihood."""
        return self.conf_int(1.0 - level, method)

    def bootstrap(
        self,
        n_replicates: int = 1000,
        seed: int = 0,
        kind: str = "pairs",
        groups: Any = None,
        progress: Progress | None = None,
    ) -> Bootstrap:
        """Estimates of resampled data.

        Parameters
        ----------
        n_replicates : int, default 1000
        seed : int, default 0
            The replicates depend on nothing else, whatever the number of threads.
        kind : {"pairs", "parametric"}, default "pairs"
            Rows drawn with replacement (observations, where there are frequencies), or responses
            drawn from the fitted model.
        groups : array_like, shape (n,), optional
            Draw whole groups of rows.
        progress : callable, optional
            Called as ``progress(done, n_replicates)``.

        Returns
        -------
        Bootstrap
            With the replicates, their covariance and intervals. Estimates are within 1e-5 standard
            errors of those of a refit to the sample.

        Warns
        -----
        ConvergenceWarning
            If samples have no estimates; they are left out and counted.

        Raises
        ------
        ModelError
            If an option makes no sense, or responses cannot be drawn from the family.
        DataError
            If there is not a group for each row.
        """
        return bootstrap(self._fit, n_replicates, seed, kind, groups, progress)

    def t_test(self, hypothesis: Any) -> LinearTests:
        """Tests of linear combinations of the coefficients, one by one.

        Parameters
        ----------
        hypothesis : str, array_like, or tuple of two array_like
            ``"x1 = x2, x3 = 0"``, or a matrix of one row of p numbers for each combination, which
            is compared with zero, or such a matrix and the k values to compare with. A name that
            is not a plain word may be written as it is or in backquotes.

        Returns
        -------
        LinearTests
            t tests if the fit uses t (`use_t`), else z tests.

        Raises
        ------
        ModelError
            If the hypothesis cannot be read, or involves an aliased coefficient.
        DataError
            If a matrix has the wrong shape.
        """
        return t_test(self._fit, hypothesis)

    def wald_test(self, hypothesis: Any, use_f: bool | None = None) -> HypothesisTest:
        """Wald test of all equations of a linear hypothesis together.

        Parameters
        ----------
        hypothesis
            As for `t_test`.
        use_f : bool, optional
            F instead of chi-squared; by default where the fit uses t.

        Raises
        ------
        ModelError
            As for `t_test`, and if one equation follows from the others.
        DataError
            If a matrix has the wrong shape.
        """
        return wald_test(self._fit, hypothesis, use_f)

    # -- analysis of deviance

    def anova(self, type: int = 1, test: str | None = None) -> Table:
        """Analysis of deviance of the terms of the fit.

        Parameters
        ----------
        type : {1, 2, 3}, default 1
            1 adds the terms one after the other, as R's ``anova``; 2 and 3 compare each term with
            the model of all others, as ``Anova`` of R's package car. Type 2 leaves out the
            interactions that contain the term; type 3 does not, and says something about main
            effects only with contrasts that sum to zero.
        test : {"Chisq", "LR", "F", "Rao"}, optional
            Likelihood ratio ("Chisq" and "LR" are the same), F, or score test. By default F where
            the dispersion is estimated.

        Returns
        -------
        Table

        Raises
        ------
        ModelError
            If `type` or `test` is none of these.

        Notes
        -----
        Terms are those of the formula, or single columns. The dispersion is that of this fit.
        """
        return anova(self._fit, type, test)

    def drop1(self, test: str | None = None, k: float = 2.0) -> Table:
        """Each term dropped that no interaction contains, in the table of R's ``drop1``.

        Parameters
        ----------
        test : {"Chisq", "LR", "F", "Rao"}, optional
            As for `anova`. As in R the F test of `drop1` takes the deviance over its degrees of
            freedom for the dispersion, where that of `anova` takes Pearson's.
        k : float, default 2
            Price of a parameter in the column AIC; log(nobs) makes it BIC. The dispersion of this
            fit is kept, except for the gaussian family.

        Returns
        -------
        Table
        """
        return drop1(self._fit, test, k)

    def add1(self, scope: str | Sequence[str], test: str | None = None, k: float = 2.0) -> Table:
        """Each term of `scope` added whose parts are all in the model, as R's ``add1``.

        Parameters
        ----------
        scope : str or sequence of str
            Terms, as in ``"z + x:w"``, or a formula of the largest model, in which a dot stands for
            the terms that there are, as in ``"~ .^2"``.
        test, k
            As for `drop1`.

        Returns
        -------
        Table

        Raises
        ------
        ModelError
            If the model was not given by a formula, or there is nothing to add.
        DataError
            If a term has missing values in rows that the model uses.
        """
        return add1(self._fit, scope, test, k)

    def step(
        self,
        scope: str | Sequence[str] | None = None,
        direction: str = "both",
        k: float | str = 2.0,
        max_steps: int = 1000,
    ) -> Step:
        """Search for the model of the smallest AIC by dropping and adding terms, as R's ``step``.

        Parameters
        ----------
        scope : str or sequence of str, optional
            What can be added, as for `add1`; by default the terms of this model.
        direction : {"both", "backward", "forward"}, default "both"
        k : float, "aic" or "bic", default 2
            Price of a parameter.
        max_steps : int, default 1000

        Returns
        -------
        Step
            With the model found in ``results`` and the path in ``table``.

        Raises
        ------
        ModelError
            As for `add1`, and if the family has no likelihood.
        """
        return step(self._fit, scope, direction, k, max_steps)

    # -- goodness of fit

    def score_test(self, exog_extra: Any) -> HypothesisTest:
        """Rao's score test of adding columns, without fitting the larger model.

        Parameters
        ----------
        exog_extra : array_like, shape (n,) or (n, k), or data frame
            The columns, on the rows of the fit.

        Returns
        -------
        HypothesisTest
            Chi-squared on k degrees of freedom, over the dispersion of this fit.

        Raises
        ------
        DataError
            If there is not a value for every row of the fit.

        Notes
        -----
        Rao (1948), *Proceedings of the Cambridge Philosophical Society* 44.
        """
        return score_test(self._fit, exog_extra)

    def pseudo_rsquared(self, kind: str = "cs") -> float:
        """Share of explained variation.

        Parameters
        ----------
        kind : {"cs", "nagelkerke", "mcf", "deviance"}, default "cs"
            Cox & Snell's, 1 - (L0/L)^(2/n); the same over its largest possible value (Nagelkerke
            1991, *Biometrika* 78); McFadden's, 1 - log L / log L0; or 1 - deviance over null
            deviance.

        Raises
        ------
        ModelError
            If there is no such kind, or the family has no likelihood that it needs.
        """
        return pseudo_rsquared(self._fit, kind)

    def test_against_null(self) -> HypothesisTest:
        """All coefficients but the intercept are zero: likelihood ratio, or F.

        Raises
        ------
        ModelError
            If there is nothing but an intercept.
        """
        return comparison_with_null(self._fit)

    def goodness_of_fit(self) -> Table:
        """Pearson's statistic and the deviance as chi-squared on the residual degrees of freedom.

        Meaningful for known dispersion and responses of large means or many trials (McCullagh &
        Nelder 1989, section 4.4.5).
        """
        return goodness_of_fit(self._fit)

    def hosmer_lemeshow(self, groups: int = 10) -> tuple[HypothesisTest, Table]:
        """Hosmer & Lemeshow's test of calibration of a binomial model.

        Parameters
        ----------
        groups : int, default 10
            Of equal weight, by fitted probability; rows with equal probabilities stay together.

        Returns
        -------
        HypothesisTest
            Chi-squared on the groups less two degrees of freedom.
        Table
            Trials, observed and expected successes by group.

        Raises
        ------
        ModelError
            If the model is not binomial, or there are fewer than three groups.

        Notes
        -----
        Hosmer & Lemeshow (1980), *Communications in Statistics* A9.
        """
        return hosmer_lemeshow(self._fit, groups)

    def dispersion_test(self, alternative: str = "greater", power: float = 1.0) -> HypothesisTest:
        """Cameron & Trivedi's test of a Poisson model's variance against its mean.

        Parameters
        ----------
        alternative : {"greater", "less", "two-sided"}, default "greater"
            "greater" is overdispersion.
        power : float, default 1
            The variance is mean + alpha mean^power: 1 is quasi-Poisson, 2 negative binomial.

        Returns
        -------
        HypothesisTest
            With a normal statistic, as ``dispersiontest`` of R's package AER.

        Raises
        ------
        ModelError
            If the family is not Poisson.

        Notes
        -----
        Cameron & Trivedi (1990), *Journal of Econometrics* 46.
        """
        return dispersion_test(self._fit, alternative, power)
