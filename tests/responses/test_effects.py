"""Averages, marginal effects and means of every outcome: by predictions, and by hand."""

from dataclasses import replace

import numpy as np
import pytest
import response_cases as cases
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import ModelError

STEP = 1e-4


def outcomes(fit):
    return [which for which in (*fit.predictions, "linear") if which != "class"]


@pytest.fixture(scope="module")
def fits():
    data = cases.frame()
    return {name: cases.model(name, data, freq_weights="w").fit() for name in cases.MODELS}


def by_hand(fit, quantity):
    """Values of a quantity of a fit, and standard errors by differences in the coefficients."""
    values = np.atleast_1d(quantity(fit))
    jacobian = []
    for k in range(fit.estimates.size):
        ends = []
        for sign in (1.0, -1.0):
            moved = fit.estimates.copy()
            moved[k] += sign * STEP
            ends.append(np.atleast_1d(quantity(replace(fit, estimates=moved))))
        jacobian.append((ends[0] - ends[1]) / (2.0 * STEP))
    jacobian = np.array(jacobian).T
    return values, np.sqrt(np.diag(jacobian @ fit.covariance @ jacobian.T))


def mean_of(fit, data, which, weights):
    values = np.asarray(fit.predict(data, which=which), dtype=float)
    return np.average(values.reshape(len(data), -1), axis=0, weights=weights)


def agrees(found, fit, quantity, values=1e-10):
    expected, errors = by_hand(fit, quantity)
    np.testing.assert_allclose(found.estimate, expected, rtol=values, atol=1e-12)
    np.testing.assert_allclose(found.standard_error, errors, rtol=2e-6, atol=1e-10)


@pytest.mark.parametrize("name", cases.MODELS)
def test_averages_of_every_outcome(fits, name):
    fit, data = fits[name].with_covariance("HC0"), cases.frame()
    for which in outcomes(fit):
        agrees(
            fit.avg_predictions({"g": ["b"]}, which=which),
            fit,
            lambda f, which=which: mean_of(f, data.assign(g="b"), which, data.w),
        )
        agrees(
            fit.avg_comparisons("x", step=0.5, which=which),
            fit,
            lambda f, which=which: (
                mean_of(f, data.assign(x=data.x + 0.5), which, data.w)
                - mean_of(f, data, which, data.w)
            ),
        )


@pytest.mark.parametrize("name", cases.MODELS)
def test_slopes_go_through_every_predictor(fits, name):
    fit, data, h = fits[name], cases.frame(), 1e-4
    for which in outcomes(fit):
        slopes = fit.avg_slopes("x", which=which)
        agrees(
            slopes,
            fit,
            lambda f, which=which: (
                (
                    mean_of(f, data.assign(x=data.x + h), which, data.w)
                    - mean_of(f, data.assign(x=data.x - h), which, data.w)
                )
                / (2.0 * h)
            ),
            values=1e-6,
        )


@pytest.mark.parametrize("name", cases.MODELS)
def test_averages_by_group(fits, name):
    fit, data = fits[name], cases.frame()
    groups = [data[data.g == g] for g in "abc"]
    by_group = [mean_of(fit, own, "mean", own.w) for own in groups]
    found = fit.avg_predictions(by="g")
    np.testing.assert_allclose(found.estimate, np.array(by_group).T.ravel(), rtol=1e-12)
    assert found.names[0].startswith("g=a")


@pytest.mark.parametrize("name", cases.MODELS)
def test_marginal_means_are_averages_over_the_grid(fits, name):
    fit, data = fits[name], cases.frame()
    at = {"x": np.average(data.x, weights=data.w), "z": [0.0, 1.0]}
    grid = data.iloc[:6].assign(g=list("aabbcc"), x=at["x"], z=[0.0, 1.0] * 3)

    def means(f):
        values = np.asarray(f.predict(grid), dtype=float).reshape(3, 2, -1).mean(axis=1)
        return values.T.ravel()

    found = fit.emmeans("g", at={"z": [0.0, 1.0]})
    agrees(found, fit, means)
    contrasts = found.contrasts(adjust="none")
    cell = found.estimate.reshape(-1, 3)
    expected = np.array([cell[:, 0] - cell[:, 1], cell[:, 0] - cell[:, 2], cell[:, 1] - cell[:, 2]])
    np.testing.assert_allclose(contrasts.estimate, expected.T.ravel(), rtol=1e-12)
    assert contrasts.names[0].startswith("g=a - g=b")
    assert list(found.summary_frame().columns) == ["emmean", "std err", "ci_lower", "ci_upper"]


@pytest.mark.parametrize(
    "options",
    [{}, {"at": "mean"}, {"at": "zero"}, {"at": "median", "method": "eydx"}, {"dummy": True}],
)
def test_marginal_effects_equal_statsmodels(options):
    data = cases.frame()
    X = np.column_stack([np.ones(cases.N), data.x, data.g == "b"])
    ours = fg.MNLogit(data.level, X).fit().get_margeff(**options)
    theirs = sm.MNLogit(data.level.to_numpy(), X).fit(disp=0, tol=1e-12).get_margeff(**options)
    np.testing.assert_allclose(ours.margeff, theirs.margeff, rtol=1e-7)
    np.testing.assert_allclose(ours.margeff_se, theirs.margeff_se, rtol=1e-7)


@pytest.mark.parametrize("name", cases.MODELS)
def test_marginal_effects_of_columns(fits, name):
    """Of a column of a formula without interactions the average slope, where no other has it."""
    fit = fits[name]
    ours = fit.get_margeff()
    place = [k for k, label in enumerate(ours.names) if label.split(", ")[0] == "z"]
    slopes = fit.avg_slopes("z")
    np.testing.assert_allclose(ours.estimate[place], slopes.estimate, rtol=1e-8)
    np.testing.assert_allclose(ours.standard_error[place], slopes.standard_error, rtol=1e-7)
    elastic = fit.get_margeff(method="eyex")
    weights, mean = cases.frame().w, np.asarray(fit.predict(), dtype=float).reshape(cases.N, -1)
    x = cases.frame().z.to_numpy()
    h = 1e-5
    up, down = (
        np.asarray(fit.predict(cases.frame().assign(z=x + s)), dtype=float).reshape(cases.N, -1)
        for s in (h, -h)
    )
    by_row = (up - down) / (2 * h) * x[:, None] / mean
    np.testing.assert_allclose(
        elastic.estimate[place], np.average(by_row, axis=0, weights=weights), rtol=1e-6
    )


def test_counts_step_by_one_and_columns_are_held():
    data = cases.frame()
    data["k"] = np.arange(cases.N) % 4
    X = np.column_stack([np.ones(cases.N), data.k, data.x])
    fit = fg.NegativeBinomialP(data.counts, X, power=2.0).fit()
    effects = fit.get_margeff(count=True, atexog={2: 0.25})
    held = X.copy()
    held[:, 2] = 0.25
    up, down = held.copy(), held.copy()
    up[:, 1] += 1.0
    down[:, 1] -= 1.0
    agrees(effects_of(effects, 0), fit, lambda f: np.mean(f.predict(up) - f.predict(down)) / 2.0)


def effects_of(effects, k):
    return replace(
        effects,
        names=effects.names[k : k + 1],
        estimate=effects.estimate[k : k + 1],
        covariance=effects.covariance[k : k + 1, k : k + 1],
    )


def test_labels_and_aliased_columns_have_no_averages(fits):
    with pytest.raises(ModelError, match="label"):
        fits["MNLogit"].avg_predictions(which="class")
    with pytest.raises(ModelError, match="which must be one of"):
        fits["Hurdle"].avg_slopes("x", which="median")
    data = cases.frame().assign(twice=lambda d: 2.0 * d.x)
    with pytest.warns(fg.errors.RankWarning):
        fit = cases.model("BetaModel", data, "x + twice + g").fit()
    with pytest.raises(ModelError, match="twice cannot be told"):
        fit.avg_comparisons("twice")
    with pytest.raises(ModelError, match="twice cannot be told"):
        fit.emmeans("g")
