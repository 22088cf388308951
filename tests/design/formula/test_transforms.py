import json

import numpy as np
import pytest
from scipy.interpolate import BSpline

from fastglm.design.formula.transforms import ELEMENTWISE, STATEFUL, Basis, apply_stateful
from fastglm.errors import DataError, FormulaError

X = np.random.default_rng(5).uniform(0.5, 3, 40)
OPTIONS = {
    "bs": {"df": 5},
    "cc": {"df": 4},
    "cr": {"df": 4},
    "cs": {"df": 4},
    "poly": {"degree": 3},
}


def columns(value):
    return value.values if isinstance(value, Basis) else value


@pytest.mark.parametrize("name", STATEFUL)
def test_what_was_learned_survives_json_and_gives_the_same_columns(name):
    options = OPTIONS.get(name, {})
    state = {}
    first = columns(apply_stateful(name, [X], options, state, name))
    assert state
    loaded = json.loads(json.dumps(state))
    some = columns(apply_stateful(name, [X[7:9]], options, loaded, name))
    np.testing.assert_allclose(some, first[7:9], rtol=1e-14)
    assert loaded == state


def test_bs_is_scipys_basis():
    state = {}
    basis = apply_stateful("bs", [X], {"df": 6}, state, "bs(x, df=6)")
    wanted = BSpline.design_matrix(X, np.array(state["knots"]), 3).toarray()
    np.testing.assert_allclose(basis.values, wanted[:, 1:], atol=1e-14)
    assert not basis.spans_intercept
    full = apply_stateful("bs", [X], {"df": 6, "include_intercept": True}, {}, "bs")
    assert full.spans_intercept
    np.testing.assert_allclose(full.values.sum(axis=1), 1, rtol=1e-14)


@pytest.mark.parametrize("name", ["cr", "cs", "cc"])
def test_cubic_splines_are_independent_of_an_intercept(name):
    state = {}
    basis = apply_stateful(name, [X], {"df": 4}, state, name).values
    assert basis.shape == (40, 4)
    np.testing.assert_allclose(basis.mean(axis=0), 0, atol=1e-14)
    assert np.linalg.matrix_rank(np.column_stack([np.ones(40), basis])) == 5
    asked = apply_stateful(name, [X], {"df": 4, "constraints": None}, {}, name).values
    np.testing.assert_allclose(asked.sum(axis=1), 1, rtol=1e-13)
    # As a model was saved before splines were centred: what it learned decides.
    old = {}
    apply_stateful(name, [X], {"df": 4, "constraints": None}, old, name)
    again = apply_stateful(name, [X], {"df": 4}, json.loads(json.dumps(old)), name).values
    np.testing.assert_array_equal(again, asked)


def test_nothing_is_learned_from_rows_without_a_value():
    gaps = np.insert(X, [0, 7], [np.nan, np.inf])
    for name in STATEFUL:
        options = OPTIONS.get(name, {})
        whole = columns(apply_stateful(name, [X], options, {}, name))
        spread = columns(apply_stateful(name, [gaps], options, {}, name))
        np.testing.assert_array_equal(spread[np.isfinite(gaps)], whole)
        assert np.isnan(spread[~np.isfinite(gaps)]).all()


def test_poly_is_orthonormal_to_the_constant_and_itself():
    values = apply_stateful("poly", [X, 4], {}, {}, "poly(x, 4)").values
    with_one = np.column_stack([np.full(40, 40**-0.5), values])
    np.testing.assert_allclose(with_one.T @ with_one, np.eye(5), atol=1e-13)


def test_scale_has_mean_zero_and_unit_deviation():
    scaled = apply_stateful("scale", [X], {}, {}, "scale(x)")
    np.testing.assert_allclose([scaled.mean(), scaled.std(ddof=1)], [0, 1], atol=1e-14)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_functions_keep_the_rows(name):
    arguments = [X, 2.0] if name in ("maximum", "minimum", "power") else [X]
    assert ELEMENTWISE[name](*arguments).shape == X.shape


@pytest.mark.parametrize(
    ("name", "options", "error", "match"),
    [
        ("bs", {"dff": 5}, FormulaError, "dff"),
        ("bs", {"df": 2}, DataError, "must be greater than 3"),
        ("cr", {}, DataError, "df"),
        ("bs", {"df": 5, "upper_bound": 1.0}, DataError, r"outside the outer knots, .* and 1, "),
    ],
)
def test_arguments_that_do_not_fit(name, options, error, match):
    with pytest.raises(error, match=match):
        apply_stateful(name, [X], options, {}, f"{name}(x)")
