from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import stats

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(31)
    n = 600
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
    mean = np.exp(0.5 + 0.4 * frame.x)
    frame["y"] = rng.poisson(mean)
    frame["o"] = rng.poisson(rng.gamma(2.0, mean / 2.0))
    frame["b"] = (rng.random(n) < 1 / (1 + np.exp(-frame.x))).astype(float)
    frame["s"] = mean + rng.normal(size=n)
    return frame.assign(f=rng.integers(1, 4, n))


@pytest.mark.parametrize(("response", "family"), [("y", "poisson"), ("b", "binomial")])
def test_pseudo_rsquared_equals_statsmodels(frame, response, family):
    ours = fg.glm(f"{response} ~ x + z", frame, family)
    X = ours.model.rows.design.to_dense()
    theirs = sm.GLM(frame[response].to_numpy(), X, getattr(sm.families, family.title())()).fit()
    for kind in ("cs", "mcf"):
        np.testing.assert_allclose(
            ours.pseudo_rsquared(kind), theirs.pseudo_rsquared(kind), rtol=1e-8
        )
    cox_snell = theirs.pseudo_rsquared("cs")
    largest = 1 - np.exp(2 * theirs.llnull / 600)
    np.testing.assert_allclose(ours.pseudo_rsquared("nagelkerke"), cox_snell / largest, rtol=1e-8)
    expected = 1 - theirs.deviance / theirs.null_deviance
    np.testing.assert_allclose(ours.pseudo_rsquared("deviance"), expected, rtol=1e-8)


def test_the_deviance_r_squared_of_a_gaussian_model_is_r_squared(frame):
    fit = fg.glm("s ~ x + z", frame)
    X = fit.model.rows.design.to_dense()
    expected = sm.OLS(frame.s.to_numpy(), X).fit()
    np.testing.assert_allclose(fit.pseudo_rsquared("deviance"), expected.rsquared, rtol=1e-10)
    np.testing.assert_allclose(fit.pseudo_rsquared("cs"), expected.rsquared, rtol=1e-9)
    test = fit.test_against_null()
    np.testing.assert_allclose(test.statistic, expected.fvalue, rtol=1e-9)
    np.testing.assert_allclose(test.pvalue, expected.f_pvalue, rtol=1e-8)


def test_comparison_with_the_null_model(frame):
    fit = fg.glm("y ~ x + z", frame, "poisson")
    test = fit.test_against_null()
    np.testing.assert_allclose(test.statistic, 2 * (fit.llf - fit.llnull), rtol=1e-9)
    np.testing.assert_allclose(test.pvalue, stats.chi2.sf(test.statistic, 2), rtol=1e-9)
    with pytest.raises(ModelError, match="nothing but an intercept"):
        fg.glm("y ~ 1", frame, "poisson").test_against_null()


def test_goodness_of_fit_table(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    table = fit.goodness_of_fit()
    expected = stats.chi2.sf([fit.pearson_chi2, fit.deviance], 598)
    np.testing.assert_allclose(table["Pr(>Chi)"], expected, rtol=1e-9)


def test_hosmer_lemeshow_equals_its_definition(frame):
    fit = fg.glm("b ~ x + z", frame, "binomial")
    test, table = fit.hosmer_lemeshow()
    order = np.argsort(np.asarray(fit.fittedvalues))
    y, mean = frame.b.to_numpy()[order], np.asarray(fit.fittedvalues)[order]
    statistic = 0.0
    for group in np.split(np.arange(600), 10):
        for observed, expected in (
            (y[group].sum(), mean[group].sum()),
            (60 - y[group].sum(), 60 - mean[group].sum()),
        ):
            statistic += (observed - expected) ** 2 / expected
    np.testing.assert_allclose(test.statistic, statistic, rtol=1e-9)
    np.testing.assert_allclose(test.pvalue, stats.chi2.sf(statistic, 8), rtol=1e-9)
    np.testing.assert_array_equal(table["trials"], 60)


def test_hosmer_lemeshow_prints_its_test_above_its_groups(frame):
    found = fg.glm("b ~ x", frame, "binomial").hosmer_lemeshow()
    test, groups = found
    assert repr(found) == f"{test}\n\n{groups}"
    html = found._repr_html_()
    assert html.startswith(test._repr_html_())
    assert html.endswith(groups._repr_html_())


def test_hosmer_lemeshow_counts_repeated_rows(frame):
    counted = fg.glm("b ~ x", frame, "binomial", freq_weights="f").hosmer_lemeshow(6)
    frame = frame.loc[frame.index.repeat(frame.f)]
    repeated = fg.glm("b ~ x", frame, "binomial").hosmer_lemeshow(6)
    np.testing.assert_allclose(counted[0].statistic, repeated[0].statistic, rtol=1e-7)


def test_the_dispersion_test_equals_its_regression(frame):
    for power in (1.0, 2.0):
        fit = fg.glm("o ~ x", frame, "poisson")
        mean, y = np.asarray(fit.fittedvalues), frame.o.to_numpy()
        auxiliary = sm.OLS(((y - mean) ** 2 - y) / mean, mean ** (power - 1)).fit()
        test = fit.dispersion_test(power=power)
        np.testing.assert_allclose(test.statistic, auxiliary.tvalues[0], rtol=1e-8)
        np.testing.assert_allclose(test.pvalue, stats.norm.sf(auxiliary.tvalues[0]), rtol=1e-6)
        two_sided = fit.dispersion_test("two-sided", power=power)
        np.testing.assert_allclose(two_sided.pvalue, 2 * test.pvalue, rtol=1e-9)
    assert "z = " in str(test)


def test_overdispersion_is_found_and_its_absence_too(frame):
    assert fg.glm("o ~ x", frame, "poisson").dispersion_test().pvalue < 1e-3
    assert fg.glm("y ~ x", frame, "poisson").dispersion_test().pvalue > 0.01


def test_score_tests_equal_statsmodels(frame):
    ours = fg.glm("y ~ x", frame, "poisson")
    X = ours.model.rows.design.to_dense()
    theirs = sm.GLM(frame.y.to_numpy(), X, sm.families.Poisson()).fit(tol=1e-14)
    extra = np.column_stack([frame.z, frame.x**2])
    expected = theirs.score_test(exog_extra=extra)
    test = ours.score_test(extra)
    np.testing.assert_allclose(test.statistic, np.ravel(expected[0])[0], rtol=1e-7)
    np.testing.assert_allclose(test.pvalue, np.ravel(expected[1])[0], rtol=1e-6)
    assert test.df == 2


def test_score_tests_of_a_frame_name_its_columns(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    test = fit.score_test(frame[["z"]])
    np.testing.assert_allclose(test.statistic, fit.score_test(frame.z).statistic, rtol=1e-12)
    assert test.hypothesis == ("z",)
    np.testing.assert_allclose(test.statistic, fit.add1("z", test="Rao")["Rao score"][1], rtol=1e-8)


def test_questions_that_make_no_sense(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    with pytest.raises(ModelError, match="binomial models"):
        fit.hosmer_lemeshow()
    with pytest.raises(ModelError, match="Poisson models"):
        fg.glm("s ~ x", frame).dispersion_test()
    with pytest.raises(ModelError, match="alternative"):
        fit.dispersion_test("more")
    with pytest.raises(ModelError, match="kind must be"):
        fit.pseudo_rsquared("adjusted")
    with pytest.raises(ModelError, match="no likelihood"):
        fg.glm("y ~ x", frame, "quasipoisson").pseudo_rsquared()
    with pytest.raises(ModelError, match="groups"):
        fg.glm("b ~ x", frame, "binomial").hosmer_lemeshow(2)
    with pytest.raises(DataError, match="3 rows, but the fit has 600"):
        fit.score_test([1.0, 2.0, 3.0])


def test_rows_of_weight_zero_do_not_enter_the_dispersion(frame):
    weights = (frame.index % 3 > 0).astype(float)
    seen = frame[weights > 0]
    for power in (1.0, 2.0):
        ours = fg.glm("o ~ x", frame, "poisson", var_weights=weights).dispersion_test(power=power)
        theirs = fg.glm("o ~ x", seen, "poisson").dispersion_test(power=power)
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-8)


def test_the_dispersion_of_means_of_counts_is_that_of_the_weights(frame):
    rng = np.random.default_rng(4)
    n = 20_000
    x, weights = rng.normal(size=n), rng.integers(1, 9, n)
    X = np.column_stack([np.ones(n), x])
    means = rng.poisson(weights * np.exp(0.5 + 0.3 * x)) / weights
    fit = fg.GLM(means, X, "poisson", var_weights=weights).fit()
    # Each is a mean of as many Poisson counts as its weight: nothing is over- or underdispersed.
    assert abs(fit.dispersion_test().statistic) < 3.0


def test_columns_that_are_there_already_add_no_degree_of_freedom(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    z = frame.z.to_numpy(copy=True)
    one = fit.score_test(z)
    twice = fit.score_test(np.column_stack([z, 2.0 * z + frame.x]))
    assert (twice.df, twice.pvalue) == (1.0, pytest.approx(one.pvalue, rel=1e-8))
    with pytest.raises(ModelError, match="in the model already"):
        fit.score_test(1.0 - frame.x.to_numpy())
    z[3] = np.nan
    with pytest.raises(DataError, match=r"1 row \(3"):
        fit.score_test(z)


@pytest.mark.parametrize("seed", [2, 17, 34, 36, 57])
def test_rounding_does_not_part_equal_probabilities(seed):
    a, b, u = (np.random.default_rng(s) for s in (seed, seed + 99, seed))
    frame = pd.DataFrame({"a": a.choice(list("uvw"), 120), "b": b.choice(list("pq"), 120)})
    frame["y"] = (u.random(120) < 0.4).astype(float)
    fit = fg.glm("y ~ a * b", frame, "binomial", link="probit")
    other = fg.GLM(frame.y.to_numpy(), fit.model.exog[:, ::-1].copy(), "binomial", link="probit")
    (one, first), (two, second) = (results.hosmer_lemeshow() for results in (fit, other.fit()))
    assert one.df == two.df
    np.testing.assert_allclose(first.columns["trials"], second.columns["trials"])


def test_a_saturated_model_has_no_test_of_its_fit():
    fit = fg.GLM(np.array([1.0, 3.0, 2.0]), np.vander([0.1, 0.4, 0.9], 3), "poisson").fit()
    table = fit.goodness_of_fit()
    np.testing.assert_array_equal(table["df"], 0.0)
    assert np.isnan(table["Pr(>Chi)"]).all()


def test_a_series_is_tested_under_its_name():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "other"])
    frame["y"] = rng.poisson(2.0, 60)
    fit = fg.glm("y ~ x", frame, "poisson")
    expected = fit.score_test(frame[["other"]])
    assert expected.hypothesis == ("other",)
    for series in (frame["other"], pl.Series("other", frame["other"].to_numpy())):
        found = fit.score_test(series)
        assert found.hypothesis == ("other",)
        assert found.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert fit.score_test(frame["other"].to_numpy()).hypothesis == ("x1",)
