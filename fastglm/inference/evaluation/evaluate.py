"""Measures of a fit on rows: how far means are from responses, and how far apart they are."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.arguments import checked_choice, require_whole
from fastglm.entry import entry_points
from fastglm.fit.likelihood import null_fit
from fastglm.inference.evaluation.discrimination import (
    area_under_curve,
    gini,
    lorenz_curve,
)
from fastglm.inference.evaluation.groups import Observed, grouped, observed, quantile_groups
from fastglm.inference.evaluation.levels import is_factor, levels_of
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rendering import RenderedFrame

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit
    from fastglm.rows.model_rows import ModelRows

__all__ = ["Evaluation", "TwoWayTable", "evaluate", "measures", "measures_of_means"]

#: Of calibration and lift, by default: tenths of the rows.
GROUPS = 10
_OF_TRIALS = ("log_loss", "brier", "auc", "auc_lower", "auc_upper")
#: A null deviance that is less of the deviance is 0 but for rounding.
EQUAL = 1e-12
_OF_LIKELIHOODS = ("deviance", "mean_deviance", "d2", *_OF_TRIALS)


@dataclass(frozen=True, eq=False, repr=False)
class TwoWayTable(Table):
    """Actual against expected by two factors, a row for each pair of levels that occurs.

    Attributes
    ----------
    heading, names, columns
        As of `Table`.
    factors : pair of str
        Their names.
    cells : pair of tuple of str
        The level of either factor in each row.
    levels : pair of tuple of str
        All levels of either, in order.
    """

    factors: tuple[str, str]
    cells: tuple[tuple[str, ...], tuple[str, ...]]
    levels: tuple[tuple[str, ...], tuple[str, ...]]

    def wide(self, column: str = "ratio") -> pd.DataFrame:
        """One column as a pandas frame, levels of the first factor by those of the second.

        Parameters
        ----------
        column : str, default "ratio"
            "weight", "actual", "expected", "ratio", "lower", "upper" or "lift"; NaN where a pair
            does not occur.

        Raises
        ------
        ModelError
            If there is no such column.
        """
        import pandas as pd

        checked_choice("column", column, self.columns)
        place = [{level: k for k, level in enumerate(levels)} for levels in self.levels]
        values = np.full(tuple(map(len, self.levels)), np.nan)
        at = tuple([p[v] for v in c] for p, c in zip(place, self.cells, strict=True))
        values[at] = self.columns[column]
        index, columns = (
            pd.Index(levels, name=name)
            for name, levels in zip(self.factors, self.levels, strict=True)
        )
        return pd.DataFrame(values, index=index, columns=columns)


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(RenderedFrame):
    """How a fit does on some rows.

    Attributes
    ----------
    n_rows : int
    weight : float
        Sum of exposure times prior weight: all means below are per unit of it.
    actual, expected : float
        Mean response and mean fitted mean.
    actual_over_expected : float
    deviance, mean_deviance : float
        Sum over the rows, and that over the sum of their prior weights.
    d2 : float
        Share of the deviance of a constant mean (or rate) of these rows that the fit explains.
    rmse, mae : float
        Root of the mean squared error, and mean absolute error.
    log_loss, brier : float
        Of binomial models: mean negative log-likelihood and mean squared error of single trials.
    auc, auc_lower, auc_upper : float
        Of binomial models: area under the receiver operating characteristic, DeLong's interval.
    gini : float
        Twice the area between Lorenz curve and diagonal, rows by their fitted mean.
    gini_normalized : float
        That over the same of rows by their responses.
    """

    n_rows: int
    weight: float
    actual: float
    expected: float
    actual_over_expected: float
    deviance: float
    mean_deviance: float
    d2: float
    rmse: float
    mae: float
    log_loss: float
    brier: float
    auc: float
    auc_lower: float
    auc_upper: float
    gini: float
    gini_normalized: float
    _fit: Any
    _data: Observed

    def groups(self, n_groups: int = GROUPS, by: Any = None) -> Table:
        """Calibration and lift: rows in groups of equal weight, from the least fitted mean.

        With `by`, actual against expected by the levels of a factor instead.

        Parameters
        ----------
        n_groups : int, default 10
        by : str or array_like of shape (n,), or a list of two of these, optional
            A column of the rows, in the model or not, or a value for each row. Numbers of more
            than 40 values are cut into `n_groups` groups of equal weight. Rows in which it is
            missing are the last group. Of two, there is a row
            for each pair of levels that occurs, in a `TwoWayTable`, whose ``wide("ratio")`` is a
            frame of levels by levels.

        Returns
        -------
        Table
            weight, actual and expected means of each group, their ratio, lower and upper, between
            which the actual mean falls in 95 of 100 cases if the fit is right, and lift, the
            actual mean over that of all rows.

        Raises
        ------
        ModelError
            If `n_groups` is not positive.
        DataError
            If there is no such column, or not a value for each row.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> res.evaluate(data).groups(by="g").summary_frame()["weight"].to_dict()
        {'a': 3.0, 'b': 3.0}
        """
        require_whole("n_groups", n_groups, 1, None)
        data = self._data
        if isinstance(by, list | tuple) and len(by) == 2 and all(map(is_factor, by)):
            return self._pairs(by, n_groups)
        if by is None:
            title = "Groups by fitted mean"
            group = quantile_groups(data.mean, data.weight, n_groups)
            names = tuple(str(k) for k in range(1, int(group.max()) + 2))
        else:
            labels, group, name, _ = levels_of(data, by, n_groups)
            title, names = f"Actual and expected by {name}", tuple(labels)
        return Table(title, names, self._columns(group, len(names)))

    def _pairs(self, by: Any, n_groups: int) -> TwoWayTable:
        (first, one, name, _), (second, two, other, _) = (
            levels_of(self._data, each, n_groups) for each in by
        )
        code, group = np.unique(one * len(second) + two, return_inverse=True)
        rows = tuple(first[k] for k in code // len(second))
        columns = tuple(second[k] for k in code % len(second))
        return TwoWayTable(
            f"Actual and expected by {name} and {other}",
            tuple(f"{a} × {b}" for a, b in zip(rows, columns, strict=True)),
            self._columns(group, code.size),
            (name, other),
            (rows, columns),
            (tuple(first), tuple(second)),
        )

    def _columns(self, group: np.ndarray, n_groups: int) -> dict[str, np.ndarray]:
        found = grouped(self._fit, self._data, group, n_groups)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "weight": found.weight,
                "actual": found.actual,
                "expected": found.expected,
                "ratio": found.actual / found.expected,
                "lower": found.low,
                "upper": found.high,
                "lift": found.actual / self.actual,
            }

    def lorenz(self) -> pd.DataFrame:
        """The Lorenz curve, a pandas DataFrame: shares of the weight and of the responses."""
        import pandas as pd

        data = self._data
        share, response = lorenz_curve(data.response, data.mean, data.weight)
        return pd.DataFrame({"weight": share, "response": response})

    def to_dict(self) -> dict[str, float]:
        """The measures by name, those that the family has."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name[0] != "_"}
        return {name: value for name, value in named.items() if value == value}

    def summary_frame(self) -> pd.DataFrame:
        """The measures, a pandas DataFrame of one column."""
        import pandas as pd

        return pd.DataFrame({"value": self.to_dict()})

    def _heading(self) -> str:
        return f"Evaluation on {self.n_rows} rows"


def evaluate(fit: Fit) -> Evaluation:
    """Measures of a fit on the rows it holds; see `Results.evaluate`."""
    return measures(fit, fit._rows_beside_columns("an evaluation"), observed(fit), fit.deviance)


def measures(fit: Any, rows: ModelRows, data: Observed, deviance: float) -> Evaluation:
    """Measures of a fit of a family on rows, from their means and deviance."""
    prior = float(rows.n_rows if rows.prior_weights is None else rows.prior_weights.sum())
    null = _null_deviance(fit, rows)
    used = data.weight > 0.0
    of_trials: Any = _of_trials(fit, data.response[used], data.mean[used], data.weight[used])
    return replace(
        measures_of_means(fit, data),
        deviance=deviance,
        mean_deviance=deviance / prior,
        # Of equal responses the null deviance is 0 but for rounding.
        d2=1.0 - deviance / null if null > EQUAL * deviance and used.sum() > 1 else float("nan"),
        **of_trials,
    )


def measures_of_means(fit: Any, data: Observed) -> Evaluation:
    """Measures of means alone, without a likelihood: of a fit, or of what pictures take as one."""
    total = float(data.weight.sum())
    used = data.weight > 0.0
    response, mean, weight = data.response[used], data.mean[used], data.weight[used]
    actual, expected = weight @ response / total, weight @ mean / total
    of_own = gini(response, mean, weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        best = gini(response, response, weight)
        return Evaluation(
            n_rows=data.response.size,
            weight=total,
            actual=float(actual),
            expected=float(expected),
            actual_over_expected=float(np.divide(actual, expected)),
            rmse=float(np.sqrt(weight @ (response - mean) ** 2 / total)),
            mae=float(weight @ np.abs(response - mean) / total),
            gini=of_own,
            # Of equal responses the best order is no order, and its Gini is rounding.
            gini_normalized=float(of_own / best) if np.ptp(response) > 0.0 else float("nan"),
            **dict.fromkeys(_OF_LIKELIHOODS, float("nan")),
            _fit=fit,
            _data=data,
        )


def _null_deviance(fit: Any, rows: ModelRows) -> float:
    """Deviance of a constant mean, or rate, of the rows; 0 where all responses are at one end."""
    inside = fit.family.domain.lower < rows.mean_response < fit.family.domain.upper
    return null_fit(rows, fit.family, True, fit.n_threads).deviance if inside else 0.0


def _of_trials(
    fit: Any, response: np.ndarray, mean: np.ndarray, weight: np.ndarray
) -> dict[str, float]:
    """Measures of single trials; none of other responses."""
    if not fit.family.takes_two_columns:
        return {}
    loss = -scipy.special.xlogy(response, mean) - scipy.special.xlog1py(1.0 - response, -mean)
    square = response * (1.0 - mean) ** 2 + (1.0 - response) * mean**2
    area = area_under_curve(response, mean, weight)
    total = weight.sum()
    values = (weight @ loss / total, weight @ square / total, area.area, *area.interval())
    return dict(zip(_OF_TRIALS, map(float, values), strict=True))
