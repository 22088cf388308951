"""Some of the rows of a design, and of the frame it was read from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.frames.frames import Column, Frame
from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError

__all__ = ["frame_column", "take_rows"]


def frame_column(frame: Any, rows: np.ndarray | None, name: str) -> Column:
    """A column of the data frame a model was given, for the rows of its fit.

    Parameters
    ----------
    frame
        None if the model was given as arrays.
    rows : ndarray of bool, or None
        Which rows of the frame are those of the fit; None for all.
    name
        Of the column.

    Raises
    ------
    ColumnNotFoundError
        If the frame has no such column.
    ModelError
        If there is no frame.
    """
    if frame is None:
        raise ModelError(
            "the model was given as arrays, which have no columns by name: this needs a model "
            "from a formula and a data frame."
        )
    column = Frame(frame).column(name)
    if rows is None:
        return column
    return column[rows] if isinstance(column, np.ndarray) else column.take(rows)


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
    return replace(design, parts=tuple(part.take(rows, n) for part in design.parts), n_rows=n)
