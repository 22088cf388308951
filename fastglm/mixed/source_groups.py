"""Grouping factors of a source: levels are numbered as they occur, and sorted at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula, FrameDesign
from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import Frame
from fastglm.design.matrix.parts import Design
from fastglm.mixed.blocks import Block, Term
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.formula import RandomTerm
from fastglm.mixed.rows import (
    INTERCEPT,
    FittedGroup,
    FittedTerm,
    Parts,
    as_categories,
    combine,
    levels_of,
    make_block,
)

__all__ = ["SourceGroup", "block_of", "group_of"]


@dataclass(frozen=True, eq=False)
class SourceGroup:
    """A grouping factor: expressions of its levels, formulas of its columns, and levels so far."""

    name: str
    factors: tuple[Expression, ...]
    terms: tuple[RandomTerm, ...]
    formulas: tuple[FittedFormula, ...]
    number: dict[Parts, int]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """All that are evaluated on rows."""
        return (*self.factors, *(f for each in self.formulas for f in each.factors))

    def codes(self, frame: Frame) -> np.ndarray:
        """Level numbers of rows; new levels are numbered in the order of occurrence."""
        table = read_table(frame, self.factors, None)
        columns = [as_categories(f.evaluate(table.columns, {}), f.text) for f in self.factors]
        codes, parts = combine(columns)
        numbers = [self.number.setdefault(each, len(self.number)) for each in parts]
        return np.array([*numbers, -1], dtype=np.int64)[codes]

    def built(self, frame: Frame) -> list[FrameDesign]:
        """Columns of the terms on some rows, NaN where a value is missing."""
        return [each.apply(frame, missing="nan") for each in self.formulas]

    def designs(self, frame: Frame) -> list[Design]:
        """The same without what is known of missing values."""
        return [each.design for each in self.built(frame)]


def group_of(
    name: str,
    terms: tuple[RandomTerm, ...],
    response: str,
    learn: Callable[[str], FittedFormula],
) -> SourceGroup:
    """A grouping factor whose formulas are learned from the source; an intercept needs no pass."""
    formulas = [
        FittedFormula.fit(term.columns, {"row": [0.0]})[0]
        if term.columns.replace(" ", "") == "~1"
        else learn(f"{response} {term.columns}")
        for term in terms
    ]
    return SourceGroup(name, terms[0].factors, terms, tuple(formulas), {})


def block_of(
    group: SourceGroup,
    names: Sequence[tuple[str, ...]],
    codes: np.ndarray,
    z: np.ndarray,
    start: int,
) -> tuple[Block, FittedGroup]:
    """A grouping factor with its sorted levels, and the formulas that evaluate it on new rows.

    `z` has the columns of all factors side by side, those of this one from `start` on.
    """
    parts = list(group.number)
    # A level all of whose rows were dropped has no effect.
    occurring = np.unique(codes).tolist()
    try:
        order = sorted(occurring, key=parts.__getitem__)
    except TypeError:
        order = occurring
    place = np.full(len(parts), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    parts = [parts[j] for j in order]
    terms, matrices, known, at = [], [], [], 0
    for term, formula, own in zip(group.terms, group.formulas, names, strict=True):
        terms.append(Term(own, at, structure_named(term.structure, len(own))))
        matrices.append(z[:, start + at : start + at + len(own)])
        known.append(FittedTerm(formula, len(own), own == (INTERCEPT,)))
        at += len(own)
    levels = levels_of(parts)
    fitted = FittedGroup(group.name, group.factors, levels, tuple(parts), tuple(known))
    return make_block(group.name, levels, place[codes], matrices, terms), fitted
