"""Formulas read by formulaic's parser: the terms of both sides, before any data is seen."""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fastglm.design.formula.expressions import Expression
from fastglm.errors import FormulaError

__all__ = ["ParsedFormula", "Term", "parse_formula"]

_QUOTED = re.compile(r"(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]+`)")
_NUMBER = re.compile(r"\s*[0-9.]+(e[+-]?[0-9]+)?\s*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: Marks that formulaic puts around the piece of a formula that it cannot read.
_FAULTY = re.compile(r"⧛(.*?)⧚", re.DOTALL)
#: Goes after a column's name that is a Python keyword: formulaic keeps its backticks then.
_MARK = "\ue000"


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
    response_dropped : bool
        Whether the response stood on the right side too, where it is left out.
    """

    text: str
    response: Expression | None
    terms: tuple[Term, ...]
    offsets: tuple[Expression, ...]
    response_dropped: bool = False

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
    if not text.rpartition("~")[2].strip():
        raise FormulaError(
            f"The formula '{text}' has nothing right of '~': write 1 there for a mean alone."
        )
    sides = _formulaic(text, columns)
    left, rhs = getattr(sides, "lhs", None) or [], getattr(sides, "rhs", sides)
    lhs = list(left)
    if isinstance(rhs, tuple) or isinstance(left, tuple):
        raise FormulaError(f"'{text}': formulas with several parts, '|', are not supported.")
    terms, offsets = [], []
    for term in rhs:
        parsed = _term(term)
        offset = _offset(parsed, text)
        if offset is None:
            terms.append(parsed)
        else:
            offsets.append(offset)
    response = _response(lhs, text)
    kept = [term for term in terms if response is None or term.name != response.text]
    return ParsedFormula(text, response, tuple(kept), tuple(offsets), len(kept) < len(terms))


def _formulaic(text: str, columns: Sequence[str]) -> Any:
    from formulaic import Formula
    from formulaic.errors import FormulaicError

    try:
        return Formula(
            _prepared(text), _context={"__formulaic_variables_available__": list(columns)}
        )
    except (FormulaicError, SyntaxError) as error:
        raise FormulaError(_why_not(text, str(error))) from error


def _why_not(text: str, message: str) -> str:
    """In our words, what formulaic cannot read."""
    message = _COLOUR.sub("", message).replace(_MARK, "")
    reason = message.strip().splitlines()[0].rstrip(".").replace("insuffient", "insufficient")
    faulty = _FAULTY.search(message)
    place = f" at '{faulty[1]}'" if faulty and faulty[1] not in reason else ""
    hint = ""
    if faulty and faulty[1].strip() in ("=", "==", "!=", "<", "<=", ">", ">=", "&", "%", "//"):
        hint = " Comparisons and arithmetic between columns go inside I(), as in I(x > 30)."
    if re.search(r"\bas\.\w+\(", text):
        hint = " R's as.factor(x) is C(x); other types are given to columns beforehand."
    if "|" in text and not hint:
        hint = " Random terms such as (1 | group) are for fastglm.mixed."
    return f"Cannot parse the formula '{text}': {reason}{place}.{hint}"


def _prepared(text: str) -> str:
    """A formula as formulaic reads it.

    ``^`` is a power: Python would take it for the exclusive or of two integers. Columns in
    backticks that Python has as keywords are marked: formulaic would leave the backticks out.
    """
    pieces = _QUOTED.split(text)
    for i, piece in enumerate(pieces):
        if i % 2 == 0:
            pieces[i] = piece.replace("^", "**")
        elif piece[0] == "`" and keyword.iskeyword(piece[1:-1]):
            pieces[i] = f"{piece[:-1]}{_MARK}`"
    return "".join(pieces)


def _term(term: Any) -> Term:
    factors, scale = [], 1.0
    for factor in term.factors:
        method, text = factor.eval_method.value, factor.expr.replace(_MARK, "")
        if method == "literal":
            scale *= float(text)
        elif method == "lookup":
            factors.append(Expression.column(text))
        else:
            factors.append(Expression.parse(text))
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
