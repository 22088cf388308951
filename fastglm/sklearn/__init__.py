"""scikit-learn's estimators over `fastglm.GLM`: for pipelines, searches and cross-validation."""

from fastglm.sklearn.classifiers import GLMClassifier
from fastglm.sklearn.regressors import GLMRegressor
from fastglm.sklearn.replacements import (
    GammaRegressor,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)

__all__ = [
    "GLMClassifier",
    "GLMRegressor",
    "GammaRegressor",
    "LogisticRegression",
    "PoissonRegressor",
    "TweedieRegressor",
]
