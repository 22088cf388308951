"""Sums over the rows of a model at any coefficients, against statsmodels itself."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import DataError, ModelError

rng = np.random.default_rng(11)
N = 70
X = np.column_stack([np.ones(N), rng.normal(size=N), rng.uniform(size=N)])
ETA = X @ [0.3, 0.4, -0.2]
FAMILIES = {
    "poisson": (rng.poisson(np.exp(ETA)), "Poisson", "log"),
    "poisson, sqrt": (rng.poisson(np.exp(ETA)), "Poisson", "Sqrt"),
    "binomial": (rng.binomial(1, 1 / (1 + np.exp(-ETA))), "Binomial", "Logit"),
    "binomial, cloglog": (rng.binomial(1, 1 / (1 + np.exp(-ETA))), "Binomial", "CLogLog"),
    "gamma": (rng.gamma(2.0, np.exp(ETA)), "Gamma", "Log"),
    "inverse_gaussian": (rng.wald(np.exp(ETA), 2.0), "InverseGaussian", "Log"),
    "gaussian": (rng.normal(ETA), "Gaussian", "Identity"),
    "gaussian, log": (rng.uniform(1, 4, N), "Gaussian", "Log"),
}
PARAMS = {"poisson, sqrt": [1.1, 0.2, -0.1]}
WEIGHTS = {
    "freq_weights": rng.integers(1, 4, N).astype(float),
    "var_weights": rng.uniform(0.5, 2.0, N),
    "offset": rng.normal(scale=0.1, size=N),
}


@pytest.fixture(params=FAMILIES, ids=lambda name: name.replace(", ", "-"))
def both(request):
    y, family, link = FAMILIES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        link = {"log": "Log"}.get(link, link)
        theirs = sm.GLM(
            y, X, getattr(sm.families, family)(getattr(sm.families.links, link)()), **WEIGHTS
        )
    name = request.param.split(",")[0]
    ours = fg.GLM(y, X, name, link=getattr(fg.families.links, link), **WEIGHTS)
    return ours, theirs, np.array(PARAMS.get(request.param, [0.35, 0.3, -0.1]))


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_score_and_hessian(both, scale):
    ours, theirs, params = both
    names = "score", "score_obs", "score_factor", "hessian", "hessian_factor", "information"
    for name in names:
        expected = getattr(theirs, name)(params, scale=scale)
        found = getattr(ours, name)(params, scale=scale)
        tolerance = 1e-9 * np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_likelihood_at_means(both, scale):
    ours, _, params = both
    means = ours.predict(params)
    assert ours.loglike_mu(means, scale) == pytest.approx(ours.loglike(params, scale), rel=1e-12)


def counted(model):
    """The same model without weights other than numbers of rows: R's likelihood has others."""
    both = {name: WEIGHTS[name] for name in ("freq_weights", "offset")}
    if isinstance(model, fg.GLM):
        return fg.GLM(model.endog, X, model.family, **both)
    return sm.GLM(model.endog, X, model.family, **both)


@pytest.mark.parametrize("scale", [1.0, 1.7])
def test_log_likelihood(both, scale):
    ours, theirs, params = both
    # A quasi-likelihood is not a likelihood: statsmodels divides Poisson's by the dispersion.
    there = 1.0 if ours.family.dispersion_known else scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = counted(theirs).loglike(params, there)
    np.testing.assert_allclose(counted(ours).loglike(params, scale), expected, rtol=1e-10)


def test_the_dispersion_is_estimated_where_it_is_not_known(both):
    ours, theirs, params = both
    expected = theirs.score(params)
    np.testing.assert_allclose(ours.score(params), expected, rtol=1e-8, atol=1e-9)


def test_the_score_is_the_slope_of_the_likelihood(both):
    model, _, params = both
    ours = counted(model)
    for k in range(3):
        step = 1e-5 * np.eye(3)[k]
        slope = (ours.loglike(params + step, 1.0) - ours.loglike(params - step, 1.0)) / 2e-5
        np.testing.assert_allclose(ours.score(params, 1.0)[k], slope, rtol=1e-6, atol=1e-6)


def test_degrees_of_freedom_and_weights(both):
    ours, theirs, _ = both
    assert ours.df_model == theirs.df_model == 2.0
    assert ours.df_resid == theirs.df_resid
    np.testing.assert_array_equal(ours.freq_weights, theirs.freq_weights)
    np.testing.assert_array_equal(ours.var_weights, theirs.var_weights)
    np.testing.assert_array_equal(ours.offset, theirs.offset)
    assert ours.exposure is None


def test_predictions(both):
    ours, theirs, params = both
    new = X[:7] + 0.1
    for which in ("mean", "linear"):
        np.testing.assert_allclose(
            ours.predict(params, which=which), theirs.predict(params, which=which), rtol=1e-12
        )
        np.testing.assert_allclose(
            ours.predict(params, new, offset=np.ones(7), which=which),
            theirs.predict(params, new, offset=np.ones(7), which=which),
            rtol=1e-12,
        )


def test_at_the_estimates_it_is_that_of_the_fit(both):
    ours, _, _ = both
    fit = ours.fit(tol=1e-12)
    assert ours.loglike(fit.params) == pytest.approx(fit.llf, rel=1e-12)
    assert np.abs(ours.score(fit.params)).max() < 1e-5
    np.testing.assert_allclose(
        np.linalg.inv(-ours.information(fit.params, scale=fit.scale)), fit.cov_params(), rtol=1e-7
    )


def test_exposure_and_offsets_are_distinguished():
    y, exposure, offset = FAMILIES["poisson"][0], rng.uniform(0.5, 2.0, N), WEIGHTS["offset"]
    theirs = sm.GLM(y, X, sm.families.Poisson(), exposure=exposure, offset=offset)
    ours = fg.GLM(y, X, "poisson", exposure=exposure, offset=offset)
    np.testing.assert_array_equal(ours.exposure, theirs.exposure)
    np.testing.assert_allclose(ours.offset, theirs.offset, rtol=1e-9, atol=1e-15)
    params = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(ours.predict(params), theirs.predict(params), rtol=1e-12)
    assert fg.GLM(y, X, "poisson", exposure=exposure).offset is None
    frame = pd.DataFrame({"y": y, "x": X[:, 1], "t": exposure})
    model = fg.GLM.from_formula("y ~ x + offset(x)", frame, "poisson", exposure="t")
    np.testing.assert_allclose(model.offset, frame["x"], rtol=1e-12, atol=1e-15)
    kept = model.subset(np.arange(N) < 30)
    np.testing.assert_array_equal(kept.exposure, np.log(exposure[:30]))
    assert kept.df_resid == 28.0


def test_trials_enter():
    successes = rng.binomial(5, 0.4, N)
    y = np.column_stack([successes, 5 - successes])
    theirs = sm.GLM(y, X, sm.families.Binomial())
    ours = fg.GLM(y, X, "binomial")
    params = np.array([0.1, 0.2, -0.3])
    for name in ("loglike", "score", "hessian"):
        np.testing.assert_allclose(
            getattr(ours, name)(params), getattr(theirs, name)(params), rtol=1e-9
        )
    np.testing.assert_array_equal(ours.var_weights, np.full(N, 5.0))


def test_the_variance_of_families_of_ones_own_is_differentiated():
    y = FAMILIES["poisson"][0]
    tweedie = fg.families.Tweedie(var_power=1.6), np.array([0.3, 0.2, 0.1])
    counts = fg.families.NegativeBinomial(alpha=0.7, link="sqrt"), np.array([1.3, 0.1, 0.1])
    for family, params in (tweedie, counts):
        ours = fg.GLM(y, X, family)
        for k in range(3):
            step = 1e-5 * np.eye(3)[k]
            slope = (ours.score(params + step, 1.0) - ours.score(params - step, 1.0)) / 2e-5
            np.testing.assert_allclose(ours.hessian(params, 1.0)[k], slope, rtol=1e-6)


def test_what_is_refused():
    ours = fg.GLM(FAMILIES["poisson"][0], X, "poisson")
    with pytest.raises(DataError, match=r"params has shape \(2,\), but there are 3 columns"):
        ours.score([1.0, 2.0])
    with pytest.raises(DataError, match="exog has 2 columns, but the model 3"):
        ours.predict([0.0, 0.0, 0.0], X[:, :2])
    with pytest.raises(ModelError, match="give exog too"):
        ours.predict([0.0, 0.0, 0.0], offset=1.0)
    with pytest.raises(ModelError, match="which must be"):
        ours.predict([0.0, 0.0, 0.0], which="prob")
