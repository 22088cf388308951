"""The parameters of a fit with several predictors, the same for samples and all rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastglm.passes.several_predictors import PredictorMaps
from fastglm.responses.record import PredictorBlock
from fastglm.solve.rank_and_scaling import Columns

__all__ = ["ParameterSpace"]


@dataclass(frozen=True, eq=False)
class ParameterSpace:
    """Which coefficients there are, and what they are coefficients of.

    Attributes
    ----------
    blocks : sequence of PredictorBlock
        By linear predictor.
    column_info : sequence of Columns
        Rank, shifts and scales of the columns of every design.
    kept : ndarray of bool, shape (m,)
        Which of the m coefficients stay in the model.
    back : ndarray, shape (kept, kept)
        From coefficients of standardised columns to coefficients.
    maps : PredictorMaps
        Of those kept.
    """

    blocks: Sequence[PredictorBlock]
    column_info: Sequence[Columns]
    kept: np.ndarray
    from_standardized: np.ndarray
    maps: PredictorMaps
