"""A formula bound to what it learned from its data, ready to rebuild the same columns.

`FittedFormula.fit` reads a formula and a data frame and gives the design of the model;
`FittedFormula.apply` gives the same columns on new data. A fitted formula is saved as plain JSON:
the terms, the levels of the categoricals and what the transforms learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.formula.assemble import (
    Assembler,
    CategoricalFactor,
    Factor,
    NumericFactor,
    ScaledTerm,
    assemble,
)
from fastglm.design.formula.coding import code_factor, factor_of, require_same_kind
from fastglm.design.formula.contrast_coding import CodedFactor, CodedTerm, code_contrasts
from fastglm.design.formula.expressions import (
    Expression,
    State,
    expression_from_dict,
    expression_to_dict,
)
from fastglm.design.formula.grammar import ParsedFormula, parse_formula
from fastglm.design.formula.response import NUMBERS, ResponseRule, evaluate_response
from fastglm.design.formula.table import Table, read_table
from fastglm.design.frames.categories import Level, without_levels
from fastglm.design.frames.frames import Frame
from fastglm.design.frames.missing import raise_missing, require_finite
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError, FastGLMWarning, FormulaError, warn

__all__ = ["FittedFormula", "FrameDesign"]


@dataclass(frozen=True, eq=False)
class FrameDesign:
    """The design that a fitted formula makes of a data frame.

    Parameters
    ----------
    design : Design
        The design columns of the n rows that were kept.
    y : ndarray, shape (n,) or (n, k), or None
        The response; columns for ``cbind``; None when columns are rebuilt or
        the formula has no left side.
    offset : ndarray, shape (n,), float64, or None
        The sum of the ``offset()`` terms, on the scale of the linear predictor.
    extra : dict of str to ndarray, shape (n,)
        The extra columns asked for.
    rows : ndarray of bool, shape (rows of the frame,), or None
        The rows that were kept; None if all were.
    missing : dict of str to int
        Number of missing values, by column, behind the rows that were left out.
    nan_rows : ndarray of bool, shape (n,), or None
        Rows of new data whose prediction is to be NaN, for an unseen level or a missing value;
        their columns hold placeholders. None if there are none.
    response_levels : tuple of levels coded 0, 1, ..., or None for a response that is numbers
    """

    design: Design
    y: np.ndarray | None = None
    offset: np.ndarray | None = None
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    rows: np.ndarray | None = None
    missing: dict[str, int] = field(default_factory=dict)
    nan_rows: np.ndarray | None = None
    response_levels: tuple[Level, ...] | None = None

    @property
    def n_dropped(self) -> int:
        """Number of rows of the frame that were left out."""
        return 0 if self.rows is None else int(self.rows.size - np.count_nonzero(self.rows))


@dataclass(frozen=True)
class FittedFormula:
    """A fitted formula.

    Parameters
    ----------
    formula : str
        As written.
    response : str or None
        The left side.
    terms : tuple of ScaledTerm
        The right side, with the coding of every factor chosen.
    factors : tuple of Expression
        Every factor of the terms, once.
    levels : dict of str to tuple
        The levels of each categorical factor, by its text.
    offsets : tuple of Expression
        The arguments of the ``offset()`` terms.
    state : dict
        What the transforms learned, by the text of their call.
    """

    formula: str
    response: str | None
    terms: tuple[ScaledTerm, ...]
    factors: tuple[Expression, ...]
    levels: dict[str, tuple[Level, ...]]
    offsets: tuple[Expression, ...]
    state: State

    @classmethod
    def fit(
        cls,
        formula: str,
        frame: Any,
        missing: str = "raise",
        extra: Mapping[str, Any] | None = None,
        rule: ResponseRule = NUMBERS,
    ) -> tuple[FittedFormula, FrameDesign]:
        """Learn a formula from a data frame.

        Parameters
        ----------
        formula : str
            In formulaic's grammar.
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of columns
        missing : {"raise", "drop"}, default "raise"
            What to do with rows where a column in use has no value. Levels are those of the rows
            that are kept; knots and means are learned from every row that has the variable, as in
            R and formulaic.
        extra : mapping of str to str, array or None, optional
            Other columns to read along, such as an exposure: by argument name, the name of a
            column or an array with a value per row of the frame. None is skipped.
        rule : ResponseRule
            What the model takes as its response; by default numbers.

        Returns
        -------
        fitted_formula : FittedFormula
        result : FrameDesign

        Raises
        ------
        FormulaError
            If the formula cannot be read.
        DataError
            If the data do not fit it; the subclasses `ColumnNotFoundError` and
            `MissingValueError` for unknown columns and for missing or infinite values.
        """
        data = Frame.of(frame)
        parsed = parse_formula(formula, data.names)
        response = () if parsed.response is None else (parsed.response,)
        used = (*response, *parsed.factors, *parsed.offsets)
        if parsed.response_dropped:
            warn(
                f"The response '{formula.partition('~')[0].strip()}' stood on the right side of "
                "the formula too, and was left out there.",
                FastGLMWarning,
            )
        whole = read_table(data, used, extra)
        table, rows, counts = whole.complete(missing)
        state: State = {}
        of_response: State = {}
        if rows is not None:
            _learn_from_all(whole, (*parsed.factors, *parsed.offsets), state)
            _learn_from_all(whole, response, of_response)
        factors = {f.text: factor_of(f, table, state, may_code=True) for f in parsed.factors}
        fitted_formula = cls.of_factors(parsed, factors, state)
        y = levels = None
        if parsed.response is not None:
            y, levels = evaluate_response(parsed.response, table.columns, rule, of_response)
        return fitted_formula, FrameDesign(
            design=assemble(fitted_formula.terms, factors, table.n_rows),
            y=y,
            offset=fitted_formula.offset(table),
            extra=table.extra_numbers(),
            rows=rows,
            missing=counts,
            response_levels=levels,
        )

    @classmethod
    def from_columns(
        cls, frame: Any, missing: str = "raise", extra: Mapping[str, Any] | None = None
    ) -> tuple[FittedFormula, FrameDesign]:
        """Take every column of a data frame as it is: a frame passed where an array could be.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of columns
            Numeric columns keep their names. Categorical ones are coded against their first
            level, as ``column[T.level]``. No intercept is added.
        missing, extra
            As in `fit`.

        Returns
        -------
        fitted_formula : FittedFormula
            With an empty formula.
        result : FrameDesign
            Without a response.

        Raises
        ------
        DataError
            As in `fit`.
        """
        data = Frame(frame)
        columns = tuple(Expression.column(name) for name in data.names)
        table, rows, counts = read_table(data, columns, extra).complete(missing)
        factors = {column.text: factor_of(column, table, {}) for column in columns}
        levels = _levels(factors)
        terms = tuple(
            ScaledTerm(text, (CodedTerm((CodedFactor(text, text in levels),)),)) for text in factors
        )
        fitted_formula = cls("", None, terms, columns, levels, (), {})
        design = assemble(terms, factors, table.n_rows)
        ones = [
            design.names.index(text)
            for text, factor in factors.items()
            if isinstance(factor, NumericFactor)
            and factor.values[0] == 1
            and (factor.values == 1).all()
        ]
        return fitted_formula, FrameDesign(
            design=replace(design, constant=ones[0] if ones else None),
            extra=table.extra_numbers(),
            rows=rows,
            missing=counts,
        )

    @classmethod
    def of_factors(
        cls, parsed: ParsedFormula, factors: Mapping[str, Factor], state: State
    ) -> FittedFormula:
        """The formula fitted to evaluated factors, by their text; chooses the coding of terms."""
        if not parsed.terms:
            raise FormulaError(f"'{parsed.text}' has no terms: there is nothing to estimate.")
        coded = code_contrasts(
            [[factor.text for factor in term.factors] for term in parsed.terms],
            {text: factor.spans_intercept for text, factor in factors.items()},
        )
        terms = tuple(
            ScaledTerm(term.name, tuple(products), term.scale)
            for term, products in zip(parsed.terms, coded, strict=True)
        )
        response = None if parsed.response is None else parsed.response.text
        levels = _levels(factors)
        return cls(parsed.text, response, terms, parsed.factors, levels, parsed.offsets, state)

    def apply(
        self,
        frame: Any,
        unseen: str = "raise",
        missing: str = "raise",
        extra: Mapping[str, Any] | None = None,
    ) -> FrameDesign:
        """Rebuild the design columns on new data.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of columns
            With the columns of the right side; the response is not needed.
        unseen : {"raise", "nan"}, default "raise"
            What to do with rows that hold a level the fit has not seen.
        missing : {"raise", "nan"}, default "raise"
            What to do with rows where a column in use has no value.
        extra : mapping of str to str, array or None, optional
            As in `fit`.

        Returns
        -------
        FrameDesign
            With every row of the frame; rows to be predicted as NaN are marked in `nan_rows`.

        Raises
        ------
        UnseenLevelError
            Naming the column, the level and the first row.
        DataError
            As in `fit`.
        """
        for argument, value in (("unseen", unseen), ("missing", missing)):
            checked_choice(argument, value, ("raise", "nan"))
        table = read_table(Frame.of(frame, allow_empty=True), (*self.factors, *self.offsets), extra)
        absent = table.missing()
        if missing == "raise":
            raise_missing(absent)
        table = table.with_nan()
        nan_rows = np.logical_or.reduce([np.zeros(table.n_rows, bool), *absent.values()])
        factors = {}
        for expression in self.factors:
            text, levels = expression.text, self.levels.get(expression.text)
            computed = expression.evaluate(table.columns, self.state, may_code=True)
            if levels is not None and isinstance(computed, np.ndarray):
                computed = without_levels(computed)
            finite = not table.is_finite(computed)
            factors[text] = code_factor(computed, text, levels, nan_rows, unseen, finite)
            require_same_kind(factors[text], was_numeric=levels is None)
        return FrameDesign(
            design=self.assembler.design(factors, table.n_rows),
            offset=self.offset(table, nan_rows),
            extra=table.extra_numbers(nan_rows),
            nan_rows=nan_rows if nan_rows.any() else None,
        )

    @cached_property
    def assembler(self) -> Assembler:
        """What makes the designs of new frames."""
        return Assembler(self.terms)

    def offset(self, table: Table, ignore: np.ndarray | None = None) -> np.ndarray | None:
        """Sum of the ``offset()`` terms, (n,), finite but where it is to be ignored; or None."""
        if not self.offsets:
            return None
        total = np.zeros(table.n_rows)
        for expression in self.offsets:
            value = expression.evaluate(table.columns, self.state)
            if not isinstance(value, np.ndarray):
                raise FormulaError(f"offset({expression.text}) must be a single numeric column.")
            require_finite(value, f"offset({expression.text})", ignore)
            total += value
        return total

    def to_dict(self) -> dict[str, Any]:
        """Give the fitted formula as plain JSON types: strings, numbers, lists and dictionaries."""
        return {
            "formula": self.formula,
            "response": self.response,
            "terms": [
                {
                    "name": term.name,
                    "scale": term.scale,
                    "products": [
                        [[factor.text, factor.reduced] for factor in product.factors]
                        for product in term.products
                    ],
                }
                for term in self.terms
            ],
            "factors": [expression_to_dict(factor) for factor in self.factors],
            "levels": {text: list(levels) for text, levels in self.levels.items()},
            "offsets": [expression_to_dict(offset) for offset in self.offsets],
            "state": self.state,
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> FittedFormula:
        """Restore a fitted formula from what `to_dict` gave, evaluating nothing.

        Raises
        ------
        FormulaError
            If an expression uses a function outside the fixed list.
        DataError
            If `saved` is not a fitted formula.
        """
        try:
            return cls(
                formula=saved["formula"],
                response=saved["response"],
                terms=tuple(_term_from_dict(term) for term in saved["terms"]),
                factors=tuple(expression_from_dict(factor) for factor in saved["factors"]),
                levels={text: tuple(levels) for text, levels in saved["levels"].items()},
                offsets=tuple(expression_from_dict(offset) for offset in saved["offsets"]),
                state={call: dict(learned) for call, learned in saved["state"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"This is not a saved formula: {error!r}.") from error


def _learn_from_all(whole: Table, expressions: Iterable[Expression], state: State) -> None:
    """Let transforms learn from rows that another column leaves out."""
    columns = whole.with_nan().columns
    for expression in expressions:
        if expression.is_stateful:
            expression.evaluate(columns, state)


def _levels(factors: Mapping[str, Factor]) -> dict[str, tuple[Level, ...]]:
    return {
        text: factor.levels
        for text, factor in factors.items()
        if isinstance(factor, CategoricalFactor)
    }


def _term_from_dict(saved: Mapping[str, Any]) -> ScaledTerm:
    products = tuple(
        CodedTerm(tuple(CodedFactor(text, bool(reduced)) for text, reduced in product))
        for product in saved["products"]
    )
    return ScaledTerm(saved["name"], products, float(saved["scale"]))
