"""Some of the rows of a frame, chosen before anything else is read: R's and statsmodels' subset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import Frame
from fastglm.design.frames.output import take_rows_of
from fastglm.errors import DataError, ModelError
from fastglm.rows.vectors import require_same_index, require_same_rows

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RowsChosen", "chosen_rows", "conditions_of"]


class Conditions(tuple[Any, ...]):
    """Conditions by which rows were chosen, each among those that the ones before had left."""

    __slots__ = ()


class RowsChosen:
    """Mixin of models of a formula, whose rows may have been chosen by conditions."""

    chosen_by: Conditions = Conditions()

    def _with_formula(
        self, formula: str, known: Any, data: Any, *arguments: Any, **options: Any
    ) -> Self:
        """The model of another formula: of the rows it has, or of data in which it chooses anew.

        Raises
        ------
        ModelError
            If the choice was truth values of rows, which other data do not have.
        """
        reader: Any = type(self)
        if data is None:
            model: Self = reader.from_formula(formula, known, *arguments, **options)
            model.chosen_by = Conditions((*self.chosen_by, *model.chosen_by))
            return model
        if "subset" not in options:
            if not all(isinstance(condition, str) for condition in self.chosen_by):
                raise ModelError(
                    "the rows were chosen by truth values, which other data do not have: give "
                    "subset= for these, or subset=None for all rows."
                )
            options["subset"] = self.chosen_by
        again: Self = reader.from_formula(formula, data, *arguments, **options)
        return again


def conditions_of(subset: Any) -> Conditions:
    """The conditions of an argument."""
    if isinstance(subset, Conditions):
        return subset
    return Conditions(() if subset is None else (subset,))


def chosen_rows(data: Any, columns: Mapping[str, Any], subset: Any) -> tuple[Any, dict[str, Any]]:
    """The frame and the arrays beside it, of the rows that a condition is true for.

    Parameters
    ----------
    data : data frame
    columns : mapping
        Arguments of the model: of arrays with one value a row, the same rows; the rest as it is.
    subset : str or array_like of bool, shape (n,)
        A condition on columns of the frame in the grammar of formulas, or the truth of it. Rows in
        which one of its columns is missing are left out, as in R. None is all rows.

    Raises
    ------
    FormulaError, ColumnNotFoundError
        If the condition cannot be read.
    DataError
        If it is not one truth value a row, or holds for no row.
    """
    found = dict(columns)
    for condition in conditions_of(subset):
        data, found = _chosen(data, found, condition)
    return data, found


def _chosen(data: Any, columns: Mapping[str, Any], subset: Any) -> tuple[Any, dict[str, Any]]:
    require_same_rows((data,), columns, "the data")
    frame = Frame(data)
    if isinstance(subset, str):
        mask = _where(frame, subset)
    else:
        require_same_index(data, subset, "the data", "subset")
        mask = np.asarray(subset)
    if mask.dtype.kind != "b" or mask.shape != (frame.n_rows,):
        raise DataError(
            f"subset must be a condition, such as 'x > 0', or {frame.n_rows} truth values, one for "
            "each row of the data."
        )
    if not mask.any():
        raise DataError("subset leaves no row of the data.")
    return take_rows_of(data, mask), {k: _taken(v, mask) for k, v in columns.items()}


def _where(frame: Frame, condition: str) -> np.ndarray:
    expression = Expression.parse(condition)
    table, kept, _ = read_table(frame, [expression], None).complete("drop")
    mask = np.zeros(frame.n_rows, dtype=bool)
    found = expression.evaluate(table.columns, {})
    if not isinstance(found, np.ndarray) or found.dtype.kind != "b":
        raise DataError(
            f"subset={condition!r} is not true or false: write a comparison, such as 'x > 0', and "
            "join several by & and |, each in parentheses."
        )
    mask[slice(None) if kept is None else kept] = found
    return mask


def _taken(value: Any, mask: np.ndarray) -> Any:
    if value is None or np.ndim(value) == 0 or len(value) != mask.size:
        return value
    return value[mask] if hasattr(value, "iloc") else np.asarray(value)[mask]
