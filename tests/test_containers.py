"""The same rows give the same model, whatever holds them."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

import fastglm as fg
from fastglm.errors import DataError

#: Declared in no alphabetical order, and met in yet another one.
SIZES = ["small", "medium", "large"]


def rows(n, seed, gaps):
    """Text, an order, truth values and numbers; some missing where `gaps` are wanted."""
    rng = np.random.default_rng(seed)
    frame = {
        "x": rng.normal(size=n).tolist(),
        "town": rng.choice(["york", "bath", "ely"], n).tolist(),
        "size": rng.choice(SIZES, n).tolist(),
        "late": (rng.random(n) < 0.5).tolist(),
        "won": rng.choice(["yes", "no"], n).tolist(),
        "count": rng.poisson(2.0, n).tolist(),
    }
    # Every level of everything, in an order that is not the sorted one.
    frame["town"][:3], frame["size"][:3] = ["york", "ely", "bath"], ["medium", "large", "small"]
    frame["won"][:2], frame["late"][:2] = ["yes", "no"], [True, False]
    if gaps:
        for place, name in enumerate(frame):
            frame[name][5 + place] = None
    return frame


def as_polars(frame):
    return pl.DataFrame(frame).with_columns(
        pl.col("town", "won").cast(pl.Categorical), pl.col("size").cast(pl.Enum(SIZES))
    )


def as_pandas(frame, **dtypes):
    data = pd.DataFrame({k: pd.Series(v, dtype=dtypes.get(k)) for k, v in frame.items()})
    return data.assign(size=pd.Categorical(data["size"], SIZES, ordered=True))


def through_parquet(table):
    sink = pa.BufferOutputStream()
    parquet.write_table(table, sink)
    return parquet.read_table(pa.BufferReader(sink.getvalue()))


def through_csv(frame):
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(frame), sink)
    options = csv.ConvertOptions(strings_can_be_null=True)
    table = csv.read_csv(pa.BufferReader(sink.getvalue()), convert_options=options)
    order = pa.DictionaryArray.from_arrays(
        pa.array([None if v is None else SIZES.index(v) for v in frame["size"]]),
        SIZES,
        ordered=True,
    )
    return table.set_column(table.column_names.index("size"), "size", order)


NULLABLE = {"x": "Float64", "late": "boolean", "count": "Int64", "town": "string", "won": "string"}
ARROW = {
    "x": "float64[pyarrow]",
    "late": "bool[pyarrow]",
    "count": "int64[pyarrow]",
    "town": pd.ArrowDtype(pa.string()),
    "won": pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string())),
}
CONTAINERS = {
    "pandas": as_pandas,
    "pandas objects": lambda f: as_pandas(f, late=object, count=object, town=object, won=object),
    "pandas nullable": lambda f: as_pandas(f, **NULLABLE),
    "pandas on Arrow": lambda f: as_pandas(f, **ARROW),
    "pandas categories": lambda f: as_pandas(f, town="category", won="category"),
    "polars": as_polars,
    "polars text": lambda f: pl.DataFrame(f).with_columns(pl.col("size").cast(pl.Enum(SIZES))),
    "polars to Arrow": lambda f: as_polars(f).to_arrow(),
    "polars to Parquet": lambda f: through_parquet(as_polars(f).to_arrow()),
    "pyarrow": lambda f: as_polars(f).to_arrow().combine_chunks(),
    "CSV": through_csv,
    "dictionary": lambda f: {**f, "size": pd.Categorical(f["size"], SIZES, ordered=True)},
}

MODELS = {
    "text response": lambda f: fg.glm("won ~ x + town + size", f, "binomial", missing="drop"),
    "boolean response": lambda f: fg.glm(
        "late ~ x + town + size", f, "quasibinomial", missing="drop"
    ),
    "boolean column": lambda f: fg.glm(
        "count ~ late + won + scale(x)", f, "poisson", missing="drop"
    ),
    "MNLogit": lambda f: fg.MNLogit.from_formula("town ~ x", f, missing="drop").fit(),
    "OrderedModel": lambda f: fg.OrderedModel.from_formula("size ~ x", f, missing="drop").fit(),
    "OrderedModel of text": lambda f: fg.OrderedModel.from_formula(
        "town ~ x + late", f, levels=["york", "bath", "ely"], missing="drop"
    ).fit(),
}


def of(results):
    levels = getattr(results, "response_levels", None) or results.__dict__.get("settings")
    return tuple(results.names), levels, np.asarray(results.estimates), results.llf, results.nobs


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), gaps=st.booleans())
def test_every_container_gives_the_same_model(model, seed, gaps):
    frame = rows(150, seed, gaps)
    plain = MODELS[model](as_pandas(frame))
    names, levels, estimates, llf, nobs = of(plain)
    predicted = np.asarray(plain.predict(as_pandas(frame)))
    for container, convert in CONTAINERS.items():
        fit = MODELS[model](convert(frame))
        found = of(fit)
        assert found[:2] == (names, levels), container
        np.testing.assert_allclose(found[2], estimates, rtol=1e-9, atol=1e-12, err_msg=container)
        np.testing.assert_allclose(found[3:], (llf, nobs), rtol=1e-12, err_msg=container)
        again = plain.predict(convert(frame)), fit.predict(convert(frame))
        for values in again:
            np.testing.assert_allclose(np.asarray(values), predicted, rtol=1e-8, err_msg=container)


RESPONSES = {
    "text": ["yes", "no", "yes", "no", "yes", "no"],
    "objects": np.array(["yes", "no"] * 3, dtype=object),
    "categories": pd.Categorical(["yes", "no"] * 3),
    "numbers as categories": pd.Categorical([1, 3, 3, 1, 3, 1]),
    "ordered": pd.Categorical(["yes", "no"] * 3, ["no", "yes"], ordered=True),
    "Enum": pl.Series(["yes", "no"] * 3, dtype=pl.Enum(["no", "yes"])),
    "dictionary": pa.chunked_array([pa.array(["yes", "no"] * 3).dictionary_encode()]),
    "truth values": [True, False] * 3,
    "nullable": pd.Series([True, None, False] * 2, dtype="boolean"),
    "truth objects": np.array([True, None, False] * 2, dtype=object),
    "digits": ["1", "3", "1", "3", "1", "3"],
}
NUMERIC = {
    **{
        family: lambda y, X, family=family: fg.GLM(y, X, family, missing="drop")
        for family in ("gaussian", "poisson", "quasipoisson", "negative_binomial", "gamma")
    },
    "quasi": lambda y, X: fg.GLM(y, X, fg.families.Quasi("log", "mu"), missing="drop"),
    "tweedie": lambda y, X: fg.GLM(y, X, fg.families.Tweedie(var_power=1.5), missing="drop"),
    "inverse_gaussian": lambda y, X: fg.GLM(y, X, "inverse_gaussian", missing="drop"),
    "Hurdle": lambda y, X: fg.Hurdle(y, X, missing="drop"),
    "ZeroInflated": lambda y, X: fg.ZeroInflated(y, X, missing="drop"),
    "NegativeBinomialP": lambda y, X: fg.NegativeBinomialP(y, X, missing="drop"),
    "BetaModel": lambda y, X: fg.BetaModel(y, X, missing="drop"),
    "by formula": lambda y, X: fg.GLM.from_formula("y ~ x", {"y": y, "x": X[:, 0]}, missing="drop"),
    "Hurdle by formula": lambda y, X: fg.Hurdle.from_formula(
        "y ~ x", {"y": y, "x": X[:, 0]}, missing="drop"
    ),
}


@pytest.mark.parametrize("kind", RESPONSES)
@pytest.mark.parametrize("model", NUMERIC)
def test_no_model_of_numbers_takes_levels(model, kind):
    X = np.linspace(0.1, 0.6, 6)[:, None]
    with pytest.raises(fg.errors.FastGLMError, match=r"'y.*(numbers|numeric)"):
        NUMERIC[model](RESPONSES[kind], X)


@pytest.mark.parametrize("kind", RESPONSES)
def test_two_levels_are_a_binomial_response(kind):
    y, X = RESPONSES[kind], np.column_stack([np.ones(6), [1, 1.5, 2, 4, 4, 3]])
    values = [None if pd.isna(v) else v for v in (y.to_pylist() if kind == "dictionary" else y)]
    levels = tuple(sorted({v for v in values if v is not None}))
    kept = [i for i, v in enumerate(values) if v is not None]
    ones = np.array([values[i] == levels[1] for i in kept], dtype=float)
    expected = fg.GLM(ones, X[kept], "binomial").fit()
    for family in ("binomial", "quasibinomial", fg.families.Quasi("logit", "mu(1-mu)")):
        ours = fg.GLM(y, X, family, missing="drop").fit()
        assert ours.response_levels == levels
        np.testing.assert_allclose(ours.params, expected.params, rtol=1e-9)


def test_an_ordered_response_keeps_its_order():
    y = pd.Categorical(["yes", "no", "yes", "no"], ["yes", "no"], ordered=True)
    fit = fg.glm("y ~ 1", {"y": y}, "binomial")
    assert fit.response_levels == ("yes", "no")
    assert fg.glm("y ~ 1", {"y": ["yes", "no"]}, "binomial").response_levels == ("no", "yes")


def test_unused_levels_do_not_count():
    y = pd.Series(["b", "c", "b"], dtype=pd.CategoricalDtype(["c", "b", "a"]))
    fit = fg.glm("y ~ 1", {"y": y}, "binomial")
    assert fit.response_levels == ("b", "c")
    np.testing.assert_allclose(fit.params, np.log(1 / 2), rtol=1e-9)


def test_truth_values_are_numbers_where_the_formula_converts_them():
    frame = rows(30, 2, False)
    late = np.array(frame["late"], dtype=float)
    for response in ("I(1 * late)", "I(late + 0)"):
        fit = fg.glm(f"{response} ~ x", frame)
        assert fit.response_levels is None
        expected = np.polynomial.polynomial.polyfit(frame["x"], late, 1)
        np.testing.assert_allclose(fit.params, expected, rtol=1e-9)


def test_levels_are_saved_and_loaded(tmp_path):
    fit = fg.glm("won ~ x", rows(20, 0, False), "binomial")
    fit.save(tmp_path / "fit.json")
    assert fg.load(tmp_path / "fit.json").response_levels == ("no", "yes")
    text = (tmp_path / "fit.json").read_text().replace('"response_levels"', '"not known before"')
    (tmp_path / "old.json").write_text(text)
    old = fg.load(tmp_path / "old.json", check=False)
    assert old.response_levels is None
    np.testing.assert_array_equal(old.params, fit.params)


def test_ordered_models_need_an_order():
    frame = rows(40, 1, False)
    X = np.array(frame["x"])[:, None]
    for text in (frame["size"], pd.Categorical(frame["size"], SIZES), pl.Series(frame["size"])):
        with pytest.raises(DataError, match=r"'y' has levels without an order .*levels="):
            fg.OrderedModel(text, X)
        fit = fg.OrderedModel(text, X, levels=SIZES).fit()
        assert list(fit.levels) == SIZES
    by_order = fg.OrderedModel(pd.Categorical(frame["size"], SIZES, ordered=True), X).fit()
    np.testing.assert_allclose(fit.params, by_order.params, rtol=1e-10)
    codes = fg.OrderedModel([SIZES.index(v) for v in frame["size"]], X).fit()
    np.testing.assert_allclose(codes.params, by_order.params, rtol=1e-10)
    with pytest.raises(DataError, match="'y' has levels that levels lacks: 'medium'"):
        fg.OrderedModel(frame["size"], X, levels=["small", "large"])
    with pytest.raises(DataError, match="has a level twice"):
        fg.OrderedModel(frame["size"], X, levels=[*SIZES, "small"])


def test_two_columns_are_for_proportions_only():
    counts, X = np.array([[1.0, 2.0], [3.0, 1.0]]), np.ones((2, 1))
    for family in ("poisson", "negative_binomial", "gaussian"):
        with pytest.raises(DataError, match="only a binomial response may have two columns"):
            fg.GLM(counts, X, family)
