"""Answers of R's packages, written by tests/data/r/answers.R, of the same questions asked here."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastglm as fg

DATA = Path(__file__).parent / "data"
ANSWERS = json.loads((DATA / "r" / "answers.json").read_text())
ART = "art ~ fem + mar + kid5 + phd + ment"


@cache
def frame(folder, name):
    """A prepared data frame, factors with R's levels."""
    path = DATA / folder / name
    case = json.loads(path.with_suffix(".json").read_text())
    data = pd.read_csv(path.with_suffix(".data.csv.gz"))
    for factor, levels in (case.get("xlevels") or case.get("factor_levels") or {}).items():
        names = [level[0] for level in levels]
        data[factor] = pd.Categorical(data[factor].astype(str), names, ordered=True)
    return data


def agrees(fit, answer, in_errors=1e-7, errors=1e-7):
    """Coefficients to a share of R's standard errors, these and the log-likelihood relatively."""
    distance = (np.asarray(fit.params) - answer["coef"]) / np.array(answer["se"])
    np.testing.assert_allclose(distance, 0.0, atol=in_errors)
    np.testing.assert_allclose(fit.bse, answer["se"], rtol=errors)
    if "loglik" in answer:
        assert fit.llf == pytest.approx(answer["loglik"], rel=1e-11)


def scaled(ours, answer):
    """Largest difference of two covariances, in units of R's standard errors."""
    answer = np.array(answer)
    unit = np.sqrt(np.diag(answer))
    return np.abs((np.asarray(ours) - answer) / np.outer(unit, unit)).max()


# -- responses with several parameters


@pytest.mark.parametrize("name", ANSWERS["zeros"])
def test_zero_inflated_and_hurdle_models(name):
    answer = ANSWERS["zeros"][name]
    kind, counts = name.split("_")
    model = fg.ZeroInflated if kind == "zeroinfl" else fg.Hurdle
    family = {"poisson": "poisson", "negbin": "negative_binomial"}[counts]
    data = frame("responses", "v_nb_biochem")
    fit = model.from_formula(ART, data, "~ fem + ment", family=family).fit()
    # Standard errors are by numerical second derivatives, in pscl itself of fewer digits.
    agrees(fit, answer, errors=1e-6)
    own = answer["package"]
    agrees(fit, {"coef": own["coef"], "se": answer["se"]}, in_errors=1e-6, errors=1e-6)
    np.testing.assert_allclose(fit.bse[: len(own["se"])], own["se"], rtol=5e-4)
    if family == "negative_binomial":
        assert fit.alpha == pytest.approx(1.0 / own["theta"], rel=1e-6)
        # A hurdle's SE.logtheta is by coarser differences than that of a zero-inflated model.
        assert fit.alpha_se == pytest.approx(fit.alpha * own["SE.logtheta"], rel=5e-5)
    np.testing.assert_allclose(fit.predict(data, "prob-zero")[:5], own["prob_zero"], rtol=1e-7)
    np.testing.assert_allclose(fit.predict(data)[:5], own["mean"], rtol=1e-7)


@pytest.mark.parametrize(("information", "errors"), [("expected", 1e-7), ("observed", 2e-4)])
def test_dirichlet_regression(information, errors):
    answer = ANSWERS["dirichlet"]
    x = np.column_stack([np.ones(150), answer["x"]])
    fit = fg.DirichletModel(answer["shares"], x, information=information).fit()
    # vglm stops at 7e-7 standard errors; numerical second derivatives of shapes that are as
    # correlated as these (0.99) have four digits.
    if information == "expected":
        agrees(fit, answer, in_errors=1e-6, errors=errors)
    else:
        agrees(fit, answer["observed"], errors=errors)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "cauchit"])
def test_beta_regression(link):
    answer = ANSWERS["beta"][f"food_{link}"]
    data = frame("responses", "v_beta_food")
    formulas = "share ~ income + persons", data, "~ income + persons"
    fit = fg.BetaModel.from_formula(*formulas, link=link, information="expected").fit()
    agrees(fit, answer, in_errors=5e-7)
    agrees(fg.BetaModel.from_formula(*formulas, link=link).fit(), answer["observed"])


def test_beta_regression_of_gasoline_yield():
    fit = fg.BetaModel.from_formula(
        "yield ~ batch + temp",
        frame("responses", "v_beta_gasoline"),
        precision_link="identity",
        information="expected",
    ).fit()
    agrees(fit, ANSWERS["beta"]["gasoline"])


@pytest.mark.parametrize("power", [1, 1.5, 3])
def test_negative_binomial_of_other_powers(power):
    answer = ANSWERS["negative_binomial_p"][f"power_{power}"]
    fit = fg.NegativeBinomialP.from_formula(
        ART, frame("responses", "v_nb_biochem"), power=power
    ).fit()
    agrees(fit, answer, errors=1e-6)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_ordered_responses(link):
    answer = ANSWERS["ordinal"][link]
    fit = fg.OrderedModel.from_formula(
        "Sat ~ Infl + Type + Cont",
        frame("responses", "v_polr_housing_logit"),
        link,
        freq_weights="Freq",
    ).fit()
    if link != "cauchit":
        agrees(fit, answer, in_errors=1e-10, errors=1e-8)
    agrees(fit, answer["polished"], errors=2e-6)
    if "nominal_LR" in answer:
        # Wald's test of what clm(nominal=) tests by the ratio of likelihoods.
        test = fit.proportional_odds_test()
        assert test.statistic == pytest.approx(answer["nominal_LR"], rel=0.02)
        assert test.df == 6


# -- bias reduction

FRAMES = {
    "birthwt": ("v_bin_logit_birthwt", "binomial"),
    "endometrial": ("v_sep_endometrial", "binomial"),
    "vaso": ("v_bin_cauchit_vaso", "binomial"),
    "warpbreaks": ("v_poi_sqrt_warpbreaks", "poisson"),
    "clotting": ("v_gam_inverse_clotting_long", "gamma"),
    "cpus": ("v_gam_log_cpus", "gamma"),
}


@pytest.mark.parametrize(("kind", "type"), [("firth", "AS_mean"), ("median", "AS_median")])
@pytest.mark.parametrize("name", ANSWERS["bias"])
def test_bias_reduced_fits(name, kind, type):
    answer = ANSWERS["bias"][name][type]
    data, family = FRAMES[name.split("_")[0]]
    for other in ("inverse_gaussian", "gaussian"):
        if name.endswith((other, f"{other}_log")):
            family = other
            break
    fit = fg.glm(
        answer["formula"],
        frame("reference", data),
        family=family,
        link=answer["link"],
        bias_reduction=kind,
        max_iter=1000,
    )
    agrees(fit, answer, in_errors=1e-9, errors=1e-8)
    assert fit.scale == pytest.approx(answer["dispersion"], rel=1e-8)
    assert fit.deviance == pytest.approx(answer["deviance"], rel=1e-10)


def test_penalised_likelihood_of_firth():
    answer = ANSWERS["firth"]
    fit = fg.glm(
        "HG ~ NV + PI + EH",
        frame("reference", "v_sep_endometrial"),
        family="binomial",
        bias_reduction="firth",
    )
    np.testing.assert_allclose(fit.params, answer["coef"], rtol=1e-8)
    assert fit.penalized_llf == pytest.approx(answer["penalised"], rel=1e-9)
    np.testing.assert_allclose(fit.penalized_tests()["chi2"], answer["chi2"], rtol=1e-7)
    distance = np.asarray(fit.conf_int(method="profile")) - answer["profile"]
    np.testing.assert_allclose(distance / np.asarray(fit.bse)[:, None], 0.0, atol=1e-6)


# -- covariances and tests

INFERENCE = {
    "phd": (
        "articles ~ gender + married + kids + prestige",
        ("poisson", "log"),
        "v_poi_log_phd",
    ),
    "birthwt": (
        "low ~ age + lwt + race + smoke",
        ("binomial", "cloglog"),
        "v_bin_logit_birthwt",
    ),
    "cpus": ("perf ~ log(mmin) + log(mmax) + chmin", ("gamma", "log"), "v_gam_log_cpus"),
    "warpbreaks": ("breaks ~ wool * tension", ("poisson", "sqrt"), "v_poi_sqrt_warpbreaks"),
    "insurance": (
        "Claims ~ District + offset(log(Holders))",
        ("quasipoisson", "log"),
        "v_poi_offset_insurance",
    ),
}


@pytest.fixture(params=INFERENCE)
def question(request):
    """A fit, R's answers, and the names of what R left out of the smaller model."""
    formula, (family, link), name = INFERENCE[request.param]
    data = frame("reference", name)
    fit = fg.glm(formula, data, family=family, link=link)
    answer = ANSWERS["inference"][request.param]
    variables = set(answer["dropped"].split(":"))
    dropped = [n for n in fit.names if {part.split("[")[0] for part in n.split(":")} == variables]
    assert dropped
    return fit, answer, np.eye(len(fit.names))[[fit.names.index(n) for n in dropped]]


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3", "HC4"])
def test_white_covariances(question, kind):
    fit, answer, _ = question
    robust = fit.with_covariance(kind).cov_params()
    assert scaled(robust, answer["covariance"][kind]) < 1e-8


def test_newey_west_and_clustered_covariances(question):
    fit, answer, _ = question
    rows = np.arange(int(fit.nobs))
    first, second = rows // 4, (rows + 1) * 7 % 11
    for name, kind, options in (
        ("newey_west", "HAC", {"maxlags": 3}),
        ("newey_west_adjusted", "HAC", {"maxlags": 3, "use_correction": True}),
        ("cluster", "cluster", {"groups": first, "use_correction": "groups"}),
        ("cluster_HC1", "cluster", {"groups": first}),
        ("two_way", "cluster", {"groups": (first, second), "use_correction": "groups"}),
    ):
        assert scaled(fit.with_covariance(kind, **options).cov_params(), answer[name]) < 1e-8, name


def test_wald_tests(question):
    fit, answer, hypothesis = question
    robust = fit.with_covariance("HC3")
    for name, test in (
        ("waldtest", fit.wald_test(hypothesis, use_f=False)),
        ("waldtest_F", fit.wald_test(hypothesis, use_f=True)),
        ("waldtest_HC3", robust.wald_test(hypothesis, use_f=False)),
    ):
        np.testing.assert_allclose([test.statistic, test.pvalue], answer[name], rtol=1e-7)
    np.testing.assert_allclose(robust.pvalues, answer["coeftest_HC3"], rtol=1e-7)
    np.testing.assert_allclose(robust.conf_int(), answer["coefci_HC3"], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["phd", "birthwt", "cpus", "warpbreaks"])
def test_likelihood_ratio_tests(name):
    formula, (family, link), data = INFERENCE[name]
    answer = ANSWERS["inference"][name]
    models = [
        fg.glm(f, frame("reference", data), family=family, link=link)
        for f in (f"{formula} - {answer['dropped']}", formula)
    ]
    smaller, larger = (fit.llf for fit in models)
    assert 2.0 * (larger - smaller) == pytest.approx(answer["lrtest"][0], rel=1e-9)
    if family != "gamma":  # whose dispersion lrtest takes from each model, and anova from one
        table = fg.anova(*models).summary_frame().iloc[-1]
        last = [table["Deviance"], table["Pr(>Chi)"]]
        np.testing.assert_allclose(last, answer["lrtest"], rtol=1e-7)


def test_analysis_of_deviance(question):
    fit, answer, _ = question
    sequential, dropped = fit.anova(test="Rao"), fit.drop1(test="Rao")
    np.testing.assert_allclose(sequential["Rao"][1:], answer["anova_Rao"]["statistic"], rtol=1e-8)
    np.testing.assert_allclose(sequential["Pr(>Chi)"][1:], answer["anova_Rao"]["p"], rtol=1e-6)
    # drop1 of R fits the smaller models with a deviance good to 1e-8 only.
    statistic, pvalue = list(dropped.columns.values())[-2:]
    np.testing.assert_allclose(statistic[1:], answer["drop1_Rao"]["statistic"], rtol=1e-4)
    np.testing.assert_allclose(pvalue[1:], answer["drop1_Rao"]["p"], rtol=1e-3)
    if "anova_F" in answer:
        by_F = fit.anova(test="F")
        np.testing.assert_allclose(by_F["F"][1:], answer["anova_F"]["statistic"], rtol=1e-8)
        np.testing.assert_allclose(by_F["Pr(>F)"][1:], answer["anova_F"]["p"], rtol=1e-6)


def test_contributions_of_terms(question):
    fit, answer, _ = question
    ours = np.asarray(fit.predict_terms())[[0, 1, 2, -1]]
    np.testing.assert_allclose(ours, answer["terms"], atol=1e-9)


def test_stepwise_search(question):
    fit, answer, _ = question
    if "step" in answer:
        best = fit.step().results
        assert [name for name, _ in best.terms][1:] == answer["step"]["terms"]
        assert best.aic == pytest.approx(answer["step"]["aic"], rel=1e-10)


@pytest.mark.parametrize("name", ["phd", "cpus"])
def test_score_tests(name):
    formula, (family, link), data = INFERENCE[name]
    answer = ANSWERS["inference"][name]
    data = frame("reference", data)
    test = fg.glm(formula, data, family=family, link=link).score_test(data[answer["added"]])
    assert test.statistic == pytest.approx(answer["score"] ** 2, rel=1e-8)


def test_quantile_residuals():
    formula, (family, link), data = INFERENCE["cpus"]
    fit = fg.glm(formula, frame("reference", data), family=family, link=link)
    expected = ANSWERS["inference"]["cpus"]["qresiduals"]
    np.testing.assert_allclose(fit.resid_quantile(), expected, atol=1e-8)


@pytest.mark.parametrize("name", ["phd", "birthwt", "warpbreaks"])
def test_pseudo_rsquared(name):
    formula, (family, link), data = INFERENCE[name]
    fit = fg.glm(formula, frame("reference", data), family=family, link=link)
    ours = [fit.pseudo_rsquared(kind) for kind in ("mcf", "cs", "nagelkerke")]
    expected = [ANSWERS["inference"][name]["pR2"][key] for key in ("McFadden", "r2ML", "r2CU")]
    np.testing.assert_allclose(ours, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("formula", "family", "where", "name"),
    [
        (INFERENCE["cpus"][0], "gamma", ("reference", "v_gam_log_cpus"), "gamma"),
        (ART, "negative_binomial", ("responses", "v_nb_biochem"), "glm_nb"),
    ],
)
def test_profile_intervals_of_mass(formula, family, where, name):
    fit = fg.glm(formula, frame(*where), family=family, link="log")
    distance = np.asarray(fit.conf_int(method="profile")) - ANSWERS["confint"][name]
    # MASS interpolates the profile by a spline.
    np.testing.assert_allclose(distance / np.asarray(fit.bse)[:, None], 0.0, atol=1e-3)


def test_negative_binomial_against_poisson():
    data = frame("responses", "v_nb_biochem")
    fits = [fg.glm(ART, data, family=family) for family in ("poisson", "negative_binomial")]
    statistic = 2.0 * (fits[1].llf - fits[0].llf)
    assert statistic == pytest.approx(ANSWERS["confint"]["odTest"], rel=1e-9)
