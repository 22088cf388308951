"""Are straight lines right: splines of the numeric variables of a model as more columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.formula.order_statistics import distinct_quantiles
from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.design.frames.frames import Categories, Frame
from fastglm.design.matrix.select import select_columns
from fastglm.design.matrix.take import take_rows
from fastglm.errors import ModelError
from fastglm.inference.diagnostics.added_columns import Added, test_of_columns
from fastglm.inference.hypothesis_tests.refits import (
    intercept_column,
    require_unconstrained,
    streamed_rows,
)
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.rows.streamed_passes import complete_pieces, numeric_column

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["lack_of_fit"]

#: Of a spline, below which rounding explains what it has beyond the model's own columns.
BEYOND_ROUNDING = 1e-10
#: Values of a variable that show what a spline has beyond other functions of it.
POINTS = 4_096
#: Rows that show whether a variable has many values.
FIRST_ROWS = 10_000


def lack_of_fit(
    fit: Fit,
    variables: Sequence[str] | None = None,
    df: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Splines of each numeric variable as more columns; see `Results.lack_of_fit`."""
    require_unconstrained(fit)
    numeric = _numeric_variables(fit)
    chosen = list(numeric) if variables is None else list(variables)
    unknown = [name for name in chosen if name not in numeric]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} is not a numeric variable of the model; those are "
            f"{', '.join(numeric)}."
        )
    names, tests = [], []
    for k, name in enumerate(chosen):
        test = _spline_test(fit, name, numeric[name](), df, was_asked=variables is not None)
        if test is not None:
            names.append(name)
            tests.append(test)
        if progress is not None:
            progress(k + 1, len(chosen))
    if not tests:
        raise ModelError("the model has no numeric variable of which a spline could be added.")
    return Table(
        "Lack of fit against splines",
        tuple(names),
        {
            "df": np.array([test.df for test in tests]),
            tests[0].distribution: np.array([test.statistic for test in tests]),
            "pvalue": np.array([test.pvalue for test in tests]),
        },
    )


def _spline_test(
    fit: Fit, name: str, values: np.ndarray, df: int, was_asked: bool
) -> HypothesisTest | None:
    """The test of one variable, (n,) values; None where it has none and nobody asked for it."""
    # Knots at quantiles need enough different values.
    if not was_asked and np.unique(values[:FIRST_ROWS]).size <= df + 2:
        return None
    rows = streamed_rows(fit)
    columns: np.ndarray | Added
    if rows is None:
        spline = _spline(name, values, {"df": df})
        columns = _beyond_the_model(fit, name, values, spline)
    else:
        columns = _beyond_the_stream(fit, rows, name, values, df)
    try:
        return test_of_columns(fit, f"Lack of fit of {name}", columns)
    except ModelError:
        if was_asked:
            raise
        return None


def _spline(name: str, values: np.ndarray, options: dict[str, Any]) -> np.ndarray:
    """Natural cubic spline of a variable, (n, df)."""
    call = f"cr({name})"
    basis = apply_stateful("cr", [values], options | {"constraints": None}, {}, call)
    return np.ascontiguousarray(basis.values if isinstance(basis, Basis) else basis)


def _beyond_the_model(fit: Fit, name: str, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What a spline of a variable has beyond the model's own functions of it, (n, k).

    Nothing is left for a fit to find aliased. Functions of a variable are known by its different
    values and how often each is there.
    """
    import pandas as pd

    code, different = pd.factorize(values)
    first = np.zeros(different.size, dtype=np.intp)
    first[code[::-1]] = np.arange(values.size)[::-1]
    root = np.sqrt(np.bincount(code))[:, None]
    spline, own = columns[first] * root, _functions_of(fit, name, first) * root
    rest, directions, _ = _beyond(fit, spline, own, root)
    return (rest / root @ directions)[code]


def _beyond(
    fit: Fit, spline: np.ndarray, own: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a spline has beyond the model's own functions, at some values with weights root**2.

    Returns
    -------
    rest : ndarray, shape (n, df)
        The spline less combinations of the model's functions.
    directions : ndarray, shape (df, k)
        The combinations of its columns that are not 0.
    coefficients : ndarray, shape (functions, df)
        Of the functions in what `rest` lacks, but for constants.
    """
    if fit.has_intercept:
        ones = root / np.linalg.norm(root)
        spline, own = (some - ones * (ones.T @ some) for some in (spline, own))
    size = np.linalg.norm(own, axis=0)
    kept = np.flatnonzero(np.abs(own).max(axis=0, initial=0.0) > 0.0)
    scaled = own[:, kept] / size[kept]
    found = np.linalg.lstsq(scaled, spline, rcond=BEYOND_ROUNDING)[0]
    rest = spline - scaled @ found
    coefficients = np.zeros((own.shape[1], spline.shape[1]))
    coefficients[kept] = found / size[kept, None]
    _, sizes, directions = np.linalg.svd(np.linalg.qr(rest, mode="r"))
    beyond = sizes > BEYOND_ROUNDING * np.linalg.norm(spline)
    return rest, directions[: sizes.size][beyond].T, coefficients


@dataclass(frozen=True)
class _BeyondTheStream:
    """Columns that a spline adds to rows that are read from a source."""

    name: str
    options: dict[str, Any]
    numbers: list[int]
    directions: np.ndarray
    coefficients: np.ndarray

    def __call__(self, rows: ModelRows, piece: Any) -> np.ndarray:
        """The columns, (n, k)."""
        values = np.asarray(piece.columns[self.name], dtype=np.float64)
        columns = _spline(self.name, values, self.options)
        if self.numbers:
            own = select_columns(rows.design, self.numbers).to_dense()
            columns = columns - own @ self.coefficients
        return columns @ self.directions


def _beyond_the_stream(
    fit: Fit, rows: StreamedModelRows, name: str, values: np.ndarray, df: int
) -> Added:
    """As `_beyond_the_model` for rows that are not in memory; found at some of the values."""
    import pyarrow

    shares = np.linspace(0.0, 1.0, df)[1:-1]
    options = {
        "knots": distinct_quantiles(values, shares),
        "lower_bound": float(values.min()),
        "upper_bound": float(values.max()),
    }
    points = np.unique(np.quantile(values, np.linspace(0.0, 1.0, POINTS), method="nearest"))
    numbers = _columns_of(fit, name)
    own = np.empty((points.size, 0))
    if numbers:
        # Functions of this variable alone: the others may have the values of any row.
        _, table = next(iter(complete_pieces(rows)))
        table = table.take(np.zeros(points.size, dtype=np.int64))
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, pyarrow.array(points))
        own = select_columns(rows.fitted_formula.apply(table).design, numbers).to_dense()
    spline = _spline(name, points, options)
    _, directions, coefficients = _beyond(fit, spline, own, np.ones((points.size, 1)))
    added = _BeyondTheStream(name, options, numbers, directions, coefficients)
    return Added(directions.shape[1], added)


def _functions_of(fit: Fit, name: str, rows: np.ndarray) -> np.ndarray:
    """The model's columns that are functions of one variable alone, in some rows: (rows, k)."""
    numbers = _columns_of(fit, name)
    if not numbers:
        return np.empty((rows.size, 0))
    design = fit._model_with_data("lack of fit").rows.design
    return take_rows(select_columns(design, numbers), rows).to_dense()


def _columns_of(fit: Fit, name: str) -> list[int]:
    """Numbers of the columns made of one variable alone, in order."""
    formula = fit.fitted_formula
    if formula is None or len(formula.terms) != len(fit.terms):
        return [k for k, column in enumerate(fit.names) if column == name]
    of_name = {factor.text for factor in formula.factors if set(factor.columns) == {name}}
    numbers: list[int] = []
    for term, (_, columns) in zip(formula.terms, fit.terms, strict=True):
        texts = {factor.text for product in term.products for factor in product.factors}
        if texts and texts <= of_name:
            numbers += range(columns.start, columns.stop)
    return numbers


def _numeric_variables(fit: Fit) -> dict[str, Any]:
    """Readers of the numeric variables: of the frame for a formula, else columns of X."""
    streamed = streamed_rows(fit)
    if streamed is not None:
        return _numeric_variables_of_stream(streamed)
    rows = fit._model_with_data("lack of fit").rows
    if fit.fitted_formula is None or rows.frame is None:
        constant = intercept_column(fit)
        return {
            name: lambda k=k: select_columns(rows.design, [k]).to_dense()[:, 0]
            for k, name in enumerate(fit.names)
            if k != constant
        }
    names = dict.fromkeys(name for f in fit.fitted_formula.factors for name in f.columns)
    columns = {name: rows.frame_column(name) for name in names}
    return {
        name: lambda column=column: np.asarray(column, dtype=np.float64)
        for name, column in columns.items()
        if not isinstance(column, Categories) and column.dtype.kind in "fiu"
    }


def _numeric_variables_of_stream(rows: StreamedModelRows) -> dict[str, Any]:
    """Readers of the numeric variables of rows that are not in memory; a pass for each."""
    factors = rows.fitted_formula.factors
    frame = Frame(next(iter(complete_pieces(rows)))[1])
    columns = {name: frame.column(name) for factor in factors for name in factor.columns}
    return {
        name: lambda name=name: numeric_column(rows, name, "lack of fit")
        for name, column in columns.items()
        if not isinstance(column, Categories) and column.dtype.kind in "fiu"
    }
