"""Logarithms of probabilities of counts, of one alpha for each row."""

from __future__ import annotations

import numpy as np

__all__ = ["log_count_density"]


def log_count_density(y: np.ndarray, mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Of negative binomial counts of variance mean + alpha mean^2, of Poisson where alpha is 0.

    Parameters
    ----------
    y, mean, alpha : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        -inf where y is no count.
    """
    from fastglm import expfam

    found = np.asarray(expfam.Poisson(mean).log_prob(y))
    used = np.flatnonzero(alpha > 0.0)
    if used.size:
        size = 1.0 / alpha[used]
        # The probability of a failure goes to 0 with alpha: its logarithm keeps the digits.
        eta = -np.log1p(size / mean[used])
        counts = expfam.NegativeBinomial.from_natural_parameter(eta[:, None], size=size)
        found[used] = counts.log_prob(y[used])
    return found
