"""Findings about a fit in plain words, with what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fastglm.errors import MemoryLimitError, ModelError
from fastglm.inference.summary import Summary

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.inference.hypothesis_tests.tables import HypothesisTest
    from fastglm.report.checks import Checks

__all__ = ["Finding", "findings", "gain_of", "is_small"]

#: Tests below this level are worth a word.
LEVEL = 0.01
#: Pearson's statistic over its degrees of freedom beyond which counts vary more than they should.
OVERDISPERSED = 1.3
#: Of GVIF**(1/df), the inflation of a variance.
INFLATED = 10.0
INFLUENTIAL = 1.0
#: Share of the null deviance below which an effect is small, however sure it is: with very many
#: rows every test finds something.
SMALL = 0.001
#: Most names in one sentence.
MOST_NAMES = 5


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    serious : bool
        Whether numbers of the report cannot be trusted before it is dealt with.
    title, text : str
        What it is, and what it means and what to do.
    """

    serious: bool
    title: str
    text: str


def gain_of(fit: Fit, test: HypothesisTest) -> float:
    """Share of the null deviance that what is tested explains, or would explain."""
    statistic = test.statistic * (test.df if test.distribution == "F" else 1.0)
    null = fit.null_deviance
    return float(statistic * fit.scale / null) if null > 0.0 else float("nan")


def is_small(gain: float) -> bool:
    """Whether so small a share of the null deviance is worth no word."""
    return gain < SMALL


def findings(fit: Fit, checks: Checks) -> list[Finding]:
    """Everything found; empty where nothing speaks against the model."""
    found: list[Finding] = []
    for check in _CHECKS:
        # Not every question has a meaning for every model, such as zeros of a gamma response, and
        # the table of checks tells which ones there is no memory for.
        with suppress(ModelError, MemoryLimitError):
            found += check(fit, checks)
    return sorted(found, key=lambda finding: not finding.serious)


def _fit(fit: Fit, checks: Checks) -> Iterator[Finding]:
    if not fit.converged:
        advice = fit.status.advice
        yield Finding(True, "The fit did not converge", advice[0].upper() + advice[1:])
    for note in Summary(fit).notes():
        if "separated" in note:
            yield Finding(True, "Separation", note)
    if fit.aliased:
        yield Finding(
            False,
            "Columns left out",
            f"{_some(tuple(fit.aliased))}: combinations of earlier columns, which the data "
            "cannot tell apart from them. Their coefficients are not estimated; predictions are "
            "not affected.",
        )
    if fit.n_dropped:
        share = fit.n_dropped / (fit.n_dropped + fit.nobs)
        yield Finding(
            False,
            "Rows left out",
            f"{fit.n_dropped} rows ({share:.1%}) have missing values in "
            f"{_some(tuple(fit.missing))}. If values are missing for a reason that has to do "
            "with the response, estimates are biased.",
        )


def _dispersion(fit: Fit, checks: Checks) -> Iterator[Finding]:
    if not fit.dispersion_known or fit.df_resid <= 0:
        return
    trials = fit.model is not None and fit.model.rows.summary.binary
    ratio = fit.pearson_chi2 / fit.df_resid / fit.scale
    if ratio > OVERDISPERSED and not trials:
        yield Finding(
            True,
            "Overdispersion",
            f"Responses vary {ratio:.2f} times as much as the family says, so standard errors are "
            f"too small by a factor of about {np.sqrt(ratio):.2f}. Use a negative binomial or "
            'quasi family, or cov_type="HC1".',
        )


def _zeros(fit: Fit, checks: Checks) -> Iterator[Finding]:
    test = checks.zero_inflation
    if test.pvalue < LEVEL:
        yield Finding(
            False,
            "More zeros than expected",
            f"The score test of zero inflation gives {test.statistic:.1f} (p = {test.pvalue:.2g}). "
            "A negative binomial family or a model of the zeros may fit better.",
        )


def _link(fit: Fit, checks: Checks) -> Iterator[Finding]:
    test = checks.link
    if test.pvalue < LEVEL and not is_small(gain_of(fit, test)):
        yield Finding(
            False,
            "Link or shape of a term",
            f"The square of the linear predictor improves the fit (p = {test.pvalue:.2g}): "
            "another link, an interaction or a bent term is missing. fastglm.compare() tries "
            "links; the tests of straight lines below say which terms bend.",
        )


def _lines(fit: Fit, checks: Checks) -> Iterator[Finding]:
    n = len(checks.lines.names)
    bent = [
        name
        for name, test in checks.line_tests()
        if test.pvalue * n < LEVEL and not is_small(gain_of(fit, test))
    ]
    if bent:
        yield Finding(
            False,
            "Terms that bend",
            f"A spline fits better than what the model has for {_some(tuple(bent))}. Replace "
            f"{bent[0]} by bs({bent[0]}, df=5), or by another function of it.",
        )


def _collinearity(fit: Fit, checks: Checks) -> Iterator[Finding]:
    table = checks.inflation
    inflation = table["GVIF"] ** (1.0 / table["df"])
    high = [name for name, value in zip(table.names, inflation, strict=True) if value > INFLATED]
    if high:
        yield Finding(
            False,
            "Collinearity",
            f"Other terms tell most of what {_some(tuple(high))} tell: the variances of their "
            f"coefficients are up to {inflation.max():.0f} times what they would be alone. "
            "Predictions are not affected; single coefficients mean little.",
        )


def _influence(fit: Fit, checks: Checks) -> Iterator[Finding]:
    distance = np.nan_to_num(np.asarray(checks.influence.cooks_distance[0]))
    count = int((distance > INFLUENTIAL).sum())
    if count:
        yield Finding(
            True,
            "Influential observations",
            f"{count} observations have a Cook's distance above {INFLUENTIAL:g}, at most "
            f"{distance.max():.2g}: without one of them the estimates would be others. See the "
            "leverage plot, and look at these rows.",
        )
    table = checks.outliers
    outlying = [n for n, p in zip(table.names, table["bonferroni"], strict=True) if p < LEVEL]
    if outlying and not (fit.model is not None and fit.model.rows.summary.binary):
        yield Finding(
            False,
            "Outliers",
            f"{_rows(outlying)} further from the fitted mean than chance explains, even as the "
            "largest of all rows. Check the values.",
        )


_CHECKS: tuple[Callable[[Fit, Checks], Iterator[Finding]], ...] = (
    _fit, _dispersion, _influence, _zeros, _link, _lines, _collinearity,
)  # fmt: skip


def _rows(names: list[str]) -> str:
    return f"Row {names[0]} is" if len(names) == 1 else f"Rows {_some(tuple(names))} are"


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"
