"""What is asked about effects on the outcomes of a model of several predictors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastglm.inference.effects.outcome_effects import OutcomeEffects, outcome_effects
from fastglm.inference.effects.outcome_means import OutcomeMeans, outcome_means
from fastglm.responses.record import ResponseFit
from fastglm.results.effects import AverageMethods
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["ResponseEffects"]


class ResponseEffects(AverageMethods, ResponseFit):
    """Mixin of `ResponseResults`."""

    def get_margeff(
        self,
        at: str = "overall",
        method: str = "dydx",
        atexog: Mapping[Any, float] | None = None,
        dummy: bool = False,
        count: bool = False,
        which: str = "mean",
    ) -> OutcomeEffects:
        """Marginal effects of the columns of the first design, as statsmodels has them.

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
        which : str, default "mean"
            What changes, as for `predict`: of categories and shares the probability or share of
            each.

        Returns
        -------
        OutcomeEffects
            Of every column but the intercept, on every outcome.

        Raises
        ------
        ModelError
            If there is no such method, place or outcome.
        DataError
            If `atexog` names what is no column, or the data of the fit is not at hand.

        Notes
        -----
        A column of a formula is a column of X here, and columns of further predictors stay as they
        are: for a variable that has several use `avg_slopes`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> res.get_margeff().summary_frame().shape[0]
        3
        """
        model = self._model_with_data("marginal effects")
        rows = model.rows
        found = [
            rank_and_scaling(design, rows.prior_weights, self.n_threads) for design in rows.designs
        ]
        constants = [each.constant for each in found]
        names = (
            model._column_names(found)[0] if self.fitted_formulas[0] is None else rows.design.names
        )
        return outcome_effects(self, constants, names, at, method, atexog, dummy, count, which)

    def emmeans(
        self,
        specs: str | Sequence[str],
        at: Mapping[str, Any] | None = None,
        which: str = "mean",
    ) -> OutcomeMeans:
        """Estimated marginal means of what `predict` gives.

        Parameters
        ----------
        specs : str or sequence of str
            Variables of the formulas: a mean for each combination of their levels.
        at : mapping of str to a value or several, optional
            Values of other variables. By default numeric ones have their mean, and categorical
            ones are averaged over all levels with equal weights. Offsets of the formulas are those
            of these values; of others the mean is taken.
        which : str, default "mean"
            As for `predict`: of categories and shares the probability or share of each; "linear"
            for the linear predictors.

        Returns
        -------
        OutcomeMeans
            With `contrasts`.

        Raises
        ------
        ModelError
            If the model has no formula, or no such variable, level or outcome, or has aliased
            columns.

        Notes
        -----
        Equal to ``emmeans`` of R with ``mode = "prob"`` for categories, "response" for others.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [0, 0, 1, 3, 0, 2, 4, 0], "g": list("ababbaab")}
        >>> res = fg.Hurdle.from_formula("y ~ g", data).fit()
        >>> res.emmeans("g").names
        ('g=a', 'g=b')
        """
        return outcome_means(self, specs, at, which)
