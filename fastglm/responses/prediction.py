"""New rows of models with several predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.arrays import design_from_array
from fastglm.design.frames import is_frame
from fastglm.design.layout import lay_out
from fastglm.design.parts import Design
from fastglm.errors import DataError
from fastglm.families import Gaussian
from fastglm.kernels.planes import LINEAR_PREDICTOR
from fastglm.responses.rows import constant_design
from fastglm.solve.rows import evaluate_rows
from fastglm.vectors import vector

if TYPE_CHECKING:
    from fastglm.responses.results import ResponseResults

__all__ = ["NewDesigns", "linear_predictor", "new_designs"]


@dataclass(frozen=True, eq=False)
class NewDesigns:
    """New rows brought to the columns of every design.

    Attributes
    ----------
    designs : tuple of Design
    nan_rows : ndarray of bool, shape (n,), or None
        Rows whose prediction is NaN.
    offset : ndarray, shape (n,), or None
    index : pandas.Index or None
    """

    designs: tuple[Design, ...]
    nan_rows: np.ndarray | None
    offset: np.ndarray | None
    index: Any

    def label(self, values: np.ndarray, columns: Sequence[str]) -> Any:
        """(n,) values as they are, (k, n) as (n, k); labelled if pandas objects came in."""
        if self.nan_rows is not None:
            values[..., self.nan_rows] = np.nan
        if self.index is None:
            return values.T
        import pandas as pd

        if values.ndim == 1:
            return pd.Series(values, index=self.index)
        return pd.DataFrame(values.T, index=self.index, columns=list(columns))


def linear_predictor(design: Design, params: np.ndarray, n_threads: int) -> np.ndarray:
    """X params, (n,); NaN parameters, of aliased columns, count as zero."""
    (values,) = evaluate_rows(
        lay_out(design), Gaussian(), params, (LINEAR_PREDICTOR,), n_threads=n_threads
    )
    return values


def new_designs(results: ResponseResults, exog: Any, others: dict[str, Any]) -> NewDesigns:
    """Bring new rows to the model's columns; arguments as for `ResponseResults.predict`.

    Raises
    ------
    DataError
        If columns are missing or cannot be used.
    """
    others = dict(others)
    offset, unseen = others.pop("offset", None), others.pop("unseen", "raise")
    if results.has_offset and offset is None and not _is_offset_in_formula(results):
        raise DataError("the model was fitted with offset=: predict needs offset= too.")
    names = ("exog", *results.settings.get("exogs", ()))
    unknown = set(others) - set(names)
    if unknown:
        raise DataError(f"predict does not know {', '.join(sorted(unknown))}.")
    given = {"exog": exog} | others
    designs: list[Design | None] = []
    masks: list[np.ndarray] = []
    total = None
    for k, recipe in enumerate(results.recipes):
        values = given.get(names[k]) if k < len(names) else None
        if recipe is None:
            designs.append(
                _from_array(values, names[k], results.n_columns[k]) if k < len(names) else None
            )
            continue
        values = exog if values is None else values
        if not is_frame(values):
            raise DataError(
                "the model was fitted to a data frame: predict needs a frame with its columns "
                f"too, not {type(values).__name__}."
            )
        built = recipe.apply(values, unseen=unseen, missing="nan")
        designs.append(built.design)
        if built.nan_rows is not None:
            masks.append(built.nan_rows)
        total = built.offset if total is None else total
    n = next(design.n_rows for design in designs if design is not None)
    if offset is not None:
        extra = vector(offset, "offset", n).astype(np.float64)
        total = extra if total is None else total + extra
    index = getattr(exog, "index", None)
    return NewDesigns(
        tuple(constant_design(n) if design is None else design for design in designs),
        np.logical_or.reduce(masks) if masks else None,
        total,
        index if hasattr(index, "dtype") else None,
    )


def _is_offset_in_formula(results: ResponseResults) -> bool:
    recipe = results.recipes[0]
    return recipe is not None and bool(recipe.offsets)


def _from_array(values: Any, name: str, n_columns: int) -> Design | None:
    """The design of an array; None for a design that was a constant."""
    if values is None:
        return None
    design = design_from_array(values)
    if design.n_columns != n_columns:
        raise DataError(f"{name} has {design.n_columns} columns, but the model has {n_columns}.")
    return design
