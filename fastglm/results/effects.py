"""Methods about effects on the mean: of columns, of variables, and marginal means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastglm.fit.base import FitBase
from fastglm.fit.record import Fit
from fastglm.inference.effects.average_effects import (
    average_comparisons,
    average_predictions,
    average_slopes,
)
from fastglm.inference.effects.marginal_effects import MarginalEffects, marginal_effects
from fastglm.inference.effects.marginal_means import MarginalMeans, marginal_means
from fastglm.inference.effects.rating_table import RatingTable, rating_table
from fastglm.inference.evaluation.held_out import on_rows
from fastglm.inference.hypothesis_tests.estimates import Estimates

__all__ = ["AverageMethods", "EffectMethods"]


class AverageMethods(FitBase):
    """Averages over the rows, of any fit of a formula and a frame.

    They are NaN, with a `RankWarning`, where they are over rows, such as of a cell that has none in
    the fit, which the rows of the fit do not determine.
    """

    def avg_predictions(
        self,
        variables: Mapping[str, Any] | str | Sequence[str] | None = None,
        by: str | None = None,
        which: str = "mean",
    ) -> Estimates:
        """Averages of the fitted mean over the observations.

        Parameters
        ----------
        variables : mapping of str to a value or several, or name or names, optional
            Variables of the formula that are set to each of these values in every row; categorical
            ones that are only named to each of their levels.
        by : str, optional
            A column of the frame: an average for each of its values.
        which : str, default "mean"
            What is averaged, as for `predict`. Where that is several numbers, such as the
            probabilities of levels, there is an average of each.

        Returns
        -------
        Estimates

        Raises
        ------
        ModelError
            If the model has no formula, or no such variable or level, or a numeric variable is
            only named.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.avg_predictions().estimate[0]), 4)
        7.5
        """
        return average_predictions(self, variables, by, which)

    def avg_comparisons(
        self,
        variable: str | None = None,
        step: float = 1.0,
        by: str | None = None,
        which: str = "mean",
    ) -> Estimates:
        """Average changes of the mean when a variable changes and nothing else does.

        Parameters
        ----------
        variable : str, optional
            Of the formula, by default each of them. Categorical: each level against the first.
            Numeric: `step` more.
        step : float, default 1
        by : str, optional
            A column of the frame: an average for each of its values.
        which : str, default "mean"
            As for `avg_predictions`.

        Returns
        -------
        Estimates

        Raises
        ------
        ModelError
            If the model has no formula, or no such variable.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.avg_comparisons("x").estimate[0]), 4)
        4.292
        """
        return average_comparisons(self, variable, step, by, which)

    def avg_slopes(
        self, variable: str | None = None, by: str | None = None, which: str = "mean"
    ) -> Estimates:
        """Average derivatives of the mean in a numeric variable, through all its terms.

        Parameters
        ----------
        variable : str, optional
            Of the formula. By default each of them: levels of a categorical one are compared with
            the first, as R's marginaleffects does.
        by : str, optional
            A column of the frame: an average for each of its values.
        which : str, default "mean"
            As for `avg_predictions`.

        Returns
        -------
        Estimates
            Exact derivatives through the link and in the coefficients. How columns change with the
            variable is found by parabolas through three points, 3e-5 of its range apart.

        Raises
        ------
        ModelError
            If the model has no formula, or the variable is categorical or constant.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.avg_slopes("x").estimate[0]), 3)
        3.394
        """
        return average_slopes(self, variable, by, which)


class EffectMethods(AverageMethods, Fit):
    """Mixin of `fastglm.Results`."""

    def get_margeff(
        self,
        at: str = "overall",
        method: str = "dydx",
        atexog: Mapping[Any, float] | None = None,
        dummy: bool = False,
        count: bool = False,
    ) -> MarginalEffects:
        """Marginal effects of the columns of X on the mean, as statsmodels has them.

        Parameters
        ----------
        at : {"overall", "mean", "median", "zero"}, default "overall"
            Average over the observations, or the effect at one point.
        method : {"dydx", "eyex", "dyex", "eydx"}, default "dydx"
            Derivative, elasticity, or one of the semi-elasticities.
        atexog : mapping of column number or name to float, optional
            Columns held at a value.
        dummy, count : bool, default False
            Whether a column of zeros and ones changes from 0 to 1, and one of whole numbers by
            one (half the change from one below to one above).

        Returns
        -------
        MarginalEffects
            Of every column but the intercept and aliased ones.

        Raises
        ------
        ModelError
            If there is no such method or place.
        DataError
            If `atexog` names what is no column, or the data of the fit is not at hand.

        Notes
        -----
        A column of a formula is a column of X here: for a variable that has several use
        `avg_slopes`. Offsets are part of the mean.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.get_margeff().names
        ('x', 'g[T.b]')
        """
        return marginal_effects(self, at, method, atexog, dummy, count)

    def emmeans(
        self, specs: str | Sequence[str], at: Mapping[str, Any] | None = None
    ) -> MarginalMeans:
        """Estimated marginal means.

        Parameters
        ----------
        specs : str or sequence of str
            Variables of the formula: a mean for each combination of their levels.
        at : mapping of str to a value or several, optional
            Values of other variables. By default numeric ones have their mean, and categorical
            ones are averaged over all levels with equal weights. Offsets of the formula are those
            of these values; of others the mean is taken.

        Returns
        -------
        MarginalMeans
            On the scale of the link, with `contrasts`.

        Warns
        -----
        RankWarning
            If an average is not estimable, which is then NaN: it is over rows, such as of a cell
            that has none in the fit, which the rows of the fit do not determine.

        Raises
        ------
        ModelError
            If the model has no formula, or no such variable or level.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.emmeans("g").names
        ('g=a', 'g=b')
        """
        return marginal_means(self, specs, at)

    def rating_table(
        self,
        at: Mapping[str, Sequence[Any]] | None = None,
        base: str | Mapping[str, Any] = "reference",
        n_values: int = 11,
        alpha: float = 0.05,
        data: Any = None,
        response: Any = None,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ) -> RatingTable:
        """The fit as a tariff: a relativity for every level of every term, exposure and claims.

        Parameters
        ----------
        at : mapping of str to sequence, optional
            Values of numeric variables to have rows for. By default all where there are at most
            40, else `n_values` quantiles.
        base : {"reference", "largest"} or mapping of str to a value, default "reference"
            The value of each variable whose relativity is 1: the reference level of its coding,
            or that of most exposure, which is also that of numeric variables.
        n_values : int, default 11
        alpha : float, default 0.05
            Intervals are at level 1 - alpha.
        data : data frame, optional
            New rows with their responses, as for `evaluate`, whose exposures and responses are
            shown beside the relativities; a result that was loaded needs them. Levels of the fit
            that they lack have rows without exposure.
        response, offset, exposure, freq_weights, var_weights, missing
            Of `data`, as for `evaluate`.

        Returns
        -------
        RatingTable
            With ``base``, the mean at the bases, ``summary_frame()``, ``to_frame()``, ``to_csv()``
            and ``to_excel()``. The base times the relativities of a row, and its exposure, is its
            mean. Terms of several variables have a row for each combination. Under a logit link
            base and relativities are of odds.

        Raises
        ------
        ModelError
            If the model has no formula, or no coefficient is the logarithm of a ratio, or there is
            no such variable or value.
        DataError
            If the rows cannot be used, or there are none.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"zone": ["a", "b", "b", "a"], "claims": [1.0, 4.0, 2.0, 2.0]}
        >>> res = fg.glm("claims ~ zone", data, family="poisson")
        >>> [round(float(value), 6) for value in res.rating_table().summary_frame()["relativity"]]
        [1.0, 2.0]
        """
        given = (response, offset, exposure, freq_weights, var_weights, missing)
        return rating_table(on_rows(self, data, *given), at, base, n_values, alpha)
