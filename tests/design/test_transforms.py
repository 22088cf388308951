import json

import numpy as np
import pytest
from scipy.interpolate import BSpline

from fastglm.design.transforms import ELEMENTWISE, STATEFUL, Basis, apply_stateful
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
        ("bs", {"df": 5, "upper_bound": 1.0}, DataError, "extend beyond"),
    ],
)
def test_arguments_that_do_not_fit(name, options, error, match):
    with pytest.raises(error, match=match):
        apply_stateful(name, [X], options, {}, f"{name}(x)")
