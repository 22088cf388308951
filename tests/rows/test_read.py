"""What can be wrong with the input: one error each, naming the argument, column or row."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.errors import (
    ColumnNotFoundError,
    DataError,
    FastGLMError,
    FormulaError,
    MissingValueError,
    ModelError,
)

FRAME = pd.DataFrame(
    {
        "y": [1, 0, 3, 2, 1, 4],
        "x": [0.5, 1.5, 2.5, 1.0, 3.0, 4.0],
        "g": list("uvuvuv"),
        "hours": [1.0, 2.0, 1.0, 0.5, 1.0, 2.0],
    }
)


def changed(column, row, value):
    values = FRAME[column].astype(float).to_numpy(copy=True)
    values[row] = value
    return FRAME.assign(**{column: values})


BY_FORMULA = {
    "a missing number": (changed("x", 3, np.nan), {}, MissingValueError, r"'x' in 1 row \(3.*drop"),
    "an infinite number": (changed("x", 3, np.inf), {}, MissingValueError, r"'x' .*1 row \(3"),
    "an impossible response": (changed("y", 2, -1), {}, DataError, r"row 2 \(-1\)"),
    "a negative weight": (
        changed("hours", 4, -1.0),
        {"var_weights": "hours"},
        DataError,
        r"var_weights .*1 row \(4",
    ),
    "no weight": (
        FRAME.assign(hours=0.0),
        {"freq_weights": "hours"},
        DataError,
        "all weights are zero",
    ),
    "no exposure": (
        changed("hours", 5, 0.0),
        {"exposure": "hours"},
        DataError,
        r"exposure .*1 row \(5",
    ),
    "an exposure without logarithm": (
        FRAME,
        {"exposure": "hours", "link": "sqrt"},
        ModelError,
        "exposure needs a log link",
    ),
    "no such column": (FRAME, {"offset": "hour"}, ColumnNotFoundError, "'hour'.*mean 'hours'"),
    "a link of another family": (FRAME, {"link": "logit"}, ModelError, "Logit .*Poisson"),
    "no rows": (FRAME.head(0), {}, DataError, "no rows"),
    "mixed types": (
        FRAME.assign(g=["u", 1, "v", "u", "v", "u"]),
        {},
        DataError,
        "'g' mixes values of type int, str",
    ),
    "dates": (FRAME.assign(g=pd.Timestamp("2024-01-01")), {}, DataError, "'g' holds Datetime"),
}


@pytest.mark.parametrize("case", BY_FORMULA)
def test_a_formula_and_a_frame(case):
    frame, options, error, reason = BY_FORMULA[case]
    with pytest.raises(error, match=reason) as raised:
        fg.GLM.from_formula("y ~ x + g", frame, family="poisson", **options)
    assert isinstance(raised.value, FastGLMError)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("formula", "error", "reason"),
    [
        ("y ~ xx", ColumnNotFoundError, "'xx'"),
        ("y ~ x +", FormulaError, "Cannot parse"),
        ("x + g", DataError, "no response"),
        ("y ~ open(x)", FormulaError, "'open'"),
        ("y ~ log(x - 2)", MissingValueError, r"'log\(x - 2\)' .* 3 rows \(0, 1, 3"),
    ],
)
def test_formulas(formula, error, reason):
    with pytest.raises(error, match=reason):
        fg.GLM.from_formula(formula, FRAME, family="poisson")


@pytest.mark.parametrize(
    ("endog", "exog", "reason"),
    [
        ([1.0, 2.0], np.ones((3, 1)), "2 values, but there are 3 rows"),
        ([], np.empty((0, 1)), "must have rows"),
        ([1.0, 2.0], [["a"], ["b"]], "must be numeric"),
        ([1.0, 2.0], [[1.0], [1.0, 2.0]], "not a rectangular array"),
        (["a", "b"], np.ones((2, 1)), "takes numbers"),
    ],
)
def test_arrays(endog, exog, reason):
    with pytest.raises(DataError, match=reason):
        fg.GLM(endog, exog)


def test_masked_values_are_missing():
    y = np.ma.masked_array(FRAME["y"], mask=[0, 1, 0, 0, 0, 0])
    X = np.ma.masked_array(FRAME[["x"]], mask=np.array([[0, 0, 0, 0, 1, 0]]).T)
    weights = np.ma.masked_array(FRAME["hours"], mask=[0, 0, 0, 0, 0, 1])
    for arguments in ((y, FRAME[["x"]]), (FRAME["y"], X), (y, X)):
        with pytest.raises(MissingValueError):
            fg.GLM(*arguments, "poisson").fit()
    rest = [0, 2, 3]
    ours = fg.GLM(y, X, "poisson", var_weights=weights, missing="drop").fit()
    kept = FRAME.iloc[rest]
    expected = fg.GLM(kept["y"], kept[["x"]], "poisson", var_weights=kept["hours"]).fit()
    np.testing.assert_allclose(ours.params, expected.params, rtol=1e-12)
    assert ours.n_dropped == 3


def test_rows_in_another_order_are_refused():
    X = FRAME[["x"]]
    with pytest.raises(DataError, match="row 0 is 0 in the one and 5 in the other"):
        fg.GLM(FRAME["y"], X.iloc[::-1])
    fg.GLM(FRAME["y"].to_numpy(), X.iloc[::-1])
    fg.GLM(FRAME["y"], X.set_axis(list(range(6))))


def test_levels_nobody_has_are_left_out():
    levels = pd.CategoricalDtype(["never", "u", "v"])
    fit = fg.glm("y ~ g", FRAME.assign(g=FRAME["g"].astype(levels)), family="poisson")
    assert fit.names == ("Intercept", "g[T.v]")
    with pytest.raises(DataError, match="'never' in 1 row"):
        fit.predict({"g": np.array(["u", "never"])})


def test_rows_in_another_order_are_refused_by_other_responses():
    with pytest.raises(DataError, match="the response and zeros have different indexes"):
        fg.ZeroInflated(FRAME["y"], FRAME[["x"]], FRAME[["hours"]].iloc[::-1])


def test_one_exposure_for_all_new_rows():
    fit = fg.glm("y ~ x", FRAME, family="poisson", exposure="hours")
    double = fit.predict(FRAME[["x"]], exposure=2.0)
    np.testing.assert_allclose(double, fit.predict(FRAME[["x"]], exposure=np.full(6, 2.0)))


def test_one_row():
    fit = fg.GLM(FRAME["y"], fg.add_constant(FRAME[["x"]].to_numpy()), family="poisson").fit()
    np.testing.assert_array_equal(fit.predict([1.0, 2.0]), fit.predict([[1.0, 2.0]]))
    named = fg.glm("y ~ x", FRAME, family="poisson")
    np.testing.assert_array_equal(named.predict({"x": 2.0}), named.predict({"x": [2.0]}))
    with pytest.raises(DataError, match="'x' is one value, not a column"):
        fg.glm("y ~ x", {"y": [1.0, 2.0], "x": 2.0})


def gaps_of(values):
    """Numbers of which that of row 3 is missing, in many ways."""
    numbers = [None if row == 3 else float(value) for row, value in enumerate(values)]
    yield numbers
    yield pd.Series(numbers, dtype="Float64")
    yield pd.Series(numbers, dtype="float64[pyarrow]")
    yield pd.Series([pd.NA if n is None else n for n in numbers], dtype=object)
    yield pl.Series(numbers)
    yield pa.array(numbers)


def test_missing_values_of_every_kind_are_missing():
    X, kept = FRAME[["x"]].to_numpy(), [0, 1, 2, 4, 5]
    y = FRAME["y"].to_numpy()
    expected = fg.GLM(y[kept], X[kept], "poisson").fit().params
    for gaps in gaps_of(y):
        with pytest.raises(MissingValueError, match="row 3"):
            fg.GLM(gaps, X, "poisson")
        np.testing.assert_allclose(
            fg.GLM(gaps, X, "poisson", missing="drop").fit().params, expected
        )
        with pytest.raises(MissingValueError, match=r"1 row \(3"):
            fg.NegativeBinomialP(gaps, X)
    for gaps in gaps_of(np.ones(6)):
        with pytest.raises(MissingValueError, match=r"1 row \(3"):
            fg.GLM(y, X, "poisson", var_weights=gaps)
        weighted = fg.GLM(y, X, "poisson", var_weights=gaps, missing="drop")
        np.testing.assert_allclose(weighted.fit().params, expected)


def test_missing_counts_and_truths():
    X, kept = FRAME[["x"]].to_numpy(), [0, 1, 2, 4, 5]
    pairs = pd.DataFrame({"won": FRAME["y"], "lost": 2}).astype("Int64")
    pairs.loc[3, "lost"] = pd.NA
    whole = pairs.iloc[kept].astype(float).to_numpy()
    ours = fg.GLM(pairs, X, "binomial", missing="drop").fit().params
    np.testing.assert_allclose(ours, fg.GLM(whole, X[kept], "binomial").fit().params)
    truths = pd.Series([True, False, True, pd.NA, False, True], dtype="boolean")
    ours = fg.GLM(truths, X, "binomial", missing="drop").fit().params
    numbers = truths[kept].astype(float).to_numpy()
    np.testing.assert_allclose(ours, fg.GLM(numbers, X[kept], "binomial").fit().params)


def test_arrays_of_pandas_keep_the_index_of_the_rows_that_are_left():
    X = FRAME[["x", "hours"]].set_index(pd.Index(list("abcdef")))
    y = pd.Series(FRAME.y.to_numpy(float), X.index, name="claims")
    gone = X.astype(float)
    gone.loc["e", "x"] = np.nan
    for response, columns, left in (
        (y.where(y.index != "b"), X, list("acdef")),
        (y, gone, list("abcdf")),
        (y.where(y.index != "b"), gone, list("acdf")),
        (y, X.to_numpy(), list("abcdef")),
        (y.where(y.index != "b"), X.to_numpy(), list("acdef")),
    ):
        fit = fg.GLM(response, columns, "poisson", missing="drop").fit()
        kept = fg.GLM(y[left], np.asarray(X.loc[left]), "poisson").fit()
        assert fit.n_dropped == 6 - len(left)
        assert list(fit.fittedvalues.index) == left
        assert isinstance(fit.params, pd.Series)
        np.testing.assert_allclose(fit.fittedvalues, kept.fittedvalues, rtol=1e-7)
        np.testing.assert_allclose(fit.get_influence().dfbetas, kept.get_influence().dfbetas)


def test_a_formula_where_a_response_should_be():
    for model in (fg.GLM, fg.MNLogit, fg.Hurdle):
        with pytest.raises(DataError, match=r"text 'y ~ x'. A formula goes to from_formula"):
            model("y ~ x", FRAME)


@pytest.mark.parametrize("dtype", [">f8", ">f4", "longdouble", "float16", ">i4"])
def test_numbers_of_any_storage_are_responses_columns_and_weights(dtype):
    X, y, weights = np.column_stack([np.ones(6), FRAME.x]), FRAME.y.to_numpy(), [1, 2, 1, 3, 1, 2]
    stored = [np.array(values, dtype=dtype) for values in (y, X, weights)]
    plain = [values.astype(float) for values in stored]
    ours = fg.GLM(*stored[:2], "poisson", var_weights=stored[2], offset=stored[2] / 8).fit()
    same = fg.GLM(*plain[:2], "poisson", var_weights=plain[2], offset=plain[2] / 8).fit()
    np.testing.assert_allclose(ours.params, same.params, rtol=1e-12)
    np.testing.assert_allclose(
        ours.predict(stored[1], offset=stored[2]),
        same.predict(plain[1], offset=plain[2]),
        rtol=1e-12,
    )
