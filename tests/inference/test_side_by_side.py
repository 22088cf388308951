"""Several fits in one table, against fits of statsmodels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import ModelError

CARS = pd.read_csv(Path(__file__).parents[1] / "data" / "r" / "tables" / "mtcars.csv")


@pytest.fixture(scope="module")
def fits():
    return [fg.glm(f"am ~ {right}", CARS, "binomial") for right in ("wt", "hp + wt", "hp")]


@pytest.fixture(scope="module")
def others():
    designs = (["wt"], ["hp", "wt"], ["hp"])
    return [
        sm.GLM(CARS["am"], sm.add_constant(CARS[d]), family=sm.families.Binomial()).fit()
        for d in designs
    ]


def number(cell):
    return float(cell.strip("()[]*. "))


def test_cells_are_statsmodels_estimates_and_errors(fits, others):
    frame = fg.compare_table(fits).summary_frame()
    assert list(frame.columns) == ["(1)", "(2)", "(3)"]
    for column, other in zip(frame, others, strict=True):
        for name in ("Intercept", "wt", "hp"):
            place = list(frame.index).index(name)
            cells = frame[column].iloc[place : place + 2]
            theirs = "const" if name == "Intercept" else name
            if theirs not in other.params:
                assert list(cells) == ["", ""]
                continue
            for cell, value in zip(cells, (other.params[theirs], other.bse[theirs]), strict=True):
                assert number(cell) == pytest.approx(value, rel=6e-3)
                digits = cell.strip("()-").lstrip("0.")
                assert len(digits.replace(".", "")) >= 3
        assert number(frame[column]["AIC"]) == pytest.approx(other.aic, rel=1e-5)
        assert number(frame[column]["Log-likelihood"]) == pytest.approx(other.llf, rel=1e-5)
        assert frame[column]["Observations"] == "32"


def test_stars_are_those_of_p_values(fits, others):
    frame = fg.compare_table(fits, stars=True, below=None).summary_frame()
    for column, other in zip(frame, others, strict=True):
        for name, p in other.pvalues.items():
            mark = "***" if p < 1e-3 else "**" if p < 0.01 else "*" if p < 0.05 else ""
            mark = mark or ("." if p < 0.1 else "")
            cell = frame[column]["Intercept" if name == "const" else name]
            assert cell[len(cell.rstrip("*.")) :] == mark
    assert "* p < 0.05" in str(fg.compare_table(fits, stars=True))


def test_ratios_and_intervals(fits, others):
    table = fg.compare_table({"small": fits[0]}, exponentiate=True, below="interval", alpha=0.1)
    frame = table.summary_frame()
    place = list(frame.index).index("wt")
    ratio, interval = frame["small"].iloc[place : place + 2]
    assert float(ratio) == pytest.approx(np.exp(others[0].params["wt"]), rel=6e-3)
    low, high = (float(text) for text in interval.strip("[]").split(","))
    expected = np.exp(others[0].conf_int(0.1).loc["wt"])
    assert [low, high] == pytest.approx(list(expected), rel=6e-3)
    assert "Exponentials of coefficients: odds ratio." in table.notes
    errors = fg.compare_table([fits[0]], exponentiate=True).summary_frame()["(1)"]
    wanted = np.exp(others[0].params["wt"]) * others[0].bse["wt"]
    assert number(errors.iloc[place + 1]) == pytest.approx(wanted, rel=6e-3)


def test_every_format_has_the_same_numbers(fits):
    table = fg.compare_table(fits, names=["a_1", "b|2", "c<3"], title="Cars & gears", stars=True)
    cells = [cell for row in table.rows for cell in row if cell]
    text, page = table.as_text(), table.as_html()
    latex, markdown = table.as_latex(), table.as_markdown()
    assert page == table._repr_html_()
    assert all(cell in text for cell in cells)
    assert "<th>c&lt;3</th>" in page
    assert page.count("<tr>") == len(table.rows)
    assert r"a\_1 & b$|$2 & c$<$3 \\" in latex
    assert latex.count(r" \\") == len(table.rows)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == len(table.rows) + 1
    assert lines[0] == r"|  | a\_1 | b\|2 | c\<3 |"
    for form in (text, page, latex, markdown):
        assert "gears" in form
        assert "Standard errors in brackets" in form


def test_models_of_different_kinds(fits):
    frame = CARS.assign(gear=CARS["gear"].astype(str))
    multinomial = fg.MNLogit.from_formula("gear ~ 1", frame).fit()
    mixed = fg.mixed("mpg ~ wt + (1 | carb)", CARS)
    X = np.column_stack([np.ones(32), CARS["wt"]])
    arrays = fg.GLM(CARS["am"].to_numpy(), X, "binomial").fit(cov_type="HC1")
    table = fg.compare_table([fits[0], multinomial, mixed, arrays])
    shown = table.summary_frame()
    assert list(shown.loc["Model"]) == ["Binomial", "MNLogit", "MixedGLM", "Binomial"]
    # A formula's constant and that of an array are one row.
    assert list(shown.loc["Intercept"] != "") == [True, False, True, True]
    assert list(shown.loc["Deviance"] != "") == [True, True, False, True]
    assert "Covariances: nonrobust, nonrobust, nonrobust, HC1." in table.notes


def test_aliased_coefficients_stay_empty():
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("am ~ wt + I(2 * wt)", CARS, "binomial")
    assert fg.compare_table([fit]).summary_frame()["(1)"]["I(2 * wt)"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "at least one fit"),
        (("fits", ["a"]), "1 names for 3 fits"),
        (("fits", 3), "names must be a list of texts, not a int"),
        ((["a"],), "takes results of fits, not a str"),
        (("fits", None, "stars"), "below must be one of"),
    ],
)
def test_what_makes_no_table(fits, arguments, message):
    first, *rest = arguments
    options = dict(zip(("names", "below"), rest, strict=False))
    with pytest.raises(ModelError, match=message):
        fg.compare_table(fits if first == "fits" else first, **options)
