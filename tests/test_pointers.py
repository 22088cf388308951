"""Names of other libraries lead to the right ones, and every name that is pointed to exists."""

import copy
import importlib
import inspect
import pickle
import re

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm import pointers
from fastglm.errors import OptionError, UnknownNameError
from fastglm.streamed import StreamedGLM

rng = np.random.default_rng(5)
FRAME = pd.DataFrame({"x": rng.normal(size=60), "y": rng.poisson(2.0, 60), "g": ["a", "b"] * 30})


@pytest.fixture(scope="module")
def fit():
    return fg.glm("y ~ x", FRAME, family="poisson")


@pytest.fixture(scope="module")
def categories():
    return fg.MNLogit.from_formula("g ~ x", FRAME).fit()


def is_written(member):
    return inspect.isroutine(member) and hasattr(member, "__code__")


def public_functions():
    owners = [fg.GLM, fg.Results, fg.MNLogit, type(fg.glm("y ~ 1", FRAME).get_prediction())]
    yield from (fg.glm, fg.add_constant, fg.compare_table)
    for owner in owners:
        yield from (f for _, f in inspect.getmembers(owner, is_written))


ALL_OPTIONS = {
    name for function in public_functions() for name in inspect.signature(function).parameters
}


@pytest.mark.parametrize(
    "table", [pointers.OPTIONS, pointers.RESULTS, pointers.MODELS, pointers.PACKAGE, pointers.PLOTS]
)
def test_what_is_pointed_to_exists(fit, table):
    for name, text in table.items():
        for attribute in re.findall(r"\bres\.(\w+)", text):
            assert hasattr(fit, attribute) or "mixed model" in text, (name, text)
        for attribute in re.findall(r"\bmodel\.(\w+)", text):
            assert hasattr(fit.model, attribute), (name, text)
        for path in re.findall(r"\bfg\.([\w.]*\w)", text):
            found = fg
            for part in path.split("."):
                found = getattr(found, part)
        if not text.startswith(("R's", "glum's")):
            for option in re.findall(r"(\w+)=(?!=)", text):
                assert option in ALL_OPTIONS | {"alpha"}, (name, text)


def test_no_pointer_hides_what_there_is(fit):
    assert not [name for name in pointers.RESULTS if name in dir(fit)]
    assert not [name for name in pointers.MODELS if name in dir(fit.model)]
    assert not [name for name in pointers.PACKAGE if name in dir(fg)]


@pytest.mark.parametrize("name", pointers.RESULTS)
def test_names_of_results(fit, categories, name):
    for results in (fit, categories):
        if name in ("prsquared", "pred_table") and results is categories:
            continue
        assert not hasattr(results, name)
        with pytest.raises(UnknownNameError, match=f"has no '{name}'") as caught:
            getattr(results, name)
        assert isinstance(caught.value, AttributeError)
        assert isinstance(caught.value, fg.FastGLMError)
        for attribute in re.findall(r"\bres\.(\w+)", str(caught.value))[:1]:
            assert hasattr(results, attribute)
    with pytest.raises(UnknownNameError, match=re.escape(pointers.RESULTS[name])):
        getattr(fit, name)


@pytest.mark.parametrize("name", pointers.MODELS)
def test_names_of_models(fit, categories, name):
    of_glm = any(each in pointers.MODELS[name] for each in ("model.exog", "model.subset"))
    for model in (fit.model,) if of_glm else (fit.model, categories.model):
        with pytest.raises(UnknownNameError, match=re.escape(pointers.MODELS[name])):
            getattr(model, name)


def test_models_are_not_led_to_what_they_lack(fit, categories):
    assert "use model.endog and model.exog" in message_of(fit.model, "data")
    assert "use model.formula" in message_of(fit.model, "equation")
    assert "exog" not in message_of(categories.model, "data")
    assert "use model.formula" in message_of(categories.model, "equation")


def test_pictures_and_measures_are_found_from_results(fit, categories):
    assert "use res.formula" in message_of(fit, "equation")
    assert "use res.model.exog" in message_of(fit, "exog")
    assert "use res.augment()" in message_of(categories, "exog")
    assert "use res.evaluate()" in message_of(fit, "auc")
    assert "outcome by outcome" in message_of(categories, "auc")
    assert "groups()" in message_of(fit.evaluate(), "lift")
    assert message_of(fit, "roc") == "Results has no 'roc': use fg.plots.roc(res)."


def message_of(asked, name):
    with pytest.raises(UnknownNameError) as found:
        getattr(asked, name)
    return str(found.value)


@pytest.mark.parametrize("name", pointers.PACKAGE)
def test_names_of_the_package(name):
    with pytest.raises(UnknownNameError, match=re.escape(pointers.PACKAGE[name])):
        getattr(fg, name)


WRONG_OPTIONS = [
    (lambda fit: fg.glm("y ~ x", FRAME, weights=FRAME["x"]), r"glm\(\).*'weights'.*var_weights="),
    (lambda fit: fg.glm("y ~ x", FRAME, sample_weight=1), "var_weights="),
    (lambda fit: fit.predict(FRAME, subset="x > 0"), "choose the rows"),
    (lambda fit: fg.glm("y ~ x", FRAME, alpha=1.0), "not penalised"),
    (lambda fit: fg.glm("y ~ x", FRAME, maxit=3), "max_iter="),
    (lambda fit: fg.glm("y ~ x", FRAME, exposre="x"), "did you mean exposure="),
    (lambda fit: fg.glm("y ~ x", FRAME, memmory="1GB"), "did you mean memory="),
    (lambda fit: fg.glm("y ~ x", FRAME, zzz="x"), "its options are formula, data, family, offset"),
    (lambda fit: fg.GLM(FRAME["y"], FRAME[["x"]], cov_type="HC0"), r"GLM\(\).*give it to fit\(\)"),
    (lambda fit: fit.model.fit(offset=1.0), r"fit\(\) has no option 'offset': give it to GLM"),
    (lambda fit: fit.model.fit(maxiter=5, weights=1.0), r"fit\(\) has no option 'weights'"),
    (lambda fit: fit.predict(type="response"), "which="),
    (lambda fit: fit.predict(newdata=FRAME), "first argument, exog"),
    (lambda fit: fit.predict(FRAME, whih="mean"), "did you mean which="),
    (lambda fit: fit.conf_int(level=0.9), "alpha = 1 - level"),
    (lambda fit: fit.summary(level=0.9), "alpha = 1 - level"),
    (lambda fit: fit.predict(FRAME, "mean", 1, 2, 3, 4, 5), "positional arguments"),
    (lambda fit: fg.GLM(FRAME["y"]), "missing 1 required positional argument: 'exog'"),
    (lambda fit: fg.compare(FRAME, "y ~ x", families=["poisson"], weights=1), "var_weights="),
    (lambda fit: fg.load("model.json", chek=False), "load"),
    (lambda fit: fg.plots.effect(fit, "x", alfa=0.1), "did you mean alpha="),
    (lambda fit: fg.MNLogit(FRAME["g"], FRAME[["x"]], weights=1), r"MNLogit\(\).*freq_weights="),
    (lambda fit: fg.MNLogit.from_formula("g ~ x", FRAME).fit(maxit=3), "max_iter="),
    (lambda fit: fg.ZeroInflated.from_formula("y ~ x", FRAME, zeroes="~ x"), "did you mean zeros="),
]


@pytest.mark.parametrize(
    ("call", "message"), WRONG_OPTIONS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_wrong_options(fit, call, message):
    with pytest.raises(OptionError, match=message) as caught:
        call(fit)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, fg.errors.ModelError)
    assert str(caught.value)[-1] in ".?"


def test_a_type_error_from_within_is_left_alone(fit):
    with pytest.raises(TypeError) as caught:
        fit.bootstrap(10, progress=3)
    assert not isinstance(caught.value, fg.FastGLMError)


def test_a_property_that_fails_raises_its_own_error(fit, monkeypatch):
    def fails(self):
        raise AttributeError("no such thing inside")

    monkeypatch.setattr(fg.Results, "broken", property(fails), raising=False)
    with pytest.raises(AttributeError, match="no such thing inside"):
        _ = fit.broken


def test_copies_and_pickles(fit, categories):
    for results in (fit, categories):
        assert copy.copy(results).params.equals(results.params)
        assert pickle.loads(pickle.dumps(results)).params.equals(results.params)
        with pytest.raises(AttributeError, match="object has no attribute"):
            _ = results._nothing


def test_glm_spells_out_its_arguments():
    model = inspect.signature(fg.GLM.from_formula).parameters
    of_fit = list(inspect.signature(fg.GLM.fit).parameters.values())[1:]
    of_source = inspect.signature(StreamedGLM).parameters
    memory, compress = of_source["memory"], of_source["compress"]
    of_streamed = inspect.signature(StreamedGLM.fit).parameters
    *named, others = of_fit
    streamed = [of_streamed[name] for name in ("checkpoint", "client")]
    expected = [*model.values(), *named, memory, *streamed, compress, others]
    found = inspect.signature(fg.glm).parameters.values()
    assert [(p.name, p.default) for p in found] == [(p.name, p.default) for p in expected]


@pytest.mark.parametrize(
    "name",
    ["", ".plots", ".data", ".errors", ".families", ".families.links", ".expfam", ".sklearn"],
)
def test_modules_show_what_is_public(name):
    module = importlib.import_module(f"fastglm{name}")
    assert set(dir(module)) == set(module.__all__)


def test_what_is_shown_is_public(fit):
    assert not {"centering", "fitted_formula", "row_values", "from_estimate"} & set(dir(fit))
    assert {"params", "deviance", "summary", "model", "aliased"} <= set(dir(fit))


@pytest.mark.parametrize("owner", [fg.GLM, fg.MNLogit, fg.Results])
def test_every_function_answers_for_every_option_that_it_lacks(owner):
    for called, function in inspect.getmembers(owner, is_written):
        known = [name for name in inspect.signature(function).parameters if name != "self"]
        for name in {*(key.rpartition(".")[2] for key in pointers.OPTIONS), "familiy", "tolerance"}:
            text = pointers.describe_option(called, name, known, owner)
            if "var_weights=" in text and owner is fg.Results:
                assert "var_weights" in known


def test_predict_has_no_weights(fit):
    with pytest.raises(OptionError, match="its options are exog"):
        fit.predict(weights=1)
    with pytest.raises(OptionError, match="var_weights="):
        fit.get_prediction(FRAME, weights=1)


def test_a_misspelt_option_of_another_step_is_found(fit):
    with pytest.raises(OptionError, match=r"give family= to GLM\(\) or GLM.from_formula\(\)"):
        fit.model.fit(familiy="poisson")
    with pytest.raises(OptionError, match=r"give max_iter= to fit\(\)"):
        fg.GLM(FRAME.y, FRAME[["x"]], max_iters=5)


@pytest.mark.parametrize("name", ["coef", "AIC", "residuals", "lrtest", "stepAIC", "vcovHC"])
def test_functions_of_r_lead_to_results(name):
    with pytest.raises(UnknownNameError, match=re.escape(pointers.RESULTS[name])):
        getattr(fg, name)


@pytest.mark.parametrize(
    ("name", "text"), [("predict", "use res.predict()."), ("deviance", "use res.deviance.")]
)
def test_names_of_results_are_named_for_attributes_of_the_package(name, text):
    with pytest.raises(UnknownNameError, match=re.escape(f"fastglm has no '{name}': {text}")):
        getattr(fg, name)


@pytest.mark.parametrize("name", pointers.PLOTS)
def test_names_of_pictures(name):
    assert name not in fg.plots.__all__
    with pytest.raises(UnknownNameError, match=re.escape(pointers.PLOTS[name])):
        getattr(fg.plots, name)
    with pytest.raises(UnknownNameError, match=r"\.plots has no 'lft': did you mean 'lift'"):
        _ = fg.plots.lft


def returned(fit):
    yield from (fit.get_influence(), fit.get_prediction(), fit.t_test("x = 0"), fit.anova())
    yield from (fit.wald_test("x = 0"), fit.summary(), fit.emmeans("x"), fit.get_margeff())
    yield from (fit.evaluate(FRAME), fit.collinearity(), fit.bootstrap(5, seed=1), fit.step())


def test_results_of_methods_name_their_attributes(fit):
    for value in returned(fit):
        with pytest.raises(UnknownNameError, match=f"{type(value).__name__} has no 'qqq': it has"):
            _ = value.qqq
        assert not hasattr(value, "_nothing")
        assert repr(copy.copy(value)) == repr(value)
        assert type(pickle.loads(pickle.dumps(value))) is type(value)
    with pytest.raises(UnknownNameError, match=r"use fg.plots.leverage\(res\)"):
        fit.get_influence().plot_index()
    with pytest.raises(UnknownNameError, match=r"use contrasts\(\)"):
        fit.emmeans("x").pairs()
    with pytest.raises(UnknownNameError, match="'pvalue'"):
        _ = fit.wald_test("x = 0").p_value
    with pytest.raises(UnknownNameError, match="has no 'pairs'") as caught:
        fit.get_influence().pairs()
    assert "contrasts" not in str(caught.value)


@pytest.mark.parametrize("name", pointers.MIXED)
def test_names_of_mixed_results(fit, name):
    mixed = fg.mixed("x ~ 1 + (1 | g)", FRAME.assign(g=list("abcdef") * 10))
    with pytest.raises(UnknownNameError, match=re.escape(pointers.MIXED[name])):
        getattr(mixed, name)
    for attribute in re.findall(r"\bres\.(\w+)", pointers.MIXED[name]):
        assert hasattr(mixed, attribute)
    for picture in re.findall(r"fg\.plots\.(\w+)", pointers.MIXED[name]):
        draw = getattr(fg.plots, picture)
        draw(mixed) if picture == "calibration" else None
