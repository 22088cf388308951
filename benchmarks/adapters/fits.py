"""The task "fit": from data in memory to coefficients, and standard errors where there are any."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import rscript
from benchmarks.adapters.registry import (
    Job,
    Outcome,
    is_dense,
    is_frame,
    register,
    tolerance_option,
)
from benchmarks.problems import CATEGORICAL, NUMERIC, Data

# -- fastglm

_C_ORDER, _F_ORDER = "C order", "F order"

LINKS = {"binomial": "logit", "poisson": "log", "gamma": "log"}


def _ordered(data: Data, order: str) -> np.ndarray:
    return np.asfortranarray(data.dense) if order == _F_ORDER else data.dense


def _with_fitted_values(data: Data) -> Callable[[Any], Outcome]:
    return lambda result: Outcome(data.deviance(result.fittedvalues), np.asarray(result.bse))


def _register_fastglm(order: str) -> None:
    @register("fastglm", order, accepts=is_dense)
    def dense(data: Data, tolerance: float | None) -> Job:
        import fastglm as fg

        X = _ordered(data, order)

        def run() -> Any:
            model = fg.GLM(data.response, X, family=data.family, link=LINKS[data.family])
            result = model.fit(**tolerance_option("tol", tolerance))
            _ = result.bse
            return result

        return Job(run, _with_fitted_values(data))


for _order in (_C_ORDER, _F_ORDER):
    _register_fastglm(_order)


@register("fastglm", "formula", accepts=is_frame)
def _fastglm_formula(data: Data, tolerance: float | None) -> Job:
    import fastglm as fg

    def run() -> Any:
        options = {"family": data.family, "exposure": data.exposure}
        result = fg.glm(data.formula, data.frame, **options, **tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


# -- statsmodels


def statsmodels_family(family: str) -> Any:
    import statsmodels.api as sm

    families = sm.families
    if family == "gamma":
        return families.Gamma(families.links.Log())
    return {"binomial": families.Binomial, "poisson": families.Poisson}[family]()


@register("statsmodels", accepts=is_dense, module="statsmodels.api")
def _statsmodels(data: Data, tolerance: float | None) -> Job:
    import statsmodels.api as sm

    def run() -> Any:
        model = sm.GLM(data.response, data.dense, family=statsmodels_family(data.family))
        result = model.fit(**tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


@register("statsmodels", "formula", accepts=is_frame, module="statsmodels.formula.api")
def _statsmodels_formula(data: Data, tolerance: float | None) -> Job:
    import statsmodels.formula.api as smf

    def run() -> Any:
        family = statsmodels_family(data.family)
        exposure = data.table[data.exposure]
        model = smf.glm(data.formula, data.frame, family=family, exposure=exposure)
        result = model.fit(**tolerance_option("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


# -- glum


def _glum(data: Data, tolerance: float | None, solver: str, **options: Any) -> Any:
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(
        alpha=0,
        family=data.family,
        link=LINKS[data.family],
        solver=solver,
        max_iter=1000,
        **options,
        **tolerance_option("gradient_tol", tolerance),
    )


def _glum_covariance(data: Data) -> dict[str, Any]:
    """Standard errors from the expected information, as R's, and not glum's robust default."""
    known = {} if data.family == "gamma" else {"dispersion": 1.0}
    return {"robust": False, "expected_information": True} | known


def _without_correction(standard_errors: np.ndarray | None, data: Data) -> np.ndarray | None:
    """Standard errors as R's: glum's variances carry a factor n / (n - p)."""
    if standard_errors is None:
        return None
    errors = np.asarray(standard_errors)
    return errors * np.sqrt(1.0 - errors.size / data.response.size)


def _register_glum(order: str, solver: str, errors: bool) -> None:
    variant = f"{solver}, {order}" + (", with standard errors" if errors else "")

    @register("glum", variant, accepts=is_dense, standard_errors=errors)
    def dense(data: Data, tolerance: float | None) -> Job:
        X = _ordered(data, order)

        def run() -> Any:
            model = _glum(data, tolerance, solver, fit_intercept=False).fit(X, data.response)
            standard_errors = None
            if errors:
                standard_errors = model.std_errors(X, data.response, **_glum_covariance(data))
            return model, standard_errors

        def inspect(done: Any) -> Outcome:
            model, standard_errors = done
            return Outcome(
                data.deviance(model.predict(X)), _without_correction(standard_errors, data)
            )

        return Job(run, inspect)


for _order in (_C_ORDER, _F_ORDER):
    _register_glum(_order, "irls-ls", errors=False)
    _register_glum(_order, "irls-ls", errors=True)
    _register_glum(_order, "lbfgs", errors=False)


def _register_glum_frame(errors: bool) -> None:
    variant = "data frame" + (", with standard errors" if errors else "")

    @register("glum", variant, accepts=is_frame, standard_errors=errors)
    def frame(data: Data, tolerance: float | None) -> Job:
        def run() -> Any:
            X = data.table[list(CATEGORICAL + NUMERIC)]
            offset = np.log(data.exposures)
            model = _glum(data, tolerance, "irls-ls", drop_first=True)
            model.fit(X, data.response, offset=offset)
            standard_errors = None
            if errors:
                standard_errors = model.std_errors(
                    X, data.response, offset=offset, **_glum_covariance(data)
                )
            return model, standard_errors, X, offset

        def inspect(done: Any) -> Outcome:
            model, standard_errors, X, offset = done
            mean = model.predict(X, offset=offset)
            return Outcome(data.deviance(mean), _without_correction(standard_errors, data))

        return Job(run, inspect)


for _errors in (False, True):
    _register_glum_frame(_errors)


# -- scikit-learn, which has no standard errors


def _scikit_learn(family: str, solver: str, tolerance: float | None, **options: Any) -> Any:
    from sklearn import linear_model

    options |= {"solver": solver, "max_iter": 10_000} | tolerance_option("tol", tolerance)
    if family == "binomial":
        return linear_model.LogisticRegression(C=np.inf, **options)
    return getattr(linear_model, f"{family.capitalize()}Regressor")(alpha=0, **options)


def _register_scikit_learn(order: str, solver: str) -> None:
    @register(
        "scikit-learn",
        f"{solver}, {order}",
        accepts=is_dense,
        standard_errors=False,
        module="sklearn.linear_model",
    )
    def dense(data: Data, tolerance: float | None) -> Job:
        X = _ordered(data, order)

        def run() -> Any:
            model = _scikit_learn(data.family, solver, tolerance, fit_intercept=False)
            return model.fit(X, data.response)

        def inspect(model: Any) -> Outcome:
            binary = data.family == "binomial"
            mean = model.predict_proba(X)[:, 1] if binary else model.predict(X)
            return Outcome(data.deviance(mean))

        return Job(run, inspect)


def _register_scikit_learn_frame(solver: str) -> None:
    @register(
        "scikit-learn",
        f"{solver}, data frame",
        accepts=is_frame,
        standard_errors=False,
        module="sklearn.linear_model",
    )
    def frame(data: Data, tolerance: float | None) -> Job:
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import OneHotEncoder, StandardScaler

        def run() -> Any:
            columns = ColumnTransformer(
                [
                    ("categories", OneHotEncoder(drop="first"), list(CATEGORICAL)),
                    ("numbers", StandardScaler(), list(NUMERIC)),
                ]
            )
            model = _scikit_learn(data.family, solver, tolerance)
            exposure = data.exposures
            weights = {f"{type(model).__name__.lower()}__sample_weight": exposure}
            return make_pipeline(columns, model).fit(
                data.frame, data.response / exposure, **weights
            )

        def inspect(model: Any) -> Outcome:
            exposure = data.exposures
            return Outcome(data.deviance(model.predict(data.frame) * exposure))

        return Job(run, inspect)


for _solver in ("lbfgs", "newton-cholesky"):
    _register_scikit_learn_frame(_solver)
    for _order in (_C_ORDER, _F_ORDER):
        _register_scikit_learn(_order, _solver)


# -- R

if rscript.version():

    @register("R", "glm.fit", accepts=is_dense, module="subprocess", tolerances=(None, 1e-14))
    def _r(data: Data, tolerance: float | None) -> Job:
        fit = rscript.glm_fit(data, 1e-8 if tolerance is None else tolerance)
        return Job(
            fit.run,
            lambda done: Outcome(rscript.deviance(data, done), done.standard_errors),
            lambda done: done.seconds,
        )
