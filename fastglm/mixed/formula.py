"""Random terms of a formula, ``(1 + x | g)``, removed before formulaic parses the rest.

formulaic has no bar inside parentheses. A small tokenizer splits the right side at its top-level
plus signs; a piece that is one parenthesis with a bar in it is a random term, and both sides of its
bar are formulas that formulaic reads. Syntax: Bates et al. (2015), "Fitting linear mixed-effects
models using lme4", *Journal of Statistical Software* 67.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.grammar import Term, parse_formula
from fastglm.design.frames.frames import Frame
from fastglm.errors import FormulaError, ModelError

__all__ = ["RandomTerm", "split_formula", "split_further", "statsmodels_terms"]

_TOKEN = re.compile(r"(\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]+`)|(\|\|?|[()\[\]{}+\-~])")
_TAGGED = re.compile(r"\s*(us|diag|cs|ar1)\s*(?=\()")
_DOT = re.compile(r"(?<![\w.)`\]])\.(?![\w.(`])")


@dataclass(frozen=True)
class RandomTerm:
    """Effects of some columns that vary between the levels of a grouping factor.

    Attributes
    ----------
    columns : str
        Their formula, ``"~ 1 + x"``.
    factors : tuple of Expression
        The levels are the combinations that occur in the data.
    structure : {"us", "diag", "cs", "ar1"}
        Of their covariance: unstructured, diagonal, compound symmetry, first-order autoregressive.
    text : str
        As written.
    predictor : int
        Which linear predictor has the effects; 1 is that of the zeros of counts.
    """

    columns: str
    factors: tuple[Expression, ...]
    structure: str
    text: str
    predictor: int = 0

    @property
    def group(self) -> str:
        """Name of the grouping factor, its parts joined by colons."""
        return ":".join(factor.text for factor in self.factors)


def split_formula(
    text: str, columns: Sequence[str], required: bool = True, may_be_empty: bool = False
) -> tuple[str, tuple[RandomTerm, ...]]:
    """Take the random terms out of a formula.

    Parameters
    ----------
    text : str
        Such as ``"y ~ x + (1 + x | g)"``.
    columns : sequence of str
        The columns of the data, for ``.``, which leaves out those used after a bar.
    required : bool
        Whether there must be a random term.
    may_be_empty : bool
        Whether the fixed part may have no term.

    Returns
    -------
    fixed : str
        The formula without random terms, for `fastglm.design.formula.grammar`.
    terms : tuple of RandomTerm
        As written, nested factors and ``||`` written out.

    Raises
    ------
    FormulaError
        If a bar stands outside parentheses of its own, a side of it cannot be read, or no fixed
        term is left.
    ModelError
        If there is no random term.
    """
    if not isinstance(text, str):
        raise FormulaError(f"The formula must be a string, not a {type(text).__name__}.")
    left, tilde, right = _cut_tilde(text)
    fixed, random = [], []
    for sign, piece in _summands(right, text):
        term = _random_term(piece, text)
        if term is None:
            fixed.append(f"{sign} {piece.strip()}")
        elif sign == "-":
            raise FormulaError(
                f"'{text}': a random term cannot be subtracted: '- {piece.strip()}'."
            )
        else:
            random += _write_out(*term, columns)
    if _bars(left):
        raise FormulaError(
            f"'{text}': '|' stands left of '~', where the response is; a random term is added on "
            "the right, as '(1 + x | group)'."
        )
    if not random and required:
        raise ModelError(
            f"'{text}' has no random term such as (1 | group): use fastglm.glm instead."
        )
    used = {name for term in random for factor in term.factors for name in factor.columns}
    rest = " ".join(fixed).lstrip("+ ") or "1"
    response = parse_formula(f"{left} ~ 1", columns).response
    used |= set(() if response is None else response.columns)
    without = f"{left}{tilde} {_without_dot(rest, columns, used)}"
    if not may_be_empty and not parse_formula(without, columns).terms:
        raise FormulaError(
            f"'{text}' has no fixed term, which is for models of one linear predictor in memory: "
            "leave the intercept in."
        )
    return without, tuple(random)


def split_further(
    formulas: Sequence[str | None], columns: Sequence[str]
) -> tuple[list[str | None], list[RandomTerm]]:
    """Take the random terms out of the formulas of further predictors, from the second on."""
    without: list[str | None] = []
    found: list[RandomTerm] = []
    for number, text in enumerate(formulas):
        if text is None or "|" not in text:
            without.append(text)
            continue
        fixed, terms = split_formula(text, columns)
        without.append(fixed)
        found += [replace(term, predictor=number + 1) for term in terms]
    return without, found


def _cut_tilde(text: str) -> tuple[str, str, str]:
    for match in _TOKEN.finditer(text):
        if match.group(2) == "~":
            return text[: match.start()], "~", text[match.end() :]
    raise FormulaError(f"'{text}' has no '~': write 'response ~ terms'.")


def _summands(right: str, text: str) -> list[tuple[str, str]]:
    """The pieces between plus and minus signs outside all parentheses, with their signs."""
    pieces, depth, sign, first = [], 0, "+", 0
    for match in _TOKEN.finditer(right):
        token = match.group(2)
        if token is None:
            continue
        depth += token in "([{"
        depth -= token in ")]}"
        if depth < 0:
            raise FormulaError(f"'{text}': a parenthesis is closed that was not opened.")
        if depth == 0 and token[0] == "|":
            raise FormulaError(
                f"'{text}': '{token}' stands outside parentheses; a random term is written "
                "'(1 + x | group)'."
            )
        if depth == 0 and token in "+-":
            pieces.append((sign, right[first : match.start()]))
            sign, first = token, match.end()
    if depth:
        raise FormulaError(f"'{text}': a parenthesis is not closed.")
    pieces.append((sign, right[first:]))
    return [(sign, piece) for sign, piece in pieces if piece.strip()]


def _random_term(piece: str, text: str) -> tuple[str, str, str, bool, str] | None:
    """Structure, left and right side, whether correlated, and text; None for a fixed term."""
    tag = _TAGGED.match(piece)
    inner = piece[tag.end() :] if tag else piece
    stripped = inner.strip()
    bars = _bars(inner)
    if not bars:
        return None
    alone = stripped.startswith("(") and _closes_at(stripped) == len(stripped) - 1
    if not alone or len(bars) > 1 or bars[0][1] != 1:
        raise FormulaError(
            f"'{text}': a bar must stand alone inside one pair of parentheses, as in "
            f"'(1 + x | group)'; it does not in '{piece.strip()}'."
        )
    place, _, bar = bars[0]
    opening = inner.index("(")
    left, right = inner[opening + 1 : place], inner[place + len(bar) : inner.rindex(")")]
    if not left.strip() or not right.strip():
        raise FormulaError(f"'{text}': a side of the bar is empty in '{piece.strip()}'.")
    structure = tag.group(1) if tag else "us"
    if bar == "||" and structure != "us":
        raise FormulaError(f"'{text}': '||' says diagonal already; leave out {structure}().")
    return structure, left.strip(), right.strip(), bar == "|", piece.strip()


def _bars(piece: str) -> list[tuple[int, int, str]]:
    """Place, depth and text of every bar."""
    found, depth = [], 0
    for match in _TOKEN.finditer(piece):
        token = match.group(2)
        if token is None:
            continue
        depth += token in "([{"
        depth -= token in ")]}"
        if token[0] == "|":
            found.append((match.start(), depth, token))
    return found


def _closes_at(piece: str) -> int:
    """Position of the parenthesis that closes the one at the start of the piece."""
    depth = 0
    for match in _TOKEN.finditer(piece):
        token = match.group(2)
        if token is None:
            continue
        depth += token in "([{"
        depth -= token in ")]}"
        if depth == 0:
            return match.start()
    return -1


def _write_out(
    structure: str, left: str, right: str, correlated: bool, text: str, columns: Sequence[str]
) -> list[RandomTerm]:
    """A term for each grouping factor; with ``||`` one for each summand of the left side too.

    As in lme4, a categorical column left of ``||`` keeps correlations between its levels; `diag`
    has none.
    """
    groups = parse_formula(f"~ 0 + {right}", columns)
    sides = [f"~ {left}"]
    if not correlated:
        parsed = parse_formula(f"~ {left}", columns)
        sides = [f"~ 0 + {_written(t)}" if t.factors else "~ 1" for t in parsed.terms]
    found = []
    nested = "/" in right
    for group in groups.terms:
        if not group.factors:
            raise FormulaError(f"'{text}': the right side of a bar must name grouping factors.")
        # lme4 names a nested factor from the inside: class:school.
        factors = group.factors[::-1] if nested else group.factors
        found += [RandomTerm(side, factors, structure, text) for side in sides]
    if not found:
        raise FormulaError(f"'{text}': the right side of a bar must name grouping factors.")
    return found


def _written(term: Term) -> str:
    """A term as a formula has it: names of columns in backquotes."""
    return ":".join(f"`{f.text}`" if f.columns == (f.text,) else f.text for f in term.factors)


def _without_dot(rest: str, columns: Sequence[str], used: set[str]) -> str:
    """The fixed part with ``.`` replaced by all columns that are not used elsewhere."""
    if not _DOT.search(rest):
        return rest
    others = [f"`{name}`" for name in columns if name not in used]
    return _DOT.sub(f"({' + '.join(others) or '1'})", rest)


def statsmodels_terms(
    groups: Any, re_formula: str | None, vc_formula: Mapping[str, str] | None, data: Frame
) -> str:
    """Terms of a formula from statsmodels' arguments."""
    if not isinstance(groups, str):
        raise ModelError("groups= names a column of the data frame.")
    if not (groups.isidentifier() or groups.startswith("`")):
        groups = f"`{groups}`"
    terms = []
    if re_formula is not None or not vc_formula:
        terms.append(f"({(re_formula or '1').lstrip(' ~')} | {groups})")
    for name, formula in (vc_formula or {}).items():
        terms.append(_variance_component(name, formula, groups, data))
    return " + ".join(terms)


def _variance_component(name: str, formula: str, groups: str, data: Frame) -> str:
    """Independent effects of the columns of a formula in each level: of a number, a slope."""
    inside = formula.lstrip(" ~")
    if inside.replace(" ", "") in ("1", "0+1"):
        return f"(1 | {groups})"
    start = re.match(r"0\s*\+\s*", inside)
    if start is None or "+" in inside[start.end() :]:
        raise ModelError(
            f"vc_formula of '{name}' must be '0 + ' and one term, as '0 + C(item)': write further "
            "ones under names of their own."
        )
    inside = inside[start.end() :].strip()
    if inside in data.names:
        column = data.column(inside)
        if isinstance(column, np.ndarray) and column.dtype.kind in "fiu":
            return f"(0 + `{inside}` | {groups})"
    inside = inside[2:-1] if inside.startswith("C(") and inside.endswith(")") else inside
    return f"(1 | {groups}:{inside})"
