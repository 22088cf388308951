"""Some of the rows of a design."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastglm.design.parts import Coded, Dense, Design, Ones, Part, Product, Sparse

__all__ = ["take_rows"]


def take_rows(design: Design, rows: np.ndarray) -> Design:
    """The design of some rows, copied.

    Parameters
    ----------
    design
        Of n rows.
    rows : ndarray
        (n,) bool mask, or row numbers in any order, repeated or not.
    """
    n = int(rows.sum()) if rows.dtype == bool else rows.size
    return replace(design, parts=tuple(_take(part, rows, n) for part in design.parts), n_rows=n)


def _take(part: Part, rows: np.ndarray, n: int) -> Part:
    if isinstance(part, Dense):
        return Dense(part.values[rows])
    if isinstance(part, Product):
        return Product(tuple(f[rows] for f in part.factors))
    if isinstance(part, Coded):
        codes = tuple(c[rows] for c in part.codes)
        return Coded(codes, part.levels, tuple(f[rows] for f in part.factors))
    if isinstance(part, Sparse):
        return Sparse(part.matrix.tocsr()[rows])
    return Ones(n)
