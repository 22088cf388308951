"""How each library is asked: one registered function per library, task and variant.

An adapter turns data into a `Job`: `run` is the whole call a user would write, from data in memory
to standard errors where the library has them, and alone is timed; `inspect` then takes from its
result what must agree between libraries. A later task (another covariance, influence, prediction)
is a problem with that `task` and one more registered function per library that can do it.

Libraries are imported inside the functions, so that a process holds only the one it measures.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks import rscript
from benchmarks.problems import CATEGORICAL, NUMERIC, Data


@dataclass(frozen=True)
class Outcome:
    """What a result is judged by.

    Attributes
    ----------
    certificate : float
        Must agree between libraries; for the task "fit" the deviance.
    standard_errors : ndarray or None
    """

    certificate: float
    standard_errors: np.ndarray | None = None


@dataclass(frozen=True)
class Job:
    """A call ready to be timed; `seconds` reads the time from a result that brings its own."""

    run: Callable[[], Any]
    inspect: Callable[[Any], Outcome]
    seconds: Callable[[Any], float] | None = None


@dataclass(frozen=True)
class Adapter:
    """One way of asking one library.

    Attributes
    ----------
    library, variant : str
    task : str
    standard_errors : bool
        Whether the call ends with standard errors.
    module : str
        What a user imports.
    tolerances : tuple of float or None
        Tried in turn, None being the library's own, until the optimum is the same as fastglm's.
    prepare : callable
        ``prepare(data, tolerance) -> Job``.
    accepts : callable
        Whether it can do these data.
    """

    library: str
    variant: str
    task: str
    standard_errors: bool
    module: str
    tolerances: tuple[float | None, ...]
    prepare: Callable[[Data, float | None], Job]
    accepts: Callable[[Data], bool]

    @property
    def name(self) -> str:
        """Library and variant."""
        return f"{self.library} {self.variant}".rstrip()


ADAPTERS: dict[tuple[str, str], Adapter] = {}

#: Looser first: a library is timed at the loosest tolerance that reaches the common optimum.
_TIGHTENING = (None, *(10.0**-k for k in range(5, 13)))


def _is_dense(data: Data) -> bool:
    return data.X is not None


def _is_frame(data: Data) -> bool:
    return data.frame is not None


def register(
    library: str,
    variant: str = "",
    *,
    accepts: Callable[[Data], bool],
    task: str = "fit",
    standard_errors: bool = True,
    module: str | None = None,
    tolerances: tuple[float | None, ...] = _TIGHTENING,
) -> Callable[[Callable[..., Job]], Callable[..., Job]]:
    """Decorator: this function prepares `task` for `library`."""

    def add(prepare: Callable[..., Job]) -> Callable[..., Job]:
        adapter = Adapter(
            library,
            variant,
            task,
            standard_errors,
            module or library,
            tolerances,
            prepare,
            accepts,
        )
        ADAPTERS[task, adapter.name] = adapter
        return prepare

    return add


def _tolerance(name: str, value: float | None) -> dict[str, Any]:
    return {} if value is None else {name: value}


# -- fastglm

_C_ORDER, _F_ORDER = "C order", "F order"


def _ordered(data: Data, order: str) -> np.ndarray:
    return np.asfortranarray(data.dense) if order == _F_ORDER else data.dense


def _with_fitted_values(data: Data) -> Callable[[Any], Outcome]:
    return lambda result: Outcome(data.deviance(result.fittedvalues), np.asarray(result.bse))


def _register_fastglm(order: str) -> None:
    @register("fastglm", order, accepts=_is_dense)
    def dense(data: Data, tolerance: float | None) -> Job:
        import fastglm as fg

        X = _ordered(data, order)
        link = "logit" if data.family == "binomial" else "log"

        def run() -> Any:
            model = fg.GLM(data.response, X, family=data.family, link=link)
            result = model.fit(**_tolerance("tol", tolerance))
            _ = result.bse
            return result

        return Job(run, _with_fitted_values(data))


for _order in (_C_ORDER, _F_ORDER):
    _register_fastglm(_order)


@register("fastglm", "formula", accepts=_is_frame)
def _fastglm_formula(data: Data, tolerance: float | None) -> Job:
    import fastglm as fg

    def run() -> Any:
        options = {"family": data.family, "exposure": data.exposure}
        result = fg.glm(data.formula, data.frame, **options, **_tolerance("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


# -- statsmodels


def _statsmodels_family(family: str) -> Any:
    import statsmodels.api as sm

    families = sm.families
    if family == "gamma":
        return families.Gamma(families.links.Log())
    return {"binomial": families.Binomial, "poisson": families.Poisson}[family]()


@register("statsmodels", accepts=_is_dense, module="statsmodels.api")
def _statsmodels(data: Data, tolerance: float | None) -> Job:
    import statsmodels.api as sm

    def run() -> Any:
        model = sm.GLM(data.response, data.dense, family=_statsmodels_family(data.family))
        result = model.fit(**_tolerance("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


@register("statsmodels", "formula", accepts=_is_frame, module="statsmodels.formula.api")
def _statsmodels_formula(data: Data, tolerance: float | None) -> Job:
    import statsmodels.formula.api as smf

    def run() -> Any:
        family = _statsmodels_family(data.family)
        exposure = data.table[data.exposure]
        model = smf.glm(data.formula, data.frame, family=family, exposure=exposure)
        result = model.fit(**_tolerance("tol", tolerance))
        _ = result.bse
        return result

    return Job(run, _with_fitted_values(data))


# -- glum


def _glum(data: Data, tolerance: float | None, solver: str, **options: Any) -> Any:
    from glum import GeneralizedLinearRegressor

    return GeneralizedLinearRegressor(
        alpha=0,
        family=data.family,
        link="logit" if data.family == "binomial" else "log",
        solver=solver,
        max_iter=1000,
        **options,
        **_tolerance("gradient_tol", tolerance),
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

    @register("glum", variant, accepts=_is_dense, standard_errors=errors)
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

    @register("glum", variant, accepts=_is_frame, standard_errors=errors)
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

    options |= {"solver": solver, "max_iter": 10_000} | _tolerance("tol", tolerance)
    if family == "binomial":
        return linear_model.LogisticRegression(C=np.inf, **options)
    return getattr(linear_model, f"{family.capitalize()}Regressor")(alpha=0, **options)


def _register_scikit_learn(order: str, solver: str) -> None:
    @register(
        "scikit-learn",
        f"{solver}, {order}",
        accepts=_is_dense,
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
        accepts=_is_frame,
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

if shutil.which("Rscript"):

    @register("R", "glm.fit", accepts=_is_dense, module="subprocess", tolerances=(None, 1e-14))
    def _r(data: Data, tolerance: float | None) -> Job:
        fit = rscript.GlmFit(data, 1e-8 if tolerance is None else tolerance)
        return Job(
            fit.run,
            lambda done: Outcome(fit.deviance(done), done.standard_errors),
            lambda done: done.seconds,
        )
