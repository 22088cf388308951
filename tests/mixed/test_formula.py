"""Random terms of formulas, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from mixed_cases import case_frame

import fastglm as fg
from fastglm.errors import DataError, FormulaError, MissingValueError, ModelError, RankWarning
from fastglm.mixed.formula import split_formula

COLUMNS = ["y", "x", "z", "g", "a", "b", "f"]


def shown(text):
    fixed, terms = split_formula(text, COLUMNS)
    return fixed, [(t.columns, t.group, t.structure) for t in terms]


@pytest.mark.parametrize(
    ("text", "fixed", "terms"),
    [
        ("y ~ x + (1 + x | g)", "y ~ x", [("~ 1 + x", "g", "us")]),
        ("y ~ (x | g) + x", "y ~ x", [("~ x", "g", "us")]),
        ("y ~ (1 | g)", "y ~ 1", [("~ 1", "g", "us")]),
        ("y ~ 0 + x + (0 + x | g)", "y ~ 0 + x", [("~ 0 + x", "g", "us")]),
        ("y ~ x - 1 + (1 | g)", "y ~ x - 1", [("~ 1", "g", "us")]),
        ("y ~ x + (x || g)", "y ~ x", [("~ 1", "g", "us"), ("~ 0 + `x`", "g", "us")]),
        ("y ~ x + (1 | a / b)", "y ~ x", [("~ 1", "a", "us"), ("~ 1", "b:a", "us")]),
        ("y ~ x + (1 | a:b)", "y ~ x", [("~ 1", "a:b", "us")]),
        ("y ~ x + diag(1 + x | g)", "y ~ x", [("~ 1 + x", "g", "diag")]),
        ("y ~ x + cs(0 + f | g)", "y ~ x", [("~ 0 + f", "g", "cs")]),
        ("y ~ I((x + 1) * 2) + (1 | g)", "y ~ I((x + 1) * 2)", [("~ 1", "g", "us")]),
        ("y ~ . + (1 | g)", "y ~ (`x` + `z` + `a` + `b` + `f`)", [("~ 1", "g", "us")]),
    ],
)
def test_terms(text, fixed, terms):
    assert shown(text) == (fixed, terms)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("y ~ x | g", "stands outside parentheses"),
        ("y ~ x + (1 | g) * z", "must stand alone"),
        ("y ~ x + (1 | )", "a side of the bar is empty"),
        ("y ~ x + (1 | g | a)", "must stand alone"),
        ("y ~ x - (1 | g)", "cannot be subtracted"),
        ("y ~ log((x | g))", "must stand alone"),
        ("y ~ x + diag(1 + x || g)", "says diagonal already"),
        ("y ~ (1 | g", "not closed"),
        ("y, x", "has no '~'"),
    ],
)
def test_what_cannot_be_read(text, words):
    with pytest.raises(FormulaError, match=words):
        split_formula(text, COLUMNS)


@pytest.mark.parametrize(
    "text", ["y ~ 0 + (1 | g)", "y ~ (1 | g) - 1", "y ~ 0 + offset(z) + (1 | g)"]
)
def test_no_fixed_term_is_for_one_linear_predictor(text):
    data = {"y": np.arange(20) % 5, "g": np.arange(20) % 4, "z": np.ones(20)}
    assert fg.mixed(text, data, "poisson").names == ()
    with pytest.raises(FormulaError, match="has no fixed term, which is for models of one linear"):
        fg.mixed(text, data, "poisson", ziformula="~1")


def test_no_fixed_term_of_a_source_is_refused(tmp_path):
    data = pd.DataFrame({"y": np.arange(20.0) % 5, "g": np.arange(20) % 4})
    data.to_parquet(tmp_path / "rows.parquet")
    for formula, error, words in (
        ("y ~ 0 + (1 | g)", FormulaError, "has no fixed term, which is for models"),
        ("y ~ 1", ModelError, "has no random term"),
        ("y | g ~ 1", FormulaError, "stands left of '~'"),
        ("(1 | g) ~ 1 + (1 | g)", FormulaError, "stands left of '~'"),
    ):
        with pytest.raises(error, match=words):
            fg.mixed(formula, str(tmp_path / "rows.parquet"))


def small(rng, n=120):
    data = {"x": rng.normal(size=n), "g": rng.integers(0, 8, n), "h": rng.integers(0, 5, n)}
    effects = rng.normal(size=8)[data["g"]]
    data["y"] = 1 + 0.5 * data["x"] + effects + rng.normal(size=n)
    return data


def test_bad_grouping_factors_are_refused():
    data = small(np.random.default_rng(0))
    with pytest.raises(DataError, match="holds numbers that are not whole"):
        fg.mixed("y ~ 1 + (1 | x)", data)
    with pytest.raises(DataError, match="has one level only"):
        fg.mixed("y ~ x + (1 | one)", data | {"one": np.zeros(120)})
    with pytest.raises(ModelError, match="cannot be told from the residuals"):
        fg.mixed("y ~ x + (1 | row)", data | {"row": np.arange(120)})
    shape = data | {"row": np.arange(120), "y": np.exp(data["y"])}
    with pytest.raises(ModelError, match="cannot be told from the dispersion"):
        fg.mixed("y ~ x + (1 | row)", shape, "gamma")
    with pytest.raises(ModelError, match="no random term"):
        fg.mixed("y ~ x", data)
    with pytest.raises(ModelError, match="Intercept twice"):
        fg.mixed("y ~ x + (1 | g) + (1 + x | g)", data)
    with pytest.raises(DataError, match="zero in every row"):
        fg.mixed("y ~ x + (0 + none | g)", data | {"none": np.zeros(120)})
    with pytest.raises(ModelError, match="needs two or more columns"):
        fg.mixed("y ~ x + cs(1 | g)", data)
    with pytest.raises(ModelError, match="REML is defined for a gaussian"):
        fg.mixed("h ~ x + (1 | g)", data, "poisson", reml=True)
    with pytest.raises(ModelError, match="further derivatives"):
        fg.mixed("h ~ x + (1 | g)", data, "quasipoisson")


def test_an_effect_for_every_row_is_legal_where_sigma_is_known():
    rng = np.random.default_rng(1)
    data = {"row": np.arange(200), "x": rng.normal(size=200)}
    data["y"] = rng.poisson(np.exp(1 + 0.3 * data["x"] + 0.7 * rng.normal(size=200))).astype(float)
    fit = fg.mixed("y ~ x + (1 | row)", data, "poisson")
    assert fit.gradient < 1e-6
    assert fit.varcorr["sd"][0] == pytest.approx(0.7, abs=0.2)


def test_missing_values():
    data = small(np.random.default_rng(2))
    holes = {k: v.astype(float) for k, v in data.items()}
    holes["x"][3], holes["g"][7], holes["y"][9] = np.nan, np.nan, np.nan
    with pytest.raises(MissingValueError, match="'g' in 1 row"):
        fg.mixed("y ~ x + (1 | g)", holes)
    fit = fg.mixed("y ~ x + (1 | g)", holes, missing="drop")
    keep = np.setdiff1d(np.arange(120), [3, 7, 9])
    again = fg.mixed("y ~ x + (1 | g)", {k: v[keep] for k, v in data.items()})
    assert fit.nobs == 117
    assert fit.n_dropped == 3
    assert fit.criterion == again.criterion
    X = np.column_stack([np.ones(120), holes["x"]])
    arrays = fg.MixedGLM(holes["y"], X, groups=holes["g"], missing="drop").fit()
    assert arrays.criterion == pytest.approx(fit.criterion, abs=1e-9)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_every_frame_gives_the_same(library):
    data = small(np.random.default_rng(3))
    data["g"] = np.array([f"level {g}" for g in data["g"]])
    module = pytest.importorskip(library)
    frame = module.table(data) if library == "pyarrow" else module.DataFrame(data)
    fit, plain = (fg.mixed("y ~ x + (1 + x | g) + (1 | h)", f) for f in (frame, data))
    assert fit.criterion == plain.criterion
    np.testing.assert_array_equal(np.asarray(fit.params), np.asarray(plain.params))
    np.testing.assert_array_equal(fit.predict(frame), np.asarray(plain.predict(data)))


def test_arrays_are_the_formula():
    data = small(np.random.default_rng(4))
    X = np.column_stack([np.ones(120), data["x"]])
    formula = fg.mixed("y ~ x + (1 + x | g) + (1 | h)", data)
    random = [fg.Random(data["g"], X, name="g"), fg.Random(data["h"], name="h")]
    arrays = fg.MixedGLM(data["y"], X, random=random).fit()
    assert arrays.criterion == pytest.approx(formula.criterion, abs=1e-9)
    np.testing.assert_allclose(arrays.theta, formula.theta, atol=1e-6)
    ours = arrays.predict(X[:5], groups={"g": data["g"][:5], "h": data["h"][:5]}, Z={"g": X[:5]})
    np.testing.assert_allclose(ours, np.asarray(formula.predict())[:5], atol=1e-6)
    independent = fg.MixedGLM(
        data["y"], X, random=[fg.Random(data["g"], X, correlated=False, name="g")]
    ).fit()
    written = fg.mixed("y ~ x + (x || g)", data)
    assert independent.criterion == pytest.approx(written.criterion, abs=1e-9)


def test_statsmodels_spelling():
    data = case_frame("s_lmer_sleepstudy_zcp")
    ours = fg.MixedLM.from_formula("Reaction ~ Days", data, groups="Subject", re_formula="~Days")
    fit, lme4 = ours.fit(), fg.mixed("Reaction ~ Days + (Days | Subject)", data)
    assert fit.criterion == lme4.criterion
    assert list(fit.fe_params) == list(fit.params)
    assert fit.cov_re.shape == (2, 2)
    assert set(fit.random_effects) == set(data["Subject"])
    machines = case_frame("s_lmer_machines_nested")
    model = fg.MixedLM.from_formula(
        "score ~ Machine", machines, groups="Worker", re_formula="1",
        vc_formula={"Machine": "0 + C(Machine)"},
    )  # fmt: skip
    nested = fg.mixed("score ~ Machine + (1 | Worker/Machine)", machines)
    assert model.fit().criterion == pytest.approx(nested.criterion, abs=1e-8)
    with pytest.raises(ModelError, match="need groups"):
        fg.MixedLM.from_formula("score ~ Machine", machines, re_formula="1")


def test_frequencies_are_rows_repeated():
    rng = np.random.default_rng(5)
    data = small(rng)
    counts = rng.integers(1, 4, 120)
    again = {k: np.repeat(v, counts) for k, v in data.items()}
    for family, response, reml in (("gaussian", "y", None), ("poisson", "h", None)):
        formula = f"{response} ~ x + (1 | g)"
        weighted = fg.mixed(formula, data, family, freq_weights=counts, reml=reml)
        repeated = fg.mixed(formula, again, family, reml=reml)
        assert weighted.nobs == repeated.nobs
        assert weighted.criterion == pytest.approx(repeated.criterion, abs=1e-7)
        np.testing.assert_allclose(weighted.params, repeated.params, atol=1e-7)


def test_offset_and_exposure():
    rng = np.random.default_rng(6)
    data = small(rng) | {"time": rng.uniform(1, 3, 120)}
    one = fg.mixed("h ~ x + (1 | g)", data, "poisson", exposure="time")
    two = fg.mixed("h ~ x + offset(log(time)) + (1 | g)", data, "poisson")
    assert one.criterion == two.criterion
    np.testing.assert_array_equal(np.asarray(one.predict(data)), np.asarray(two.predict(data)))


def test_aliased_columns_are_left_out():
    data = small(np.random.default_rng(7))
    with pytest.warns(RankWarning, match="twice"):
        fit = fg.mixed("y ~ x + twice + (1 | g)", data | {"twice": 2 * data["x"]})
    plain = fg.mixed("y ~ x + (1 | g)", data)
    assert np.isnan(np.asarray(fit.params)[2])
    np.testing.assert_allclose(np.asarray(fit.params)[:2], np.asarray(plain.params), atol=1e-7)
    assert fit.criterion == pytest.approx(plain.criterion, abs=1e-7)


def test_structures_bound_each_other():
    rng = np.random.default_rng(8)
    n = 400
    data = {"g": rng.integers(0, 40, n), "f": np.array(list("abc"))[rng.integers(0, 3, n)]}
    effects = rng.multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), 40)
    column = np.searchsorted(list("abc"), data["f"])
    data["y"] = effects[data["g"], column] + rng.normal(size=n)
    fits = {s: fg.mixed(f"y ~ f + {s}(0 + f | g)", data) for s in ("diag", "cs", "ar1", "us")}
    value = {s: fit.criterion for s, fit in fits.items()}
    assert value["us"] < value["cs"] < value["diag"]
    assert all(fit.gradient < 1e-6 for fit in fits.values())
    correlations = fits["cs"].varcorr.query("term2.notna() and term2 != ''")["sd"]
    np.testing.assert_allclose(correlations, correlations.iloc[0])


def test_large_offsets_of_the_response_cost_no_digits():
    data = small(np.random.default_rng(9))
    fit = fg.mixed("y ~ x + (1 | g)", data)
    far = fg.mixed("y ~ x + (1 | g)", data | {"y": data["y"] + 1e7, "x": data["x"] + 1e6})
    np.testing.assert_allclose(far.theta, fit.theta, rtol=1e-6)
    assert far.sigma == pytest.approx(fit.sigma, rel=1e-7)


@pytest.mark.parametrize(
    ("formula", "family"), [("y ~ x + (x | g)", "gaussian"), ("h ~ x + (1 | g)", "poisson")]
)
def test_a_row_of_weight_zero_is_absent(formula, family):
    rng = np.random.default_rng(10)
    data, weights = small(rng), rng.uniform(0.5, 2.0, 120)
    weights[rng.random(120) < 0.2] = 0.0
    keep = weights > 0.0
    ours = fg.mixed(formula, data, family, weights=weights)
    without = fg.mixed(
        formula, {k: v[keep] for k, v in data.items()}, family, weights=weights[keep]
    )
    assert ours.nobs == without.nobs
    assert ours.criterion == pytest.approx(without.criterion, abs=1e-9)
    assert ours.bic == pytest.approx(without.bic, abs=1e-9)
    np.testing.assert_allclose(ours.params, without.params, atol=1e-9)


def test_an_offset_is_taken_off_the_response():
    rng = np.random.default_rng(11)
    data, offset = small(rng), rng.normal(size=120)
    ours = fg.mixed("y ~ x + (1 | g)", data, offset=offset)
    without = fg.mixed("y ~ x + (1 | g)", data | {"y": data["y"] - offset})
    assert ours.criterion == pytest.approx(without.criterion, abs=1e-9)
    np.testing.assert_allclose(ours.fittedvalues, without.fittedvalues + offset, atol=1e-9)
