"""Degrees of freedom, comparisons, shares of variance, intervals and simulation."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from mixed_cases import LINEAR, case_frame, fit_case, numbers, read_case

import fastglm as fg
from fastglm.errors import ModelError, RankWarning

CASES = [
    (name, kind)
    for name in LINEAR
    for kind in ("REML", "ML")
    if "satterthwaite_df" in read_case(name)["results"][kind]
]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_satterthwaite_of_lmertest(name, kind):
    fit, answer = fit_case(name, reml=kind == "REML"), read_case(name)["results"][kind]
    np.testing.assert_allclose(
        fit.df("satterthwaite"), numbers(answer["satterthwaite_df"]), rtol=1e-6
    )


@pytest.mark.parametrize("name", [n for n, kind in CASES if kind == "REML"])
def test_kenward_roger_of_pbkrtest(name):
    fit, answer = fit_case(name, reml=True), read_case(name)["results"]["REML"]
    adjusted = fit.with_df("kenward-roger")
    np.testing.assert_allclose(
        adjusted.df_inference, numbers(answer["kenward_roger_df"]), rtol=1e-6
    )
    theirs = numbers(answer["kenward_roger_vcov"])
    np.testing.assert_allclose(
        adjusted.cov_params(), theirs, atol=1e-6 * np.abs(theirs).max(), rtol=1e-6
    )


def test_tests_use_their_own_degrees_of_freedom():
    fit = fit_case("s_lmer_orthodont", reml=True).with_df("satterthwaite")
    t = fit.params / fit.bse
    np.testing.assert_allclose(fit.pvalues, 2 * scipy.stats.t.sf(np.abs(t), fit.df_inference))
    low = fit.params - scipy.stats.t.ppf(0.975, fit.df_inference) * fit.bse
    np.testing.assert_allclose(fit.conf_int().iloc[:, 0], low)
    one = fit.t_test("age = 0")
    assert one.pvalue[0] == pytest.approx(fit.pvalues["age"])
    assert fit.wald_test("age = 0").pvalue == pytest.approx(fit.pvalues["age"], rel=1e-6)


@pytest.mark.parametrize("df", ["inf", "residual", "satterthwaite", "kenward-roger"])
def test_hypotheses_of_aliased_columns(df):
    """A test of x + w was that of x alone, without a word."""
    rng = np.random.default_rng(4)
    data = pd.DataFrame({"g": np.repeat(np.arange(9), 6), "x": rng.normal(size=54)})
    data = data.assign(w=2.0 * data["x"], y=data["x"] + rng.normal(size=9)[data["g"]])
    data["y"] += rng.normal(size=54)
    plain = fg.mixed("y ~ x + (1 | g)", data).with_df(df)
    with pytest.warns(RankWarning):
        fit = fg.mixed("y ~ x + w + (1 | g)", data).with_df(df)
    ours, theirs = fit.t_test("x = 0.3"), plain.t_test("x = 0.3")
    for name in ("effect", "sd", "statistic", "pvalue"):
        np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-6)
    p_value = plain.wald_test("x = 0.3").pvalue
    np.testing.assert_allclose(fit.wald_test("x = 0.3").pvalue, p_value, rtol=1e-6)
    for test in (fit.t_test, fit.wald_test):
        for hypothesis in ("w", "x + w"):
            with pytest.raises(ModelError, match="involves w, which the data cannot tell apart"):
                test(hypothesis)


def test_degrees_of_freedom_of_balanced_designs():
    # One mean square for each stratum: Worker and Worker:Machine.
    fit = fit_case("s_lmer_machines_nested", reml=True)
    for method in ("satterthwaite", "kenward-roger"):
        test = fit.with_df(method).wald_test("Machine[T.B] = 0, Machine[T.C] = 0")
        assert test.df_denominator == pytest.approx(10.0, rel=1e-4)


def test_kenward_roger_needs_reml_and_a_linear_model():
    with pytest.raises(ModelError, match="needs a fit by REML"):
        fit_case("s_lmer_orthodont", reml=False).df("kenward-roger")
    with pytest.raises(ModelError, match="those of linear mixed models"):
        fit_case("s_glmer_bacteria").df("satterthwaite")


def test_one_more_variance_is_tested_by_a_mixture():
    data = case_frame("s_lmer_sleepstudy_zcp")
    small = fg.mixed("Reaction ~ Days + (1 | Subject)", data)
    middle = fg.mixed("Reaction ~ Days + (Days || Subject)", data)
    large = fg.mixed("Reaction ~ Days + (Days | Subject)", data)
    table = large.anova(small, middle)
    statistic = small.criterion - middle.criterion
    assert table["Chisq"][1] == pytest.approx(statistic)
    assert table["Pr(>Chisq)"][1] == pytest.approx(0.5 * scipy.stats.chi2.sf(statistic, 1))
    # A correlation alone lies inside its range.
    statistic = middle.criterion - large.criterion
    assert table["Pr(>Chisq)"][2] == pytest.approx(scipy.stats.chi2.sf(statistic, 1))
    both = large.anova(small)
    statistic = small.criterion - large.criterion
    expected = 0.5 * (scipy.stats.chi2.sf(statistic, 1) + scipy.stats.chi2.sf(statistic, 2))
    assert both["Pr(>Chisq)"][1] == pytest.approx(expected)
    null = fg.mixed("Reaction ~ 1 + (Days | Subject)", data)
    with pytest.raises(ModelError, match="REML cannot be compared"):
        large.anova(null)


def test_shares_of_variance_of_a_linear_model():
    fit = fit_case("s_lmer_dyestuff2_singular", reml=True)
    assert fit.icc() == {"Batch": 0.0}
    fit = fit_case("s_lmer_sleepstudy_zcp", reml=True)
    days = case_frame("s_lmer_sleepstudy_zcp")["Days"].to_numpy()
    fixed = np.var(fit.params["Days"] * days)
    variances = fit.varcorr["variance"]
    random = variances[0] + variances[1] * np.mean(days**2)
    total = fixed + random + variances[2]
    assert fit.r2()["marginal"] == pytest.approx(fixed / total)
    assert fit.r2()["conditional"] == pytest.approx((fixed + random) / total)
    assert fit.icc()["Subject"] == pytest.approx(random / (random + variances[2]))


def test_shares_of_variance_of_a_logistic_model():
    fit = fit_case("s_glmer_bacteria")
    variance = fit.varcorr["variance"][0]
    assert fit.icc()["ID"] == pytest.approx(variance / (variance + np.pi**2 / 3))


def dense_model(name, fit):
    """Columns, covariance of the effects, and response of a linear case, written out."""
    layout = fit.estimate.layout
    factors = layout.factors(fit.theta)
    parts, covariances = [], []
    for b, block in enumerate(layout.blocks):
        Z = np.zeros((layout.n_rows, block.q * block.k))
        for i, code in enumerate(block.codes):
            Z[i, code * block.k : (code + 1) * block.k] = block.columns[i]
        root = fit.sigma * factors[b, : block.k, : block.k]
        parts.append(Z)
        covariances.append(np.kron(np.eye(block.q), root @ root.T))
    D = scipy.linalg.block_diag(*covariances)
    return fit.model.rows.design.to_dense(), np.hstack(parts), D


@pytest.mark.parametrize(
    "name", ["s_lmer_sleepstudy_inference", "s_lmer_machines_nested", "s_lmer_cake"]
)
def test_errors_of_predictions_are_hendersons(name):
    fit = fit_case(name, reml=True)
    X, Z, D = dense_model(name, fit)
    # The inverse of the mixed model equations, with D pushed to where it has an inverse.
    W = np.hstack([X, Z]) / fit.sigma
    equations = W.T @ W
    equations[X.shape[1] :, X.shape[1] :] += np.linalg.inv(D + 1e-12 * np.eye(len(D)))
    whole = np.hstack([X, Z])
    expected = np.sqrt(np.einsum("ni,ij,nj->n", whole, np.linalg.inv(equations), whole))
    frame = fit.get_prediction()
    np.testing.assert_allclose(frame["linear_se"], expected, rtol=1e-6)
    np.testing.assert_allclose(frame["mean"], fit.predict())
    data = case_frame(name).head(5)
    np.testing.assert_allclose(fit.get_prediction(data)["linear_se"], expected[:5], rtol=1e-6)
    half = scipy.stats.norm.ppf(0.975) * np.sqrt(expected**2 + fit.scale)
    limits = fit.get_prediction(interval="prediction")
    np.testing.assert_allclose(limits["upper"], fit.predict() + half, rtol=1e-8)


def test_errors_for_new_levels_hold_their_variance():
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    new = pd.DataFrame({"Days": [0.0, 9.0], "Subject": ["brand new"] * 2})
    frame = fit.get_prediction(new, new_levels="zero")
    x = np.array([[1.0, 0.0], [1.0, 9.0]])
    covariance = fit.cov_params().to_numpy() + fit.groups[0].covariance
    expected = np.sqrt(np.einsum("ni,ij,nj->n", x, covariance, x))
    np.testing.assert_allclose(frame["linear_se"], expected, rtol=1e-10)


def test_marginal_means_are_means_over_levels():
    fit = fit_case("s_glmer_bacteria")
    data = case_frame("s_glmer_bacteria").head(4)
    eta = fit.predict(data, level="population", which="linear").to_numpy()
    u = np.random.default_rng(0).standard_normal(400_000)
    sd = fit.varcorr["sd"][0]
    drawn = (1 / (1 + np.exp(-(eta[:, None] + sd * u)))).mean(axis=1)
    np.testing.assert_allclose(fit.predict(data, level="marginal"), drawn, atol=2e-3)
    owls = fit_case("s_glmer_owls_offset")
    data = case_frame("s_glmer_owls_offset").head(4)
    population = owls.predict(data, level="population")
    half = 0.5 * owls.varcorr["variance"][0]
    np.testing.assert_allclose(owls.predict(data, level="marginal"), population * np.exp(half))


def test_simulated_responses_have_the_model_s_moments():
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    drawn = fit.simulate(4_000, seed=1)
    X, Z, D = dense_model("s_lmer_sleepstudy_inference", fit)
    covariance = Z @ D @ Z.T + fit.scale * np.eye(len(Z))
    mean = X @ fit.params.to_numpy()
    error = np.sqrt(np.diag(covariance) / 4_000)
    assert np.abs((drawn.mean(axis=1) - mean) / error).max() < 4.5
    ours = np.cov(drawn)[0, :10]
    np.testing.assert_allclose(ours, covariance[0, :10], atol=0.1 * covariance[0, 0])
    np.testing.assert_array_equal(fit.simulate(2, seed=3), fit.simulate(2, seed=3))


def test_bootstrap_agrees_with_standard_errors():
    fit = fit_case("s_lmer_dyestuff2_singular", reml=True)
    assert np.isfinite(fit.bootstrap(5, seed=1).replicates).all()
    fit = fit_case("s_lmer_sleepstudy_inference", reml=True)
    found = fit.bootstrap(300, seed=2, n_threads=2)
    np.testing.assert_allclose(found.bse[:2], fit.bse, rtol=0.15)
    assert found.names[:2] == fit.names
    again = fit.bootstrap(20, seed=2, n_threads=1)
    np.testing.assert_array_equal(
        again.replicates, fit.bootstrap(20, seed=2, n_threads=2).replicates
    )
    interval = found.conf_int()
    assert (interval["lower"] < found.estimates).all()
