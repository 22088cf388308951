"""Methods of fits of one linear predictor and of several: terms, resampling, pictures, the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from fastglm.inference.covariance.bootstrap import Bootstrap, Progress, bootstrap
from fastglm.inference.hypothesis_tests.anova import anova, drop1
from fastglm.inference.hypothesis_tests.stepwise import Step, add1, step
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rows.simulate import simulate
from fastglm.results.null_comparison import NullComparisonMethods

if TYPE_CHECKING:
    import numpy as np

    from fastglm.typing import Matrix

__all__ = ["PredictorMethods"]


class PredictorMethods(NullComparisonMethods):
    """Mixin of `fastglm.Results` and of the results of response models."""

    def _bootstrap_limits(self, alpha: float) -> np.ndarray:
        return self.bootstrap().conf_int(alpha)

    def anova(self, type: int | PredictorMethods = 1, test: str | None = None) -> Table:
        """Analysis of deviance of the terms of the fit.

        Parameters
        ----------
        type : {1, 2, 3} or results, default 1
            Another fit is compared with this one, as by `fastglm.anova`, which takes several.
            1 adds the terms one after the other, as R's ``anova``; 2 and 3 compare each term with
            the model of all others, as ``Anova`` of R's package car. Type 2 leaves out the
            interactions that contain the term; type 3 does not, and is meaningful for
            main effects only with contrasts that sum to zero.
        test : {"Chisq", "LR", "F", "Rao"}, optional
            Likelihood ratio ("Chisq" and "LR" are the same), F, or score test. By default F where
            the dispersion is estimated. Fits of several predictors have likelihood ratios alone.

        Returns
        -------
        Table

        Raises
        ------
        ModelError
            If `type` or `test` is none of these.

        Notes
        -----
        Terms are those of the formula, or single columns. The dispersion is that of this fit. Of
        several predictors they are those of all formulas, those of further ones named as their
        coefficients and added last; a deviance is minus twice a log-likelihood.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.anova(type=2).names
        ('x', 'g')
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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.drop1().names
        ('<none>', 'x', 'g')
        """
        return drop1(self, test, k)

    def add1(self, scope: str | Sequence[str], test: str | None = None, k: float = 2.0) -> Table:
        """Each term of `scope` added whose parts are all in the model, as R's ``add1``.

        Of several predictors to the first formula, as in `step`; further ones stay as they are.

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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> res.add1("g").names
        ('<none>', 'g')
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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.step().results.formula
        'y ~ 1 + x'
        """
        return step(self, scope, direction, k, max_steps)

    def confint(self, level: float = 0.95, method: str = "profile") -> Matrix:
        """`conf_int` in R's spelling: by the level, and by profile likelihood.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.confint()[1, 0]), 3)
        0.247
        """
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
        groups : array_like, shape (n,), or str, optional
            Draw whole groups of rows; the name of a column of the frame will do.
        progress : callable, optional
            Called as ``progress(done, n_replicates)``.

        Returns
        -------
        Bootstrap
            With the replicates, their covariance and intervals. Estimates are within about 1e-5
            standard errors of those of a refit to the sample.

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

        Notes
        -----
        Rows and groups are drawn, and estimates found, for many samples in a few passes over the
        rows; that takes 36 bytes for each row, and up to 100 MB for the samples.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.bootstrap(200, kind="parametric").replicates.shape
        (200, 3)
        """
        return bootstrap(self, n_replicates, seed, kind, groups, progress)

    def simulate(self, n: int = 1, seed: Any = None) -> np.ndarray:
        """Responses drawn from the model for the fitted rows, as R's ``simulate``.

        Parameters
        ----------
        n : int, default 1
            Draws of all rows.
        seed : optional
            As for `numpy.random.SeedSequence`.

        Returns
        -------
        ndarray, shape (rows, n)
            As the fit holds responses: proportions where it was given successes and failures, and
            codes of categories; of shares (rows, shares, n).

        Raises
        ------
        ModelError
            If `n` is no such number, the family defines no distribution, or rows stand for
            several observations by ``freq_weights``.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.simulate(100, seed=1).shape
        (4, 100)
        """
        return simulate(self, n, seed)

    def plot(self, seed: int = 0) -> np.ndarray:
        """The four panels of `fastglm.plots.panels`.

        Residuals, their distribution and spread, and leverage; of several predictors calibration,
        or frequencies of counts. For categories in no order and shares, which have no quantiles:
        calibration, binned residuals, totals, and Pearson residuals of every outcome.

        Parameters
        ----------
        seed : int, default 0
            Of randomised quantile residuals.

        Returns
        -------
        ndarray of matplotlib Axes, shape (2, 2)

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.plot().shape
        (2, 2)
        """
        from fastglm.plots import panels

        return panels(self, seed)
