"""What the criterion of a generalized mixed model is a function of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Parameters"]


@dataclass(frozen=True)
class Parameters:
    """What the criterion is a function of.

    Attributes
    ----------
    beta : ndarray, shape (p,)
        Of standardised columns.
    theta : ndarray, shape (m,)
    log_extra : float
        Logarithm of the dispersion, or of the family's parameter; 0 where there is neither.
    """

    beta: np.ndarray
    theta: np.ndarray
    log_extra: float = 0.0
