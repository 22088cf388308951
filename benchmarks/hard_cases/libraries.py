"""The same hard case by every library, at settings that ask for all digits it can give."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.hard_cases.cases import HardCase

__all__ = ["LIBRARIES", "Answer", "UnsupportedError", "ask"]


class UnsupportedError(Exception):
    """The library has no such model."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a library gave and said.

    Attributes
    ----------
    params, means, standard_errors : ndarray or None
    said : tuple of str
        Class and text of its warnings, and that it did not converge.
    refused : str
        Class of the error it raised.
    """

    params: np.ndarray | None = None
    means: np.ndarray | None = None
    standard_errors: np.ndarray | None = None
    said: tuple[str, ...] = ()
    refused: str = ""


def ask(fit: Callable[[HardCase], Answer], case: HardCase) -> Answer | None:
    """The answer with everything that was said on the way; None if there is no such model."""
    with warnings.catch_warnings(record=True) as caught, np.errstate(all="ignore"):
        warnings.simplefilter("always")
        try:
            answer = fit(case)
        except UnsupportedError:
            return None
        except Exception as error:
            # Whatever went wrong inside a library is its answer.
            return Answer(refused=type(error).__name__)
    # Overflows and deprecations say nothing about the fit.
    noise = (DeprecationWarning, FutureWarning, PendingDeprecationWarning, RuntimeWarning)
    told = [w for w in caught if not issubclass(w.category, noise)]
    said = tuple(f"{w.category.__name__}: {w.message}" for w in told)
    return Answer(answer.params, answer.means, answer.standard_errors, (*answer.said, *said))


def fit_fastglm(case: HardCase) -> Answer:
    """`fastglm.GLM`."""
    import fastglm as fg

    model = fg.GLM(
        case.y, case.X, case.family, link=case.link, var_weights=case.weights, offset=case.offset
    )
    fit = model.fit(start_params=case.start)
    said = () if fit.converged else (fit.status.name,)
    return Answer(fit.params, fit.fittedvalues, fit.bse, said)


def fit_statsmodels(case: HardCase) -> Answer:
    """`statsmodels.api.GLM`."""
    import statsmodels.api as sm

    families = sm.families
    family = {
        "gaussian": families.Gaussian,
        "binomial": families.Binomial,
        "poisson": families.Poisson,
        "gamma": families.Gamma,
        "inverse_gaussian": families.InverseGaussian,
    }[case.family]
    link = {"identity": "Identity", "log": "Log", "logit": "Logit"}[case.link]
    model = sm.GLM(
        case.y,
        case.X,
        family=family(link=getattr(families.links, link)()),
        offset=case.offset,
        var_weights=case.weights,
    )
    fit = model.fit(start_params=case.start, tol=1e-12, maxiter=200)
    said = () if fit.converged else ("not converged",)
    return Answer(fit.params, fit.fittedvalues, fit.bse, said)


def _intercept_apart(case: HardCase) -> tuple[np.ndarray, bool]:
    """The design as libraries with an intercept of their own want it, and whether there is one."""
    has_constant = bool((case.X[:, 0] == 1).all() and case.X.shape[1] > 1)
    return np.ascontiguousarray(case.X[:, int(has_constant) :]), has_constant


def _answer(model: Any, means: np.ndarray, has_constant: bool) -> Answer:
    params = np.ravel(model.coef_)
    if has_constant:
        params = np.concatenate([np.ravel(model.intercept_), params])
    return Answer(params, means)


def fit_glum(case: HardCase) -> Answer:
    """`glum.GeneralizedLinearRegressor` without a penalty."""
    from glum import GeneralizedLinearRegressor

    X, has_constant = _intercept_apart(case)
    model = GeneralizedLinearRegressor(
        family={"gaussian": "normal", "inverse_gaussian": "inverse.gaussian"}.get(
            case.family, case.family
        ),
        link=case.link,
        alpha=0,
        fit_intercept=has_constant,
        gradient_tol=1e-10,
        max_iter=1000,
        start_params=case.start,
    )
    model.fit(X, case.y, sample_weight=case.weights, offset=case.offset)
    return _answer(model, model.predict(X, offset=case.offset), has_constant)


def fit_sklearn(case: HardCase) -> Answer:
    """The estimator of scikit-learn that has the family and link, without a penalty."""
    from sklearn import linear_model

    if case.offset is not None or case.start is not None:
        raise UnsupportedError
    tight: dict[str, Any] = {"solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}
    estimators: dict[tuple[str, str], Callable[..., Any]] = {
        ("gaussian", "identity"): lambda **k: linear_model.LinearRegression(
            tol=np.finfo(np.float64).eps, **k
        ),
        ("binomial", "logit"): lambda **k: linear_model.LogisticRegression(C=np.inf, **tight, **k),
        ("poisson", "log"): lambda **k: linear_model.PoissonRegressor(alpha=0, **tight, **k),
        ("gamma", "log"): lambda **k: linear_model.GammaRegressor(alpha=0, **tight, **k),
        ("inverse_gaussian", "log"): lambda **k: linear_model.TweedieRegressor(
            power=3, link="log", alpha=0, **tight, **k
        ),
    }
    if (case.family, case.link) not in estimators:
        raise UnsupportedError
    X, has_constant = _intercept_apart(case)
    model = estimators[case.family, case.link](fit_intercept=has_constant)
    model.fit(X, case.y, sample_weight=case.weights)
    classes = case.family == "binomial"
    means = model.predict_proba(X)[:, 1] if classes else model.predict(X)
    return _answer(model, means, has_constant)


def recorded_r(case: HardCase) -> Answer:
    """What R was recorded to do."""
    if case.record is None:
        raise UnsupportedError
    return Answer(case.record.params, said=case.record.said)


#: Headings of the table.
LIBRARIES: dict[str, Callable[[HardCase], Answer]] = {
    "R 4.2 (recorded)": recorded_r,
    "statsmodels": fit_statsmodels,
    "glum": fit_glum,
    "scikit-learn": fit_sklearn,
    "fastglm": fit_fastglm,
}
