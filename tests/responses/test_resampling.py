"""The bootstrap of models of several predictors, and the responses that are drawn from them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import response_cases as cases

import fastglm as fg
from fastglm.errors import ConvergenceWarning, ModelError
from fastglm.inference.covariance.replicated_estimates import _accelerations


def seeds(n, seed=0):
    return np.random.SeedSequence(seed).generate_state(n, np.uint64)


@pytest.mark.parametrize("name", cases.MODELS)
def test_replicates_are_fits_of_the_sampled_rows(name):
    data = cases.frame()
    fit = cases.model(name, data, "x + g").fit()
    found = fit.bootstrap(3, seed=5)
    for replicate, seed in zip(found.replicates, seeds(3, 5), strict=True):
        counts = np.random.default_rng(seed).multinomial(cases.N, np.full(cases.N, 1 / cases.N))
        sample = data.loc[data.index.repeat(counts)]
        other = cases.model(name, sample, "x + g").fit()
        np.testing.assert_allclose(replicate, other.estimates, rtol=2e-5, atol=1e-6)


def test_observations_and_groups_are_drawn():
    data = cases.frame().assign(f=np.arange(cases.N) % 3, block=np.arange(cases.N) // 8)
    fit = cases.model("BetaModel", data, "x", freq_weights="f").fit()
    total = data.f.sum()
    (replicate,) = fit.bootstrap(2).replicates[:1]
    counts = np.random.default_rng(seeds(2)[0]).multinomial(total, data.f / total)
    other = cases.model("BetaModel", data.assign(f=counts), "x", freq_weights="f").fit()
    np.testing.assert_allclose(replicate, other.estimates, rtol=1e-5, atol=1e-7)
    drawn = fit.bootstrap(2, groups="block")
    assert drawn.kind == "cluster"
    groups = np.random.default_rng(seeds(2)[0]).multinomial(30, np.full(30, 1 / 30))
    times = data.f * groups[data.block]
    other = cases.model("BetaModel", data.assign(f=times), "x", freq_weights="f").fit()
    np.testing.assert_allclose(drawn.replicates[0], other.estimates, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", cases.MODELS)
def test_drawn_responses_have_the_moments_of_the_model(name):
    fit = cases.model(name, cases.frame(), "x + g").fit()
    _, etas = fit._fitted_rows("a test")
    etas = np.repeat(etas[:, :3], 20_000, axis=1)
    drawn = fit._draw(etas, np.random.default_rng(1))
    mean, variance = fit._moments(etas[:, ::20_000])
    values = drawn.T.astype(float)
    if fit.kind in ("MNLogit", "OrderedModel"):
        values = (drawn == np.arange(3)[:, None]).astype(float)
    values = values.reshape(-1, 3, 20_000)
    mean, variance = mean.reshape(-1, 3), variance.reshape(-1, 3)
    error = np.sqrt(variance / 20_000)
    assert (np.abs(values.mean(axis=2) - mean) < 4.5 * error).all()
    np.testing.assert_allclose(values.var(axis=2), variance, rtol=0.15)
    if fit.kind == "Hurdle":
        zero = fit._prediction(etas[:, ::20_000], "prob-zero")[0]
        np.testing.assert_allclose((values[0] == 0).mean(axis=1), zero, atol=0.02)


def test_parametric_replicates_are_fits_of_drawn_responses():
    data = cases.frame()
    fit = cases.model("NegativeBinomialP", data, "x").fit()
    found = fit.bootstrap(2, seed=3, kind="parametric")
    _, etas = fit._fitted_rows("a test")
    drawn = fit._draw(etas, np.random.default_rng(seeds(2, 3)[0]))
    other = cases.model("NegativeBinomialP", data.assign(counts=drawn), "x").fit()
    np.testing.assert_allclose(found.replicates[0], other.estimates, rtol=1e-5, atol=1e-6)
    weighted = cases.model("NegativeBinomialP", data, "x", freq_weights="w").fit()
    with pytest.raises(ModelError, match="parametric bootstrap draws"):
        weighted.bootstrap(2, kind="parametric")


def test_intervals_and_covariance_of_replicates():
    data = cases.frame()
    fit = cases.model("OrderedModel", data, "x").fit()
    found = fit.bootstrap(30, seed=2)
    robust = fit.with_covariance("bootstrap", n_replicates=30, seed=2)
    np.testing.assert_array_equal(robust.covariance, found.cov_params())
    assert robust.cov_type == "bootstrap"
    low, high = np.quantile(found.replicates, [0.05, 0.95], axis=0)
    np.testing.assert_array_equal(found.conf_int(0.1), np.column_stack([low, high]))
    # Two levels are a binomial response: a row adds as much to the estimates of both.
    data["two"] = (data.level > 0).astype(float)
    for freq in (None, "w"):
        several = fg.MNLogit.from_formula("two ~ x + g", data, freq_weights=freq).fit()
        one = fg.glm("two ~ x + g", data, "binomial", freq_weights=freq)
        np.testing.assert_allclose(
            _accelerations(several, None), _accelerations(one, None), rtol=1e-7
        )
        codes = np.arange(cases.N) // 8
        np.testing.assert_allclose(
            _accelerations(several, codes), _accelerations(one, codes), rtol=1e-7
        )


def test_samples_without_estimates_are_counted():
    data = pd.DataFrame({"y": [0, 0, 0, 0, 1, 1, 0, 1], "x": [1.0, 2, 3, 4, 5, 6, 7, 8]})
    fit = fg.MNLogit.from_formula("y ~ x", data).fit()
    with pytest.warns(ConvergenceWarning, match="no estimates"):
        found = fit.bootstrap(20)
    assert 0 < found.n_failed < 20
    assert np.isfinite(found.conf_int()).all()
    assert replace(fit, model=None).model is None
    with pytest.raises(fg.errors.DataError, match="without the data"):
        replace(fit, model=None).bootstrap(2)
