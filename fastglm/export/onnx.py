"""Scoring expressions as an ONNX graph in double precision."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper

from fastglm.design.frames.categories import Level
from fastglm.errors import ModelError
from fastglm.export.links import mean_of
from fastglm.export.nodes import (
    Binary,
    Call,
    Choice,
    Column,
    Comparison,
    IsLevel,
    Lookup,
    Node,
    Number,
    Polynomials,
    columns_of,
)
from fastglm.export.terms import scoring
from fastglm.fit.record import Fit

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

#: Versions of the operators, ONNX's own and those of machine learning.
OPSETS = {"": 21, "ai.onnx.ml": 4}
ROWS = "rows"

_BINARY = {"+": "Add", "-": "Sub", "*": "Mul", "/": "Div"}
_COMPARISONS = {
    "<": "Less",
    "<=": "LessOrEqual",
    ">": "Greater",
    ">=": "GreaterOrEqual",
    "=": "Equal",
}
_FUNCTIONS = {
    "abs": "Abs",
    "exp": "Exp",
    "floor": "Floor",
    "log": "Log",
    "power": "Pow",
    "sin": "Sin",
    "sqrt": "Sqrt",
}
#: Degree in the square at which the arc tangent has its digits between 0 and 1.
ATAN_DEGREE = 20


def to_onnx(fit: Fit, what: str, offset: str | None, exposure: str | None) -> onnx.ModelProto:
    """The model of one graph; see `Results.to_onnx`."""
    if what not in ("mean", "linear"):
        raise ModelError(f'what must be "mean" or "linear", not {what!r}.')
    eta = scoring(fit, offset, exposure).linear_predictor
    builder = _Builder(columns_of(eta))
    predictor = builder.complete(builder.add(eta))
    if what == "mean":
        # The predictor stands in the graph once, whatever the link reads it for.
        builder.names["linear_predictor"] = predictor
        predictor = builder.add(mean_of(fit.family.link, Column("linear_predictor")))
    return builder.model(predictor)


@cache
def _atan_series() -> tuple[float, ...]:
    """Powers of u = 2 x**2 - 1 whose sum times x is the arc tangent of x between 0 and 1."""
    u = np.cos(np.pi * (np.arange(ATAN_DEGREE + 1) + 0.5) / (ATAN_DEGREE + 1))
    x = np.sqrt(0.5 * (u + 1.0))
    series = np.polynomial.chebyshev.chebfit(u, np.arctan(x) / x, ATAN_DEGREE)
    return tuple(np.polynomial.chebyshev.cheb2poly(series).tolist())


class _Builder:
    """A graph that grows node by node."""

    def __init__(self, columns: Any):
        # Columns keep their names, so what is computed must have others.
        leading = (len(name) - len(name.lstrip("_")) for name in columns)
        self.inner = "_" * (1 + max(leading, default=0))
        self.nodes: list[Any] = []
        self.constants: dict[Any, str] = {}
        self.initializers: list[Any] = []
        self.inputs: list[Any] = []
        self.names: dict[str, str] = {}
        self.numeric: list[str] = []
        self.text: list[str] = []
        for name, levels in columns.items():
            self._input(name, levels)

    # -- pieces of the graph

    def _input(self, name: str, levels: tuple[Level, ...] | None) -> None:
        if levels is None:
            kind = TensorProto.DOUBLE
            self.numeric.append(name)
        elif all(isinstance(level, str) for level in levels):
            kind = TensorProto.STRING
            if "" not in levels:
                self.text.append(name)
        elif all(isinstance(level, bool) for level in levels):
            kind = TensorProto.BOOL
        elif all(isinstance(level, int) for level in levels):
            kind = TensorProto.INT64
        else:
            kind = TensorProto.DOUBLE
        self.inputs.append(helper.make_tensor_value_info(name, kind, [ROWS]))
        self.names[name] = name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """A node of the graph; the name of what it gives."""
        output = f"{self.inner}v{len(self.nodes)}"
        made = helper.make_node(kind, list(inputs), [output], domain=domain, **attributes)
        self.nodes.append(made)
        return output

    def constant(self, value: Any) -> str:
        """A constant, held once."""
        array = np.asarray(value)
        key = (array.dtype.str, array.tobytes(), array.shape)
        if key not in self.constants:
            name = self.constants[key] = f"{self.inner}c{len(self.constants)}"
            self.initializers.append(numpy_helper.from_array(array, name))
        return self.constants[key]

    def model(self, output: str) -> onnx.ModelProto:
        """The finished model."""
        name = f"{self.inner}prediction" if "prediction" in self.names else "prediction"
        self.nodes.append(helper.make_node("Identity", [output], [name]))
        prediction = helper.make_tensor_value_info(name, TensorProto.DOUBLE, [ROWS])
        graph = helper.make_graph(
            self.nodes, "fastglm", self.inputs, [prediction], self.initializers
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="fastglm")
        model.ir_version = 10
        checker.check_model(model)
        return model

    def complete(self, value: str) -> str:
        """The value, or NaN where a numeric column is, or a text that must not be is empty."""
        for name in self.text:
            is_missing = self.op("Equal", name, self.level(""))
            value = self.op("Where", is_missing, self.constant(math.nan), value)
        for name in self.numeric:
            value = self.op("Where", self.op("IsNaN", name), self.constant(math.nan), value)
        return value

    # -- scoring expressions

    def add(self, node: Node) -> str:
        """A node of doubles, (rows,) or a single one."""
        match node:
            case Number(value):
                return self.constant(float(value))
            case Column(name):
                return self.names[name]
            case Binary(operator, left, right):
                return self.op(_BINARY[operator], self.add(left), self.add(right))
            case Call(name, arguments):
                return self.call(name, [self.add(argument) for argument in arguments])
            case Comparison() | IsLevel():
                return self.op("Cast", self.condition(node), to=TensorProto.DOUBLE)
            case Choice(condition, then, otherwise):
                test = self.condition(condition)
                return self.op("Where", test, self.add(then), self.add(otherwise))
            case Lookup():
                return self.lookup(node)
            case Polynomials():
                return self.polynomials(node)
        raise AssertionError(node)

    def call(self, name: str, arguments: list[str]) -> str:
        if name in _FUNCTIONS:
            return self.op(_FUNCTIONS[name], *arguments)
        # What ONNX Runtime has in single precision only.
        (x,) = arguments
        if name == "atan":
            return self.arc_tangent(x)
        cosine = self.op("Sin", self.op("Add", x, self.constant(math.pi / 2.0)))
        return cosine if name == "cos" else self.op("Div", self.op("Sin", x), cosine)

    def arc_tangent(self, x: str) -> str:
        size, one = self.op("Abs", x), self.constant(1.0)
        is_far = self.op("Greater", size, one)
        inside = self.op("Where", is_far, self.op("Div", one, size), size)
        square = self.op("Mul", inside, inside)
        u = self.op("Sub", self.op("Mul", square, self.constant(2.0)), one)
        angle = self.op("Mul", inside, self.horner(u, _atan_series()))
        rest = self.op("Sub", self.constant(math.pi / 2.0), angle)
        return self.op("Mul", self.op("Sign", x), self.op("Where", is_far, rest, angle))

    def condition(self, node: Node) -> str:
        """A node of truth values: whether it is not 0."""
        match node:
            case Comparison("<>", left, right):
                return self.op("Not", self.op("Equal", self.add(left), self.add(right)))
            case Comparison(operator, left, right):
                return self.op(_COMPARISONS[operator], self.add(left), self.add(right))
            case IsLevel(column, level):
                return self.op("Equal", self.names[column], self.level(level))
        return self.op("Not", self.op("Equal", self.add(node), self.constant(0.0)))

    def level(self, level: Level) -> str:
        if isinstance(level, str):
            return self.constant(np.array(level, dtype=object))
        if isinstance(level, bool):
            return self.constant(np.bool_(level))
        return self.constant(np.int64(level) if isinstance(level, int) else float(level))

    def lookup(self, node: Lookup) -> str:
        """The place of each combination of levels in a table, whose last entry is NaN."""
        stride, place, is_known = 1, self.constant(np.int64(0)), self.constant(np.bool_(True))
        for column, levels in zip(reversed(node.columns), reversed(node.levels), strict=True):
            code = self.code(self.names[column], levels)
            step = self.op("Mul", code, self.constant(np.int64(stride)))
            place = self.op("Add", place, step)
            known = self.op("GreaterOrEqual", code, self.constant(np.int64(0)))
            is_known = self.op("And", is_known, known)
            stride *= len(levels)
        place = self.op("Where", is_known, place, self.constant(np.int64(stride)))
        return self.op("Gather", self.constant(np.array([*node.values, math.nan])), place)

    def code(self, column: str, levels: tuple[Level, ...]) -> str:
        """The number of each level, -1 for any other."""
        codes = {"values_int64s": list(range(len(levels))), "default_int64": -1}
        machine = "ai.onnx.ml"
        if all(isinstance(level, str) for level in levels):
            return self.op("LabelEncoder", column, domain=machine, keys_strings=levels, **codes)
        if all(isinstance(level, bool) for level in levels):
            column = self.op("Cast", column, to=TensorProto.INT64)
            levels = tuple(int(level) for level in levels)
        if all(isinstance(level, int) for level in levels):
            return self.op("LabelEncoder", column, domain=machine, keys_int64s=levels, **codes)
        code = self.constant(np.int64(-1))
        for k, level in enumerate(levels):
            equal = self.op("Equal", column, self.constant(float(level)))
            code = self.op("Where", equal, self.constant(np.int64(k)), code)
        return code

    def polynomials(self, node: Polynomials) -> str:
        """Pieces from the last to the first, each where the variable lies below its end."""
        variable = self.add(node.variable)
        pieces = []
        for piece, origin, width in zip(node.pieces, node.origins, node.widths, strict=True):
            distance = self.op("Sub", variable, self.constant(origin))
            pieces.append(self.horner(self.op("Div", distance, self.constant(width)), piece))
        result, last = pieces[-1], len(node.breaks) - 1
        for k in reversed(range(len(node.breaks))):
            below = "LessOrEqual" if k == last else "Less"
            test = self.op(below, variable, self.constant(node.breaks[k]))
            result = self.op("Where", test, pieces[k], result)
        return result

    def horner(self, t: str, coefficients: tuple[float, ...]) -> str:
        value = self.constant(coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            value = self.op("Add", self.op("Mul", value, t), self.constant(coefficient))
        return value
