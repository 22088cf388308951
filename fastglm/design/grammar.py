"""Formulas read by formulaic's parser: the terms of both sides, before any data is seen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fastglm.design.expressions import Expression
from fastglm.errors import FormulaError

__all__ = ["ParsedFormula", "Term", "parse_formula"]

_QUOTED = re.compile(r"(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]+`)")
_NUMBER = re.compile(r"\s*[0-9.]+(e[+-]?[0-9]+)?\s*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Term:
    """A product of factors.

    Parameters
    ----------
    factors : tuple of Expression
        Empty for the intercept.
    scale : float
        Product of the numbers written in the term, such as the 2 of ``2:x``.
    """

    factors: tuple[Expression, ...]
    scale: float = 1.0

    @property
    def name(self) -> str:
        """The term as printed in tables, factors joined by colons."""
        return ":".join(factor.text for factor in self.factors) or "Intercept"


@dataclass(frozen=True)
class ParsedFormula:
    """The two sides of a formula.

    Parameters
    ----------
    text : str
        The formula as written.
    response : Expression or None
        The left side.
    terms : tuple of Term
        The right side without offsets, in the order of the model matrix.
    offsets : tuple of Expression
        The arguments of the ``offset()`` terms.
    """

    text: str
    response: Expression | None
    terms: tuple[Term, ...]
    offsets: tuple[Expression, ...]

    @property
    def factors(self) -> tuple[Expression, ...]:
        """Every factor of the terms, once, in order of appearance."""
        return tuple({f.text: f for term in self.terms for f in term.factors}.values())


def parse_formula(text: str, columns: Sequence[str]) -> ParsedFormula:
    """Parse a formula.

    Parameters
    ----------
    text : str
        ``response ~ terms`` or ``~ terms`` in formulaic's grammar. ``^`` is read as ``**``
        everywhere, as in R.
    columns : sequence of str
        The columns of the data, for the ``.`` on the right side.

    Returns
    -------
    ParsedFormula

    Raises
    ------
    FormulaError
        If the formula cannot be parsed, has several parts or responses, uses a function
        outside the fixed list, or a column that is named by a number.
    """
    if not isinstance(text, str):
        raise FormulaError(f"The formula must be a string, not a {type(text).__name__}.")
    return _parse(text, tuple(columns))


@lru_cache(maxsize=64)
def _parse(text: str, columns: tuple[str, ...]) -> ParsedFormula:
    for piece in _QUOTED.findall(text):
        if piece[0] == "`" and _NUMBER.fullmatch(piece[1:-1]):
            raise FormulaError(f"{piece} in '{text}' reads as a number: rename this column.")
    sides = _formulaic(_powers(text), columns)
    lhs = list(getattr(sides, "lhs", None) or [])
    rhs = getattr(sides, "rhs", sides)
    if isinstance(rhs, tuple):
        raise FormulaError(f"'{text}': formulas with several parts, '|', are not supported.")
    terms, offsets = [], []
    for term in rhs:
        parsed = _term(term)
        offset = _offset(parsed, text)
        if offset is None:
            terms.append(parsed)
        else:
            offsets.append(offset)
    return ParsedFormula(text, _response(lhs, text), tuple(terms), tuple(offsets))


def _formulaic(text: str, columns: Sequence[str]) -> Any:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        return Formula(text, _context={"__formulaic_variables_available__": list(columns)})
    except (FormulaicError, SyntaxError) as error:
        message = _COLOUR.sub("", str(error)).strip()
        raise FormulaError(
            f"Cannot parse the formula '{text}': {message}\n"
            "Comparisons and arithmetic between columns go inside I(), as in I(x > 30)."
        ) from error


def _powers(text: str) -> str:
    """Read ``^`` as a power: Python would take it for the exclusive or of two integers."""
    pieces = _QUOTED.split(text)
    return "".join(p if i % 2 else p.replace("^", "**") for i, p in enumerate(pieces))


def _term(term: Any) -> Term:
    factors, scale = [], 1.0
    for factor in term.factors:
        method = factor.eval_method.value
        if method == "literal":
            scale *= float(factor.expr)
        elif method == "lookup":
            factors.append(Expression.column(factor.expr))
        else:
            factors.append(Expression.parse(factor.expr))
    return Term(tuple(factors), scale)


def _offset(term: Term, text: str) -> Expression | None:
    calls = [call for f in term.factors if (call := f.called("offset")) is not None]
    if not calls:
        return None
    if len(term.factors) > 1 or term.scale != 1 or len(calls[0]) != 1:
        raise FormulaError(f"'{text}': offset() takes one argument and stands alone in a term.")
    return calls[0][0]


def _response(lhs: list[Any], text: str) -> Expression | None:
    if not lhs:
        return None
    factors = [factor for term in lhs for factor in _term(term).factors]
    if len(lhs) > 1 or len(factors) != 1:
        raise FormulaError(
            f"'{text}': the left side must be one response. Write I(a + b) for a sum, or "
            "cbind(successes, failures) for a binomial response."
        )
    return factors[0]
