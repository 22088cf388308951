"""scikit-learn's estimators over `fastglm.GLM`: for pipelines, searches and cross-validation."""

from fastglm.errors import require_package

require_package("sklearn", "sklearn", "the estimators of fastglm.sklearn")

from fastglm.sklearn.classifiers import GLMClassifier  # noqa: E402
from fastglm.sklearn.regressors import GLMRegressor  # noqa: E402
from fastglm.sklearn.replacements import (  # noqa: E402
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


def __dir__() -> list[str]:
    return list(__all__)
