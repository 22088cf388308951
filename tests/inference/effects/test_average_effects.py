from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

import fastglm as fg
from fastglm.errors import DataError, ModelError

FORMULA = "y ~ x * group + C(zone) + offset(log(hours))"


@pytest.fixture
def arrays():
    rng = np.random.default_rng(1)
    X = np.column_stack(
        [np.ones(300), rng.normal(2, 1, 300), rng.integers(0, 2, 300), rng.poisson(3, 300)]
    )
    return (rng.random(300) < 1 / (1 + np.exp(-X @ [-1, 0.5, 0.6, -0.1]))).astype(float), X


def numeric_gradient(fit, function, step=1e-6):
    """Derivatives of a function of the coefficients."""
    beta = np.asarray(fit.params)
    return np.array(
        [
            (function(beta + step * e) - function(beta - step * e)) / (2 * step)
            for e in np.eye(beta.size)
        ]
    ).T


def mean_of(fit, data):
    X = fit.fitted_formula.apply(data).design.to_dense()
    offset = np.log(data.hours.to_numpy())
    return lambda beta: np.exp(X @ beta + offset)


def assert_delta_method(fit, ours, function):
    value = np.atleast_1d(function(np.asarray(fit.params)))
    gradient = np.atleast_2d(numeric_gradient(fit, function))
    np.testing.assert_allclose(ours.estimate, value, rtol=1e-6)
    covariance = gradient @ np.asarray(fit.cov_params()) @ gradient.T
    np.testing.assert_allclose(ours.covariance, covariance, rtol=1e-4, atol=1e-9)


def test_average_predictions(frame):
    fit = fg.glm(FORMULA, frame, "poisson")
    assert_delta_method(fit, fit.avg_predictions(), lambda b: mean_of(fit, frame)(b).mean())
    ours = fit.avg_predictions({"group": ["a", "c"], "x": 0.5})
    assert ours.names == ("group=a, x=0.5", "group=c, x=0.5")
    settings = [mean_of(fit, frame.assign(group=g, x=0.5)) for g in "ac"]
    assert_delta_method(fit, ours, lambda b: np.array([f(b).mean() for f in settings]))
    by = fit.avg_predictions(by="zone")
    mean = mean_of(fit, frame)
    groups = [frame.zone.to_numpy() == zone for zone in (1, 2, 3)]
    assert_delta_method(fit, by, lambda b: np.array([mean(b)[g].mean() for g in groups]))


def test_average_comparisons_of_levels_and_numbers(frame):
    fit = fg.glm(FORMULA, frame, "poisson")
    ours = fit.avg_comparisons("group")
    assert ours.names == ("group: b - a", "group: c - a")
    at = {g: mean_of(fit, frame.assign(group=g)) for g in "abc"}
    assert_delta_method(
        fit, ours, lambda b: np.array([(at[g](b) - at["a"](b)).mean() for g in "bc"])
    )
    more, own = mean_of(fit, frame.assign(x=frame.x + 2.0)), mean_of(fit, frame)
    assert_delta_method(
        fit, fit.avg_comparisons("x", step=2.0), lambda b: (more(b) - own(b)).mean()
    )
    zones = fit.avg_comparisons("zone")
    assert zones.names == ("zone: 2 - 1", "zone: 3 - 1")


def test_average_slopes_go_through_every_term(frame):
    fit = fg.glm("y ~ bs(x, df=5) + group + offset(log(hours))", frame, "poisson")
    ours = fit.avg_slopes("x")
    inner = (frame.x > frame.x.min() + 1e-4) & (frame.x < frame.x.max() - 1e-4)
    high, low = frame.x + 1e-5 * inner, frame.x - 1e-5 * inner
    change = mean_of(fit, frame.assign(x=high))(np.asarray(fit.params)) - mean_of(
        fit, frame.assign(x=low)
    )(np.asarray(fit.params))
    expected = (change[inner] / 2e-5).sum() / inner.sum()
    assert ours.estimate[0] == pytest.approx(expected, rel=0.02)
    log_linear = fg.glm(FORMULA.replace("x * group", "x + group"), frame, "poisson")
    slope = log_linear.avg_slopes("x", by="group")
    mean = mean_of(log_linear, frame)
    groups = [(frame.group == g).to_numpy() for g in "abc"]
    assert_delta_method(
        log_linear,
        slope,
        lambda b: np.array([b[log_linear.names.index("x")] * mean(b)[g].mean() for g in groups]),
    )


def test_a_variable_in_the_offset_moves_the_offset(frame):
    fit = fg.glm("y ~ x + offset(log(hours))", frame, "poisson")
    doubled = fit.avg_predictions({"hours": 2.0}).estimate[0]
    mean = np.exp(fit.params["Intercept"] + fit.params["x"] * frame.x) * 2.0
    assert doubled == pytest.approx(mean.mean())


def test_questions_about_variables_need_a_formula(frame, arrays):
    y, X = arrays
    with pytest.raises(ModelError, match="formula"):
        fg.GLM(y, X, "binomial").fit().avg_slopes("x1")
    fit = fg.glm(FORMULA, frame, "poisson")
    with pytest.raises(ModelError, match="not in the formula"):
        fit.avg_slopes("y")
    with pytest.raises(ModelError, match="categorical"):
        fit.avg_slopes("group")
    with pytest.raises(ModelError, match="no level"):
        fit.avg_predictions({"group": "z"})


def test_a_boolean_changes_from_false_to_true(frame):
    fit = fg.glm("y ~ x + late", frame.assign(late=frame.hours > 2.0), "poisson")
    ours = fit.avg_comparisons("late")
    assert ours.names == ("late: True - False",)
    mean = [
        np.exp(fit.params["Intercept"] + fit.params["x"] * frame.x + late)
        for late in (0.0, fit.params.iloc[-1])
    ]
    assert ours.estimate[0] == pytest.approx((mean[1] - mean[0]).mean())
    assert fit.emmeans("late").names == ("late=False", "late=True")


def test_any_frame_library_and_rows_left_out(frame):
    polars = pytest.importorskip("polars")
    formula = "y ~ x * group + C(zone)"
    fit = fg.glm(formula, frame, "poisson")
    other = fg.glm(formula, polars.from_pandas(frame), "poisson")
    for ask in (
        lambda f: f.avg_slopes("x", by="group"),
        lambda f: f.avg_comparisons("group"),
        lambda f: f.emmeans("zone"),
    ):
        np.testing.assert_allclose(ask(other).estimate, ask(fit).estimate, rtol=1e-10)
    gaps = frame.copy()
    gaps.loc[:20, "x"] = np.nan
    dropped = fg.glm(formula, gaps, "poisson", missing="drop")
    kept = fg.glm(formula, gaps.dropna(), "poisson")
    np.testing.assert_allclose(
        dropped.avg_slopes("x", by="zone").estimate, kept.avg_slopes("x", by="zone").estimate
    )


def test_slopes_and_their_errors_are_exact_where_half_the_rows_are_at_an_end():
    rng = np.random.default_rng(8)
    x = np.where(rng.random(500) < 0.5, 0.0, rng.uniform(0.0, 3.0, 500))
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=500)})
    frame["y"] = (rng.random(500) < special.expit(0.5 * x - 0.2 * x**2 + frame.z)).astype(float)
    fit = fg.glm("y ~ x + I(x ** 2) + x:z", frame, "binomial")
    b = fit.params.to_numpy()
    X = np.column_stack([np.ones(500), x, x**2, x * frame.z])
    D = np.column_stack([np.zeros(500), np.ones(500), 2.0 * x, frame.z])
    link = fit.family.link
    slope, bend = link.inverse_deriv(X @ b), link.inverse_deriv2(X @ b)
    gradient = ((bend * (D @ b))[:, None] * X + slope[:, None] * D).mean(axis=0)
    ours = fit.avg_slopes("x")
    assert ours.estimate[0] == pytest.approx((slope * (D @ b)).mean(), rel=1e-9)
    error = np.sqrt(gradient @ fit.cov_params().to_numpy() @ gradient)
    assert ours.standard_error[0] == pytest.approx(error, rel=1e-9)


def test_groups_need_values_and_observations(frame):
    gap = frame.assign(half=pd.Categorical([None, *np.where(frame.x[1:] > 1.0, "high", "low")]))
    gap["number"] = frame.zone.where(frame.index != 7)
    fit = fg.glm(FORMULA, gap, "poisson")
    for by, row in (("half", 0), ("number", 7)):
        for ask in (
            lambda by=by: fit.avg_predictions(by=by),
            lambda by=by: fit.avg_comparisons("group", by=by),
            lambda by=by: fit.avg_slopes("x", by=by),
        ):
            with pytest.raises(DataError, match=f"'{by}' has no value in row {row}"):
                ask()
    times = (frame.group != "b").astype(int)
    some = fg.glm("y ~ x + C(zone)", frame, "poisson", freq_weights=times)
    rest = fg.glm("y ~ x + C(zone)", frame[times > 0], "poisson")
    for ask in ("avg_predictions", "avg_slopes"):
        arguments = {} if ask == "avg_predictions" else {"variable": "x"}
        ours, theirs = (getattr(fit, ask)(by="group", **arguments) for fit in (some, rest))
        assert ours.names == theirs.names
        np.testing.assert_allclose(ours.estimate, theirs.estimate, rtol=1e-6)
        np.testing.assert_allclose(ours.standard_error, theirs.standard_error, rtol=1e-6)


def test_a_formula_without_variables_has_an_average(frame):
    fit = fg.glm("y ~ 1", frame, "poisson")
    for by, expected in ((None, [frame.y.mean()]), ("group", [frame.y.mean()] * 3)):
        np.testing.assert_allclose(fit.avg_predictions(by=by).estimate, expected, rtol=1e-7)


def test_a_categorical_variable_that_is_named_takes_all_its_levels(frame):
    fit = fg.glm("y ~ x + group", frame, family="poisson")
    levels = sorted(set(frame["group"]))
    expected = fit.avg_predictions({"group": levels})
    for named in ("group", ["group"]):
        found = fit.avg_predictions(named)
        assert found.names == expected.names
        np.testing.assert_array_equal(found.estimate, expected.estimate)
    with pytest.raises(ModelError, match="'x' is numeric: give its values"):
        fit.avg_predictions("x")
    with pytest.raises(ModelError, match="variables is a dictionary of values"):
        fit.avg_predictions(1)


@pytest.mark.parametrize("by", [1, ["group"], 0.5])
def test_columns_are_called_by_text(frame, by):
    fit = fg.glm("y ~ x + group", frame, family="poisson")
    with pytest.raises(DataError, match="a column is called by its name, a text"):
        fit.avg_predictions(by=by)
    for wrong in ({"specs": None}, {"specs": "group", "at": 1}, {"specs": "group", "at": "x"}):
        with pytest.raises(ModelError, match="emmeans takes a name or a list of names"):
            fit.emmeans(**wrong)


def test_without_a_variable_all_are_in_the_table(frame):
    fit = fg.glm("y ~ x + group", frame, "poisson")
    slopes, slope, changes = fit.avg_slopes(), fit.avg_slopes("x"), fit.avg_comparisons("group")
    assert slopes.names == (*slope.names, *changes.names)
    np.testing.assert_allclose(slopes.estimate, [*slope.estimate, *changes.estimate], rtol=1e-12)
    errors = [*slope.standard_error, *changes.standard_error]
    np.testing.assert_allclose(slopes.standard_error, errors, rtol=1e-10)
    both, step = fit.avg_comparisons(by="zone"), fit.avg_comparisons("x", by="zone")
    assert len(both.names) == 3 * len(step.names)
    np.testing.assert_allclose(both.estimate[: len(step.names)], step.estimate, rtol=1e-12)
    with pytest.raises(ModelError, match="the formula has no variables"):
        fg.glm("y ~ 1", frame, "poisson").avg_slopes()


@pytest.mark.parametrize("step", ["sd", None, np.inf])
def test_a_step_is_a_number(step):
    data = {"x": np.arange(20.0), "y": np.arange(20.0) % 3}
    with pytest.raises(ModelError, match="step must be a number, not "):
        fg.glm("y ~ x", data, family="poisson").avg_comparisons("x", step=step)
