import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastglm.design.formula.contrasts import Coding, Contrast
from fastglm.design.formula.expressions import Expression
from fastglm.design.formula.transforms import Basis
from fastglm.design.frames.frames import Categories
from fastglm.errors import FormulaError

COLUMNS = {
    "x": np.array([1.0, 2.0, 4.0]),
    "small": np.array([100, 2, 3], dtype=np.int8),
    "single": np.array([0.1, 0.2, 0.3], dtype=np.float32),
    "flag": np.array([True, False, True]),
    "g": Categories(np.array([0, 1, 0], dtype=np.int8), ("u", "v")),
    "a.b": np.array([3.0, 2.0, 1.0]),
    "odd name": np.array([5.0, 6.0, 7.0]),
}


def evaluate(text):
    return Expression.parse(text).evaluate(COLUMNS, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x + 1", [2, 3, 5]),
        ("1 - x / 2", [0.5, 0, -1]),
        ("x // 2 + x % 2 - -x", [2, 3, 6]),
        ("2**x", [2, 4, 16]),
        ("np.log2(x)", [0, 1, 2]),
        ("numpy.sqrt(x**2)", [1, 2, 4]),
        ("maximum(x, 2)", [2, 2, 4]),
        ("I(x)", [1, 2, 4]),
        ("x > 1", [False, True, True]),
        ("1 < x <= 2", [False, True, False]),
        ("(x > 1) & ~(x == 4) | flag", [True, True, True]),
        ("g == 'u'", [True, False, True]),
        ("'v' != g", [True, False, True]),
        ("flag + flag", [2, 0, 2]),
        ("exp(flag)", [np.e, 1, np.e]),
        ("a.b * x", [3, 4, 4]),
        ("`odd name` - 5", [0, 1, 2]),
        ("Q('odd name')", [5, 6, 7]),
        ("x * True", [1, 2, 4]),
    ],
)
def test_values(text, value):
    np.testing.assert_allclose(evaluate(text), value, rtol=1e-15)


def test_arithmetic_is_float64_so_that_small_integers_do_not_overflow():
    np.testing.assert_array_equal(evaluate("small**2"), [10000, 4, 9])
    np.testing.assert_array_equal(evaluate("small + small"), [200, 4, 6])
    assert evaluate("single * 1").dtype == np.float64
    assert evaluate("exp(flag)").dtype == np.float64


def test_a_plain_column_is_passed_on_as_it_lies():
    assert evaluate("small") is COLUMNS["small"]
    assert evaluate("I(g)") is COLUMNS["g"]


def test_columns_are_found_in_order_without_function_names():
    expression = Expression.parse("bs(log(x), df=4) + a.b * `odd name` + np.exp(x)")
    assert expression.columns == ("x", "a.b", "odd name")
    assert Expression.parse("C(g, contr.treatment('u'))").columns == ("g",)
    assert Expression.parse("C(g, contrasts=Sum)").columns == ("g",)


def test_coding():
    coding = evaluate("C(small, contr.treatment(base=3), levels=[2, 3, 100])")
    assert isinstance(coding, Coding)
    assert coding.contrast == Contrast("contr.treatment", (), (("base", 3),))
    assert coding.levels == (2, 3, 100)
    assert coding.categories.levels == (2, 3, 100)
    assert evaluate("C(g, spans_intercept=False)").spans_intercept is False


def test_state_is_kept_by_the_text_of_the_call():
    state = {}
    columns = {"x": np.arange(9.0)}
    first = Expression.parse("center(x) + scale(log(x + 1))").evaluate(columns, state)
    assert set(state) == {"center(x)", "scale(log(x + 1))"}
    assert state["center(x)"]["center"] == 4.0
    again = Expression.parse("center(x) + scale(log(x + 1))").evaluate(
        {"x": np.array([2.0])}, state
    )
    np.testing.assert_array_equal(again, first[2:3])


def test_bases_have_labels():
    basis = Expression.parse("poly(x, 2)").evaluate({"x": np.arange(5.0)}, {})
    assert isinstance(basis, Basis)
    assert basis.labels == ("1", "2")
    assert basis.values.flags.f_contiguous


def test_called_gives_the_arguments():
    successes, failures = Expression.parse("cbind(x, small - x)").called("cbind")
    assert (successes.text, failures.text) == ("x", "small - x")
    np.testing.assert_array_equal(failures.evaluate(COLUMNS, {}), [99, 0, -1])
    assert Expression.parse("x").called("cbind") is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("lambda: 0", "cannot be used in a formula"),
        ("[x for x in (1, 2)]", "cannot be used"),
        ("x[0]", "cannot be used"),
        ("x if flag else g", "cannot be used"),
        ("(x := 1)", "cannot be used"),
        ("f'{x}'", "cannot be used"),
        ("{1: 2}", "cannot be used"),
        ("x @ x", "cannot be used"),
        ("x ^ 2", "cannot be used"),
        ("not x", "cannot be used"),
        ("x in g", "cannot be used"),
        ("b'x'", "cannot be used"),
        ("open('file')", "'open' in .* is not a function"),
        ("os.system('ls')", r"'os\.system' in"),
        ("np.load('file')", "'load' in"),
        ("x.mean()", r"'x\.mean' in"),
        ("(x + 1).mean()", "is not a function"),
        ("lgo(x)", "Did you mean log"),
        ("log(*x)", "unpacks arguments"),
        ("log(**x)", "unpacks arguments"),
        ("log()", "needs the column"),
        ("Q(x)", "in quotes"),
        ("C(g, x)", "'x' in .* is not a contrast"),
        ("C(g, contr.treatment(x))", "constants only"),
        ("x +", "Cannot read"),
    ],
)
def test_what_is_outside_the_language_is_refused_when_read(text, match):
    with pytest.raises(FormulaError, match=match):
        Expression.parse(text)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("g + 1", "cannot be used in arithmetic"),
        ("log(g)", "cannot be used in arithmetic"),
        ("poly(x, 2) * 2", "cannot be used in arithmetic"),
        ("g < 'v'", "by == or !="),
        ("g == g", "by == or !="),
        ("x == 'u'", "cannot be used in arithmetic"),
        ("1 / 0", "division by zero"),
        ("'text'", "constant"),
        ("C(poly(x, 2))", "use C"),
        ("C(x, Sum, 1)", "use C"),
        ("C(x, level=[1])", "use C"),
        ("poly(x, degre=2)", "degre"),
        ("log(x, nonsense=2)", "nonsense"),
    ],
)
def test_what_does_not_fit_the_columns_is_refused(text, match):
    with pytest.raises(FormulaError, match=match):
        evaluate(text)


@given(
    st.recursive(
        st.sampled_from(["x", "a.b", "2", "0.5"]),
        lambda inner: st.tuples(inner, st.sampled_from("+-*"), inner).map(
            lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"
        ),
        max_leaves=8,
    )
)
def test_arithmetic_is_pythons(text):
    text = f"x + {text}"
    python = text.replace("a.b", "a_b")
    names = {"x": COLUMNS["x"], "a_b": COLUMNS["a.b"]}
    np.testing.assert_array_equal(evaluate(text), eval(python, {}, names))


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("factor(x)", r"is C\(x\)"),
        ("pmin(x, 3)", "is minimum"),
        ("np.where(x > 1, 1, 0)", "Compute the column beforehand"),
        ("sqr(x)", "Did you mean sqrt"),
    ],
)
def test_functions_of_other_languages_lead_to_ours(text, hint):
    with pytest.raises(FormulaError, match=hint):
        Expression.parse(text)
