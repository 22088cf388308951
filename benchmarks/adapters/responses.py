"""Other responses: the negative binomial with its alpha, several classes, shares, own families."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

from benchmarks import rscript
from benchmarks.adapters.fits import LINKS
from benchmarks.adapters.registry import (
    Job,
    Outcome,
    is_dense,
    register,
    tolerance_option,
)
from benchmarks.problems import Data

# What is minimised is minus the log-likelihood by scipy, of no library under test.

# -- negative binomial, alpha estimated


def _judge_alpha(data: Data, coefficients: Any, alpha: float, errors: Any) -> Outcome:
    mean = np.exp(data.dense @ np.asarray(coefficients))
    size = 1.0 / alpha
    density = stats.nbinom.logpmf(data.response, size, size / (size + mean))
    return Outcome(-float(density.sum()), np.asarray(errors))


@register("fastglm", accepts=is_dense, task="alpha")
def _alpha(data: Data, tolerance: float | None) -> Job:
    import fastglm as fg

    def run() -> Any:
        model = fg.GLM(data.response, data.dense, family="negative_binomial")
        result = model.fit(**tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, lambda r: _judge_alpha(data, r.params, r.family.alpha, r.bse))


def _register_statsmodels_alpha(method: str) -> None:
    @register(
        "statsmodels",
        method,
        accepts=is_dense,
        task="alpha",
        module="statsmodels.api",
        tolerances=(None,),
    )
    def discrete(data: Data, tolerance: float | None) -> Job:
        from statsmodels.discrete.discrete_model import NegativeBinomial

        def run() -> Any:
            result = NegativeBinomial(data.response, data.dense).fit(
                method=method, maxiter=500, disp=False
            )
            _ = result.bse
            return result

        return Job(run, lambda r: _judge_alpha(data, r.params[:-1], r.params[-1], r.bse[:-1]))


for _method in ("bfgs", "newton"):
    _register_statsmodels_alpha(_method)


if rscript.version():

    @register("R", "glm.nb", accepts=is_dense, task="alpha", tolerances=(None, 1e-12))
    def _glm_nb(data: Data, tolerance: float | None) -> Job:
        fit = rscript.glm_nb(data, 1e-8 if tolerance is None else tolerance)

        def inspect(done: rscript.Answer) -> Outcome:
            alpha = 1.0 / done.others[0]
            return _judge_alpha(data, done.coefficients, alpha, done.standard_errors)

        return Job(fit.run, inspect, lambda done: done.seconds)


# -- multinomial


def _judge_classes(data: Data, probability: Any, errors: Any = None) -> Outcome:
    rows = np.arange(data.response.size)
    chosen = np.asarray(probability)[rows, data.response.astype(np.int64)]
    return Outcome(-float(np.log(chosen).sum()), errors)


@register("fastglm", accepts=is_dense, task="classes")
def _classes(data: Data, tolerance: float | None) -> Job:
    import fastglm as fg

    def run() -> Any:
        result = fg.MNLogit(data.response, data.dense).fit(**tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, lambda r: _judge_classes(data, r.predict(), np.ravel(r.bse)))


@register(
    "statsmodels", accepts=is_dense, task="classes", module="statsmodels.api", tolerances=(None,)
)
def _statsmodels_classes(data: Data, tolerance: float | None) -> Job:
    from statsmodels.discrete.discrete_model import MNLogit

    def run() -> Any:
        result = MNLogit(data.response, data.dense).fit(disp=False)
        _ = result.bse
        return result

    return Job(run, lambda r: _judge_classes(data, r.predict(), np.ravel(r.bse)))


def _register_scikit_learn_classes(solver: str) -> None:
    @register(
        "scikit-learn",
        solver,
        accepts=is_dense,
        task="classes",
        standard_errors=False,
        module="sklearn.linear_model",
    )
    def classes(data: Data, tolerance: float | None) -> Job:
        from sklearn.linear_model import LogisticRegression

        def run() -> Any:
            model = LogisticRegression(
                C=np.inf,
                fit_intercept=False,
                solver=solver,
                max_iter=10_000,
                **tolerance_option("tol", tolerance),
            )
            return model.fit(data.dense, data.response)

        return Job(run, lambda m: _judge_classes(data, m.predict_proba(data.dense)))


# newton-cholesky is left out: without a penalty its matrix is singular, and it turns to lbfgs.
for _solver in ("lbfgs", "newton-cg"):
    _register_scikit_learn_classes(_solver)


# -- shares


def _judge_shares(data: Data, coefficients: Any, errors: Any) -> Outcome:
    *of_mean, of_precision = np.asarray(coefficients)
    mean, precision = special.expit(data.dense @ of_mean), np.exp(of_precision)
    density = stats.beta.logpdf(data.response, mean * precision, (1.0 - mean) * precision)
    return Outcome(-float(density.sum()), np.asarray(errors))


@register("fastglm", accepts=is_dense, task="shares")
def _shares(data: Data, tolerance: float | None) -> Job:
    import fastglm as fg

    def run() -> Any:
        result = fg.BetaModel(data.response, data.dense).fit(**tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, lambda r: _judge_shares(data, r.params, r.bse))


@register(
    "statsmodels", accepts=is_dense, task="shares", module="statsmodels.api", tolerances=(None,)
)
def _statsmodels_shares(data: Data, tolerance: float | None) -> Job:
    from statsmodels.othermod.betareg import BetaModel

    def run() -> Any:
        result = BetaModel(data.response, data.dense).fit()
        _ = result.bse
        return result

    return Job(run, lambda r: _judge_shares(data, r.params, r.bse))


# -- the same family from a user's functions and built in; the ordinary fit without its checks


def _fit_of(library: str, task: str, family: Any, **options: Any) -> None:
    @register(library, accepts=is_dense, task=task, module="fastglm", tolerances=(None,))
    def fit(data: Data, tolerance: float | None) -> Job:
        import fastglm as fg

        chosen = family(data)

        def run() -> Any:
            result = fg.GLM(data.response, data.dense, **chosen).fit(**options)
            _ = result.bse
            return result

        return Job(run, lambda r: Outcome(data.deviance(r.fittedvalues), np.asarray(r.bse)))


def _users_gamma(data: Data) -> dict[str, Any]:
    import math

    import fastglm as fg

    return {
        "family": fg.families.CustomFamily(
            "gamma of a user",
            variance=lambda mu: mu * mu,
            unit_deviance=lambda y, mu: 2.0 * ((y - mu) / mu - math.log(y / mu)),
            link="log",
            domain=(0.0, math.inf),
        )
    }


def _built_in(data: Data) -> dict[str, Any]:
    return {"family": data.family, "link": LINKS[data.family]}


_fit_of("fastglm", "user_family", _users_gamma)
_fit_of("built-in family", "user_family", _built_in)
_fit_of("fastglm", "checks", _built_in)
_fit_of("without checks", "checks", _built_in, separation="ignore")
