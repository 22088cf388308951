"""SQL against predict, run by DuckDB and SQLite; the other dialects are parsed."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import sqlglot
from export_cases import AT, EDGES, FORMULAS, LINK_CASES, link_fit, predicted_or_missing

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.export.links import INVERSES
from fastglm.export.sql import DIALECTS, OTHER_NAMES
from fastglm.families.links import LINKS

CLOSE = {"rtol": 1e-13, "atol": 1e-13}


def expected(fit, new, which="mean", **options):
    return np.asarray(fit.predict(new, which, unseen="nan", **options))


def test_every_link_of_the_registry_has_an_export():
    assert INVERSES.keys() == LINKS.keys() == LINK_CASES.keys()


@pytest.mark.filterwarnings("ignore:The predicted mean is outside the domain")
@pytest.mark.parametrize("name", sorted(LINKS))
def test_means_of_every_link(name, score):
    fit, table = link_fit(name)
    mean = expected(fit, table)
    assert np.isfinite(mean).sum() > 80
    np.testing.assert_allclose(score(fit, table), mean, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_kind_of_term(frame, new, formula, score):
    fit = fg.glm(f"y ~ {formula}", frame, family="gamma", link="log")
    mean = expected(fit, new)
    assert np.isfinite(mean).sum() >= 50
    np.testing.assert_allclose(score(fit, new), mean, **CLOSE)


def test_unseen_levels_and_missing_values_are_null(frame, new, score):
    fit = fg.glm("y ~ region + C(year) + x", frame, family="gamma", link="log")
    assert np.isnan(score(fit, new)[[0, 2, 3, 4]]).all()
    assert np.isfinite(score(fit, new)[[1, 5, 6]]).all()


@pytest.mark.parametrize("options", ["", ", extrapolation='na'"])
def test_splines_have_no_value_beyond_their_knots(frame, new, options, score):
    fit = fg.glm(f"y ~ bs(age, df=4{options})", frame, family="gamma", link="log")
    beyond = new.assign(age=np.linspace(-10.0, 120.0, len(new)))
    inside = beyond.age.between(frame.age.min(), frame.age.max()).to_numpy()
    values = score(fit, beyond)
    assert 10 < inside.sum() < 50
    assert np.isnan(values[~inside]).all()
    np.testing.assert_allclose(values[inside], expected(fit, beyond[inside]), **CLOSE)


def test_the_table_may_have_columns_called_as_what_is_computed(frame, new, score):
    fit = fg.glm("y ~ x", frame, family="gamma", link="log")
    table = new.assign(linear_predictor=7.0, mean=7.0)
    np.testing.assert_allclose(score(fit, table), expected(fit, new), **CLOSE)


def test_a_table_may_hold_the_scores_of_another_model(frame, new, score):
    first = fg.glm("y ~ x", frame, family="gamma", link="log")
    second = fg.glm("y ~ z", frame, family="gamma", link="log")
    inside = re.findall(r'AS "(fastglm_linear_predictor\w*)"', first.to_sql())
    assert len(inside) == 1
    scored = new.assign(**{inside[0]: 7.0})
    np.testing.assert_allclose(score(second, scored), expected(second, new), **CLOSE)


@pytest.mark.parametrize(
    ("dialect", "text", "collation"), [("tsql", "N", "Latin1_General_BIN2"), ("mysql", "", "bin")]
)
def test_levels_are_told_apart_whatever_the_collation(frame, dialect, text, collation):
    # Both engines take "a" for "A" unless told otherwise, and blanks at the end for nothing.
    for levels, end in ((["a", "A", "é"], "é"), (["a", "a ", "A"], "a ")):
        table = frame.assign(kind=np.resize(levels, len(frame)))
        sql = fg.glm("y ~ kind", table, family="gamma", link="log").to_sql(dialect, "t")
        tests = [each for each in sql.split("WHEN ") if "THEN" in each and "kind" in each][1:]
        assert len(tests) == 3
        assert all(collation in each for each in tests)
        assert f"{text}'{end}'" in sql
        assert all(("CONCAT" in each) == (end == "a ") for each in tests)


@pytest.mark.parametrize("name", ["cr", "cc", "cs"])
def test_splines_go_on_beyond_their_knots(frame, new, name, score):
    fit = fg.glm(f"y ~ {name}(age, df=4)", frame, family="gamma", link="log")
    beyond = new.assign(age=np.linspace(0.0, 110.0, len(new)))
    np.testing.assert_allclose(score(fit, beyond), expected(fit, beyond), **CLOSE)


def test_offset_and_exposure_are_columns_of_the_fit_or_given(frame, new, score):
    fit = fg.glm("n ~ x + kind", frame, family="poisson", offset="o", exposure="years")
    np.testing.assert_allclose(score(fit, new), expected(fit, new), **CLOSE)
    other = new.rename(columns={"o": "shift", "years": "at risk"})
    names = {"offset": "shift", "exposure": "at risk"}
    np.testing.assert_allclose(score(fit, other, **names), expected(fit, other, **names), **CLOSE)


def test_nameless_offsets_need_a_column(frame, new, score):
    fit = fg.glm("n ~ x", frame, family="poisson", exposure=frame.years.to_numpy())
    with pytest.raises(ModelError, match="the fit had an exposure: give its column"):
        fit.to_sql()
    mean = expected(fit, new, exposure=new.years.to_numpy())
    np.testing.assert_allclose(score(fit, new, exposure="years"), mean, **CLOSE)


def test_linear_predictors_and_terms_add_up(frame, new, score):
    fit = fg.glm("y ~ region * x + bs(age, df=4) + smoker", frame, family="gamma", link="log")
    linear = expected(fit, new, "linear")
    np.testing.assert_allclose(score(fit, new, "linear"), linear, **CLOSE)
    terms = [score(fit, new, "terms", f"term {name}") for name, _ in fit.terms]
    assert len(terms) == 6
    np.testing.assert_allclose(np.sum(terms, axis=0), linear, **CLOSE)


def test_columns_of_arrays_go_by_their_names(frame, score):
    # A column called "const" is read like any other: it need not be 1.
    X = frame[["z", "x"]].rename(columns={"z": "const"})
    fit = fg.GLM(frame.y, X, "gamma", link="log").fit()
    np.testing.assert_allclose(score(fit, X), np.asarray(fit.fittedvalues), **CLOSE)


def test_a_constant_column_need_not_be_one(frame, score):
    columns = np.column_stack([np.full(len(frame), 2.0), frame.x])
    fit = fg.GLM(frame.y, columns, "gamma", link="log").fit()
    table = pd.DataFrame(columns, columns=fit.names)
    assert list(table) == ["const", "x1"]
    np.testing.assert_allclose(score(fit, table), np.asarray(fit.fittedvalues), **CLOSE)


def test_aliased_columns_count_nothing(frame, new, score):
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("y ~ x + I(2 * x) + z", frame, family="gamma", link="log")
    np.testing.assert_allclose(score(fit, new), expected(fit, new), **CLOSE)


def test_a_loaded_fit_gives_the_same_text(frame, tmp_path):
    fit = fg.glm("y ~ region * bs(age, df=4)", frame, family="gamma", link="log")
    fit.save(tmp_path / "model.json")
    assert fg.load(tmp_path / "model.json").to_sql("spark", "s.t") == fit.to_sql("spark", "s.t")


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
@pytest.mark.parametrize("what", ["mean", "linear", "terms"])
def test_every_dialect_is_that_engines_sql(frame, dialect, what):
    formula = 'n ~ region * x + cr(age, df=4) + C(smoker) + Q("odd \\"name\\" \'s")'
    fit = fg.glm(formula, frame, family="poisson", exposure="years")
    parsed = sqlglot.parse_one(fit.to_sql(dialect, "main.policies", what), dialect=dialect)
    names = {column.name for column in parsed.find_all(sqlglot.exp.Column)}
    assert {"region", "x", "age", "smoker", 'odd "name" \'s'} <= names
    texts = {each.this for each in parsed.find_all(sqlglot.exp.Literal) if each.is_string}
    texts |= {each.this for each in parsed.find_all(sqlglot.exp.National)}
    assert {"it's", 'a "quoted" one', "back\\slash", "plain"} <= texts
    (table,) = parsed.find_all(sqlglot.exp.Table)
    assert (table.db, table.name) == ("main", "policies")


def test_engines_go_by_their_other_names_too(frame):
    fit = fg.glm("y ~ x", frame, family="gamma", link="log")
    for other, name in OTHER_NAMES.items():
        assert fit.to_sql(other, "t") == fit.to_sql(name, "t")


def test_what_cannot_be_exported_is_an_error(frame):
    fit = fg.glm("y ~ x", frame, family="gamma", link="log")
    with pytest.raises(ModelError, match=r"dialect must be one of .'bigquery', 'duckdb'"):
        fit.to_sql("oracle")
    # Levels of a computed column, and a link of the user's own.
    computed = fg.glm("y ~ C(year * 2)", frame, family="gamma", link="log")
    with pytest.raises(ModelError, match="codes a computed column by its levels"):
        computed.to_sql()
    own = fg.families.CustomLink("exported log", math.log, math.exp, math.exp, (-700.0, 700.0))
    with pytest.raises(ModelError, match="a link of your own, which cannot be exported"):
        fg.glm("y ~ x", frame, family="gamma", link=own).to_sql()
    with pytest.raises(ModelError, match='what must be "mean", "linear" or "terms"'):
        fit.to_sql(what="median")


def test_other_models_are_an_error(frame):
    for fit in (
        fg.MNLogit.from_formula("kind ~ x", frame).fit(),
        fg.mixed("y ~ x + (1 | kind)", frame),
    ):
        for export in (fit.to_sql, fit.to_onnx):
            with pytest.raises(ModelError, match=r"cannot be exported: .* fits of fastglm.GLM"):
                export()


@pytest.mark.parametrize("formula", EDGES)
def test_edges_of_every_function_are_those_of_predict(formula, score):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(0.3, 3.0, 120), "y": rng.normal(size=120)})
    fit = fg.glm(f"y ~ {formula}", frame)
    rows = pd.DataFrame({"x": AT})
    mean = np.array([predicted_or_missing(fit, rows.iloc[[k]]) for k in range(len(rows))])
    assert np.isfinite(mean).sum() >= 2
    # A period is taken off by another rounding: 1e5 has lost five digits after the point.
    rtol = 1e-10 if "cc(" in formula else 1e-12
    np.testing.assert_allclose(score(fit, rows), mean, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(("family", "link"), [("poisson", "log"), ("binomial", "logit")])
def test_an_infinite_predictor_has_no_mean(family, link, score):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.uniform(-0.5, 3.0, 90), "y": rng.integers(0, 2, 90)})
    fit = fg.glm("y ~ log1p(x)", frame, family=family, link=link)
    rows = pd.DataFrame({"x": [-1.0, 1.0, np.inf, -2.0]})
    with pytest.raises(fg.errors.DataError):
        fit.predict(rows.iloc[[0]])
    assert np.isfinite(score(fit, rows)).tolist() == [False, True, False, False]


@pytest.mark.parametrize("formula", ["cr(x, df=4)", "cs(x, df=4)", "cr(x, df=6)"])
def test_natural_splines_are_lines_far_beyond_their_knots(formula, score):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(0.3, 3.0, 120), "y": rng.normal(size=120)})
    fit = fg.glm(f"y ~ {formula}", frame)
    rows = pd.DataFrame({"x": [50.0, 1e6, 1e9, -50.0, -1e6, -1e9]})
    mean = np.asarray(fit.predict(rows))
    np.testing.assert_allclose(score(fit, rows), mean, rtol=1e-13)
    far, step = mean[[1, 2]], np.diff(np.asarray(fit.predict(pd.DataFrame({"x": [1e6, 2e6]}))))
    np.testing.assert_allclose(np.diff(far), step * 999.0, rtol=1e-9)
