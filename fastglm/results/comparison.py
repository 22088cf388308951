"""Methods of a fit as one model among others: terms dropped and added, how well it fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastglm.fit.record import Fit
from fastglm.inference.diagnostics.goodness_of_fit import (
    comparison_with_null,
    dispersion_test,
    goodness_of_fit,
    hosmer_lemeshow,
    pseudo_rsquared,
    score_test,
)
from fastglm.inference.hypothesis_tests.anova import anova, drop1
from fastglm.inference.hypothesis_tests.stepwise import Step, add1, step
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table

__all__ = ["ComparisonMethods"]


class ComparisonMethods(Fit):
    """Methods of `fastglm.Results` that compare its model with others."""

    # -- analysis of deviance

    def anova(self, type: int = 1, test: str | None = None) -> Table:
        """Analysis of deviance of the terms of the fit.

        Parameters
        ----------
        type : {1, 2, 3}, default 1
            1 adds the terms one after the other, as R's ``anova``; 2 and 3 compare each term with
            the model of all others, as ``Anova`` of R's package car. Type 2 leaves out the
            interactions that contain the term; type 3 does not, and is meaningful for
            main effects only with contrasts that sum to zero.
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
        return anova(self, type, test)

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
        return drop1(self, test, k)

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
        return add1(self, scope, test, k)

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
            With the model found in ``results`` and the path in ``table``. The standard errors of a
            model found are those of the model; its `with_covariance` gives others.

        Raises
        ------
        ModelError
            As for `add1`, and if the family has no likelihood.
        DataError
            If a model on the way has values in other rows than this one, as R's ``step``.
        """
        return step(self, scope, direction, k, max_steps)

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
            Chi-squared, over the dispersion of this fit, on as many degrees of freedom as there
            are columns that neither the model nor the others make up.

        Raises
        ------
        DataError
            If there is not a finite value for every row of the fit.
        ModelError
            If the model has the columns already.

        Notes
        -----
        Rao (1948), *Proceedings of the Cambridge Philosophical Society* 44.
        """
        return score_test(self, exog_extra)

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
        return pseudo_rsquared(self, kind)

    def test_against_null(self) -> HypothesisTest:
        """All coefficients but the intercept are zero: likelihood ratio, or F.

        Raises
        ------
        ModelError
            If there is nothing but an intercept.
        """
        return comparison_with_null(self)

    def goodness_of_fit(self) -> Table:
        """Pearson's statistic and the deviance as chi-squared on the residual degrees of freedom.

        Meaningful for known dispersion and responses of large means or many trials (McCullagh &
        Nelder 1989, section 4.4.5).
        """
        return goodness_of_fit(self)

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
        return hosmer_lemeshow(self, groups)

    def dispersion_test(self, alternative: str = "greater", power: float = 1.0) -> HypothesisTest:
        """Cameron & Trivedi's test of a Poisson model's variance against its mean.

        Parameters
        ----------
        alternative : {"greater", "less", "two-sided"}, default "greater"
            "greater" is overdispersion.
        power : float, default 1
            The variance is mean + alpha mean^power, over the row's weight: 1 is quasi-Poisson, 2
            negative binomial.

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
        return dispersion_test(self, alternative, power)
