"""Optima where linear predictors meet an end of what the link allows, against linear programs.

The likelihoods here are concave in the coefficients: at the maximum no move inside the domain has a
positive product with the score, and what a linear program finds there bounds what is missing.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special

import fastglm as fg
from fastglm.errors import ConvergenceWarning, Status
from fastglm.families import links
from fastglm.rows.streamed import StreamedModelRows
from fastglm.solve import domain_boundary

INVERSE = {
    "log": (np.exp, np.exp),
    "logc": (lambda eta: -np.expm1(eta), lambda eta: -np.exp(eta)),
    "identity": (lambda eta: eta, np.ones_like),
    "sqrt": (np.square, lambda eta: 2.0 * eta),
}
ENDS = {
    ("binomial", "log"): (-np.inf, 0.0),
    ("binomial", "logc"): (-np.inf, 0.0),
    ("binomial", "identity"): (0.0, 1.0),
    ("poisson", "identity"): (0.0, np.inf),
    ("poisson", "sqrt"): (0.0, np.inf),
}
#: Seeds of data whose optimum lies on the boundary, ten of each.
SEEDS = {
    ("binomial", "log"): range(10),
    ("binomial", "logc"): range(10),
    ("binomial", "identity"): range(10),
    ("poisson", "identity"): range(10),
    ("poisson", "sqrt"): range(4),
}
CASES = [(*case, seed) for case, seeds in SEEDS.items() for seed in seeds]


def rows_of(family: str, link: str, seed: int):
    """Columns, response, weights and offset of 12 to 30 rows, whose rates come near an end."""
    rng = np.random.default_rng([seed, len(family), len(link)])
    n, p = int(rng.integers(12, 31)), int(rng.integers(1, 4))
    x = rng.uniform(0.0, 2.0, (n, p))
    if seed % 3 == 1:
        x = np.round(x)
    X = np.column_stack([np.ones(n), x])
    weights = rng.integers(1, 4, n).astype(float) if seed % 2 else np.ones(n)
    offset = rng.uniform(-0.1, 0.0, n) * (seed % 4 > 1)
    trend = np.abs(0.3 + x @ rng.uniform(-0.4, 0.6, p))
    if family == "poisson":
        return X, rng.poisson(trend).astype(float), weights, -offset
    rate = {"log": np.exp(-0.5 * trend), "logc": -np.expm1(-0.5 * trend)}.get(link, 0.5 * trend)
    sign = -1.0 if link == "identity" else 1.0
    return X, (rng.random(n) < np.clip(rate, 0.02, 0.98)).astype(float), weights, sign * offset


def fit_quietly(y, X, family: str, link: str, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fg.errors.FastGLMWarning)
        return fg.GLM(y, X, family, link=link, **options).fit()


def missing_rise(fit, family: str, link: str, X, y, weights, offset) -> float:
    """At most this is missing of the log-likelihood: the best of a linear program in a box."""
    low, high = ENDS[family, link]
    eta = X @ fit.params + offset
    assert low - 1e-10 <= eta.min()
    assert eta.max() <= high + 1e-10
    # Rows at their ends have the score of a hair inside, where it has a limit.
    inside = np.clip(eta, low + 1e-9, high - 1e-9)
    mean, slope = (function(inside) for function in INVERSE[link])
    variance = mean if family == "poisson" else mean * (1.0 - mean)
    score = X.T @ (weights * (y - mean) * slope / variance)
    sides = [(1.0, high - offset), (-1.0, offset - low)]
    sides = [(sign, room) for sign, room in sides if np.isfinite(room).all()]
    best = optimize.linprog(
        -score,
        np.vstack([sign * X for sign, _ in sides]),
        np.concatenate([room for _, room in sides]),
        bounds=[(value - 1.0, value + 1.0) for value in fit.params],
    )
    return float(score @ (best.x - fit.params))


@pytest.mark.parametrize(("family", "link", "seed"), CASES)
def test_nothing_is_missing_of_the_likelihood(family: str, link: str, seed: int) -> None:
    X, y, weights, offset = rows_of(family, link, seed)
    fit = fit_quietly(y, X, family, link, freq_weights=weights, offset=offset)
    if fit.infinite:
        pytest.skip("no maximum")
    assert fit.converged
    assert missing_rise(fit, family, link, X, y, weights, offset) < 1e-7


def test_most_of_these_lie_on_the_boundary() -> None:
    ends = [
        fit_quietly(y, X, family, link, freq_weights=weights, offset=offset).status
        for family, link, seed in CASES
        for X, y, weights, offset in [rows_of(family, link, seed)]
    ]
    assert sum(status == Status.BOUNDARY for status in ends) > 15


def boundary_rows():
    rng = np.random.default_rng(2)
    x = rng.uniform(0.0, 2.0, 25)
    return x, (rng.random(25) < np.exp(-1.5 + 0.6 * x)).astype(float)


def test_the_last_row_at_a_probability_of_one() -> None:
    # 26.499264 by a line search along the face, where Fisher scoring stalls at 26.500293.
    x, y = boundary_rows()

    def on_the_face(slope: float) -> float:
        eta = slope * (x - x.max())
        return -2.0 * float((y * eta + special.xlog1py(1.0 - y, -np.exp(eta))).sum())

    best = optimize.minimize_scalar(
        on_the_face, bounds=(0.1, 5.0), method="bounded", options={"xatol": 1e-12}
    )
    with pytest.warns(ConvergenceWarning, match="on the boundary.*Standard errors and tests do"):
        fit = fg.GLM(y, fg.add_constant(x), "binomial", link="log").fit()
    np.testing.assert_allclose(fit.deviance, best.fun, rtol=1e-12)
    np.testing.assert_allclose(fit.params, [-best.x * x.max(), best.x], rtol=1e-6)
    assert "do not hold" in str(fit.summary())
    # The one direction left: its information is that of the other rows.
    weight = np.exp(fit.params[1] * (x - x.max())) / -np.expm1(
        fit.params[1] * (x - x.max()) - 1e-14
    )
    others = x < x.max()
    information = (weight * (x - x.max()) ** 2)[others].sum()
    np.testing.assert_allclose(fit.bse[1], information**-0.5, rtol=1e-5)


def test_rows_in_a_file_give_the_same(tmp_path, monkeypatch) -> None:
    x, y = boundary_rows()
    pd.DataFrame({"x": x, "y": y}).to_parquet(tmp_path / "rows.parquet")
    alone = fit_quietly(y, fg.add_constant(x), "binomial", "log")
    source = fg.scan(tmp_path / "rows.parquet")
    with pytest.warns(ConvergenceWarning, match="on the boundary"):
        fit = fg.glm("y ~ x", source, "binomial", link="log")
    np.testing.assert_allclose(fit.deviance, alone.deviance, rtol=1e-12)
    # Sums alone do not tell: they say no more than that the optimum may lie there.
    monkeypatch.setattr(StreamedModelRows, "fits", False)
    with pytest.warns(ConvergenceWarning, match="may lie on the boundary"):
        fit = fg.glm("y ~ x", source, "binomial", link="log")
    assert not fit.converged
    assert not fit.aliased


def test_too_many_values_are_said_to_be_undecided(monkeypatch) -> None:
    monkeypatch.setattr(domain_boundary, "MOST_VALUES", 49)
    x, y = boundary_rows()
    with pytest.warns(ConvergenceWarning, match="may lie on the boundary"):
        fit = fg.GLM(y, fg.add_constant(x), "binomial", link="log").fit()
    assert not fit.converged


def test_a_column_that_is_a_combination_stays_without_estimate() -> None:
    x, y = boundary_rows()
    X = np.column_stack([fg.add_constant(x), 2.0 * x - 1.0])
    fit = fit_quietly(y, X, "binomial", "log")
    alone = fit_quietly(y, X[:, :2], "binomial", "log")
    assert list(fit.aliased) == ["x2"]
    np.testing.assert_allclose(fit.params[:2], alone.params, rtol=1e-6)
    np.testing.assert_allclose(fit.deviance, alone.deviance, rtol=1e-11)


@pytest.mark.parametrize("seed", range(3))
def test_columns_far_from_zero(seed: int) -> None:
    X, y, weights, offset = rows_of("poisson", "identity", seed)
    far = X.copy()
    far[:, 1:] = 2000.0 + 3.0 * X[:, 1:]
    near, moved = (
        fit_quietly(y, A, "poisson", "identity", freq_weights=weights, offset=offset)
        for A in (X, far)
    )
    np.testing.assert_allclose(moved.deviance, near.deviance, rtol=1e-9)
    np.testing.assert_allclose(moved.params[1:], near.params[1:] / 3.0, rtol=1e-5, atol=1e-8)


def test_an_optimum_inside_is_left_as_it_is() -> None:
    # Steps left the domain on the way: the same numbers as from a start close by.
    rng = np.random.default_rng(7)
    x = rng.uniform(0.0, 2.0, 60)
    y = rng.poisson(0.05 + 2.0 * x).astype(float)
    X = fg.add_constant(x)
    fit = fit_quietly(y, X, "poisson", "identity")
    assert fit.status == Status.CONVERGED
    again = fg.GLM(y, X, "poisson", link=links.Identity()).fit(start_params=fit.params)
    np.testing.assert_allclose(fit.params, again.params, rtol=1e-8)
    np.testing.assert_allclose(fit.bse, again.bse, rtol=1e-7)


@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_a_group_without_events_has_a_mean_of_zero(family: str) -> None:
    # Fisher scoring does not leave the domain on its way there, and creeps for good.
    group = np.array([float(digit) for digit in "110110001001110101111010001"])
    weights = np.array([float(digit) for digit in "233221322231211232112213232"])
    y = np.zeros(27)
    y[[11, 22]] = 1.0
    fit = fit_quietly(y, fg.add_constant(group), family, "identity", freq_weights=weights)
    assert fit.converged
    others = group == 1.0
    mean = float(np.average(y[others], weights=weights[others]))
    np.testing.assert_allclose(fit.params, [0.0, mean], rtol=1e-6, atol=1e-9)
    alone = fit.family.deviance(
        y[others], np.full(int(others.sum()), mean), freq_weights=weights[others]
    )
    np.testing.assert_allclose(fit.deviance, alone, rtol=1e-9)
