"""Laplace's approximation against glmmTMB's polished optima and lme4's."""

import numpy as np
import pytest
from mixed_cases import GENERALIZED, case_frame, fit_case, numbers, read_case

import fastglm as fg
from fastglm.mixed import algebra, layout

WITH_GLMMTMB = [
    n for n in [*GENERALIZED, "s_nb2_salamanders"] if "glmmTMB" in read_case(n)["results"]
]


def glmmtmb_fixed(answer):
    place = [i for i, name in enumerate(answer["par_names"]) if name == "beta"]
    covariance = numbers(answer["vcov"])
    return numbers(answer["par"])[place], np.sqrt(np.diag(covariance)[place])


@pytest.mark.parametrize("name", WITH_GLMMTMB)
def test_optimum_of_glmmtmb(name):
    fit, answer = fit_case(name), read_case(name)["results"]["glmmTMB"]
    assert fit.criterion <= answer["m2ll"] + 1e-6
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=1e-6)
    assert fit.gradient < 1e-6
    assert fit.converged


@pytest.mark.parametrize("name", WITH_GLMMTMB)
def test_estimates_of_glmmtmb(name):
    fit = fit_case(name)
    beta, se = glmmtmb_fixed(read_case(name)["results"]["glmmTMB"])
    np.testing.assert_allclose((fit.params.to_numpy() - beta) / se, 0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, se, rtol=1e-5)


@pytest.mark.parametrize("name", GENERALIZED)
def test_estimates_of_lme4(name):
    results = read_case(name)["results"]
    answer = results.get("nAGQ1") or results["laplace"]
    fit = fit_case(name, laplace="expected")
    criterion = answer.get("m2ll_or_reml", answer.get("deviance_m2ll"))
    # lme4's criterion is high by what its inner loop leaves.
    assert fit.criterion <= criterion + 1e-6
    assert fit.criterion == pytest.approx(criterion, abs=4e-5)
    beta = numbers(answer["beta"])
    se = (
        numbers(answer["se_hessian"])[-beta.size :]
        if "se_hessian" in answer
        else np.sqrt(np.diag(numbers(answer["vcov_hessian"])))
    )
    np.testing.assert_allclose((fit.params.to_numpy() - beta) / se, 0, atol=1e-5)
    np.testing.assert_allclose(fit.theta, numbers(answer["theta"]), atol=1e-6)


@pytest.mark.parametrize("name", GENERALIZED)
def test_conditional_covariance_of_lme4(name):
    results = read_case(name)["results"]
    answer = results.get("nAGQ1") or results["laplace"]
    fit = fit_case(name, laplace="expected").with_covariance("conditional")
    theirs = answer["vcov_rx"] if "vcov_rx" in answer else answer["vcov"]
    np.testing.assert_allclose(fit.bse, np.sqrt(np.diag(numbers(theirs))), rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in GENERALIZED if n.startswith("s_")])
def test_modes_of_lme4(name):
    answer = read_case(name)["results"]["nAGQ1"]
    fit = fit_case(name, laplace="expected")
    for factor, theirs in answer["ranef"].items():
        ours = fit.ranef(cond_var=True)[factor]
        rows = [list(map(str, ours.levels)).index(str(level)) for level in theirs["levels"]]
        modes = np.array(theirs["modes"], dtype=float).reshape(len(rows), -1)
        np.testing.assert_allclose(ours.modes[rows], modes, atol=1e-6)
        if isinstance(theirs["cond_var"], list):
            variances = np.array(theirs["cond_var"], dtype=float)
            ours_of = ours.variances[rows].reshape(variances.shape)
            np.testing.assert_allclose(ours_of, variances, atol=1e-6)


def test_alpha_and_its_group_of_glmmtmb():
    fit, answer = (
        fit_case("s_nb2_salamanders"),
        read_case("s_nb2_salamanders")["results"]["glmmTMB"],
    )
    par = dict(zip(answer["par_names"], answer["par"], strict=True))
    assert -np.log(fit.family.parameter) == pytest.approx(par["betad"], abs=1e-5)
    assert np.log(fit.theta[0]) == pytest.approx(par["theta"], abs=1e-5)


def test_a_variance_of_zero_is_held_and_named():
    rng = np.random.default_rng(3)
    # Every level has the same successes and failures.
    data = {"y": np.tile([0.0, 1.0, 1.0, 0.0], 20), "g": np.repeat(np.arange(20), 4)}
    data["x"] = rng.normal(size=80)
    fit = fg.mixed("y ~ x + (1 | g)", data, "binomial")
    assert fit.singular == {"g": "Intercept"}
    assert fit.theta[0] == 0.0
    glm = fg.glm("y ~ x", data, "binomial")
    np.testing.assert_allclose(fit.params, glm.params, atol=1e-8)
    np.testing.assert_allclose(fit.bse, glm.bse, rtol=1e-6)
    assert fit.llf == pytest.approx(glm.llf, abs=1e-9)


def test_observed_and_expected_weights_differ_where_the_link_is_not_canonical():
    observed = fit_case("s_glmer_bacteria_probit")
    expected = fit_case("s_glmer_bacteria_probit", laplace="expected")
    assert expected.criterion - observed.criterion == pytest.approx(1.003, abs=1e-3)
    assert "observed" in observed.method
    assert "expected" in expected.method


@pytest.mark.parametrize("kind", ["laplace", "linear", "crossed"])
def test_threads_change_no_bit(kind, monkeypatch):
    # As for many rows: several chunks, each thread with its share.
    for name in ("PARALLEL_ROWS", "PARALLEL_VISITS"):
        monkeypatch.setattr(algebra, name, 0)
    for name in ("CHUNK_ROWS", "CHUNK_ROWS_OF_SEVERAL"):
        monkeypatch.setattr(layout, name, 256)
    frame = case_frame("s_glmer_generated_nested3")
    formula, family = {
        "laplace": ("pass ~ x + (x | class:school)", "binomial"),
        "linear": ("score ~ x + (1 | school/class)", "gaussian"),
        "crossed": ("pass ~ x + (1 | school) + (1 | class)", "binomial"),
    }[kind]
    fits = [fg.mixed(formula, frame, family, n_threads=n) for n in (1, 2)]
    assert len(fits[0].estimate.layout.chunks) > 3
    one, two = fits
    assert np.array_equal(one.params, two.params)
    assert np.array_equal(one.bse, two.bse)
    assert np.array_equal(one.theta, two.theta)
    assert one.criterion == two.criterion
    monkeypatch.setattr(layout, "CHUNK_ROWS", 65_536)
    monkeypatch.setattr(layout, "CHUNK_ROWS_OF_SEVERAL", 65_536)
    assert fg.mixed(formula, frame, family).criterion == pytest.approx(one.criterion, abs=1e-8)
