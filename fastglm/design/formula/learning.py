"""A formula fitted to rows that come a few at a time, as if all had come at once."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastglm.design.formula.assemble import Factor, NumericFactor
from fastglm.design.formula.coding import code_factor, used_levels
from fastglm.design.formula.contrasts import Coding
from fastglm.design.formula.expressions import Expression, State, Value, function_name
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.grammar import ParsedFormula, parse_formula
from fastglm.design.formula.table import Table
from fastglm.design.formula.transforms import STATEFUL, spline_state
from fastglm.design.frames.categories import Categories, Column, Level, sorted_categories
from fastglm.design.matrix.parts import Design
from fastglm.errors import DataError

#: Of ``bs()``, those of which its knots follow from quantiles alone.
SPLINE_OPTIONS = {"df", "degree", "include_intercept"}

__all__ = ["FormulaLearner", "LevelsSeen", "design_of_fitted_rows"]


class LevelsSeen:
    """The levels that occur in a column, from pieces of it.

    Parameters
    ----------
    name : str
        Of the column, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._first: Categories | None = None
        self._levels: dict[Level, None] = {}

    def add(self, piece: Categories) -> None:
        """Take note of the levels of some more rows.

        Raises
        ------
        DataError
            If the pieces declare different orders of the levels.
        """
        if self._first is None:
            self._first = piece
        elif piece.ordered and piece.levels != self._first.levels:
            raise DataError(
                f"the ordered levels of '{self.name}' are {self._first.levels} in some rows and "
                f"{piece.levels} in others: write the data with one order of its levels."
            )
        self._levels.update(dict.fromkeys(used_levels(piece)))

    def whole(self) -> Categories:
        """A column in which each level occurs once, as if all pieces had been one."""
        assert self._first is not None
        if self._first.ordered:
            levels = tuple(level for level in self._first.levels if level in self._levels)
            return Categories(np.arange(len(levels)), levels, self._first.declared, True)
        codes = np.arange(len(self._levels))
        return sorted_categories(codes, tuple(self._levels), self.name, self._first.declared)


class FormulaLearner:
    """Learning of a formula, piece by piece.

    First `learn_state` for functions that learn from whole columns, such as splines; then `look`
    at some rows with all columns, which shows the factors that have levels; then `add` for all
    rows with the columns of `level_columns`; then `fitted_formula`.

    Parameters
    ----------
    formula : str
    names : sequence of str
        Of the columns that there are.
    """

    def __init__(self, formula: str, names: Sequence[str]) -> None:
        self.parsed: ParsedFormula = parse_formula(formula, list(names))
        self.state: State = {}
        self._numeric: dict[str, NumericFactor] = {}
        self._seen: dict[str, LevelsSeen] = {}
        self._codings: dict[str, Coding] = {}

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Of the right side, factors and offsets."""
        return (*self.parsed.factors, *self.parsed.offsets)

    def stateful_columns(self) -> tuple[str, ...]:
        """The columns that functions learn from as a whole."""
        stateful = (e for e in self.expressions if e.is_stateful)
        return tuple(dict.fromkeys(name for e in stateful for name in e.columns))

    def learn_state(self, columns: Mapping[str, Column]) -> None:
        """Let functions learn from `stateful_columns`, whole, NaN where values are missing."""
        for expression in self.expressions:
            calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
            stateful = [node for node in calls if function_name(node) in STATEFUL]
            learned = [self._learn_spline(node, columns) for node in stateful]
            if not all(learned):
                expression.evaluate(columns, self.state)

    def _learn_spline(self, call: ast.Call, columns: Mapping[str, Column]) -> bool:
        """Learns a plain ``bs()`` without making its columns, which would take many times x."""
        options = {str(k.arg): k.value for k in call.keywords}
        constants: dict[str, Any] = {
            k: v.value for k, v in options.items() if isinstance(v, ast.Constant)
        }
        is_plain = len(call.args) == 1 and options.keys() == constants.keys() <= SPLINE_OPTIONS
        if function_name(call) != "bs" or not is_plain:
            return False
        # Not parsed anew: the name of a column need not be one of Python.
        argument = Expression(ast.unparse(call), call.args[0], tuple(columns))
        values = argument.evaluate(columns, {})
        sizes = [constants.get("df"), constants.get("degree", 3)]
        is_known = isinstance(values, np.ndarray) and all(
            size is None or type(size) is int for size in sizes
        )
        if not is_known or not np.isfinite(numbers := np.asarray(values, np.float64)).any():
            return False
        self.state.setdefault(ast.unparse(call), spline_state(numbers, **constants))
        return True

    def look(self, columns: Mapping[str, Column]) -> None:
        """Find out from some complete rows what each factor is."""
        for expression in self.parsed.factors:
            value, text = expression.evaluate(columns, self.state), expression.text
            if isinstance(value, Categories | Coding):
                self._seen[text] = LevelsSeen(text)
            else:
                factor = code_factor(value, text)
                assert isinstance(factor, NumericFactor)
                self._numeric[text] = factor

    @property
    def levelled(self) -> tuple[str, ...]:
        """Texts of the factors that have levels."""
        return tuple(self._seen)

    def level_columns(self) -> tuple[str, ...]:
        """The columns of factors that have levels."""
        factors = (e for e in self.parsed.factors if e.text in self._seen)
        return tuple(dict.fromkeys(name for e in factors for name in e.columns))

    def add(self, columns: Mapping[str, Column]) -> dict[str, Categories]:
        """Take note of the levels in some more complete rows; gives them by their factor."""
        found = {}
        for expression in self.parsed.factors:
            seen = self._seen.get(expression.text)
            if seen is None:
                continue
            value = expression.evaluate(columns, self.state)
            if isinstance(value, Coding):
                self._codings[expression.text] = value
                value = value.categories
            assert isinstance(value, Categories)
            seen.add(value)
            found[expression.text] = value
        return found

    def fitted_formula(self) -> FittedFormula:
        """The fitted formula of what was learned."""
        factors: dict[str, Factor] = {}
        for expression in self.parsed.factors:
            text = expression.text
            if text in self._numeric:
                factors[text] = self._numeric[text]
                continue
            whole = self._seen[text].whole()
            coding = self._codings.get(text)
            value: Value = whole
            if coding is not None:
                value = Coding(whole, coding.contrast, coding.levels, coding.spans_intercept)
            factors[text] = code_factor(value, text)
        return FittedFormula.of_factors(self.parsed, factors, self.state)


def design_of_fitted_rows(fitted: FittedFormula, table: Table, finite: bool) -> Design:
    """The design of complete rows, among those that the formula was fitted to.

    Parameters
    ----------
    fitted : FittedFormula
    table : Table
    finite : bool
        Whether to make sure that numbers are finite; the sums over the rows show it as well,
        but not where they are not.
    """
    factors = {
        expression.text: code_factor(
            expression.evaluate(table.columns, fitted.state),
            expression.text,
            fitted.levels.get(expression.text),
            finite=finite,
        )
        for expression in fitted.factors
    }
    return fitted.assembler.design(factors, table.n_rows)
