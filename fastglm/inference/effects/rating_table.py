"""A fit of a log or logit link as the table that a tariff is made of: a factor for every level."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.assemble import ScaledTerm
from fastglm.design.formula.reference_levels import reference_levels
from fastglm.design.frames.frames import Categories
from fastglm.design.frames.output import frame_of
from fastglm.entry import entry_points
from fastglm.errors import ModelError, require_package
from fastglm.fit.ratios import to_ratio
from fastglm.inference.effects.counterfactual import Counterfactual
from fastglm.inference.evaluation.groups import Observed, observed
from fastglm.inference.hypothesis_tests.refits import intercept_column
from fastglm.inference.number_format import format_level
from fastglm.inference.rendering import RenderedFrame
from fastglm.inference.tidy import ratio_of, ratios

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit
    from fastglm.typing import Frame

__all__ = ["RatingTable", "rating_table"]

#: Values of a numeric variable up to which each has a row of its own.
MOST_VALUES = 40
#: Most rows of a term.
MOST_CELLS = 10_000


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class RatingTable(RenderedFrame):
    """Factors of a multiplicative fit; prints as text, and shows as HTML in notebooks.

    Attributes
    ----------
    base : float
        Mean (a rate where the fit had an exposure, or odds) of a row whose variables all have
        their base values; offsets apart. Times the relativities of a row it is its mean.
    kind : str
        What the relativities are: "relativity", "rate ratio", "odds ratio", ...
    columns : dict of str to array or list
        Of the rows, as `summary_frame` has them.
    like : data frame or None
        Of the data.
    values : list
        The levels as they are, numbers as numbers: `to_excel` writes these.
    bases : dict of str to a value
        The base value of each variable.
    levels : dict of str to list
        The values of each variable that there are rows for.
    variables : sequence of tuple of str
        The variables of the term of each row.
    """

    base: float
    kind: str
    columns: dict[str, Any]
    like: Any = None
    values: Sequence[Any] = ()
    bases: Mapping[str, Any] = field(default_factory=dict)
    levels: Mapping[str, list[Any]] = field(default_factory=dict)
    variables: Sequence[tuple[str, ...]] = ()

    def summary_frame(self) -> pd.DataFrame:
        """The rows, a pandas DataFrame.

        Columns term, level, is_base, relativity, lower, upper, weight (the exposure of the level),
        total (of responses, such as claims), actual and expected (means per unit of weight).
        """
        import pandas as pd

        return pd.DataFrame(self.columns)

    def to_frame(self) -> Frame:
        """The rows in the library that the data came in."""
        return frame_of(self.columns, self.like)

    def to_csv(self, path: str | Path | None = None) -> str:
        """The rows as text with commas, the base in the first; written to `path` if given."""
        text = self._with_base().to_csv(index=False)
        if path is not None:
            Path(path).write_text(text, encoding="utf-8")
        return str(text)

    def to_excel(self, path: str | Path) -> None:
        """Write an Excel file, a sheet for each term and one of all; needs the package openpyxl.

        Levels that are numbers are cells of numbers; text is text, also where it begins with "=".

        Raises
        ------
        MissingPackageError
            If openpyxl is not installed.
        """
        require_package("openpyxl", "excel", "Excel files")
        import pandas as pd

        whole = self._with_base()
        whole["level"] = ["", *self.values]
        with pd.ExcelWriter(path, engine="openpyxl") as file:
            whole.to_excel(file, sheet_name="all", index=False)
            for k, (name, rows) in enumerate(whole.groupby("term", sort=False)):
                # Names of sheets have at most 31 characters, and none of these.
                plain = "".join(" " if c in r"[]:*?/\\" else c for c in str(name))
                rows.to_excel(file, sheet_name=f"{k} {plain}"[:31], index=False)
            for cell in _formulas(file.sheets.values()):
                cell.data_type = "s"

    def _with_base(self) -> pd.DataFrame:
        import pandas as pd

        frame = self.summary_frame()
        first = {"term": ["(base)"], "level": [""], "relativity": [self.base]}
        return pd.concat([pd.DataFrame(first), frame], ignore_index=True)[list(frame.columns)]

    def _shown_frame(self) -> pd.DataFrame:
        frame = self.summary_frame()
        marks = np.where(frame["is_base"], "base", "")
        names = [f"{t}: {v}" for t, v in zip(frame["term"], frame["level"], strict=True)]
        return frame.drop(columns=["term", "level"]).assign(is_base=marks).set_axis(names)

    def _heading(self) -> str:
        return f"Rating table: {self.kind}, base {self.base:.6g}"


def rating_table(
    fit: Fit, at: Mapping[str, Sequence[Any]] | None, base: Any, n_values: int, alpha: float,
) -> RatingTable:  # fmt: skip
    """Relativities of every term on the rows of a fit; see `Results.rating_table`."""
    kind, rows = ratio_of(ratios(fit)), Counterfactual(fit)
    values = {name: _values(rows, name, (at or {}).get(name), n_values) for name in rows.names()}
    unknown = [name for name in (at or {}) if name not in values]
    if unknown:
        raise ModelError(f"at has {unknown[0]!r}; the variables are {', '.join(values)}.")
    data, codes = observed(fit), {}
    for name, levels in values.items():
        codes[name] = _codes(rows, name, levels)
    bases = {name: _base(fit, name, values[name], codes[name], data, base) for name in values}
    parts, log_base, shown, variables = [], _constant(fit), list[Any](), list[tuple[str, ...]]()
    for term, (_, columns) in zip(rows.fitted_formula.terms, fit.terms, strict=True):
        names = _variables(rows, term)
        if names:
            part, shift = _term_rows(rows, term, columns, names, values, bases, alpha)
            parts.append(part | _totals(data, names, values, codes))
            shown += map(_number, values[names[0]]) if len(names) == 1 else part["level"]
            variables += [tuple(names)] * len(part["level"])
            log_base += shift
    joined = {
        name: (
            list(itertools.chain.from_iterable(part[name] for part in parts))
            if name in ("term", "level")
            else np.concatenate([part[name] for part in parts])
        )
        for name in (parts[0] if parts else ())
    }
    base_mean, like = float(to_ratio(log_base)), rows.rows.frame
    return RatingTable(base_mean, kind, joined, like, shown, bases, values, variables)


def _constant(fit: Fit) -> float:
    k = intercept_column(fit)
    return 0.0 if k is None or np.isnan(fit.estimates[k]) else float(fit.estimates[k])


def _variables(rows: Counterfactual, term: ScaledTerm) -> list[str]:
    texts = {f.text for product in term.products for f in product.factors}
    found = (
        n for factor in rows.fitted_formula.factors if factor.text in texts for n in factor.columns
    )
    return list(dict.fromkeys(found))


def _values(
    rows: Counterfactual, name: str, given: Sequence[Any] | None, n_values: int
) -> list[Any]:
    """The values of a variable that the table has rows for."""
    if given is not None:
        return list(given)
    for factor in rows.fitted_formula.factors:
        if factor.columns == (name,) and factor.text in rows.fitted_formula.levels:
            return list(rows.fitted_formula.levels[factor.text])
    levels = rows.levels(name)
    if levels is not None:
        return list(levels)
    column = np.asarray(rows.column(name), dtype=np.float64)
    distinct = np.unique(column)
    if distinct.size <= MOST_VALUES:
        return distinct.tolist()
    shares = np.linspace(0.0, 1.0, n_values)
    return np.unique(np.quantile(column, shares, method="nearest")).tolist()


def _codes(rows: Counterfactual, name: str, values: list[Any]) -> np.ndarray:
    """The value nearest to that of each row, by number; -1 for a level that is not among them."""
    column = rows.column(name)
    if isinstance(column, Categories):
        place = {level: k for k, level in enumerate(values)}
        table = np.array([place.get(level, -1) for level in column.levels])
        return table.astype(np.min_scalar_type(-len(values)))[column.codes]
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError(
            f"at has {values!r} for {name!r}, whose values are numbers or truth values."
        ) from None
    order = np.argsort(numbers)
    ordered = numbers[order]
    between = 0.5 * (ordered[1:] + ordered[:-1])
    order = order.astype(np.min_scalar_type(-len(values)))
    return order[np.searchsorted(between, np.asarray(column, dtype=np.float64))]


def _base(
    fit: Fit, name: str, values: list[Any], codes: np.ndarray, data: Observed, base: Any
) -> Any:
    """The value of relativity 1."""
    if isinstance(base, Mapping) and name in base:
        if base[name] not in values:
            raise ModelError(f"base has {name}={base[name]!r}, which has no row; give at= too.")
        return base[name]
    if not isinstance(base, Mapping) and base not in ("reference", "largest"):
        raise ModelError(f'base must be "reference", "largest" or a mapping, not {base!r}.')
    known = reference_levels(fit.fitted_formula)
    factors = () if fit.fitted_formula is None else fit.fitted_formula.factors
    for factor in factors:
        if base != "largest" and factor.columns == (name,) and known.get(factor.text) in values:
            return known[factor.text]
    weight = np.bincount(codes[codes >= 0], data.weight[codes >= 0], minlength=len(values))
    return values[int(np.argmax(weight))]


def _term_rows(
    rows: Counterfactual,
    term: ScaledTerm,
    columns: slice,
    names: list[str],
    values: Mapping[str, list[Any]],
    bases: Mapping[str, Any],
    alpha: float,
) -> tuple[dict[str, Any], float]:
    """Relativities of the values of a term, and what it adds to the logarithm of the base."""
    fit = rows.fit
    n_cells = prod(len(values[name]) for name in names)
    if n_cells > MOST_CELLS:
        raise ModelError(f"the term {term.name} has {n_cells} cells; give at= with fewer values.")
    cells = list(itertools.product(*(values[name] for name in names)))
    base = tuple(bases[name] for name in names)
    texts = {f.text for product in term.products for f in product.factors}
    factors = tuple(factor for factor in rows.fitted_formula.factors if factor.text in texts)
    only = replace(rows.fitted_formula, terms=(term,), factors=factors, offsets=())
    points = [*cells, base]
    frame = {
        name: rows.as_column(name, [point[k] for point in points]) for k, name in enumerate(names)
    }
    X = only.apply(frame).design.to_dense()
    away = X[:-1] - X[-1]
    beta, covariance = fit.estimates[columns], fit.covariance[columns, columns]
    log_ratio = away @ np.nan_to_num(beta)
    # Levels that are aliased with others count for nothing, as in predictions.
    variance = np.einsum("ij,jk,ik->i", away, np.nan_to_num(covariance), away)
    half = fit.critical_value(alpha) * np.sqrt(np.maximum(variance, 0.0))
    part = {
        "term": [term.name] * n_cells,
        "level": [" × ".join(format_level(v) for v in cell) for cell in cells],
        "is_base": np.array([cell == base for cell in cells]),
        "relativity": to_ratio(log_ratio),
        "lower": to_ratio(log_ratio - half),
        "upper": to_ratio(log_ratio + half),
    }
    return part, float(X[-1] @ np.nan_to_num(beta))


def _number(value: Any) -> Any:
    """A level for a cell: a number as it is, all else as text."""
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return value if is_number else str(value)


def _formulas(sheets: Iterable[Any]) -> Iterator[Any]:
    """Cells that a spreadsheet would compute."""
    for sheet in sheets:
        for row in sheet.iter_rows():
            yield from (cell for cell in row if cell.data_type == "f")


def _totals(
    data: Observed, names: list[str], values: Mapping[str, list[Any]], codes: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Weights and responses of the cells of some variables."""
    shape = tuple(len(values[name]) for name in names)
    known = np.logical_and.reduce([codes[name] >= 0 for name in names])
    cell = np.ravel_multi_index([codes[name][known] for name in names], shape)
    n = int(np.prod(shape))
    weight, response, mean = data.weight[known], data.response[known], data.mean[known]
    total = np.bincount(cell, weight, minlength=n)
    amount = np.bincount(cell, weight * response, minlength=n)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.bincount(cell, weight * mean, minlength=n) / total
        return {"weight": total, "total": amount, "actual": amount / total, "expected": expected}
