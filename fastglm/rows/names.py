"""What numbers of the rows of a source are labelled by."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.design.frames.labels import row_labels
from fastglm.sources.base import Source

__all__ = ["names_of_rows"]


def names_of_rows(source: Source, kept: np.ndarray | None) -> dict[str, Any]:
    """The fields ``index`` and ``named_by`` of `ModelRows`.

    Parameters
    ----------
    source : Source
    kept : ndarray of bool, shape (rows of the source,), or None
        The rows of the model; None for all.
    """
    labels = row_labels(source.given)
    if labels is not None and not hasattr(labels, "dtype"):
        return {"index": None, "named_by": labels}
    if labels is None:
        import pandas as pd

        labels = pd.RangeIndex(source.n_rows)
    return {"index": labels if kept is None or kept.all() else labels[kept], "named_by": None}
