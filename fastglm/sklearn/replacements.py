"""scikit-learn's own names and constructor arguments: change an import, keep the script.

Their penalties are refused by name. Arguments that choose another way to the same optimum
(``solver``, ``warm_start``, ``dual``, ``random_state``, ...) change nothing.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from fastglm.errors import ModelError
from fastglm.families import (
    Binomial,
    Family,
    Gamma,
    Gaussian,
    InverseGaussian,
    Poisson,
    Tweedie,
)
from fastglm.sklearn.classifiers import Classifier
from fastglm.sklearn.inputs import FitData
from fastglm.sklearn.regressors import Regressor

__all__ = ["GammaRegressor", "LogisticRegression", "PoissonRegressor", "TweedieRegressor"]


class _Penalizable(Regressor):
    """Regressors of scikit-learn whose penalty is `alpha`."""

    formula = None
    n_jobs = None

    def __init__(
        self,
        *,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        solver: str = "newton-cholesky",
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        verbose: int = 0,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.max_iter = max_iter
        self.tol = tol
        self.warm_start = warm_start
        self.verbose = verbose

    def _read(self, X: Any, y: Any, sample_weight: Any) -> FitData:
        if self.alpha != 0.0:
            raise ModelError(
                f"alpha must be 0, not {self.alpha!r}: {type(self).__name__} of fastglm fits "
                "without a penalty."
            )
        return super()._read(X, y, sample_weight)


class PoissonRegressor(_Penalizable):
    """Poisson regression with log link, with the arguments of scikit-learn's estimator.

    Parameters
    ----------
    alpha : float, default 0
        Penalties are refused: it must be 0, where scikit-learn's default is 1.
    fit_intercept : bool, default True
    solver, warm_start, verbose
        Accepted; the optimum does not depend on them.
    max_iter : int, default 100
    tol : float, default 1e-8

    Attributes
    ----------
    coef_, intercept_, std_errors_, n_iter_, results_
        As for `GLMRegressor`.
    """

    def _family(self) -> Family:
        return Poisson()


class GammaRegressor(_Penalizable):
    """Gamma regression with log link, with the arguments of scikit-learn's estimator.

    Parameters
    ----------
    alpha : float, default 0
        Penalties are refused: it must be 0, where scikit-learn's default is 1.
    fit_intercept : bool, default True
    solver, warm_start, verbose
        Accepted; the optimum does not depend on them.
    max_iter : int, default 100
    tol : float, default 1e-8

    Attributes
    ----------
    coef_, intercept_, std_errors_, n_iter_, results_
        As for `GLMRegressor`.
    """

    def _family(self) -> Family:
        return Gamma(link="log")


class TweedieRegressor(_Penalizable):
    """Tweedie regression with the arguments of scikit-learn's estimator.

    Parameters
    ----------
    power : float, default 0
        0 normal, 1 Poisson, 2 gamma, 3 inverse Gaussian; between 1 and 2 compound Poisson.
    alpha : float, default 0
        Penalties are refused: it must be 0, where scikit-learn's default is 1.
    fit_intercept : bool, default True
    link : {"auto", "identity", "log"}, default "auto"
        "auto" is the identity where `power` is not positive, else the logarithm.
    solver, warm_start, verbose
        Accepted; the optimum does not depend on them.
    max_iter : int, default 100
    tol : float, default 1e-8

    Attributes
    ----------
    coef_, intercept_, std_errors_, n_iter_, results_
        As for `GLMRegressor`.
    """

    def __init__(
        self,
        *,
        power: float = 0.0,
        alpha: float = 0.0,
        fit_intercept: bool = True,
        link: str = "auto",
        solver: str = "newton-cholesky",
        max_iter: int = 100,
        tol: float = 1e-8,
        warm_start: bool = False,
        verbose: int = 0,
    ):
        super().__init__(
            alpha=alpha,
            fit_intercept=fit_intercept,
            solver=solver,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            verbose=verbose,
        )
        self.power = power
        self.link = link

    def _family(self) -> Family:
        link = self.link
        if link == "auto":
            link = "log" if self.power > 0.0 else "identity"
        named: dict[float, type[Family]] = {
            0.0: Gaussian,
            1.0: Poisson,
            2.0: Gamma,
            3.0: InverseGaussian,
        }
        if self.power in named:
            return named[self.power](link=link)
        return Tweedie(var_power=self.power, link=link)


class LogisticRegression(Classifier):
    """Logistic regression with the arguments of scikit-learn's estimator.

    Parameters
    ----------
    penalty : None or "deprecated", optional
        Penalties are refused.
    C : float, default infinity
        Inverse strength of the penalty: it must be infinite, where scikit-learn's default is 1.
    l1_ratio, dual, intercept_scaling, random_state, solver, verbose, warm_start
        Accepted; the optimum without a penalty does not depend on them.
    tol : float, default 1e-8
    fit_intercept : bool, default True
    class_weight : dict or "balanced", optional
        Multiplies the weights of the rows of each class.
    max_iter : int, default 100
    n_jobs : int, optional
        Threads; by default all.

    Attributes
    ----------
    classes_, coef_, intercept_, std_errors_, n_iter_, results_
        As for `GLMClassifier`.
    """

    formula = None

    def __init__(
        self,
        penalty: Any = "deprecated",
        *,
        C: float = math.inf,
        l1_ratio: float = 0.0,
        dual: bool = False,
        tol: float = 1e-8,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: Any = None,
        random_state: Any = None,
        solver: str = "newton-cholesky",
        max_iter: int = 100,
        verbose: int = 0,
        warm_start: bool = False,
        n_jobs: int | None = None,
    ):
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs

    def _read(self, X: Any, y: Any, sample_weight: Any) -> FitData:
        unpenalized = self.penalty is None or (self.penalty == "deprecated" and math.inf == self.C)
        if not unpenalized:
            raise ModelError(
                "LogisticRegression of fastglm fits without a penalty: give C=numpy.inf, not "
                f"penalty={self.penalty!r}, C={self.C!r}."
            )
        data = super()._read(X, y, sample_weight)
        if self.class_weight is None:
            return data
        chosen, given = self.class_weight, data.sample_weight
        if isinstance(chosen, str) and chosen == "balanced" and given is not None:
            # A row of weight 2 counts as two, as in scikit-learn from 1.7 on.
            classes, codes = np.unique(data.y, return_inverse=True)
            counts = np.bincount(codes, weights=given)
            present = counts > 0.0
            share = counts.sum() / (present.sum() * counts[present])
            chosen = dict(zip(classes[present], share, strict=True))
        weights = compute_sample_weight(chosen, data.y)
        return data._replace(sample_weight=weights if given is None else weights * given)

    def _family(self) -> Family:
        return Binomial()
