"""What users of statsmodels, R, scikit-learn and glum look for, and what stands for it here.

In the texts ``res`` is a result, ``model`` a model, and ``fg`` this package.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from fastglm.errors import UnknownNameError

__all__ = ["Pointing", "describe_name", "describe_option"]

#: How like a name another must be to be suggested.
ALIKE = 0.6

_WEIGHTS = "R's weights are var_weights=, and numbers of identical rows freq_weights="
_NO_PENALTY = 'estimates are not penalised but by bias_reduction="firth" or "median"'
_COVARIANCE = 'res.with_covariance("HC3"), or fit(cov_type="HC3")'

#: Options of any function, or of one alone as "function.option".
OPTIONS: dict[str, str] = {
    "weights": _WEIGHTS,
    "sample_weight": "give var_weights=, or freq_weights= for numbers of identical rows",
    "prior_weights": "give var_weights=",
    "n_trials": "give proportions with var_weights= the numbers of trials, or two columns",
    "trials": "give proportions with var_weights= the numbers of trials, or two columns",
    "subset": "select the rows of the data first",
    "alpha": _NO_PENALTY,
    "l1_ratio": _NO_PENALTY,
    "L1_wt": _NO_PENALTY,
    "penalty": _NO_PENALTY,
    "maxit": "R's maxit is max_iter=",
    "epsilon": "R's epsilon is tol=",
    "control": "give max_iter= and tol= themselves",
    "gradient_tol": "glum's gradient_tol is tol=",
    "n_iter": "give max_iter=",
    "solver": "there is one way to the optimum; tol= and max_iter= say how far",
    "n_jobs": "give n_threads=",
    "verbose": "give a function as progress=",
    "callback": "a function given as progress= is called after each step",
    "start": "give start_params=",
    "mustart": "give start_params=",
    "etastart": "give start_params=",
    "na_action": 'give missing="drop" or "raise"',
    "hasconst": "a constant is found by itself",
    "hasintercept": "a constant is found by itself",
    "fit_intercept": "a formula has an intercept, and fg.add_constant(X) adds one to an array",
    "contrasts": "write C(x, contr.sum) in the formula",
    "drop_first": "categories are coded against their first level",
    "random_state": "give seed=",
    "y": "the response is the first argument, endog, or stands left of ~ in the formula",
    "X": "columns are the argument exog, or stand right of ~ in the formula",
    "newdata": "new rows are the first argument, exog",
    "new_data": "new rows are the first argument, exog",
    "params": "another fit has other coefficients: give them to fit(start_params=)",
    "transform": "new rows as a frame always go through the formula",
    "predict.type": 'give which="mean" or which="linear"; terms are res.predict_terms()',
    "predict.linear": 'give which="linear"',
    "predict.se_fit": "standard errors are in res.get_prediction()",
    "predict.se": "standard errors are in res.get_prediction()",
    "predict.interval": "intervals are in res.get_prediction()",
    "predict.alpha": "intervals are in res.get_prediction()",
    "predict.level": "intervals are in res.get_prediction()",
    "get_prediction.alpha": "give it to res.get_prediction().summary_frame(alpha=)",
    "get_prediction.which": "both the mean and the linear predictor are in what it gives",
    "conf_int.level": "give alpha = 1 - level",
    "conf_int.cols": "take the rows of the table that is given",
    "confint.alpha": "give level = 1 - alpha",
    "confint.parm": "take the rows of the table that is given",
    "summary.level": "give alpha = 1 - level",
    "summary.dispersion": "give fit(scale=)",
    "cov_params.cov_type": f"call {_COVARIANCE}",
    "robust": f"call {_COVARIANCE}",
    "vcov": f"call {_COVARIANCE}",
    "cluster": 'call res.with_covariance("cluster", groups=...)',
    "n_boot": "give n_replicates=",
    "R": "give n_replicates=",
}

#: Attributes of results.
RESULTS: dict[str, str] = {
    # statsmodels
    "fit_regularized": _NO_PENALTY,
    "get_robustcov_results": _COVARIANCE,
    "HC0_se": 'res.with_covariance("HC0").bse',
    "HC1_se": 'res.with_covariance("HC1").bse',
    "HC2_se": 'res.with_covariance("HC2").bse',
    "HC3_se": 'res.with_covariance("HC3").bse',
    "cov_HC0": 'res.with_covariance("HC0").cov_params()',
    "cov_HC3": 'res.with_covariance("HC3").cov_params()',
    "llr": "res.test_against_null()",
    "fvalue": "res.test_against_null()",
    "f_pvalue": "res.test_against_null()",
    "rsquared": 'res.pseudo_rsquared("deviance")',
    "rsquared_adj": 'res.pseudo_rsquared("deviance")',
    "prsquared": 'res.pseudo_rsquared("mcf")',
    "mse_resid": "res.scale",
    "ssr": "res.deviance",
    "resid": "res.resid_response, res.resid_pearson or res.resid_deviance",
    "resid_dev": "res.resid_deviance",
    "wresid": "res.resid_pearson",
    "condition_number": "res.collinearity()",
    "outlier_test": "res.get_influence().outlier_test()",
    "compare_lr_test": "fg.anova(small, large)",
    "compare_f_test": 'fg.anova(small, large, test="F")',
    "t_test_pairwise": "res.emmeans().contrasts()",
    "plot_partial_residuals": "fg.plots.partial_residuals(res, variable)",
    "plot_added_variable": "fg.plots.partial_residuals(res, variable)",
    "plot_ceres_residuals": "fg.plots.partial_residuals(res, variable)",
    "fit_history": "res.n_iter and res.status; fit(progress=) sees each sweep",
    "get_distribution": "fg.expfam, which has distributions",
    # R
    "coef": "res.params",
    "coefficients": "res.params",
    "vcov": "res.cov_params()",
    "AIC": "res.aic",
    "BIC": "res.bic",
    "logLik": "res.llf",
    "loglik": "res.llf",
    "loglike": "res.llf",
    "eta": "res.linear_predictor",
    "zvalues": "res.tvalues",
    "simulate": 'res.bootstrap(kind="parametric")',
    "emtrends": "res.avg_slopes()",
    "deviance_explained": 'res.pseudo_rsquared("deviance")',
    "residuals": "res.resid_deviance, res.resid_pearson, res.resid_response or res.resid_working",
    "fitted": "res.fittedvalues",
    "fitted_values": "res.fittedvalues",
    "linear_predictors": "res.linear_predictor",
    "df_residual": "res.df_resid",
    "sigma": "res.scale, its square",
    "dispersion": "res.scale",
    "cooks_distance": "res.get_influence().cooks_distance",
    "hatvalues": "res.get_influence().hat_matrix_diag",
    "leverage": "res.get_influence().hat_matrix_diag",
    "dfbeta": "res.get_influence().dfbetas",
    "dfbetas": "res.get_influence().dfbetas",
    "dffits": "res.get_influence().dffits",
    "influence": "res.get_influence()",
    "update": "fg.glm with the new formula, or res.add1(), res.drop1() and res.step()",
    "lrtest": "fg.anova(small, large)",
    "waldtest": "res.wald_test()",
    "linearHypothesis": "res.wald_test()",
    "Anova": "res.anova(type=2)",
    "profile": 'res.conf_int(method="profile")',
    "marginaleffects": "res.avg_slopes(), res.avg_comparisons() or res.avg_predictions()",
    "margins": "res.get_margeff()",
    "step_aic": "res.step()",
    # scikit-learn and glum
    "coef_": "res.params",
    "intercept_": "res.params, whose name is Intercept or const",
    "n_iter_": "res.n_iter",
    "feature_names_in_": "res.names",
    "score": 'res.pseudo_rsquared("deviance")',
    "predict_proba": "res.predict()",
    "coef_table": "res.tidy()",
    "odds_ratios": "res.tidy(exponentiate=True) or res.summary(exponentiate=True)",
    "relativities": "res.tidy(exponentiate=True) or res.summary(exponentiate=True)",
    "std_errors": "res.bse",
    "covariance_matrix": "res.cov_params()",
    "se": "res.bse",
    "std_err": "res.bse",
}

#: Attributes of models.
MODELS: dict[str, str] = {
    "fit_regularized": _NO_PENALTY,
    "fit_constrained": "leave the columns out, or give them as an offset",
    "summary": "fit() first, and ask its result",
    "params": "fit() first, and ask its result",
    "coef_": "fit() first, and res.params",
    "data": "model.endog and model.exog",
    "score_test": "fit() first, and res.score_test()",
    "estimate_scale": "fit(scale=) and res.scale",
    "get_distribution": "fg.expfam, which has distributions",
    "keeping": "model.subset(rows)",
    "weights": _WEIGHTS,
}

_GLM = "fg.GLM(y, X, family={0!r}), or fg.glm(formula, data, family={0!r})"
_BINOMIAL, _COUNTS = _GLM.format("binomial"), _GLM.format("poisson")

#: Attributes of the package.
PACKAGE: dict[str, str] = {
    "Logit": _BINOMIAL,
    "logit": _BINOMIAL,
    "LogisticRegression": _BINOMIAL,
    "Probit": 'fg.GLM(y, X, family="binomial", link="probit")',
    "probit": 'fg.glm(formula, data, family="binomial", link="probit")',
    "Poisson": f"{_COUNTS}; the family is fg.families.Poisson",
    "poisson": _COUNTS,
    "PoissonRegressor": _COUNTS,
    "OLS": "fg.GLM(y, X)",
    "ols": "fg.glm(formula, data)",
    "lm": "fg.glm(formula, data)",
    "LinearRegression": "fg.GLM(y, X)",
    "WLS": "fg.GLM(y, X, var_weights=...)",
    "wls": "fg.glm(formula, data, var_weights=...)",
    "NegativeBinomial": f"{_GLM.format('negative_binomial')}; or fg.NegativeBinomialP",
    "negativebinomial": _GLM.format("negative_binomial"),
    "glm_nb": _GLM.format("negative_binomial"),
    "GammaRegressor": 'fg.GLM(y, X, family="gamma", link="log")',
    "TweedieRegressor": _GLM.format("tweedie"),
    "GeneralizedLinearRegressor": "fg.GLM(y, X, family=...)",
    "GeneralizedPoisson": "fg.NegativeBinomialP for counts of more variance than Poisson's",
    "ZeroInflatedPoisson": "fg.ZeroInflated",
    "ZeroInflatedNegativeBinomialP": 'fg.ZeroInflated(family="negative_binomial")',
    "zeroinfl": "fg.ZeroInflated",
    "HurdleCountModel": "fg.Hurdle",
    "hurdle": "fg.Hurdle",
    "mnlogit": "fg.MNLogit.from_formula",
    "multinom": "fg.MNLogit.from_formula",
    "lmer": "fg.mixed(formula, data)",
    "glmer": "fg.mixed(formula, data, family=...)",
    "GAM": "fg.glm, with bs() or cr() in the formula",
    "GLMGam": "fg.glm, with bs() or cr() in the formula",
    "polr": "fg.OrderedModel.from_formula",
    "clm": "fg.OrderedModel.from_formula",
    "betareg": "fg.BetaModel.from_formula",
    "GEE": 'fg.GLM, and fit(cov_type="cluster", cov_kwds={"groups": ...}) for robust errors',
    "summary_col": "fg.compare_table([first, second], stars=True)",
    "modelsummary": "fg.compare_table([first, second])",
    "stargazer": "fg.compare_table([first, second], stars=True).as_latex()",
    "esttab": "fg.compare_table([first, second], stars=True)",
    "tidy": "res.tidy()",
    "glance": "res.glance()",
    "augment": "res.augment()",
    "anova_lm": "fg.anova, or res.anova()",
    "qqplot": "fg.plots.quantile_quantile",
    "from_formula": "fg.GLM.from_formula, or fg.glm",
    "read": "fg.load",
    "Binomial": "fg.families.Binomial",
    "Gaussian": "fg.families.Gaussian",
    "Gamma": "fg.families.Gamma",
    "InverseGaussian": "fg.families.InverseGaussian",
    "Tweedie": "fg.families.Tweedie",
}


def describe_option(called: str, name: str, known: Iterable[str], owner: type | None = None) -> str:
    """What to write instead of an option that a function does not have.

    Parameters
    ----------
    called : str
        Name of the function, or of the class whose constructor was called.
    name : str
        The option.
    known : iterable of str
        Options that the function has.
    owner : type, optional
        Class of the function.
    """
    known = list(known)
    text = OPTIONS.get(f"{called}.{name}", OPTIONS.get(name))
    if text and "var_weights=" in text and not _takes_variance_weights(known, owner):
        text = "numbers of identical rows are freq_weights=" if _is_model(owner) else None
    if text is None:
        elsewhere, near = _of_another_step(called, name, owner), _alike(name, known)
        is_there = elsewhere is not None and elsewhere.startswith("give it")
        text = f"did you mean {near}=?" if near and not is_there else elsewhere
    if text is None:
        text = f"its options are {', '.join(known)}"
    return _sentence(f"{called}() has no option {name!r}: {text}")


def _is_model(owner: type | None) -> bool:
    return hasattr(owner, "from_formula")


def _takes_variance_weights(known: list[str], owner: type | None) -> bool:
    """Whether the function has the option, or the model of which it is a method."""
    options = list(known)
    if _is_model(owner):
        for method in ("__init__", "from_formula"):
            options += inspect.signature(getattr(owner, method)).parameters
    return "var_weights" in options or owner is None


def _of_another_step(called: str, name: str, owner: type | None) -> str | None:
    """Where a model has the option, or one like it, if it is asked of the fit, or the other way."""
    if owner is None or not _is_model(owner):
        return None
    fit, constructor = owner.fit, owner.__init__  # type: ignore[attr-defined, misc]
    if called == "fit":
        found = _named(name, inspect.signature(constructor).parameters)
        return found and f"give {found} to {owner.__name__}() or {owner.__name__}.from_formula()"
    if called in (owner.__name__, "from_formula"):
        found = _named(name, inspect.signature(fit).parameters)
        return found and f"give {found} to fit()"
    return None


def _named(name: str, known: Iterable[str]) -> str | None:
    """What to call an option of this name, or of one like it."""
    known = [option for option in known if option not in ("self", "endog", "exog")]
    if name in known:
        return "it"
    near = _alike(name, known)
    return f"{near}=" if near else None


def describe_name(
    of: str, name: str, table: Mapping[str, str], known: Iterable[str], has: Any = None
) -> str:
    """What to ask for instead of a name that there is not.

    Parameters
    ----------
    of : str
        What was asked.
    name : str
    table : mapping
        Other names.
    known : iterable of str
        Names that there are.
    has : type, optional
        A pointer to something that it lacks is not given.
    """
    text = table.get(name)
    if text is not None and has is not None and not _holds(text, has):
        text = None
    if text is None:
        near = _alike(name, known)
        text = f"did you mean {near!r}?" if near else None
    elif text.startswith(("res.", "fg.", "model.")):
        text = f"use {text}"
    return _sentence(f"{of} has no {name!r}" + (f": {text}" if text else ""))


def _holds(text: str, cls: type) -> bool:
    """Whether a class has the first method or attribute of ``res`` that a text names."""
    _, found, rest = text.partition("res.")
    word = rest.replace("(", " ").replace(",", " ").replace(".", " ").split()
    fields = getattr(cls, "__dataclass_fields__", {})
    return not found or hasattr(cls, word[0]) or word[0] in fields


def _alike(name: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant, whatever its case."""
    by_lower = {other.lower(): other for other in known if not other.startswith("_")}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=ALIKE)
    return by_lower[near[0]] if near else None


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


class Pointing:
    """Base of models and results: a name of another library's leads to the one here."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Called for what Python does not find."""
            if name.startswith("_"):
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            if hasattr(type(self), name):
                # A property failed with an AttributeError of its own: let it say so.
                return object.__getattribute__(self, name)
            cls = type(self)
            is_model = hasattr(cls, "from_formula")
            table, has = (MODELS, None) if is_model else (RESULTS, cls)
            text = describe_name(cls.__name__, name, table, dir(self), has)
            raise UnknownNameError(text, name=name, obj=self)
