"""Generalized linear models at the speed of reading the data, with R's numbers."""

import gc
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Importing makes many objects and hardly any garbage: looking for it takes an eighth of the time.
_collects_garbage = gc.isenabled()
gc.disable()
try:
    from fastglm import errors, families
    from fastglm.compare import compare
    from fastglm.cross_validation import cross_validate
    from fastglm.design.matrix.constant import add_constant
    from fastglm.errors import FastGLMError, FastGLMWarning
    from fastglm.inference.hypothesis_tests.anova import anova_models as anova
    from fastglm.inference.side_by_side import compare_table
    from fastglm.load import load
    from fastglm.mixed import mixed
    from fastglm.model import GLM
    from fastglm.pointers import describe_name_of_package
    from fastglm.responses import MODELS
    from fastglm.results import Results
    from fastglm.shorthand import glm
    from fastglm.sources.scan import scan
finally:
    if _collects_garbage:
        gc.enable()

if TYPE_CHECKING:
    from fastglm import expfam, plots
    from fastglm.inference.evaluation.pure_premium import PurePremium
    from fastglm.mixed.mixed_lm import MixedLM
    from fastglm.mixed.model import MixedGLM
    from fastglm.mixed.rows import Random
    from fastglm.responses.models.beta import BetaModel
    from fastglm.responses.models.dirichlet import DirichletModel
    from fastglm.responses.models.multinomial import MNLogit
    from fastglm.responses.models.negative_binomial_p import NegativeBinomialP
    from fastglm.responses.models.ordinal import OrderedModel
    from fastglm.responses.models.zero_inflated_and_hurdle import Hurdle, ZeroInflated

__version__: str

__all__ = [
    "GLM",
    "BetaModel",
    "DirichletModel",
    "FastGLMError",
    "FastGLMWarning",
    "Hurdle",
    "MNLogit",
    "MixedGLM",
    "MixedLM",
    "NegativeBinomialP",
    "OrderedModel",
    "PurePremium",
    "Random",
    "Results",
    "ZeroInflated",
    "__version__",
    "add_constant",
    "anova",
    "compare",
    "compare_table",
    "cross_validate",
    "errors",
    "expfam",
    "families",
    "glm",
    "load",
    "mixed",
    "plots",
    "scan",
]

# Imported when first asked for.
_LATER = MODELS | {
    "PurePremium": "fastglm.inference.evaluation.pure_premium",
    "MixedGLM": "fastglm.mixed.model",
    "MixedLM": "fastglm.mixed.mixed_lm",
    "Random": "fastglm.mixed.rows",
    "expfam": "fastglm.expfam",
    "plots": "fastglm.plots",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Looking it up takes milliseconds of every new process, which seldom asks.
        from importlib.metadata import version

        globals()[name] = version("fastglm")
        return globals()[name]
    if name not in _LATER:
        if name.startswith("_"):
            raise AttributeError(f"module 'fastglm' has no attribute {name!r}")
        text = describe_name_of_package(name, __all__, Results)
        raise errors.UnknownNameError(text, name=name, obj=sys.modules[__name__])
    module = import_module(_LATER[name])
    value = getattr(module, name, module)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
