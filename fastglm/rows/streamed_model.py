"""A model whose rows are read piece by piece, and how the rows of a piece are made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.response import evaluate_response
from fastglm.design.formula.table import Table
from fastglm.design.frames.categories import Categories, Level, recode
from fastglm.design.matrix.parts import Dense, Design, Indicators
from fastglm.design.matrix.select import join_designs, select_columns
from fastglm.errors import DataError
from fastglm.families import Family
from fastglm.rows.assemble import assembled
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import rule_of
from fastglm.rows.vectors import product

__all__ = [
    "LeftOut",
    "StreamedModel",
    "coded_response",
    "level_codes",
    "rows_of_piece",
    "with_columns",
]


class LeftOut(NamedTuple):
    """Levels whose rows are left out of a fit, and the remaining columns.

    Attributes
    ----------
    places : tuple of tuple of int
        For each level the number of the part of the design, and the level's number in it.
    columns : ndarray of int
        Numbers of the remaining design columns.
    """

    places: tuple[tuple[int, int], ...]
    columns: np.ndarray

    def counts(self, design: Design) -> np.ndarray:
        """Mask of the rows of a design with none of the levels, (n,) bool."""
        left = np.ones(design.n_rows, dtype=bool)
        for part in {part for part, _ in self.places}:
            levels = [level for other, level in self.places if other == part]
            left &= ~np.isin(level_codes(design, part), levels)
        return left


def level_codes(design: Design, number: int) -> np.ndarray:
    """Level of each row in a part of a design that consists of indicators, (n,)."""
    part = design.parts[number]
    assert isinstance(part, Indicators)
    return part.combined_codes(slice(None))


@dataclass(frozen=True, eq=False)
class StreamedModel:
    """A model whose rows are read piece by piece, with the formula learned from all of them.

    Attributes
    ----------
    family : Family
    fitted_formula : FittedFormula
    response : Expression
    response_levels : tuple of levels, or None
        Levels of a response of text, categories or truth values.
    columns : dict of str to str, number or None
        Offset, exposure and weights by argument: the name of a column, or a number for all rows.
    missing : {"raise", "drop"}
    also : tuple of Expression
        Further expressions without which a row counts as incomplete.
    left_out : LeftOut, optional
        Rows and columns that are left out of the model.
    column_map : tuple of ndarray, optional
        Map from stored to design columns that replaces the formula's: of other reference levels.
    added : callable, optional
        Returns further columns, (n, k), from rows of the model and the values of the piece.
    """

    family: Family
    fitted_formula: FittedFormula
    response: Expression
    response_levels: tuple[Level, ...] | None
    columns: Mapping[str, Any]
    missing: str
    also: tuple[Expression, ...] = ()
    left_out: LeftOut | None = None
    column_map: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    added: Callable[[ModelRows, Table], np.ndarray] | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All expressions that are evaluated on a piece of rows."""
        return (
            self.response,
            *self.fitted_formula.factors,
            *self.fitted_formula.offsets,
            *self.also,
        )

    def rows(self, piece: Table, present: np.ndarray | None, design: Design) -> ModelRows:
        """Some rows of the model.

        Parameters
        ----------
        piece : Table
            Values of n rows, none missing.
        present : ndarray of bool, shape (n,), or None
            Mask of the rows that count; the others repeat one that does. None for all.
        design : Design
            Design of these rows, with all columns.
        """
        if self.column_map is not None:
            design = replace(design, column_map=self.column_map)
        if self.left_out is not None:
            counts = self.left_out.counts(design)
            present = counts if present is None else present & counts
        rows = rows_of_piece(
            self.family,
            design,
            coded_response(self.response, self.response_levels, piece, self.family),
            self.columns,
            piece,
            self.fitted_formula.offset(piece),
            present,
        )
        if self.added is not None:
            rows = rows.with_design(with_columns(rows.design, self.added(rows, piece)))
        if self.left_out is not None:
            rows = rows.with_design(select_columns(rows.design, self.left_out.columns))
        return rows


def with_columns(design: Design, columns: np.ndarray) -> Design:
    """A design and further columns, (n, k), which are one term."""
    n, k = columns.shape
    names = tuple(f"added {j}" for j in range(k))
    added = Design((Dense(columns),), n, names, None, None, (("added", slice(0, k)),))
    return join_designs(design, added)


def coded_response(
    response: Expression, levels: tuple[Level, ...] | None, piece: Table, family: Family
) -> np.ndarray:
    """The response of some rows as numbers, (n,) or (n, 2).

    A response of text or categories has two `levels`, coded 0 and 1.
    """
    value = None if levels is None else response.evaluate(piece.columns, {})
    if not isinstance(value, Categories):
        return evaluate_response(response, piece.columns, rule_of(family))[0]
    place = {level: k for k, level in enumerate(levels or ())}
    present = np.unique(value.codes[value.codes >= 0])
    unknown = [value.levels[code] for code in present if value.levels[code] not in place]
    if unknown:
        raise DataError(
            f"The response '{response.text}' has the level {unknown[0]!r}, but the fit saw "
            f"{', '.join(map(repr, place))}."
        )
    table = np.array([place.get(level, -1) for level in value.levels], dtype=np.intp)
    return (recode(value.codes, table, len(place)) == 1).astype(np.uint8)


def rows_of_piece(
    family: Family,
    design: Design,
    response: np.ndarray,
    columns: Mapping[str, Any],
    piece: Table,
    offset: np.ndarray | None,
    present: np.ndarray | None,
) -> ModelRows:
    """Checked rows of a model; those outside the mask `present` have weight 0."""
    extra = piece.extra_numbers()
    given = {name: extra.get(name) for name in columns}
    found = assembled(response, (design,), given, (offset,), family, are_all=False)
    if present is None:
        return found
    return replace(
        found,
        prior_weights=product(present, found.prior_weights),
        variance_weights=product(present, found.variance_weights),
    )
