"""Bad input of linear, generalized and several-predictor models: one sentence for each."""

import re
import warnings

import numpy as np
import pytest
from mixed_several_cases import draw_frame

import fastglm as fg
from fastglm.errors import ConvergenceWarning, DataError, FormulaError, ModelError
from fastglm.mixed import layout, optimum

#: Frame, options, and which of the kinds has a residual variance of its own.
KINDS = {
    "linear": ("beta", {}),
    "poisson": ("zip", {"family": "poisson"}),
    "beta": ("beta", {"family": "beta"}),
    "ordinal": ("ordinal", {"family": "ordinal"}),
    "zip": ("zip", {"family": "poisson", "ziformula": "~1"}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    case, options = KINDS[request.param]
    frame = draw_frame(case, q=12, n=150)
    rng = np.random.default_rng(0)
    frame["measured"], frame["k"], frame["one"] = rng.normal(size=150), 3.0, "a"
    frame["row"] = np.arange(150)
    return request.param, frame, options


@pytest.mark.parametrize(
    ("random", "error", "words"),
    [
        ("(1 | measured)", DataError, "'measured' holds numbers that are not whole"),
        ("(1 | g:measured)", DataError, "'measured' holds numbers that are not whole"),
        ("(1 | one)", DataError, "'one' has one level only"),
        ("(k | g)", DataError, "'k' in a random term of 'g' is a combination of Intercept"),
        ("(0 + x + k + one | g)", DataError, "a combination of k"),
        ("(1 | g) + (1 | g)", ModelError, "have Intercept twice"),
        ("1 | g", FormulaError, "'|' stands outside parentheses"),
        ("(1 | g | h)", FormulaError, "a bar must stand alone"),
        ("log(1 | g)", FormulaError, "a bar must stand alone"),
        ("x:(1 | g)", FormulaError, "a bar must stand alone"),
        ("(| g)", FormulaError, "a side of the bar is empty"),
        ("(1 |)", FormulaError, "a side of the bar is empty"),
        ("(1 | g", FormulaError, "a parenthesis is not closed"),
        ("cs(1 | g)", ModelError, "needs two or more columns"),
    ],
)
def test_random_terms_that_cannot_be(kind, random, error, words):
    _, frame, options = kind
    with pytest.raises(error, match=re.escape(words)):
        fg.mixed(f"y ~ x + {random}", frame, **options)


@pytest.mark.parametrize("formula", ["y | x ~ (1 | g)", "y ~ x - (1 | g)", "y | x ~ x | g"])
def test_bars_in_the_wrong_place(kind, formula):
    _, frame, options = kind
    with pytest.raises(FormulaError):
        fg.mixed(formula, frame, **options)


def test_a_level_for_every_row(kind):
    name, frame, options = kind
    if name == "linear":
        with pytest.raises(ModelError, match="'row' has 150 random effects for 150 observations"):
            fg.mixed("y ~ x + (1 | row)", frame)
        return
    fit = fg.mixed("y ~ x + (1 | row)", frame, **options)
    assert fit.converged
    assert fit.gradient < 1e-6


def test_more_effects_than_memory(kind, monkeypatch):
    _, frame, options = kind
    monkeypatch.setattr(layout, "MOST_ENTRIES", 10)
    with pytest.raises(ModelError, match=r"7 effects .* matrix of 49 numbers .* leave a factor"):
        fg.mixed("y ~ x + (1 | g) + (1 | h)", frame, **options)


def test_a_fit_that_stops_early_names_what_moves(kind, monkeypatch):
    _, frame, options = kind
    monkeypatch.setattr(optimum, "MOST_POLISHING", 0)
    with pytest.warns(
        ConvergenceWarning, match=r"(coefficient of|parameter) .* still moves"
    ) as caught:
        fit = fg.mixed("y ~ x + (1 + x | g)", frame, max_iter=1, **options)
    assert not fit.converged
    assert len(caught) == 1
    assert "NO" in str(fit.summary())


def test_a_singular_fit_is_a_fact(kind):
    """Levels that do not differ: no warning, and the summary says what does not vary."""
    _, frame, options = kind
    frame["g"] = np.arange(150) % 15
    frame["y"] = np.sort(frame["y"].to_numpy()).reshape(10, 15).ravel()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fg.mixed("y ~ x + (1 | g)", frame, **options)
    assert fit.singular == {"g": "Intercept"}
    assert fit.converged
    assert np.isnan(fit.varcorr["se"][0])
    assert "Singular: the variance of Intercept" in str(fit.summary())


def test_a_correlation_at_its_end_is_held_there():
    """cs() and ar1() end where lme4 would be singular, not with a warning that t still moves."""
    rng = np.random.default_rng(3)
    g, f = np.repeat(np.arange(12), 12), np.tile(np.arange(3), 48)
    effects = rng.normal(size=12)[:, None] * [1.0, 0.6, 0.8]
    frame = {"g": g, "f": np.array(list("uvw"))[f], "x": rng.normal(size=144)}
    frame["y"] = rng.poisson(np.exp(0.3 + effects[g, f]))
    fit = fg.mixed("y ~ x + cs(0 + f | g)", frame, "poisson")
    assert fit.converged
    assert "f[u]" in fit.singular["g"]
    table = fit.varcorr
    np.testing.assert_allclose(table["sd"][3:].astype(float), 1.0, atol=1e-10)
    assert np.isnan(table["se"][3:].astype(float)).all()
    # Near the end the criterion is no lower: theta is as it was but for the correlation.
    eta = fit.estimate.state.given_eta
    at = fit.estimate.state.parameters
    for t in (4.0, 6.0):
        inside = type(at)(at.beta, np.append(at.theta[:-1], t), at.log_extra)
        assert fit.estimate.problem.at(inside, eta).value > fit.criterion
    # The one standard deviation of perfectly correlated effects is that of products with these.
    scaled = frame | {"z": np.array([1.0, *(table["sd"][1:3] / table["sd"][0])])[f]}
    one = fg.mixed("y ~ x + (0 + z | g)", scaled, "poisson")
    assert one.criterion == pytest.approx(fit.criterion, abs=1e-6)
    # The same of a linear model is one with effects of levels, whatever the columns.
    frame["y"] = np.exp(effects[g, 0]) + 0.1 * rng.normal(size=144)
    ar1 = fg.mixed("y ~ x + ar1(0 + f | g)", frame, reml=False)
    assert ar1.converged
    assert "g" in ar1.singular
    plain = fg.mixed("y ~ x + (1 | g)", frame, reml=False)
    assert ar1.criterion == pytest.approx(plain.criterion, abs=1e-6)
    np.testing.assert_allclose(ar1.bse, plain.bse, rtol=1e-6)
    bound = np.array([1.0, 40.0]), np.array([1.0, -40.0])
    for theta in bound:
        structure = ar1.estimate.layout.blocks[0].terms[0].structure
        assert np.isfinite(structure.factor(theta)).all()


def test_signs_of_standard_deviations_do_not_matter():
    """cs() has one correlation: a negative standard deviation would turn it round for one pair."""
    structure = fg.mixed(
        "y ~ 1 + cs(0 + f | g)",
        {"y": np.arange(24.0) ** 0.5, "f": list("uvw") * 8, "g": np.repeat(range(4), 6)},
    ).estimate.layout.blocks[0].terms[0].structure  # fmt: skip
    at = np.array([0.5, -0.4, 0.3, 0.2])
    factor = structure.factor(at)
    np.testing.assert_allclose(factor, structure.factor(structure.canonical(at)))
    step = 1e-6 * np.eye(4)
    slopes = [(structure.factor(at + s) - structure.factor(at - s)) / 2e-6 for s in step]
    np.testing.assert_allclose(structure.jacobian(at), slopes, atol=1e-8)


def test_names_with_spaces():
    frame = draw_frame("zip", q=12, n=150)
    plain = fg.mixed("y ~ x + (1 + x | g)", frame, "poisson")
    spaced = frame.rename(columns={"x": "x 1", "g": "my group"})
    by_formula = fg.mixed("y ~ `x 1` + (1 + `x 1` | `my group`)", spaced, "poisson")
    by_groups = fg.MixedGLM.from_formula(
        "y ~ `x 1`", spaced, "poisson", groups="my group", re_formula="~ `x 1`"
    ).fit()
    for fit in (by_formula, by_groups):
        assert fit.criterion == plain.criterion
        assert list(fit.ranef()) == ["my group"]


def test_a_constant_share_is_refused():
    frame = draw_frame("beta", q=12, n=150).assign(y=0.5)
    for fit in (fg.mixed, fg.BetaModel.from_formula):
        formula = "y ~ x + (1 | g)" if fit is fg.mixed else "y ~ x"
        options = {"family": "beta"} if fit is fg.mixed else {}
        with pytest.raises(DataError, match=r"response is 0\.5 in every row"):
            fit(formula, frame, **options)


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(3)
    frame = {"x": rng.normal(size=60), "g": np.repeat(np.arange(6.0), 10)}
    frame["y"] = rng.poisson(np.exp(0.3 * frame["x"] + 0.2 * frame["g"]))
    return fg.mixed("y ~ x + (1 | g)", frame, "poisson"), frame


def test_options_of_new_rows_are_refused_for_the_fitted_ones(counts):
    fit, frame = counts
    with pytest.raises(ModelError, match="predict of the fitted rows takes no offset="):
        fit.predict(offset=np.zeros(60))
    moved = fit.predict(frame, which="linear", offset=np.ones(60))
    np.testing.assert_allclose(moved, fit.predict(frame, which="linear") + 1.0, rtol=1e-14)


def test_a_single_row_is_a_frame_of_one_row(counts):
    fit, frame = counts
    row = {"x": float(frame["x"][3]), "g": 0.0}
    np.testing.assert_array_equal(fit.predict(row), fit.predict(frame)[3:4])
