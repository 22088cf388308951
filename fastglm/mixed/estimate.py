"""From rows to the estimates of a linear mixed model, singular fits included."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from fastglm.errors import DataError
from fastglm.mixed.algebra import Columns, Factor, Products
from fastglm.mixed.boundary import hold_at_boundary
from fastglm.mixed.layout import Layout
from fastglm.mixed.linear import LinearProblem, LinearState, products_by_block
from fastglm.mixed.optimum import Minimum, minimise
from fastglm.mixed.rows import MixedRows
from fastglm.mixed.scaling import FixedColumns

__all__ = ["LinearEstimate", "estimate_linear", "log_weights", "weights_and_response"]

#: Residual sum of squares, as a share of that of the response, below which the tables are made
#: anew of what the coefficients leave: rounding of the larger would be seen.
CANCELS = 1e-4
MOST_PASSES = 3
#: Quasi-Newton steps go on until one Hessian will do: an evaluation is cheaper than one.
PRECISE: Any = {"near": 2e-13, "rounding": 1e-16}
#: Standard deviation of effects over that of residuals from which a search without end has none.
LARGEST_RATIO = 1e4


@dataclass(frozen=True, eq=False)
class LinearEstimate:
    """A fitted linear mixed model, in standardised columns.

    Attributes
    ----------
    layout : Layout
    fixed : FixedColumns
    state : LinearState
        At the estimates.
    base : ndarray, shape (p,)
        What the response of the tables has been relieved of; beta is this and the state's.
    held : ndarray of bool, shape (m,)
        Which of theta lie on the boundary.
    hessian : ndarray, shape (m, m)
        Of the profiled criterion in theta; NaN where held.
    slope : ndarray, shape (free parameters,)
        Derivatives of the criterion in theta that is not held.
    n_evaluations, n_iter : int
    converged : bool
    """

    layout: Layout
    fixed: FixedColumns
    state: LinearState
    base: np.ndarray
    held: np.ndarray
    hessian: np.ndarray
    slope: np.ndarray
    n_evaluations: int
    n_iter: int
    converged: bool

    @property
    def theta(self) -> np.ndarray:
        """Parameters of the covariances, (m,)."""
        return self.state.theta

    @property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return float(np.sqrt(self.state.sigma2))

    @property
    def value(self) -> float:
        """-2 log-likelihood, or the REML criterion."""
        return self.state.value

    @property
    def beta(self) -> np.ndarray:
        """Coefficients of standardised columns, (p,)."""
        return self.base + self.state.beta

    @property
    def covariance(self) -> np.ndarray:
        """Of `beta`, (p, p)."""
        return self.state.sigma2 * self.state.information_inverse

    @property
    def factor(self) -> Factor:
        """H at the estimates."""
        return self.state.factor

    @property
    def modes(self) -> tuple[np.ndarray, np.ndarray]:
        """Conditional means of the effects, (q, k) and (R,)."""
        return self.state.modes

    @cached_property
    def parameter_covariance(self) -> np.ndarray:
        """Of (theta, sigma), (m + 1, m + 1): twice the inverse Hessian of the deviance.

        NaN for what lies on the boundary.
        """
        state, m = self.state, self.theta.size
        sigma = self.sigma
        contrast = np.outer(state.contrast, state.contrast)
        of_sum = -2.0 * self.layout.chain(
            self.theta,
            products_by_block(self.layout, state.column_residuals, state.effects, contrast),
        )
        mixed = -2.0 * of_sum / sigma**3
        own = 4.0 * state.df / sigma**2
        full = np.empty((m + 1, m + 1))
        full[:m, :m] = self.hessian + np.outer(mixed, mixed) / own
        full[m, :m] = full[:m, m] = mixed
        full[m, m] = own
        free = np.append(~self.held, True)
        covariance = np.full((m + 1, m + 1), np.nan)
        covariance[np.ix_(free, free)] = 2.0 * np.linalg.inv(full[np.ix_(free, free)])
        return covariance


def estimate_linear(
    rows: MixedRows, reml: bool, start: np.ndarray | None, max_iter: int, n_threads: int
) -> LinearEstimate:
    """Fit by maximum likelihood or REML."""
    layout = Layout(rows.blocks)
    fixed = FixedColumns.of(rows.fixed.design, rows.fixed.prior_weights, n_threads)
    weight, y = weights_and_response(rows)
    products = Products(layout, weight[layout.order], n_threads)
    base = np.zeros(fixed.p)
    if fixed.constant is not None:
        base[fixed.constant] = float(weight @ y / weight.sum())
    theta = layout.start_theta() if start is None else start
    for attempt in range(MOST_PASSES):
        columns = Columns(layout, fixed, weight, y - fixed.predict(base))
        problem = LinearProblem(
            layout, products, columns, rows.nobs, log_weights(rows), fixed.log_scale, reml
        )
        found = minimise(problem.criterion, theta, max_iter=max_iter, **PRECISE)
        _require_residuals(found, y)
        state = problem.at(found.x)
        if state.residual_sum > CANCELS * columns.gram[-1, -1] or attempt == MOST_PASSES - 1:
            break
        base, theta = base + state.beta, found.x
    return _at_boundary(layout, fixed, problem, base, found)


def _require_residuals(found: Minimum, y: np.ndarray) -> None:
    """Refuse a response that is constant, or that the model fits to the last digit."""
    if (y == y[0]).all():
        raise DataError(f"the response is {y[0]:g} in every row: there is nothing to explain.")
    if not found.converged and np.abs(found.x).max() > LARGEST_RATIO:
        raise DataError(
            "the fixed columns and random effects fit the response exactly: the residual variance "
            "would be zero, where the likelihood has no bound. Leave out the column or factor that "
            "the response was made of."
        )


def weights_and_response(rows: MixedRows) -> tuple[np.ndarray, np.ndarray]:
    """Prior weights and the response less its offset, (n,) each, in the order of the data."""
    given = rows.fixed
    y = given.response.astype(np.float64)
    weight = np.ones(y.size) if given.prior_weights is None else given.prior_weights
    return weight, y if given.offset is None else y - given.offset


def log_weights(rows: MixedRows) -> float:
    """Sum of the logarithms of the weights that divide variances, over observations."""
    given = rows.fixed
    if given.variance_weights is None:
        return 0.0
    weights = given.variance_weights
    present = weights > 0.0
    counts = 1.0 if given.frequencies is None else given.frequencies[present]
    return float(np.sum(counts * np.log(weights[present])))


def _at_boundary(layout, fixed, problem, base, found) -> LinearEstimate:  # type: ignore[no-untyped-def]
    """The estimate in canonical form; what lies on the boundary is held there."""
    for _ in range(MOST_PASSES):
        theta, held, is_minimum = hold_at_boundary(layout, found.x, found.value, problem.criterion)
        if is_minimum:
            break
        found = minimise(problem.criterion, theta, **PRECISE)
    free, m = ~held, theta.size
    n_evaluations, n_iter, converged = found.n_evaluations, found.n_iter, found.converged
    hessian = np.full((m, m), np.nan)
    gradient = np.zeros(0)

    def partial(values: np.ndarray) -> tuple[float, np.ndarray]:
        full = theta.copy()
        full[free] = values
        value, slope = problem.criterion(full)
        return value, slope[free]

    if held.any() and free.any():
        again = minimise(partial, theta[free], found.hessian[np.ix_(free, free)], **PRECISE)
        theta[free] = again.x
        n_evaluations, converged = n_evaluations + again.n_evaluations, again.converged
        hessian[np.ix_(free, free)], gradient = again.hessian, again.gradient
    elif free.any():
        # Signs made canonical turn those of the Hessian as well.
        sign = np.where(theta * found.x < 0.0, -1.0, 1.0)
        hessian, gradient = found.hessian * np.outer(sign, sign), found.gradient
    else:
        converged = True
    return LinearEstimate(
        layout=layout, fixed=fixed, state=problem.at(theta), base=base, held=held,
        hessian=hessian, slope=gradient,
        n_evaluations=n_evaluations, n_iter=n_iter, converged=bool(converged),
    )  # fmt: skip
