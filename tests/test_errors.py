"""Where warnings point, and that no line of the package counts frames."""

import ast
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest

import fastglm as fg
from fastglm.data import load_flights
from fastglm.errors import MissingValueError, RankWarning, few_of

PACKAGE = Path(fg.__file__).parent


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = (x > 0).astype(float)
    return pd.DataFrame(
        {
            "x": x,
            "z": 2.0 * x,
            "y": y,
            "count": np.tile([1, 2, 3], 20),
            "g": np.tile(list("abc"), 20),
        }
    )


def collinear(frame):
    return fg.glm("count ~ x + z", frame, family="poisson")


def apart(frame):
    X = np.column_stack([np.ones(frame.shape[0]), frame["x"]])
    return fg.GLM(frame["y"], X, family="binomial").fit()


def underdispersed(frame):
    return fg.glm("count ~ x", frame, family="negative_binomial")


def categories(frame):
    return fg.MNLogit.from_formula("g ~ x + z", frame).fit()


def new_rows(frame):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = collinear(frame)
    return fit.predict(frame.assign(z=1.0))


def samples(frame):
    rare = frame["x"].iloc[:30].to_frame().assign(g=["b", *["a"] * 29], count=frame["count"])
    fit = fg.glm("count ~ x + g", rare, family="poisson")
    return fit.bootstrap(20)


@pytest.mark.parametrize(
    "use",
    [collinear, apart, underdispersed, categories, new_rows, samples],
    ids=lambda f: f.__name__,
)
def test_a_warning_names_the_line_that_called_the_package(frame, use):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        use(frame)
    assert caught
    for warning in caught:
        assert issubclass(warning.category, fg.FastGLMWarning)
        assert warning.filename == __file__
        first = use.__code__.co_firstlineno
        assert first < warning.lineno < first + 9


IN_THE_PACKAGE = """
from functools import cached_property
from fastglm.errors import FastGLMWarning, warn

class Fit:
    @cached_property
    def number(self):
        warn("Beware.", FastGLMWarning)
        return 1
"""


def test_a_property_is_not_taken_for_the_line_that_reads_it():
    scope = {"__name__": "fastglm.anything"}
    exec(IN_THE_PACKAGE, scope)
    fit = scope["Fit"]()
    with pytest.warns(fg.FastGLMWarning, match="Beware") as caught:
        _ = fit.number
    assert caught[0].filename == __file__


def calls(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_no_other_module_warns_by_itself(path):
    if path.name == "errors.py":
        return
    for call in calls(ast.parse(path.read_text())):
        assert ast.unparse(call.func) != "warnings.warn", f"{path}:{call.lineno}"
        assert all(keyword.arg != "stacklevel" for keyword in call.keywords), call.lineno


@pytest.fixture
def no_extras(monkeypatch):
    for name in ("matplotlib", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)


def test_pictures_without_matplotlib_are_an_error_before_computing(frame, no_extras, monkeypatch):
    fit = fg.glm("count ~ x", frame, family="poisson")

    def compute(*buffers):
        raise AssertionError("computed first")

    monkeypatch.setattr(fg.Results, "row_values", compute)
    message = r"^pictures need matplotlib; pip install 'fastglm\[plots\]'\.$"
    draws = [getattr(fg.plots, name) for name in fg.plots.__all__]
    for draw in [fit.plot, lambda: fit.report("report.html"), fg.expfam.Bernoulli.plot]:
        with pytest.raises(fg.errors.MissingPackageError, match=message):
            draw()
    for draw in draws:
        with pytest.raises(fg.FastGLMError, match=message):
            draw(fit)
    assert issubclass(fg.errors.MissingPackageError, ImportError)


def test_files_and_polars_frames_without_pyarrow(no_extras):
    with pytest.raises(fg.errors.MissingPackageError, match=r"files need pyarrow.*\[parquet\]"):
        load_flights()
    data = polars.DataFrame({"y": [1.0, 2.0, 3.0], "g": ["a", "b", "a"]})
    with pytest.raises(fg.errors.MissingPackageError, match=r"need pyarrow.*\[polars\]"):
        fg.glm("y ~ g", data)


@pytest.mark.parametrize("alpha", [None, "x", 0.0, 1.0, -0.1, [0.05], float("nan"), np.ones(2)])
def test_levels_are_numbers_between_zero_and_one(alpha):
    fit = fg.GLM([1.0, 0.0, 3.0, 2.0], [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 5.0]]).fit()
    for ask in (fit.conf_int, fit.t_test("x1").conf_int, fit.bootstrap(20, seed=1).conf_int):
        with pytest.raises(fg.errors.ModelError, match="alpha must be between 0 and 1"):
            ask(alpha)


@pytest.mark.parametrize("seed", [-1, 0.5, "x", ["x"]])
def test_seeds_are_whole_numbers(seed):
    fit = fg.GLM([1.0, 0.0, 3.0, 2.0], [[1.0, 1.0], [1.0, 2.0], [1.0, 3.0], [1.0, 5.0]]).fit()
    for ask in (fit.resid_quantile, lambda seed: fit.bootstrap(20, seed=seed)):
        with pytest.raises(fg.errors.ModelError, match="seed must be an integer from 0 up"):
            ask(seed)


def test_long_lists_end_with_a_number():
    assert few_of("abc") == "a, b, c"
    X = np.random.default_rng(0).normal(size=(200, 80))
    X = np.hstack([X, X[:, :40] + X[:, 40:]])
    with pytest.warns(RankWarning, match=r"x86 = x6 \+ x46 and 34 others\.$"):
        fg.GLM(X[:, 0], X).fit()
    frame = pd.DataFrame(np.full((20, 40), np.nan), columns=[f"x{k}" for k in range(40)])
    frame["y"] = 1.0
    with pytest.raises(MissingValueError, match=r"and 34 others\.") as found:
        fg.glm("y ~ " + " + ".join(frame.columns[:-1]), frame)
    assert len(str(found.value)) < 800
