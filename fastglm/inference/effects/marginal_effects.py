"""Marginal effects of the columns of X on the mean, as statsmodels' ``get_margeff`` has them.

Greene (2012), *Econometric Analysis*, 7th edition, section 17.3.2, for the delta method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.errors import DataError
from fastglm.inference.hypothesis_tests.estimates import Estimates
from fastglm.inference.hypothesis_tests.refits import intercept_column

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit

__all__ = [
    "AT",
    "METHODS",
    "MarginalEffects",
    "column_kinds",
    "marginal_effects",
    "median_of_columns",
    "named_column",
]

AT = ("overall", "mean", "median", "zero")
#: Whether an effect is relative to the mean, and whether it is of a relative change of the column.
METHODS = {
    "dydx": (False, False),
    "eyex": (True, True),
    "dyex": (False, True),
    "eydx": (True, False),
}


@dataclass(frozen=True, eq=False, repr=False)
class MarginalEffects(Estimates):
    """Marginal effects under statsmodels' names.

    Attributes
    ----------
    method : str
        Which derivative, as "dy/dx".
    """

    method: str = "dy/dx"

    @property
    def margeff(self) -> np.ndarray:
        """Effects, (k,)."""
        return self.estimate

    @property
    def margeff_se(self) -> np.ndarray:
        """Their standard errors, by the delta method, (k,)."""
        return self.standard_error

    @property
    def margeff_cov(self) -> np.ndarray:
        """Their covariance, (k, k)."""
        return self.covariance

    @property
    def tvalues(self) -> np.ndarray:
        """Effects over standard errors, (k,)."""
        return self.statistic

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """Effects, tests and intervals, a pandas DataFrame with statsmodels' columns."""
        letter = "z" if np.isinf(self.df) else "t"
        names = [self.method, "Std. Err.", letter, f"Pr(>|{letter}|)"]
        # The last name is spelt so in statsmodels.
        names += ["Conf. Int. Low", "Cont. Int. Hi."]
        return super().summary_frame(alpha).set_axis(names, axis=1)

    def summary(self) -> str:
        """The effects as text."""
        return str(self)


@dataclass
class _Sums:
    """Weighted sums over rows: of effects, and of their derivatives in the coefficients."""

    effect: np.ndarray
    gradient: np.ndarray
    weight: float = 0.0


def marginal_effects(
    fit: Fit,
    at: str,
    method: str,
    atexog: Mapping[Any, float] | None,
    dummy: bool,
    count: bool,
) -> MarginalEffects:
    """Effects of each column but the intercept; see `Results.get_margeff`."""
    checked_choice("at", at, AT)
    checked_choice("method", method, METHODS)
    p = len(fit.names)
    intercept = intercept_column(fit)
    columns = [k for k in range(p) if k != intercept and fit.estimates[k] == fit.estimates[k]]
    kinds = np.full(p, "", dtype=object)
    if dummy or count:
        design = fit._model_with_data("marginal effects").rows.design
        kinds = column_kinds(design, dummy, count)
    fixed = {named_column(fit.names, key): float(value) for key, value in (atexog or {}).items()}
    sums = _Sums(np.zeros(p), np.zeros((p, p)))
    for X, offset, weights in _rows_at(fit, at):
        X[:, list(fixed)] = list(fixed.values())
        _add(sums, fit, X, offset, weights, columns, kinds, METHODS[method])
    effect, gradient = sums.effect / sums.weight, sums.gradient / sums.weight
    covariance = fit.covariance_of_combinations(gradient)
    relative_y, relative_x = METHODS[method]
    heading = f"d({'ln ' * relative_y}y)/d({'ln ' * relative_x}x), {at}"
    return MarginalEffects(
        tuple(fit.names[k] for k in columns),
        effect[columns],
        covariance[np.ix_(columns, columns)],
        fit.df_inference if fit.use_t else np.inf,
        heading,
        method=f"{method[:2]}/{method[2:]}",
    )


def named_column(names: Sequence[str], key: Any) -> int:
    """The number of a column that `atexog` names."""
    if isinstance(key, str):
        if key not in names:
            raise DataError(f"atexog names {key!r}, but the columns are {', '.join(names)}.")
        return names.index(key)
    if not 0 <= key < len(names):
        raise DataError(f"atexog names column {key!r}, but there are {len(names)}.")
    return int(key)


def _rows_at(fit: Fit, at: str) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
    """Rows to average over: columns, offset and how often each was observed."""
    rows = fit._model_with_data("marginal effects").rows
    n, p = rows.design.n_rows, rows.design.n_columns
    times = np.ones(n) if rows.frequencies is None else rows.frequencies
    offset = np.zeros(n) if rows.offset is None else rows.offset
    if at == "overall":
        for part, X in dense_slices(rows.design):
            # A row that was never observed may have no mean where a column is moved to.
            seen = times[part] > 0.0
            yield X[seen], offset[part][seen], times[part][seen]
        return
    point = np.zeros(p)
    if at == "mean":
        for part, X in dense_slices(rows.design):
            point += times[part] @ X
        point /= times.sum()
    elif at == "median":
        point = median_of_columns(rows.design, times)
    intercept = intercept_column(fit)
    if intercept is not None:
        point[intercept] = 1.0
    yield point[None, :], np.average(offset, weights=times, keepdims=True), np.ones(1)


def _columns(design: Any) -> Iterator[np.ndarray]:
    """The design columns one by one, (n,) each."""
    for k in range(design.n_columns):
        yield select_columns(design, [k]).to_dense()[:, 0]


def median_of_columns(design: Design, times: np.ndarray) -> np.ndarray:
    """Median of each column, (p,), of rows that occur so often."""
    return np.array([np.median(c.repeat(times.astype(int))) for c in _columns(design)])


def column_kinds(design: Design, dummy: bool, count: bool) -> np.ndarray:
    """Which columns change by a step: "dummy" for 0 and 1 alone, "count" for whole numbers."""
    kinds = np.full(design.n_columns, "", dtype=object)
    for k, column in enumerate(_columns(design)):
        if ((column == 0.0) | (column == 1.0)).all():
            kinds[k] = "dummy" if dummy else ""
        elif count and (column == np.rint(column)).all():
            kinds[k] = "count"
    return kinds


def _add(
    sums: _Sums,
    fit: Fit,
    X: np.ndarray,
    offset: np.ndarray,
    weights: np.ndarray,
    columns: list[int],
    kinds: np.ndarray,
    method: tuple[bool, bool],
) -> None:
    """Adds the effects of some rows, and the derivatives of those effects."""
    beta = np.nan_to_num(fit.estimates)
    eta = X @ beta + offset
    smooth = [k for k in columns if not kinds[k]]
    _add_derivatives(sums, fit, X, eta, weights, smooth, method)
    link, relative_y = fit.family.link, method[0]
    for k in columns:
        if kinds[k]:
            low, high = (0.0, 1.0) if kinds[k] == "dummy" else (X[:, k] - 1.0, X[:, k] + 1.0)
            part = 1.0 if kinds[k] == "dummy" else 0.5
            for end, sign in ((high, part), (low, -part)):
                moved = eta + (end - X[:, k]) * beta[k]
                value, slope = link.inverse(moved), link.inverse_deriv(moved)
                if relative_y:
                    value, slope = np.log(value), slope / value
                slope = sign * weights * slope
                sums.effect[k] += sign * (weights @ value)
                gradient = slope @ X
                gradient[k] = slope @ np.broadcast_to(end, eta.shape)
                sums.gradient[k] += gradient
    sums.weight += float(weights.sum())


def _add_derivatives(
    sums: _Sums,
    fit: Fit,
    X: np.ndarray,
    eta: np.ndarray,
    weights: np.ndarray,
    columns: list[int],
    method: tuple[bool, bool],
) -> None:
    """Effect of column k: the mean of g(eta) x_k**a times its coefficient."""
    link, beta = fit.family.link, np.nan_to_num(fit.estimates)
    relative_y, relative_x = method
    slope, change = link.inverse_deriv(eta), link.inverse_deriv2(eta)
    if relative_y:
        mu = link.inverse(eta)
        slope, change = slope / mu, change / mu - (slope / mu) ** 2
    scale = X[:, columns] if relative_x else np.ones((eta.size, len(columns)))
    total = (weights * slope) @ scale
    sums.effect[columns] += total * beta[columns]
    sums.gradient[columns] += beta[columns, None] * (scale.T @ (X * (weights * change)[:, None]))
    sums.gradient[columns, columns] += total
