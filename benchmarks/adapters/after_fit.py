"""What is asked of a fit that is there already: only the answer is timed, not the fit.

Fits are made at the tightest tolerance, so that answers differ by their formulas alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.adapters.fits import LINKS, statsmodels_family
from benchmarks.adapters.registry import Job, Outcome, is_dense, register
from benchmarks.problems import Data

COVARIANCES = ("HC1", "HC3", "cluster")
REPLICATES = 1000
#: Rows whose numbers are compared between libraries.
SAMPLE = 1000

_OWN_TOLERANCE, _STATSMODELS_TOLERANCE = 1e-10, 1e-12


def fit(data: Data, **options: Any) -> Any:
    """Our own fit."""
    import fastglm as fg

    model = fg.GLM(data.response, data.dense, family=data.family, link=LINKS[data.family])
    return model.fit(**options)


def _fitted(data: Data) -> Any:
    return fit(data, tol=_OWN_TOLERANCE)


def _fitted_by_statsmodels(data: Data) -> Any:
    import statsmodels.api as sm

    model = sm.GLM(data.response, data.dense, family=statsmodels_family(data.family))
    return model.fit(tol=_STATSMODELS_TOLERANCE)


def _sampled(columns: Any) -> np.ndarray:
    """Some rows of columns of n numbers, each column in units of its largest."""
    values = np.column_stack(columns)[:SAMPLE]
    return (values / np.abs(values).max(axis=0)).ravel()


# -- covariances


def _options(data: Data, task: str) -> dict[str, Any]:
    return {"groups": data.groups} if task == "cluster" else {}


def _register_covariance(task: str) -> None:
    @register("fastglm", accepts=is_dense, task=task, tolerances=(None,))
    def ours(data: Data, tolerance: float | None) -> Job:
        result, options = _fitted(data), _options(data, task)
        deviance = data.deviance(result.fittedvalues)

        def inspect(errors: Any) -> Outcome:
            return Outcome(deviance, errors, errors)

        return Job(lambda: np.asarray(result.with_covariance(task, **options).bse), inspect)

    # Its HC3 needs a matrix of n by n, and knows nothing of weights.
    if task == "HC3":
        return

    @register(
        "statsmodels", accepts=is_dense, task=task, module="statsmodels.api", tolerances=(None,)
    )
    def statsmodels(data: Data, tolerance: float | None) -> Job:
        from copy import copy

        from statsmodels.base.covtype import get_robustcov_results

        result, options = _fitted_by_statsmodels(data), _options(data, task)
        deviance = data.deviance(result.fittedvalues)
        n, p = data.dense.shape
        # Its HC1 of a GLM lacks the factor n / (n - p) that makes it one.
        factor = np.sqrt(n / (n - p)) if task == "HC1" else 1.0

        def run() -> np.ndarray:
            unwrapped = copy(result._results)
            robust = get_robustcov_results(unwrapped, cov_type=task, use_self=True, **options)
            return np.asarray(robust.bse) * factor

        return Job(run, lambda errors: Outcome(deviance, errors, errors))


for _task in COVARIANCES:
    _register_covariance(_task)


# -- influence


def _influence(result: Any, data: Data) -> Job:
    deviance = data.deviance(result.fittedvalues)

    def run() -> tuple[np.ndarray, np.ndarray]:
        influence = result.get_influence()
        return influence.hat_matrix_diag, influence.cooks_distance[0]

    return Job(run, lambda columns: Outcome(deviance, values=_sampled(columns)))


@register("fastglm", accepts=is_dense, task="influence", tolerances=(None,))
def _own_influence(data: Data, tolerance: float | None) -> Job:
    return _influence(_fitted(data), data)


@register(
    "statsmodels", accepts=is_dense, task="influence", module="statsmodels.api", tolerances=(None,)
)
def _statsmodels_influence(data: Data, tolerance: float | None) -> Job:
    return _influence(_fitted_by_statsmodels(data), data)


# -- bootstrap


@register("fastglm", accepts=is_dense, task="bootstrap", tolerances=(None,))
def _bootstrap(data: Data, tolerance: float | None) -> Job:
    result = _fitted(data)
    deviance = data.deviance(result.fittedvalues)

    def run() -> np.ndarray:
        return np.asarray(result.bootstrap(n_replicates=REPLICATES, seed=1).bse)

    return Job(run, lambda errors: Outcome(deviance, errors, errors))


@register("loop of fits", accepts=is_dense, task="bootstrap", module="fastglm", tolerances=(None,))
def _loop(data: Data, tolerance: float | None) -> Job:
    """The best loop that a user would write: counts as weights, and a start at the estimates."""
    import fastglm as fg

    result = _fitted(data)
    deviance = data.deviance(result.fittedvalues)
    start, n = result.params, data.response.size

    def run() -> np.ndarray:
        generator = np.random.default_rng(2)
        replicates = np.empty((REPLICATES, start.size))
        for replicate in replicates:
            counts = np.bincount(generator.integers(0, n, n), minlength=n).astype(np.float64)
            model = fg.GLM(
                data.response,
                data.dense,
                family=data.family,
                link=LINKS[data.family],
                freq_weights=counts,
            )
            replicate[:] = model.fit(start_params=start).params
        return replicates.std(axis=0, ddof=1)

    return Job(run, lambda errors: Outcome(deviance, errors, errors))


# -- prediction


def _register_prediction(variant: str, observations: bool) -> None:
    @register("fastglm", variant, accepts=is_dense, task="prediction", tolerances=(None,))
    def ours(data: Data, tolerance: float | None) -> Job:
        result = _fitted(data)
        deviance = data.deviance(result.fittedvalues)

        def run() -> list[np.ndarray]:
            prediction = result.get_prediction(data.dense)
            columns = [prediction.predicted_mean, prediction.se_mean, *prediction.conf_int().T]
            if observations:
                columns += [*prediction.conf_int(obs=True).T]
            return columns

        return Job(run, lambda columns: Outcome(deviance, values=_sampled(columns[:4])))


_register_prediction("means", observations=False)
_register_prediction("means and observations", observations=True)


@register(
    "statsmodels",
    "means",
    accepts=is_dense,
    task="prediction",
    module="statsmodels.api",
    tolerances=(None,),
)
def _statsmodels_prediction(data: Data, tolerance: float | None) -> Job:
    result = _fitted_by_statsmodels(data)
    deviance = data.deviance(result.fittedvalues)

    def run() -> list[np.ndarray]:
        prediction = result.get_prediction(data.dense)
        return [prediction.predicted_mean, prediction.se_mean, *prediction.conf_int().T]

    return Job(run, lambda columns: Outcome(deviance, values=_sampled(columns)))
