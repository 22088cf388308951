"""Counts whose likelihood is highest where a parameter is 0: no extra zeros, or no alpha.

There the derivative in the parameter itself, not in its logarithm or log odds, is not positive. The
fit is that of the model without it, and the coefficient is -inf.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import special

from fastglm.errors import Status
from fastglm.solve.several_predictors import PredictorSolution

__all__ = [
    "LOG_SMALL_EXCESS",
    "NO_ALPHA",
    "NO_INFLATION",
    "SMALL_LOG_ODDS",
    "alpha_slope",
    "alpha_slope_of_hurdle",
    "alpha_slope_of_zero_inflated",
    "inflation_slope",
    "no_alpha_in",
    "no_inflation_in",
    "without_parameter",
]

#: Logarithm of a variance over a Poisson one, less 1, that may be on its way to zero.
LOG_SMALL_EXCESS = -7.0
#: Log odds of extra zeros that may be on their way to minus infinity.
SMALL_LOG_ODDS = -6.0
#: Sentences on counts without alpha, and without extra zeros.
NO_ALPHA = (
    "The counts vary no more than Poisson counts would: alpha is 0, on the boundary, and the fit "
    "is that of the Poisson family."
)
NO_INFLATION = (
    "There are no more zeros than the counts themselves have: the probability of an extra zero is "
    "0, on the boundary, and the fit is that of the counts alone."
)
#: By how much of the log-likelihood the fit on the boundary may be below another: with an alpha of
#: 1e-9, differences of log gamma functions have lost that many digits.
SAME = 1e-5


def no_alpha_in(n_rows: int) -> str:
    """Sentence on a fit whose alpha goes to 0 in some rows."""
    return (
        f"In {rows_counted(n_rows)} the counts vary no more than Poisson counts would: alpha is 0 "
        "there, on the boundary, and estimates of its part are infinite."
    )


def no_inflation_in(n_rows: int) -> str:
    """Sentence on a fit whose probability of an extra zero goes to 0 in some rows."""
    return (
        f"In {rows_counted(n_rows)} there are no more zeros than the counts themselves have: the "
        "probability of an extra zero is 0 there, on the boundary, and estimates of its part are "
        "infinite."
    )


def rows_counted(n_rows: int) -> str:
    """A number of rows in words."""
    return "1 row" if n_rows == 1 else f"{n_rows} rows"


def without_parameter(
    solution: PredictorSolution, reduced: PredictorSolution, position: int, slope: float, text: str
) -> PredictorSolution | None:
    """The fit without a parameter, where that is the maximum; None where it is not.

    Parameters
    ----------
    solution
        With the parameter, wherever its fit ended.
    reduced
        Of the model without it.
    position
        Its place among the coefficients.
    slope
        Derivative of the log-likelihood in the parameter, at 0 and at `reduced`.
    text
        The sentence on it.
    """
    reached = reduced.status in (Status.CONVERGED, Status.BOUNDARY)
    lowest = solution.log_likelihood - SAME * (1.0 + abs(solution.log_likelihood))
    # NaN, of means without bound, is no maximum either.
    if not (reached and slope <= 0.0 and reduced.log_likelihood >= lowest):
        return None
    m = reduced.params.size + 1
    others = np.delete(np.arange(m), position)
    params, covariance = np.full(m, -np.inf), np.full((m, m), np.nan)
    params[others] = reduced.params
    covariance[np.ix_(others, others)] = reduced.covariance
    return replace(
        reduced,
        params=params,
        covariance=covariance,
        n_iter=solution.n_iter + reduced.n_iter,
        n_sweeps=solution.n_sweeps + reduced.n_sweeps,
        status=Status.BOUNDARY,
        boundary=" ".join(filter(None, (text, reduced.boundary))),
    )


def inflation_slope(response: np.ndarray, log_zero: np.ndarray) -> np.ndarray:
    """Derivative of each row's log-likelihood in its probability of an extra zero, at 0, (n,).

    Parameters
    ----------
    response
        (n,) counts.
    log_zero
        (n,) logarithms of the count distribution's probability of zero.
    """
    with np.errstate(over="ignore"):
        return np.where(response == 0.0, np.expm1(-log_zero), -1.0)


def alpha_slope(response: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Derivative of each count's log-likelihood in alpha, at 0, (n,)."""
    return 0.5 * ((response - mean) ** 2 - response)


def alpha_slope_of_zero_inflated(response: np.ndarray, etas: np.ndarray) -> np.ndarray:
    """Derivative of each row's log-likelihood in alpha, at 0, (n,).

    Parameters
    ----------
    response
        (n,) counts.
    etas
        (2, n) linear predictors of the count and of extra zeros.
    """
    mean = np.exp(etas[0])
    # Probability that a zero is one of the counts.
    own = np.where(response == 0.0, special.expit(-etas[1] - mean), 1.0)
    return own * alpha_slope(response, mean)


def alpha_slope_of_hurdle(response: np.ndarray, etas: np.ndarray) -> np.ndarray:
    """Derivative of each row's log-likelihood in alpha, at 0, (n,); arguments as above."""
    mean = np.exp(etas[0])
    # A zero that is never drawn cuts nothing off: infinite where the mean is large.
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        cut = 0.5 * mean**2 / np.expm1(mean)
    return np.where(response > 0.0, alpha_slope(response, mean) + cut, 0.0)
