"""Generalized linear models at the speed of reading the data, with R's numbers."""

from importlib.metadata import version

from fastglm import errors, families
from fastglm.errors import FastGLMError, FastGLMWarning
from fastglm.model import GLM, glm
from fastglm.responses.multinomial import MNLogit
from fastglm.responses.ordinal import OrderedModel
from fastglm.results import Results
from fastglm.saving import load

__version__ = version("fastglm")

__all__ = [
    "GLM",
    "FastGLMError",
    "FastGLMWarning",
    "MNLogit",
    "OrderedModel",
    "Results",
    "__version__",
    "errors",
    "families",
    "glm",
    "load",
]
