"""Designs of more columns than rows: which columns a fit needs."""

from __future__ import annotations

import numpy as np

from fastglm.design.matrix.parts import Design

__all__ = ["independent_columns"]

#: A column whose length falls to this share of itself beside those before it is their combination.
DEPENDENT = 1e-10


def independent_columns(design: Design, weights: np.ndarray | None) -> np.ndarray:
    """Numbers of the columns that a fit is to have, by R's rule that the later of a set goes.

    Parameters
    ----------
    design : Design
        Of n rows and p columns.
    weights : ndarray, shape (n,), or None
        A row of weight 0 counts as absent.

    Returns
    -------
    ndarray of int
        All p where there are at least as many rows; the solver finds their combinations itself.
        Else, by Gram and Schmidt, the first that are no combinations of those before them.
    """
    present = np.ones(design.n_rows, bool) if weights is None else weights > 0.0
    n, p = int(present.sum()), design.n_columns
    if p <= n:
        return np.arange(p)
    columns = design.to_dense()[present]
    basis, kept = np.empty((n, 0)), []
    for j, column in enumerate(columns.T):
        length, rest = np.linalg.norm(column), column
        for _ in range(2):  # what rounding leaves of the first time goes with the second
            rest = rest - basis @ (basis.T @ rest)
        left = np.linalg.norm(rest)
        if left > DEPENDENT * length:
            basis = np.column_stack([basis, rest / left])
            kept.append(j)
        if len(kept) == n:
            break
    return np.array(kept)
