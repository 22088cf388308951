"""Predictions with their uncertainty: standard errors, intervals of means and of observations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.entry import entry_points
from fastglm.errors import ModelError
from fastglm.families.distribution import ResponseDistribution, lattice_quantile
from fastglm.fit.roots import covariance_root
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.rows.new_rows import NewRows
from fastglm.kernels.blocks import row_buffers
from fastglm.passes.row_values import evaluate_rows, limits_of_means
from fastglm.rows.vectors import vector

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["Component", "Mixture", "Prediction", "get_prediction"]

#: What the rows kernel gives of a prediction, in the order of `Prediction`.
_BUFFERS = (
    row_buffers.MEAN,
    row_buffers.MEAN_STANDARD_ERROR,
    row_buffers.LINEAR_PREDICTOR,
    row_buffers.STANDARD_ERROR,
)
#: Rows that one thread works on at a time.
SLICE_ROWS = 16_384
#: Largest standard error of the mean, in standard deviations of a response, for so many nodes.
NODES = ((0.1, 3), (0.5, 9), (np.inf, 31))
#: The same for the dispersion, by its residual degrees of freedom.
DISPERSION_NODES = ((100_000, 1), (300, 3), (30, 7), (8, 15), (0, 31))
DOUBLINGS = 60
ILLINOIS_STEPS = 60
#: Relative error of a quantile; false position leaves far less.
QUANTILE_TOLERANCE = 1e-8


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
    index: Any = None

    def conf_int(self, alpha: float = 0.05) -> Any:
        """Intervals at level 1 - alpha, (n, 2); labelled where pandas came in."""
        frame = self.summary_frame(alpha).iloc[:, 2:]
        return frame.to_numpy() if self.index is None else frame.set_axis([0, 1], axis=1)

    def summary_frame(self, alpha: float = 0.05) -> Any:
        """Columns mean, mean_se, mean_ci_lower and mean_ci_upper, a pandas DataFrame of n rows."""
        import pandas as pd

        eta, error = np.asarray(self.predicted_mean), np.asarray(self.se_mean)
        half = self.fit.critical_value(alpha) * error
        columns = {"mean": eta, "mean_se": error}
        limits = {"mean_ci_lower": eta - half, "mean_ci_upper": eta + half}
        return pd.DataFrame(columns | limits, index=self.index)


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
            self.linear_predictor, self.se_linear_predictor, self.fit, self._rows.index
        )

    def conf_int(self, alpha: float = 0.05, obs: bool = False) -> Any:
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
        if self._rows.index is None:
            return limits.T
        return self._frame({0: limits[0], 1: limits[1]})

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
        components = _components(fit)
        mean, error_of_mean = np.asarray(self.predicted_mean), np.asarray(self.se_mean)
        deviation = np.sqrt(family.variance(mean) * fit.response_dispersion / self.weights)
        slices = [slice(k, k + SLICE_ROWS) for k in range(0, eta.size, SLICE_ROWS)]
        limits = np.empty((2, eta.size))

        def work(rows: slice) -> None:
            mixture = Mixture(
                components,
                family.link.inverse,
                # One weight for all rows takes one quantile of a standardised response.
                self.weights[:1] if self.weights.strides == (0,) else self.weights[rows],
                *(values[rows] for values in (eta, error, mean, error_of_mean, deviation)),
            )
            limits[0, rows] = mixture.quantile(alpha / 2.0)
            limits[1, rows] = mixture.quantile(1.0 - alpha / 2.0)

        with ThreadPoolExecutor(self.n_threads) as pool:
            list(pool.map(work, slices))
        return limits

    def summary_frame(self, alpha: float = 0.05) -> Any:
        """Means, standard errors and intervals, a pandas DataFrame of n rows.

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
            "mean": np.asarray(self.predicted_mean),
            "mean_se": np.asarray(self.se_mean),
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
        mean, error = np.asarray(self.predicted_mean), np.asarray(self.se_mean)
        return self._frame({"mean": mean, "mean_se": error, "ci_lower": low, "ci_upper": high})

    def _frame(self, columns: dict) -> Any:
        import pandas as pd

        return pd.DataFrame(columns, index=self._rows.index)


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


@dataclass(frozen=True)
class Component:
    """Responses at one dispersion: its probability, and its root in roots of the estimate."""

    mass: float
    root: float
    distribution: ResponseDistribution


def _components(fit: Fit) -> list[Component]:
    """Distributions of responses for dispersions that the data allow.

    The estimate times its degrees of freedom is taken to be the dispersion times a chi-squared
    variable.
    """
    dispersion = fit.response_dispersion
    known = fit.family.distribution(dispersion)
    if fit.dispersion_known or known.lattice is not None:
        return [Component(1.0, 1.0, known)]
    df = fit.df_resid
    nodes, masses = _hermite(next(count for bound, count in DISPERSION_NODES if df >= bound))
    below, above = scipy.special.ndtr(nodes), scipy.special.ndtr(-nodes)
    chi_squared = 2.0 * np.where(
        nodes < 0.0,
        scipy.special.gammaincinv(0.5 * df, below),
        scipy.special.gammainccinv(0.5 * df, above),
    )
    return [
        Component(mass, np.sqrt(ratio), fit.family.distribution(dispersion * ratio))
        for mass, ratio in zip(masses, df / chi_squared, strict=True)
    ]


def _hermite(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of a standard normal variable, and probabilities, of Gauss-Hermite quadrature."""
    nodes, masses = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, masses / masses.sum()


class Mixture:
    """Distribution of responses averaged over normal linear predictors, row by row."""

    def __init__(
        self,
        components: Sequence[Component],
        inverse_link: Callable[[np.ndarray], np.ndarray],
        weights: np.ndarray,
        eta: np.ndarray,
        error: np.ndarray,
        mean: np.ndarray,
        error_of_mean: np.ndarray,
        deviation: np.ndarray,
    ):
        with np.errstate(invalid="ignore", divide="ignore"):
            largest = np.nanmax(error_of_mean / deviation, initial=0.0)
        n_nodes = next(count for bound, count in NODES if largest <= bound)
        nodes, masses = _hermite(n_nodes)
        self.components, self.weights = components, weights
        self.masses = masses[:, None]
        # Errors of linear predictors grow with the root of the dispersion.
        self.means = [inverse_link(eta + nodes[:, None] * (c.root * error)) for c in components]
        self.center, self.spread = mean, np.hypot(deviation, error_of_mean)

    def lower_tail(self, y: np.ndarray) -> np.ndarray:
        """P(Y <= y); linear predictors without a mean are left out of the average."""
        lower = sum(
            component.mass * component.distribution.lower(y, means, self.weights)
            for component, means in zip(self.components, self.means, strict=True)
        )
        present = ~np.isnan(lower)
        if present.all():
            return np.sum(lower * self.masses, axis=0)
        total = np.sum(np.where(present, lower, 0.0) * self.masses, axis=0)
        return total / np.sum(present * self.masses, axis=0)

    def quantile(self, probability: float) -> np.ndarray:
        """The smallest response whose lower tail reaches the probability."""
        distribution = self.components[0].distribution
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            if distribution.lattice is not None:
                unit = distribution.lattice(self.weights)
                guess = (self.center + self.spread * scipy.special.ndtri(probability)) / unit
                return unit * lattice_quantile(
                    lambda k: self.lower_tail(k * unit), np.maximum(guess, 0.0), probability
                )
            middle = len(self.components) // 2
            outer = self.means[middle][[0, -1]]
            means = self.means[middle] if np.isnan(outer).any() else outer
            ends = self.components[middle].distribution.quantile(probability, means, self.weights)
            return self._illinois(*self._bracket(ends, probability), probability)

    def _bracket(
        self, ends: np.ndarray, probability: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """An interval about the quantile, from some values near it, and what its ends miss."""
        low, high = np.fmin.reduce(ends), np.fmax.reduce(ends)
        f_low, f_high = self.lower_tail(low) - probability, self.lower_tail(high) - probability
        lowest = self.components[0].distribution.lowest
        for _ in range(DOUBLINGS):
            above, below = (f_low > 0.0) & (low > lowest), f_high < 0.0
            if not (above.any() or below.any()):
                break
            width = np.maximum(high - low, 0.1 * self.spread)
            further = np.maximum(low - width, 0.5 * (low + lowest))
            low, high = np.where(above, further, low), np.where(below, high + width, high)
            f_low, f_high = self.lower_tail(low) - probability, self.lower_tail(high) - probability
        return low, high, f_low, f_high

    def _illinois(
        self,
        low: np.ndarray,
        high: np.ndarray,
        f_low: np.ndarray,
        f_high: np.ndarray,
        probability: float,
    ) -> np.ndarray:
        """Safeguarded false position; Dowell & Jarratt (1971), *BIT* 11."""
        middle = high
        for _ in range(ILLINOIS_STEPS):
            middle = high - f_high * (high - low) / (f_high - f_low)
            middle = np.where(np.isfinite(middle), middle, 0.5 * (low + high))
            f_middle = self.lower_tail(middle) - probability
            same = f_middle * f_high > 0.0
            low, f_low = np.where(same, low, high), np.where(same, 0.5 * f_low, f_high)
            moved = np.abs(high - middle)
            high, f_high = middle, f_middle
            if not (moved > QUANTILE_TOLERANCE * np.abs(middle)).any():
                break
        # Without a distribution at any node, such as at a negative mean, there is no quantile.
        return np.where(np.isnan(f_high), np.nan, middle)
