"""The rating table reproduces every prediction; its exposures and claims are those of the data."""

import csv

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError


def draw(n=600):
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "zone": rng.choice(list("abcd"), n),
            "fuel": rng.choice(["gas", "oil"], n),
            "age": rng.integers(18, 30, n),
            "power": rng.uniform(40, 200, n),
            "years": rng.uniform(0.1, 1.0, n),
        }
    )
    eta = -0.5 + 0.5 * (frame["zone"] == "b") + 0.02 * frame["age"]
    return frame.assign(claims=rng.poisson(frame["years"] * np.exp(eta)))


FRAME = draw()


@pytest.fixture(scope="module")
def fit():
    return fg.glm(
        "claims ~ zone * fuel + bs(age, df=4)", FRAME, "poisson", exposure="years", tol=1e-12
    )


def product_of(table, fit, frame):
    """Means of rows from nothing but the table."""
    rows = table.summary_frame()
    mean = np.full(len(frame), table.base)
    for term, _ in fit.terms:
        own = rows[rows["term"] == term]
        if own.empty:
            continue
        names = [c for c in ("zone", "fuel", "age") if c in term]
        if ":" in term:
            label = frame[names[0]].astype(str) + " × " + frame[names[1]].astype(str)
        else:
            label = frame[names[0]].astype(str)
        relativity = dict(zip(own["level"].astype(str), own["relativity"], strict=True))
        plain = {key.removesuffix(".0"): value for key, value in relativity.items()}
        mean = mean * label.map(plain).to_numpy()
    return mean


@pytest.mark.parametrize("base", ["reference", "largest", {"zone": "c", "age": 20}])
def test_base_and_relativities_make_up_every_mean(fit, base):
    table = fit.rating_table(base=base)
    expected = fit.predict(FRAME) / FRAME["years"]
    np.testing.assert_allclose(product_of(table, fit, FRAME), expected, rtol=1e-10)
    rows = table.summary_frame()
    assert (rows.loc[rows["is_base"], ["relativity", "lower", "upper"]] == 1.0).all(axis=None)
    assert rows.groupby("term")["is_base"].sum().eq(1).all()


def test_bases_are_those_given(fit):
    def bases(**options):
        rows = fit.rating_table(**options).summary_frame()
        return dict(rows.loc[rows["is_base"], ["term", "level"]].to_numpy())

    exposure = FRAME.groupby("zone")["years"].sum()
    assert bases()["zone"] == "a"
    assert bases(base="largest")["zone"] == exposure.idxmax()
    assert bases(base={"zone": "d"})["zone"] == "d"
    ages = FRAME.groupby("age")["years"].sum()
    assert bases()["bs(age, df=4)"] == str(ages.idxmax())


def test_relativities_of_a_factor_are_ratios_with_wald_intervals():
    fit = fg.glm("claims ~ zone", FRAME, "poisson", exposure="years")
    rows = fit.rating_table(alpha=0.1).summary_frame().set_index("level")
    tidy = fit.tidy(exponentiate=True, conf_int=True, alpha=0.1).set_index("term")
    for level in "bcd":
        found = rows.loc[level, ["relativity", "lower", "upper"]].astype(float)
        wanted = tidy.loc[f"zone[T.{level}]", ["estimate", "conf.low", "conf.high"]].astype(float)
        np.testing.assert_allclose(found, wanted, rtol=1e-10)
    by = FRAME.groupby("zone")[["years", "claims"]].sum()
    np.testing.assert_allclose(rows["weight"], by["years"])
    np.testing.assert_allclose(rows["total"], by["claims"])
    np.testing.assert_allclose(rows["actual"], by["claims"] / by["years"])
    # One factor and a log link: expected claims are the actual ones.
    np.testing.assert_allclose(rows["expected"], rows["actual"], rtol=1e-7)
    np.testing.assert_allclose(rows["relativity"] * fit.rating_table().base, rows["actual"])


def test_numbers_have_rows_at_quantiles_or_given_values(fit):
    straight = fg.glm("claims ~ power", FRAME, "poisson", exposure="years")
    rows = straight.rating_table(n_values=5).summary_frame()
    assert len(rows) == 5
    assert rows["weight"].sum() == pytest.approx(FRAME["years"].sum())
    given = straight.rating_table(at={"power": [50, 100, 150]}, base={"power": 100})
    rows = given.summary_frame()
    slope = float(straight.params["power"])
    np.testing.assert_allclose(rows["relativity"], np.exp(slope * np.array([-50, 0, 50])))
    assert list(rows["level"]) == ["50", "100", "150"]


def test_files_and_frames(fit, tmp_path):
    table = fit.rating_table()
    text = table.to_csv(tmp_path / "tariff.csv")
    assert (tmp_path / "tariff.csv").read_text(encoding="utf-8") == text
    back = list(csv.DictReader(text.splitlines()))
    assert text.splitlines()[0].startswith("term,level,is_base,relativity")
    numbers = [float(row["relativity"]) for row in back]
    assert numbers == [table.base, *table.summary_frame()["relativity"]]
    assert "rate ratio" in str(table)
    assert "zone: a" in table._repr_html_()
    polars = fg.glm("claims ~ zone", pl.from_pandas(FRAME), "poisson", exposure="years")
    assert isinstance(polars.rating_table().to_frame(), pl.DataFrame)


def test_excel(fit, tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    table = fit.rating_table()
    table.to_excel(tmp_path / "tariff.xlsx")
    book = openpyxl.load_workbook(tmp_path / "tariff.xlsx")
    assert book.sheetnames[0] == "all"
    assert len(book.sheetnames) == 2 + len(set(table.columns["term"]))
    whole = pd.read_excel(tmp_path / "tariff.xlsx", sheet_name="all")
    np.testing.assert_allclose(whole["relativity"][1:], table.summary_frame()["relativity"])


def test_levels_in_excel_are_numbers_and_text_never_a_formula(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    frame = FRAME.assign(zone=FRAME["zone"].replace({"a": "=1+1", "b": "10-12"}))
    res = fg.glm(
        "claims ~ zone + age + C(age > 25)", frame.assign(age=frame["age"] * 1.0), "poisson"
    )
    res.rating_table(at={"age": [18.5, 20]}).to_excel(tmp_path / "tariff.xlsx")
    for sheet in openpyxl.load_workbook(tmp_path / "tariff.xlsx").worksheets:
        cells = {row[0].value: [] for row in sheet.iter_rows(min_row=2)}
        for row in sheet.iter_rows(min_row=2):
            cells[row[0].value].append((row[1].value, row[1].data_type))
        if "zone" in cells:
            assert cells["zone"][:2] == [("10-12", "s"), ("=1+1", "s")]
        if "age" in cells:
            assert cells["age"] == [(18.5, "n"), (20, "n")]


def test_values_that_a_variable_cannot_have_are_refused():
    data = {"late": [True, False] * 20, "x": np.arange(40.0), "y": np.arange(40.0) % 3}
    fit = fg.glm("y ~ late + x", data, "poisson")
    for name in ("late", "x"):
        with pytest.raises(ModelError, match=f"at has .'maybe'. for '{name}', whose values are"):
            fit.rating_table(at={name: ["maybe"]})


def test_whole_numbers_keep_their_digits():
    codes = np.tile([75001234.0, 75001235.0], 50)
    data = {"place": codes, "claims": np.tile([1.0, 2.0], 50)}
    table = fg.glm("claims ~ C(place)", data, "poisson").rating_table()
    assert table.columns["level"] == ["75001234", "75001235"]
    assert table.values == [75001234.0, 75001235.0]


def test_a_loaded_fit_is_an_error_that_names_what_is_missing(fit, tmp_path):
    fit.save(tmp_path / "model.json")
    with pytest.raises(DataError, match="loaded without the rows of its fit: give data="):
        fg.load(tmp_path / "model.json").rating_table()


def test_rows_of_other_data_stand_beside_the_relativities(fit, tmp_path):
    """Of a loaded fit and of one with its rows: exposures and responses are those of `data`."""
    fit.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    whole, again = fit.rating_table(), loaded.rating_table(data=FRAME)
    pd.testing.assert_frame_equal(whole.summary_frame(), again.summary_frame())
    part = FRAME.iloc[::3]
    for res in (fit, loaded):
        table = res.rating_table(data=part)
        assert table.base == pytest.approx(whole.base)
        rows = table.summary_frame()
        first = rows[rows.term == rows.term.iloc[0]]
        assert first["total"].sum() == part["claims"].sum()


def test_a_level_that_the_rows_lack_keeps_its_relativity(fit, tmp_path):
    """It has no exposure there; the first, of relativity 1, may be lacking as well."""
    whole = fit.rating_table(at={"age": [18, 24]}).summary_frame()
    fit.save(tmp_path / "model.json")
    for lacking in "ab":
        rest = FRAME[FRAME["zone"] != lacking]
        for res in (fit, fg.load(tmp_path / "model.json")):
            table = res.rating_table(at={"age": [18, 24]}, base={"age": 18}, data=rest)
            rows = table.summary_frame()
            is_zone = rows["term"] == "zone"
            np.testing.assert_allclose(rows["relativity"][is_zone], whole["relativity"][is_zone])
            weight = rows[is_zone].set_index("level")["weight"]
            assert weight[lacking] == 0.0
            np.testing.assert_allclose(weight.sum(), rest["years"].sum())


def test_columns_of_other_rows_are_given_as_to_evaluate(fit):
    gap = FRAME.assign(age=FRAME["age"].astype(float).where(FRAME.index > 0))
    given = fit.rating_table(data=gap, exposure=2.0 * FRAME["years"], missing="drop")
    rows = given.summary_frame()
    of_zone = rows[rows["term"] == "zone"]
    np.testing.assert_allclose(of_zone["weight"].sum(), 2.0 * FRAME["years"][1:].sum())
    assert of_zone["total"].sum() == FRAME["claims"][1:].sum()
    with pytest.raises(ModelError, match="exposure= goes with new rows: give data too"):
        fit.rating_table(exposure="years")


def test_odds():
    frame = FRAME.assign(any=(FRAME["claims"] > 0).astype(float))
    fit = fg.glm("any ~ fuel", frame, "binomial")
    table = fit.rating_table()
    share = frame.groupby("fuel")["any"].mean()
    odds = share / (1 - share)
    assert table.kind == "odds ratio"
    assert table.base == pytest.approx(odds["gas"], rel=1e-7)
    assert table.columns["relativity"][1] == pytest.approx(odds["oil"] / odds["gas"], rel=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at": {"colour": [1]}}, "at has 'colour'"),
        ({"base": "first"}, "base must be"),
        ({"base": {"zone": "z"}}, "which has no row"),
        ({"at": {"age": range(18, 29), "zone": ["z"]}}, "no level 'z'"),
    ],
)
def test_what_makes_no_table(fit, options, message):
    with pytest.raises(ModelError, match=message):
        fit.rating_table(**options)


def test_links_without_ratios_and_arrays():
    with pytest.raises(ModelError, match="logarithms of ratios"):
        fg.glm("claims ~ zone", FRAME).rating_table()
    X = np.column_stack([np.ones(600), FRAME["age"]])
    with pytest.raises(ModelError, match="formula"):
        fg.GLM(FRAME["claims"].to_numpy(), X, "poisson").fit().rating_table()
