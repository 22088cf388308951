"""Residuals of fits with several predictors."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.rows.residuals import normal_quantiles
from fastglm.responses.record import ResponseFit

__all__ = ["ResponseResiduals", "Tails"]

#: Probabilities of a response that small or smaller, and of a larger one.
Tails = tuple[np.ndarray, np.ndarray]


class ResponseResiduals(ResponseFit):
    """Mixin of `ResponseResults`."""

    @property
    def resid_response(self) -> Any:
        """Response less fitted mean, (n,); of categories and shares one for each, (n, K)."""
        return self._residuals(standardized=False)

    @property
    def resid_pearson(self) -> Any:
        """Response residuals over the standard deviations of the responses."""
        return self._residuals(standardized=True)

    def _residuals(self, standardized: bool) -> Any:
        fitted, etas = self._fitted_rows("residuals")
        mean, variance = self._moments(etas)
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = self._observed() - mean
            values = difference / np.sqrt(variance) if standardized else difference
        return fitted.label(values, self._prediction_names())

    def resid_quantile(self, seed: int = 0) -> Any:
        """Randomised quantile residuals, (n,): standard normal if the model is right.

        Parameters
        ----------
        seed : int, default 0
            Of the draws that discrete responses need.

        Raises
        ------
        ModelError
            If responses are in no order: categories without one, or several shares.

        Notes
        -----
        Dunn & Smyth (1996), *Journal of Computational and Graphical Statistics* 5.
        """
        fitted, etas = self._fitted_rows("residuals")
        tails, below = self._tails(self._model_with_data("residuals").rows.response, etas)
        with np.errstate(divide="ignore", invalid="ignore"):
            return fitted.label(normal_quantiles(tails, below, seed), [])

    # -- what a kind of response defines

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the responses from (K, n) predictors, (n,) or (k, n) each."""
        raise NotImplementedError

    def _observed(self) -> np.ndarray:
        """The responses in the shape of their means."""
        return self._model_with_data("residuals").rows.response.T

    def _prediction_names(self) -> list[Any]:
        """Names of the k means."""
        return []

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        """Tails at the responses, and, where responses are discrete, below them."""
        raise ModelError(f"responses of {type(self).__name__} have no order, and no quantiles.")
