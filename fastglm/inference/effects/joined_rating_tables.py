"""The rating tables of two fits whose means are multiplied, as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.effects.rating_table import RatingTable, rating_table

__all__ = ["joined_tables"]

_NUMBERS = ("is_base", "relativity", "lower", "upper", "weight")


def joined_tables(
    first: Any, second: Any, at: Mapping[str, Sequence[Any]] | None, base: Any, n_values: int,
    alpha: float,
) -> RatingTable:  # fmt: skip
    """Relativities of the product; see `PurePremium.rating_table`."""
    for fit in (first, second):
        if fit.family.link.ratio != "mean":
            raise ModelError(
                f"a rating table of a premium needs log links, not {fit.family.link.name}: other "
                "relativities are not those of means."
            )
    known = dict(at or {})
    names = [_variables(fit) for fit in (first, second)]
    one = rating_table(first, _only(known, names[0]), _only(base, names[0]), n_values, alpha)
    # The second has the values and bases of the first.
    shared = {name: values for name, values in one.levels.items() if name in names[1]}
    bases = {name: one.bases[name] for name in shared}
    if isinstance(base, Mapping):
        bases = dict(base) | bases
    elif base != "reference":
        bases = {**_bases(second, known, base, n_values, alpha), **bases}
    numeric = {name: values for name, values in shared.items() if name not in _categorical(second)}
    two = rating_table(
        second, _only(known | numeric, names[1]), _only(bases, names[1]), n_values, alpha
    )
    return _product(one, two)


def _variables(fit: Any) -> set[str]:
    formula = fit.fitted_formula
    expressions = () if formula is None else (*formula.factors, *formula.offsets)
    return {name for each in expressions for name in each.columns}


def _only(given: Any, names: set[str]) -> Any:
    if not isinstance(given, Mapping):
        return given
    return {name: value for name, value in given.items() if name in names}


def _categorical(fit: Any) -> set[str]:
    return {
        factor.columns[0]
        for factor in fit.fitted_formula.factors
        if factor.text in fit.fitted_formula.levels and len(factor.columns) == 1
    }


def _bases(fit: Any, at: Mapping[str, Any], base: str, n_values: int, alpha: float) -> Any:
    return rating_table(fit, _only(at, _variables(fit)), base, n_values, alpha).bases


def _product(one: RatingTable, two: RatingTable) -> RatingTable:
    """Rows of both; those of the same variables, if each table has one term of them, multiplied."""
    frames = [table.summary_frame() for table in (one, two)]
    counts = [_terms_of(table) for table in (one, two)]
    both = {v for v in counts[0] if counts[0][v] == counts[1].get(v) == 1}
    keys = [
        [(v, level) for v, level in zip(table.variables, frame["level"], strict=True)]
        for table, frame in zip((one, two), frames, strict=True)
    ]
    of_second = {key: row for key, (_, row) in zip(keys[1], frames[1].iterrows(), strict=True)}
    rows, values, variables = list[dict[str, Any]](), list[Any](), list[tuple[str, ...]]()
    for key, value, (_, row) in zip(keys[0], one.values, frames[0].iterrows(), strict=True):
        rows.append(_row(row, of_second.get(key) if key[0] in both else None, key[0]))
        values.append(value)
        variables.append(key[0])
    known = {key for key in keys[0] if key[0] in both}
    for key, value, (_, row) in zip(keys[1], two.values, frames[1].iterrows(), strict=True):
        if key not in known:
            rows.append(_row(row, None, key[0]) | {"weight": np.nan})
            values.append(value)
            variables.append(key[0])
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in ("term", "level")}
    columns |= {name: np.array([row[name] for row in rows]) for name in _NUMBERS}
    return RatingTable(
        one.base * two.base,
        "relativity of the premium",
        columns,
        one.like,
        values,
        {**one.bases, **two.bases},
        {**one.levels, **two.levels},
        variables,
    )


def _terms_of(table: RatingTable) -> Counter[tuple[str, ...]]:
    """How many terms there are of the same variables."""
    terms = dict.fromkeys(zip(table.variables, table.columns.get("term", ()), strict=True))
    return Counter(variables for variables, _ in terms)


def _row(row: Any, other: Any, variables: tuple[str, ...]) -> dict[str, Any]:
    """A row, or the product of two, whose logarithms have independent errors."""
    found = {name: row[name] for name in ("term", "level", "is_base", "weight")}
    both = [row] if other is None else [row, other]
    logs = [np.log([each["lower"], each["relativity"], each["upper"]]) for each in both]
    middle = sum(log[1] for log in logs)
    half = np.sqrt(sum((0.5 * (log[2] - log[0])) ** 2 for log in logs))
    if other is not None:
        found["term"] = ":".join(variables)
    limits = np.exp([middle - half, middle, middle + half])
    return found | dict(zip(("lower", "relativity", "upper"), map(float, limits), strict=True))
