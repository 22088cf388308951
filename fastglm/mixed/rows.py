"""The rows of a mixed model: fixed part, grouping factors and their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from fastglm.design.formula.contrasts import Coding
from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.grammar import parse_formula
from fastglm.design.formula.response import ResponseRule
from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import (
    Categories,
    Frame,
    Level,
    categorize,
)
from fastglm.design.frames.missing import raise_missing
from fastglm.design.matrix.parts import empty_design
from fastglm.errors import DataError, ModelError
from fastglm.families import Family
from fastglm.mixed.blocks import Block, Term
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.formula import RandomTerm, split_formula, split_further
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import read_formulas

__all__ = ["FittedGroup", "MixedRows", "Random", "rows_of_formula"]

#: Name of the extra column that marks rows to leave out by NaN.
_KEEP = "columns of random terms"
INTERCEPT = "Intercept"
#: What a level is: the value of its factor, or values of several whose combination it is.
Parts: TypeAlias = Level | tuple[Level, ...]
#: Before the names of effects, as before those of coefficients: of the mean, and of zeros.
PREFIXES = ("", "zero-")
#: Smallest eigenvalue of the correlations about zero of independent columns: rounding is 1e-16.
COLLINEAR = 1e-14


@dataclass(frozen=True, eq=False)
class Random:
    """Random effects of a model given as arrays.

    Parameters
    ----------
    groups : array_like, shape (n,)
        Level of each row.
    Z : array_like, shape (n, k), optional
        Columns whose effects vary between levels; a frame names them. An intercept alone by
        default.
    correlated : bool, default True
        False for independent effects.
    name : str, optional
        Of the grouping factor; by default that of `groups`, or "group".
    structure : {"us", "diag", "cs", "ar1"}, optional
        Of the covariance, instead of `correlated`.

    Examples
    --------
    >>> import fastglm as fg
    >>> fg.Random(groups=["a", "a", "b"], name="plant").name
    'plant'
    """

    groups: Any
    Z: Any = None
    correlated: bool = True
    name: str | None = None
    structure: str | None = None


@dataclass(frozen=True)
class FittedTerm:
    """How to rebuild the columns of one random term on new rows.

    Attributes
    ----------
    fitted_formula : FittedFormula or None
        None for columns given as an array.
    width : int
        Number of columns.
    is_intercept : bool
        Whether its one column is constant.
    """

    fitted_formula: FittedFormula | None
    width: int
    is_intercept: bool


@dataclass(frozen=True)
class FittedGroup:
    """A grouping factor and its terms, ready for new rows.

    Attributes
    ----------
    group : str
    factors : tuple of Expression
        Whose combinations are the levels; empty for arrays.
    levels : tuple
        Labels of the q levels.
    parts : tuple
        What each level is: a value, or a tuple with one value a factor.
    terms : tuple of FittedTerm
    """

    group: str
    factors: tuple[Expression, ...]
    levels: tuple[Level, ...]
    parts: tuple[Parts, ...]
    terms: tuple[FittedTerm, ...]

    def codes(self, columns: Sequence[Categories]) -> np.ndarray:
        """Levels of new rows by number, (n,); negative for those never seen or missing."""
        position = {parts: i for i, parts in enumerate(self.parts)}
        combined, found = combine(columns)
        table = np.array([position.get(parts, -1) for parts in found] + [-1], dtype=np.int64)
        return table[combined]


@dataclass(frozen=True, eq=False)
class MixedRows:
    """Everything a mixed model reads of its rows.

    Attributes
    ----------
    fixed : ModelRows
    blocks : tuple of Block
        In the order of `fitted_formulas`.
    fitted_formulas : tuple of FittedGroup
    n_observations : float, optional
        Where the rows stand for that many others, of the same sums.
    elsewhere : optional
        Of a source, what reads the fixed columns, which are not in memory, and where to begin:
        `fastglm.mixed.streamed_generalized.Elsewhere`.
    """

    fixed: ModelRows
    blocks: tuple[Block, ...]
    fitted_formulas: tuple[FittedGroup, ...] = field(default=())
    n_observations: float | None = None
    elsewhere: Any = None

    @property
    def nobs(self) -> float:
        """Number of observations."""
        return self.fixed.nobs if self.n_observations is None else self.n_observations


def combine(columns: Sequence[Categories]) -> tuple[np.ndarray, list[Parts]]:
    """Codes of the combinations that occur, (n,), -1 where one is missing, and the combinations.

    Pair by pair, so that no product of numbers of levels overflows. Those of one column are its
    values: ten thousand tuples would set off a search for garbage that takes longer than a pass.
    """
    codes = columns[0].codes.astype(np.int64)
    used, codes = _renumber(codes)
    values = [columns[0].levels[i] for i in used]
    if len(columns) == 1:
        return codes, list(values)
    parts: list[tuple[Level, ...]] = [(value,) for value in values]
    for column in columns[1:]:
        own = column.codes.astype(np.int64)
        size = len(column.levels) + 1
        both = np.where((codes < 0) | (own < 0), -1, codes * size + own)
        used, codes = _renumber(both)
        parts = [(*parts[i // size], column.levels[i % size]) for i in used]
    return codes, list(parts)


def _renumber(codes: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Codes that occur, without negative ones, and each row's place among them."""
    if codes.size and codes.max() < 4 * codes.size + 1024:
        counts = np.bincount(codes[codes >= 0] if codes.min() < 0 else codes)
        used = np.flatnonzero(counts)
        table = np.full(counts.size + 1, -1, dtype=np.int64)
        table[used] = np.arange(used.size)
        return used.tolist(), table[codes]
    used, inverse = np.unique(codes, return_inverse=True)
    if used.size and used[0] < 0:
        return used[1:].tolist(), inverse.astype(np.int64) - 1
    return used.tolist(), inverse.astype(np.int64)


def as_categories(value: Any, name: str) -> Categories:
    """A grouping factor's column as categories; numbers that are not whole are refused."""
    if isinstance(value, Coding):
        return value.categories
    if isinstance(value, Categories):
        return value
    if not isinstance(value, np.ndarray):
        raise ModelError(f"'{name}' cannot be a grouping factor: it gives several columns.")
    if value.dtype.kind == "f":
        present = value[~np.isnan(value)]
        if (present != np.floor(present)).any():
            raise DataError(
                f"the grouping factor '{name}' holds numbers that are not whole: it looks like a "
                "measurement. Cut it into classes, or convert it to strings if it names levels."
            )
    return categorize(value, name)


def levels_of(parts: Sequence[Parts]) -> tuple[Level, ...]:
    """Labels of levels."""
    return tuple([":".join(map(str, p)) if isinstance(p, tuple) else p for p in parts])


def rows_of_formula(
    formula: str,
    frame: Any,
    takes: Family | ResponseRule,
    columns: Mapping[str, Any],
    missing: str,
    further: Sequence[str | None] = (),
) -> MixedRows:
    """Rows of a model given as a formula with random terms and a data frame.

    The response is that of a family, or by a rule; `further` are formulas of further predictors.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or has no fixed term and `takes` is no family.
    ModelError
        If it has no random term.
    DataError
        Naming the column or row that cannot be used.
    """
    data = Frame(frame)
    further, more_terms = split_further(further, data.names)
    fixed, own_terms = split_formula(
        formula, data.names, required=not more_terms, may_be_empty=isinstance(takes, Family)
    )
    terms = (*own_terms, *more_terms)
    marker, absent = _mark_missing(data, terms, missing)
    columns = {**columns, _KEEP: marker}
    if parse_formula(fixed, data.names).terms:
        rows = read_formulas(fixed, further, data, columns, missing, takes)
    else:
        rows = _without_columns(read_formulas(f"{fixed} + 1", (), data, columns, missing, takes))
    counts = absent | {name: count for name, count in rows.missing.items() if name != _KEEP}
    rows = replace(rows, missing=counts)
    built = [_build_group(group, own, data, rows) for group, own in grouped_terms(terms).items()]
    return MixedRows(rows, tuple(b for b, _ in built), tuple(r for _, r in built))


def _without_columns(rows: ModelRows) -> ModelRows:
    """The rows without the constant that they were read with."""
    fitted_formula = rows.fitted_formula
    assert fitted_formula is not None
    bare = replace(fitted_formula, formula=fitted_formula.formula.removesuffix(" + 1"), terms=())
    return replace(rows, designs=(empty_design(rows.n_rows),), fitted_formulas=(bare,))


def grouped_terms(terms: Sequence[RandomTerm]) -> dict[str, list[RandomTerm]]:
    groups: dict[str, list[RandomTerm]] = {}
    for term in terms:
        groups.setdefault(term.group, []).append(term)
    return groups


def _mark_missing(
    data: Frame, terms: Sequence[RandomTerm], missing: str
) -> tuple[np.ndarray | None, dict[str, int]]:
    """NaN for rows where a column of a random term has no value, None if there are none.

    Also how many rows each of these columns has without a value.
    """
    used = [factor for term in terms for factor in term.factors]
    for term in terms:
        used += parse_formula(term.columns, data.names).factors
    absent = read_table(data, used, None).missing()
    if not absent:
        return None, {}
    if missing == "raise":
        raise_missing(absent)
    marker = np.where(np.logical_or.reduce(list(absent.values())), np.nan, 0.0)
    return marker, {name: int(rows.sum()) for name, rows in absent.items()}


def _build_group(
    group: str, terms: list[RandomTerm], data: Frame, rows: ModelRows
) -> tuple[Block, FittedGroup]:
    kept = rows.frame_rows
    table = read_table(data, terms[0].factors, None)
    if kept is not None:
        table = table.take(kept)
    columns = [as_categories(f.evaluate(table.columns, {}), f.text) for f in terms[0].factors]
    codes, parts = combine(columns)
    marker = None if kept is None else np.where(kept, 0.0, np.nan)
    matrices, specs, fitted_formulas, start = [], [], [], 0
    for term in terms:
        fitted_formula, built = FittedFormula.fit(
            term.columns, data, "raise" if kept is None else "drop", {_KEEP: marker}
        )
        matrix = built.design.to_dense()
        names = built.design.names
        shown = tuple(PREFIXES[term.predictor] + name for name in names)
        structure = structure_named(term.structure, len(names))
        specs.append(Term(shown, start, structure, term.predictor))
        fitted_formulas.append(FittedTerm(fitted_formula, len(names), names == (INTERCEPT,)))
        matrices.append(matrix)
        start += len(names)
    levels = levels_of(parts)
    fitted_group = FittedGroup(
        group, terms[0].factors, levels, tuple(parts), tuple(fitted_formulas)
    )
    return make_block(group, levels, codes, matrices, specs), fitted_group


def make_block(
    group: str, levels: tuple, codes: np.ndarray, matrices: list[np.ndarray], terms: list[Term]
) -> Block:
    names = [name for term in terms for name in term.columns]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ModelError(
            f"the random effects of '{group}' have {', '.join(sorted(twice))} twice: write "
            "'0 + ' in all but one of its terms."
        )
    if len(levels) < 2:
        raise DataError(
            f"the grouping factor '{group}' has one level only: random effects need two or more."
        )
    columns = matrices[0] if len(matrices) == 1 else np.hstack(matrices)
    for name, column in zip(names, columns.T, strict=True):
        if not np.isfinite(column).all():
            raise DataError(f"'{name}' in a random term of '{group}' is not finite in some rows.")
        if name != INTERCEPT and not column.any():
            raise DataError(f"'{name}' in a random term of '{group}' is zero in every row.")
    for term in terms:
        _require_independent(group, term, columns[:, term.start : term.stop])
    return Block(
        group, levels, codes, np.ascontiguousarray(columns, dtype=np.float64), tuple(terms)
    )


def _require_independent(group: str, term: Term, columns: np.ndarray) -> None:
    """Refuse columns of correlated effects that earlier ones add up to, such as constant slopes.

    The covariance of their effects would have no one value.
    """
    gram = columns.T @ columns
    size = np.sqrt(np.diag(gram))
    gram /= np.outer(size, size)
    for last in range(1, columns.shape[1]):
        is_free = term.structure.is_linear and term.structure.is_correlated
        if is_free and np.linalg.eigvalsh(gram[: last + 1, : last + 1])[0] < COLLINEAR:
            weights = np.linalg.lstsq(gram[:last, :last], gram[:last, last])[0]
            others = [term.columns[k] for k in np.flatnonzero(np.abs(weights) > 1e-6)]
            raise DataError(
                f"'{term.columns[last]}' in a random term of '{group}' is a combination of "
                f"{', '.join(others)}: its effects cannot be told from theirs. "
                "Leave it out, or one of the others."
            )
