"""Methods of a fit as one model among others: terms dropped and added, how well it fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.fit.record import Fit
from fastglm.inference.diagnostics.goodness_of_fit import (
    HosmerLemeshow,
    dispersion_test,
    goodness_of_fit,
    hosmer_lemeshow,
    score_test,
)
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.results.of_predictors import PredictorMethods

__all__ = ["ComparisonMethods"]


class ComparisonMethods(PredictorMethods, Fit):
    """Methods of `fastglm.Results` that compare its model with others."""

    def _coefficients_of_terms(self) -> list[tuple[str, np.ndarray]]:
        return [(name, np.arange(term.start, term.stop)) for name, term in self.terms]

    def _log_likelihood_at_unit_scale(self) -> float:
        model = self._model_with_data("the quasi-likelihood")
        return float(model.loglike(np.nan_to_num(self.estimates), scale=1.0))

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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> round(float(res.score_test([1, 0, 0, 1, 0, 0]).pvalue), 3)
        0.479
        """
        return score_test(self, exog_extra)

    def goodness_of_fit(self) -> Table:
        """Pearson's statistic and the deviance as chi-squared on the residual degrees of freedom.

        Meaningful for known dispersion and responses of large means or many trials (McCullagh &
        Nelder 1989, section 4.4.5).

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.goodness_of_fit().names
        ('Pearson', 'deviance')
        """
        return goodness_of_fit(self)

    def hosmer_lemeshow(self, groups: int = 10) -> HosmerLemeshow:
        """Hosmer & Lemeshow's test of calibration of a binomial model.

        Parameters
        ----------
        groups : int, default 10
            Of equal weight, by fitted probability; rows with equal probabilities stay together.

        Returns
        -------
        HosmerLemeshow
            A pair: ``test``, chi-squared on the groups less two degrees of freedom, and ``groups``,
            a table of trials, observed and expected successes by group.

        Raises
        ------
        ModelError
            If the model is not binomial, or there are fewer than three groups.

        Notes
        -----
        Hosmer & Lemeshow (1980), *Communications in Statistics* A9.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5, 6, 7], "y": [0, 0, 1, 0, 1, 0, 1, 1]}
        >>> res = fg.glm("y ~ x", data, family="binomial")
        >>> test, table = res.hosmer_lemeshow(groups=4)
        >>> int(test.df)
        2
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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.dispersion_test().pvalue), 3)
        1.0
        """
        return dispersion_test(self, alternative, power)
