"""Tables of a report: the coefficients, the terms, the checks with a verdict each, the tariff."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.effects.rating_table import rating_table
from fastglm.inference.hypothesis_tests.hypotheses import wald_test
from fastglm.inference.number_format import format_number, format_pvalue
from fastglm.inference.rendering import Rows, html_table
from fastglm.inference.rows.term_contributions import model_terms
from fastglm.inference.summary import Summary
from fastglm.report.findings import (
    INFLATED,
    INFLUENTIAL,
    LEVEL,
    OVERDISPERSED,
    gain_of,
    is_small,
)

if TYPE_CHECKING:
    from fastglm.fit.record import Fit
    from fastglm.inference.hypothesis_tests.tables import HypothesisTest
    from fastglm.report.checks import Checks
    from fastglm.report.left_out import LeftOut

__all__ = [
    "checks_html",
    "coefficients_html",
    "relativities_html",
    "summary_of",
    "terms_html",
    "tests_of_terms_html",
    "variances_html",
]

#: Most coefficients, and most rows of a term of the tariff.
MOST_COEFFICIENTS, MOST_LEVELS = 400, 60


def scrolled(rows: Rows) -> str:
    """A table that scrolls sideways where it is wider than the page."""
    return f'<div class="scroll">{html_table(rows)}</div>'


def summary_of(fit: Any) -> Summary:
    """The summary of any fit."""
    own = fit.has_several_predictors or fit.has_random_effects
    return fit.summary() if own else Summary(fit)


def tests_of_terms_html(fit: Any) -> str:
    """Likelihood ratio tests of the terms of a fit of several predictors or random effects."""
    # Without an intercept there is no model without its only column.
    with suppress(ModelError):
        table = fit.term_tests(2) if fit.has_random_effects else fit.anova(type=2)
        return f'<div class="scroll">{table._repr_html_()}</div>'
    return ""


def coefficients_html(fit: Any) -> str:
    """Estimates and tests, and ratios beside them where coefficients are logarithms of such."""
    summary = summary_of(fit)
    head, cells = ["", *summary.columns()], summary.cells()
    if any(fit._ratio_names()):
        ratio = summary_of(fit).exponentiated()
        head += [ratio.columns()[0], "from", "to"]
        cells = [
            [*row, more[0], more[4], more[5]]
            for row, more in zip(cells, ratio.cells(), strict=True)
        ]
    rows = [head, *([name, *row] for name, row in zip(fit.names, cells, strict=True))]
    more_rows = len(rows) - 1 - MOST_COEFFICIENTS
    note = f"<p>{more_rows} more coefficients are not shown.</p>" if more_rows > 0 else ""
    return scrolled(rows[: MOST_COEFFICIENTS + 1]) + note


def variances_html(fit: Any) -> str:
    """Standard deviations and correlations of random effects, with standard errors and limits."""
    rows = [["", "effect", "sd or correlation", "std err", "95% from", "to"]]
    for c in fit.components:
        numbers = (c.sd, c.se, *c.limits())
        shown = ["" if np.isnan(value) else format_number(value) for value in numbers]
        rows.append([c.group, ", ".join(filter(None, (c.term1, c.term2))), *shown])
    shares = [("R² of the fixed part", "marginal"), ("R² with random effects", "conditional")]
    with suppress(ModelError):
        known = fit.r2()
        rows += [[label, "", f"{known[key]:.3f}", "", "", ""] for label, key in shares]
    return scrolled(rows)


def terms_html(fit: Fit) -> str:
    """Wald tests of whole terms, and what each would take from the explained deviance."""
    rows = [["term", "df", "F" if fit.use_t else "chi-squared", "p", "share of the null deviance"]]
    known = ~np.isnan(fit.estimates)
    for name, columns in model_terms(fit):
        kept = np.arange(columns.start, columns.stop)[known[columns]]
        if not kept.size:
            continue
        equations = np.zeros((kept.size, len(fit.names)))
        equations[np.arange(kept.size), kept] = 1.0
        with suppress(ModelError):
            test = wald_test(fit, equations, None)
            rows.append([name, f"{kept.size}", format_number(test.statistic),
                         format_pvalue(test.pvalue), f"{gain_of(fit, test):.2%}"])  # fmt: skip
    return scrolled(rows) if len(rows) > 1 else ""


def relativities_html(fit: Fit) -> str:
    """The tariff, a fold for each term; nothing where coefficients are no logarithms of ratios."""
    try:
        table = rating_table(fit, None, "reference", 11, 0.05)
    except ModelError:
        return ""
    frame = table.summary_frame()
    if frame.empty:
        return ""
    parts = [f"<p>Base: {format_number(table.base)}. Each number is a {escape(table.kind)}.</p>"]
    for name, rows in frame.groupby("term", sort=False):
        cells = [["level", table.kind, "95% from", "to", "weight", "actual", "expected"]]
        for row in rows.head(MOST_LEVELS).itertuples(index=False):
            numbers = (row.relativity, row.lower, row.upper)
            means = (row.actual, row.expected)
            shown = ["1 (base)", "", ""] if row.is_base else [f"{v:.3f}" for v in numbers]
            shown += [f"{row.weight:,.0f}"] + ["" if v != v else f"{v:.4g}" for v in means]
            cells.append([str(row.level), *shown])
        more = len(rows) - MOST_LEVELS
        note = f"<p>{more} more levels are in rating_table().</p>" if more > 0 else ""
        summary = f"<summary>{escape(str(name))}</summary>"
        parts.append(f"<details>{summary}{scrolled(cells)}{note}</details>")
    return "".join(parts)


# -- checks


class _Check(NamedTuple):
    """One line of the table of checks."""

    name: str
    verdict: str
    effect: str
    test: str


def _words(test: HypothesisTest) -> str:
    return str(test).splitlines()[0].partition(": ")[2]


def _verdict(pvalue: float, gain: float, n_tests: int = 1) -> str:
    if not pvalue * n_tests < LEVEL:
        return "nothing against it"
    return "small: seen as there are many rows" if is_small(gain) else "look at it"


def _of_gain(fit: Fit, name: str, test: HypothesisTest) -> _Check:
    gain = gain_of(fit, test)
    effect = f"explains {gain:.2%} more of the null deviance"
    return _Check(name, _verdict(test.pvalue, gain), effect, _words(test))


def _link(fit: Fit, checks: Checks) -> Iterator[_Check]:
    yield _of_gain(fit, "Link: square of the linear predictor", checks.link)


def _tails(fit: Fit, checks: Checks) -> Iterator[_Check]:
    yield _of_gain(fit, "Link: bends of its tails", checks.tails)


def _lines(fit: Fit, checks: Checks) -> Iterator[_Check]:
    for name, test in checks.line_tests():
        gain = gain_of(fit, test)
        effect = f"a spline explains {gain:.2%} more of the null deviance"
        verdict = _verdict(test.pvalue, gain, len(checks.lines.names))
        yield _Check(f"Shape of {name}", verdict, effect, _words(test))


def _spread(fit: Fit, checks: Checks) -> Iterator[_Check]:
    binary = fit.model is not None and fit.model.rows.summary.binary
    if not fit.dispersion_known or binary or fit.df_resid <= 0:
        return
    ratio = fit.pearson_chi2 / fit.df_resid / fit.scale
    verdict = "look at it" if ratio > OVERDISPERSED else "nothing against it"
    yield _Check("Dispersion", verdict, f"responses vary {ratio:.3g} times as they should", "")


def _zeros(fit: Fit, checks: Checks) -> Iterator[_Check]:
    test = checks.zero_inflation
    verdict = "look at it" if test.pvalue < LEVEL else "nothing against it"
    yield _Check("Zeros", verdict, "", _words(test))


def _collinear(fit: Fit, checks: Checks) -> Iterator[_Check]:
    table = checks.inflation
    inflation = table["GVIF"] ** (1.0 / table["df"])
    k = int(np.argmax(inflation))
    verdict = "look at it" if inflation[k] > INFLATED else "nothing against it"
    effect = f"variances up to {inflation[k]:.3g} times as large, for {table.names[k]}"
    yield _Check("Collinearity", verdict, effect, "")


def _influence(fit: Fit, checks: Checks) -> Iterator[_Check]:
    largest = float(np.nanmax(np.asarray(checks.influence.cooks_distance[0])))
    verdict = "look at it" if largest > INFLUENTIAL else "nothing against it"
    yield _Check("Single rows", verdict, f"Cook's distances at most {largest:.2g}", "")


def _outliers(fit: Fit, checks: Checks) -> Iterator[_Check]:
    table = checks.outliers
    count = int((table["bonferroni"] < LEVEL).sum())
    verdict = "look at them" if count else "nothing against it"
    row, size = table.names[0], float(table["rstudent"][0])
    effect = f"furthest: row {row}, residual {size:.3g}"
    text = f"p = {format_pvalue(float(table['bonferroni'][0]))}, of the largest of all rows"
    yield _Check("Outliers", verdict, effect, text)


_CHECKS = {
    "the dispersion": _spread,
    "the test of the link": _link,
    "the test of the link's tails": _tails,
    "the tests of straight lines": _lines,
    "the test of zeros": _zeros,
    "collinearity": _collinear,
    "influence": _influence,
    "outliers": _outliers,
}


def checks_html(fit: Fit, checks: Checks, left_out: LeftOut) -> str:
    """Every check that the model can have, with a verdict in words and the size of the effect."""
    rows = [["check", "verdict", "size of the effect", "test"]]
    for name, check in _CHECKS.items():
        # Not every question has a meaning for every model.
        with suppress(ModelError), left_out.part(name):
            rows += [list(line) for line in check(fit, checks)]
    return scrolled(rows) if len(rows) > 1 else ""
