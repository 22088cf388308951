"""Residuals of fits with several predictors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.design.formula.response import NUMBERS, ResponseRule
from fastglm.errors import ModelError
from fastglm.inference.rows.residuals import normal_quantiles
from fastglm.responses.record import ResponseFit

if TYPE_CHECKING:
    from fastglm.typing import Vector

__all__ = ["ResponseResiduals", "Tails"]

#: Counts from 0 whose frequencies are told.
MOST_COUNTS = 30

#: Probabilities of a response that small or smaller, and of a larger one.
Tails = tuple[np.ndarray, np.ndarray]


class ResponseResiduals(ResponseFit):
    """Mixin of `ResponseResults`."""

    @property
    def resid_response(self) -> Vector:
        """Response less fitted mean, (n,); of categories and shares one for each, (n, K)."""
        return self._residuals(standardized=False)

    @property
    def resid_pearson(self) -> Vector:
        """Response residuals over the standard deviations of the responses."""
        return self._residuals(standardized=True)

    def _residuals(self, standardized: bool) -> Any:
        fitted, etas = self._fitted_rows("residuals")
        mean, variance = self._moments(etas)
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = self._observed() - mean
            values = difference / np.sqrt(variance) if standardized else difference
        return fitted.label(values, self._prediction_names())

    def resid_quantile(self, seed: int = 0) -> Vector:
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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.OrderedModel.from_formula("y ~ x", data, levels=list("abc")).fit()
        >>> res.resid_quantile(seed=1).shape
        (10,)
        """
        fitted, etas = self._fitted_rows("residuals")
        tails, below = self._tails(self._model_with_data("residuals").rows.response, etas)
        with np.errstate(divide="ignore", invalid="ignore"):
            return fitted.label(normal_quantiles(tails, below, seed), [])

    def expected_counts(self) -> tuple[np.ndarray, np.ndarray] | None:
        """How often each count from 0 was observed, and is expected, (c,); None for no counts."""
        if not self.takes_exposure:
            return None
        rows = self._model_with_data("frequencies of counts").rows
        _, etas = self._fitted_rows("frequencies of counts")
        weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
        most = min(int(rows.response[weights > 0.0].max()), MOST_COUNTS)
        counts = np.minimum(rows.response, most + 1.0).astype(np.intp)
        observed = np.bincount(counts, weights, minlength=most + 2)[: most + 1]
        expected = np.empty(most + 1)
        for count in range(most + 1):
            at, below = self._tails(np.full(rows.n_rows, float(count)), etas)
            assert below is not None
            expected[count] = weights @ (at[0] - below[0])
        return observed, expected

    # -- what a kind of response defines

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the responses from (K, n) predictors, (n,) or (k, n) each."""
        raise NotImplementedError

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        """Log-likelihood of each response, (n,), given (K, n) predictors."""
        raise NotImplementedError

    def _constant_predictors(self, constants: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        """Predictors, (K, n), that are constants but for their offsets, (K, n)."""
        return constants[:, None] + offsets

    def _constants_near(self, etas: np.ndarray) -> np.ndarray:
        """What `_constant_predictors` takes, of mean predictors, (K,)."""
        return etas

    def _observed(self) -> np.ndarray:
        """The responses in the shape of their means."""
        return self._observed_of(self._model_with_data("residuals").rows.response)

    def _observed_of(self, response: np.ndarray) -> np.ndarray:
        """Responses as a model reads them in the shape of their means, (n,) or (k, n)."""
        return response.T

    #: Whether the response is a category.
    of_categories: ClassVar[bool] = False
    #: Whether its likelihood is of densities, whose logarithms have no upper end.
    of_densities: ClassVar[bool] = False
    #: What new responses may be.
    _takes: ClassVar[ResponseRule] = NUMBERS

    def _prediction_names(self) -> list[Any]:
        """Names of the k means."""
        return []

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        """Tails at the responses, and, where responses are discrete, below them."""
        raise ModelError(f"responses of {type(self).__name__} have no order, and no quantiles.")
