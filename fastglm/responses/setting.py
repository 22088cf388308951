"""What samples and all rows of a fit with several predictors have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastglm.passes.several_predictors import PredictorMaps
from fastglm.responses.record import Block
from fastglm.solve.collinear_columns import Columns

__all__ = ["Setting"]


@dataclass(frozen=True, eq=False)
class Setting:
    """Which coefficients there are, and what they are coefficients of.

    Attributes
    ----------
    blocks : sequence of Block
        By linear predictor.
    found : sequence of Columns
        What there is to know of the columns of every design.
    kept : ndarray of bool, shape (m,)
        Which of the m coefficients stay in the model.
    back : ndarray, shape (kept, kept)
        From coefficients of standardised columns to coefficients.
    maps : PredictorMaps
        Of those kept.
    """

    blocks: Sequence[Block]
    found: Sequence[Columns]
    kept: np.ndarray
    back: np.ndarray
    maps: PredictorMaps
