"""Generalized linear models at the speed of reading the data, with R's numbers."""

from importlib.metadata import version

from fastglm import errors, families, plots
from fastglm.errors import FastGLMError, FastGLMWarning
from fastglm.inference.anova import anova_models as anova
from fastglm.inference.compare import compare
from fastglm.model import GLM, glm
from fastglm.responses.beta import BetaModel
from fastglm.responses.dirichlet import DirichletModel
from fastglm.responses.multinomial import MNLogit
from fastglm.responses.ordinal import OrderedModel
from fastglm.responses.zeros import Hurdle, ZeroInflated
from fastglm.results import Results
from fastglm.saving import load

__version__ = version("fastglm")

__all__ = [
    "GLM",
    "BetaModel",
    "DirichletModel",
    "FastGLMError",
    "FastGLMWarning",
    "Hurdle",
    "MNLogit",
    "OrderedModel",
    "Results",
    "ZeroInflated",
    "__version__",
    "anova",
    "compare",
    "errors",
    "families",
    "glm",
    "load",
    "plots",
]
