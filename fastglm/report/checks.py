"""The tests of a fit that a report tells in words and in tables, each made once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastglm.inference.diagnostics.influence import Influence
    from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
    from fastglm.results import Results

__all__ = ["Checks"]


class Checks:
    """Tests of a fit, made when they are first asked for.

    Parameters
    ----------
    results : Results
        With its data. A test that has no meaning for the model raises `ModelError`.
    """

    def __init__(self, results: Results):
        self.results = results

    @cached_property
    def link(self) -> HypothesisTest:
        """Square of the linear predictor."""
        return self.results.link_test()

    @cached_property
    def tails(self) -> HypothesisTest:
        """Bends of the link's tails."""
        return self.results.goodness_of_link()

    @cached_property
    def lines(self) -> Table:
        """Straight lines against splines."""
        return self.results.lack_of_fit()

    @cached_property
    def zero_inflation(self) -> HypothesisTest:
        """More zeros than the family has."""
        return self.results.zero_inflation_test()

    @cached_property
    def inflation(self) -> Table:
        """Variance inflation."""
        return self.results.vif()

    @cached_property
    def influence(self) -> Influence:
        """Leverages and distances."""
        return self.results.get_influence()

    @cached_property
    def outliers(self) -> Table:
        """Largest likelihood residuals."""
        return self.influence.outlier_test()
