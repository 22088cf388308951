"""Effects on population means (at random effects of zero), and tests of fixed terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fastglm.design.frames.frames import Frame
from fastglm.errors import ModelError
from fastglm.inference.effects.marginal_effects import MarginalEffects, marginal_effects
from fastglm.inference.effects.marginal_means import MarginalMeans, marginal_means
from fastglm.inference.hypothesis_tests.anova import anova, drop1
from fastglm.inference.hypothesis_tests.stepwise import Step, step
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.mixed.comparison import Comparable
from fastglm.mixed.formula import split_formula
from fastglm.mixed.record import MixedFit
from fastglm.results.effects import AverageMethods

__all__ = ["PopulationMethods"]


class PopulationMethods(AverageMethods, MixedFit):
    """Mixin of `MixedResults`. Random effects are zero, as in R's emmeans for fits of lme4."""

    def get_margeff(
        self,
        at: str = "overall",
        method: str = "dydx",
        atexog: Mapping[Any, float] | None = None,
        dummy: bool = False,
        count: bool = False,
    ) -> MarginalEffects:
        """Marginal effects of the fixed columns on the mean; see `fastglm.Results.get_margeff`.

        Parameters
        ----------
        at, method, atexog, dummy, count
            As there.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> res.get_margeff().names
        ('x',)
        """
        self.require_all_columns()
        return marginal_effects(self, at, method, atexog, dummy, count)  # type: ignore[arg-type]

    def emmeans(
        self, specs: str | Sequence[str], at: Mapping[str, Any] | None = None
    ) -> MarginalMeans:
        """Estimated marginal means; see `fastglm.Results.emmeans`.

        Parameters
        ----------
        specs, at
            As there.

        Raises
        ------
        ModelError
            If the model has no formula, or no such variable or level, or has aliased columns.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> res.emmeans("x", at={"x": [0, 1]}).names
        ('x=0', 'x=1')
        """
        self.require_all_columns()
        return marginal_means(self, specs, at)  # type: ignore[arg-type]

    def drop1(self, k: float = 2.0) -> Table:
        """Test every fixed term by dropping it, with the table of R's ``drop1``.

        Terms contained in an interaction are not dropped. Random effects stay. Fits by REML are
        refitted by maximum likelihood.

        Parameters
        ----------
        k : float, default 2
            Penalty per parameter in the column AIC; log(nobs) gives BIC.

        Raises
        ------
        ModelError
            If a model without the term would have no fixed column.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> res.drop1().names
        ('<none>', 'x')
        """
        return drop1(Comparable(self), "Chisq", k)

    def term_tests(self, type: int = 2) -> Table:
        """Likelihood ratio tests of the fixed terms, as ``Anova`` of R's package car.

        Parameters
        ----------
        type : {1, 2, 3}, default 2
            1 adds the terms one after the other; 2 and 3 compare each with the model of all others,
            2 without the interactions that contain it.

        Raises
        ------
        ModelError
            If `type` is none of these, or a model would have no fixed column.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> res.term_tests().names
        ('x',)
        """
        return anova(Comparable(self), type, "Chisq")

    def step(
        self,
        scope: str | Sequence[str] | None = None,
        direction: str = "both",
        k: float | str = 2.0,
        max_steps: int = 1000,
    ) -> Step:
        """Search for the fixed terms of the smallest AIC; see `fastglm.Results.step`.

        Random effects stay. All fits, including that of the result, are by maximum likelihood: REML
        criteria of models with different fixed columns are not comparable.

        Parameters
        ----------
        scope, direction, k, max_steps
            As there.

        Returns
        -------
        Step
            The selected model is in ``results``, the path in ``table``.

        Raises
        ------
        ModelError
            If the model was not given by a formula, or a model would have no fixed column.

        Examples
        --------
        >>> import numpy as np, fastglm as fg
        >>> g = np.repeat(np.arange(6), 4)
        >>> data = {"y": np.arange(24) % 5 + g, "x": np.arange(24) % 4, "g": g}
        >>> fg.mixed("y ~ x + (1 | g)", data).step().results.formula
        'y ~ 1 + (1 | g)'
        """
        model = self._model_with_data("a search over terms")
        if model.formula is None:
            raise ModelError("terms can be added to models that were given by a formula.")
        formula, random = split_formula(model.formula, Frame(model.source[0]).names)
        kept = tuple(dict.fromkeys(term.text for term in random))
        base = Comparable(self)
        found = step(base, scope, direction, k, max_steps, formula, kept, Comparable)
        return replace(found, results=found.results.fit)
