"""Recipes against formulaic's model matrices and R's."""

import json
import pickle
import warnings
from pathlib import Path

import formulaic
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fastglm.design.recipe import Recipe
from fastglm.errors import (
    ColumnNotFoundError,
    DataError,
    FormulaError,
    MissingValueError,
    UnseenLevelError,
)

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


def expected(formula, frame):
    """Formulaic's response and model matrix, both as data frames."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrices = formulaic.model_matrix(formula, frame)
    return matrices.lhs, matrices.rhs


def as_formulaic_reads(formula):
    """A power in I() is `**` for formulaic; `^` there would be Python's exclusive or."""
    return formula.replace("x^2", "x**2")


@pytest.mark.parametrize("formula", FORMULAS)
def test_names_values_and_response_are_formulaics(formula, frame):
    response, matrix = expected(as_formulaic_reads(formula), frame)
    _, result = Recipe.fit(formula, frame)
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(result.y, response.to_numpy(dtype=float)[:, 0], rtol=1e-15)


@pytest.mark.parametrize("formula", FORMULAS)
def test_saved_recipe_rebuilds_the_same_columns(formula, frame):
    recipe, result = Recipe.fit(formula, frame)
    loaded = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict(), allow_nan=False)))
    again = loaded.apply(frame.drop(columns="y"))
    assert again.design.names == result.design.names
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense())


@pytest.mark.parametrize("formula", FORMULAS)
def test_new_data_is_coded_by_what_the_fit_learned(formula, frame):
    formula = as_formulaic_reads(formula)
    new = frame.iloc[[3, 11, 12, 40, 41]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = formulaic.model_matrix(formula, frame).rhs.model_spec
        matrix = spec.get_model_matrix(new)
    recipe, _ = Recipe.fit(formula, frame)
    np.testing.assert_allclose(
        recipe.apply(new).design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-12, atol=1e-12
    )


def to_polars(frame):
    """With an Enum for pandas categories: polars' Categorical has no order of levels."""
    enums = [
        pl.Series(name, frame[name].astype(object), dtype=pl.Enum(list(frame[name].cat.categories)))
        for name in frame.select_dtypes("category")
    ]
    return pl.from_pandas(frame).with_columns(enums)


LIBRARIES = {
    "polars": to_polars,
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "pyarrow in chunks": lambda frame: pa.concat_tables(
        [
            pa.Table.from_pandas(frame[:30], preserve_index=False),
            pa.Table.from_pandas(frame[30:], preserve_index=False),
        ]
    ),
    "dictionary of arrays": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "dictionary of lists": lambda frame: {name: frame[name].tolist() for name in frame},
    "dictionary of series": lambda frame: dict(frame.items()),
    "pandas categories": lambda frame: frame.astype({"a": "category", "c": "category"}),
    "pandas objects": lambda frame: frame.astype({"a": object, "c": object}),
    "pandas nullable": lambda frame: frame.convert_dtypes(),
}


@pytest.mark.parametrize("formula", ["y ~ a * c + bs(x, df=4)", "y ~ C(k) * flag + log(z):a"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_kind_of_frame_gives_the_same_design(library, formula, frame):
    _, matrix = expected(formula, frame)
    _, result = Recipe.fit(formula, LIBRARIES[library](frame))
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )


@pytest.mark.parametrize("library", ["polars", "pyarrow", "pyarrow in chunks"])
def test_declared_levels_keep_their_order_in_every_library(library, frame):
    _, matrix = expected("y ~ b", frame)
    assert list(matrix.columns) == ["Intercept", "b[T.p]"]
    _, result = Recipe.fit("y ~ b", LIBRARIES[library](frame))
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(result.design.to_dense(), matrix.to_numpy())


def test_polars_categoricals_are_sorted_whatever_the_order_of_rows(frame):
    given = pl.from_pandas(frame[["y", "c"]]).with_columns(pl.col("c").cast(pl.Categorical))
    for rows in (given, given.reverse()):
        names = Recipe.fit("y ~ c", rows)[1].design.names
        assert names == ("Intercept", "c[T.one]", "c[T.three]", "c[T.two]")


def test_unused_declared_levels_keep_their_column(frame):
    wide = frame.assign(b=frame["b"].cat.add_categories(["never"]))
    _, matrix = expected("y ~ b", wide)
    _, result = Recipe.fit("y ~ b", wide)
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(result.design.to_dense(), matrix.to_numpy())


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
    _, result = Recipe.fit(R_CASES[case], data)
    np.testing.assert_allclose(result.design.to_dense(), matrix, rtol=1e-12, atol=1e-12)


def test_numeric_columns_are_not_copied():
    values = np.random.default_rng(0).normal(size=(50, 3))
    frame = pd.DataFrame(values, columns=["x1", "x2", "x3"], copy=False)
    frame["y"] = 1
    _, result = Recipe.fit("y ~ x1 + x2 + x3 + x1:x3", frame)
    _, *numeric = result.design.parts
    assert [len(product.factors) for product in numeric] == [1, 1, 1, 2]
    assert all(np.shares_memory(f, values) for product in numeric for f in product.factors)


def test_codes_of_pandas_categories_are_not_copied(frame):
    _, result = Recipe.fit("y ~ b", frame)
    coded = result.design.parts[1]
    assert coded.codes[0].dtype == np.int8
    assert np.shares_memory(coded.codes[0], frame["b"].array.codes)


def test_constant_and_terms(frame):
    _, result = Recipe.fit("y ~ a * x", frame)
    assert result.design.constant == 0
    assert result.design.terms == (
        ("Intercept", slice(0, 1)),
        ("a", slice(1, 3)),
        ("x", slice(3, 4)),
        ("a:x", slice(4, 6)),
    )
    assert Recipe.fit("y ~ a - 1", frame)[1].design.constant is None


@pytest.fixture
def gaps(frame):
    gaps = frame.copy()
    gaps.loc[[2, 5], "x"] = np.nan
    gaps.loc[[5, 7, 9], "a"] = None
    gaps.loc[1, "b"] = None
    gaps.loc[3, "z"] = np.nan
    return gaps


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_missing_raise_names_columns_counts_and_rows(library, gaps):
    gaps = LIBRARIES.get(library, lambda frame: frame)(gaps)
    with pytest.raises(MissingValueError) as caught:
        Recipe.fit("y ~ x + a", gaps)
    message = str(caught.value)
    assert "'x' 2 rows (2, 5" in message
    assert "'a' 3 rows (5, 7, 9" in message
    assert 'missing="drop"' in message


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_missing_drop_is_the_fit_of_the_complete_rows(library, gaps):
    complete = gaps.dropna(subset=["y", "x", "a", "b"])
    _, matrix = expected("y ~ a * b + bs(x, df=4) + scale(x)", complete)
    given = LIBRARIES.get(library, lambda frame: frame)(gaps)
    _, result = Recipe.fit("y ~ a * b + bs(x, df=4) + scale(x)", given, missing="drop")
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_array_equal(np.flatnonzero(~result.rows), [1, 2, 5, 7, 9])
    assert result.n_dropped == 5
    assert result.missing == {"x": 2, "a": 3, "b": 1}


def test_a_level_that_only_dropped_rows_have_is_no_level(frame):
    gaps = frame.copy()
    gaps.loc[0, ["a", "x"]] = ["only here", np.nan]
    _, result = Recipe.fit("y ~ a + x", gaps, missing="drop")
    assert result.design.names == ("Intercept", "a[T.v]", "a[T.w]", "x")


def test_extra_columns_are_read_and_count_as_used(gaps):
    weights = np.arange(80.0)
    weights[4] = np.nan
    extra = {"exposure": "z", "weights": weights, "offset": None}
    _, result = Recipe.fit("y ~ x", gaps, missing="drop", extra=extra)
    kept = ~np.isin(np.arange(80), [2, 3, 4, 5])
    np.testing.assert_array_equal(result.rows, kept)
    np.testing.assert_array_equal(result.extra["exposure"], gaps["z"].to_numpy()[kept])
    np.testing.assert_array_equal(result.extra["weights"], weights[kept])
    assert set(result.extra) == {"exposure", "weights"}


def test_offsets_leave_the_design_and_add_up(frame):
    recipe, result = Recipe.fit("y ~ x + offset(log(z)) + offset(k)", frame)
    assert result.design.names == ("Intercept", "x")
    expected_offset = np.log(frame["z"]) + frame["k"]
    np.testing.assert_allclose(result.offset, expected_offset, rtol=1e-15)
    loaded = Recipe.from_dict(recipe.to_dict())
    np.testing.assert_allclose(loaded.apply(frame[:5]).offset, expected_offset[:5], rtol=1e-15)
    assert Recipe.fit("y ~ x", frame)[1].offset is None


def test_an_offset_learns_from_the_fit_only(frame):
    recipe, _ = Recipe.fit("y ~ x + offset(center(z))", frame)
    np.testing.assert_allclose(
        recipe.apply(frame[:5]).offset, frame["z"][:5] - frame["z"].mean(), rtol=1e-14
    )


def test_unseen_level_raises_with_level_and_row(frame):
    recipe, _ = Recipe.fit("y ~ a * x", frame)
    new = frame[:6].assign(a=["u", "v", "w", "new", "u", "new"])
    with pytest.raises(UnseenLevelError, match=r"'a' has the level 'new' in 2 rows \(3, 5"):
        recipe.apply(new)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_unseen_nan_marks_the_rows(library, frame):
    recipe, _ = Recipe.fit("y ~ a * x", frame)
    new = frame[:6].assign(a=["u", "v", "w", "new", "u", "new"])
    result = recipe.apply(LIBRARIES.get(library, lambda f: f)(new), unseen="nan")
    np.testing.assert_array_equal(result.nan_rows, [0, 0, 0, 1, 0, 1])
    good = new[~new["a"].eq("new")]
    np.testing.assert_array_equal(
        result.design.to_dense()[~result.nan_rows], recipe.apply(good).design.to_dense()
    )
    assert recipe.apply(good, unseen="nan").nan_rows is None


def test_missing_values_in_new_data(gaps, frame):
    recipe, _ = Recipe.fit("y ~ a + bs(x, df=4) + offset(z)", frame)
    with pytest.raises(MissingValueError, match="'a' 3 rows"):
        recipe.apply(gaps)
    with pytest.raises(MissingValueError, match="'a' 3 rows"):
        recipe.apply(gaps, unseen="nan")
    result = recipe.apply(gaps, missing="nan")
    np.testing.assert_array_equal(np.flatnonzero(result.nan_rows), [2, 3, 5, 7, 9])


def test_values_beyond_the_knots_are_refused(frame):
    recipe, _ = Recipe.fit("y ~ bs(x, df=4)", frame)
    with pytest.raises(DataError, match=r"bs\(x, df=4\)"):
        recipe.apply(frame.assign(x=100.0))


def test_a_column_that_changes_its_kind_is_refused(frame):
    recipe, _ = Recipe.fit("y ~ x + a", frame)
    with pytest.raises(DataError, match="'x' was numeric"):
        recipe.apply(frame.assign(x="text"))
    with pytest.raises(DataError, match="'a' was categorical"):
        recipe.apply(frame.assign(a=1.0))


def test_unknown_column_suggests_close_names(frame):
    with pytest.raises(ColumnNotFoundError, match=r"no column 'Petal\.Lenght'.*'Petal\.Length'"):
        Recipe.fit("y ~ Petal.Lenght", frame)
    with pytest.raises(ColumnNotFoundError, match="no column 'expo'"):
        Recipe.fit("y ~ x", frame, extra={"exposure": "expo"})


@pytest.mark.parametrize(
    ("formula", "match"),
    [
        ("y ~ x +", "Cannot parse"),
        ("y ~ x | a", "several parts"),
        ("y + k ~ x", "one response"),
        ("y ~ __import__('os')", "not a function of the formula language"),
        ("y ~ x.__class__()", "not a function of the formula language"),
        ("y ~ a:offset(x)", "stands alone"),
        ("y ~ log(offset(x))", "part of a larger expression"),
        ("y ~ I(a + 1)", "cannot be used in arithmetic"),
        ("y ~ 0", "no terms"),
        ("y ~ {1 + 2}", "constant"),
        ("bs(x, df=4) ~ z", "single numeric column"),
    ],
)
def test_formulas_that_cannot_be_used(formula, match, frame):
    with pytest.raises(FormulaError, match=match):
        Recipe.fit(formula, frame)


@pytest.mark.parametrize(
    ("change", "formula", "match"),
    [
        ({"x": np.inf}, "y ~ x", r"'x' is infinite or not a number in 80 rows"),
        ({"z": -1.0}, "y ~ log(z)", r"'log\(z\)' is infinite or not a number"),
        ({"y": np.inf}, "y ~ x", "'y' is infinite"),
        ({"a": [1, "b"] * 40}, "y ~ a", "'a' mixes values of type int, str"),
        ({"x": pd.Timestamp("2020-01-01")}, "y ~ x", "'x' holds Datetime"),
        ({"x": 1j}, "y ~ x", "'x' holds"),
    ],
)
def test_data_that_cannot_be_used(change, formula, match, frame):
    with pytest.raises(DataError, match=match):
        Recipe.fit(formula, frame.assign(**change))


def test_an_empty_frame_is_refused(frame):
    with pytest.raises(DataError, match="no rows"):
        Recipe.fit("y ~ x", frame[:0])
    with pytest.raises(DataError, match="No row is complete"):
        Recipe.fit("y ~ x", frame.assign(x=np.nan), missing="drop")


def test_levels_left_out_in_the_formula_are_refused(frame):
    with pytest.raises(UnseenLevelError, match="'w'"):
        Recipe.fit("y ~ C(a, levels=['u', 'v'])", frame)


def test_a_file_cannot_smuggle_in_a_function(frame):
    saved = Recipe.fit("y ~ log(z)", frame)[0].to_dict()
    saved["factors"][0]["text"] = "eval('1')"
    with pytest.raises(FormulaError, match="'eval'"):
        Recipe.from_dict(saved)
    with pytest.raises(DataError, match="not a saved formula"):
        Recipe.from_dict({"formula": "y ~ x"})


def test_a_frame_taken_column_by_column(frame):
    frame = frame[["x", "a", "b", "flag"]].assign(one=1)
    recipe, result = Recipe.from_columns(frame)
    assert result.design.names == ("x", "a[T.v]", "a[T.w]", "b[T.p]", "flag", "one")
    assert result.design.constant == 5
    wanted = expected("y ~ x + a + b + flag", frame.assign(y=1))[1].to_numpy(dtype=float)
    np.testing.assert_array_equal(result.design.to_dense()[:, :5], wanted[:, 1:])
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))).apply(frame[:7])
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense()[:7])


def test_numeric_columns_of_a_frame_are_taken_without_a_copy():
    values = np.random.default_rng(4).normal(size=(30, 5))
    _, result = Recipe.from_columns(pd.DataFrame(values, copy=False))
    assert result.design.names == ("0", "1", "2", "3", "4")
    assert result.design.constant is None
    assert all(np.shares_memory(part.factors[0], values) for part in result.design.parts)
    np.testing.assert_array_equal(result.design.to_dense(), values)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_order_of_rows_does_not_matter(library, frame):
    order = np.random.default_rng(9).permutation(len(frame))
    formula = "y ~ a * c + C(k) + bs(x, df=4)"
    _, straight = Recipe.fit(formula, LIBRARIES[library](frame))
    shuffled = frame.iloc[order].reset_index(drop=True)
    _, result = Recipe.fit(formula, LIBRARIES[library](shuffled))
    assert result.design.names == straight.design.names
    np.testing.assert_array_equal(result.design.to_dense(), straight.design.to_dense()[order])


def test_a_pickled_recipe_is_small_and_gives_the_same_columns(frame):
    recipe, result = Recipe.fit("y ~ a * bs(x, df=5) + C(c, contr.sum)", frame)
    pickled = pickle.dumps(recipe)
    assert len(pickled) < 4000
    again = pickle.loads(pickled).apply(frame)
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense())
