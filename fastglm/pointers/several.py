"""What stands for the names of a GLM's result in those of models of several predictors."""

__all__ = ["SEVERAL"]

_LINKS = "res.aic of fits with other links"
_RESIDUALS = "res.resid_quantile() or res.resid_pearson"
_OUTCOMES = "res.evaluate(), which measures outcome by outcome, or fg.plots.calibration(res)"
_EFFECT = "fg.plots.effect(res, variable)"

#: Attributes of results of models of several predictors, beside those of all results: what a GLM's
#: have that says nothing of these models, or has another name.
SEVERAL: dict[str, str] = {
    **dict.fromkeys(("auc", "gini", "lift", "lorenz", "roc"), _OUTCOMES),
    **dict.fromkeys(("endog", "exog"), "res.augment(), the rows beside what the fit says of them"),
    "confusion_matrix": "res.pred_table()",
    "hat": 'res.with_covariance("HC3"), as the leverage of a row is a matrix here',
    "cooks": 'res.with_covariance("HC3"), as the leverage of a row is a matrix here',
    "alpha": "res.tidy(), where it is a row if the model has one",
    "bias_reduction": "there is none of several predictors",
    "bic_deviance": "res.bic",
    "collinearity": "res.bse and res.aliased, which lists columns that are combinations of others",
    "constraints": "there are none of several predictors; res.wald_test() tests them",
    "dispersion_test": "res.resid_quantile(), which fg.plots.quantile_quantile(res) draws",
    "family": "res.title and res.settings",
    "fit": "res.model.fit()",
    "get_influence": 'res.with_covariance("HC3"), as the leverage of a row is a matrix here',
    "get_prediction": "res.avg_predictions() or res.emmeans(), which have standard errors",
    "goodness_of_fit": "res.evaluate(data), or fg.plots.calibration(res)",
    "goodness_of_link": _LINKS,
    "hosmer_lemeshow": "fg.plots.calibration(res)",
    "lack_of_fit": "fg.anova(small, large), the large one with more flexible terms",
    "linear_predictor": 'res.predict(which="linear")',
    "link_test": _LINKS,
    "mu": "res.fittedvalues",
    "null": "res.llnull",
    "pearson_chi2": "res.resid_pearson",
    "penalized_llf": "res.llf, as there is no penalty of several predictors",
    "penalized_tests": "res.drop1(), likelihood ratio tests",
    "plot_added_variable": _EFFECT,
    "plot_ceres_residuals": _EFFECT,
    "plot_partial_residuals": _EFFECT,
    "power_link_profile": _LINKS,
    "predict_terms": 'res.predict(which="linear") of rows that differ in one variable',
    "predict_to": "res.predict(data) of some rows at a time",
    "rating_table": "res.tidy(exponentiate=True)",
    "resid_anscombe": _RESIDUALS,
    "resid_anscombe_scaled": _RESIDUALS,
    "resid_anscombe_unscaled": _RESIDUALS,
    "resid_deviance": _RESIDUALS,
    "resid_partial": _EFFECT,
    "resid_working": _RESIDUALS,
    "response_levels": "res.settings",
    "rstandard": _RESIDUALS,
    "rstudent": _RESIDUALS,
    "score_test": "res.add1(term) or fg.anova(small, large), likelihood ratio tests",
    "sum_weights": "res.nobs",
    "theta": "res.tidy(), where its inverse, alpha, is a row if the model has one",
    "timings": "fit(progress=), which sees each sweep",
    "var_power": "res.settings",
    "vif": "res.bse and res.aliased, which lists columns that are combinations of others",
    "zero_inflation_test": "res.aic of fg.ZeroInflated and fg.NegativeBinomialP",
}
