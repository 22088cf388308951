import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats
from statsmodels.discrete.count_model import ZeroInflatedNegativeBinomialP, ZeroInflatedPoisson
from statsmodels.tools.numdiff import approx_hess

import fastglm as fg
from fastglm.errors import DataError, ModelError

FAMILIES = ["poisson", "negative_binomial"]


def sample(n=1500, alpha=0.0, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    Z = np.column_stack([np.ones(n), rng.uniform(-1, 1, n)])
    mean = np.exp(X @ [1.0, 0.4])
    if alpha:
        mean = mean * rng.gamma(1 / alpha, alpha, n)
    return np.where(rng.random(n) < special.expit(Z @ [-0.5, 1.0]), 0, rng.poisson(mean)), X, Z


def log_likelihood(params, model, family, y, X, Z):
    mean, zero = np.exp(X @ params[:2]), special.expit(Z @ params[2:4])
    if family == "poisson":
        count = stats.poisson(mean)
    else:
        size = np.exp(-params[4])
        count = stats.nbinom(size, size / (size + mean))
    if model is fg.ZeroInflated:
        return np.sum(np.log(zero * (y == 0) + (1 - zero) * count.pmf(y)))
    positive = np.log(zero) + count.logpmf(y) - np.log1p(-count.pmf(0))
    return np.sum(np.where(y > 0, positive, np.log1p(-zero)))


@pytest.mark.parametrize("model", [fg.ZeroInflated, fg.Hurdle])
@pytest.mark.parametrize("family", FAMILIES)
def test_is_the_maximum_of_scipys_likelihood(model, family):
    y, X, Z = sample(alpha=0.5)
    fit = model(y, X, Z, family=family).fit()
    assert fit.converged

    def value(params):
        return log_likelihood(params, model, family, y, X, Z)

    assert fit.llf == pytest.approx(value(fit.params), rel=1e-10)
    h = 1e-3 * np.diag(fit.bse)
    slopes = [(value(fit.params + e) - value(fit.params - e)) / 2e-3 for e in h]
    np.testing.assert_allclose(slopes, 0.0, atol=2e-5)
    m = len(h)
    hessian = np.empty((m, m))
    for j in range(m):
        for k in range(m):
            hessian[j, k] = (
                value(fit.params + h[j] + h[k])
                - value(fit.params + h[j] - h[k])
                - value(fit.params - h[j] + h[k])
                + value(fit.params - h[j] - h[k])
            ) / 4e-6
    scale = np.outer(fit.bse, fit.bse)
    np.testing.assert_allclose(
        np.linalg.inv(-hessian), np.asarray(fit.cov_params()) / scale, atol=1e-3
    )


@pytest.mark.parametrize(
    ("family", "peer"),
    [("poisson", ZeroInflatedPoisson), ("negative_binomial", ZeroInflatedNegativeBinomialP)],
)
def test_equals_statsmodels(family, peer):
    y, X, Z = sample(alpha=0.5 if family == "negative_binomial" else 0.0)
    fit = fg.ZeroInflated(y, X, Z, family=family).fit()
    start = np.concatenate([fit.params[2:4], fit.params[:2], [fit.alpha] * (len(fit.params) - 4)])
    other = peer(y, X, exog_infl=Z).fit(start_params=start, method="bfgs", disp=0, maxiter=200)
    assert other.llf <= fit.llf + 1e-8
    assert fit.llf == pytest.approx(other.llf, rel=1e-9)
    # Its own second derivatives are off by a few percent for the zero-inflated Poisson model;
    # differences of its log-likelihood are not.
    hessian = approx_hess(other.params, other.model.loglike)
    bse = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(fit.bse[:4], bse[[2, 3, 0, 1]], rtol=1e-3)
    if family == "negative_binomial":
        assert fit.alpha_se == pytest.approx(bse[4], rel=1e-3)
    np.testing.assert_allclose(fit.predict(), other.predict(which="mean"), rtol=1e-4)


def test_a_hurdle_is_a_logistic_regression_and_a_truncated_count():
    y, X, Z = sample()
    fit = fg.Hurdle(y, X, Z).fit()
    logistic = fg.GLM((y > 0).astype(float), Z, family="binomial").fit()
    np.testing.assert_allclose(fit.params[2:4], logistic.params, rtol=1e-8)
    np.testing.assert_allclose(fit.bse[2:4], logistic.bse, rtol=1e-7)
    positive = y > 0

    def negative(beta):
        eta = X[positive] @ beta
        mean = np.exp(eta)
        return -np.sum(y[positive] * eta - mean - np.log(-np.expm1(-mean)))

    best = optimize.minimize(negative, [1.0, 0.0], method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(fit.params[:2], best.x, rtol=1e-5)


@pytest.mark.parametrize("model", [fg.ZeroInflated, fg.Hurdle])
@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_are_those_of_the_distribution(model, family, tmp_path):
    y, X, Z = sample(alpha=0.5)
    fit = model(y, X, Z, family=family).fit()
    new, news = X[:20], Z[:20]
    counts = np.arange(3000)
    params = np.asarray(fit.params)
    mass = np.array(
        [
            [
                np.exp(log_likelihood(params, model, family, np.array([k]), x[None], z[None]))
                for k in (0, 1)
            ]
            for x, z in zip(new, news, strict=True)
        ]
    )
    np.testing.assert_allclose(fit.predict(new, "prob-zero", zeros=news), mass[:, 0], rtol=1e-9)
    repeated = len(counts)
    mean = [
        counts
        @ np.exp(
            [
                log_likelihood(params, model, family, np.array([k]), x[None], z[None])
                for k in counts[:200]
            ]
            + [-np.inf] * (repeated - 200)
        )
        for x, z in zip(new[:2], news[:2], strict=True)
    ]
    np.testing.assert_allclose(fit.predict(new, zeros=news)[:2], mean, rtol=1e-6)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(new, zeros=news), fit.predict(new, zeros=news))
    assert str(again.summary()) == str(fit.summary())


def test_formulas_offsets_and_weights():
    y, X, Z = sample(300)
    offset = np.linspace(0.0, 1.0, 300)
    times = np.arange(300) % 3
    frame = pd.DataFrame({"y": y, "x": X[:, 1], "z": Z[:, 1], "w": times, "o": offset})
    by_formula = fg.ZeroInflated.from_formula(
        "y ~ x + offset(o)", frame, "~ z", freq_weights="w"
    ).fit()
    rows = np.repeat(np.arange(300), times)
    by_array = fg.ZeroInflated(y[rows], X[rows], Z[rows], offset=offset[rows]).fit()
    np.testing.assert_allclose(by_formula.params, by_array.params, rtol=1e-7)
    np.testing.assert_allclose(by_formula.bse, by_array.bse, rtol=1e-7)
    assert by_formula.llf == pytest.approx(by_array.llf, rel=1e-11)
    assert list(by_formula.params.index) == ["Intercept", "x", "zero-Intercept", "zero-z"]
    np.testing.assert_allclose(by_formula.predict(frame), by_formula.fittedvalues, rtol=1e-12)


def test_what_cannot_be_used_is_named():
    X = np.ones((4, 1))
    with pytest.raises(DataError, match=r"counts: it is not in 1 row \(1"):
        fg.ZeroInflated([0.0, 1.5, 2.0, 3.0], X)
    with pytest.raises(DataError, match="zeros and positive counts"):
        fg.Hurdle([1.0, 2.0, 2.0, 3.0], X)
    with pytest.raises(ModelError, match="poisson, negative_binomial"):
        fg.Hurdle([0.0, 2.0, 2.0, 3.0], X, family="gamma")


@pytest.mark.parametrize("model", [fg.ZeroInflated, fg.Hurdle])
def test_columns_of_alpha(model, tmp_path):
    """With everything different between two halves of the rows, it is a fit to each."""
    rng = np.random.default_rng(8)
    n = 600
    data = pd.DataFrame({"x": rng.normal(size=n), "half": np.resize(["a", "b"], n)})
    size = np.where(data["half"] == "a", 0.5, 2.0)
    counts = rng.poisson(np.exp(1.0 + 0.5 * data["x"]) * rng.gamma(size, 1.0 / size))
    data["y"] = np.where(rng.random(n) < 0.3, 0, counts)
    right = "~ 0 + half"
    fit = model.from_formula(
        "y ~ 0 + half + half:x", data, right, "negative_binomial", dispersion=right
    ).fit()
    parts = [
        model.from_formula("y ~ x", own, family="negative_binomial").fit()
        for _, own in data.groupby("half")
    ]
    assert fit.llf == pytest.approx(sum(part.llf for part in parts), abs=1e-8)
    assert fit.names[-2:] == ("log(alpha)-half[a]", "log(alpha)-half[b]")
    log_alpha = [np.log(part.alpha) for part in parts]
    np.testing.assert_allclose(fit.params.to_numpy()[-2:], log_alpha, atol=1e-6)
    errors = [part.bse["log(alpha)"] for part in parts]
    np.testing.assert_allclose(fit.bse.to_numpy()[-2:], errors, rtol=1e-6)
    expected = np.where(data["half"] == "a", parts[0].alpha, parts[1].alpha)
    np.testing.assert_allclose(fit.predict(which="alpha"), expected, rtol=1e-6)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(data, "alpha"), fit.predict(data, "alpha"))
    with pytest.raises(ModelError, match="alpha differs between rows"):
        _ = fit.alpha
    with pytest.raises(ModelError, match="dispersion= is for family='negative_binomial'"):
        model.from_formula("y ~ x", data, dispersion="~ x")
