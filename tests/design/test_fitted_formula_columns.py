"""The columns of formulas, against formulaic's model matrices and R's."""

import json
import re
import warnings
from pathlib import Path

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastglm.design.formula import coding
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.formula.response import ResponseRule
from fastglm.errors import UnseenLevelError

TRUTHS_TOO = ResponseRule("family Binomial", two_levels=True)
CENTRED = r"\1, constraints='center')"
DATA = Path(__file__).parents[1] / "data" / "design"

FORMULAS = [
    "y ~ x",
    "y ~ 1",
    "y ~ 0 + x",
    "y ~ x - 1",
    "y ~ x + a",
    "y ~ a + b",
    "y ~ a * b",
    "y ~ a * b - 1",
    "y ~ a:b",
    "y ~ a:b - 1",
    "y ~ a + a:b",
    "y ~ b:a + a",
    "y ~ a - 1 + b",
    "y ~ a * b * c",
    "y ~ (a + b + c)**2 - a:b",
    "y ~ (x + z + a)**2",
    "y ~ (x + z + a)^2",
    "y ~ a / x",
    "y ~ x %in% a",
    "y ~ a:x",
    "y ~ 0 + a:x",
    "y ~ x:a + z:a",
    "y ~ a:b:x",
    "y ~ a * x * z",
    "y ~ x:z",
    "y ~ x + 2:z",
    "y ~ k",
    "y ~ flag",
    "y ~ flag:x + flag:a",
    "y ~ .",
    "y ~ Petal.Length + `my col` + log(`my col`)",
    "y ~ Q('my col')",
    "y ~ C(k) + a",
    "y ~ C(k):poly(x, 2)",
    "y ~ C(flag)",
    "y ~ C(flag):x",
    "y ~ C(a, contr.treatment)",
    "y ~ C(a, contr.treatment('v'))",
    "y ~ C(a, contr.treatment(base='v')) * b",
    "y ~ C(a, contr.SAS)",
    "y ~ C(a, Treatment('w'))",
    "y ~ C(a, Treatment(reference='w'))",
    "y ~ C(a, contr.sum) * C(c, contr.sum)",
    "y ~ C(a, Sum) - 1",
    "y ~ C(c, contr.helmert)",
    "y ~ C(c, Helmert) * x",
    "y ~ C(c, contr.poly)",
    "y ~ C(c, Poly):b",
    "y ~ C(c, contr.diff) + z",
    "y ~ C(c, Diff)",
    "y ~ C(a, levels=['w', 'v', 'u'])",
    "y ~ C(a, contr.sum, levels=['w', 'v', 'u']):z",
    "y ~ C(a, spans_intercept=False)",
    "y ~ bs(x, df=5)",
    "y ~ bs(x, df=5, degree=2)",
    "y ~ bs(x, knots=[-0.5, 0, 0.5])",
    "y ~ bs(x, df=5, include_intercept=True)",
    "y ~ bs(x, df=5, include_intercept=True) + a - 1",
    "y ~ bs(x, df=4) * a",
    "y ~ bs(x, df=4):bs(z, df=4)",
    "y ~ cr(x, df=4)",
    "y ~ cr(x, df=3, constraints=None)",
    "y ~ cr(x, df=3, constraints='center')",
    "y ~ cc(x, df=4)",
    "y ~ cs(x, df=4):b",
    "y ~ poly(x, 1)",
    "y ~ poly(x, 3) * b",
    "y ~ poly(x, 2, raw=True)",
    "y ~ scale(x) + center(z) + standardize(k)",
    "y ~ scale(x, center=False)",
    "y ~ bs(log(z), df=4) + scale(x)**2",
    "y ~ log(z) + np.exp(x) + np.log10(z) + log2(z)",
    "y ~ np.sqrt(z) + np.log1p(z) + np.expm1(x) + np.abs(x)",
    "y ~ I(x**2) + I(x^2):z",
    "y ~ I((x + 1)**2 / 100) + {x + z}",
    "y ~ I(z > 2) + I((z > 1.5) & (x < 0))",
    "y ~ I(a == 'u') + I(k != 2)",
    "log(y + 1) ~ x",
    "I(y > 2) ~ x",
]


def as_formulaic_reads(formula):
    """A power in I() is `**` for formulaic; `^` there would be Python's exclusive or.

    And cubic splines are centred where the formula asks for it only.
    """
    return re.sub(r"(c[crs]\(x, df=4)\)", CENTRED, formula.replace("x^2", "x**2"))


@pytest.mark.parametrize("formula", FORMULAS)
def test_names_values_and_response_are_formulaics(formula, frame, expected):
    response, matrix = expected(as_formulaic_reads(formula), frame)
    _, result = FittedFormula.fit(formula, frame, rule=TRUTHS_TOO)
    names = [name.replace("=4" + CENTRED[2:], "=4)") for name in matrix.columns]
    assert list(result.design.names) == names
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(result.y, response.to_numpy(dtype=float)[:, 0], rtol=1e-15)


@pytest.mark.parametrize("formula", FORMULAS)
def test_saved_recipe_rebuilds_the_same_columns(formula, frame):
    fitted_formula, result = FittedFormula.fit(formula, frame, rule=TRUTHS_TOO)
    loaded = FittedFormula.from_dict(
        json.loads(json.dumps(fitted_formula.to_dict(), allow_nan=False))
    )
    again = loaded.apply(frame.drop(columns="y"))
    assert again.design.names == result.design.names
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense())


@pytest.mark.parametrize("formula", FORMULAS)
def test_new_data_is_coded_by_what_the_fit_learned(formula, frame):
    new = frame.iloc[[3, 11, 12, 40, 41]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = formulaic.model_matrix(as_formulaic_reads(formula), frame).rhs.model_spec
        matrix = spec.get_model_matrix(new)
    fitted_formula, _ = FittedFormula.fit(formula, frame, rule=TRUTHS_TOO)
    np.testing.assert_allclose(
        fitted_formula.apply(new).design.to_dense(),
        matrix.to_numpy(dtype=float),
        rtol=1e-12,
        atol=1e-12,
    )


@pytest.mark.parametrize("formula", ["y ~ a * c + bs(x, df=4)", "y ~ C(k) * flag + log(z):a"])
def test_every_kind_of_frame_gives_the_same_design(convert, formula, frame, expected):
    _, matrix = expected(formula, frame)
    _, result = FittedFormula.fit(formula, convert(frame), rule=TRUTHS_TOO)
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )


@pytest.mark.parametrize("convert", ["polars", "pyarrow", "pyarrow in chunks"], indirect=True)
def test_declared_levels_keep_their_order_in_every_library(convert, frame, expected):
    _, matrix = expected("y ~ b", frame)
    assert list(matrix.columns) == ["Intercept", "b[T.p]"]
    _, result = FittedFormula.fit("y ~ b", convert(frame))
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(result.design.to_dense(), matrix.to_numpy())


def test_polars_categoricals_are_sorted_whatever_the_order_of_rows(frame):
    given = pl.from_pandas(frame[["y", "c"]]).with_columns(pl.col("c").cast(pl.Categorical))
    for rows in (given, given.reverse()):
        names = FittedFormula.fit("y ~ c", rows)[1].design.names
        assert names == ("Intercept", "c[T.one]", "c[T.three]", "c[T.two]")


def as_enum(frame):
    levels = pl.Enum(list(frame["b"].cat.categories))
    return pl.from_pandas(frame).with_columns(pl.col("b").cast(levels))


def as_arrow(frame):
    """With an ordered dictionary: any other has no order of the user's."""
    return pa.Table.from_pandas(frame.assign(b=frame["b"].cat.as_ordered()))


@pytest.mark.parametrize("library", [lambda frame: frame, as_enum, as_arrow])
def test_unused_declared_levels_are_dropped_as_r_drops_them(frame, expected, library):
    levels = ["never", *frame["b"].cat.categories, "nor this"]
    wide = library(frame.assign(b=frame["b"].cat.set_categories(levels)))
    _, matrix = expected("y ~ b", frame)
    fitted_formula, result = FittedFormula.fit("y ~ b", wide)
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(result.design.to_dense(), matrix.to_numpy())
    with pytest.raises(UnseenLevelError, match="'never' in 1 row"):
        fitted_formula.apply({"b": np.array(["never"])})


def test_levels_named_by_the_user_are_kept(frame):
    names = FittedFormula.fit("y ~ C(c, levels=['one', 'two', 'three', 'four', 'never'])", frame)[
        1
    ].design.names
    assert names[-1].endswith("[T.never]")


def test_levels_that_occur_late_are_kept(monkeypatch):
    monkeypatch.setattr(coding, "ROWS_AT_ONCE", 3)
    codes = np.array([0, 0, 0, -1, 3, 0, 0, 1])
    column = pd.Categorical.from_codes(codes, ["p", "q", "r", "s"])
    _, result = FittedFormula.fit("~ b", {"b": column, "y": codes}, missing="drop")
    assert result.design.names == ("Intercept", "b[T.q]", "b[T.s]")


R_CASES = {
    "poi_log_warpbreaks_sum": "breaks ~ C(wool, contr.sum) * "
    "C(tension, contr.sum, levels=['L', 'M', 'H'])",
    "bin_agg_esoph_poly": "cbind(ncases, ncontrols) ~ C(agegp, contr.poly) "
    "+ C(tobgp, contr.poly) * C(alcgp, contr.poly, "
    "levels=['0-39g/day', '40-79', '80-119', '120+'])",
    "gau_chickweight_poly": "weight ~ poly(Time, 3) * C(Diet)",
    "poi_log_quine_aliased": "Days ~ Eth * Sex * Age * Lrn",
}


@pytest.mark.parametrize("case", R_CASES)
def test_designs_are_those_of_r(case):
    data = pd.read_csv(DATA / f"{case}.data.csv.gz")
    reference = pd.read_csv(DATA / f"{case}.design.csv.gz")
    matrix = reference.filter(regex="^x:").to_numpy(dtype=float)
    _, result = FittedFormula.fit(R_CASES[case], data)
    np.testing.assert_allclose(result.design.to_dense(), matrix, rtol=1e-12, atol=1e-12)


def test_the_order_of_rows_does_not_matter(convert, frame):
    order = np.random.default_rng(9).permutation(len(frame))
    formula = "y ~ a * c + C(k) + bs(x, df=4)"
    _, straight = FittedFormula.fit(formula, convert(frame), rule=TRUTHS_TOO)
    shuffled = frame.iloc[order].reset_index(drop=True)
    _, result = FittedFormula.fit(formula, convert(shuffled))
    assert result.design.names == straight.design.names
    np.testing.assert_array_equal(result.design.to_dense(), straight.design.to_dense()[order])
