"""A model of rows that are read piece by piece, and the rows of a piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.response import evaluate_response
from fastglm.design.formula.table import Table
from fastglm.design.frames.categories import Categories, Level, recode
from fastglm.design.matrix.parts import Design, Indicators
from fastglm.design.matrix.select import select_columns
from fastglm.errors import DataError
from fastglm.families import Family
from fastglm.rows.assemble import assembled
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import rule_of
from fastglm.rows.vectors import product

__all__ = ["LeftOut", "StreamedModel", "coded_response", "level_codes", "rows_of_piece"]


class LeftOut(NamedTuple):
    """Levels whose rows do not count, and what is left of the columns.

    Attributes
    ----------
    places : tuple of tuple of int
        Number of the part of the design, and of the level in it.
    columns : ndarray of int
        Numbers of the design columns that stay.
    """

    places: tuple[tuple[int, int], ...]
    columns: np.ndarray

    def counts(self, design: Design) -> np.ndarray:
        """Which rows of a design have none of the levels, (n,) bool."""
        left = np.ones(design.n_rows, dtype=bool)
        for part in {part for part, _ in self.places}:
            levels = [level for other, level in self.places if other == part]
            left &= ~np.isin(level_codes(design, part), levels)
        return left


def level_codes(design: Design, number: int) -> np.ndarray:
    """Which level of a part of a design, of indicators, each row has, (n,)."""
    part = design.parts[number]
    assert isinstance(part, Indicators)
    return part.combined_codes(slice(None))


@dataclass(frozen=True, eq=False)
class StreamedModel:
    """A model of rows that are read piece by piece, and what was learned from them.

    Attributes
    ----------
    family : Family
    fitted_formula : FittedFormula
    response : Expression
    response_levels : tuple of levels, or None
        Of a response of text, categories or truth values.
    columns : dict of str to str, number or None
        Offset, exposure and weights by argument: the name of a column, or a number for all rows.
    missing : {"raise", "drop"}
    also : tuple of Expression
        What rows must have as well to be complete.
    left_out : LeftOut, optional
        Rows and columns that are not of the model.
    """

    family: Family
    fitted_formula: FittedFormula
    response: Expression
    response_levels: tuple[Level, ...] | None
    columns: Mapping[str, Any]
    missing: str
    also: tuple[Expression, ...] = ()
    left_out: LeftOut | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All that rows are computed from."""
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
            Without missing values.
        present : ndarray of bool, shape (n,), or None
            Rows that count; the others repeat one that does.
        design : Design
            Of these rows, with all columns.
        """
        if self.left_out is not None:
            counts = self.left_out.counts(design)
            present = counts if present is None else present & counts
            design = select_columns(design, self.left_out.columns)
        return rows_of_piece(
            self.family,
            design,
            coded_response(self.response, self.response_levels, piece, self.family),
            self.columns,
            piece,
            self.fitted_formula.offset(piece),
            present,
        )


def coded_response(
    response: Expression, levels: tuple[Level, ...] | None, piece: Table, family: Family
) -> np.ndarray:
    """The response of some rows as numbers, (n,) or (n, 2).

    `levels` are the two of a response of text or categories, of which the second is 1.
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
    """Rows of a model, checked, of which those that are not `present` have no weight."""
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
