"""Families whose likelihood has the deviance over the sum of the weights for its dispersion."""

from __future__ import annotations

from fastglm.families.family import Family

__all__ = ["MeanWeightDispersion"]


class MeanWeightDispersion(Family):
    """Families whose likelihood R evaluates at deviance over the sum of the weights."""

    n_dispersion_parameters = 1

    def likelihood_dispersion(
        self, deviance: float, sum_weights: float, n: float, scale: float = 1.0
    ) -> float:
        """Deviance over the sum of the weights, as in R's ``aic`` functions."""
        return deviance / sum_weights
