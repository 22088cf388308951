"""Predicting the rows of the fit as new rows gives the predictions of the fit: of every model.

40 cases by default; the environment variable FASTGLM_CASES asks for more.
"""

import os
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import special

import fastglm as fg
from fastglm.errors import DataError, FastGLMError, FastGLMWarning, ModelError

N = 90


def draw():
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "g": pd.Categorical(rng.choice(list("abc"), N)),
            "o": rng.normal(scale=0.5, size=N),
            "q": rng.normal(scale=0.5, size=N),
            "e": rng.uniform(0.5, 4.0, N),
            "v": rng.uniform(0.2, 3.0, N),
            "f": rng.integers(1, 4, N),
        },
        index=np.arange(N) * 3 + 1,
    )
    mean = np.exp(0.6 + 0.3 * frame["x"])
    counts = rng.poisson(mean * rng.gamma(1.5, 1 / 1.5, N))
    shares = rng.gamma(2.0, size=(N, 3))
    shares /= shares.sum(axis=1, keepdims=True)
    return frame.assign(
        y=np.where(rng.random(N) < 0.3, 0, counts),
        b=(rng.random(N) < special.expit(frame["x"])).astype(int),
        c=rng.integers(0, 3, N),
        k=rng.choice(["low", "medium"], N),
        w=rng.gamma(2.0, mean),
        p=rng.beta(2.0, 3.0, N),
        s1=shares[:, 0],
        s2=shares[:, 1],
        s3=1.0 - shares[:, 0] - shares[:, 1],
    )


FRAME = draw()
RIGHT = ["x", "x + z", "g * x", "poly(x, 2) + g", "0 + g", "x + I(2 * x)", "x + offset(q)"]
GLM_FAMILIES = {
    "gaussian": ("w", {}),
    "binomial": ("b", {}),
    "poisson": ("y", {}),
    "quasipoisson": ("y", {}),
    "gamma": ("w", {"link": "log"}),
    "inverse_gaussian": ("w", {"link": "log"}),
    "negative_binomial": ("y", {}),
    "tweedie": ("w", {"link": "log"}),
}
# Response, the argument of a further predictor, and options of the class.
RESPONSE_MODELS = {
    "MNLogit": ("c", None, [{}, {"reference": 1}]),
    "OrderedModel": ("c", None, [{}, {"link": "probit"}]),
    "BetaModel": ("p", "precision", [{}, {"link": "cloglog", "precision_link": "log"}]),
    "DirichletModel": ("cbind(s1, s2, s3)", None, [{}]),
    "NegativeBinomialP": ("y", "dispersion", [{}, {"power": 2.0}]),
    "ZeroInflated": ("y", "zeros", [{}, {"family": "negative_binomial"}]),
    "Hurdle": ("y", "zeros", [{}, {"family": "negative_binomial"}]),
}
COUNTS = ("NegativeBinomialP", "ZeroInflated", "Hurdle")


@st.composite
def fits(draw):
    """A fit of any model with any offsets and weights, its columns by name, and its arguments."""
    name = draw(st.sampled_from([*GLM_FAMILIES, *RESPONSE_MODELS]))
    right, options = draw(st.sampled_from(RIGHT)), {}
    if name in GLM_FAMILIES:
        response, options = GLM_FAMILIES[name]
        options, cls = {"family": name, **options}, fg.GLM
    else:
        response, part, of_class = RESPONSE_MODELS[name]
        options, cls = dict(draw(st.sampled_from(of_class))), getattr(fg, name)
        if part is not None:
            parts = st.sampled_from([None, "~ z", "~ z + offset(q)", "~ offset(q)", "~ g"])
            options[part] = draw(parts)
    by_name = draw(st.booleans())
    has_log_link = name in (*COUNTS, "poisson", "quasipoisson") or options.get("link") == "log"
    arguments = ["offset"] + ["exposure"] * (has_log_link and name != "BetaModel")
    new = {}
    for argument, column in zip(arguments, "oe", strict=False):
        if draw(st.booleans()):
            new[argument] = column if by_name else FRAME[column].to_numpy()
    for argument, column in (("freq_weights", "f"), ("var_weights", "v")):
        if draw(st.booleans()):
            options[argument] = column if by_name else FRAME[column].to_numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastGLMWarning)
        model = cls.from_formula(f"{response} ~ {right}", FRAME, **options, **new)
        try:
            return model.fit(), {} if by_name else new
        except FastGLMError:
            return None, {}


def kinds(fit):
    return ("mean", "linear", "response", "link", *getattr(fit, "predictions", ()))


@settings(
    max_examples=int(os.environ.get("FASTGLM_CASES", "40")),
    deadline=None,
    derandomize="FASTGLM_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
@given(fits())
def test_the_fitted_rows_as_new_rows(tmp_path_factory, case):
    fit, arguments = case
    if fit is None:
        return
    path = tmp_path_factory.mktemp("fits") / "fit.json"
    fit.save(path)
    loaded = fg.load(path)
    for which in kinds(fit):
        fitted = fit.predict(which=which)
        new = fit.predict(FRAME, which=which, **arguments)
        again = loaded.predict(FRAME, which=which, **arguments)
        pd.testing.assert_index_equal(new.index, FRAME.index)
        np.testing.assert_array_equal(new, fitted)
        np.testing.assert_array_equal(again, fitted)
        if new.ndim == 2 and which not in ("linear", "link"):
            assert list(new.columns) == list(fitted.columns) == list(again.columns)
        if which != "class":
            few = fit.predict(FRAME[5:9], which=which, **_some(arguments, slice(5, 9)))
            np.testing.assert_allclose(few, fitted[5:9], rtol=1e-12)
        none = fit.predict(FRAME[:0], which=which, **_some(arguments, slice(0)))
        assert none.shape == (0, *fitted.shape[1:])
    _other_offsets(fit, loaded)


def _some(arguments, rows):
    return {name: values[rows] for name, values in arguments.items()}


def _other_offsets(fit, loaded):
    """An argument does the same with the fitted rows as with new ones."""
    log_link = fit.family.link.name == "log" if isinstance(fit, fg.Results) else fit.takes_exposure
    given = [{"offset": np.linspace(-1.0, 1.0, N)}, {"offset": "q"}]
    if log_link:
        given += [{"exposure": np.ones(N)}, {"exposure": "v", "offset": np.zeros(N)}]
    for arguments in given:
        own = {}
        if fit.has_offset and not fit.column_names:
            own["offset"] = FRAME["o"].to_numpy()
        if fit.has_exposure and not fit.column_names:
            own["exposure"] = FRAME["e"].to_numpy()
        want = fit.predict(FRAME, **(own | arguments))
        np.testing.assert_array_equal(fit.predict(**arguments), want)
        np.testing.assert_array_equal(loaded.predict(FRAME, **(own | arguments)), want)
        if isinstance(fit, fg.Results):
            got = fit.get_prediction(**arguments).predicted_mean
            np.testing.assert_array_equal(got, want)


def models():
    X = np.column_stack([np.ones(N), FRAME["x"]])
    yield "GLM", fg.GLM(FRAME["b"].to_numpy(), X, family="binomial")
    for name, (response, _, _) in RESPONSE_MODELS.items():
        y = FRAME[["s1", "s2", "s3"] if name == "DirichletModel" else response].to_numpy()
        yield name, getattr(fg, name)(y, X[:, 1:] if name == "OrderedModel" else X)


MODELS = dict(models())


@pytest.mark.parametrize("name", MODELS)
def test_unknown_options_of_predict_are_refused(name):
    fit = MODELS[name].fit()
    X = MODELS[name].rows.design.to_dense() if name == "GLM" else MODELS[name].rows.designs[0]
    X = X if name == "GLM" else X.to_dense()
    for rows in ((), (X,)):
        for which in ("nonsense", "Mean", "prob-Zero", None, 3):
            with pytest.raises(ModelError, match="which must be one of"):
                fit.predict(*rows, which=which)
        with pytest.raises(ModelError, match='unseen must be "raise" or "nan"'):
            fit.predict(*rows, unseen="drop")
        with pytest.raises(DataError, match=f"offset has 3 values, but there are {N} rows"):
            fit.predict(*rows, offset=np.ones(3))
        with pytest.raises(DataError, match="missing or infinite values in 1 row"):
            fit.predict(*rows, offset=np.r_[np.nan, np.zeros(N - 1)])
        with pytest.raises((ModelError, TypeError), match="nonsense"):
            fit.predict(*rows, nonsense=1)
        takes = getattr(fit, "takes_exposure", False)
        exposure = np.ones(3) if takes else np.ones(N)
        with pytest.raises(FastGLMError, match="exposure"):
            fit.predict(*rows, exposure=exposure)
    np.testing.assert_array_equal(fit.predict(which="response"), fit.predict())
    np.testing.assert_array_equal(fit.predict(which="link"), fit.predict(which="linear"))


@pytest.mark.parametrize("name", ["BetaModel", "NegativeBinomialP", "ZeroInflated", "Hurdle"])
def test_columns_of_a_further_predictor_go_with_new_rows(name):
    _, part, _ = RESPONSE_MODELS[name]
    model = MODELS[name]
    X, y = model.rows.designs[0].to_dense(), model.rows.response
    Z = np.column_stack([np.ones(N), FRAME["z"]])
    fit = getattr(fg, name)(y, X, **{part: Z}).fit()
    np.testing.assert_array_equal(fit.predict(X, **{part: Z}), fit.predict())
    with pytest.raises(ModelError, match=f"{part}= goes with new rows"):
        fit.predict(**{part: Z})
    with pytest.raises(DataError, match=f"fitted with {part}=: predict needs {part}= too"):
        fit.predict(X)
    with pytest.raises(DataError, match=f"{part} has 4 rows, but exog has {N}"):
        fit.predict(X, **{part: Z[:4]})
    # A single column is no constant.
    one = getattr(fg, name)(y, X, **{part: np.abs(FRAME["z"].to_numpy()) + 1.0}).fit()
    with pytest.raises(DataError, match=f"predict needs {part}= too"):
        one.predict(X)


@pytest.mark.parametrize("name", ["GLM", *COUNTS])
def test_get_prediction_and_predict_use_the_arguments_of_the_fitted_rows(name):
    X = np.column_stack([np.ones(N), FRAME["x"]])
    options = {"family": "poisson"} if name == "GLM" else {}
    cls = getattr(fg, name)
    fit = cls(FRAME["y"].to_numpy(), X, exposure=FRAME["e"].to_numpy(), **options).fit()
    which = "mean-count" if name == "Hurdle" else "mean"
    rates = fit.predict(exposure=np.ones(N), which=which)
    np.testing.assert_allclose(rates * FRAME["e"], fit.predict(which=which), rtol=1e-12)
    np.testing.assert_array_equal(rates, fit.predict(exposure=1.0, which=which))
    with pytest.raises(DataError, match="exposure must be positive"):
        fit.predict(exposure=-1.0)
    with pytest.raises(ModelError, match="columns by name"):
        fit.predict(exposure="e")


def test_a_column_that_is_no_offset():
    fit = fg.glm("y ~ x", FRAME, family="poisson")
    with pytest.raises(DataError, match="offset must be numeric, but column 'g' is categorical"):
        fit.predict(offset="g")


@pytest.mark.parametrize("levels", [[-1, 0, 1], [0.5, 1.5, 2.5], [False, True], ["u", "v", "w"]])
@pytest.mark.parametrize("name", ["MNLogit", "OrderedModel"])
def test_columns_are_called_by_the_levels_themselves(name, levels, tmp_path):
    if name == "OrderedModel" and isinstance(levels[0], str):
        levels = pd.CategoricalDtype(levels, ordered=True).categories
    y = pd.Series(np.array(levels)[np.arange(N) % len(levels)], index=FRAME.index)
    if isinstance(levels[0], str):
        y = y.astype(pd.CategoricalDtype(list(levels), ordered=True))
    frame = FRAME.assign(c=y)
    fit = getattr(fg, name).from_formula("c ~ x", frame).fit()
    fit.save(tmp_path / "fit.json")
    for each in (fit, fg.load(tmp_path / "fit.json")):
        table = each.predict(frame)
        assert list(table.columns) == list(levels)
        assert [type(column) for column in table.columns] == [
            type(v) for v in np.array(levels).tolist()
        ]
        most = each.predict(frame, which="class")
        want = np.array(levels)[np.asarray(table).argmax(axis=1)]
        assert (most == want).all()
        if not isinstance(levels[0], str):
            assert most.dtype == np.array(levels).dtype
        missing = frame.copy()
        missing.loc[FRAME.index[2], "x"] = np.nan
        assert each.predict(missing, which="class").isna().sum() == 1
    assert list(fit.resid_response.columns) == list(levels)
