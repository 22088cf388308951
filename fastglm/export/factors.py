"""Factors of a formula as scoring expressions: arithmetic, functions, levels and transforms."""

from __future__ import annotations

import ast
import math
from typing import Any, NamedTuple

from fastglm.design.formula.contrasts import Contrast
from fastglm.design.formula.expressions import (
    Expression,
    State,
    dotted,
    function_name,
    quoted_name,
)
from fastglm.design.formula.reference_levels import contrast_of
from fastglm.design.formula.transforms import STATEFUL
from fastglm.design.frames.categories import Level
from fastglm.errors import ModelError
from fastglm.export.nodes import Binary, Call, Choice, Column, Comparison, IsLevel, Node, Number
from fastglm.export.splines import transform_nodes

__all__ = ["Levels", "factor_nodes"]

_ARITHMETIC: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_COMPARISONS: dict[type, str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "=",
    ast.NotEq: "<>",
}
_PLAIN = ("abs", "cos", "exp", "log", "sin", "sqrt", "tan")


class Levels(NamedTuple):
    """A categorical factor: the column that holds its levels, and how they are coded."""

    column: str
    levels: tuple[Level, ...]
    contrast: Contrast


def factor_nodes(
    expression: Expression, levels: dict[str, tuple[Level, ...]], state: State
) -> list[Node] | Levels:
    """The columns of a factor, or its levels.

    Parameters
    ----------
    expression
        Of the formula.
    levels
        Of every categorical factor, by its text.
    state
        What the transforms learned.

    Raises
    ------
    ModelError
        If the factor does what no engine can, such as levels of a computed column.
    """
    if expression.text in levels:
        return _levels(expression, levels[expression.text])
    value = _Translation(expression.text, state).value(expression.tree)
    return value if isinstance(value, list) else [value]


def _levels(expression: Expression, levels: tuple[Level, ...]) -> Levels:
    tree, contrast = expression.tree, contrast_of(expression)
    if expression.columns != (expression.text,) and isinstance(tree, ast.Call):
        if function_name(tree) == "C":
            tree = tree.args[0]
        if isinstance(tree, ast.Call) and function_name(tree) == "Q":
            return Levels(quoted_name(tree, expression.text), levels, contrast)
    name = dotted(tree)
    if name is None:
        raise ModelError(
            f"'{expression.text}' codes a computed column by its levels, which cannot be "
            "exported: compute the column beforehand."
        )
    return Levels(name, levels, contrast)


class _Translation:
    """One walk over the tree of an expression (`fastglm.design.formula.expressions`)."""

    def __init__(self, text: str, state: State) -> None:
        self.text = text
        self.state = state

    def value(self, tree: ast.expr) -> Any:
        """A node; for a transform of several columns a list of them."""
        name = dotted(tree)
        if name is not None:
            return Column(name)
        if isinstance(tree, ast.Constant) and isinstance(tree.value, int | float):
            return Number(float(tree.value))
        if isinstance(tree, ast.Call):
            return self.call(tree)
        if isinstance(tree, ast.BinOp):
            return self.binary(tree)
        if isinstance(tree, ast.UnaryOp):
            return self.unary(tree)
        if isinstance(tree, ast.Compare):
            return self.compare(tree)
        raise ModelError(f"'{ast.unparse(tree)}' in '{self.text}' cannot be exported.")

    def number(self, tree: ast.expr) -> Node:
        value = self.value(tree)
        if isinstance(value, list):
            (value,) = value
        return value

    def binary(self, tree: ast.BinOp) -> Node:
        left, right, kind = self.number(tree.left), self.number(tree.right), type(tree.op)
        if kind in _ARITHMETIC:
            return Binary(_ARITHMETIC[kind], left, right)
        if kind is ast.Pow:
            return Call("power", (left, right))
        if kind is ast.BitAnd:
            return _both(left, right)
        if kind is ast.BitOr:
            return _negated(_both(_negated(left), _negated(right)))
        floor = Call("floor", (Binary("/", left, right),))
        return floor if kind is ast.FloorDiv else Binary("-", left, Binary("*", right, floor))

    def unary(self, tree: ast.UnaryOp) -> Node:
        value = self.number(tree.operand)
        if isinstance(tree.op, ast.USub):
            return Binary("-", Number(0.0), value)
        return _negated(value) if isinstance(tree.op, ast.Invert) else value

    def compare(self, tree: ast.Compare) -> Node:
        sides = [tree.left, *tree.comparators]
        pairs = zip(tree.ops, sides, sides[1:], strict=False)
        links = [self.compare_pair(op, left, right) for op, left, right in pairs]
        result = links[0]
        for link in links[1:]:
            result = _both(result, link)
        return result

    def compare_pair(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> Node:
        for column, level in ((left, right), (right, left)):
            if isinstance(level, ast.Constant) and isinstance(level.value, str):
                name = dotted(column)
                if name is None:
                    break
                equal = IsLevel(name, level.value)
                return equal if isinstance(op, ast.Eq) else _negated(equal)
        return Comparison(_COMPARISONS[type(op)], self.number(left), self.number(right))

    def call(self, tree: ast.Call) -> Any:
        name = function_name(tree)
        if name == "Q":
            return Column(quoted_name(tree, self.text))
        if name == "I":
            return self.value(tree.args[0])
        options = {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
        if name in STATEFUL:
            rest = [ast.literal_eval(argument) for argument in tree.args[1:]]
            call = ast.unparse(tree)
            learned = self.state.get(call, {})
            return transform_nodes(name, self.number(tree.args[0]), rest, options, learned, call)
        if options:
            raise ModelError(f"'{ast.unparse(tree)}' cannot be exported.")
        return _elementwise(name, [self.number(argument) for argument in tree.args])


def _both(left: Node, right: Node) -> Node:
    return Choice(left, Choice(right, Number(1.0), Number(0.0)), Number(0.0))


def _negated(node: Node) -> Node:
    return Choice(node, Number(0.0), Number(1.0))


def _elementwise(name: str, arguments: list[Node]) -> Node:
    first = arguments[0]
    if name in _PLAIN:
        return Call(name, (first,))
    if name == "power":
        return Call("power", tuple(arguments))
    if name in ("maximum", "minimum"):
        sign = ">=" if name == "maximum" else "<="
        return Choice(Comparison(sign, first, arguments[1]), first, arguments[1])
    if name == "square":
        return Binary("*", first, first)
    if name == "exp2":
        return Call("power", (Number(2.0), first))
    if name in ("log2", "log10"):
        base = math.log(2.0 if name == "log2" else 10.0)
        return Binary("/", Call("log", (first,)), Number(base))
    if name == "log1p":
        return log1p(first)
    if name == "expm1":
        return expm1(first)
    if name == "tanh":
        twice = expm1(Binary("*", Number(2.0), first))
        ratio = Binary("/", twice, Binary("+", twice, Number(2.0)))
        # Beyond 20 it is 1 to the last bit, and further on the exponential is infinite.
        return Choice(Comparison(">", first, Number(20.0)), Number(1.0), ratio)
    raise ModelError(f"{name}() cannot be exported.")


def expm1(node: Node) -> Node:
    """exp(x) - 1 to full precision, by Kahan's (u - 1) x / log(u) of u = exp(x)."""
    u = Call("exp", (node,))
    less = Binary("-", u, Number(1.0))
    exact = Binary("/", Binary("*", less, node), Call("log", (u,)))
    moderate = Comparison("<", Call("abs", (node,)), Number(1.0))
    by_ratio = Choice(Comparison("=", u, Number(1.0)), node, exact)
    return Choice(moderate, by_ratio, less)


def log1p(node: Node) -> Node:
    """log(1 + x) to full precision, by Kahan's x log(u) / (u - 1) of u = 1 + x."""
    u = Binary("+", Number(1.0), node)
    exact = Binary("/", Binary("*", node, Call("log", (u,))), Binary("-", u, Number(1.0)))
    return Choice(Comparison("=", u, Number(1.0)), node, exact)
