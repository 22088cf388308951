"""Scoring expressions: what a fitted model computes for a row, in terms that every engine has.

A model is turned into these nodes once (`fastglm.export.terms`), and each engine writes them down
in its own words (`fastglm.export.sql`, `fastglm.export.onnx`). A missing value makes every node
that reads it missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fastglm.design.frames.categories import Level

__all__ = [
    "Binary",
    "Call",
    "Choice",
    "Column",
    "Comparison",
    "IsLevel",
    "Lookup",
    "Node",
    "Number",
    "Polynomials",
    "columns_of",
    "product",
    "total",
]


@dataclass(frozen=True)
class Number:
    """A constant; NaN for a missing value."""

    value: float


@dataclass(frozen=True)
class Column:
    """A numeric column, by its name."""

    name: str


@dataclass(frozen=True)
class Binary:
    """``left operator right`` of two numbers; the operator is one of ``+ - * /``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """abs, atan, cos, exp, floor, log, sin, sqrt or tan of a number, or power of two numbers."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Comparison:
    """1 where ``left operator right`` holds, else 0; one of ``< <= > >= = <>``."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Choice:
    """`then` where `condition` is not 0, else `otherwise`."""

    condition: Node
    then: Node
    otherwise: Node


@dataclass(frozen=True)
class IsLevel:
    """1 where a categorical column has this level, else 0."""

    column: str
    level: Level


@dataclass(frozen=True, eq=False)
class Lookup:
    """A number for each combination of levels of categorical columns; missing for any other.

    Attributes
    ----------
    columns : tuple of str
    levels : tuple of tuple
        The levels of each column.
    values : tuple of float
        By combination, the last column varying fastest.
    """

    columns: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]
    values: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Polynomials:
    """A piecewise polynomial of a number.

    Attributes
    ----------
    variable : Node
    breaks : tuple of float
        The m points between pieces, in increasing order. A point belongs to the piece after it,
        the last one to the piece before it.
    pieces : tuple of tuple of float
        The m + 1 pieces; coefficients from the constant on, in ``(variable - origin) / width``.
        NaN where there is no value.
    origins, widths : tuple of float
        Of each piece.
    """

    variable: Node
    breaks: tuple[float, ...]
    pieces: tuple[tuple[float, ...], ...]
    origins: tuple[float, ...]
    widths: tuple[float, ...]


Node: TypeAlias = (
    Number | Column | Binary | Call | Comparison | Choice | IsLevel | Lookup | Polynomials
)


def total(nodes: Sequence[Node]) -> Node:
    """The sum of some nodes; 0 of none."""
    if not nodes:
        return Number(0.0)
    sum_so_far = nodes[0]
    for node in nodes[1:]:
        sum_so_far = Binary("+", sum_so_far, node)
    return sum_so_far


def product(nodes: Sequence[Node]) -> Node:
    """The product of some nodes, without factors of 1."""
    factors = [node for node in nodes if node != Number(1.0)]
    if not factors:
        return Number(1.0)
    result = factors[0]
    for node in factors[1:]:
        result = Binary("*", result, node)
    return result


def columns_of(node: Node) -> Mapping[str, tuple[Level, ...] | None]:
    """Names of the columns that a node reads; with the levels of categorical ones, else None."""
    found: dict[str, tuple[Level, ...] | None] = {}
    _collect(node, found)
    return found


def _collect(node: Node, found: dict[str, tuple[Level, ...] | None]) -> None:
    match node:
        case Column(name):
            found.setdefault(name, None)
        case Binary(_, left, right) | Comparison(_, left, right):
            _collect(left, found)
            _collect(right, found)
        case Call(_, arguments):
            for argument in arguments:
                _collect(argument, found)
        case Choice(condition, then, otherwise):
            for child in (condition, then, otherwise):
                _collect(child, found)
        case IsLevel(column, level):
            found[column] = (*(found.get(column) or ()), level)
        case Lookup(columns, levels, _):
            for name, own in zip(columns, levels, strict=True):
                found[name] = (*(found.get(name) or ()), *own)
        case Polynomials(variable=variable):
            _collect(variable, found)
