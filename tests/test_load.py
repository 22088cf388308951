import dataclasses
import functools
import json
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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


#: Kept as one triangle, from which they are computed again.
FROM_A_TRIANGLE = (
    "information_inverse",
    "covariance",
    "inverse_information_factor",
    "covariance_root",
)


def assert_same_covariance(ours, theirs):
    """The same variances to the last bit, and correlations to all but the last digits."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    np.testing.assert_array_equal(np.diag(ours), np.diag(theirs))
    sd = np.sqrt(np.diag(theirs))
    np.testing.assert_allclose(ours / np.outer(sd, sd), theirs / np.outer(sd, sd), atol=1e-13)


def test_every_field_comes_back(fit, path):
    loaded = fg.load(path)
    for name in ("information_inverse", "covariance"):
        assert_same_covariance(getattr(loaded, name), getattr(fit, name))
    root, expected = loaded.inverse_information_factor, fit.inverse_information_factor
    scale = np.sqrt((expected**2).sum(axis=1))
    np.testing.assert_allclose(
        root @ root.T / np.outer(scale, scale),
        expected @ expected.T / np.outer(scale, scale),
        atol=1e-13,
    )
    for field in dataclasses.fields(Results):
        if field.name not in ("model", "fitted_formula", *FROM_A_TRIANGLE):
            assert same(getattr(fit, field.name), getattr(loaded, field.name)), field.name
    assert loaded.fitted_formula.to_dict() == fit.fitted_formula.to_dict()
    assert loaded.model is None


def test_results_come_back(fit, path):
    loaded = fg.load(path)
    assert str(loaded.summary()) == str(fit.summary())
    assert loaded._repr_html_() == fit._repr_html_()
    assert loaded.conf_int(0.1).equals(fit.conf_int(0.1))
    assert loaded.bse.equals(fit.bse)
    assert_same_covariance(loaded.cov_params(), fit.cov_params())
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
    assert saved["fastglm"] == 2
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
        fg.load(edited(path, with_factor(text)), check=False)


@pytest.mark.parametrize(
    ("edit", "error", "message"),
    [
        (lambda s: s.update(fastglm=3), DataError, "format 3.*upgrade fastglm"),
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
        fg.load(edited(path, edit), check=False)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", '{"a": 1}', "\x80"])
def test_a_file_of_something_else_is_refused(tmp_path, text):
    path = tmp_path / "model.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FastGLMError, match=r"model\.json is not a"):
        fg.load(path)


def test_a_changed_file_is_refused_unless_unchecked(path):
    def halve(saved):
        saved["estimates"][0] *= 0.5

    before = fg.load(path)
    with pytest.raises(DataError, match=r"not as fastglm wrote it.*check=False"):
        fg.load(edited(path, halve))
    after = fg.load(path, check=False)
    assert after.estimates[0] == 0.5 * before.estimates[0]
    # Spaces and the order of names do not matter.
    after.save(path)
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(saved.items()))))
    assert fg.load(path).estimates[0] == after.estimates[0]


# -- size


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC1"])
@pytest.mark.parametrize("p", [2, 40, 150])
def test_a_file_takes_no_more_than_its_covariance_must(tmp_path, p, cov_type):
    rng = np.random.default_rng(p)
    n = 4 * p + 20
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    fit = fg.GLM(rng.gamma(3.0, size=n), X, "gamma", link="log").fit(cov_type=cov_type)
    fit.save(tmp_path / "model.json")
    assert (tmp_path / "model.json").stat().st_size <= 12 * p**2 + 10_000


@pytest.mark.filterwarnings("ignore::fastglm.errors.FastGLMWarning")
def test_a_model_of_categories_takes_no_more(tmp_path, frame):
    many = frame.assign(c=[f"c{k % 20}" for k in range(len(frame))])
    formula = "region ~ C(c) + bs(age, df=4)"
    fit = fg.MNLogit.from_formula(formula, many).fit(max_iter=3, cov_type="HC0")
    fit.save(tmp_path / "model.json")
    assert (tmp_path / "model.json").stat().st_size <= 12 * len(fit.names) ** 2 + 10_000


# -- covariances


def designs():
    rng = np.random.default_rng(9)
    x = rng.normal(size=200)
    collinear = np.column_stack([np.ones(200), x, x + 1e-5 * rng.normal(size=200)])
    far = np.column_stack([np.ones(200), 1e8 + x, x**2])
    aliased = np.column_stack([np.ones(200), x, 2.0 * x, x**2])
    return {"collinear": collinear, "far": far, "aliased": aliased, "plain": far[:, [0, 2]]}


@pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3", "jackknife"])
@pytest.mark.parametrize("name", designs())
def test_errors_of_predictions_come_back(tmp_path, name, cov_type):
    X = designs()[name]
    y = np.random.default_rng(10).poisson(2.0, 200)
    fit = fg.GLM(y, X, "quasipoisson").fit(cov_type=cov_type)
    fit.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    ours, expected = loaded.get_prediction(X[:9]), fit.get_prediction(X[:9])
    np.testing.assert_allclose(ours.se_mean, expected.se_mean, rtol=1e-10)
    np.testing.assert_array_equal(loaded.bse, fit.bse)
    np.testing.assert_array_equal(np.isnan(loaded.cov_params()), np.isnan(fit.cov_params()))
    plain = loaded.with_covariance("nonrobust").bse
    np.testing.assert_array_equal(plain, fit.with_covariance("nonrobust").bse)


def test_a_covariance_that_is_not_definite_comes_back(tmp_path):
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(60), rng.normal(size=(60, 4))])
    groups = np.repeat(np.arange(3), 20), np.tile(np.arange(4), 15)
    fit = fg.GLM(rng.poisson(3.0, 60), X, "poisson").fit()
    fit = fit.with_covariance("cluster", groups=groups)
    assert np.linalg.eigvalsh(fit.covariance)[0] < -1e-12
    fit.save(tmp_path / "model.json")
    loaded = fg.load(tmp_path / "model.json")
    np.testing.assert_array_equal(loaded.cov_params(), fit.cov_params())
    np.testing.assert_allclose(
        loaded.get_prediction(X).se_mean, fit.get_prediction(X).se_mean, rtol=1e-6
    )


# -- files of the first format

FIRST = Path(__file__).parent / "data" / "saved_1"


@pytest.mark.parametrize(
    "name", ["glm", "robust", "negative_binomial", "multinomial", "hurdle", "ordered"]
)
def test_files_of_the_first_format_are_read(tmp_path, name):
    every = json.loads((FIRST / "expected.json").read_text())
    new, expected = pd.DataFrame(every["new"]), every[name]
    if name == "robust":
        new = np.column_stack([np.ones(6), new["x"], new["x"] ** 2])
    options = {"exposure": np.asarray(new["t"])} if name == "glm" else {}
    loaded = fg.load(FIRST / f"{name}.json")
    loaded.save(tmp_path / "again.json")
    for fit in (loaded, fg.load(tmp_path / "again.json")):
        np.testing.assert_array_equal(fit.predict(new), expected["predictions"])
        np.testing.assert_array_equal(np.ravel(fit.bse), expected["bse"])
        np.testing.assert_allclose(fit.cov_params(), expected["cov"], rtol=1e-9, atol=1e-14)
        if "se_mean" in expected:
            errors = fit.get_prediction(new, **options).se_mean
            np.testing.assert_allclose(errors, expected["se_mean"], rtol=1e-10)


# -- damage


@functools.cache
def saved_models():
    frame = make_frame(150)
    frame["label"] = frame["region"].astype(str)
    fits = {
        "glm": poisson_fit(frame, "claims ~ C(region) + bs(age, df=4) + offset(log(size))"),
        "robust": fg.glm("size ~ age + power", frame, "gamma", link="log", cov_type="HC1"),
        "categories": fg.MNLogit.from_formula("label ~ age", frame).fit(),
        "counts": fg.Hurdle.from_formula("claims ~ age", frame, zeros="~ power").fit(),
    }
    saved = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, fit in fits.items():
            fit.save(Path(folder) / name)
            saved[name] = (Path(folder) / name).read_text()
    return frame.iloc[:5], saved


def leaves(value, path=()):
    """Where there is something in nested lists and tables."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for k, item in enumerate(value):
            yield from leaves(item, (*path, k))


DELETED = object()
VALUES = st.one_of(
    st.just(DELETED),
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 3, 10**20, 0.5, -2.5, 1e308, "inf", "", "x", "log", [], {}, [1.0]]),
)


def damaged(text, draw):
    saved = json.loads(text)
    *folder, key = draw(st.sampled_from([path for path in leaves(saved) if path != ("digest",)]))
    holder = saved
    for step in folder:
        holder = holder[step]
    value, before = draw(VALUES), holder[key]
    if value is DELETED:
        del holder[key]
    else:
        holder[key] = value
    return saved, value is DELETED or json.dumps(value) != json.dumps(before)


def use(fit, new):
    """What people do with a model."""
    fit.predict(new)
    fit.predict(new, which="linear")
    fit.t_test(np.eye(len(fit.names))[0])
    fit.wald_test(np.eye(len(fit.names))[:1])
    fit.conf_int(), fit.bse, fit.pvalues, fit.cov_params(), fit.aic, str(fit.summary())
    if isinstance(fit, Results):
        fit.get_prediction(new).summary_frame()
        fit.with_covariance("nonrobust")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["glm", "robust", "categories", "counts"])
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damage_is_refused_and_never_a_bare_error(name, data, tmp_path_factory):
    new, texts = saved_models()
    saved, is_changed = damaged(texts[name], data.draw)
    path = tmp_path_factory.getbasetemp() / f"{name}.json"
    path.write_text(json.dumps(saved))
    if is_changed:
        with pytest.raises(DataError):
            fg.load(path)
    try:
        fit = fg.load(path, check=False)
        use(fit, new)
    except FastGLMError:
        pass


def test_what_comes_of_an_edited_file_is_trusted_no_more_than_that(path):
    loaded = fg.load(path, check=False)
    assert loaded.__dict__["_is_edited"]
    assert loaded.summary().__dict__["_is_edited"]
    assert "_is_edited" not in fg.load(path).summary().__dict__
