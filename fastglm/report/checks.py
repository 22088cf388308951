"""The tests of a fit that a report has in words and in tables, each made once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from fastglm.fit.record import Fit
from fastglm.inference.diagnostics.collinearity import variance_inflation
from fastglm.inference.diagnostics.influence import Influence
from fastglm.inference.diagnostics.lack_of_fit import lack_of_fit
from fastglm.inference.diagnostics.specification import (
    goodness_of_link,
    link_test,
    zero_inflation_test,
)
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table

__all__ = ["Checks"]


class Checks:
    """Tests of a fit, made on first use.

    Parameters
    ----------
    fit : Fit
        With its data. A test that has no meaning for the model raises `ModelError`.
    """

    def __init__(self, fit: Fit):
        self.fit = fit

    @cached_property
    def link(self) -> HypothesisTest:
        """Square of the linear predictor."""
        return link_test(self.fit)

    @cached_property
    def tails(self) -> HypothesisTest:
        """Bends of the link's tails."""
        return goodness_of_link(self.fit)

    @cached_property
    def lines(self) -> Table:
        """Straight lines against splines."""
        return lack_of_fit(self.fit)

    def line_tests(self) -> Iterator[tuple[str, HypothesisTest]]:
        """Each variable with its test."""
        table, fit = self.lines, self.fit
        is_f = "F" in table.columns
        for k, name in enumerate(table.names):
            statistic = float(table["F" if is_f else "chi2"][k])
            denominator = fit.df_resid if is_f else float("inf")
            yield (
                name,
                HypothesisTest(
                    "Spline",
                    statistic,
                    float(table["pvalue"][k]),
                    float(table["df"][k]),
                    denominator,
                ),
            )

    @cached_property
    def zero_inflation(self) -> HypothesisTest:
        """More zeros than the family has."""
        return zero_inflation_test(self.fit)

    @cached_property
    def inflation(self) -> Table:
        """Variance inflation."""
        return variance_inflation(self.fit)

    @cached_property
    def influence(self) -> Influence:
        """Leverages and distances."""
        return Influence(self.fit)

    @cached_property
    def outliers(self) -> Table:
        """Largest likelihood residuals."""
        return self.influence.outlier_test()
