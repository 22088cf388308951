"""What editors and type checkers see of the public names."""

import dataclasses
import inspect
import re
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastglm as fg
import fastglm.mlflow
import fastglm.sklearn
from fastglm import typing
from fastglm.fit.base import _INTERNAL
from fastglm.mixed.results import MixedResults
from fastglm.mixed.several.results import MixedSeveralResults

ROOT = Path(fg.__file__).parents[1]

# What may be of any kind, and why.
OF_ANY_KIND = {
    "model": "a result stands below the models, whose classes it may not import",
    "arguments": "by name what a family was given",
    "to_dict": "what JSON takes, by name",
    "settings": "by name what a model was given",
    "fit_options": "by name what a fit was given",
    "estimate": "the search of a mixed model, of three kinds that have little in common",
    "labels": "index of rows or their frame, as the data has it",
}


def return_annotation(function):
    found = inspect.signature(function).return_annotation
    return found if isinstance(found, str) else getattr(found, "__name__", str(found))


def public_functions(cls):
    """Names and functions of the methods and properties that a class has for users."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if name.startswith("_") or name in _INTERNAL or not of_fastglm(cls, name):
            continue
        if isinstance(value, property):
            yield name, value.fget
        elif isinstance(value, cached_property):
            yield name, value.func
        elif isinstance(value, classmethod | staticmethod):
            yield name, value.__func__
        elif inspect.isfunction(value):
            yield name, value
        elif hasattr(value, "function"):
            yield name, value.function


def of_fastglm(cls, name):
    owner = next(base for base in cls.__mro__ if name in vars(base))
    return owner.__module__.startswith("fastglm")


def public_classes():
    """Every class among the public names, with what their methods say they give."""
    modules = (fg, fg.families, fg.families.links, fg.expfam, fg.plots, fg.sklearn, fg.errors)
    found = [MixedResults, MixedSeveralResults]
    found += [
        value
        for module in modules
        for name in module.__all__
        if inspect.isclass(value := getattr(module, name))
    ]
    found += [cls.results_class for cls in found if hasattr(cls, "results_class")]
    for cls in found:
        for name, function in public_functions(cls):
            for word in re.findall(r"\w+", return_annotation(function)):
                given = inspect.unwrap(function).__globals__.get(word)
                is_ours = inspect.isclass(given) and given.__module__.startswith("fastglm")
                if is_ours and given not in found and not name.startswith("_"):
                    found.append(given)
    return list(dict.fromkeys(found))


def public_annotations():
    """Where, name and what comes out, of every public function, method, property and field."""
    for module in (fg, fg.plots, fastglm.mlflow):
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isfunction(value):
                yield module.__name__, name, return_annotation(value)
    for cls in public_classes():
        for name, function in public_functions(cls):
            yield cls.__name__, name, return_annotation(function)


def results_fields():
    """Fields of results, which come out as properties do."""
    for cls in public_classes():
        if cls.__name__.endswith("Results") and dataclasses.is_dataclass(cls):
            for field in dataclasses.fields(cls):
                if field.name not in _INTERNAL:
                    yield cls.__name__, field.name, field.type


def test_nothing_public_gives_a_value_of_any_kind():
    found = [*public_annotations(), *results_fields()]
    assert len(found) > 1000
    unknown = [
        f"{owner}.{name} -> {kind}"
        for owner, name, kind in found
        if (kind == "_empty" or re.search(r"\bAny\b", kind)) and name not in OF_ANY_KIND
    ]
    assert unknown == []


SCRIPT = """
import numpy as np
import fastglm as fg
from fastglm.sklearn import GLMClassifier, PoissonRegressor

res = fg.glm("y ~ x", {"x": [0, 1, 2], "y": [1, 2, 4]})
reveal_type(res)  # Results
reveal_type(res.params)  # Vector
reveal_type(res.params["x"])  # float
reveal_type(res.params.sum())  # float
reveal_type(2.0 * res.params + 1)  # Vector
reveal_type(res.pvalues < 0.05)  # Vector
reveal_type(np.exp(res.params))  # ndarray
reveal_type(res.conf_int())  # Matrix
reveal_type(res.conf_int()[0])  # Vector
reveal_type(res.predict({"x": [1]}))  # Vector
reveal_type(res.tidy())  # Frame
reveal_type(res.summary())  # Summary
reveal_type(res.evaluate())  # Evaluation
reveal_type(res.aic)  # float
reveal_type(res.with_covariance("HC3"))  # Results
reveal_type(res.anova())  # Table
reveal_type(res.plot())  # ndarray
reveal_type(fg.plots.calibration(res))  # Axes
reveal_type(fg.GLM([1, 2], [[1], [2]]).fit())  # Results
reveal_type(fg.mixed("y ~ x + (1 | g)", {}))  # MixedResults
reveal_type(fg.mixed("y ~ x + (1 | g)", {}).fittedvalues)  # Vector
reveal_type(fg.MNLogit.from_formula("y ~ x", {}))  # MNLogit
reveal_type(fg.MNLogit.from_formula("y ~ x", {}).fit())  # MultinomialResults
reveal_type(fg.MNLogit.from_formula("y ~ x", {}).fit().predict())  # Matrix
reveal_type(fg.MNLogit.from_formula("y ~ x", {}).fit().predict(which="class"))  # Vector
reveal_type(fg.BetaModel.from_formula("y ~ x", {}).fit().predict())  # Vector
reveal_type(fg.Hurdle.from_formula("y ~ x", {}).fit())  # HurdleResults
reveal_type(fg.OrderedModel.from_formula("y ~ x", {}).fit().thresholds)  # Vector
reveal_type(fg.load("model.json"))  # Results | ResponseResults | MixedResults
reveal_type(fg.load("model.json").predict({"x": [1]}))  # Vector
reveal_type(PoissonRegressor().fit([[1]], [1]))  # PoissonRegressor
reveal_type(PoissonRegressor().fit([[1]], [1]).results_)  # Results
reveal_type(GLMClassifier().fit([[1]], [1]).coef_)  # ndarray
reveal_type(fg.families.Poisson().link(2.0))  # ndarray
reveal_type(fg.expfam.Poisson.fit([1, 2]))  # Poisson
reveal_type(fg.expfam.Poisson.fit([1, 2]).glm_family())  # Family
pandas_too = res.params.sort_values()
wrong: str = res.params.sum()  # error: Incompatible types in assignment
"""


def test_a_type_checker_sees_what_comes_out(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    # With the options of the repository's own run, whose cache makes this one short.
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(script)]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    said = {}
    for line in run.stdout.splitlines():
        where, number, text = line.split(":", 2)
        assert Path(where).name == "script.py", line
        said[int(number)] = text.strip()
    expected = {
        number: line.split("  # ")[1]
        for number, line in enumerate(SCRIPT.splitlines(), 1)
        if "  # " in line
    }
    shown = {
        number: re.sub(
            r"\[.*\]|[\w.]+\.", "", text.removeprefix("note: Revealed type is ").strip('"')
        )
        if "Revealed" in text
        else text[: len(expected.get(number, text))]
        for number, text in said.items()
    }
    assert shown == expected


def members(protocol):
    return [
        name
        for base in protocol.__mro__
        if base.__module__ == typing.__name__
        for name, value in vars(base).items()
        if (inspect.isfunction(value) or isinstance(value, property))
        and name not in ("__init__", "__getattr__", "_no_init_or_replace_init", "__subclasshook__")
    ]


@pytest.mark.parametrize("kind", [np.ndarray, pd.Series, pl.Series])
def test_vectors_of_every_library_have_the_methods_of_the_type(kind):
    names = members(typing.Vector)
    assert len(names) > 30
    assert [name for name in names if not hasattr(kind, name)] == []


@pytest.mark.parametrize("kind", [np.ndarray, pd.DataFrame, pl.DataFrame])
def test_matrices_of_every_library_have_the_methods_of_the_type(kind):
    lacking = {pl.DataFrame: {"__radd__", "__rsub__", "__rmul__", "__rtruediv__"}}
    names = set(members(typing.Matrix))
    assert {name for name in names if not hasattr(kind, name)} <= lacking.get(kind, set())


def test_frames_of_every_library_have_the_methods_of_the_type():
    pa = pytest.importorskip("pyarrow")
    for kind in (pd.DataFrame, pl.DataFrame, pa.Table):
        assert [name for name in members(typing.Frame) if not hasattr(kind, name)] == []
