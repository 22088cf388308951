"""Splines and polynomials of many rows: formulaic's own values and what it learns."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.design.formula import transforms
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.many_rows import FEW_VALUES, few_values
from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.design.matrix.parts import Indicators, Piecewise
from fastglm.errors import DataError, FormulaError

N = 12_000
CALLS = [
    ("bs", {"df": 5}),
    ("bs", {"df": 7, "degree": 2, "include_intercept": True}),
    ("bs", {"df": 4, "degree": 0}),
    ("bs", {"knots": [30.0, 30.0, 45.0]}),
    ("bs", {"degree": 4}),
    ("bs", {"df": 5, "extrapolation": "clip", "lower_bound": 25.0, "upper_bound": 60.0}),
    ("cr", {"df": 5}),
    ("cr", {"df": 4, "constraints": None}),
    ("cs", {"knots": [30.0, 40.0]}),
    ("cc", {"df": 5}),
    ("cc", {"df": 3, "constraints": None}),
    ("poly", {"degree": 4}),
    ("poly", {"degree": 3, "raw": True}),
]


def column(kind, seed=0):
    generator = np.random.default_rng(seed)
    values = generator.gamma(4.0, 6.0, N) + 18.0
    return {"continuous": values, "integer": np.floor(values).clip(max=70.0)}[kind]


@pytest.fixture
def formulaic(monkeypatch):
    """Formulaic's own answers."""

    def answer(*args):
        with monkeypatch.context() as patch:
            patch.setattr(transforms, "MANY_ROWS", 10**9)
            return apply_stateful(*args)

    return answer


def assert_states_agree(state, expected):
    assert state.keys() == expected.keys()
    for key, value in expected.items():
        if value is None or isinstance(value, bool):
            assert state[key] == value
        else:
            np.testing.assert_allclose(state[key], value, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), CALLS)
@pytest.mark.parametrize("kind", ["continuous", "integer"])
def test_values_and_state_are_formulaics(name, options, kind, formulaic):
    values, state, expected_state = column(kind), {}, {}
    basis = apply_stateful(name, [values], options, state, name)
    expected = formulaic(name, [values], options, expected_state, name)
    assert basis.labels == expected.labels
    assert basis.spans_intercept == expected.spans_intercept
    size = np.abs(expected.values).max()
    np.testing.assert_allclose(basis.values, expected.values, rtol=0.0, atol=2e-13 * size)
    assert_states_agree(state, expected_state)
    # New rows, some of which are beyond the old ones.
    new, saved = column(kind, 1), json.loads(json.dumps(state))
    inside = new.clip(values.min(), values.max())
    for rows in (inside, new) if name != "bs" else (inside,):
        found = apply_stateful(name, [rows], options, saved, name).values
        wanted = formulaic(name, [rows], options, expected_state, name).values
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=2e-12 * np.abs(wanted).max())
    assert saved == state


def test_arguments_by_place_are_those_by_name():
    values = column("continuous")
    one, other = {}, {}
    placed = apply_stateful("bs", [values, 6, None, 2], {}, one, "bs")
    named = apply_stateful("bs", [values], {"df": 6, "degree": 2}, other, "bs")
    np.testing.assert_array_equal(placed.values, named.values)
    assert one == other


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("bs", {"df": 2}, DataError),
        ("bs", {"df": 5, "knots": [30.0]}, DataError),
        ("cr", {}, DataError),
        ("cr", {"df": 0}, DataError),
        ("bs", {"df": 5, "smooth": 1}, FormulaError),
    ],
)
@pytest.mark.parametrize("kind", ["continuous", "integer"])
def test_errors_are_formulaics(name, options, error, kind, formulaic):
    with pytest.raises(error) as expected:
        formulaic(name, [column(kind)], options, {}, name)
    with pytest.raises(error) as found:
        apply_stateful(name, [column(kind)], options, {}, name)
    assert str(found.value) == str(expected.value)


def test_new_rows_beyond_the_knots_are_refused_as_ever():
    state, values = {}, column("continuous")
    apply_stateful("bs", [values], {"df": 5}, state, "bs")
    with pytest.raises(
        DataError, match=r"outside the outer knots, .*lower_bound= and upper_bound="
    ):
        apply_stateful("bs", [values + 1.0], {"df": 5}, state, "bs")


def test_few_values_are_all_found():
    values = np.repeat([3.0, 1.5, 7.0], [5_000, 4_999, 1])
    values = np.concatenate([values, np.full(N - values.size, 2.0)])
    levels, codes = few_values(values)
    np.testing.assert_array_equal(levels, [1.5, 2.0, 3.0, 7.0])
    np.testing.assert_array_equal(levels[codes], values)
    assert few_values(np.arange(N) % (FEW_VALUES + 1.0)) is None
    for apart in (np.arange(N) % 90 - 40.0, np.arange(N) % 7 * 500.0 + 0.5, np.arange(N) % 2 * 1e9):
        levels, codes = few_values(apart)
        np.testing.assert_array_equal(levels, np.unique(apart))
        np.testing.assert_array_equal(levels[codes], apart)
    # Whole numbers but for one that a glance does not see.
    apart = np.arange(N) % 90 - 40.0
    apart[7] += 0.25
    levels, codes = few_values(apart)
    np.testing.assert_array_equal(levels, np.unique(apart))
    np.testing.assert_array_equal(levels[codes], apart)
    # More values than a glance sees.
    hidden = np.zeros(N)
    hidden[1 : 2 * FEW_VALUES : 2] = np.arange(FEW_VALUES) + 1.0
    assert few_values(hidden) is None


@pytest.mark.parametrize("kind", ["continuous", "integer"])
@pytest.mark.parametrize(
    "terms", ["bs(x, df=5)", "z + cr(x, df=4)", "0 + bs(x, df=6) + z", "poly(x, 3) * g"]
)
def test_fits_and_predictions_are_those_of_columns_written_out(terms, kind, monkeypatch):
    generator = np.random.default_rng(3)
    data = pd.DataFrame(
        {"x": column(kind), "z": generator.standard_normal(N), "g": np.arange(N) % 3}
    )
    data["g"] = data["g"].astype("category")
    data["y"] = generator.poisson(np.exp(0.02 * data["x"] + 0.1 * data["z"]))
    coded = fg.glm(f"y ~ {terms}", data, family="poisson")
    stored = Indicators if kind == "integer" else Piecewise
    assert any(isinstance(part, stored) for part in coded.model.rows.design.parts)
    monkeypatch.setattr(transforms, "MANY_ROWS", 10**9)
    dense = fg.glm(f"y ~ {terms}", data, family="poisson")
    assert coded.names == dense.names
    errors = dense.standard_errors
    assert np.max(np.abs(coded.estimates - dense.estimates) / errors) < 1e-8
    np.testing.assert_allclose(coded.standard_errors, errors, rtol=1e-9)
    np.testing.assert_allclose(coded.predict(data), dense.predict(data), rtol=1e-9)
    monkeypatch.setattr(transforms, "MANY_ROWS", 10_000)
    np.testing.assert_allclose(coded.predict(data), dense.predict(data.iloc[:N]), rtol=1e-9)
    gaps = data.copy()
    gaps.loc[5, "x"] = np.nan
    predicted = np.asarray(coded.predict(gaps))
    assert np.isnan(predicted[5])
    np.testing.assert_allclose(predicted[6:], np.asarray(dense.predict(data))[6:], rtol=1e-9)


def test_columns_are_written_out_unless_codes_are_requested():
    basis = apply_stateful("cr", [column("integer")], {"df": 4}, {}, "cr")
    assert isinstance(basis, Basis)
    assert basis.codes is None
    assert basis.values.shape == (N, 4)
    assert apply_stateful("cr", [column("continuous")], {"df": 4}, {}, "cr").pieces is None


def test_splines_of_many_knots_that_are_nowhere_zero_are_written_out():
    values = column("continuous")

    def basis(name, df):
        return apply_stateful(name, [values], {"df": df}, {}, name, may_code=True)

    assert basis("cr", 8).pieces is not None
    # Each of a B-spline's columns is zero but in four pieces.
    assert basis("bs", 40).pieces is not None
    assert basis("cr", 40).pieces is None


@pytest.mark.parametrize("call", ["bs(x, df=6)", "cr(x, df=5)", "poly(x, 3)"])
def test_a_fit_holds_no_columns_of_a_spline(call):
    n, generator = 200_000, np.random.default_rng(9)
    data = pd.DataFrame({"x": generator.normal(size=n)})
    data["y"] = (generator.random(n) < 0.5).astype(float)
    fg.glm(f"y ~ {call}", data.iloc[:20_000], family="binomial").predict(data.iloc[:20_000])
    tracemalloc.start()
    try:
        design = FittedFormula.fit(f"y ~ {call}", data)[1].design
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(design.parts[1], Piecewise)
    # One column is sorted, or collected from, at a time.
    assert peak < 3.0 * data["x"].nbytes


@pytest.mark.parametrize(
    "call", ["bs(x, df=6)", "bs(x, degree=5)", "cr(x, df=5)", "cc(x, df=4)", "poly(x, 3)"]
)
def test_all_results_are_those_of_columns_written_out(call, monkeypatch):
    generator = np.random.default_rng(4)
    data = pd.DataFrame({"x": column("continuous"), "z": generator.standard_normal(N)})
    eta = np.sin(data["x"] / 9.0) + 0.3 * data["z"]
    data["y"] = (generator.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    formula = f"y ~ {call} + z + {call}:z"
    found = fg.glm(formula, data, family="binomial")
    assert any(isinstance(part, Piecewise) for part in found.model.rows.design.parts)
    monkeypatch.setattr(transforms, "MANY_ROWS", 10**9)
    expected = fg.glm(formula, data, family="binomial")
    assert found.names == expected.names

    def asked(fit):
        monkeypatch.setattr(transforms, "MANY_ROWS", 10_000 if fit is found else 10**9)
        robust = fit.with_covariance("HC3").standard_errors
        frame = fit.get_prediction(data).summary_frame()
        influence = fit.get_influence()
        return (
            fit.deviance, robust, influence.hat_matrix_diag, influence.cooks_distance[0],
            np.asarray(frame), fit.avg_slopes("x").estimate,
        )  # fmt: skip

    for own, other in zip(asked(found), asked(expected), strict=True):
        np.testing.assert_allclose(own, other, rtol=2e-7, atol=1e-9)
