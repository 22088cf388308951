"""Fits under linear equations: against statsmodels, and against fits of the summed columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import FastGLMError, ModelError
from fastglm.inference.hypothesis_tests.constrained import read_restriction
from fastglm.inference.hypothesis_tests.hypotheses import read_hypothesis

EQUATIONS = (
    "x1 = x2",
    "x1 = x2, x3 = 0.5",
    "x1 + x2 + x3 = 1",
    "2*x1 - 3*x2 = 0.25, g[T.b] = g[T.c]",
    "Intercept = 0.2",
    "Intercept = x1, x3 = 0",
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 200
    frame = pd.DataFrame({
        "x1": rng.normal(size=n), "x2": rng.normal(5.0, 2.0, n), "x3": rng.normal(size=n),
        "g": rng.choice(list("abc"), n), "w": rng.integers(1, 4, n), "id": np.arange(n) // 10,
    })  # fmt: skip
    eta = 0.3 + 0.2 * frame.x1 + 0.1 * frame.x2
    frame["count"] = rng.poisson(np.exp(eta))
    frame["cost"] = rng.gamma(2.0, np.exp(eta) / 2.0)
    frame["both"], frame["far"] = frame.x1 + frame.x2, frame.x2 + 1e7
    return frame


@pytest.fixture(scope="module")
def pair(data):
    """A fit under a constraint, and that of the model that has it built in."""
    model = fg.GLM.from_formula("count ~ x1 + x2 + x3 + g", data, "poisson")
    return model.fit_constrained("x1 = x2"), fg.glm("count ~ both + x3 + g", data, "poisson")


@pytest.mark.parametrize("text", EQUATIONS)
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_estimates_and_errors_are_those_of_statsmodels(data, family, text):
    smf = pytest.importorskip("statsmodels.formula.api")
    from statsmodels.genmod import families

    formula = ("count" if family == "poisson" else "cost") + " ~ g + x1 + x2 + x3"
    model = fg.GLM.from_formula(formula, data, family, freq_weights="w")
    res = model.fit_constrained(text)
    matrix, values, _ = read_hypothesis(text, model.names)
    of = {"poisson": families.Poisson(), "gaussian": families.Gaussian()}[family]
    theirs = smf.glm(formula, data, family=of, freq_weights=data.w)
    theirs = theirs.fit_constrained((matrix, values), tol=1e-13)
    np.testing.assert_allclose(matrix @ res.params, values, atol=1e-14)
    np.testing.assert_allclose(res.params, theirs.params, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(res.cov_params(), theirs.cov_params(), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(res.deviance, theirs.deviance, rtol=1e-12)
    assert res.df_resid == theirs.df_resid
    np.testing.assert_allclose(res.scale, theirs.scale, rtol=1e-9)


def test_both_spellings_are_one(data):
    model = fg.GLM.from_formula("count ~ x1 + x2 + x3", data, "poisson")
    one = model.fit_constrained("x1 = x2, x3 = 0.1")
    other = model.fit_constrained(([[0, 1, -1, 0], [0, 0, 0, 1]], [0.0, 0.1]))
    np.testing.assert_array_equal(one.params, other.params)
    assert one.constraints == other.constraints == ("x1 - x2 = 0", "x3 = 0.1")
    assert "Estimated under x1 - x2 = 0, x3 = 0.1." in str(one.summary())


COVARIANCES = [("HC0", {}), ("HC1", {}), ("HC3", {}), ("HAC", {}), ("cluster", {"groups": "id"})]


@pytest.mark.parametrize(("name", "options"), COVARIANCES)
def test_robust_covariances_are_those_of_the_smaller_model(pair, name, options):
    one, other = (fit.with_covariance(name, **options) for fit in pair)
    np.testing.assert_allclose(one.bse.iloc[[1, 3, 4, 5]], other.bse.iloc[1:], rtol=1e-10)
    assert one.df_inference == other.df_inference


def test_what_belongs_to_rows_is_that_of_the_smaller_model(pair, data):
    one, other = pair
    for name in ("llf", "aic", "bic", "null_deviance", "df_model", "pearson_chi2"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-10)
    a, b = one.get_influence(), other.get_influence()
    np.testing.assert_allclose(a.hat_matrix_diag, b.hat_matrix_diag, rtol=1e-9)
    np.testing.assert_allclose(a.cooks_distance[0], b.cooks_distance[0], rtol=1e-8)
    frames = [fit.get_prediction(data.head(5)).summary_frame() for fit in pair]
    np.testing.assert_allclose(*frames, rtol=1e-9)
    errors = [fit.emmeans("g").contrasts().standard_error for fit in pair]
    np.testing.assert_allclose(*errors, rtol=1e-9)


def test_columns_far_from_zero_keep_their_digits(data):
    """The intercept is a small difference of large numbers; means of rows are not."""
    model = fg.GLM.from_formula("count ~ x1 + far + x3", data, "poisson")
    near = fg.GLM.from_formula("count ~ x1 + x2 + x3", data, "poisson")
    one, other = model.fit_constrained("x1 = x3"), near.fit_constrained("x1 = x3")
    frames = [fit.get_prediction().se_mean for fit in (one, other)]
    np.testing.assert_allclose(*frames, rtol=1e-7)


def test_a_loaded_fit_remembers_its_constraints(pair, tmp_path):
    one, _ = pair
    one.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    assert loaded.constraints == one.constraints
    np.testing.assert_array_equal(loaded.bse, one.bse)


def test_fits_with_and_without_are_compared(pair, data):
    one, _ = pair
    large = one.model.fit()
    table = fg.anova(one, large)
    assert table["Df"][1] == 1.0
    np.testing.assert_allclose(table["Deviance"][1], one.deviance - large.deviance)


OTHER_MODELS = [
    lambda fit: fit.anova(),
    lambda fit: fit.drop1(),
    lambda fit: fit.add1("I(x3 ** 2)"),
    lambda fit: fit.step(),
    lambda fit: fit.confint(),
    lambda fit: fit.bootstrap(20),
    lambda fit: fit.bootstrap(20, kind="parametric"),
    lambda fit: fit.score_test(np.arange(200.0)),
    lambda fit: fit.link_test(),
    lambda fit: fit.goodness_of_link(),
    lambda fit: fit.power_link_profile(),
    lambda fit: fit.lack_of_fit(),
    lambda fit: fit.vif(),
    lambda fit: fit.collinearity(),
    lambda fit: fit.fit(tol=1e-4),
    lambda fit: fit.update(". ~ . - x3"),
]


@pytest.mark.parametrize("ask", OTHER_MODELS)
def test_what_needs_other_models_is_refused(pair, ask):
    with pytest.raises(ModelError, match="constraints of this fit"):
        ask(pair[0])


def test_tests_of_what_is_held_are_refused(pair):
    with pytest.raises(ModelError, match="constraints of this fit determine"):
        pair[0].wald_test("x1 - x2 = 0")


@pytest.mark.parametrize(
    ("equations", "message"),
    [
        ("x1 = 0, x1 = 1", "contradict"),
        ("x1 = x2, 2*x1 = 2*x2", "follows from"),
        ("0*x1 = 0", "involves no coefficient"),
        ("x1 = 0, x2 = 0, x3 = 0, Intercept = 0", "no coefficient to be estimated"),
        ("z = 0", "cannot be read"),
    ],
)
def test_equations_that_make_no_sense(data, equations, message):
    model = fg.GLM.from_formula("count ~ x1 + x2 + x3", data, "poisson")
    with pytest.raises(FastGLMError, match=message):
        model.fit_constrained(equations)


def test_options_without_a_meaning_are_refused(data):
    model = fg.GLM.from_formula("won ~ x1 + x2", data.assign(won=data["count"] > 1), "binomial")
    for options in ({"bias_reduction": "firth"}, {"separation": "drop"}, {"separation": "firth"}):
        with pytest.raises(ModelError):
            model.fit_constrained("x1 = x2", **options)


def test_a_constraint_may_make_up_for_a_collinear_column(data):
    """R's sum-to-zero of a full set of indicators; without it they are not determined."""
    X = np.column_stack([np.ones(len(data)), *(data.g == level for level in "abc")]).astype(float)
    model = fg.GLM(data["count"].to_numpy(), X, "poisson")
    res = model.fit_constrained("x1 + x2 + x3 = 0")
    coded = fg.glm("count ~ C(g, contr.sum)", data, "poisson")
    np.testing.assert_allclose(res.params[:3], coded.params, rtol=1e-9)
    np.testing.assert_allclose(res.bse[:3], coded.bse, rtol=1e-9)
    with pytest.raises(ModelError, match="do not determine"):
        model.fit_constrained("x1 = x2")


def test_the_intercept_is_solved_for_only_where_it_must_be():
    names = ("Intercept", "a", "b")
    assert list(read_restriction("Intercept + 0.01*a = 2", names, 0).free) == [0, 2]
    assert list(read_restriction("Intercept = 2", names, 0).free) == [1, 2]


def test_infinite_estimates_are_told_of_all_that_are_tied():
    y = np.array([0, 0, 0, 1, 1, 1.0])
    X = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1], [0, 1, 0, 1, 0, 1], [1, 0, 2, 1, 0, 2]])
    with pytest.warns(fg.errors.SeparationWarning):
        res = fg.GLM(y, X, "binomial").fit_constrained("x1 + x2 = 0")
    assert res.infinite["x1"] == -res.infinite["x2"] != 0
