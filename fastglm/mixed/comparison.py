"""Likelihood ratio tests of fixed terms, by the functions that test the terms of a GLM."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from fastglm.design.matrix.select import select_columns
from fastglm.errors import ModelError
from fastglm.inference.hypothesis_tests.anova import Term
from fastglm.inference.hypothesis_tests.refits import NestedRefit, term_factors

__all__ = ["Comparable"]


class Comparable:
    """A mixed fit compared with others that have the same random effects, by maximum likelihood.

    Fits by REML are refitted by maximum likelihood, as in lme4's ``drop1``: REML criteria of models
    with different fixed columns are not comparable. The deviance is -2 log-likelihood.

    Parameters
    ----------
    fit : MixedResults
    """

    #: As models of several predictors: only likelihood ratio tests, and refits by its own methods.
    has_several_predictors: ClassVar[bool] = True
    dispersion_known: ClassVar[bool] = True
    has_likelihood: ClassVar[bool] = True
    scale: ClassVar[float] = 1.0

    def __init__(self, fit: Any):
        self._model = fit._model_with_data("another model")
        self._options = dict(fit.fit_options) | {"n_threads": fit.n_threads}
        if fit.reml:
            self._options["reml"] = False
            fit = self._model.fit(**self._options)
        self._fit = fit

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fit, name)

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood."""
        return float(self._fit.criterion)

    @property
    def model_text(self) -> str:
        """Family, link and grouping factors."""
        family = self._fit.family
        groups = ", ".join(group.group for group in self._fit.groups)
        return f"{family.name}, link: {family.link.name}, random effects of {groups}"

    @property
    def fit(self) -> Any:
        """The fit by maximum likelihood."""
        return self._fit

    @property
    def options_of_refits(self) -> dict[str, Any]:
        """Options of `MixedGLM.fit` for another model."""
        return {name: value for name, value in self._options.items() if name != "n_threads"}

    @property
    def _n_parameters(self) -> int:
        return int(self._fit.n_parameters)

    def scaled_lack_of_fit(self, deviance: np.ndarray) -> np.ndarray:
        """The deviances unchanged: the log-likelihood includes the dispersion."""
        return deviance

    def terms_of_designs(
        self, model: Any, first_alone: bool = False
    ) -> tuple[list[Term], np.ndarray]:
        """The terms of the fixed part, and the column of the intercept."""
        design = model.rows.design
        constant = design.constant
        if constant is None and model.formula is None:
            constant = self._fit.estimate.fixed.constant
        always = np.array([] if constant is None else [constant], dtype=np.intp)
        factors = term_factors(self._fit, [name for name, _ in design.terms])
        terms = [
            Term(name, np.arange(term.start, term.stop), own)
            for (name, term), own in zip(design.terms, factors, strict=True)
        ]
        return terms, always

    def refitted(self, columns: Sequence[int] | np.ndarray, model: Any = None) -> NestedRefit:
        """The fit of some of the fixed columns.

        Raises
        ------
        ModelError
            If there is none.
        """
        columns = np.sort(np.asarray(columns, dtype=np.intp))
        if not columns.size:
            raise ModelError(
                "another model would have no fixed column: give it an intercept, or leave out the "
                "test of its only term."
            )
        other = copy(self._model if model is None else model)
        rows = other.mixed_rows
        design = select_columns(rows.fixed.design, columns)
        other.mixed_rows = replace(rows, fixed=rows.fixed.with_design(design))
        found = other.fit(**self._options)
        return NestedRefit(columns, found.estimates, found.criterion, found.rank, found.status)
