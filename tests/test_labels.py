"""Numbers come back under the names that came in, in the library that they came in."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import response_cases

import fastglm as fg
from fastglm.errors import DataError
from fastglm.rows.streamed import StreamedModelRows

rng = np.random.default_rng(4)
N = 60
FRAME = pd.DataFrame(
    {
        "x": rng.normal(size=N),
        "z": rng.normal(size=N),
        "f": rng.choice([*"abc"], N),
        "g": rng.choice([*"pqrs"], N),
    }
)
FRAME["y"] = rng.poisson(2.0, N).astype(float)
LIBRARIES = {
    "polars": (pl.from_pandas, pl.DataFrame, pl.Series),
    "pyarrow": (
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False), pa.Table, np.ndarray
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=LIBRARIES)
def case(request):
    convert, frame, series = LIBRARIES[request.param]
    data = convert(FRAME)
    return data, frame, series, fg.glm("y ~ x + z", data, "poisson")


EXPECTED = fg.glm("y ~ x + z", FRAME, "poisson")


def test_coefficients_are_named(case):
    fit = case[3]
    for name in ("params", "bse", "tvalues", "pvalues"):
        pd.testing.assert_series_equal(getattr(fit, name), getattr(EXPECTED, name))
    for found, wanted in (
        (fit.conf_int(), EXPECTED.conf_int()),
        (fit.cov_params(), EXPECTED.cov_params()),
    ):
        pd.testing.assert_frame_equal(found, wanted)


def test_numbers_of_rows_are_of_the_library(case):
    data, _, series, fit = case
    for found, wanted in (
        (fit.predict(data), EXPECTED.predict(FRAME)),
        (fit.fittedvalues, EXPECTED.fittedvalues),
        (fit.resid_deviance, EXPECTED.resid_deviance),
        (fit.get_influence().hat_matrix_diag, EXPECTED.get_influence().hat_matrix_diag),
    ):
        assert isinstance(found, series)
        np.testing.assert_array_equal(np.asarray(found), wanted)


@pytest.mark.parametrize(
    "call",
    [
        lambda fit, data: fit.predict_terms(data),
        lambda fit, data: fit.resid_partial(),
        lambda fit, data: fit.get_influence().dfbetas,
        lambda fit, data: fit.get_prediction(data).summary_frame(),
        lambda fit, data: fit.get_prediction(data).linpred.summary_frame(),
        lambda fit, data: fit.get_prediction(data).conf_int(),
        lambda fit, data: fit.get_prediction(data).linpred.conf_int(),
    ],
)
def test_several_numbers_of_rows_are_named_columns(case, call):
    data, frame, _, fit = case
    found, wanted = call(fit, data), call(EXPECTED, FRAME)
    assert isinstance(found, frame)
    assert list(found.to_pandas().columns) == [str(name) for name in wanted.columns]
    np.testing.assert_array_equal(found.to_pandas().to_numpy(), wanted.to_numpy())
    assert "<table" in fit.get_prediction(data)._repr_html_()


def test_other_responses_and_mixed_models(case):
    data, frame, series, _ = case
    fit = fg.MNLogit.from_formula("f ~ x", data).fit()
    expected = fg.MNLogit.from_formula("f ~ x", FRAME).fit()
    pd.testing.assert_frame_equal(fit.params, expected.params)
    found = fit.predict(data)
    assert isinstance(found, frame)
    assert list(found.to_pandas().columns) == ["a", "b", "c"]
    np.testing.assert_array_equal(found.to_pandas().to_numpy(), expected.predict(FRAME).to_numpy())
    mixed, wanted = (fg.mixed("y ~ x + (1 | g)", d) for d in (data, FRAME))
    assert list(mixed.params.index) == ["Intercept", "x"]
    found = mixed.predict(data)
    assert isinstance(found, series)
    np.testing.assert_array_equal(np.asarray(found), wanted.predict(FRAME))
    assert isinstance(mixed.get_prediction(data), frame)


def test_missing_rows_stay_missing(case):
    _, frame, _, fit = case
    holes = FRAME.assign(x=FRAME["x"].where(FRAME.index != 3))
    new = pl.from_pandas(holes) if frame is pl.DataFrame else pa.Table.from_pandas(holes)
    assert np.isnan(np.asarray(fit.predict(new))[3])
    assert np.isnan(np.asarray(fit.predict(new))).sum() == 1


def test_arrays_and_mappings_of_arrays_give_arrays():
    fit = fg.glm("y ~ x", {"y": FRAME["y"].to_numpy(), "x": FRAME["x"].to_numpy()}, "poisson")
    assert isinstance(fit.params, np.ndarray)
    assert isinstance(fit.predict({"x": [1.0, 2.0]}), np.ndarray)
    fit = fg.GLM(FRAME["y"].to_numpy(), FRAME[["x"]].to_numpy(), "poisson").fit()
    assert isinstance(fit.params, np.ndarray)


def test_a_saved_fit_keeps_its_names(case, tmp_path):
    fit = case[3]
    fit.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    pd.testing.assert_series_equal(loaded.params, fit.params)
    assert isinstance(loaded.predict(case[0]), case[2])


# -- arrays

ROWS = response_cases.frame()
COLUMNS = ROWS[["x", "z"]]
GIVEN = {
    "pandas": (lambda frame: frame, pd.DataFrame, pd.Series),
    "polars": (pl.from_pandas, pl.DataFrame, pl.Series),
    "pyarrow": (
        lambda frame: pa.Table.from_pandas(frame, preserve_index=False), pa.Table, np.ndarray
    ),
    "numpy": (lambda frame: frame.to_numpy(), np.ndarray, np.ndarray),
}  # fmt: skip
RESPONSES = {
    "GLM": "counts",
    "MixedGLM": "counts",
    "MNLogit": "level",
    "OrderedModel": "level",
    "BetaModel": "share",
    "DirichletModel": ["share", "rest"],
    "NegativeBinomialP": "counts",
    "ZeroInflated": "counts",
    "Hurdle": "counts",
}
WIDE = {"MNLogit", "OrderedModel", "DirichletModel"}


def test_every_model_is_here():
    assert set(RESPONSES) == {*response_cases.MODELS, "GLM", "MixedGLM"}


def fit_of(name, y, X):
    more = {"groups": ROWS["g"].to_numpy()} if name == "MixedGLM" else {}
    return getattr(fg, name)(y, X, **more).fit()


@pytest.mark.filterwarnings("ignore::fastglm.errors.FastGLMWarning")
@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("library", GIVEN)
def test_columns_given_beside_an_array_of_responses_name_everything(name, library):
    convert, table, series = GIVEN[library]
    columns = COLUMNS.set_axis(COLUMNS.index + 100) if library == "pandas" else COLUMNS
    y, X = ROWS[RESPONSES[name]].to_numpy(), convert(columns)
    fit, plain = fit_of(name, y, X), fit_of(name, y, COLUMNS.to_numpy())
    for what in ("params", "bse", "tvalues", "pvalues"):
        found = getattr(fit, what)
        np.testing.assert_array_equal(np.asarray(found), getattr(plain, what))
        if library == "numpy":
            assert isinstance(found, np.ndarray)
        else:
            names = [f"y1:{each}" for each in "xz"] if name == "DirichletModel" else ["x", "z"]
            assert list(found.index[:2]) == names
    for found in (fit.conf_int(), fit.cov_params()):
        assert isinstance(found, np.ndarray if library == "numpy" else pd.DataFrame)
    residuals = fit.resid_response if name == "MixedGLM" else fit.resid_pearson
    for found in (fit.fittedvalues, fit.predict(), residuals):
        assert isinstance(found, table if name in WIDE else series)
        if library == "pandas":
            assert found.index.equals(columns.index)
    kinds = pd.DataFrame if library == "numpy" else table
    assert isinstance(fit.augment(), kinds)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_column_of_responses_names_arrays(library):
    y = GIVEN[library][0](ROWS)["counts"]
    fit = fg.GLM(y, COLUMNS.to_numpy(), "poisson").fit()
    assert list(fit.params.index) == ["x1", "x2"]
    assert isinstance(fit.resid_response, GIVEN[library][2])


def test_frames_of_columns_in_other_orders_are_refused():
    y, other = ROWS["share"].to_numpy(), COLUMNS[::-1]
    with pytest.raises(DataError, match="exog and precision have different indexes: row 0 is 0"):
        fg.BetaModel(y, COLUMNS, precision=other)


@pytest.mark.parametrize("library", GIVEN)
def test_a_mixed_model_without_incomplete_rows_keeps_its_names(library):
    convert, _, series = GIVEN[library]
    X = COLUMNS.assign(x=COLUMNS["x"].where(COLUMNS.index != 3))
    fit = fg.MixedGLM(
        ROWS["counts"].to_numpy(), convert(X), groups=ROWS["g"].to_numpy(), missing="drop"
    ).fit()
    assert fit.n_dropped == 1
    assert isinstance(fit.fittedvalues, series)
    if library == "numpy":
        assert isinstance(fit.params, np.ndarray)
    else:
        assert list(fit.params.index) == ["x", "z"]


def test_streamed_fits_are_named():
    table = pa.Table.from_pandas(FRAME, preserve_index=False)
    fit = fg.glm("y ~ x + z", fg.scan(table), "poisson")
    expected = fg.glm("y ~ x + z", table, "poisson")
    for name in ("params", "bse", "tvalues", "pvalues"):
        pd.testing.assert_series_equal(getattr(fit, name), getattr(expected, name))
    pd.testing.assert_frame_equal(fit.conf_int(), expected.conf_int())
    pd.testing.assert_frame_equal(fit.cov_params(), expected.cov_params())
    changes = fit.get_influence().dfbetas
    assert changes.column_names == ["Intercept", "x", "z"]
    mixed = fg.mixed("y ~ x + (1 | g)", fg.scan(table))
    wanted = fg.mixed("y ~ x + (1 | g)", table)
    assert list(mixed.params.index) == list(mixed.bse.index) == ["Intercept", "x"]
    pd.testing.assert_series_equal(mixed.params, wanted.params, rtol=1e-6)
    assert list(mixed.conf_int().index) == ["Intercept", "x"]


GAPS = FRAME.assign(x=FRAME["x"].where(np.arange(N) % 7 != 3))
STREAMS = {
    "file": (lambda folder: str(folder / "rows.parquet"), pd.DataFrame, pd.Series),
    "function": (lambda _: lambda: iter([to_arrow(GAPS)]), pd.DataFrame, pd.Series),
    "pandas": (lambda _: fg.scan(GAPS.set_axis(range(100, 100 + N))), pd.DataFrame, pd.Series),
    "polars": (lambda _: fg.scan(pl.from_pandas(GAPS)), pl.DataFrame, pl.Series),
    "LazyFrame": (lambda _: pl.from_pandas(GAPS).lazy(), pl.DataFrame, pl.Series),
    "pyarrow": (lambda _: fg.scan(to_arrow(GAPS)), pa.Table, np.ndarray),
    "data set": (lambda _: pyarrow.dataset.dataset(to_arrow(GAPS)), pa.Table, np.ndarray),
}
#: Whether all rows fit into memory, or but a few numbers of each.
SIZES = {"all": True, "a few numbers": False}


def to_arrow(frame):
    return pa.Table.from_pandas(frame, preserve_index=False)


@pytest.mark.parametrize("fits", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("name", STREAMS)
def test_numbers_of_streamed_rows_are_those_of_rows_in_memory(name, fits, tmp_path, monkeypatch):
    pq.write_table(to_arrow(GAPS), tmp_path / "rows.parquet")
    give, frame, series = STREAMS[name]
    in_memory = GAPS.set_axis(range(100, 100 + N)) if name == "pandas" else GAPS
    wanted = fg.glm("y ~ x + f", in_memory, "poisson", missing="drop")
    fit = fg.glm("y ~ x + f", give(tmp_path), "poisson", missing="drop")
    monkeypatch.setattr(StreamedModelRows, "fits", fits)
    influence, expected = fit.get_influence(), wanted.get_influence()
    vectors = [
        (getattr(fit, each), getattr(wanted, each))
        for each in ("fittedvalues", "linear_predictor", "resid_response", "resid_deviance")
    ]
    vectors += [
        (fit.resid_quantile(seed=1), wanted.resid_quantile(seed=1)),
        (fit.rstudent(), wanted.rstudent()),
        (influence.hat_matrix_diag, expected.hat_matrix_diag),
        (influence.cooks_distance[0], expected.cooks_distance[0]),
    ]
    for found, there in vectors:
        assert type(found) is series
        np.testing.assert_allclose(np.asarray(found), np.asarray(there), rtol=1e-5, atol=1e-6)
        if series is pd.Series:
            pd.testing.assert_index_equal(found.index, there.index, exact="equiv")
    assert type(fit.tidy()) is type(fit.glance()) is frame
    if frame is pd.DataFrame:
        names = [str(label) for label in wanted.fittedvalues.index]
        assert set(influence.outlier_test(3).names) <= set(names)
        assert influence.outlier_test(3).names == expected.outlier_test(3).names
        pd.testing.assert_index_equal(
            influence.summary_frame().index, expected.summary_frame().index, exact="equiv"
        )
    if fits:
        rows = fit.augment()
        assert type(rows) is type(fit.predict_terms()) is type(influence.dfbetas) is frame
        if frame is pd.DataFrame:
            text = {"f": str, "g": str}  # which may come as categories
            pd.testing.assert_frame_equal(
                rows.astype(text), wanted.augment().astype(text), rtol=1e-5, atol=1e-6,
                check_index_type="equiv",
            )  # fmt: skip
