"""Recipes: missing values, new data, saving, and input that cannot be used."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import (
    ColumnNotFoundError,
    DataError,
    FastGLMWarning,
    FormulaError,
    MissingValueError,
    UnseenLevelError,
)


def test_numeric_columns_are_not_copied():
    values = np.random.default_rng(0).normal(size=(50, 3))
    frame = pd.DataFrame(values, columns=["x1", "x2", "x3"], copy=False)
    frame["y"] = 1
    _, result = FittedFormula.fit("y ~ x1 + x2 + x3 + x1:x3", frame)
    _, *numeric = result.design.parts
    assert [len(product.factors) for product in numeric] == [1, 1, 1, 2]
    assert all(np.shares_memory(f, values) for product in numeric for f in product.factors)


def test_codes_of_pandas_categories_are_not_copied(frame):
    _, result = FittedFormula.fit("y ~ b", frame)
    coded = result.design.parts[1]
    assert coded.codes[0].dtype == np.int8
    assert np.shares_memory(coded.codes[0], frame["b"].array.codes)


def test_constant_and_terms(frame):
    _, result = FittedFormula.fit("y ~ a * x", frame)
    assert result.design.constant == 0
    assert result.design.terms == (
        ("Intercept", slice(0, 1)),
        ("a", slice(1, 3)),
        ("x", slice(3, 4)),
        ("a:x", slice(4, 6)),
    )
    assert FittedFormula.fit("y ~ a - 1", frame)[1].design.constant is None


@pytest.fixture
def gaps(frame):
    gaps = frame.copy()
    gaps.loc[[2, 5], "x"] = np.nan
    gaps.loc[[5, 7, 9], "a"] = None
    gaps.loc[1, "b"] = None
    gaps.loc[3, "z"] = np.nan
    return gaps


@pytest.mark.parametrize("convert", ["pandas", "polars", "pyarrow"], indirect=True)
def test_missing_raise_names_columns_counts_and_rows(convert, gaps):
    gaps = convert(gaps)
    with pytest.raises(MissingValueError) as caught:
        FittedFormula.fit("y ~ x + a", gaps)
    message = str(caught.value)
    assert "'x' in 2 rows (2, 5" in message
    assert "'a' in 3 rows (5, 7, 9" in message
    assert 'missing="drop"' in message


@pytest.mark.parametrize("convert", ["pandas", "polars", "pyarrow"], indirect=True)
def test_missing_drop_is_the_fit_of_the_complete_rows(convert, gaps, expected):
    # Formulaic learns knots and means before it drops rows for other columns, as R does.
    _, matrix = expected("y ~ a * b + bs(x, df=4) + scale(x)", gaps.dropna(subset="x"))
    given = convert(gaps)
    _, result = FittedFormula.fit("y ~ a * b + bs(x, df=4) + scale(x)", given, missing="drop")
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_allclose(
        result.design.to_dense(), matrix.to_numpy(dtype=float), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_array_equal(np.flatnonzero(~result.rows), [1, 2, 5, 7, 9])
    assert result.n_dropped == 5
    assert result.missing == {"x": 2, "a": 3, "b": 1}


@pytest.mark.parametrize("call", ["bs(x, df=5)", "cr(x, df=4)", "cc(x, df=3)", "scale(x)"])
def test_transforms_learn_from_every_row_that_has_the_variable(call, frame):
    gaps = frame.copy()
    gaps.loc[gaps.x > 0, "z"] = np.nan
    gaps.loc[gaps.x < -1.5, "x"] = np.nan
    fitted_formula, result = FittedFormula.fit(
        f"log(y + 1) ~ {call} + z + offset(center(x))", gaps, "drop"
    )
    learned, _ = FittedFormula.fit(f"y ~ {call} + offset(center(x))", gaps.dropna(subset="x"))
    kept = gaps.dropna(subset=["x", "z"])
    expected = learned.apply(kept)
    np.testing.assert_allclose(
        result.design.to_dense()[:, :-1], expected.design.to_dense(), rtol=1e-13, atol=1e-13
    )
    np.testing.assert_allclose(result.offset, expected.offset, rtol=1e-13)
    np.testing.assert_array_equal(
        fitted_formula.apply(kept).design.to_dense(), result.design.to_dense()
    )


def test_a_response_learns_likewise(frame):
    gaps = frame.assign(z=frame.z.where(frame.x < 0))
    _, result = FittedFormula.fit("scale(y) ~ z", gaps, "drop")
    y = frame.y.to_numpy(dtype=float)
    np.testing.assert_allclose(result.y, ((y - y.mean()) / y.std(ddof=1))[frame.x < 0], rtol=1e-13)


def test_transforms_of_missing_values_are_missing(frame):
    fitted_formula, _ = FittedFormula.fit("y ~ bs(x, df=4) + scale(z)", frame)
    new = frame.iloc[:4].assign(x=[0.1, np.nan, 0.2, 0.3])
    built = fitted_formula.apply(new, missing="nan")
    np.testing.assert_array_equal(built.nan_rows, [False, True, False, False])
    whole = fitted_formula.apply(new.iloc[[0, 2, 3]])
    np.testing.assert_array_equal(built.design.to_dense()[[0, 2, 3]], whole.design.to_dense())


def test_a_response_on_the_right_side_is_left_out_with_a_warning(frame):
    with pytest.warns(FastGLMWarning, match="'y' stood on the right side"):
        fitted_formula, result = FittedFormula.fit("y ~ x + y", frame)
    assert result.design.names == ("Intercept", "x")
    assert fitted_formula.apply(frame[["x"]]).design.names == ("Intercept", "x")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("flag", [True, None]),
        ("x", [None, None]),
        ("a", [None, None]),
        ("a", ["u", None]),
        ("k", [2, None]),
    ],
)
def test_missing_values_of_any_type_keep_the_kind_of_the_fit(column, values, frame):
    fitted_formula, _ = FittedFormula.fit("y ~ flag + x + a + k + I(a == 'u') + log(z)", frame)
    for dtype in (object, None):
        new = frame.iloc[:2].assign(**{column: pd.Series(values, dtype=dtype)})
        built = fitted_formula.apply(new, missing="nan")
        np.testing.assert_array_equal(built.nan_rows, [v is None for v in values])
        with pytest.raises(MissingValueError, match=f"'{column}'"):
            fitted_formula.apply(new)
        kept = [v is not None for v in values]
        if any(kept):
            whole = fitted_formula.apply(frame.iloc[:1].assign(**{column: values[:1]}))
            np.testing.assert_array_equal(built.design.to_dense()[kept], whole.design.to_dense())


def test_one_row_as_a_frame_of_objects(frame):
    fitted_formula, result = FittedFormula.fit("y ~ flag + x + a + b", frame)
    row = frame.iloc[3].to_frame().T
    np.testing.assert_array_equal(
        fitted_formula.apply(row).design.to_dense(), result.design.to_dense()[[3]]
    )


def test_a_level_that_only_dropped_rows_have_is_no_level(frame):
    gaps = frame.copy()
    gaps.loc[0, ["a", "x"]] = ["only here", np.nan]
    _, result = FittedFormula.fit("y ~ a + x", gaps, missing="drop")
    assert result.design.names == ("Intercept", "a[T.v]", "a[T.w]", "x")


def test_extra_columns_are_read_and_count_as_used(gaps):
    weights = np.arange(80.0)
    weights[4] = np.nan
    extra = {"exposure": "z", "weights": weights, "offset": None}
    _, result = FittedFormula.fit("y ~ x", gaps, missing="drop", extra=extra)
    kept = ~np.isin(np.arange(80), [2, 3, 4, 5])
    np.testing.assert_array_equal(result.rows, kept)
    np.testing.assert_array_equal(result.extra["exposure"], gaps["z"].to_numpy()[kept])
    np.testing.assert_array_equal(result.extra["weights"], weights[kept])
    assert set(result.extra) == {"exposure", "weights"}


def test_offsets_leave_the_design_and_add_up(frame):
    fitted_formula, result = FittedFormula.fit("y ~ x + offset(log(z)) + offset(k)", frame)
    assert result.design.names == ("Intercept", "x")
    expected_offset = np.log(frame["z"]) + frame["k"]
    np.testing.assert_allclose(result.offset, expected_offset, rtol=1e-15)
    loaded = FittedFormula.from_dict(fitted_formula.to_dict())
    np.testing.assert_allclose(loaded.apply(frame[:5]).offset, expected_offset[:5], rtol=1e-15)
    assert FittedFormula.fit("y ~ x", frame)[1].offset is None


def test_an_offset_learns_from_the_fit_only(frame):
    fitted_formula, _ = FittedFormula.fit("y ~ x + offset(center(z))", frame)
    np.testing.assert_allclose(
        fitted_formula.apply(frame[:5]).offset, frame["z"][:5] - frame["z"].mean(), rtol=1e-14
    )


def test_unseen_level_raises_with_level_and_row(frame):
    fitted_formula, _ = FittedFormula.fit("y ~ a * x", frame)
    new = frame[:6].assign(a=["u", "v", "w", "new", "u", "new"])
    with pytest.raises(UnseenLevelError, match=r"'a' has the level 'new' in 2 rows \(3, 5"):
        fitted_formula.apply(new)


@pytest.mark.parametrize("convert", ["pandas", "polars", "pyarrow"], indirect=True)
def test_unseen_nan_marks_the_rows(convert, frame):
    fitted_formula, _ = FittedFormula.fit("y ~ a * x", frame)
    new = frame[:6].assign(a=["u", "v", "w", "new", "u", "new"])
    result = fitted_formula.apply(convert(new), unseen="nan")
    np.testing.assert_array_equal(result.nan_rows, [0, 0, 0, 1, 0, 1])
    good = new[~new["a"].eq("new")]
    np.testing.assert_array_equal(
        result.design.to_dense()[~result.nan_rows], fitted_formula.apply(good).design.to_dense()
    )
    assert fitted_formula.apply(good, unseen="nan").nan_rows is None


def test_missing_values_in_new_data(gaps, frame):
    fitted_formula, _ = FittedFormula.fit("y ~ a + bs(x, df=4) + offset(z)", frame)
    with pytest.raises(MissingValueError, match="'a' in 3 rows"):
        fitted_formula.apply(gaps)
    with pytest.raises(MissingValueError, match="'a' in 3 rows"):
        fitted_formula.apply(gaps, unseen="nan")
    result = fitted_formula.apply(gaps, missing="nan")
    np.testing.assert_array_equal(np.flatnonzero(result.nan_rows), [2, 3, 5, 7, 9])


def test_values_beyond_the_knots_are_refused(frame):
    fitted_formula, _ = FittedFormula.fit("y ~ bs(x, df=4)", frame)
    with pytest.raises(DataError, match=r"bs\(x, df=4\)"):
        fitted_formula.apply(frame.assign(x=100.0))


def test_a_column_that_changes_its_kind_is_refused(frame):
    fitted_formula, _ = FittedFormula.fit("y ~ x + a", frame)
    with pytest.raises(DataError, match="'x' was numeric"):
        fitted_formula.apply(frame.assign(x="text"))
    with pytest.raises(DataError, match="'a' was categorical"):
        fitted_formula.apply(frame.assign(a=1.0))


def test_unknown_column_suggests_close_names(frame):
    with pytest.raises(ColumnNotFoundError, match=r"no column 'Petal\.Lenght'.*'Petal\.Length'"):
        FittedFormula.fit("y ~ Petal.Lenght", frame)
    with pytest.raises(ColumnNotFoundError, match="no column 'expo'"):
        FittedFormula.fit("y ~ x", frame, extra={"exposure": "expo"})


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
        FittedFormula.fit(formula, frame)


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
        FittedFormula.fit(formula, frame.assign(**change))


def test_an_empty_frame_is_refused(frame):
    with pytest.raises(DataError, match="no rows"):
        FittedFormula.fit("y ~ x", frame[:0])
    with pytest.raises(DataError, match="No row is complete"):
        FittedFormula.fit("y ~ x", frame.assign(x=np.nan), missing="drop")


def test_levels_left_out_in_the_formula_are_refused(frame):
    with pytest.raises(UnseenLevelError, match="'w'"):
        FittedFormula.fit("y ~ C(a, levels=['u', 'v'])", frame)


def test_a_file_cannot_smuggle_in_a_function(frame):
    saved = FittedFormula.fit("y ~ log(z)", frame)[0].to_dict()
    saved["factors"][0]["text"] = "eval('1')"
    with pytest.raises(FormulaError, match="'eval'"):
        FittedFormula.from_dict(saved)
    with pytest.raises(DataError, match="not a saved formula"):
        FittedFormula.from_dict({"formula": "y ~ x"})


def test_a_frame_taken_column_by_column(frame, expected):
    frame = frame[["x", "a", "b", "flag"]].assign(one=1)
    fitted_formula, result = FittedFormula.from_columns(frame)
    assert result.design.names == ("x", "a[T.v]", "a[T.w]", "b[T.p]", "flag", "one")
    assert result.design.constant == 5
    wanted = expected("y ~ x + a + b + flag", frame.assign(y=1))[1].to_numpy(dtype=float)
    np.testing.assert_array_equal(result.design.to_dense()[:, :5], wanted[:, 1:])
    again = FittedFormula.from_dict(json.loads(json.dumps(fitted_formula.to_dict()))).apply(
        frame[:7]
    )
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense()[:7])


def test_numeric_columns_of_a_frame_are_taken_without_a_copy():
    values = np.random.default_rng(4).normal(size=(30, 5))
    _, result = FittedFormula.from_columns(pd.DataFrame(values, copy=False))
    assert result.design.names == ("0", "1", "2", "3", "4")
    assert result.design.constant is None
    assert all(np.shares_memory(part.factors[0], values) for part in result.design.parts)
    np.testing.assert_array_equal(result.design.to_dense(), values)


def test_a_pickled_recipe_is_small_and_gives_the_same_columns(frame):
    fitted_formula, result = FittedFormula.fit("y ~ a * bs(x, df=5) + C(c, contr.sum)", frame)
    pickled = pickle.dumps(fitted_formula)
    assert len(pickled) < 4000
    again = pickle.loads(pickled).apply(frame)
    np.testing.assert_array_equal(again.design.to_dense(), result.design.to_dense())
