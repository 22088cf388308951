"""Profile likelihood intervals of coefficients, standard deviations and correlations.

Each point of a profile is a fit of all other parameters; the limits are where the deviance has
risen by the critical value, found by secants of its signed root, which is nearly straight.
Venzon & Moolgavkar (1988); Bates et al. (2015), section 5.1. Fits by REML are profiled by maximum
likelihood, as by lme4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from fastglm.errors import ModelError, require_level
from fastglm.mixed.effects import components_of
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.generalized import GeneralizedEstimate, search_of
from fastglm.mixed.layout import Layout
from fastglm.mixed.linear import products_by_block
from fastglm.mixed.optimum import minimise
from fastglm.mixed.record import MixedFit
from fastglm.mixed.simulation import component_names
from fastglm.mixed.units import in_own_units, in_units_of

__all__ = ["profile_intervals"]

#: Steps towards a limit.
MOST_SECANTS = 12
#: How near the signed root of a limit must come to its critical value.
CLOSE = 1e-5
#: Decrement of the fits of a profile.
NEAR = 1e-9
#: Ends of correlations, and of standard deviations, relative to their estimate.
EDGE = 1e-5
STEP = 1e-6

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


class _Components:
    """Standard deviations and correlations of all terms as coordinates, in place of theta."""

    def __init__(self, layout: Layout):
        self.layout = layout
        for block in layout.blocks:
            for term in block.terms:
                if not term.structure.is_linear:
                    raise ModelError(
                        f"variances of {term.structure.name}() cannot be profiled: use bootstrap()."
                    )
        self.places = components_of(layout)

    def theta(self, values: np.ndarray) -> np.ndarray:
        """Parameters of Lambda from standard deviations and correlations; NaN if impossible."""
        layout, at, factors = self.layout, 0, []
        for b, places in self.places:
            k = int(layout.widths[b])
            whole, sd = np.eye(k), np.zeros(k)
            for (i, j), value in zip(places, values[at:], strict=False):
                if i == j:
                    sd[i] = value
                else:
                    whole[i, j] = whole[j, i] = value
            at += len(places)
            try:
                factors.append(sd[:, None] * np.linalg.cholesky(whole))
            except np.linalg.LinAlgError:
                factors.append(np.full((k, k), np.nan))
        parts = []
        for b, term in layout.theta_order:
            factor = factors[b][term.start : term.stop, term.start : term.stop]
            parts.append(term.structure.from_factor(factor))
        return np.concatenate(parts)

    def jacobian(self, values: np.ndarray) -> np.ndarray:
        """Derivatives of theta, (m, components)."""
        columns = [
            (self.theta(values + step) - self.theta(values - step)) / (2.0 * STEP)
            for step in np.eye(values.size) * STEP
        ]
        return np.column_stack(columns)


class _Linear:
    """The deviance of a linear model in (components, sigma), and with a coefficient held."""

    def __init__(self, estimate: LinearEstimate, components: np.ndarray):
        self.problem, self.layout = estimate.state.problem, estimate.layout
        self.coordinates = _Components(estimate.layout)
        self.start = components
        self.estimate = estimate

    def of_components(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient at standard deviations, correlations and sigma."""
        values, sigma = x[:-1], x[-1]
        scaled = self.coordinates.theta(values)
        if not (np.isfinite(scaled).all() and sigma > 0.0):
            return math.inf, np.zeros_like(x)
        theta = scaled / sigma
        state = self.problem.at(theta)
        weights = np.outer(state.contrast, state.contrast) / sigma**2
        total = state.factor.traces() - products_by_block(
            self.layout, state.column_residuals, state.effects, weights
        )
        in_theta = 2.0 * self.layout.chain(theta, total)
        in_sigma = 2.0 * state.df / sigma - 2.0 * state.residual_sum / sigma**3
        in_sigma -= float(in_theta @ theta) / sigma
        in_values = self.coordinates.jacobian(values).T @ in_theta / sigma
        return state.deviance_at(sigma), np.append(in_values, in_sigma)

    def with_coefficient(self, direction: np.ndarray, value: float) -> Function:
        """As a function of theta where a combination of coefficients is held at a value."""
        base = float(direction @ self.estimate.base)

        def function(theta: np.ndarray) -> tuple[float, np.ndarray]:
            state = self.problem.at(theta)
            spread = state.information_inverse @ direction
            form = float(direction @ spread)
            gap = value - base - float(direction @ state.beta)
            residual = state.residual_sum + gap * gap / form
            s2 = residual / state.df
            contrast = np.append(-(state.beta + spread * gap / form), 1.0)
            total = state.factor.traces() - products_by_block(
                self.layout,
                state.column_residuals,
                state.effects,
                np.outer(contrast, contrast) / s2,
            )
            deviance = state.value + state.df * math.log(residual / state.residual_sum)
            return deviance, 2.0 * self.layout.chain(theta, total)

        return function


def _limits(
    at: Callable[[float], float], estimate: float, se: float, critical: float,
    low: float, high: float,
) -> tuple[float, float]:  # fmt: skip
    """Where the rise of the deviance is the square of `critical`, on either side."""
    ends = []
    for sign, end in ((-1.0, low), (1.0, high)):
        if math.isfinite(end) and _root(at(end)) < critical:
            # The deviance is too flat up to the end of the range.
            ends.append(end if sign > 0 or end > -1.0 else -1.0)
            continue
        ends.append(_secant(at, estimate, sign * se, critical, end))
    return ends[0], ends[1]


def _root(rise: float) -> float:
    return math.sqrt(max(rise, 0.0))


def _secant(
    at: Callable[[float], float], estimate: float, step: float, critical: float, end: float
) -> float:
    """The signed root is nearly straight: L-BFGS pairs from the estimate outward."""
    inside, outside = (0.0, 0.0), (math.inf, math.inf)
    distance = critical * abs(step)
    sign = math.copysign(1.0, step)
    reach = abs(end - estimate)
    for _ in range(MOST_SECANTS):
        distance = min(
            distance, 0.5 * (inside[0] + min(reach, outside[0])) if distance >= reach else distance
        )
        root = _root(at(estimate + sign * distance))
        if abs(root - critical) < CLOSE:
            break
        if root < critical:
            inside = (distance, root)
        else:
            outside = (distance, root)
        if math.isinf(outside[0]):
            slope = root / distance
            distance = min(critical / slope if slope > 0 else 2 * distance, 2.0 * distance)
        else:
            share = (critical - inside[1]) / (outside[1] - inside[1])
            distance = inside[0] + share * (outside[0] - inside[0])
    return estimate + sign * distance


def profile_intervals(fit: MixedFit, alpha: float, which: str | Sequence[str] | None) -> Any:
    """Limits by parameter, a pandas DataFrame; see `MixedResults.profile`."""
    import pandas as pd

    names = [*fit.names, *component_names(fit)]
    first = _listed(alpha)
    if first and set(first) <= set(names):
        raise ModelError(f"alpha must be a number, and names are given as which={first}.")
    require_level(alpha)
    wanted = names if which is None else _listed(which)
    if wanted is None:
        raise ModelError(f"which must be names of parameters, not {which!r}; known: {names}.")
    unknown = set(wanted) - set(names)
    if unknown:
        raise ModelError(f"there is no parameter {', '.join(sorted(unknown))}; known: {names}.")
    model = fit._model_with_data("a profile")
    if fit.reml:
        fit = model.fit(**{**fit.fit_options, "reml": False}, n_threads=fit.n_threads)
    critical = float(scipy.special.ndtri(1.0 - alpha / 2.0))
    fit, units = _in_own_units(fit, model)
    profile = _LinearProfile(fit) if fit.is_linear else _GeneralizedProfile(fit)
    numbers = [names.index(name) for name in wanted]
    rows = [np.multiply(profile.limits(k, critical), units[k]) for k in numbers]
    return pd.DataFrame(rows, index=wanted, columns=["lower", "upper"])


def _listed(names: Any) -> list[str] | None:
    """One name or several as a list, None of anything else."""
    if isinstance(names, str):
        return [names]
    try:
        found = list(names)
    except TypeError:
        return None
    return found if all(isinstance(name, str) for name in found) else None


def _in_own_units(fit: MixedFit, model: Any) -> tuple[MixedFit, np.ndarray]:
    """The fit in the units that it was found in, and those of its coefficients and components."""
    units, rows = np.ones(len(fit.names) + len(fit.components)), in_own_units(model.mixed_rows)
    if rows is model.mixed_rows:
        return fit, units
    estimate = fit.estimate
    size = estimate.layout.theta_units()
    scaled = in_units_of(estimate, rows, Layout(rows.blocks), 1.0 / size, fit.n_threads)
    blocks, components = {block.group: block for block in model.mixed_rows.blocks}, []
    for number, each in enumerate(fit.components, len(fit.names)):
        block = blocks.get(each.group)
        if block is not None and not each.term2:
            units[number] = block.units[block.names.index(each.term1)]
        unit = units[number]
        components.append(replace(each, sd=each.sd / unit, se=each.se / unit))
    own = replace(fit, estimate=scaled, theta=scaled.theta, components=tuple(components))
    return own, units


class _Profile:
    """Limits of the parameters of a fit by their numbers: coefficients, then components."""

    def __init__(self, fit: MixedFit):
        self.fit, self.p = fit, len(fit.names)
        self.values = np.array([c.sd for c in fit.components])
        self.best = fit.criterion

    def limits(self, number: int, critical: float) -> tuple[float, float]:
        """Both limits."""
        if number < self.p:
            estimate, se = (
                float(self.fit.estimates[number]),
                float(self.fit.standard_errors[number]),
            )
            if math.isnan(estimate):
                return math.nan, math.nan
            at = self.coefficient(number)
            return _limits(at, estimate, se, critical, -math.inf, math.inf)
        component = self.fit.components[number - self.p]
        se = component.se if component.se > 0.0 else 0.3 * max(abs(component.sd), 0.1)
        low, high = (
            (-1.0 + EDGE, 1.0 - EDGE) if component.term2 else (EDGE * self.scale(), math.inf)
        )
        at = self.component(number - self.p)
        lower, upper = _limits(at, component.sd, se, critical, low, high)
        if not component.term2 and lower <= low:
            lower = 0.0
        return lower, upper

    def scale(self) -> float:
        """A standard deviation to be compared with."""
        return max(self.fit.sigma, 1e-3)

    def coefficient(self, number: int) -> Callable[[float], float]:
        """Rise of the deviance where a coefficient is held."""
        raise NotImplementedError

    def component(self, number: int) -> Callable[[float], float]:
        """Rise of the deviance where a standard deviation or correlation is held."""
        raise NotImplementedError


def _holding(function: Function, start: np.ndarray, number: int) -> Callable[[float], float]:
    """The least value of a function where one of its arguments is held."""
    free = np.arange(start.size) != number

    def least(value: float) -> float:
        def partial(x: np.ndarray) -> tuple[float, np.ndarray]:
            whole = start.copy()
            whole[free], whole[number] = x, value
            with np.errstate(all="ignore"):
                try:
                    result, gradient = function(whole)
                except np.linalg.LinAlgError:
                    return math.inf, np.zeros(x.size)
            return (result, gradient[free]) if math.isfinite(result) else (math.inf, 0.0 * x)

        if not free.any():
            return partial(np.empty(0))[0]
        return minimise(partial, start[free], polish=False, near=NEAR).value

    return least


class _LinearProfile(_Profile):
    def __init__(self, fit: MixedFit):
        super().__init__(fit)
        self.linear = _Linear(fit.estimate, self.values)

    def coefficient(self, number: int) -> Callable[[float], float]:
        fixed, theta = self.fit.estimate.fixed, self.fit.theta.copy()
        direction = fixed.from_standardized[int(np.count_nonzero(fixed.kept[:number]))]
        theta = np.where(theta == 0.0, 0.0, theta)

        def rise(value: float) -> float:
            function = self.linear.with_coefficient(direction, value)
            return minimise(function, theta, polish=False, near=NEAR).value - self.best

        return rise

    def component(self, number: int) -> Callable[[float], float]:
        least = _holding(self.linear.of_components, self.values, number)
        return lambda value: least(value) - self.best


class _GeneralizedProfile(_Profile):
    def __init__(self, fit: MixedFit):
        super().__init__(fit)
        estimate: GeneralizedEstimate = fit.estimate
        self.search, self.coordinates = search_of(estimate), _Components(estimate.layout)
        self.has_residual = any(c.group == "Residual" for c in fit.components)
        self.q = estimate.fixed.p
        extra = self.search.extra(estimate.state.parameters.log_extra)
        values = self.values[: -1 if self.has_residual else None]
        self.start = np.concatenate([estimate.beta, values, extra])

    def _function(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """At coefficients, components and the family's own parameter."""
        m = self.values.size - int(self.has_residual)
        values = x[self.q : self.q + m]
        theta = self.coordinates.theta(values)
        if not np.isfinite(theta).all():
            return math.inf, np.zeros_like(x)
        rest = x[self.q + m :]
        value, gradient = self.search(np.concatenate([x[: self.q], theta, rest]))
        last = self.q + theta.size
        middle = self.coordinates.jacobian(values).T @ gradient[self.q : last]
        return value, np.concatenate([gradient[: self.q], middle, gradient[last:]])

    def coefficient(self, number: int) -> Callable[[float], float]:
        fixed = self.fit.estimate.fixed
        place = int(np.count_nonzero(fixed.kept[:number]))
        # In coordinates where the coefficient as given is one of the numbers.
        turn = np.eye(self.start.size)
        turn[place, : self.q] = fixed.from_standardized[place]
        back = np.linalg.inv(turn)

        def function(y: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = self._function(back @ y)
            return value, back.T @ gradient

        least = _holding(function, turn @ self.start, place)
        return lambda value: least(value) - self.best

    def component(self, number: int) -> Callable[[float], float]:
        if self.has_residual and number == self.values.size - 1:
            least = _holding(self._function, self.start, self.start.size - 1)
            return lambda value: least(2.0 * math.log(value)) - self.best
        least = _holding(self._function, self.start, self.q + number)
        return lambda value: least(value) - self.best
