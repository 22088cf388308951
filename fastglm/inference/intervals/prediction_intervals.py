"""Predictions with their uncertainty: standard errors, intervals of means and of observations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.labels import frame_of_rows, label_rows
from fastglm.design.frames.output import to_pandas
from fastglm.entry import entry_points
from fastglm.errors import ModelError
from fastglm.fit.roots import covariance_root
from fastglm.inference.intervals.predictive_mixture import (
    Component,
    Mixture,
    certain_quantiles,
    components_of,
)
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.rows.new_rows import NewRows
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_values import evaluate_rows, limits_of_means
from fastglm.rows.vectors import vector

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.typing import Frame, Matrix

__all__ = ["Prediction", "get_prediction"]

#: What the rows kernel gives of a prediction, in the order of `Prediction`.
_BUFFERS = (
    row_buffers.MEAN,
    row_buffers.MEAN_STANDARD_ERROR,
    row_buffers.LINEAR_PREDICTOR,
    row_buffers.STANDARD_ERROR,
)
#: Rows that one thread works on at a time.
SLICE_ROWS = 16_384


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class LinearPrediction(RenderedFrame):
    """Linear predictors of n rows and their uncertainty, under statsmodels' names.

    Attributes
    ----------
    predicted_mean, se_mean : (n,)
        Linear predictor and its standard error.
    """

    predicted_mean: Any
    se_mean: Any
    fit: Fit
    labels: Any = None

    def conf_int(self, alpha: float = 0.05) -> Matrix:
        """Intervals at level 1 - alpha, (n, 2); labelled where pandas came in."""
        mean, half = self._half_widths(alpha)
        return label_rows(np.column_stack([mean - half, mean + half]), self.labels, (0, 1))

    def summary_frame(self, alpha: float = 0.05) -> Frame:
        """Columns mean, mean_se, mean_ci_lower and mean_ci_upper, a data frame of n rows."""
        eta, half = self._half_widths(alpha)
        columns = {"mean": eta, "mean_se": np.asarray(self.se_mean)}
        limits = {"mean_ci_lower": eta - half, "mean_ci_upper": eta + half}
        return frame_of_rows(columns | limits, self.labels)

    def _half_widths(self, alpha: float) -> tuple[np.ndarray, np.ndarray]:
        """Linear predictors, and half the width of their intervals, (n,) each."""
        eta, error = np.asarray(self.predicted_mean), np.asarray(self.se_mean)
        return eta, self.fit.critical_value(alpha) * error


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class Prediction(RenderedFrame):
    """Predictions of n rows and their uncertainty.

    Attributes
    ----------
    predicted_mean : (n,)
        Mean of the response.
    se_mean : (n,)
        Its standard error, by the delta method.
    linear_predictor, se_linear_predictor : (n,)
        The same on the scale of the link.
    weights : (n,)
        Of new observations.
    n_threads : int
        Threads that intervals use.
    """

    fit: Fit
    predicted_mean: Any
    se_mean: Any
    linear_predictor: Any
    se_linear_predictor: Any
    weights: np.ndarray
    n_threads: int
    _rows: NewRows

    @property
    def linpred(self) -> LinearPrediction:
        """The same on the scale of the linear predictor."""
        return LinearPrediction(
            self.linear_predictor, self.se_linear_predictor, self.fit, self._rows.labels
        )

    def conf_int(self, alpha: float = 0.05, obs: bool = False) -> Matrix:
        """Intervals at level 1 - alpha, (n, 2).

        Parameters
        ----------
        alpha : float, default 0.05
        obs : bool, default False
            Intervals of new observations instead of means.

        Returns
        -------
        (n, 2)
            Of means: the interval of the linear predictor, mapped back through the link. Of
            observations: see Notes.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1, or `obs` is true and the family does not define how
            responses are distributed.

        Notes
        -----
        An interval of an observation runs between the alpha/2 and 1 - alpha/2 quantiles of its
        predictive distribution, with the uncertainty of the estimates: the distribution of
        the response given its linear predictor and dispersion, averaged over the normal
        approximation of the one and the chi-squared approximation of the other on the residual
        degrees of freedom (Gauss-Hermite quadrature). For the normal family with identity link
        that is exact, by Student's t. Discrete responses are covered with at least that
        probability, and an estimated dispersion of theirs, the distance between their values, is
        taken as known. Barndorff-Nielsen & Cox (1996), *Bernoulli* 2; Lawless & Fredette (2005),
        *Biometrika* 92.
        """
        limits = self._observation_limits(alpha) if obs else self._mean_limits(alpha)
        return label_rows(limits.T, self._rows.labels, (0, 1))

    def _mean_limits(self, alpha: float) -> np.ndarray:
        return limits_of_means(
            self._rows.row_table,
            self.fit.family.link,
            np.ascontiguousarray(self.linear_predictor),
            np.ascontiguousarray(self.se_linear_predictor),
            self.fit.critical_value(alpha),
            self.n_threads,
        )

    def _observation_limits(self, alpha: float) -> np.ndarray:
        fit = self.fit
        family = fit.family
        eta, error = np.asarray(self.linear_predictor), np.asarray(self.se_linear_predictor)
        if family.is_linear:
            half = fit.critical_value(alpha) * np.sqrt(error**2 + fit.scale / self.weights)
            return np.stack([eta - half, eta + half])
        if np.isnan(fit.scale):
            # No degree of freedom is left for the spread of observations about their means.
            return np.full((2, eta.size), np.nan)
        components = components_of(fit)
        slices = [slice(k, k + SLICE_ROWS) for k in range(0, eta.size, SLICE_ROWS)]
        limits, tails = np.empty((2, eta.size)), (alpha / 2.0, 1.0 - alpha / 2.0)
        lattice = components[0].distribution.lattice
        two_valued = lattice is not None and np.all(
            lattice(self._weights_of(slice(None))) == family.domain.upper
        )

        def work(rows: slice) -> None:
            if not (two_valued and family.is_unbounded):
                limits[:, rows] = self._quantiles(components, rows, tails)
                return
            unclear = certain_quantiles(family, eta[rows], error[rows], tails, limits[:, rows])
            if unclear.any():
                others = rows.start + np.flatnonzero(unclear)
                limits[:, others] = self._quantiles(components, others, tails)

        with ThreadPoolExecutor(self.n_threads) as pool:
            list(pool.map(work, slices))
        return limits

    def _weights_of(self, rows: slice | np.ndarray) -> np.ndarray:
        # One weight for all rows takes one quantile of a standardised response.
        return self.weights[:1] if self.weights.strides == (0,) else self.weights[rows]

    def _quantiles(
        self, components: list[Component], rows: slice | np.ndarray, tails: tuple[float, float]
    ) -> np.ndarray:
        """Quantiles of the predictive distributions of rows at these lower tails, (2, rows)."""
        family, weights = self.fit.family, self._weights_of(rows)
        mean, error_of_mean = np.asarray(self.predicted_mean)[rows], np.asarray(self.se_mean)[rows]
        variance = family.variance(mean) * self.fit.response_dispersion / weights
        mixture = Mixture(
            components,
            family.link.inverse,
            weights,
            np.asarray(self.linear_predictor)[rows],
            np.asarray(self.se_linear_predictor)[rows],
            mean,
            error_of_mean,
            np.sqrt(variance),
            family.domain.upper,
        )
        return np.stack([mixture.quantile(tail) for tail in tails])

    def summary_frame(self, alpha: float = 0.05) -> Frame:
        """Means, standard errors and intervals, a data frame of n rows.

        Columns mean, mean_se, mean_ci_lower, mean_ci_upper, obs_ci_lower, obs_ci_upper. The last
        two, for new observations, are left out for families that do not define how responses are
        distributed.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1.
        """
        mean_limits = self._mean_limits(alpha)
        columns = {
            # Copies, so that the frame may be changed; all else is its own already.
            "mean": np.array(self.predicted_mean),
            "mean_se": np.array(self.se_mean),
            "mean_ci_lower": mean_limits[0],
            "mean_ci_upper": mean_limits[1],
        }
        try:
            self.fit.family.distribution(self.fit.response_dispersion)
        except ModelError:
            return self._frame(columns)
        limits = self._observation_limits(alpha)
        return self._frame(columns | {"obs_ci_lower": limits[0], "obs_ci_upper": limits[1]})

    def _heading(self) -> str:
        return f"Prediction of {self.weights.size} rows"

    def __repr__(self) -> str:
        return f"<{self._heading()}: summary_frame() has the table>"

    def _shown_frame(self) -> Any:
        # Intervals of new observations take quantiles of each row: a picture of the table does not.
        low, high = self._mean_limits(0.05)
        mean, error = np.array(self.predicted_mean), np.array(self.se_mean)
        shown = {"mean": mean, "mean_se": error, "ci_lower": low, "ci_upper": high}
        return to_pandas(self._frame(shown))

    def _frame(self, columns: dict) -> Any:
        labels = self._rows.labels
        if labels is not None and not hasattr(labels, "dtype"):
            return frame_of_rows(columns, labels)
        import pandas as pd

        return pd.DataFrame(columns, index=labels, copy=False)


def get_prediction(
    fit: Fit, rows: NewRows, var_weights: Any = None, n_threads: int = 1
) -> Prediction:
    """Predictions of rows; see `Results.get_prediction`."""
    mean, error_of_mean, eta, error = evaluate_rows(
        rows.row_table,
        fit.family,
        fit.estimates,
        _BUFFERS,
        factor=covariance_root(fit).T,
        centering=fit.centering,
        n_threads=n_threads,
    )
    weights = np.broadcast_to(1.0, eta.shape)
    if var_weights is not None:
        weights = vector(var_weights, "var_weights", eta.size).astype(np.float64)
        if (weights <= 0.0).any():
            raise ModelError("var_weights of new rows must be positive.")
    return Prediction(
        fit,
        rows.label(mean),
        rows.label(error_of_mean),
        rows.label(eta),
        rows.label(error),
        weights,
        n_threads,
        rows,
    )
