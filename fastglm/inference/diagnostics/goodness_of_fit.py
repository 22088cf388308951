"""How well a model fits: pseudo R squared, calibration, dispersion, and tests of more columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy

from fastglm.arguments import checked_choice
from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.frames.frames import is_frame
from fastglm.design.frames.missing import require_finite_design
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.select import join_designs
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.refits import NestedRefit, score_statistic
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = [
    "HosmerLemeshow",
    "comparison_with_null",
    "dispersion_test",
    "goodness_of_fit",
    "hosmer_lemeshow",
    "pseudo_rsquared",
    "score_test",
]

#: Decimals to which fitted probabilities are equal.
SAME_PROBABILITY = 10

_KINDS = ("cs", "nagelkerke", "mcf", "deviance")


class HosmerLemeshow(NamedTuple):
    """A test of calibration and the groups that it compares.

    Attributes
    ----------
    test : HypothesisTest
        Chi-squared on the groups less two degrees of freedom.
    groups : Table
        Trials, observed and expected successes by group.
    """

    test: HypothesisTest
    groups: Table

    def __repr__(self) -> str:
        return f"{self.test}\n\n{self.groups}"

    def _repr_html_(self) -> str:
        return self.test._repr_html_() + self.groups._repr_html_()


def pseudo_rsquared(fit: Any, kind: str) -> float:
    """A share of explained variation; see `Results.pseudo_rsquared`."""
    checked_choice("kind", kind, _KINDS)
    if kind == "deviance":
        return 1.0 - fit.deviance / fit.null_deviance
    if not fit.has_likelihood:
        raise ModelError(f'{fit.family.name} has no likelihood: only kind="deviance" is defined.')
    if kind == "mcf":
        return 1.0 - fit.llf / fit.llnull
    cox_snell = -np.expm1(2.0 * (fit.llnull - fit.llf) / fit.nobs)
    if kind == "cs":
        return float(cox_snell)
    largest = -np.expm1(2.0 * fit.llnull / fit.nobs)
    if not largest > 0.0:
        raise ModelError("Nagelkerke's R squared needs discrete responses: llnull is positive.")
    return float(cox_snell / largest)


def comparison_with_null(fit: Any) -> HypothesisTest:
    """Likelihood-ratio test against the model of the intercept; F if dispersion is estimated."""
    change = (fit.null_deviance - fit.deviance) / fit.scale
    known = fit.dispersion_known
    if not fit.df_model > 0:
        raise ModelError("the model has nothing but an intercept: there is nothing to compare.")
    return HypothesisTest.of(
        "Comparison with the null model",
        max(change, 0.0),
        fit.df_model,
        None if known else fit.df_resid,
    )


def goodness_of_fit(fit: Fit) -> Table:
    """Pearson's statistic and the deviance against chi-squared with the residual degrees."""
    statistic = np.array([fit.pearson_chi2, fit.deviance])
    df = np.full(2, fit.df_resid)
    # With nothing left over there is no test.
    pvalue = np.where(df > 0.0, scipy.special.chdtrc(df, statistic), np.nan)
    columns = {"statistic": statistic, "df": df, "Pr(>Chi)": pvalue}
    return Table("Goodness of fit", ("Pearson", "deviance"), columns)


def hosmer_lemeshow(fit: Fit, groups: int) -> HosmerLemeshow:
    """Observed and expected successes by groups of fitted probability."""
    if not fit.family.takes_two_columns:
        raise ModelError(f"the Hosmer-Lemeshow test is of binomial models, not {fit.family.name}.")
    if not isinstance(groups, int | np.integer) or groups < 3:
        raise ModelError(f"groups must be a whole number from 3 on, not {groups!r}")
    rows = fit._rows_beside_columns("a calibration test")
    # Rounding must not separate what is equal in the model.
    mean = np.round(fit.row_values(row_buffers.MEAN)[0], SAME_PROBABILITY)
    weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    cuts = np.unique(_weighted_quantiles(mean, weights, groups))
    codes = np.searchsorted(cuts, mean, side="left")
    n = cuts.size + 1
    trials = np.bincount(codes, weights, n)
    observed = np.bincount(codes, weights * rows.response, n)
    expected = np.bincount(codes, weights * mean, n)
    used = trials > 0.0
    trials, observed, expected = trials[used], observed[used], expected[used]
    if trials.size < 3:
        raise ModelError("fewer than three groups of rows have different fitted probabilities.")
    variance = expected * (1.0 - expected / trials)
    statistic = float(((observed - expected) ** 2 / variance).sum())
    test = HypothesisTest.of("Hosmer-Lemeshow test", statistic, trials.size - 2.0)
    table = Table(
        "Calibration by fitted probability",
        tuple(str(k) for k in range(1, trials.size + 1)),
        {"trials": trials, "observed": observed, "expected": expected},
    )
    return HosmerLemeshow(test, table)


def _weighted_quantiles(values: np.ndarray, weights: np.ndarray, groups: int) -> np.ndarray:
    """Values below which equal shares of the weight lie."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    targets = share[-1] * np.arange(1, groups) / groups
    return values[order][np.searchsorted(share, targets * (1.0 - 1e-12))]


def dispersion_test(fit: Fit, alternative: str, power: float) -> HypothesisTest:
    """Cameron & Trivedi's regression test; see `Results.dispersion_test`."""
    tails = {"greater": 1.0, "less": -1.0, "two-sided": 0.0}
    checked_choice("alternative", alternative, tails)
    if not fit.family.variance_is_mean:
        raise ModelError(f"the dispersion test is of Poisson models, not {fit.family.name}.")
    rows = fit._rows_beside_columns("a dispersion test")
    (mean,) = fit.row_values(row_buffers.MEAN)
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    weights = rows.variance_weights
    if weights is None:
        weights = np.ones(rows.n_rows)
    often = often * (weights > 0.0)
    excess = (weights * (rows.response - mean) ** 2 - rows.response) / mean
    regressor = mean ** (power - 1.0)
    squares = often @ regressor**2
    slope = often @ (regressor * excess) / squares
    residual = often @ (excess - slope * regressor) ** 2
    z = slope / np.sqrt(residual / (fit.nobs - 1.0) / squares)
    sign = tails[alternative]
    pvalue = scipy.special.ndtr(-sign * z) if sign else 2.0 * scipy.special.ndtr(-abs(z))
    return HypothesisTest(
        "Dispersion test", float(z), float(pvalue), float("nan"), float("nan"),
        (f"variance = mean + alpha mean^{power:g}, alpha = 0 (estimate {slope:.6g})",),
    )  # fmt: skip


def score_test(fit: Fit, exog_extra: Any) -> HypothesisTest:
    """Rao's test of adding columns; see `Results.score_test`."""
    rows = fit._model_with_data("a score test").rows
    if is_frame(exog_extra):
        extra = FittedFormula.from_columns(exog_extra, missing="raise")[1].design
    else:
        extra = design_from_array(np.asarray(exog_extra))
        if extra.n_columns == 1 and getattr(exog_extra, "name", None) is not None:
            extra = replace(extra, names=(str(exog_extra.name),))
    if extra.n_rows != rows.n_rows:
        raise DataError(f"exog_extra has {extra.n_rows} rows, but the fit has {rows.n_rows}.")
    require_finite_design(extra)
    design = join_designs(replace(rows.design, terms=()), replace(extra, terms=()))
    zeros = np.zeros(extra.n_columns)
    params = np.concatenate([fit.estimates, zeros])
    kept = np.flatnonzero(~np.isnan(params))
    base = NestedRefit(kept, params, fit.deviance, fit.rank, fit.status)
    statistic, rank = score_statistic(fit, base, rows.with_design(design), kept)
    if rank <= fit.rank:
        raise ModelError("exog_extra is in the model already: there is nothing to test.")
    return HypothesisTest.of(
        "Score test", statistic / fit.scale, rank - fit.rank, None, extra.names
    )
