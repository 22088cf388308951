import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import fastglm as fg
from fastglm.errors import DataError, ModelError

REFERENCE = Path(__file__).parents[1] / "data" / "responses"


@pytest.mark.parametrize(("name", "model"), [("zeroinfl", fg.ZeroInflated), ("hurdle", fg.Hurdle)])
def test_pearson_residuals_equal_those_of_pscl(name, model):
    expected = json.loads((REFERENCE / "robust_biochem.json").read_text())[name]["pearson"]
    frame = pd.read_csv(REFERENCE / "v_nb_biochem.data.csv.gz")
    fit = model.from_formula("art ~ phd + ment", frame, "~ ment").fit()
    np.testing.assert_allclose(fit.resid_pearson[:40], expected, rtol=1e-7)
    np.testing.assert_allclose(fit.resid_response, frame["art"] - fit.fittedvalues)


def draw(name, n=4000, seed=1):
    """Responses of a model, its columns, and options of the model."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    mean, zero = np.exp(X @ [0.8, 0.5]), rng.random(n) < 0.3
    counts = rng.poisson(mean * rng.gamma(1 / 0.4, 0.4, n))
    if name == "BetaModel":
        share = special.expit(X @ [0.3, 1.0])
        return rng.beta(8 * share, 8 * (1 - share)), X, {}
    if name == "NegativeBinomialP":
        return counts, X, {"power": 2.0}
    if name == "ZeroInflated":
        return np.where(zero, 0, counts), X, {"family": "negative_binomial"}
    if name == "Hurdle":
        # Poisson counts that are positive, by inversion.
        none = np.exp(-mean)
        positive = stats.poisson(mean).ppf(none + rng.random(n) * (1 - none))
        return np.where(zero, 0.0, np.maximum(positive, 1.0)), X, {}
    latent = X[:, 1] + rng.logistic(size=n)
    return np.digitize(latent, [-1.0, 0.5, 2.0]), X[:, 1:], {}


ORDERED = ["BetaModel", "NegativeBinomialP", "ZeroInflated", "Hurdle", "OrderedModel"]


@pytest.mark.parametrize("name", ORDERED)
def test_quantile_residuals_are_standard_normal(name):
    y, X, options = draw(name)
    fit = getattr(fg, name)(y, X, **options).fit()
    residuals = fit.resid_quantile(seed=3)
    assert np.isfinite(residuals).all()
    assert stats.kstest(residuals, "norm").pvalue > 1e-3
    np.testing.assert_array_equal(residuals, fit.resid_quantile(seed=3))
    # Not those of a model that leaves out what matters.
    other = X.copy()
    other[:, -1] = np.random.default_rng(0).permutation(X[:, -1])
    wrong = getattr(fg, name)(y, other, **options).fit()
    assert abs(np.corrcoef(wrong.resid_quantile(), X[:, -1])[0, 1]) > 0.1
    assert abs(np.corrcoef(residuals, X[:, -1])[0, 1]) < 0.05


@pytest.mark.parametrize("name", ["BetaModel", "NegativeBinomialP", "ZeroInflated", "Hurdle"])
def test_pearson_residuals_have_variance_one(name):
    y, X, options = draw(name, 20_000)
    fit = getattr(fg, name)(y, X, **options).fit()
    assert np.mean(fit.resid_pearson**2) == pytest.approx(1.0, abs=0.06)


def test_residuals_of_categories_and_shares():
    y, X, _ = draw("OrderedModel", 300)
    frame = pd.DataFrame({"y": np.array(list("abcd"))[y], "x": X[:, 0]})
    for model, options in ((fg.MNLogit, {}), (fg.OrderedModel, {"levels": "abcd"})):
        fit = model.from_formula("y ~ x", frame, **options).fit()
        probability = fit.predict()
        observed = pd.get_dummies(frame["y"]).astype(float)
        pd.testing.assert_frame_equal(fit.resid_response, observed - probability)
        scale = np.sqrt(probability * (1 - probability))
        pd.testing.assert_frame_equal(fit.resid_pearson, (observed - probability) / scale)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet([2.0, 3.0, 4.0], 5000)
    fit = fg.DirichletModel(shares, np.ones((5000, 1))).fit()
    np.testing.assert_allclose(fit.resid_response, shares - fit.predict())
    np.testing.assert_allclose((fit.resid_pearson**2).mean(axis=0), np.ones(3), atol=0.1)


def test_methods_that_are_refused(tmp_path):
    y, X, _ = draw("OrderedModel", 100)
    fit = fg.MNLogit(y, np.column_stack([np.ones(100), X])).fit()
    with pytest.raises(ModelError, match="no order"):
        fit.resid_quantile()
    fit.save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="without the data"):
        _ = fg.load(tmp_path / "fit.json").resid_response


@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_tails_of_a_hurdle_whose_counts_are_rarely_above_one(family):
    """P(Y <= 1) = P(0) + P(positive) P(1) / P(1 or more): digits of tiny means are there."""
    y = np.array([0, 1, 1, 2, 3, 0, 1, 2, 5, 1.0])
    fit = fg.Hurdle(y, np.ones((10, 1)), family=family).fit()
    log_mean = np.log([1e-12, 1e-9, 1e-5, 0.1, 2.0, 30.0])
    one = np.ones(6)
    etas = np.vstack([log_mean, 0.4 * one, np.log(0.5) * one])[: 2 + (family != "poisson")]
    positive, size = special.expit(0.4), 2.0
    for count in (1.0, 2.0, 4.0):
        above = {
            "poisson": lambda k: stats.poisson.sf(k, np.exp(log_mean)),
            "negative_binomial": lambda k: special.betainc(
                k + 1.0, size, np.exp(log_mean) / (size + np.exp(log_mean))
            ),
        }[family]
        share = above(count) / above(0.0)
        lower, upper = fit._tails(count * one, etas)[0]
        np.testing.assert_allclose(upper, positive * share, rtol=1e-12)
        np.testing.assert_allclose(lower, 1.0 - positive * share, rtol=1e-12)
