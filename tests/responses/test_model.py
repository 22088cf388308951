"""What all models with several predictors do alike: starts, samples, columns of any scale."""

import numpy as np
import pytest
from scipy import special

import fastglm as fg
from fastglm.errors import RankWarning, Status

N = 400


def draw(n=N, seed=5):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    mean = np.exp(0.5 + 0.4 * x)
    share = rng.beta(*(5.0 * np.array([special.expit(0.3 * x), special.expit(-0.3 * x)])))
    counts = rng.poisson(mean * rng.gamma(2.0, 0.5, n)).astype(float)
    zeros = np.where(rng.random(n) < 0.3, 0.0, counts)
    classes = (np.outer(x, [0.0, 0.5, -0.5]) + rng.gumbel(size=(n, 3))).argmax(axis=1)
    gammas = rng.gamma(np.exp(np.outer(x, [0.2, -0.1, 0.3]) + 1.0))
    return x, {
        "MNLogit": classes,
        "OrderedModel": classes,
        "BetaModel": share,
        "DirichletModel": gammas / gammas.sum(axis=1, keepdims=True),
        "NegativeBinomialP": counts,
        "ZeroInflated": zeros,
        "Hurdle": zeros,
    }


MODELS = list(draw(2)[1])


def build(name, y, x):
    columns = x[:, None] if name == "OrderedModel" else np.column_stack([np.ones(len(x)), x])
    return getattr(fg, name)(y, columns)


def slopes(fit):
    flat = np.asarray([k for k, name in enumerate(fit.names) if name.endswith("x1")])
    flat = flat if len(flat) else np.array([0])
    return fit.estimates[flat], fit.standard_errors[flat]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("shift", "scale"), [(2.0e5, 1.0), (1.7e9, 3600.0), (0, 1e8), (0, 1e-8)])
def test_columns_of_any_scale(name, shift, scale):
    x, responses = draw()
    # Rounded, so that the far column is the near one exactly.
    x = np.rint(x * 64) / 64
    near = build(name, responses[name], x).fit()
    far = build(name, responses[name], shift + scale * x).fit()
    assert far.converged
    assert far.llf == pytest.approx(near.llf, rel=1e-12)
    (b, se), (b_far, se_far) = slopes(near), slopes(far)
    np.testing.assert_allclose(b_far * scale, b, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(se_far * scale, se, rtol=1e-7)
    np.testing.assert_allclose(far.predict(), near.predict(), rtol=1e-6)


def test_a_start_far_away_leads_to_the_maximum():
    x, responses = draw()
    fit = build("MNLogit", responses["MNLogit"], x).fit()
    far = build("MNLogit", responses["MNLogit"], x).fit(start_params=[0.0, 900.0, 0.0, -900.0])
    assert far.converged
    np.testing.assert_allclose(far.estimates, fit.estimates, rtol=1e-8)


@pytest.mark.parametrize("name", MODELS)
def test_many_rows_begin_with_samples_and_end_at_the_maximum(name):
    x, responses = draw(9_000)
    model = build(name, responses[name], x)
    fit = model.fit()
    again = model.fit(start_params=fit.estimates)
    assert fit.status == again.status == Status.CONVERGED
    # From the estimates themselves it goes nowhere.
    distance = np.abs(fit.estimates - again.estimates) / fit.standard_errors
    assert distance.max() < 1e-7
    np.testing.assert_allclose(fit.standard_errors, again.standard_errors, rtol=1e-7)


@pytest.mark.parametrize("far", [0.0, 3.0, 1e6])
def test_a_constant_that_follows_from_earlier_columns(far):
    x, responses = draw()
    x, y = np.rint(x * 64) / 64, responses["BetaModel"]
    groups = np.eye(3)[np.arange(N) % 3]
    without = fg.BetaModel(y, np.column_stack([groups, x])).fit()
    with pytest.warns(RankWarning, match="const"):
        fit = fg.BetaModel(y, np.column_stack([groups, np.ones(N), far + x])).fit()
    assert fit.converged
    assert fit.aliased == ("const",)
    assert fit.llf == pytest.approx(without.llf, rel=1e-12)
    np.testing.assert_allclose(fit.predict(), without.predict(), rtol=1e-8)
    np.testing.assert_allclose(fit.bse[4:], without.bse[3:], rtol=1e-7)
    # At x = 0 of the near columns.
    move = np.eye(6)[[0, 1, 2, 4, 5]]
    move[:3, 4] = far
    values = move @ np.nan_to_num(fit.estimates)
    np.testing.assert_allclose(values, without.estimates, rtol=1e-6, atol=1e-9)


def test_a_level_that_samples_lack():
    x, responses = draw(9_000)
    rare = np.zeros(9_000)
    rare[[13, 4_447, 8_991]] = 1.0
    columns = np.column_stack([np.ones(9_000), x, rare])
    y = responses["MNLogit"].copy()
    y[[13, 4_447, 8_991]] = [0, 1, 2]
    fit = fg.MNLogit(y, columns).fit()
    assert fit.converged
    # One row of each class: there the odds are even.
    np.testing.assert_allclose(fit.predict()[[13, 4_447, 8_991]].sum(axis=0), np.ones(3), rtol=1e-8)


def test_a_category_that_samples_lack():
    x, responses = draw(9_000)
    y = responses["OrderedModel"].copy()
    y[[13, 4_447, 8_991]] = 3
    fit = fg.OrderedModel(y, x[:, None]).fit()
    assert fit.converged
    assert len(fit.thresholds) == 3


@pytest.mark.parametrize("model", [fg.MNLogit, fg.OrderedModel])
@pytest.mark.parametrize("response", [[1, 2, 3], ["a", "b", "c"]], ids=["numbers", "text"])
def test_rows_of_arrays_with_a_missing_value_are_of_no_class(model, response):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(90, 1))
    levels = {} if model is fg.MNLogit else {"levels": response}
    X = np.column_stack([np.ones(90), X]) if model is fg.MNLogit else X
    fit = model(np.array(response * 30), X, **levels).fit()
    new = X[:3].copy()
    new[1, -1] = np.nan
    found, whole = fit.predict(new, which="class"), fit.predict(X[:3], which="class")
    assert [value != value for value in found] == [False, True, False]
    assert [found[0], found[2]] == [whole[0], whole[2]]
