"""Coefficients, the whole fit and its rows as frames, against R's numbers (tests/data/r/tables)."""

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError

R = Path(__file__).parents[1] / "data" / "r" / "tables"
TIDY, GLANCE, AUGMENT = (pd.read_csv(R / f"{name}.csv") for name in ("tidy", "glance", "augment"))
CARS, BREAKS, LOTS = (pd.read_csv(R / f"{n}.csv") for n in ("mtcars", "warpbreaks", "clotting"))
FITS = {
    "am": ("am ~ wt", CARS, "binomial"),
    "am2": ("am ~ hp + disp", CARS, "binomial"),
    "breaks": (
        "breaks ~ wool + C(tension, contr.treatment('L'), levels=['L', 'M', 'H'])",
        BREAKS,
        "poisson",
    ),
    "lot1": ("lot1 ~ log(u)", LOTS, "gamma"),
    "mpg": ("mpg ~ wt + qsec", CARS, "gaussian"),
    "lotlog": ("lot1 ~ u", LOTS, fg.families.Gamma("log")),
}


@pytest.fixture(scope="module", params=FITS)
def case(request):
    formula, data, family = FITS[request.param]
    return request.param, fg.glm(formula, data, family, tol=1e-12)


def test_tidy_is_rs(case):
    name, fit = case
    expected = TIDY[TIDY.model == name]
    table = fit.tidy(conf_int=True)
    columns = ["estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high"]
    assert list(table.columns) == ["term", *columns]
    for column in columns[:4] if fit.use_t else columns:
        np.testing.assert_allclose(table[column], expected[column], rtol=2e-7)
    if fit.use_t:  # confint.default is of the normal distribution, confint of lm of Student's
        reach = stats.t.ppf(0.975, fit.df_resid) * expected["std.error"]
        np.testing.assert_allclose(table["conf.low"], expected["estimate"] - reach, rtol=1e-7)
        np.testing.assert_allclose(table["conf.high"], expected["estimate"] + reach, rtol=1e-7)


def test_tidy_by_profile_is_rs(case):
    name, fit = case
    expected = TIDY[TIDY.model == name]
    table = fit.tidy(conf_int="profile")
    if name != "mpg":  # R profiles gaussian models by t, as of lm
        # R interpolates between the points of its profile.
        near = 1e-2 * table["std.error"]
        assert (np.abs(table["conf.low"] - expected["profile.low"].to_numpy()) < near).all()
        assert (np.abs(table["conf.high"] - expected["profile.high"].to_numpy()) < near).all()


def test_glance_is_rs(case):
    name, fit = case
    expected = GLANCE[GLANCE.model == name].drop(columns="model")
    assert list(fit.glance().columns) == list(expected.columns)
    np.testing.assert_allclose(fit.glance().to_numpy(), expected.to_numpy(), rtol=1e-8)


def test_augment_is_rs(case):
    name, fit = case
    expected = AUGMENT[AUGMENT.model == name].drop(columns="model")
    rows = fit.augment(se_fit=True)
    data = FITS[name][1]
    assert list(rows.columns) == [*data.columns, *expected.columns]
    for column in expected:
        np.testing.assert_allclose(rows[column], expected[column], rtol=1e-6, atol=1e-9)


def test_new_rows(case):
    name, fit = case
    data = FITS[name][1]
    new = fit.augment(data.iloc[3:5], se_fit=True)
    whole = fit.augment(se_fit=True).iloc[3:5]
    assert list(new.columns) == [*data.columns, ".fitted", ".se.fit"]
    pd.testing.assert_frame_equal(new, whole[new.columns])
    mean = fit.augment(data.iloc[3:5], which="mean")
    np.testing.assert_allclose(mean[".fitted"], fit.predict(data.iloc[3:5]))


def test_exponentiate_leaves_standard_errors_and_tests():
    fit = fg.glm("am ~ wt", CARS, "binomial")
    plain, ratios = fit.tidy(conf_int=True), fit.tidy(exponentiate=True, conf_int=True)
    for column in ("estimate", "conf.low", "conf.high"):
        np.testing.assert_allclose(ratios[column], np.exp(plain[column]), rtol=1e-15)
    for column in ("term", "std.error", "statistic", "p.value"):
        assert ratios[column].equals(plain[column])


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (fg.families.Binomial(), "odds ratio"),
        (fg.families.Binomial("log"), "risk ratio"),
        (fg.families.Binomial("cloglog"), "hazard ratio"),
        (fg.families.Poisson(), "rate ratio"),
        (fg.families.NegativeBinomial(alpha=1.0), "rate ratio"),
        (fg.families.Gamma("log"), "relativity"),
        (fg.families.Tweedie(var_power=1.5), "relativity"),
        (fg.families.Gaussian("log"), "ratio of means"),
    ],
)
def test_ratios_are_named_by_family_and_link(family, name):
    y = {"proportion": CARS["am"]}.get(family.response_kind, CARS["carb"])
    X = np.column_stack([np.ones(32), np.arange(32) % 5 * 0.1])
    start = [-1.0, 0.0] if family.link.name == "log" else None
    summary = fg.GLM(y, X, family).fit(start_params=start).summary(exponentiate=True)
    assert summary.columns()[0] == name
    assert f"Exponentials of coefficients: {name}." in str(summary)


@pytest.mark.parametrize("family", ["gaussian", fg.families.Binomial("probit"), "gamma"])
def test_what_is_no_ratio_is_refused(family):
    y = CARS["am"] if getattr(family, "takes_two_columns", False) else CARS["mpg"]
    fit = fg.GLM(y, np.column_stack([np.ones(32), CARS["wt"]]), family).fit()
    for call in (fit.summary, fit.tidy):
        with pytest.raises(ModelError, match="logarithms of ratios"):
            call(exponentiate=True)


def test_summary_of_ratios_is_statas():
    # Stata's logit, or: odds ratio, standard error by the delta method, z of the coefficient.
    fit = fg.glm("am ~ wt", CARS, "binomial", tol=1e-12)
    expected = TIDY[TIDY.model == "am"].iloc[1]
    row = fit.summary(exponentiate=True).table()[1]
    ratio = np.exp(expected.estimate)
    wanted = [ratio, ratio * expected["std.error"], expected.statistic, expected["p.value"]]
    wanted += [np.exp(expected["conf.low"]), np.exp(expected["conf.high"])]
    np.testing.assert_allclose(row, wanted, rtol=1e-7)


LIBRARIES = {
    "polars": (pl.from_pandas, pl.DataFrame),
    "pyarrow": (lambda frame: pa.Table.from_pandas(frame, preserve_index=False), pa.Table),
    "pandas": (lambda frame: frame, pd.DataFrame),
    "dict": (lambda frame: frame.to_dict("list"), pd.DataFrame),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_are_of_the_users_library(library):
    convert, kind = LIBRARIES[library]
    data = convert(BREAKS)
    fit = fg.glm("breaks ~ wool", data, "poisson")
    expected = fg.glm("breaks ~ wool", BREAKS, "poisson")
    for method in ("tidy", "glance", "augment"):
        found, wanted = getattr(fit, method)(), getattr(expected, method)()
        assert isinstance(found, kind)
        plain = found if kind is pd.DataFrame else found.to_pandas()
        pd.testing.assert_frame_equal(plain, wanted, check_dtype=False)
    assert isinstance(fit.augment(data), kind)


def test_rows_with_missing_values_are_left_out():
    data = CARS.assign(wt=CARS["wt"].where(CARS.index != 2))
    fit = fg.glm("am ~ wt", data, "binomial", missing="drop")
    rows = fit.augment()
    assert list(rows.index) == [k for k in range(32) if k != 2]
    np.testing.assert_allclose(rows[".fitted"], fit.linear_predictor)
    assert np.isnan(fit.augment(data)[".fitted"][2])


def test_of_arrays_and_of_loaded_fits(tmp_path):
    X = np.column_stack([np.ones(32), CARS["wt"]])
    fit = fg.GLM(CARS["am"].to_numpy(), X, "binomial").fit()
    rows = fit.augment()
    assert list(rows.columns[:3]) == ["y", *fit.names]
    np.testing.assert_allclose(rows[".hat"], fit.get_influence().hat_matrix_diag)
    np.testing.assert_allclose(fit.augment(X[:3])[".fitted"], rows[".fitted"][:3])
    fit.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    pd.testing.assert_frame_equal(loaded.tidy(conf_int=True), fit.tidy(conf_int=True))
    pd.testing.assert_frame_equal(loaded.glance(), fit.glance())


def frame_of_responses():
    rng = np.random.default_rng(3)
    n = 200
    x = rng.normal(size=n)
    frame = pd.DataFrame({"x": x, "g": rng.choice(list("abcdefgh"), n), "p": rng.beta(2, 2, n)})
    frame["c"] = np.where(x + rng.normal(size=n) > 0, "v", rng.choice(list("uw"), n))
    frame["k"] = np.searchsorted([-1.0, 1.0], x + rng.logistic(size=n))
    frame["y"] = np.where(rng.random(n) < 0.4, 0, rng.negative_binomial(1, 0.3, n))
    return frame.assign(q=1 - frame["p"])


FRAME = frame_of_responses()
RESPONSES = {
    "MNLogit": ("c", "y.level", ["v", "v", "w", "w"], "relative risk ratio"),
    "OrderedModel": ("k", "coef.type", ["coefficient", "scale", "scale"], "odds ratio"),
    "BetaModel": ("p", "component", ["mean", "mean", "precision"], "exp(coef)"),
    "DirichletModel": ("cbind(p, q)", "component", ["y1", "y1", "y2", "y2"], "ratio of shapes"),
    "NegativeBinomialP": ("y", "component", ["mean", "mean", "log(alpha)"], "exp(coef)"),
    "ZeroInflated": ("y", "component", ["count", "count", "zero"], "exp(coef)"),
    "Hurdle": ("y", "component", ["count", "count", "zero"], "exp(coef)"),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_other_responses(name):
    response, column, components, title = RESPONSES[name]
    fit = getattr(fg, name).from_formula(f"{response} ~ x", FRAME).fit()
    table = fit.tidy(conf_int=True)
    assert list(table.columns[:2]) == [column, "term"]
    assert list(table[column]) == components
    np.testing.assert_allclose(table["estimate"], fit.estimates)
    np.testing.assert_allclose(table["std.error"], np.sqrt(np.diag(fit.cov_params())))
    np.testing.assert_allclose(table[["conf.low", "conf.high"]], np.asarray(fit.conf_int()))
    assert fit.summary(exponentiate=True).columns()[0] == title
    ratios = fit.tidy(exponentiate=True)["estimate"]
    changed = ~np.isclose(ratios, fit.estimates)
    np.testing.assert_allclose(ratios[changed], np.exp(fit.estimates[changed]))
    assert list(table["term"][~changed]) == (["0|1", "1|2"] if name == "OrderedModel" else [])
    whole = fit.glance()
    assert whole["logLik"][0] == fit.llf
    assert whole["nobs"][0] == 200
    rows = fit.augment()
    mean = np.asarray(fit.predict()).reshape(200, -1)
    fitted = [c for c in rows if c.startswith(".fitted") and (c != ".fitted" or mean.shape[1] == 1)]
    np.testing.assert_allclose(rows[fitted].to_numpy(dtype=float), mean)
    if name in ("MNLogit", "OrderedModel"):
        assert list(rows[".fitted"]) == list(fit.predict(which="class"))
    with pytest.raises(ModelError, match="se_fit"):
        fit.augment(se_fit=True)


def test_mixed_models_have_broom_mixeds_columns():
    fit = fg.mixed("y ~ x + (1 + x | g)", FRAME)
    table = fit.tidy(conf_int=True)
    assert list(table.columns[:5]) == ["effect", "group", "term", "estimate", "std.error"]
    random = table[table["effect"] == "ran_pars"].set_index(["group", "term"])["estimate"]
    sds = {(c.group, c.term1, c.term2): c.sd for c in fit.components}
    assert random["g", "sd__Intercept"] == sds["g", "Intercept", ""]
    assert random["Residual", "sd__Observation"] == fit.sigma
    np.testing.assert_equal(random["g", "cor__Intercept.x"], sds["g", "Intercept", "x"])
    assert fit.glance()["REMLcrit"][0] == fit.criterion
    rows = fit.augment()
    np.testing.assert_allclose(rows[".resid"], FRAME["y"] - fit.fittedvalues)
    np.testing.assert_allclose(rows[".fixed"], fit.predict(level="population"))
    with pytest.raises(ModelError, match="logarithms of ratios"):
        fit.tidy(exponentiate=True)


def test_methods_of_intervals_are_those_of_the_model():
    fit = fg.MNLogit.from_formula("c ~ x", FRAME).fit()
    table = fit.tidy(conf_int="profile")
    np.testing.assert_array_equal(table[["conf.low", "conf.high"]], fit.conf_int(0.05, "profile"))
    assert (table["conf.low"] != fit.tidy(conf_int=True)["conf.low"]).all()
    glm = fg.glm("y ~ x", FRAME, "poisson")
    with pytest.raises(ModelError, match="wald"):
        glm.tidy(conf_int="likelihood")
