"""Arguments of the wrong kind: one sentence that names the argument, never a bare Python error."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.arguments import checked_choice, checked_number, checked_path
from fastglm.errors import FastGLMError, ModelError

SERIES = pd.Series([1, 2])


class Something:
    """Of no use as an argument; its text does not differ from process to process."""

    def __repr__(self) -> str:
        return "something"


WRONG = [SERIES, np.array(["x", "y"]), [], {}, Something(), float("nan")]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60)})
    return data.assign(g=rng.choice(list("abc"), 60), y=rng.poisson(2.0, 60))


@pytest.fixture(scope="module")
def fit(frame: pd.DataFrame) -> fg.Results:
    return fg.glm("y ~ x + z + g", frame, family="poisson")


@pytest.mark.parametrize("value", WRONG, ids=str)
@pytest.mark.parametrize(
    "option",
    ["cov_type", "tol", "max_iter", "separation", "bias_reduction", "exact", "n_threads",
     "progress", "missing", "family", "link"],
)  # fmt: skip
def test_options_of_a_fit(frame, option, value):
    options = {"family": "poisson"} | {option: value}
    with pytest.raises(FastGLMError, match=option):
        fg.glm("y ~ x", frame, **options)


OPTIONS = [
    ("step", "k"),
    ("drop1", "k"),
    ("step", "direction"),
    ("get_margeff", "method"),
    ("get_margeff", "at"),
    ("conf_int", "method"),
    ("pseudo_rsquared", "kind"),
    ("info_criteria", "crit"),
    ("with_covariance", "cov_type"),
    ("to_sql", "dialect"),
    ("save", "path"),
    ("report", "path"),
]
USABLE = {"k": (3.5,), "path": ("other",)}


@pytest.mark.parametrize(
    ("method", "option", "value"),
    [
        (method, option, value)
        for method, option in OPTIONS
        for value in (SERIES, None, "other", 3.5, [])
        if not any(value is usable for usable in USABLE.get(option, ()))
    ],
    ids=str,
)
def test_options_of_results(fit, method, option, value):
    given = {"table": "t"} if method == "to_sql" else {}
    with pytest.raises(FastGLMError, match=option):
        getattr(fit, method)(**given, **{option: value})


def test_other_arguments(fit, frame):
    wrong: list[Any] = [
        lambda: fit.step(scope=3),
        lambda: fit.power_link_profile("x"),
        lambda: fit.power_link_profile(3),
        lambda: fit.get_influence().outlier_test("x"),
        lambda: fit.to_sql(dialect="duckdb", table=3),
        lambda: fg.anova(fit, "x"),
        lambda: fg.load(3),
        lambda: fg.load({}),
        lambda: fg.families.Tweedie(var_power="x"),
        lambda: fg.families.NegativeBinomial(alpha="x"),
        lambda: fg.families.links.Power("x"),
    ]
    for call in wrong:
        with pytest.raises(FastGLMError):
            call()


@pytest.mark.parametrize("value", [*WRONG, "c", 1], ids=str)
def test_choice(value):
    assert checked_choice("it", "a", ("a", None, True)) == "a"
    with pytest.raises(ModelError, match=r"it must be one of \('a', None, True\), not"):
        checked_choice("it", value, ("a", None, True))


@pytest.mark.parametrize("value", [*WRONG, "1", True, None, 1.5, -1, 11], ids=str)
def test_whole_numbers(value):
    assert checked_number("it", np.int8(3), 0, 10, whole=True) == 3
    with pytest.raises(ModelError, match="it must be a whole number from 0 to 10, not"):
        checked_number("it", value, 0, 10, whole=True)


def test_numbers():
    assert checked_number("it", np.float32(0.5), 0.0) == 0.5
    with pytest.raises(ModelError, match="it must be a number from 0, not -1"):
        checked_number("it", -1, 0.0)
    with pytest.raises(ModelError, match="it must be a number, not inf"):
        checked_number("it", float("inf"))


def test_paths(tmp_path):
    assert checked_path("it", str(tmp_path)) == tmp_path == checked_path("it", tmp_path)
    with pytest.raises(ModelError, match="it must be the name of a file, not 3"):
        checked_path("it", 3)
