"""Numbers of a summary: significant digits and p-values as R prints them."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.inference.number_format import format_pvalue, format_significant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.000162345, "-0.0001623"),
        (7.1634e-06, "7.163e-06"),
        (0.5, "0.5000"),
        (12.3456, "12.35"),
        (-123456.7, "-123457"),
        (99995.0, "99995"),
        (9.99999, "10.00"),
        (0.000099999999, "0.0001000"),
        (1.234e9, "1.234e+09"),
        (0.0, "0"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
    ],
)
def test_four_significant_digits(value, text):
    assert format_significant(value, 4) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "<2e-16"),
        (2.2e-16, "<2e-16"),
        (2.3e-16, "2.30e-16"),
        (1.2345e-5, "1.23e-05"),
        (0.000123456, "0.000123"),
        (0.04, "0.0400"),
        (0.5, "0.500"),
        (1.0, "1.00"),
        (np.nan, "nan"),
    ],
)
def test_p_values(value, text):
    assert format_pvalue(value) == text


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(0)
    d = pd.DataFrame({"x": rng.uniform(100, 3000, 3000), "z": rng.normal(size=3000)})
    d["y"] = rng.binomial(1, 1 / (1 + np.exp(2 - 0.001 * d["x"])))
    return fg.glm("y ~ x + z", d, family="binomial")


def test_every_number_of_a_summary_has_its_digits(fit):
    rows = {line.split()[0]: line.split()[1:] for line in str(fit.summary()).splitlines() if line}
    for name, values in zip(fit.names, fit.summary().table(), strict=True):
        for column in (0, 1, 4, 5):
            assert float(rows[name][column]) == pytest.approx(values[column], rel=5e-4)
    assert rows["x"][3] == "<2e-16"
    assert "&lt;2e-16" in fit.summary().as_html()
    assert "$<$2e-16" in fit.summary().as_latex()


def test_tables_print_p_values_alike(fit):
    assert "<2e-16" in str(fit.anova())
    assert str(fit.wald_test("x = 0")).splitlines()[0].endswith("p < 2.2e-16")
    assert "<2e-16" in str(fit.t_test("x = 0"))
    assert "<2e-16" in str(fit.avg_slopes("x"))
    assert "p = " in str(fit.wald_test("z = 0"))
