"""Methods about a model's assumptions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fastglm.fit.record import Fit
from fastglm.inference.diagnostics import specification as diagnostics
from fastglm.inference.diagnostics.collinearity import (
    Collinearity,
    collinearity,
    variance_inflation,
)
from fastglm.inference.diagnostics.lack_of_fit import lack_of_fit
from fastglm.inference.diagnostics.specification import PowerLinkProfile
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table

__all__ = ["DiagnosticMethods"]


class DiagnosticMethods(Fit):
    """Mixin of `fastglm.Results`."""

    def vif(self) -> Table:
        """Generalised variance inflation factors of the terms, as R's ``car::vif``.

        Returns
        -------
        Table
            GVIF, its degrees of freedom, and GVIF**(1/(2 df)), comparable between terms: its
            square above 5 or 10 means that other terms explain most of the term.

        Raises
        ------
        ModelError
            If the model has fewer than two terms.

        Notes
        -----
        Fox & Monette (1992), *Journal of the American Statistical Association* 87.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.vif().names
        ('x', 'g')
        """
        return variance_inflation(self)

    def collinearity(self) -> Collinearity:
        """Condition indices with variance proportions, of the weighted columns of X.

        Belsley, Kuh & Welsch (1980), *Regression Diagnostics*, chapter 3; with the weights of the
        fit for a generalized model, Lesaffre & Marx (1993), *Communications in Statistics* 22.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.collinearity().condition_index[0]), 4)
        1.0
        """
        return collinearity(self)

    def link_test(self) -> HypothesisTest:
        """Test of the link: whether the square of the linear predictor improves the fit.

        Likelihood ratio test, or F where the dispersion is estimated. Tukey (1949); Pregibon
        (1980), *Applied Statistics* 29.

        Raises
        ------
        ModelError
            If the square is in the model already.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> round(float(res.link_test().pvalue), 3)
        0.95
        """
        return diagnostics.link_test(self)

    def goodness_of_link(self) -> HypothesisTest:
        """Test of both tails of the link: Stukel's test for the logit, likewise for others.

        The alternative bends the link differently above and below a probability of one half, or
        for other means above and below the mean linear predictor. Stukel (1988), *Journal of the
        American Statistical Association* 83.

        Raises
        ------
        ModelError
            If what is added is in the model already.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> int(res.goodness_of_link().df)
        2
        """
        return diagnostics.goodness_of_link(self)

    def power_link_profile(
        self, powers: Sequence[float] = diagnostics.POWERS, alpha: float = 0.05
    ) -> PowerLinkProfile:
        """Deviance by the power of a power link, as a Box-Cox plot for the link.

        Parameters
        ----------
        powers : sequence of float
            Where to start; by default -2 to 2 by quarters.
        alpha : float, default 0.05
            The interval is at level 1 - alpha.

        Raises
        ------
        ModelError
            If the family cannot have power links, or none has an optimum.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> -2.0 <= res.power_link_profile().best <= 2.0
        True
        """
        return diagnostics.power_link_profile(self, powers, alpha)

    def lack_of_fit(
        self,
        variables: Sequence[str] | None = None,
        df: int = 4,
        progress: Callable[[int, int], None] | None = None,
    ) -> Table:
        """Tests of each numeric variable against a natural cubic spline of it.

        Parameters
        ----------
        variables : sequence of str, optional
            Of the formula, or names of columns of X. By default all numeric ones of more than
            ``df + 2`` values.
        df : int, default 4
            Columns of the spline.
        progress : callable, optional
            Called as ``progress(done, n_variables)`` after each variable.

        Returns
        -------
        Table
            Likelihood ratio tests, or F where the dispersion is estimated.

        Raises
        ------
        ModelError
            If there is no such variable, or its spline is in the model already.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": list(range(12)), "y": [1, 2, 2, 4, 7, 9, 9, 8, 6, 4, 2, 1]}
        >>> fg.glm("y ~ x", data, family="poisson").lack_of_fit(df=3).names
        ('x',)
        """
        return lack_of_fit(self, variables, df, progress)

    def zero_inflation_test(self) -> HypothesisTest:
        """Score test of more zeros than the family has, one-sided.

        van den Broek (1995), *Biometrics* 51; for the negative binomial with its alpha as given,
        Jansakul & Hinde (2002), *Computational Statistics & Data Analysis* 40.

        Raises
        ------
        ModelError
            If the family is not Poisson or negative binomial.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.zero_inflation_test().pvalue), 3)
        1.0
        """
        return diagnostics.zero_inflation_test(self)
