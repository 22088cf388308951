"""A fit of several predictors as one model among others: terms dropped, added and tested."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.matrix.arrays import array_names
from fastglm.design.matrix.select import select_columns
from fastglm.errors import ModelError, Status
from fastglm.inference.hypothesis_tests.anova import Term
from fastglm.inference.hypothesis_tests.refits import NestedRefit, term_factors, warn_of_refit
from fastglm.responses.record import ResponseFit
from fastglm.rows.model_rows import constant_design
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["ResponseComparison"]


class ResponseComparison(ResponseFit):
    """Mixin of `ResponseResults`.

    The terms are those of all formulas, those of further ones named as their coefficients. A
    deviance is minus twice a log-likelihood.
    """

    def terms_of_designs(
        self, model: Any, first_alone: bool = False
    ) -> tuple[list[Term], np.ndarray]:
        """The terms of all designs, and the columns that stay in every model.

        Columns are counted over all designs. With `first_alone` those of the others stay.
        """
        rows, start = model.rows, 0
        prefixes = {block.design: block.name for block in reversed(self.blocks)}
        terms: list[Term] = []
        always: list[int] = []
        for k, (design, fitted_formula) in enumerate(
            zip(rows.designs, rows.fitted_formulas, strict=True)
        ):
            constant, named = design.constant, design.terms
            if fitted_formula is None and constant is None:
                constant = rank_and_scaling(design, rows.prior_weights, self.n_threads).constant
                names = array_names(design.n_columns, constant)
                named = tuple((name, slice(c, c + 1)) for c, name in enumerate(names))
            if k and first_alone:
                always += range(start, start + design.n_columns)
            elif constant is not None:
                always.append(start + constant)
            factors = term_factors(model, [name for name, _ in named])
            for (name, term), own in zip(named, factors, strict=True):
                columns = np.arange(start + term.start, start + term.stop)
                keyed = frozenset((k, factor) for factor in own)
                terms.append(Term(prefixes.get(k, "") * (k > 0) + name, columns, keyed))
            start += design.n_columns
        return terms, np.array(always, dtype=np.intp)

    def _coefficients_of_terms(self) -> list[tuple[str, np.ndarray]]:
        """Name of each term and places of its coefficients, in every predictor of its design."""
        model = self._model_with_data("the terms")
        found, channels = [], self._channels()
        sizes = [0, *(design.n_columns for design in model.rows.designs)]
        starts = np.cumsum(sizes)
        for term in self.terms_of_designs(model)[0]:
            own = [
                channel.places[np.isin(channel.columns + starts[channel.design], term.columns)]
                for channel in channels
                if channel.design is not None
            ]
            found.append((term.name, np.concatenate(own)))
        return found

    def _log_likelihood_at_unit_scale(self) -> float:
        return self.llf

    def refitted(self, columns: Sequence[int] | np.ndarray, model: Any = None) -> NestedRefit:
        """The fit of some of the columns of all designs of a model, by default that of this fit.

        Raises
        ------
        ModelError
            If a linear predictor would have no column.

        Warns
        -----
        ConvergenceWarning
            If it did not converge.
        """
        model = self._model_with_data("another model") if model is None else model
        rows, start, chosen = model.rows, 0, []
        columns = np.sort(np.asarray(columns, dtype=np.intp))
        for design in rows.designs:
            own = columns[(columns >= start) & (columns < start + design.n_columns)] - start
            if not own.size and not self.needs_no_column:
                raise ModelError(
                    "another model would have a predictor without columns: give it an intercept."
                )
            bare = constant_design(rows.n_rows)
            chosen.append(select_columns(design, own) if own.size else bare)
            start += design.n_columns
        other = copy(model)
        other.rows = replace(rows, designs=tuple(chosen))
        solution = other.maximum(self.n_threads)
        if solution.status not in (Status.CONVERGED, Status.BOUNDARY):
            warn_of_refit(solution.status, [name for d in chosen for name in d.names])
        rank = int(np.count_nonzero(~np.isnan(solution.params)))
        deviance = -2.0 * solution.log_likelihood
        return NestedRefit(columns, solution.params, deviance, rank, solution.status)
