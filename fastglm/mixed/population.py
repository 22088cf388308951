"""What is asked about effects on the mean of the population: at random effects of zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastglm.inference.effects.marginal_effects import MarginalEffects, marginal_effects
from fastglm.inference.effects.marginal_means import MarginalMeans, marginal_means
from fastglm.inference.hypothesis_tests.anova import anova, drop1
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.mixed.comparison import Comparable
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
        """
        self.require_all_columns()
        return marginal_means(self, specs, at)  # type: ignore[arg-type]

    def drop1(self, k: float = 2.0) -> Table:
        """Each fixed term dropped that no interaction contains, in the table of R's ``drop1``.

        Random effects stay. Fits by REML are refitted by maximum likelihood.

        Parameters
        ----------
        k : float, default 2
            Price of a parameter in the column AIC; log(nobs) makes it BIC.

        Raises
        ------
        ModelError
            If a model would have no fixed column.
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
        """
        return anova(Comparable(self), type, "Chisq")
