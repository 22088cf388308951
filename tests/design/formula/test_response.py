import numpy as np
import pandas as pd
import pytest

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.response import ResponseRule
from fastglm.errors import DataError, FormulaError, MissingValueError

TWO_LEVELS = ResponseRule("family Binomial", two_levels=True)


def response(formula, **columns):
    frame = pd.DataFrame({**columns, "x": np.arange(len(next(iter(columns.values()))))})
    _, result = FittedFormula.fit(formula, frame, rule=TWO_LEVELS)
    return result.y, result.response_levels


def test_numbers_and_booleans_as_they_lie():
    y, levels = response("y ~ x", y=np.array([1, 2, 3], dtype=np.int16))
    assert y.dtype == np.int16
    assert levels is None
    y, levels = response("y ~ x", y=[True, False])
    np.testing.assert_array_equal(y, [True, False])
    assert levels == (False, True)
    y, _ = response("I(delay > 30) ~ x", delay=[10.0, 31.0])
    np.testing.assert_array_equal(y, [False, True])


ORDERED = pd.CategoricalDtype(["yes", "no"], ordered=True)


@pytest.mark.parametrize("dtype", ["str", object, pd.CategoricalDtype(["yes", "no"]), ORDERED])
def test_the_second_of_two_levels_counts_as_one(dtype):
    y, levels = response("y ~ x", y=pd.Series(["no", "yes", "no"], dtype=dtype))
    first, second = levels
    assert {first, second} == {"no", "yes"}
    assert [levels[int(value)] for value in y] == ["no", "yes", "no"]
    assert second == ("no" if dtype is ORDERED else "yes")


def test_counts_of_two_kinds():
    y, _ = response("cbind(s, n - s) ~ x", s=[1, 2], n=[3, 5])
    np.testing.assert_array_equal(y, [[1, 2], [2, 3]])
    assert y.dtype == np.float64


@pytest.mark.parametrize(
    ("formula", "error", "match"),
    [
        ("three ~ x", DataError, r"has 3 levels .*I\(three == 'c'\)"),
        ("cbind(number) ~ x", FormulaError, "successes, failures"),
        ("cbind(number, three) ~ x", FormulaError, "single numeric column"),
        ("C(number) ~ x", FormulaError, "single numeric column"),
        ("log(number) ~ x", MissingValueError, r"'log\(number\)' is infinite"),
    ],
)
def test_responses_that_cannot_be_used(formula, error, match):
    with pytest.raises(error, match=match):
        response(formula, three=["a", "b", "c"], number=[0.0, 1.0, 2.0])


def test_a_formula_without_a_left_side_has_no_response():
    _, result = FittedFormula.fit("~ x", {"x": [1.0, 2.0]})
    assert result.y is None
    assert result.design.names == ("Intercept", "x")
