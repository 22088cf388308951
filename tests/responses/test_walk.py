"""Every public name of a GLM's result, asked of each model of several predictors."""

import inspect
import re
import warnings
from dataclasses import fields

import pytest
import response_cases as cases

from fastglm.errors import ModelError, UnknownNameError
from fastglm.fit.base import _INTERNAL
from fastglm.pointers import SEVERAL
from fastglm.results import Results

#: What methods are called with that cannot be called with nothing.
ARGUMENTS = {
    "add1": ("I(x**2)",),
    "avg_comparisons": ("g",),
    "bootstrap": (3,),
    "critical_value": (0.05,),
    "emmeans": ("g",),
    "evaluate": (cases.frame(60),),
    "f_test": ("{0} = 0",),
    "info_criteria": ("qaic", 1.5),
    "t_test": ("{0} = 0",),
    "update": (".~. - z",),
    "wald_test": ("{0} = 0",),
    "with_covariance": ("HC3",),
}
#: What a GLM keeps for itself alone, by a name that is no question of a user's.
OF_THE_GLM = {
    "alpha_se", "has_intercept", "n_passes", "orthogonal", "parameter_se", "response_dispersion",
    "row_source", "theta_se", "var_power_se",
}  # fmt: skip
#: What has no answer for some of these models, and the word that says where there is one.
REFUSED = {"to_sql": "use predict", "to_onnx": "use predict", "resid_quantile": "no quantiles"}
#: What writes files or fits many times, with tests of their own, and what goes through others here.
ELSEWHERE = {"confint", "report", "save", "remove_data", "plot", "model"}
NAMES = {name for name in dir(Results) if name[0] != "_"} | {f.name for f in fields(Results)}
NAMES = sorted(NAMES - _INTERNAL - ELSEWHERE - OF_THE_GLM)


def asked(fit, name):
    value = getattr(fit, name)
    if not inspect.ismethod(value):
        return value
    first = f"`{fit.names[fit.blocks[0].start + 1]}`"
    arguments = ARGUMENTS.get(name, ())
    return value(*(each.format(first) if isinstance(each, str) else each for each in arguments))


def fault_of(fit, name):
    """What is wrong with what a name gives, or with the error that it raises."""
    there = hasattr(type(fit), name) or name in fit.__dict__
    try:
        value = asked(fit, name)
    except UnknownNameError as error:
        pointed = SEVERAL.get(name)
        if there or pointed is None or pointed not in str(error):
            return str(error)
        words = [word for word in re.findall(r"res\.(\w+)", pointed) if not hasattr(fit, word)]
        return f"{pointed!r} names {words}" if words else None
    except ModelError as error:
        return None if REFUSED.get(name, "?") in str(error) else str(error)
    return "nothing" if value is None and name != "formula" else None


@pytest.mark.parametrize("model", cases.MODELS)
def test_a_name_works_or_says_what_to_do(model):
    fit = cases.model(model, cases.frame(), "x + z + g").fit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        faults = {name: fault for name in NAMES if (fault := fault_of(fit, name)) is not None}
    assert faults == {}
