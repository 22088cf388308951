"""Tests of fixed coefficients with degrees of freedom of their own, and of nested models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from fastglm.arguments import checked_choice
from fastglm.errors import ModelError
from fastglm.inference.hypothesis_tests.hypotheses import LinearTests, estimable_equations
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.freedom import KenwardRoger, Satterthwaite
from fastglm.mixed.record import MixedFit

__all__ = ["METHODS", "compare_mixed", "f_test", "freedom_of", "linear_tests"]

METHODS = ("inf", "residual", "satterthwaite", "kenward-roger")


def freedom_of(fit: MixedFit, method: str) -> Satterthwaite | KenwardRoger | None:
    """What gives degrees of freedom by this method; None for one number for all.

    Raises
    ------
    ModelError
        If the method is not known, or not for this model.
    """
    checked_choice("df", method, METHODS)
    if method in ("inf", "residual"):
        return None
    estimate = fit.estimate
    if estimate is None:
        fit._model_with_data("degrees of freedom")
        raise ModelError("degrees of freedom need the fit itself, not a copy that was pickled.")
    if not isinstance(estimate, LinearEstimate):
        raise ModelError(
            f"{method} degrees of freedom are those of linear mixed models: use df='inf'."
        )
    return Satterthwaite(estimate) if method == "satterthwaite" else KenwardRoger(estimate)


def standardized(fit: MixedFit, contrasts: np.ndarray) -> np.ndarray:
    """Combinations, (k, all columns), as ones of standardised columns, (k, p)."""
    fixed = fit.estimate.fixed
    return np.asarray(contrasts[:, fixed.kept] @ fixed.from_standardized)


def linear_tests(fit: MixedFit, hypothesis: Any, method: str) -> LinearTests:
    """Tests of combinations one by one, each with its degrees of freedom."""
    matrix, values, texts = estimable_equations(fit, hypothesis)
    freedom = freedom_of(fit, method)
    effect = matrix @ np.nan_to_num(fit.estimates)
    sd = np.sqrt(np.einsum("ij,jk,ik->i", matrix, np.nan_to_num(fit.covariance), matrix))
    df = np.full(len(matrix), fit.df_resid if method == "residual" else np.inf)
    if freedom is not None:
        df = np.array([freedom.single(row) for row in standardized(fit, matrix)])
    statistic = (effect - values) / sd
    pvalue = 2.0 * np.where(
        np.isinf(df), scipy.special.ndtr(-abs(statistic)), scipy.special.stdtr(df, -abs(statistic))
    )
    one = float(df[0]) if (df == df[0]).all() else df
    return LinearTests(tuple(texts), effect, sd, values, statistic, pvalue, one)  # type: ignore[arg-type]


def f_test(fit: MixedFit, hypothesis: Any, method: str) -> HypothesisTest:
    """F test of all equations together; Kenward and Roger's statistic is scaled by their factor."""
    freedom = freedom_of(fit, method)
    matrix, values, texts = estimable_equations(fit, hypothesis)
    difference = matrix @ np.nan_to_num(fit.estimates) - values
    form = matrix @ np.nan_to_num(fit.covariance) @ matrix.T
    statistic = float(difference @ np.linalg.solve(form, difference))
    if freedom is None:
        df = fit.df_resid if method == "residual" else None
        return HypothesisTest.of("Wald test", statistic, len(texts), df, texts)
    df, factor = freedom.several(standardized(fit, matrix))
    return HypothesisTest.of(f"Wald test, {method}", factor * statistic, len(texts), df, texts)


def compare_mixed(fits: Sequence[MixedFit]) -> Table:
    """Likelihood ratio tests of nested models, each with the one before it; smallest first.

    Where the larger model has one more effect, whose variance may not be negative, its null
    distribution is an equal mixture of chi-squared ones: Self & Liang (1987); Stram & Lee (1994).

    Raises
    ------
    ModelError
        If the models are not of the same rows and response, fits by REML differ in their fixed
        columns, or likelihoods were approximated differently.
    """
    fits = sorted(fits, key=lambda fit: fit.n_parameters)
    if len({fit.nobs for fit in fits}) > 1:
        raise ModelError("the models are not of the same observations.")
    if any(fit.reml for fit in fits) and len({fit.names for fit in fits}) > 1:
        raise ModelError(
            "fits by REML cannot be compared where their fixed columns differ: fit them with "
            "reml=False."
        )
    if len({fit.reml for fit in fits}) > 1:
        raise ModelError("some of the models are fitted by REML and others are not.")
    if len({fit.response_name for fit in fits}) > 1:
        raise ModelError("the models have different responses: their likelihoods do not compare.")
    approximations = {fit.method for fit in fits if not fit.is_linear}
    if len(approximations) > 1:
        ways = " and ".join(sorted(approximations))
        raise ModelError(
            f"the likelihoods were approximated differently, by {ways}: fit all models with the "
            "same nagq= and laplace=."
        )
    columns: dict[str, list[float]] = {
        name: [] for name in ("npar", "AIC", "BIC", "logLik", "Chisq", "Df", "Pr(>Chisq)")
    }
    for number, fit in enumerate(fits):
        row = [fit.n_parameters, fit.aic, fit.bic, fit.llf, np.nan, np.nan, np.nan]
        if number:
            row[4:] = _ratio(fits[number - 1], fit)
        for values, value in zip(columns.values(), row, strict=True):
            values.append(float(value))
    names = tuple(fit.formula or f"model {k + 1}" for k, fit in enumerate(fits))
    arrays = {name: np.array(values) for name, values in columns.items()}
    return Table("Likelihood ratio tests of mixed models", names, arrays)


def _ratio(small: MixedFit, large: MixedFit) -> tuple[float, float, float]:
    """Statistic, degrees of freedom and p-value."""
    statistic = max(small.criterion - large.criterion, 0.0)
    df = large.n_parameters - small.n_parameters
    if df == 0:
        return statistic, 0.0, np.nan
    upper = float(scipy.special.chdtrc(df, statistic))
    new_effects = sum(len(g.columns) for g in large.groups) - sum(
        len(g.columns) for g in small.groups
    )
    if small.names == large.names and new_effects == 1:
        lower = (
            float(scipy.special.chdtrc(df - 1, statistic)) if df > 1 else float(statistic <= 0.0)
        )
        upper = 0.5 * upper + 0.5 * lower
    return statistic, float(df), upper
