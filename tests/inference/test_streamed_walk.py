"""Every public name of a result of rows that do not fit into memory: as in memory, or refused."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import fields, is_dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.errors import FastGLMError, MemoryLimitError
from fastglm.results import Results

N = 20_000
FORMULA = "claims ~ x + g"
OPTIONS = {"family": "poisson", "exposure": "years", "missing": "drop"}
#: What methods are called with that cannot be called with nothing.
ARGUMENTS = {
    "add1": ("I(x**2)",),
    "avg_comparisons": ("g",),
    "bootstrap": (5,),
    "covariance_of_combinations": (np.eye(4),),
    "critical_value": (0.05,),
    "emmeans": ("g",),
    "f_test": ("x = 0",),
    "info_criteria": ("aic",),
    "root_of_combinations": (np.eye(4),),
    "row_values": (0,),
    "scaled_lack_of_fit": (np.ones(1),),
    "score_test": (np.arange(3.0),),
    "t_test": ("x = 0",),
    "wald_test": ("x = 0",),
    "with_covariance": ("HC3",),
}
#: What needs a number or more of every row; there is no room for 96 bytes a row here.
OF_EVERY_ROW = {
    "augment", "fittedvalues", "get_prediction", "linear_predictor", "mu", "null",
    "predict", "predict_terms", "resid_anscombe", "resid_anscombe_scaled",
    "resid_anscombe_unscaled", "resid_deviance", "resid_partial", "resid_pearson", "resid_quantile",
    "resid_response", "resid_working", "row_values", "rstandard", "rstudent", "dispersion_test",
    "evaluate", "rating_table", "simulate", "zero_inflation_test",
}  # fmt: skip
#: What fits many models, or a model of given rows.
OF_ALL_ROWS = {"bootstrap", "confint", "score_test", "penalized_llf", "penalized_tests"}
#: Objects that hold the rows, and what writes files, fits again, or has a test of its own.
ELSEWHERE = {
    "fit", "model", "outcomes", "plot", "power_link_profile", "predict_to", "remove_data", "report",
    "row_source", "same_kind", "save", "to_onnx", "to_sql", "update", "without_random_effects",
}  # fmt: skip
NAMES = sorted(name for name in dir(Results) if name[0] != "_" and name not in ELSEWHERE)


@pytest.fixture(scope="module")
def both():
    rng = np.random.default_rng(3)
    x, years = rng.normal(size=N), rng.uniform(0.2, 1.0, N)
    g = rng.choice(["east", "north", "west"], N)
    claims = rng.poisson(years * np.exp(-1.0 + 0.3 * x + 0.2 * (g == "west")))
    x[rng.random(N) < 0.01] = np.nan
    table = pa.table({"x": x, "g": g, "years": years, "claims": claims})
    streamed = fg.glm(FORMULA, fg.scan(table), memory="700KB", **OPTIONS)
    assert not streamed.model.rows.fits
    assert streamed.model.rows.memory < 96 * N
    return streamed, fg.glm(FORMULA, table, **OPTIONS)


def asked(fit, name):
    value = getattr(fit, name)
    is_method = inspect.isfunction(inspect.getattr_static(Results, name))
    return value(*ARGUMENTS.get(name, ())) if is_method else value


def outcome(fit, name):
    """What a name gives, or the error that it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return asked(fit, name), None
        except FastGLMError as error:
            return None, error


def numbers(value, depth=0):
    """All numbers in what a name gives, in a row."""
    if isinstance(value, bool | int | float | np.number):
        return [float(value)]
    if isinstance(value, np.ndarray):
        return value.astype(float).ravel().tolist() if value.dtype.kind in "fiub" else []
    if isinstance(value, pa.Table):
        value = value.to_pandas()
    if isinstance(value, pd.DataFrame | pd.Series):
        frame = pd.DataFrame(value).select_dtypes("number")
        return frame.to_numpy(dtype=float).ravel().tolist()
    if isinstance(value, dict | list | tuple):
        items = value.values() if isinstance(value, dict) else value
        return [number for item in items for number in numbers(item, depth + 1)]
    if depth > 3 or isinstance(value, fg.GLM):
        return []
    if is_dataclass(value):
        values = {f.name: getattr(value, f.name, None) for f in fields(value)}
        for apart in ("timings", "n_sweeps", "n_iter", "decrement", "model", "fit", "results"):
            values.pop(apart, None)
        return numbers(values, depth + 1)
    return []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_gives_what_it_gives_in_memory_or_says_what_to_do(name, both):
    streamed, whole = both
    found, error = outcome(streamed, name)
    if isinstance(error, MemoryLimitError):
        assert name in OF_EVERY_ROW | OF_ALL_ROWS
        assert "memory=" in str(error)
        assert "sample of the rows" in str(error)
        return
    wanted, its_error = outcome(whole, name)
    # Of the model, wherever its rows are.
    assert (type(error), str(error)) == (type(its_error), str(its_error))
    if error is None:
        assert name not in OF_ALL_ROWS | OF_EVERY_ROW
        if name not in ("n_passes", "timings", "n_sweeps", "decrement", "n_iter"):
            np.testing.assert_allclose(numbers(found), numbers(wanted), rtol=2e-6, atol=1e-9)
    assert streamed.model._in_memory is None
    assert streamed.model.rows._gathered is None
