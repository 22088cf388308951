"""Intervals of new responses, marginal means and variance parameters."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from mixed_cases import DATA as DATA_OF_R

import fastglm as fg
from fastglm.errors import ModelError


def rows(n=600, q=30, seed=1):
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, q, n), rng.normal(size=n)
    b = rng.normal(size=(q, 2)) * [0.7, 0.3]
    eta = 0.5 + 0.4 * x + b[g, 0] + b[g, 1] * x
    return {
        "x": x, "g": g, "count": rng.poisson(np.exp(eta)), "y": eta + rng.normal(size=n),
        "passed": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int),
        "size": rng.gamma(4.0, np.exp(eta) / 4.0),
    }  # fmt: skip


DATA = rows()
NEW = {"x": np.array([0.3, -1.0]), "g": np.array([2, 5])}


@pytest.mark.parametrize("level", ["conditional", "population"])
def test_limits_of_new_counts_are_quantiles_of_their_distribution(level):
    fit = fg.mixed("count ~ x + (1 | g)", DATA, "poisson")
    frame = fit.get_prediction(NEW, level=level, interval="prediction", alpha=0.1)
    sd = frame["linear_se"].to_numpy()
    if level == "population":
        sd = np.hypot(sd, fit.components[0].sd)
    # P(Y <= k) over the normal linear predictor, by a fine grid.
    t = np.linspace(-8, 8, 4001)
    mass = scipy.stats.norm.pdf(t) / scipy.stats.norm.pdf(t).sum()
    k = np.arange(400)
    for row, (eta, s) in enumerate(zip(frame["linear"], sd, strict=True)):
        lower = mass @ scipy.stats.poisson.cdf(k[None], np.exp(eta + s * t)[:, None])
        expected = [np.searchsorted(lower, p) for p in (0.05, 0.95)]
        assert list(frame.loc[row, ["lower", "upper"]]) == expected


def test_limits_of_new_sizes_cover_what_was_drawn():
    fit = fg.mixed("size ~ x + (1 | g)", DATA, fg.families.Gamma(link=fg.families.links.Log()))
    frame = fit.get_prediction(level="population", interval="prediction", alpha=0.2)
    inside = (DATA["size"] > frame["lower"]) & (DATA["size"] < frame["upper"])
    assert inside.mean() == pytest.approx(0.8, abs=0.04)


def test_errors_of_predictions_have_that_of_theta():
    """As ``predict(se.fit = TRUE)`` of glmmTMB; see tests/mixed/several/test_after_fit.py."""
    saved = json.loads(gzip.decompress((DATA_OF_R / "several_glmmtmb.json.gz").read_bytes()))
    frame, answer = pd.DataFrame(saved["frames"]["zip"]), saved["fits"]["poisson"]
    fit = fg.mixed("y ~ x + (1 | g)", frame, "poisson")
    for level, of_r in (("conditional", "link"), ("population", "link_pop")):
        found = fit.get_prediction(frame.head(6), level)
        np.testing.assert_allclose(found["linear_se"], answer[of_r]["se"], rtol=1e-5)
    # Given theta it is smaller; robust covariances are used where there is one for it.
    given = fit.with_covariance("conditional").get_prediction(frame.head(6))
    assert (given["linear_se"] < 0.9999 * np.array(answer["link"]["se"])).all()
    robust = fit.with_covariance("cluster")
    x = np.array([1.0, frame["x"][0]])
    found = robust.get_prediction(frame.head(1), "population")["linear_se"][0]
    assert found == pytest.approx(np.sqrt(x @ np.asarray(robust.cov_params()) @ x))
    with pytest.raises(ModelError, match="by clusters says nothing of single levels"):
        robust.get_prediction(frame.head(1))


def test_marginal_means_have_the_error_of_every_parameter():
    fit = fg.mixed("count ~ x + (x | g)", DATA, "poisson")
    frame = fit.get_prediction(NEW, level="marginal")
    np.testing.assert_allclose(frame["mean"], fit.predict(NEW, level="marginal"), atol=1e-12)
    # The same by differences of the integral in coefficients and theta.
    t = np.linspace(-8, 8, 2001)
    mass = scipy.stats.norm.pdf(t) / scipy.stats.norm.pdf(t).sum()
    z = np.column_stack([np.ones(2), NEW["x"]])

    def mean(parameters):
        root = np.array([[parameters[2], 0.0], [parameters[3], parameters[4]]])
        sd = np.sqrt(((z @ root) ** 2).sum(axis=1))
        return np.exp((z @ parameters[:2])[:, None] + sd[:, None] * t) @ mass

    at = np.concatenate([fit.params, fit.theta])
    slopes = np.empty((2, 5))
    for k in range(5):
        step = 1e-5 * (np.arange(5) == k)
        slopes[:, k] = (mean(at + step) - mean(at - step)) / 2e-5
    joint = fit.estimate.joint_covariance.copy()
    back = np.eye(5)
    back[:2, :2] = fit.estimate.fixed.from_standardized
    expected = np.sqrt(np.diag(slopes @ back @ joint @ back.T @ slopes.T))
    np.testing.assert_allclose(frame["mean_se"], expected, rtol=1e-5)
    given_theta = slopes[:, :2] @ np.asarray(fit.cov_params()) @ slopes[:, :2].T
    assert (frame["mean_se"] > np.sqrt(np.diag(given_theta)) * 1.0001).all()
    with pytest.raises(ModelError, match="level='population'"):
        fit.get_prediction(NEW, level="marginal", interval="prediction")


def test_limits_of_variance_parameters_are_walds():
    fit = fg.mixed("y ~ x + (x | g)", DATA)
    table = fit.varcorr
    intercept, correlation = fit.components[0], fit.components[2]
    z = scipy.stats.norm.ppf(0.975)
    assert table["upper"][0] == pytest.approx(
        intercept.sd * np.exp(z * intercept.se / intercept.sd)
    )
    spread = z * correlation.se / (1 - correlation.sd**2)
    assert table["lower"][2] == pytest.approx(np.tanh(np.arctanh(correlation.sd) - spread))
    assert (table["lower"] < table["sd"]).all()
    assert (table["sd"] < table["upper"]).all()
    # Those of the profile are near.
    profile = fit.profile(which=["sd(Intercept | g)"])
    np.testing.assert_allclose(
        table.loc[0, ["lower", "upper"]].astype(float), profile.iloc[0], rtol=0.1
    )
