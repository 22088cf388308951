import dataclasses
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastglm as fg
from fastglm.errors import DataError, FastGLMError, FormulaError, ModelError
from fastglm.results import Results

FORMULA = (
    "claims ~ C(region, contr.sum) * power + bs(age, df=4)"
    " + cc(month, df=3, constraints='center') + poly(size, 2) + scale(exp(size))"
    " + offset(log(size))"
)


def make_frame(n=400, seed=7):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "claims": rng.poisson(1.5, n),
            "region": pd.Categorical(rng.choice(["b", "a", "c"], n), categories=["c", "a", "b"]),
            "power": rng.integers(1, 9, n),
            "age": rng.uniform(18, 90, n),
            "month": rng.uniform(0, 12, n),
            "size": rng.uniform(0.5, 2, n),
            "years": rng.uniform(0.1, 1, n),
        }
    )


def poisson_fit(frame, formula=FORMULA):
    return fg.glm(formula, frame, family="poisson", exposure="years")


@pytest.fixture(scope="module")
def frame():
    return make_frame()


@pytest.fixture(scope="module")
def fit(frame):
    return poisson_fit(frame)


@pytest.fixture
def path(fit, tmp_path):
    fit.save(tmp_path / "model.json")
    return tmp_path / "model.json"


def same(a, b):
    if isinstance(a, np.ndarray):
        return np.array_equal(a, b, equal_nan=True)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


def test_every_field_comes_back(fit, path):
    loaded = fg.load(path)
    for field in dataclasses.fields(Results):
        if field.name not in ("model", "recipe"):
            assert same(getattr(fit, field.name), getattr(loaded, field.name)), field.name
    assert loaded.recipe.to_dict() == fit.recipe.to_dict()
    assert loaded.model is None


def test_what_the_fit_says_comes_back(fit, path):
    loaded = fg.load(path)
    assert str(loaded.summary()) == str(fit.summary())
    assert loaded._repr_html_() == fit._repr_html_()
    assert loaded.conf_int(0.1).equals(fit.conf_int(0.1))
    assert loaded.cov_params().equals(fit.cov_params())
    for name in ("llf", "llnull", "null_deviance", "aic", "bic", "converged", "aliased"):
        assert same(getattr(fit, name), getattr(loaded, name)), name


@pytest.mark.parametrize("which", ["mean", "linear"])
@pytest.mark.parametrize("library", [pd.DataFrame, pl.from_pandas])
def test_predictions_are_the_same_to_the_last_bit(fit, path, which, library):
    new = library(make_frame(50, seed=8).drop(columns="claims"))
    expected = np.asarray(fit.predict(new, which))
    assert np.isfinite(expected).all()
    assert np.array_equal(expected, np.asarray(fg.load(path).predict(new, which)))


def test_arrays_and_aliased_columns(tmp_path):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60, 3))
    X[:, 2] = X[:, 0] + X[:, 1]
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.GLM(rng.gamma(2.0, size=60), X, family="gamma", link="log").fit()
    fit.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    assert loaded.aliased == fit.aliased == {"x3": {"x1": 1.0, "x2": 1.0}}
    assert np.array_equal(loaded.params, fit.params, equal_nan=True)
    assert np.array_equal(loaded.predict(X[:5]), fit.predict(X[:5]))


FAMILIES = [
    fg.families.NegativeBinomial(alpha=0.37),
    fg.families.Tweedie(var_power=1.62, link=fg.families.links.Power(power=0.5)),
    fg.families.Quasi(variance="mu^2", link="log"),
]


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_parameters_of_family_and_link_come_back(family, tmp_path):
    x = np.linspace(0, 1, 40)
    y = np.round(np.exp(1 + x)) + 1
    fit = fg.GLM(y, np.column_stack([x**0, x]), family=family).fit()
    fit.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    assert loaded.family == family
    assert same(loaded.llf, fit.llf)
    new = np.array([[1.0, 0.25]])
    assert np.array_equal(loaded.predict(new), fit.predict(new))


def test_no_data_goes_along(fit, tmp_path):
    large = poisson_fit(make_frame(20_000))
    sizes = {}
    for name, results in (("small", fit), ("large", large)):
        results.save(tmp_path / name)
        sizes[name] = (tmp_path / name).stat().st_size
        assert len(pickle.dumps(results)) < 20_000
    assert sizes["large"] == pytest.approx(sizes["small"], rel=0.1)
    with pytest.raises(DataError, match="without the data of its fit"):
        _ = fg.load(tmp_path / "large").fittedvalues


def test_pickled_results_predict_the_same(fit, frame):
    copy = pickle.loads(pickle.dumps(fit))
    assert np.array_equal(copy.predict(frame), fit.predict(frame))
    assert str(copy.summary()) == str(fit.summary())


def test_the_file_is_plain_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    saved = json.loads(path.read_text(), parse_constant=refuse)
    assert saved["fastglm"] == 1
    assert saved["formula"] == FORMULA
    assert list(path.parent.iterdir()) == [path]


def edited(path, edit):
    saved = json.loads(path.read_text())
    edit(saved)
    path.write_text(json.dumps(saved))
    return path


def with_factor(text):
    def edit(saved):
        saved["recipe"]["factors"][0] = {"text": text, "column": False}

    return edit


@pytest.mark.parametrize(
    "text",
    ["__import__('os').getcwd()", "open('x')", "age.mean()", "[a for a in age]", "(lambda: 1)()"],
)
def test_code_in_a_file_is_refused(path, text):
    with pytest.raises(FormulaError):
        fg.load(edited(path, with_factor(text)))


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda s: s.update(fastglm=2), DataError, "format 2.*upgrade fastglm"),
        (lambda s: s.pop("fastglm"), DataError, "not a model saved by fastglm"),
        (lambda s: s.pop("estimates"), DataError, "'estimates' is missing"),
        (lambda s: s["recipe"].pop("levels"), DataError, "not a saved formula"),
        (lambda s: s["family"].update(name="zipf"), ModelError, "unknown family 'zipf'"),
        (lambda s: s["family"]["link"].update(name="x"), ModelError, "unknown link 'x'"),
        (lambda s: s.update(status="FINE"), DataError, "FINE"),
        (lambda s: s.update(estimates=["a"]), DataError, "not a complete model.*'a'"),
        (lambda s: s.update(terms=3), DataError, "not a complete model.*int"),
    ],
)
def test_a_damaged_file_is_refused(path, edit, error, message):
    with pytest.raises(error, match=message):
        fg.load(edited(path, edit))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"a": 1}', "\x80"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FastGLMError, match=r"model\.json is not a"):
        fg.load(path)
