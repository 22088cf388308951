"""Generalized mixed models of a source: columns are read by passes, a few numbers a row are kept.

The criterion needs the modes of all levels at the same coefficients, and these the linear
predictors, responses and columns of random effects of all rows: they are in memory. The fixed
columns are not: a step reads them twice, for the linear predictors and for the score.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastglm.design.frames.frames import Frame
from fastglm.errors import DataError, FastGLMWarning, MemoryLimitError, ModelError
from fastglm.families import Family
from fastglm.mixed.formula import split_formula
from fastglm.mixed.laplace import LaplaceProblem
from fastglm.mixed.profiled_parameter import is_profiled
from fastglm.mixed.rows import MixedRows, grouped_terms
from fastglm.mixed.source_columns import SourceColumns
from fastglm.mixed.source_groups import SourceGroup, block_of, group_of
from fastglm.mixed.starting import Start
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.rows.gathered import GatheredRows
from fastglm.rows.learning import learn_rows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.windows import columns_used, read_pieces
from fastglm.sources.base import Source
from fastglm.streamed import StreamedGLM

__all__ = ["rows_of_source"]

#: Numbers of a row in memory, of one factor and of several, and more for each random effect of it.
NUMBERS, NUMBERS_OF_SEVERAL, NUMBERS_OF_EFFECT = 28, 44, 8
#: Grains of a piece when levels are read.
PIECE_GRAINS = 16


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """Fixed columns that are not in memory, and the fit without random effects.

    Attributes
    ----------
    columns : SourceColumns
    params : ndarray, shape (all columns,)
        NaN where aliased.
    dispersion : float
    infinite, n_separated
        As for `fastglm.mixed.starting.Start`.
    """

    columns: SourceColumns
    params: np.ndarray
    dispersion: float
    infinite: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0

    def start(self, problem: LaplaceProblem) -> Start:
        """Where the mixed model begins."""
        given = self.params[self.columns.kept]
        beta = np.linalg.solve(self.columns.from_standardized, given)
        log_extra = math.log(self.dispersion) if problem.extra == "dispersion" else 0.0
        return Start(beta, log_extra, self.infinite, self.n_separated)


def rows_of_source(
    formula: str,
    source: Source,
    family: Family,
    columns: Mapping[str, Any],
    missing: str,
    memory: int,
    n_threads: int,
) -> MixedRows:
    """Rows of a generalized mixed model of a source, with the start of its fit.

    Raises
    ------
    ModelError
        If the family has a parameter that is estimated by profiling.
    MemoryLimitError
        If the numbers of all rows take more than `memory`.
    """
    if is_profiled(family):
        raise ModelError(
            f"the parameter of {family!r} is not estimated where rows of a mixed model come from "
            "a source: give it, or read the rows into memory."
        )
    fixed, terms = split_formula(formula, source.names)
    model, totals = learn_rows(fixed, source, family, columns, missing, memory)
    response = fixed.split("~", 1)[0]

    def learn(text: str) -> Any:
        return learn_rows(text, source, family, columns, missing, memory)[0].fitted_formula

    groups = tuple(
        group_of(name, tuple(own), response, learn) for name, own in grouped_terms(terms).items()
    )
    also = [f for group in groups for f in group.expressions]
    streamed = StreamedModelRows(source, replace(model, also=tuple(also)), totals, memory)
    _require_memory(source, groups, memory)
    gathered = streamed.gathered("a generalized mixed model")
    built = _blocks(groups, gathered, missing)
    found = _without_effects(fixed, streamed, family, n_threads)
    constant, kept = streamed.design.constant, ~np.isnan(found.estimates)
    constant = None if constant is None or not kept[constant] else int(kept[:constant].sum())
    own = SourceColumns.of(gathered, kept, constant)
    dispersion = max(float(found.scale), 1e-8)
    rows = gathered.without_columns()
    named = replace(rows.design, names=tuple(streamed.design.names), constant=None)
    rows = replace(
        rows.with_design(named), fitted_formulas=(model.fitted_formula,),
        n_dropped=int((~gathered.present).sum()),
    )  # fmt: skip
    elsewhere = Elsewhere(own, found.estimates, dispersion, found.infinite, found.n_separated)
    blocks, fitted = tuple(b for b, _ in built), tuple(g for _, g in built)
    return MixedRows(rows, blocks, fitted, elsewhere=elsewhere)


def _require_memory(source: Source, groups: tuple[SourceGroup, ...], memory: int) -> None:
    """Refuse more rows than their numbers fit into memory, before any is kept."""
    names = columns_used([f for group in groups for f in group.expressions], {})
    _, few = next(read_pieces(source, names, 0, min(GRAIN_ROWS, source.n_rows or 0), GRAIN_ROWS))
    numbers = NUMBERS if len(groups) == 1 else NUMBERS_OF_SEVERAL
    for group in groups:
        for design in group.designs(Frame(few)):
            numbers += NUMBERS_OF_EFFECT * design.n_columns
    needed = 8 * numbers * (source.n_rows or 0)
    if needed > memory:
        raise MemoryLimitError(
            f"a generalized mixed model keeps {numbers} numbers of each of the "
            f"{source.n_rows:,} rows of {source.label}, about {needed / 1e9:,.3f} GB: fit with "
            "memory= of at least that, or some of the levels."
        )


def _blocks(groups: tuple[SourceGroup, ...], gathered: GatheredRows, missing: str) -> list[Any]:
    """Grouping factors of the complete rows; takes a pass."""
    reader, size = gathered.reader, PIECE_GRAINS * GRAIN_ROWS
    names = columns_used([f for group in groups for f in group.expressions], {})
    codes: list[np.ndarray] = []
    columns: list[np.ndarray] = []
    labels: list[list[tuple[str, ...]]] = []
    for position, table in read_pieces(reader.source, names, 0, reader.n_rows, size):
        frame, present = Frame(table), gathered.present[position : position + table.num_rows]
        designs = [group.designs(frame) for group in groups]
        labels = [[each.names for each in own] for own in designs]
        z = np.hstack([each.to_dense() for own in designs for each in own])[present]
        own_codes = np.column_stack([group.codes(frame) for group in groups])[present]
        lost = (own_codes < 0).any(axis=1) | ~np.isfinite(z).all(axis=1)
        if lost.any():
            row = position + int(np.flatnonzero(present)[np.argmax(lost)])
            advice = ' Pass missing="drop" to leave such rows out.' * (missing == "raise")
            raise DataError(
                f"row {row} of {reader.source.label} has no value in a column of a random term."
                f"{advice}"
            )
        codes.append(own_codes)
        columns.append(z)
    all_codes, all_columns, start, built = np.vstack(codes), np.vstack(columns), 0, []
    for number, group in enumerate(groups):
        own_codes = np.ascontiguousarray(all_codes[:, number])
        built.append(block_of(group, labels[number], own_codes, all_columns, start))
        start += built[-1][0].k
    return built


def _without_effects(formula: str, rows: StreamedModelRows, family: Family, n_threads: int) -> Any:
    """The fit without random effects, by passes."""
    model = StreamedGLM.__new__(StreamedGLM)
    free = family.free_parameter is not None
    model.family = family.with_estimate(1.0) if free else family
    model.formula, model.source, model.rows = formula, None, rows
    model._in_memory, model.compress_seconds = None, 0.0
    with warnings.catch_warnings():
        # What is said of this fit the mixed model says of its own.
        warnings.simplefilter("ignore", FastGLMWarning)
        return model.fit(n_threads=n_threads)
