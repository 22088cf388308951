"""Terms dropped, added and tested: by fits of the formulas without them, and R's tables."""

import copy
from itertools import pairwise

import numpy as np
import pytest
import response_cases as cases
import statsmodels.api as sm
from scipy import stats

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def fits():
    data = cases.frame()
    return {name: cases.model(name, data, freq_weights="w").fit() for name in cases.MODELS}


def smaller(name, right, **changed):
    response, options = cases.MODELS[name]
    options = options | changed
    make = getattr(fg, name).from_formula
    return make(f"{response} ~ {right}", cases.frame(), freq_weights="w", **options).fit()


@pytest.mark.parametrize("name", cases.MODELS)
def test_dropping_terms_equals_other_formulas(fits, name):
    fit, table = fits[name], fits[name].drop1("LR")
    others = {"z": smaller(name, "x * g"), "x:g": smaller(name, "x + g + z")}
    second = [key for key, value in cases.MODELS[name][1].items() if value == "~ x"]
    if second:
        prefix = next(block.name for block in fit.blocks if block.design == 1)
        others[f"{prefix}x"] = smaller(name, "x * g + z", **{second[0]: "~ 1"})
    assert table.names == ("<none>", *others)
    for k, other in enumerate(others.values(), 1):
        lr = 2.0 * (fit.llf - other.llf)
        df = fit.rank - other.rank
        assert table["Df"][k] == df
        assert table["LRT"][k] == pytest.approx(lr, rel=1e-7, abs=1e-9)
        assert table["AIC"][k] == pytest.approx(other.aic, rel=1e-10)
        assert table["Pr(>Chi)"][k] == pytest.approx(stats.chi2(df).sf(lr), rel=1e-6)
    bic = fit.drop1(k=float(np.log(fit.nobs)))
    assert bic["AIC"][1] == pytest.approx(others["z"].bic, rel=1e-10)


@pytest.mark.parametrize("name", cases.MODELS)
def test_analysis_of_deviance(fits, name):
    fit = fits[name]
    chain = [smaller(name, right) for right in ("x", "x + g", "x + g + z", "x * g + z")]
    first = fit.anova()
    if fit.settings.get("exogs"):
        # There the second formula's term comes last: its model is not among these.
        assert first.names[-1].endswith("-x")
        chain = chain[:0]
    for k, (small, large) in enumerate(pairwise(chain), 2):
        assert first["Deviance"][k] == pytest.approx(2.0 * (large.llf - small.llf), rel=1e-7)
    assert first["Resid. Dev"][-1] == fit.deviance == -2.0 * fit.llf
    assert first["Deviance"][1:].sum() == pytest.approx(
        first["Resid. Dev"][0] - fit.deviance, rel=1e-12
    )
    second, third = fit.anova(type=2), fit.anova(type=3)
    main = 2.0 * (smaller(name, "x + g + z").llf - smaller(name, "x + z").llf)
    assert second["LR Chisq"][second.names.index("g")] == pytest.approx(main, rel=1e-7)
    assert third["LR Chisq"][third.names.index("z")] == pytest.approx(
        2.0 * (fit.llf - smaller(name, "x * g").llf), rel=1e-6, abs=1e-8
    )


@pytest.mark.parametrize("name", cases.MODELS)
def test_nested_fits_and_the_search(fits, name):
    fit, small = fits[name], smaller(name, "x + g")
    table = fg.anova(small, fit)
    lr = 2.0 * (fit.llf - small.llf)
    assert table["Deviance"][1] == pytest.approx(lr, rel=1e-12)
    assert table["Pr(>Chi)"][1] == pytest.approx(stats.chi2(fit.rank - small.rank).sf(lr))
    found = fit.step(k="bic")
    rivals = ["x * g + z", "x * g", "x + g + z", "x + g", "x + z", "g + z", "x", "g", "z", "1"]
    best = min(rivals, key=lambda right: smaller(name, right).bic)
    assert found.results.bic == pytest.approx(smaller(name, best).bic, rel=1e-10)
    added = smaller(name, "x").add1("g + z", "LR")
    assert added["LRT"][1] == pytest.approx(2.0 * (small.llf - smaller(name, "x").llf), rel=1e-6)


def test_the_housing_survey(reference):
    """Venables & Ripley (2002), *Modern Applied Statistics with S*, section 7.3."""
    frame = reference("v_polr_housing_logit").frame
    make = fg.OrderedModel.from_formula
    fit = make("Sat ~ Infl + Type + Cont", frame, freq_weights="Freq").fit()
    assert fit.aic == pytest.approx(3495.149, abs=5e-4)
    table = fit.add1("~ .^2", "Chisq")
    np.testing.assert_allclose(table["Df"][1:], [6, 2, 3])
    np.testing.assert_allclose(table["AIC"][1:], [3484.6, 3498.9, 3492.5], atol=0.05)
    np.testing.assert_allclose(table["LRT"][1:], [22.509, 0.209, 8.666], atol=5e-4)
    np.testing.assert_allclose(table["Pr(>Chi)"][1:], [0.00098, 0.90080, 0.03408], atol=5e-6)


def test_arrays_have_terms_of_a_column_each():
    data = cases.frame()
    X = np.column_stack([data.x, np.full(cases.N, 2.0), data.z])
    fit = fg.BetaModel(data.share, X, precision=X[:, :2]).fit()
    table = fit.drop1("LR")
    without = fg.BetaModel(data.share, X[:, :2], precision=X[:, :2]).fit()
    constant = fg.BetaModel(data.share, X, precision=X[:, 1:2]).fit()
    assert len(table.names) == 4
    assert table["LRT"][2] == pytest.approx(2.0 * (fit.llf - without.llf), rel=1e-7)
    assert table["LRT"][3] == pytest.approx(2.0 * (fit.llf - constant.llf), rel=1e-7)
    # The thresholds of ordered levels stay, whatever columns go.
    ordered = fg.OrderedModel(data.level, data[["x", "z"]].to_numpy()).fit().anova()
    assert ordered["Resid. Dev"][0] == pytest.approx(
        -2.0 * fg.OrderedModel.from_formula("level ~ 1", data).fit().llf, rel=1e-12
    )
    bare = fg.MNLogit(data.level, data[["x"]].to_numpy()).fit()
    with pytest.raises(ModelError, match="intercept"):
        bare.anova()
    with pytest.raises(ModelError, match=r"by a formula"):
        bare.step()


def test_what_does_not_compare(fits):
    with pytest.raises(ModelError, match="test must be one of"):
        fits["Hurdle"].drop1("F")
    with pytest.raises(ModelError, match="differ"):
        fg.anova(fits["Hurdle"], fits["ZeroInflated"])
    with pytest.raises(ModelError, match="differ"):
        fg.anova(fits["BetaModel"], smaller("BetaModel", "x", link="probit"))
    fewer = cases.model("BetaModel", cases.frame().iloc[:200], "x").fit()
    with pytest.raises(ModelError, match="observations"):
        fg.anova(fewer, fits["BetaModel"])
    data = cases.frame()
    data.loc[3, "z"] = np.nan
    fit = cases.model("BetaModel", data, "x", missing="drop").fit()
    with pytest.raises(DataError, match="missing values"):
        fit.add1("z")


@pytest.mark.parametrize("name", cases.MODELS)
def test_the_null_model_has_constants_alone(fits, name):
    fit = fits[name]
    null = fit.model.rows.without_columns()
    other = copy.copy(fit.model)
    other.rows = null
    rank = np.count_nonzero(~np.isnan(other.maximum(1).params))
    assert fit.nobs - fit.df_null == rank
    test = fit.test_against_null()
    lr = 2.0 * (fit.llf - fit.llnull)
    assert (test.statistic, test.df) == (pytest.approx(lr), fit.rank - rank)
    assert fit.llr_pvalue == pytest.approx(stats.chi2.sf(lr, fit.rank - rank))
    assert fit.pseudo_rsquared("mcf") == fit.pseudo_rsquared("deviance")
    assert fit.pseudo_rsquared() == pytest.approx(1.0 - np.exp(-lr / fit.nobs))
    assert fit.info_criteria("bic") == pytest.approx(fit.bic)
    assert fit.info_criteria("qaic", 2.0) == pytest.approx(-fit.llf + 2.0 * fit.rank)


def test_several_levels_have_the_numbers_of_statsmodels():
    data = cases.frame()
    fit = cases.model("MNLogit", data, "x + z").fit()
    X = sm.add_constant(data[["x", "z"]])
    other = sm.MNLogit(data.level, X).fit(disp=0, tol=1e-12)
    assert fit.llr_pvalue == pytest.approx(other.llr_pvalue, rel=1e-6)
    assert fit.df_model == other.df_model
    assert fit.pseudo_rsquared("mcf") == pytest.approx(other.prsquared, rel=1e-8)


@pytest.mark.parametrize("name", cases.MODELS)
def test_terms_have_the_tests_of_their_coefficients(fits, name):
    fit = fits[name]
    table = fit.wald_test_terms()
    assert {"x", "z", "x:g"} <= set(table.names)
    of_first = [b for b in fit.blocks if b.design == 0]
    for term in ("x", "z"):
        row = table.names.index(term)
        own = [k for b in of_first for k in range(b.start, b.stop) if fit.names[k] == b.name + term]
        b, V = fit.estimates[own], fit.covariance[np.ix_(own, own)]
        assert table["df constraint"][row] == len(own)
        assert table["chi2"][row] == pytest.approx(b @ np.linalg.solve(V, b))
