"""Scoring expressions as SQL: one SELECT statement that any of these engines can run."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fastglm.arguments import checked_choice
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

__all__ = ["DIALECTS", "Dialect", "to_sql"]


class Dialect(NamedTuple):
    """What differs between engines.

    Attributes
    ----------
    open, close : str
        Around names.
    log : str
        The natural logarithm.
    booleans : tuple of str
        False and true.
    power : str
    double : str
        The type of double precision: every numeric column is cast to it.
    backslash : bool
        Whether a backslash in a text stands for what follows it.
    text, text_and_end : str
        A column of text equal to a literal whatever the collation of the table, which may take
        "a" for "A"; the second also where texts end in blanks, which such collations do not see.
    """

    open: str = '"'
    close: str = '"'
    log: str = "LN"
    booleans: tuple[str, str] = ("FALSE", "TRUE")
    power: str = "POWER"
    double: str = "DOUBLE PRECISION"
    backslash: bool = False
    text: str = "{} = {}"
    text_and_end: str = "{} = {}"


DIALECTS: dict[str, Dialect] = {
    "bigquery": Dialect("`", "`", double="FLOAT64", backslash=True),
    "duckdb": Dialect(double="DOUBLE"),
    "mysql": Dialect(
        "`",
        "`",
        double="DOUBLE",
        backslash=True,
        text="CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin = {}",
        text_and_end="CONCAT(CONVERT({} USING utf8mb4), '|') COLLATE utf8mb4_bin = CONCAT({}, '|')",
    ),
    "postgres": Dialect(),
    "snowflake": Dialect(double="DOUBLE", backslash=True),
    "spark": Dialect("`", "`", double="DOUBLE", backslash=True),
    "sqlite": Dialect(booleans=("0", "1"), double="REAL"),
    "tsql": Dialect(
        "[",
        "]",
        log="LOG",
        booleans=("0", "1"),
        double="FLOAT",
        text="{} COLLATE Latin1_General_BIN2 = N{}",
        text_and_end="CONCAT({}, N'|') COLLATE Latin1_General_BIN2 = CONCAT(N{}, N'|')",
    ),
}

#: What the engines are called elsewhere.
OTHER_NAMES = {"postgresql": "postgres", "databricks": "spark", "sqlserver": "tsql"}

#: Names of the functions that are called alike everywhere.
_FUNCTIONS = {
    "abs": "ABS",
    "atan": "ATAN",
    "cos": "COS",
    "exp": "EXP",
    "floor": "FLOOR",
    "sin": "SIN",
    "sqrt": "SQRT",
    "tan": "TAN",
}
#: Polynomials of more coefficients are sums of powers: some parsers nest only so deep.
MOST_NESTED = 8
#: Before the names of terms, which are otherwise those of columns.
TERM = "term "
#: The linear predictor inside the statement. What follows tells models apart: a table may hold
#: the scores of another, and most engines take the first of two columns of a name.
PREDICTOR = "fastglm_linear_predictor_"


def to_sql(
    fit: Fit,
    dialect: str,
    table: str,
    what: str,
    offset: str | None,
    exposure: str | None,
) -> str:
    """A SELECT statement of all columns of a table and the predictions; see `Results.to_sql`."""
    if isinstance(dialect, str):
        dialect = OTHER_NAMES.get(dialect, dialect)
    checked_choice("dialect", dialect, DIALECTS)
    if not isinstance(table, str):
        raise ModelError(f"table must be the name of a table, not {table!r}")
    model = scoring(fit, offset, exposure)
    writer = _Writer(DIALECTS[dialect], columns_of(model.linear_predictor))
    source = ".".join(writer.name(part) for part in table.split("."))
    columns = writer.complete(model.linear_predictor)
    if what == "terms":
        shown = ",\n  ".join(
            f"{writer.guarded(columns, node)} AS {writer.name(TERM + name)}"
            for name, node in model.terms.items()
        )
        return f"SELECT t.*,\n  {shown}\nFROM {source} AS t"
    eta = writer.guarded(columns, model.linear_predictor)
    if what == "linear":
        return f"SELECT t.*,\n  {eta} AS prediction\nFROM {source} AS t"
    if what != "mean":
        raise ModelError(f'what must be "mean", "linear" or "terms", not {what!r}.')
    predictor = PREDICTOR + hashlib.sha256(eta.encode()).hexdigest()[:12]
    mean = writer.text(mean_of(fit.family.link, Column(predictor)))
    return (
        f"SELECT s.*,\n  {mean} AS prediction\nFROM (\n"
        f"SELECT t.*,\n  {eta} AS {writer.name(predictor)}\nFROM {source} AS t\n) AS s"
    )


class _Writer:
    """Writes nodes in one dialect."""

    def __init__(self, dialect: Dialect, columns: Mapping[str, tuple[Level, ...] | None]):
        self.dialect = dialect
        self.ends_in_blanks = {
            name
            for name, levels in columns.items()
            if any(isinstance(level, str) and level.endswith(" ") for level in levels or ())
        }

    def name(self, name: str) -> str:
        """A quoted name."""
        opening, closing = self.dialect.open, self.dialect.close
        return opening + name.replace(closing, closing * 2) + closing

    def literal(self, level: Level) -> str:
        """A level."""
        if isinstance(level, bool):
            return self.dialect.booleans[level]
        if isinstance(level, str):
            if self.dialect.backslash:
                return "'" + level.replace("\\", "\\\\").replace("'", "\\'") + "'"
            return "'" + level.replace("'", "''") + "'"
        return repr(level)

    def is_level(self, column: str, level: Level) -> str:
        """The condition that a column has a level."""
        pattern = "{} = {}"
        if isinstance(level, str):
            has_blanks = column in self.ends_in_blanks
            pattern = self.dialect.text_and_end if has_blanks else self.dialect.text
        return pattern.format(self.name(column), self.literal(level))

    def complete(self, node: Node) -> str:
        """The condition that no column that a node reads is missing."""
        return " AND ".join(f"{self.name(name)} IS NOT NULL" for name in columns_of(node))

    def guarded(self, complete: str, node: Node) -> str:
        """A node, or NULL where a column is missing."""
        if not complete:
            return self.text(node)
        return f"CASE WHEN {complete} THEN {self.text(node)} END"

    def number(self, value: float) -> str:
        """A literal of double precision, which reads back exactly."""
        if math.isnan(value):
            return "NULL"
        text = repr(float(value))
        text = text if "e" in text else f"{text}e0"
        return f"({text})" if value < 0.0 else text

    def text(self, node: Node) -> str:
        """A node as an expression."""
        match node:
            case Number(value):
                return self.number(value)
            case Column(name):
                return f"CAST({self.name(name)} AS {self.dialect.double})"
            case Binary(operator, left, right):
                return self.binary(operator, left, right)
            case Call(name, arguments):
                return self.call(name, arguments)
            case Comparison() | IsLevel():
                return f"CASE WHEN {self.condition(node)} THEN 1e0 ELSE 0e0 END"
            case Choice(condition, then, otherwise):
                return (
                    f"CASE WHEN {self.condition(condition)} THEN {self.text(then)} "
                    f"ELSE {self.text(otherwise)} END"
                )
            case Lookup():
                return self.lookup(node)
            case Polynomials():
                return self.polynomials(node)
        raise AssertionError(node)

    def binary(self, operator: str, left: Node, right: Node) -> str:
        return f"({self.text(left)} {operator} {self.text(right)})"

    def call(self, name: str, arguments: tuple[Node, ...]) -> str:
        written = ", ".join(self.text(argument) for argument in arguments)
        if name == "log":
            return f"{self.dialect.log}({written})"
        return f"{self.dialect.power if name == 'power' else _FUNCTIONS[name]}({written})"

    def condition(self, node: Node) -> str:
        """A node as a condition: whether it is not 0."""
        match node:
            case Comparison(operator, left, right):
                return f"{self.text(left)} {operator} {self.text(right)}"
            case IsLevel(column, level):
                return self.is_level(column, level)
        return f"{self.text(node)} <> 0e0"

    def lookup(self, node: Lookup) -> str:
        """A CASE of one WHEN for each combination of levels."""
        combinations: list[tuple[Any, ...]] = [()]
        for levels in node.levels:
            combinations = [(*before, level) for before in combinations for level in levels]
        cases = []
        for combination, value in zip(combinations, node.values, strict=True):
            test = " AND ".join(map(self.is_level, node.columns, combination))
            cases.append(f"WHEN {test} THEN {self.number(value)}")
        return f"CASE {' '.join(cases)} END"

    def polynomials(self, node: Polynomials) -> str:
        """A CASE of one WHEN for each piece, by Horner's scheme."""
        variable = self.text(node.variable)
        pieces = [
            self.horner(variable, piece, origin, width)
            for piece, origin, width in zip(node.pieces, node.origins, node.widths, strict=True)
        ]
        if not node.breaks:
            return pieces[0]
        last = len(node.breaks) - 1
        cases = " ".join(
            f"WHEN {variable} {'<=' if k == last else '<'} {self.number(at)} THEN {piece}"
            for k, (at, piece) in enumerate(zip(node.breaks, pieces, strict=False))
        )
        return f"CASE {cases} ELSE {pieces[-1]} END"

    def horner(
        self, variable: str, coefficients: tuple[float, ...], origin: float, width: float
    ) -> str:
        if any(math.isnan(value) for value in coefficients):
            return "NULL"
        t = variable if origin == 0.0 else f"({variable} - {self.number(origin)})"
        t = t if width == 1.0 else f"({t} / {self.number(width)})"
        if len(coefficients) > MOST_NESTED:
            powers = (
                f"{self.number(value)} * {self.dialect.power}({t}, {k})"
                for k, value in enumerate(coefficients[1:], start=1)
            )
            return f"({self.number(coefficients[0])} + {' + '.join(powers)})"
        text = self.number(coefficients[-1])
        for value in reversed(coefficients[:-1]):
            text = f"({self.number(value)} + {t} * {text})"
        return text
