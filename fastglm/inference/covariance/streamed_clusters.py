"""Sums of scores over clusters of rows that are read a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError, ModelError
from fastglm.passes.products import streamed_group_scores
from fastglm.solve.conditioning import may_use_cholesky
from fastglm.solve.orthogonal_rows import ScoreProducts

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.rows.streamed import StreamedModelRows

__all__ = ["streamed_clusters"]


def streamed_clusters(fit: Fit, rows: StreamedModelRows, groups: Any) -> tuple[np.ndarray, int]:
    """Products of the clusters' scores in orthogonal coordinates, (p, p), and their number.

    One pass finds the groups, in the order of their values, and one sums up.

    Raises
    ------
    ModelError
        Unless `groups` is the name of a column, or if there are too many for the memory.
    DataError
        If a row has no group, or there is only one.
    """
    if not isinstance(groups, str):
        raise ModelError(
            'covariance "cluster" of streamed rows needs cov_kwds={"groups": ...}, the name of a '
            "column; for several ways of grouping fit the rows in memory."
        )
    source, n_groups = rows.grouped_source(groups, fit.n_threads)
    if n_groups < 2:
        raise DataError("groups holds only one group; a covariance needs two or more.")
    products = streamed_group_scores(
        source,
        fit.family,
        fit.estimates,
        n_groups,
        shifted=fit.has_intercept,
        n_threads=fit.n_threads,
    )
    found = ScoreProducts.from_sums(products, fit.inverse_information_factor, fit.centering)
    if not may_use_cholesky(found.inflation):
        raise DataError(
            "sums over streamed rows have lost the digits that this covariance needs: centre the "
            "columns, or fit the rows in memory."
        )
    return found.meat, n_groups
