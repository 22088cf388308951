"""Estimates against glmmTMB, and against models that are the same by another name."""

import numpy as np
import pytest
from mixed_cases import case_frame, numbers, read_case
from mixed_several_cases import CASES, draw_frame

import fastglm as fg
from fastglm.errors import RankWarning


def test_zero_inflated_negative_binomial_of_glmmtmb():
    case = read_case("s_zinb2_salamanders")
    answer = case["results"]["glmmTMB"]
    fit = fg.mixed(
        case["formula"], case_frame("s_zinb2_salamanders"), "nbinom2", ziformula="~ mined"
    )
    assert fit.converged
    assert fit.gradient < 1e-6
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=1e-6)
    assert fit.criterion <= answer["m2ll"] + 1e-6
    # Its dispersion parameter is 1 / alpha, and theta the logarithm of a standard deviation.
    *expected, log_size, log_sd = numbers(answer["par"])
    error = np.sqrt(np.diag(numbers(answer["vcov"])))
    expected = np.array([*expected, -log_size])
    np.testing.assert_allclose((fit.params.to_numpy() - expected) / error[:-1], 0.0, atol=1e-5)
    np.testing.assert_allclose(fit.bse, error[:-1], rtol=1e-5)
    assert np.log(fit.theta[0]) == pytest.approx(log_sd, abs=1e-5 * error[-1])
    # By the delta method, sd times the error of its logarithm.
    assert fit.theta_se[0] == pytest.approx(fit.theta[0] * error[-1], rel=1e-5)
    sd = answer["varcorr"]["site"]["sd"]["(Intercept)"]
    assert fit.varcorr["sd"][0] == pytest.approx(sd, abs=1e-5)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
@pytest.mark.parametrize("nagq", [1, 5])
def test_two_ordered_categories_are_binomial(link, nagq):
    frame = draw_frame("ordinal")
    frame["y"] = (frame["y"] > 1).astype(int)
    ordinal = fg.mixed("y ~ x + (1 | g)", frame, "ordinal", link=link, nagq=nagq)
    # 1 - F(threshold - eta) = F*(eta - threshold), F* the loglog link of cloglog and so on.
    other = {"cloglog": "loglog"}.get(link, link)
    binomial = fg.mixed("y ~ x + (1 | g)", frame, "binomial", link=other, nagq=nagq)
    assert ordinal.criterion == pytest.approx(binomial.criterion, abs=1e-8)
    np.testing.assert_allclose(ordinal.params["x"], binomial.params["x"], atol=1e-6)
    np.testing.assert_allclose(ordinal.params.iloc[1], -binomial.params["Intercept"], atol=1e-6)
    np.testing.assert_allclose(ordinal.bse, binomial.bse[["x", "Intercept"]], rtol=1e-5)
    np.testing.assert_allclose(ordinal.theta, binomial.theta, atol=1e-6)
    np.testing.assert_allclose(
        ordinal.ranef()["g"]["Intercept"], binomial.ranef()["g"]["Intercept"], atol=1e-6
    )
    np.testing.assert_allclose(
        ordinal.predict(which="prob").to_numpy()[:, 1], binomial.predict(), atol=1e-7
    )


def test_zero_part_of_a_hurdle_is_a_model_of_its_own():
    frame = draw_frame("hurdle")
    fit = fg.mixed("y ~ x + (1 | g)", frame, **CASES["hurdle"])
    frame["any"] = (frame["y"] > 0).astype(int)
    zeros = fg.glm("any ~ w", frame, "binomial")
    np.testing.assert_allclose(fit.params[["zero-Intercept", "zero-w"]], zeros.params, atol=1e-7)
    np.testing.assert_allclose(fit.bse[["zero-Intercept", "zero-w"]], zeros.bse, rtol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_without_variance_between_levels(case):
    """Levels drawn without regard to the response: the fit is that without random effects."""
    frame = draw_frame(case)
    frame["y"] = draw_frame(case, q=1)["y"]
    frame["g"] = np.arange(len(frame)) % 20
    fit = fg.mixed("y ~ x + (1 | g)", frame, **CASES[case])
    if not fit.singular:
        assert fit.criterion <= -2.0 * fit.population.model.fit().llf + 1e-6
        return
    assert fit.theta[0] == 0.0
    alone = fit.population.model.fit()
    assert fit.llf == pytest.approx(alone.llf, abs=1e-7)
    np.testing.assert_allclose(fit.params, alone.params, atol=1e-5)
    np.testing.assert_allclose(fit.bse, alone.bse, rtol=1e-4)


@pytest.mark.parametrize("case", CASES)
def test_frequencies_are_rows(case):
    frame = draw_frame(case, q=10, n=120)
    frame["f"] = 1.0 + (np.arange(120) % 3 == 0)
    repeated = frame.loc[np.repeat(np.arange(120), frame["f"].astype(int))]
    one = fg.mixed("y ~ x + (1 | g)", frame, freq_weights="f", **CASES[case])
    many = fg.mixed("y ~ x + (1 | g)", repeated, **CASES[case])
    assert one.criterion == pytest.approx(many.criterion, abs=1e-7)
    np.testing.assert_allclose(one.params, many.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one.bse, many.bse, rtol=1e-4)
    assert one.nobs == many.nobs


@pytest.mark.parametrize("case", ["beta", "ordinal", "zinb"])
def test_offset_moves_the_coefficient(case):
    frame = draw_frame(case)
    frame["o"] = 0.5 * frame["x"]
    plain = fg.mixed("y ~ x + (1 | g)", frame, **CASES[case])
    moved = fg.mixed("y ~ x + (1 | g)", frame, offset="o", **CASES[case])
    assert moved.criterion == pytest.approx(plain.criterion, abs=1e-7)
    assert moved.params["x"] == pytest.approx(plain.params["x"] - 0.5, abs=1e-6)
    np.testing.assert_allclose(
        moved.predict(frame.head(9)), plain.predict(frame.head(9)), atol=1e-6
    )


def test_threads_do_not_show():
    frame = draw_frame("zip", q=60, n=6000)
    fits = [fg.mixed("y ~ x + (1 | g)", frame, n_threads=n, **CASES["zip"]) for n in (1, 2)]
    assert fits[0].criterion == fits[1].criterion
    np.testing.assert_array_equal(fits[0].params, fits[1].params)
    np.testing.assert_array_equal(fits[0].bse, fits[1].bse)


def test_arrays_are_as_formulas():
    frame = draw_frame("ordinal")
    by_formula = fg.mixed("y ~ x + (1 | g)", frame, "ordinal")
    by_array = fg.MixedGLM(frame["y"], frame[["x"]], groups=frame["g"], family="ordinal").fit()
    np.testing.assert_allclose(by_array.params, by_formula.params, atol=1e-9)
    frame = draw_frame("beta")
    X = np.column_stack([np.ones(len(frame)), frame["x"]])
    by_formula = fg.mixed("y ~ x + (1 | g)", frame, "beta")
    by_array = fg.MixedGLM(frame["y"].to_numpy(), X, groups=frame["g"], family="beta").fit()
    np.testing.assert_allclose(by_array.params, by_formula.params, atol=1e-9)
    np.testing.assert_allclose(
        by_array.predict(X[:5], groups=frame["g"][:5]), by_formula.predict()[:5], atol=1e-9
    )


def test_columns_far_from_zero_and_aliased_ones():
    frame = draw_frame("ordinal")
    plain = fg.mixed("y ~ x + (1 | g)", frame, "ordinal")
    frame["year"] = 2000.0 + frame["x"]
    frame["twice"] = 2.0 * frame["year"]
    with pytest.warns(RankWarning, match="twice"):
        fit = fg.mixed("y ~ year + twice + (1 | g)", frame, "ordinal")
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-7)
    assert fit.params["year"] == pytest.approx(plain.params["x"], abs=1e-6)
    assert np.isnan(fit.params["twice"])
    assert list(fit.aliased) == ["twice"]
    assert fit.bse["year"] == pytest.approx(plain.bse["x"], rel=1e-6)
