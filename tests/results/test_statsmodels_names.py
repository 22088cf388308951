import csv

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    x = rng.normal(size=80)
    return pd.DataFrame({"x": x, "z": rng.normal(size=80), "y": rng.poisson(np.exp(x / 2))})


@pytest.fixture(scope="module")
def fit(frame):
    return fg.glm("y ~ x + z", frame, family="poisson")


def test_a_fit_is_fitted_already(fit):
    assert fit.fit() is fit
    again = fit.fit(cov_type="HC0")
    np.testing.assert_array_equal(again.params, fit.params)
    np.testing.assert_array_equal(again.bse, fit.with_covariance("HC0").bse)


def test_without_its_data_it_is_not_fitted_again(fit, tmp_path):
    fit.save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="another fit"):
        fg.load(tmp_path / "fit.json").fit(cov_type="HC0")


def test_f_test_is_the_wald_test_with_f(fit):
    test, chi_squared = fit.f_test("x = 0, z = 0"), fit.wald_test("x = 0, z = 0")
    assert test.distribution == "F"
    assert test.statistic == pytest.approx(chi_squared.statistic / 2)
    with pytest.raises(ModelError, match="scalar"):
        fit.wald_test("x = 0", scalar=False)


def test_options_of_the_search_are_understood(frame):
    model = fg.GLM.from_formula("y ~ x + z", frame, family="poisson")
    with pytest.warns(fg.errors.ConvergenceWarning):
        assert not model.fit(maxiter=1, method="newton", disp=False).converged
    with pytest.raises(TypeError, match="'max_iterations'"):
        model.fit(max_iterations=3)


def test_one_row_is_predicted_from_a_vector(frame, fit):
    of_frame = fit.predict(frame.iloc[[4]]).iloc[0]
    assert fit.predict(frame.iloc[4]).iloc[0] == of_frame
    X = np.column_stack([np.ones(80), frame.x, frame.z])
    by_array = fg.GLM(frame.y.to_numpy(), X, family="poisson").fit()
    np.testing.assert_allclose(by_array.predict(X[4]), [of_frame], rtol=1e-9)


def test_a_given_dispersion_makes_tests_normal(frame):
    model = fg.GLM.from_formula("y ~ x", frame)
    assert model.fit().use_t
    assert not model.fit(scale=1.0).use_t
    assert fg.GLM.from_formula("y ~ x", frame, family="poisson").fit(scale="X2").use_t


@pytest.fixture(scope="module")
def theirs(frame):
    return smf.glm("y ~ x + z", frame, family=sm.families.Poisson()).fit(tol=1e-13)


def test_attributes_are_those_of_statsmodels(frame, fit, theirs):
    np.testing.assert_allclose(fit.null, theirs.null, rtol=1e-9)
    for name in ("bic_llf", "bic_deviance"):
        np.testing.assert_allclose(getattr(fit, name), getattr(theirs, name), rtol=1e-9)
    for crit, options in [("aic", {}), ("bic", {"dk_params": 1}), ("qaic", {"scale": 1.3})]:
        expected = theirs.info_criteria(crit, **options)
        np.testing.assert_allclose(fit.info_criteria(crit, **options), expected, rtol=1e-9)
    with pytest.raises(ModelError, match="qaic"):
        fit.info_criteria("qaic")
    with pytest.raises(ModelError, match="crit must be"):
        fit.info_criteria("hqic")
    poisson = sm.Poisson(frame["y"], sm.add_constant(frame[["x", "z"]])).fit(disp=0)
    np.testing.assert_allclose(fit.llr_pvalue, poisson.llr_pvalue, rtol=1e-6)


@pytest.mark.parametrize("family", ["Gamma", "Gaussian", "InverseGaussian", "Poisson", "Binomial"])
def test_anscombe_residuals_are_scaled(frame, family):
    X = np.column_stack([np.ones(80), frame["x"]])
    y = (frame["y"] > 1) if family == "Binomial" else frame["y"] + (family != "Poisson")
    y = y.astype(float)
    link = "logit" if family == "Binomial" else "log"
    expected = sm.GLM(
        y, X, getattr(sm.families, family)(getattr(sm.families.links, link.title())())
    )
    expected = expected.fit(tol=1e-13)
    ours = fg.GLM(y, X, getattr(fg.families, family)(link=link)).fit()
    for name in ("resid_anscombe", "resid_anscombe_scaled", "resid_anscombe_unscaled"):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(expected, name), rtol=1e-5, atol=1e-7, err_msg=name
        )


def test_terms_are_tested(frame):
    d = frame.assign(g=list("abcd") * 20)
    formula = "y ~ C(g) + x"
    for family, name in [(sm.families.Poisson(), "poisson"), (sm.families.Gaussian(), "gaussian")]:
        expected = smf.glm(formula, d, family=family).fit(tol=1e-13, use_t=name == "gaussian")
        expected = expected.wald_test_terms(scalar=True).table
        table = fg.glm(formula, d, family=name).wald_test_terms()
        ours = table.summary_frame().loc[expected.index]
        # Theirs has the denominator's degrees of freedom as well.
        expected = expected.iloc[:, :3].to_numpy(float)
        np.testing.assert_allclose(ours.to_numpy(), expected, rtol=1e-5)
    assert ours.columns[0] == "F"


def test_a_term_without_columns_of_its_own_is_left_out(frame):
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("y ~ x + I(2 * x)", frame, family="poisson")
    assert fit.wald_test_terms().names == ("Intercept", "x")


def test_equations_in_parentheses(fit, theirs):
    text = "(x = 0), (z = 0.5)"
    ours = fit.wald_test(text).statistic
    np.testing.assert_allclose(ours, theirs.wald_test(text, scalar=True).statistic, rtol=1e-6)
    assert ours == fit.wald_test("x = 0, z = 0.5").statistic
    assert fit.t_test("(x + z) = 0").names == ("x + z = 0",)
    assert fit.t_test("x = (z)").names == ("x - z = 0",)
    assert fit.t_test("x = 0").summary() == str(fit.t_test("x = 0"))


def test_linear_predictions(frame, fit, theirs):
    ours, expected = (r.get_prediction(frame[:5]).linpred for r in (fit, theirs))
    np.testing.assert_allclose(ours.predicted_mean, expected.predicted_mean, rtol=1e-7)
    np.testing.assert_allclose(ours.se_mean, expected.se_mean, rtol=1e-6)
    np.testing.assert_allclose(ours.conf_int(0.1), expected.conf_int(alpha=0.1), rtol=1e-5)
    columns = ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper"]
    frames = [each.summary_frame(0.1)[columns] for each in (ours, expected)]
    np.testing.assert_allclose(*frames, rtol=1e-5)
    assert len(repr(fit.get_prediction(frame[:5]))) < 200


def test_frames_have_the_columns_of_statsmodels(fit, theirs):
    for name in ("get_margeff", "get_prediction"):
        ours, expected = (getattr(r, name)().summary_frame() for r in (fit, theirs))
        assert list(ours.columns)[: expected.shape[1]] == list(expected.columns)
        np.testing.assert_allclose(ours[expected.columns], expected, rtol=1e-5)
    assert "d(ln y)/dx" in str(fit.get_margeff(method="eydx")) or "ey/dx" in str(
        fit.get_margeff(method="eydx")
    )


def test_one_row_as_a_mapping_or_a_series(frame, fit):
    row = frame.iloc[7]
    expected = fit.predict(frame.iloc[[7]]).iloc[0]
    for one in (row, {"x": row["x"], "z": row["z"]}, {"x": [row["x"]], "z": [row["z"]]}):
        np.testing.assert_array_equal(np.asarray(fit.predict(one)), [expected])
    d = frame.assign(g=list("ab") * 40)
    text = fg.MNLogit.from_formula("g ~ x", d).fit()
    np.testing.assert_array_equal(
        np.asarray(text.predict({"x": row["x"]})), np.asarray(text.predict(frame.iloc[[7]]))
    )
    mixed = fg.glm("y ~ x + g", d, family="poisson")
    assert mixed.predict(d.iloc[3]).iloc[0] == mixed.predict(d.iloc[[3]]).iloc[0]


def test_data_are_forgotten(frame):
    fit = fg.glm("y ~ x + z", frame, family="poisson")
    before, text = fit.predict(frame[:3]), str(fit.summary())
    assert fit.remove_data() is None
    assert fit.model is None
    assert fit.predict(frame[:3]).equals(before)
    assert str(fit.summary()) == text
    with pytest.raises(DataError, match=r"remove_data.. was called, or .* without the data"):
        _ = fit.resid_response
    fit.remove_data()


def test_summaries_under_other_names(fit, theirs):
    names = {"yname": "claims", "xname": ["const", "age_1", "z & w"], "title": "T"}
    for summary in (fit.summary(**names), fit.summary2(**names)):
        text = summary.as_text()
        assert text.split("\n")[0].strip() == "T"
        assert "claims" in text
        assert all(name in text for name in names["xname"])
        assert "claims" in summary.as_html()
    latex = fit.summary(**names).as_latex()
    assert r"age\_1 & " in latex
    assert r"z \& w & " in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 2
    rows = list(csv.reader(fit.summary(**names).as_csv().splitlines()))
    expected = list(csv.reader(theirs.summary(**names).as_csv().splitlines()))
    ours, ends = ({r[0].strip(): r for r in table} for table in (rows, expected))
    for name in names["xname"]:
        np.testing.assert_allclose(
            [float(v) for v in ours[name][1:]], [float(v) for v in ends[name][1:]], atol=6e-4
        )
    with pytest.raises(DataError, match="xname has 1 names, but there are 3"):
        fit.summary(xname=["a"])


def test_old_names_of_links():
    links = fg.families.links
    pairs = [("log", "Log"), ("cloglog", "CLogLog"), ("inverse_power", "InversePower")]
    for old, new in [*pairs, ("nbinom", "NegativeBinomial"), ("cauchy", "Cauchy")]:
        assert getattr(links, old)() == getattr(links, new)()


def test_tolerances(frame):
    model = fg.GLM.from_formula("y ~ x + z", frame, family="poisson")
    plain = model.fit()
    same = model.fit(atol=0, wls_method="pinv", optim_hessian="eim", rtol=1e-3)
    np.testing.assert_array_equal(same.params, plain.params)
    assert model.fit(rtol=1e-15).n_iter > model.fit(tol=1e-2, rtol=1e-3).n_iter


def test_a_callback_is_not_dropped_in_silence(frame):
    model = fg.GLM.from_formula("y ~ x + z", frame, family="poisson")
    with pytest.raises(TypeError, match="progress= is called after each step"):
        model.fit(callback=print)
