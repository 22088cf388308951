"""Marginal effects of the columns of X on the mean, as statsmodels' ``get_margeff`` has them.

Greene (2012), *Econometric Analysis*, 7th edition, section 17.3.2, for the delta method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.design.matrix.parts import Design
from fastglm.design.matrix.select import select_columns
from fastglm.errors import DataError
from fastglm.inference.hypothesis_tests.estimates import Estimates
from fastglm.inference.hypothesis_tests.refits import intercept_column, streamed_rows
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.streamed_passes import complete_pieces

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
        kinds = column_kinds((rows.design for rows in _pieces(fit)), p, dummy, count)
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
    if at == "overall":
        for rows in _pieces(fit):
            offset, times = _offset_and_times(rows)
            for part, X in dense_slices(rows.design):
                # A row that was never observed may have no mean where a column is moved to.
                seen = times[part] > 0.0
                yield X[seen], offset[part][seen], times[part][seen]
        return
    p, total, offsets = len(fit.names), 0.0, 0.0
    point = np.zeros(p)
    if at == "median":
        whole = fit._model_with_data("the median of each column").rows
        point = median_of_columns(whole.design, _offset_and_times(whole)[1])
    for rows in _pieces(fit):
        offset, times = _offset_and_times(rows)
        total, offsets = total + float(times.sum()), offsets + float(times @ offset)
        for part, X in dense_slices(rows.design) if at == "mean" else ():
            point += times[part] @ X
    if at == "mean":
        point /= total
    intercept = intercept_column(fit)
    if intercept is not None:
        point[intercept] = 1.0
    yield point[None, :], np.array([offsets / total]), np.ones(1)


def _pieces(fit: Fit) -> Iterator[ModelRows]:
    """The rows: all at once, or as they are read where they do not fit into memory."""
    rows = streamed_rows(fit)
    if rows is None:
        yield fit._model_with_data("marginal effects").rows
    else:
        yield from (piece for piece, _ in complete_pieces(rows))


def _offset_and_times(rows: ModelRows) -> tuple[np.ndarray, np.ndarray]:
    """Offset of each row, and how often it was observed: (n,) each."""
    offset = np.zeros(rows.n_rows) if rows.offset is None else rows.offset
    return offset, np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies


def _columns(design: Any) -> Iterator[np.ndarray]:
    """The design columns one by one, (n,) each."""
    for k in range(design.n_columns):
        yield select_columns(design, [k]).to_dense()[:, 0]


def median_of_columns(design: Design, times: np.ndarray) -> np.ndarray:
    """Median of each column, (p,), of rows that occur so often."""
    return np.array([np.median(c.repeat(times.astype(int))) for c in _columns(design)])


def column_kinds(designs: Iterable[Design], n_columns: int, dummy: bool, count: bool) -> np.ndarray:
    """Which columns change by a step: "dummy" for 0 and 1 alone, "count" for whole numbers."""
    truths, whole = (np.ones(n_columns, dtype=bool) for _ in range(2))
    for design in designs:
        for k, column in enumerate(_columns(design)):
            truths[k] &= bool(((column == 0.0) | (column == 1.0)).all())
            whole[k] &= bool((column == np.rint(column)).all())
    kinds = np.full(n_columns, "", dtype=object)
    kinds[whole] = "count" if count else ""
    kinds[truths] = "dummy" if dummy else ""
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
