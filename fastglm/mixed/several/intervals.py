"""Standard errors and limits of predictions of mixed models of several linear predictors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from scipy import special

from fastglm.arguments import checked_choice
from fastglm.design.frames.labels import frame_of_rows
from fastglm.errors import ModelError, require_level
from fastglm.families.distribution import lattice_quantile
from fastglm.fit.outcomes import Evaluated, NumericOutcomes
from fastglm.inference.rows.new_rows import NewRows as PopulationRows
from fastglm.mixed.following import (
    RandomParts,
    columns_of_estimates,
    random_parts,
    require_estimate,
    sd_slopes,
    variance_of,
)
from fastglm.mixed.prediction import (
    LEVELS,
    NEW_LEVELS,
    NewRows,
    conditional_part,
    effect_sd,
    quadrature_nodes,
)
from fastglm.mixed.several.rows import (
    around,
    effect_sds,
    nodes_around,
    predictors_with_effects,
    several_rows,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_several_intervals"]

#: From the number of an outcome, and its derivatives in the predictors, to the random parts and its
#: derivatives in these.
PartsOf = Callable[[int, Sequence[Any]], tuple[RandomParts | None, Any]]

#: Bisections of the interval (0, 1) to find a quantile of a share.
HALVINGS = 40


def predict_several_intervals(
    fit: Any, exog: Any, level: str, interval: str, new_levels: str, alpha: float, which: str,
    others: Mapping[str, Any],
) -> pd.DataFrame:  # fmt: skip
    """Predictions with limits, a data frame; see `MixedSeveralResults.get_prediction`."""
    checked_choice("level", level, LEVELS)
    checked_choice("new_levels", new_levels, NEW_LEVELS)
    checked_choice("interval", interval, ("confidence", "prediction"))
    require_level(alpha)
    require_estimate(fit, level)
    outcomes = fit.population.outcomes(which)
    if level == "marginal" and (which == "linear" or interval == "prediction"):
        raise ModelError(
            "level='marginal' is for the mean of responses: use level='population' for the linear "
            "predictor, and for a new response of a new level."
        )
    # For the limits of a new response the random columns give the variance of a new level.
    wanted = "conditional" if interval == "prediction" else level
    new, rows = several_rows(fit, exog, wanted, others)
    etas = outcomes.predict(new.designs, new.offsets)
    if level == "conditional":
        for k in predictors_with_effects(fit):
            etas[k] += conditional_part(fit, rows, new_levels, k)
    if interval == "prediction":
        return _new_responses(fit, new, rows, etas, level, alpha)
    if level == "marginal":
        at, parts_of = _averaged(fit, rows, outcomes, etas)
    else:
        at, parts_of = outcomes.at(etas), _parts_of(fit, rows, level)
    columns: dict[str, np.ndarray] = {}
    for k, name in enumerate(outcomes.names):
        slopes = [slope[k] for slope in at.slopes]
        gradient = _gradient(fit, new, outcomes, slopes)
        se = np.sqrt(np.maximum(variance_of(fit, gradient, *parts_of(k, slopes)), 0.0))
        columns |= _named(fit, which, name, at.values[k], se, alpha)
        if which == "linear":
            break  # The predictor with the effects.
    found: pd.DataFrame = frame_of_rows(columns, new.labels, rows.nan_rows | _nan_rows(new))
    return found


def _nan_rows(new: PopulationRows) -> np.ndarray:
    return np.zeros(new.design.n_rows, bool) if new.nan_rows is None else new.nan_rows


def _gradient(
    fit: Any, new: PopulationRows, outcomes: NumericOutcomes, slopes: list[np.ndarray]
) -> np.ndarray:
    """Derivatives of an outcome in the standardised coefficients, (n, p)."""
    whole = np.zeros((new.design.n_rows, fit.estimates.size))
    dense = [design.to_dense() for design in new.designs]
    for channel, slope in zip(outcomes.channels, slopes, strict=True):
        x: Any = 1.0 if channel.design is None else dense[channel.design][:, channel.columns]
        whole[:, channel.places] += slope[:, None] * x
    return columns_of_estimates(fit, whole)


def _parts_of(fit: Any, rows: NewRows, level: str) -> PartsOf:
    """Random parts of predictions at the modes, and derivatives of an outcome in them."""
    if level == "population":
        return lambda k, slopes: (None, 1.0)
    if predictors_with_effects(fit) == [0]:
        parts = random_parts(fit, rows)
        return lambda k, slopes: (parts, slopes[0])
    # Effects of several predictors: their columns times what the outcome changes by.
    return lambda k, slopes: (random_parts(fit, _weighted(fit, rows, slopes)), 1.0)


def _weighted(fit: Any, rows: NewRows, slopes: Sequence[Any]) -> NewRows:
    """The rows, columns of effects times a number for each row and predictor."""
    by_predictor = [np.broadcast_to(slope, rows.design.n_rows) for slope in slopes]
    columns = [
        own * np.stack([by_predictor[k] for k in group.predictors], axis=1)
        for group, own in zip(fit.groups, rows.columns, strict=True)
    ]
    return replace(rows, columns=columns)


def _averaged(
    fit: Any, rows: NewRows, outcomes: NumericOutcomes, etas: np.ndarray
) -> tuple[Evaluated, PartsOf]:
    """Outcomes averaged over normal random parts, with derivatives, and how theta changes them."""
    sds = effect_sds(fit, rows)
    total: Any = 0.0
    of_sd: dict[int, Any] = dict.fromkeys(sds, 0.0)
    slopes: list[Any] = [0.0] * len(etas)
    for weight, moved, nodes in nodes_around(etas, sds, quadrature_nodes):
        at = outcomes.at(moved)
        total = total + weight * at.values
        slopes = [all_ + weight * own for all_, own in zip(slopes, at.slopes, strict=True)]
        for node, p in zip(nodes, sds, strict=True):
            of_sd[p] = of_sd[p] + weight * node * at.slopes[p]
    in_theta = {p: sd_slopes(fit, rows, sd, p) for p, sd in sds.items()}
    nothing = np.zeros((rows.design.n_rows, fit.estimate.fixed.p))

    def parts_of(k: int, slopes: Sequence[Any]) -> tuple[RandomParts, float]:
        of_theta = sum(of_sd[p][k][:, None] * in_theta[p] for p in sds)
        return RandomParts(nothing, np.asarray(of_theta), np.zeros(len(nothing))), 1.0

    return Evaluated(etas, np.asarray(total), slopes), parts_of


def _named(
    fit: Any, which: str, name: str, value: np.ndarray, se: np.ndarray, alpha: float
) -> dict[str, np.ndarray]:
    """Columns of one outcome; limits are computed on the scale of log odds or logarithms."""
    half = float(scipy.special.ndtri(1.0 - alpha / 2.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        if which == "linear":
            limits = value - half * se, value + half * se
        elif which in fit.population.unit_interval:
            width = half * se / (value * (1.0 - value))
            middle = special.logit(value)
            limits = special.expit(middle - width), special.expit(middle + width)
        else:
            factor = np.exp(half * se / value)
            limits = value / factor, value * factor
    what, end = ("linear", "") if which == "linear" else ("mean", f".{name}" if name else "")
    return {
        f"{what}{end}": value, f"{what}_se{end}": se,
        f"lower{end}": limits[0], f"upper{end}": limits[1],
    }  # fmt: skip


def _new_responses(
    fit: Any, new: PopulationRows, rows: NewRows, etas: np.ndarray, level: str, alpha: float
) -> Any:  # fmt: skip
    """Limits of new responses: quantiles averaged over normal linear predictors."""
    population = fit.population
    if population.of_categories:
        raise ModelError(
            "a new response is a category, which has no limits: use which='prob', or "
            "predict(which='cumulative')."
        )
    linear, parts_of = population.outcomes("linear"), _parts_of(fit, rows, level)
    errors: dict[int, np.ndarray] = {}
    for p in predictors_with_effects(fit):
        slopes = [np.full(etas.shape[1], float(k == p)) for k in range(len(linear.channels))]
        gradient = _gradient(fit, new, linear, slopes)
        errors[p] = np.sqrt(np.maximum(variance_of(fit, gradient, *parts_of(0, slopes)), 0.0))
    linear_se = errors[0]
    if level == "population":
        errors = {p: np.hypot(se, effect_sd(fit, rows, p)) for p, se in errors.items()}

    def lower_tail(y: np.ndarray) -> np.ndarray:
        total = np.zeros(y.size)
        for mass, moved in around(etas, errors, quadrature_nodes):
            total += mass * population._tails(y, moved)[0][0]
        return total

    mean = population._prediction(etas, "mean")[0]
    low, high = (
        _quantile(lower_tail, mean, p, population.takes_exposure)
        for p in (alpha / 2.0, 1.0 - alpha / 2.0)
    )
    columns = {"mean": mean, "linear": etas[0], "linear_se": linear_se, "lower": low}
    columns["upper"] = high
    return frame_of_rows(columns, new.labels, rows.nan_rows | _nan_rows(new))


def _quantile(lower_tail: Any, mean: np.ndarray, probability: float, is_count: bool) -> np.ndarray:
    """Quantile: the smallest count, or the share, whose lower tail reaches `probability`."""
    if is_count:
        return lattice_quantile(lower_tail, mean, probability)
    low, high = np.zeros(mean.size), np.ones(mean.size)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        short = lower_tail(middle) < probability
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(np.isnan(mean), np.nan, high)
