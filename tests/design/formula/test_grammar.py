import keyword

import pytest

import fastglm as fg
from fastglm.design.formula.grammar import parse_formula
from fastglm.errors import FastGLMError, FormulaError


def names(text, columns=()):
    return [term.name for term in parse_formula(text, columns).terms]


def test_terms_come_by_degree_with_the_intercept_first():
    assert names("y ~ a:b + x + a") == ["Intercept", "x", "a", "a:b"]
    assert names("y ~ a * b - 1") == ["a", "b", "a:b"]
    assert names("~ a + x %in% a") == ["Intercept", "a", "a:x"]


def test_a_dot_is_every_column_the_response_does_not_use():
    assert names("cbind(s, f) ~ .", ["s", "f", "u", "v"]) == ["Intercept", "u", "v"]
    assert names("log(y) ~ . - v", ["y", "u", "v"]) == ["Intercept", "u"]


def test_numbers_scale_a_term():
    _, term = parse_formula("y ~ 2:x:3", []).terms
    assert (term.name, term.scale) == ("x", 6.0)


def test_a_caret_is_a_power_but_not_inside_quotes():
    assert names("y ~ (a + b)^2") == names("y ~ (a + b)**2")
    assert names("y ~ I((x + 1)^2)") == ["Intercept", "I((x + 1) ** 2)"]
    assert names("y ~ `a^b` + I(g == 'a^b')") == ["Intercept", "a^b", "I(g == 'a^b')"]


def test_offsets_are_taken_out():
    parsed = parse_formula("y ~ x + offset(log(t)) + offset(u)", [])
    assert [term.name for term in parsed.terms] == ["Intercept", "x"]
    assert [offset.text for offset in parsed.offsets] == ["log(t)", "u"]


def test_factors_come_once():
    parsed = parse_formula("y ~ a * b + a:x", [])
    assert [factor.text for factor in parsed.factors] == ["a", "b", "x"]


def test_messages_are_plain_text():
    with pytest.raises(FormulaError, match="Cannot parse") as caught:
        parse_formula("y ~ (x", [])
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("y ~ x > 3", r"inside I\(\)"),
        ("y ~ 3", "Cannot parse"),
        ("y ~ 'text'", "Cannot parse"),
        ("y ~ x + offset(u, v)", "one argument"),
        ("y ~ 2:offset(u)", "stands alone"),
        ("y ~ a ~ b", "Cannot parse"),
        ("y ~ log(", "Cannot parse"),
        (5, "must be a string, not a int"),
    ],
)
def test_formulas_that_cannot_be_read(text, match):
    with pytest.raises(FormulaError, match=match):
        parse_formula(text, [])


def test_a_column_named_by_a_number_is_refused():
    # The parser would take it for the number.
    with pytest.raises(FormulaError, match=r"`1` .* reads as a number"):
        parse_formula("y ~ x + `1`", ["y", "x", "1"])
    assert parse_formula("y ~ `1st`", ["y", "1st"]).terms[1].name == "1st"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "y ~ x = z",
            "Cannot parse the formula 'y ~ x = z': Unknown operator '='. Comparisons and "
            "arithmetic between columns go inside I(), as in I(x > 30).",
        ),
        (
            "y ~ x $ z",
            "Cannot parse the formula 'y ~ x $ z': Unknown operator '$'.",
        ),
        (
            "y ~ x z",
            "Cannot parse the formula 'y ~ x z': Missing operator between `x` and `z` at 'x z'.",
        ),
        ("y ~ ", "The formula 'y ~ ' has nothing right of '~': write 1 there for a mean alone."),
        ("y ~", "The formula 'y ~' has nothing right of '~': write 1 there for a mean alone."),
        ("", "The formula '' has nothing right of '~': write 1 there for a mean alone."),
    ],
)
def test_messages_name_the_fault_and_its_place(text, message):
    with pytest.raises(FormulaError) as caught:
        parse_formula(text, ["x", "y", "z"])
    assert str(caught.value) == message


@pytest.mark.parametrize("name", keyword.kwlist)
def test_columns_named_by_python_keywords(name):
    formula = f"`{name}` ~ log(`{name}`) + C(`{name}`):x + I(`{name}`**2)"
    parsed = parse_formula(formula, [name, "x"])
    assert parsed.response.columns == (name,)
    assert [factor.columns for factor in parsed.factors if factor.text != "x"] == [(name,)] * 3
    assert [term.name for term in parsed.terms] == [
        "Intercept",
        f"log(`{name}`)",
        f"I(`{name}` ** 2)",
        f"C(`{name}`):x",
    ]


def test_a_response_is_no_regressor():
    parsed = parse_formula("log(y) ~ x + log(y) + y", ["x", "y"])
    assert [term.name for term in parsed.terms] == ["Intercept", "x", "y"]
    assert parsed.response_dropped
    assert not parse_formula("y ~ x", ["x", "y"]).response_dropped


@pytest.mark.parametrize(
    ("formula", "text"),
    [
        ("y ~ as.factor(g)", r"R's as.factor\(x\) is C\(x\)"),
        ("y ~ bs(x, knots=c(0, 1))", r"R's c\(0, 1\) is \[0, 1\]"),
        ("y ~ poly(x, 2, raw=TRUE)", "R's TRUE is True"),
    ],
)
def test_words_of_r_are_translated(formula, text):
    data = {"x": [0.0, 1.0, 2.0, 3.0], "g": [*"abab"], "y": [1.0, 2.0, 4.0, 5.0]}
    with pytest.raises(FastGLMError, match=text):
        fg.glm(formula, data)
