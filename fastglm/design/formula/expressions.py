"""The expressions inside a formula, such as ``np.log(x + 1)``, ``bs(age, df=4)`` or ``C(a)``.

An expression is parsed by Python's own parser, checked against a fixed list of operations when it
is read, and evaluated by walking the tree. Nothing is ever passed to ``eval``, so a fitted formula
loaded from a file can name columns and the functions listed here, and nothing else.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from fastglm.design.formula.contrasts import CONTRASTS, Coding, Contrast
from fastglm.design.formula.transforms import ELEMENTWISE, STATEFUL, Basis, apply_stateful
from fastglm.design.frames.categories import Categories, Column, without_levels
from fastglm.design.frames.frames import categorize
from fastglm.design.frames.whole_numbers import as_double
from fastglm.errors import FormulaError

__all__ = ["Expression", "State", "Value", "expression_from_dict", "expression_to_dict"]

Value: TypeAlias = np.ndarray | Categories | Basis | Coding
State: TypeAlias = dict[str, dict[str, Any]]

_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_LOGIC: dict[type, Any] = {ast.BitAnd: np.logical_and, ast.BitOr: np.logical_or}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: np.logical_not,
}
_FUNCTIONS = {*ELEMENTWISE, *STATEFUL, "C", "I", "Q"}
#: Names here of functions of R, patsy and NumPy.
_ELSEWHERE = {
    "factor": "R's factor(x) is C(x).",
    "c": "R's c(0, 1) is [0, 1].",
    "relevel": "R's relevel(x, 'a') is C(x, contr.treatment('a')).",
    "ns": "R's ns(x, df=4) is cr(x, df=4), a natural cubic spline by its values at the knots.",
    "s": "A spline is bs(x, df=4) or cr(x, df=4); smooths of a penalty are not fitted.",
    "pmin": "R's pmin is minimum.",
    "pmax": "R's pmax is maximum.",
    **dict.fromkeys(("where", "ifelse", "cut", "digitize"), "Compute the column beforehand."),
}
_WHOLE_FACTOR = ("cbind", "offset")
_MODULES = ("np", "numpy")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|`[^`]+`")


@dataclass(frozen=True)
class Expression:
    """One factor of a formula.

    Parameters
    ----------
    text : str
        The factor as the formula's parser prints it.
    tree : ast.expr
        The same, parsed and checked.
    columns : tuple of str
        The data columns it reads, in order of appearance.
    """

    text: str
    tree: ast.expr
    columns: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression.

        Raises
        ------
        FormulaError
            If it is not Python, or calls or does anything outside the fixed list.
        """
        placeholders: dict[str, str] = {}

        def quote(match: re.Match[str]) -> str:
            if not match[0].startswith("`"):
                return match[0]
            placeholders[name := f"_column_{len(placeholders)}_"] = match[0][1:-1]
            return name

        try:
            tree = ast.parse(_QUOTED.sub(quote, text).strip(), mode="eval").body
        except SyntaxError as error:
            raise FormulaError(f"Cannot read '{text}' in the formula: {error.msg}.") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id in placeholders:
                node.id = placeholders[node.id]
        columns: dict[str, None] = {}
        special = isinstance(tree, ast.Call) and dotted(tree.func) in _WHOLE_FACTOR
        for part in tree.args if isinstance(tree, ast.Call) and special else [tree]:
            _check(part, columns, text)
        return cls(text, tree, tuple(columns))

    @classmethod
    def column(cls, name: str) -> Expression:
        """Make the expression that is the column `name`, whatever characters the name has."""
        return cls(name, ast.Name(name, ast.Load()), (name,))

    def called(self, name: str) -> list[Expression] | None:
        """Give the arguments if the whole expression is a call of `name`, otherwise None."""
        if isinstance(self.tree, ast.Call) and dotted(self.tree.func) == name:
            return [_subexpression(argument, self.text) for argument in self.tree.args]
        return None

    @property
    def is_stateful(self) -> bool:
        """Whether a function in it learns from the data."""
        calls = (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))
        return any(function_name(call) in STATEFUL for call in calls)

    def evaluate(
        self, columns: Mapping[str, Column], state: State, may_code: bool = False
    ) -> Value:
        """Compute the factor.

        Parameters
        ----------
        columns : mapping of str to Column
            At least the columns in `self.columns`.
        state : dict
            What stateful functions learned, by the text of their call; filled where absent.
        may_code : bool, default False
            Whether a `Basis` of a column of few distinct values may have codes.

        Returns
        -------
        ndarray of shape (n,), Categories, Basis or Coding
            A column by itself is returned as it lies, of any dtype; arithmetic takes float64.

        Raises
        ------
        FormulaError
            If an operation does not fit its operands, such as a sum with a categorical.
        """
        with np.errstate(all="ignore"):
            value = _Evaluation(columns, state, self.text, may_code).value(self.tree)
        if not isinstance(value, np.ndarray | Categories | Basis | Coding):
            raise FormulaError(f"'{self.text}' is a constant; a formula needs data columns.")
        return value


def _subexpression(tree: ast.expr, text: str) -> Expression:
    columns: dict[str, None] = {}
    _check(tree, columns, text)
    return Expression(ast.unparse(tree), tree, tuple(columns))


def dotted(node: ast.expr) -> str | None:
    """Give the text of a name or a dotted name, otherwise None."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value)
        return None if owner is None else f"{owner}.{node.attr}"
    return None


def function_name(node: ast.Call) -> str:
    name = dotted(node.func) or ast.unparse(node.func)
    module, _, function = name.rpartition(".")
    return function if module in _MODULES else name


def _check(node: ast.expr, columns: dict[str, None], text: str) -> None:
    """Refuse what is outside the language; collect the columns that are read."""
    name = dotted(node)
    if name is not None:
        columns[name] = None
    elif isinstance(node, ast.Call):
        _check_call(node, columns, text)
    elif isinstance(node, ast.List | ast.Tuple):
        for element in node.elts:
            _check(element, columns, text)
    elif isinstance(node, ast.BinOp) and type(node.op) in {**_ARITHMETIC, **_LOGIC}:
        for side in (node.left, node.right):
            _check(side, columns, text)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        _check(node.operand, columns, text)
    elif isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
        for side in (node.left, *node.comparators):
            _check(side, columns, text)
            if isinstance(getattr(side, "op", None), ast.BitAnd | ast.BitOr | ast.Invert):
                raise FormulaError(f"'{text}': a comparison beside &, | or ~ needs parentheses.")
    elif not (isinstance(node, ast.Constant) and _is_plain(node.value)):
        raise FormulaError(f"'{ast.unparse(node)}' in '{text}' cannot be used in a formula.")


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _check_call(node: ast.Call, columns: dict[str, None], text: str) -> None:
    name = function_name(node)
    if name in _WHOLE_FACTOR:
        raise FormulaError(f"{name}() cannot be part of a larger expression, as in '{text}'.")
    if name not in _FUNCTIONS:
        close = difflib.get_close_matches(name, _FUNCTIONS, n=2)
        hint = f"Did you mean {' or '.join(close)}?" if close else "Compute the column beforehand."
        hint = _ELSEWHERE.get(name, hint)
        raise FormulaError(
            f"'{name}' in '{text}' is not a function of the formula language. {hint} "
            f"It has {', '.join(sorted(_FUNCTIONS, key=str.lower))}."
        )
    if any(isinstance(a, ast.Starred) for a in node.args) or not all(k.arg for k in node.keywords):
        raise FormulaError(f"'{text}' unpacks arguments, which a formula cannot do.")
    if not node.args:
        raise FormulaError(f"{name}() in '{text}' needs the column as its first argument.")
    if name == "Q":
        columns[quoted_name(node, text)] = None
        return
    contrast = contrast_node(node) if name == "C" else None
    if contrast is not None:
        read_contrast(contrast, text)
    for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
        if argument is not contrast:
            _check(argument, columns, text)


def quoted_name(node: ast.Call, text: str) -> str:
    argument = node.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value
    raise FormulaError(f"Q() in '{text}' takes the name of a column in quotes.")


def contrast_node(node: ast.Call) -> ast.expr | None:
    if len(node.args) > 1:
        return node.args[1]
    return next((k.value for k in node.keywords if k.arg == "contrasts"), None)


def read_contrast(node: ast.expr, text: str) -> Contrast:
    name = dotted(node.func if isinstance(node, ast.Call) else node)
    if name not in CONTRASTS:
        raise FormulaError(
            f"'{ast.unparse(node)}' in '{text}' is not a contrast; use one of "
            f"{', '.join(CONTRASTS)}, for example C(x, contr.treatment('base'))."
        )
    if not isinstance(node, ast.Call):
        return Contrast(name)
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in node.args)
        options = tuple((str(k.arg), ast.literal_eval(k.value)) for k in node.keywords)
    except ValueError as error:
        raise FormulaError(f"The contrast in '{text}' takes constants only.") from error
    return Contrast(name, arguments, options)


class _Evaluation:
    """One walk over one tree: the data it reads and the state it fills."""

    def __init__(
        self, columns: Mapping[str, Column], state: State, text: str, may_code: bool
    ) -> None:
        self.columns = columns
        self.may_code = may_code
        self.state = state
        self.text = text

    def value(self, node: ast.expr) -> Any:
        """Evaluate a node to a column, a constant or a list of constants."""
        name = dotted(node)
        if name is not None:
            return self.columns[name]
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.List | ast.Tuple):
            return [self.value(element) for element in node.elts]
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.BinOp):
            return self.binary(node)
        if isinstance(node, ast.UnaryOp):
            return self.unary(node)
        assert isinstance(node, ast.Compare)
        return self.compare(node)

    def number(self, node: ast.expr) -> Any:
        """Evaluate a node to float64 numbers: int8 must not overflow in x**2."""
        value = self.value(node)
        if isinstance(value, np.ndarray):
            return as_double(value, f"'{self.text}'")
        if isinstance(value, bool | int | float):
            return value
        raise FormulaError(
            f"'{ast.unparse(node)}' in '{self.text}' is not a single numeric column, "
            "so it cannot be used in arithmetic."
        )

    def binary(self, node: ast.BinOp) -> Any:
        if type(node.op) in _LOGIC:
            return _LOGIC[type(node.op)](self.number(node.left), self.number(node.right))
        try:
            return _ARITHMETIC[type(node.op)](self.number(node.left), self.number(node.right))
        except (ZeroDivisionError, OverflowError) as error:
            raise FormulaError(f"'{ast.unparse(node)}' in '{self.text}': {error}.") from error

    def unary(self, node: ast.UnaryOp) -> Any:
        return _SIGNS[type(node.op)](self.number(node.operand))

    def compare(self, node: ast.Compare) -> Any:
        sides = [node.left, *node.comparators]
        links = [
            self.compare_pair(op, left, right)
            for op, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return links[0] if len(links) == 1 else np.logical_and.reduce(links)

    def compare_pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Any:
        category, constant = self.value(left), self.value(right)
        if isinstance(constant, Categories):
            category, constant = constant, category
        if isinstance(constant, str) and isinstance(category, np.ndarray):
            # A column without a single value may be a category.
            category = without_levels(category)
        if not isinstance(category, Categories):
            return _COMPARISONS[type(op)](self.number(left), self.number(right))
        if not isinstance(op, ast.Eq | ast.NotEq) or not _is_plain(constant):
            raise FormulaError(
                f"'{self.text}': a categorical can only be compared with a level, by == or !=."
            )
        matches = np.array([level == constant for level in category.levels] + [False])
        equal = matches[category.codes]
        return equal if isinstance(op, ast.Eq) else ~equal

    def call(self, node: ast.Call) -> Any:
        name = function_name(node)
        if name == "Q":
            return self.columns[quoted_name(node, self.text)]
        if name == "C":
            return self.code(node)
        if name == "I":
            return self.value(node.args[0])
        options = {str(k.arg): self.value(k.value) for k in node.keywords}
        first = self.number(node.args[0])
        if name in ELEMENTWISE:
            rest = [self.number(argument) for argument in node.args[1:]]
            try:
                return ELEMENTWISE[name](first, *rest, **options)
            except TypeError as error:
                raise FormulaError(f"'{self.text}': {error}.") from error
        rest = [self.value(argument) for argument in node.args[1:]]
        call = ast.unparse(node)
        state = self.state.setdefault(call, {})
        return apply_stateful(name, [first, *rest], options, state, call, self.may_code)

    def code(self, node: ast.Call) -> Coding:
        contrast = contrast_node(node)
        options = {k.arg: self.value(k.value) for k in node.keywords if k.value is not contrast}
        value = self.value(node.args[0])
        unknown = set(options) - {"levels", "spans_intercept"}
        if unknown or len(node.args) > 2 or not isinstance(value, np.ndarray | Categories):
            raise FormulaError(
                f"'{self.text}': use C(column, contrast, levels=[...], spans_intercept=True)."
            )
        levels = options.get("levels")
        return Coding(
            categorize(value, self.text),
            Contrast() if contrast is None else read_contrast(contrast, self.text),
            None if levels is None else tuple(levels),
            bool(options.get("spans_intercept", True)),
        )


def expression_to_dict(expression: Expression) -> dict[str, Any]:
    """An expression as plain JSON types."""
    return {"text": expression.text, "column": expression.columns == (expression.text,)}


def expression_from_dict(saved: Mapping[str, Any]) -> Expression:
    """The expression that `expression_to_dict` described; nothing is evaluated."""
    text = saved["text"]
    return Expression.column(text) if saved["column"] else Expression.parse(text)
