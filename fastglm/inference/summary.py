"""The summary of a fit, in the layout that users of statsmodels know."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import DataError, Status, few_of
from fastglm.fit.aliased import aliased_text
from fastglm.fit.ratios import to_ratio
from fastglm.inference.number_format import (
    common_decimals,
    format_at,
    format_number,
    format_pvalue,
)
from fastglm.inference.rendering import escape_latex, html_table, latex_table
from fastglm.inference.summary_setting import family_parameters, model_setting
from fastglm.inference.tidy import ratio_of, ratios
from fastglm.pointers import Returned
from fastglm.solve.conditioning import significant_digits

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

    from fastglm.fit.record import Fit

__all__ = ["Summary", "rounding_notes", "separation_note"]

#: Characters of a line of the printed summary.
WIDTH = 78
#: Relative error of standard errors from which on the summary speaks of it.
PROMISED_ERROR = 1e-6
#: Significant digits of estimates, as R's ``summary`` prints them.
DIGITS = 4


class Summary(Returned):
    """Printable summary of a fit.

    Parameters
    ----------
    fit
        The fit.
    alpha
        Intervals are at level 1 - alpha.
    """

    #: Instead of the name of the response.
    response_name: str | None = None
    title = "Generalized Linear Model Regression Results"

    def __init__(self, fit: Fit, alpha: float = 0.05):
        self.fit = fit
        self.alpha = alpha
        self.names: tuple[str, ...] = fit.names
        self.ratios: list[str | None] = [None] * len(fit.names)

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table."""
        fit = self.fit
        return [
            ("Dep. Variable", fit.response_name),
            ("Model", "GLM"),
            ("Model Family", type(fit.family).__name__),
            ("Link Function", type(fit.family.link).__name__),
            ("Method", "IRLS (Cholesky)"),
            ("Covariance Type", fit.cov_type),
            ("No. Iterations", f"{fit.n_iter}"),
            ("Converged", "yes" if fit.converged else f"NO: {fit.status.name.lower()}"),
            ("No. Observations", f"{fit.nobs:.15g}"),
            ("Df Residuals", f"{fit.df_resid:.15g}"),
            ("Df Model", f"{fit.df_model:.15g}"),
            ("Scale", f"{fit.scale:.5g}"),
            ("Log-Likelihood", f"{fit.llf:.8g}"),
            ("AIC", f"{fit.aic:.8g}"),
            ("Deviance", f"{fit.deviance:.8g}"),
            ("Null Deviance", f"{fit.null_deviance:.8g}"),
            ("Pearson chi2", f"{fit.pearson_chi2:.6g}"),
            ("Deviance R-sq.", f"{1.0 - fit.deviance / fit.null_deviance:.4f}")
            if fit.null_deviance > 0
            else ("Deviance R-sq.", "nan"),
        ]

    def renamed(
        self,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
    ) -> Self:
        """The summary under other names.

        Parameters
        ----------
        yname : str, optional
            Of the response.
        xname : sequence of str, optional
            Of the p coefficients.
        title : str, optional

        Raises
        ------
        DataError
            If there is not a name for each coefficient.
        """
        if xname is not None and len(xname) != len(self.names):
            raise DataError(f"xname has {len(xname)} names, but there are {len(self.names)}.")
        self.title = self.title if title is None else title
        self.names = self.names if xname is None else tuple(map(str, xname))
        self.response_name = yname
        return self

    def shown_header(self) -> list[tuple[str, str]]:
        """`header` with the name of the response that was asked for."""
        name = self.response_name
        return [
            (key, name if key == "Dep. Variable" and name is not None else value)
            for key, value in self.header()
        ]

    def setting(self) -> list[tuple[str, str]]:
        """What the fit was given, each on a line of its own: formula, offset, weights, levels."""
        fit = self.fit
        level = []
        if fit.response_levels is not None:
            level = [("Modelled Level", f"{fit.response_name} = {fit.response_levels[1]}")]
        return [*model_setting(fit), *level, *family_parameters(fit.family)]

    def columns(self) -> list[str]:
        """Headings of the table of coefficients."""
        letter = "t" if self.fit.use_t else "z"
        low, high = self.alpha / 2, 1 - self.alpha / 2
        first = ratio_of(self.ratios) if any(self.ratios) else "coef"
        return [first, "std err", letter, f"P>|{letter}|", f"[{low:.3g}", f"{high:.3g}]"]

    def table(self) -> np.ndarray:
        """Estimate, standard error, statistic, p-value and interval, (p, 6).

        Of ratios the standard error is that of the delta method, and the test that of the
        coefficient.
        """
        fit = self.fit
        statistics = [fit.estimates, fit.standard_errors, fit._statistics, fit._pvalues]
        table = np.column_stack([*statistics, np.asarray(fit._wald_intervals(self.alpha))])
        which = np.array([name is not None for name in self.ratios], dtype=bool)
        for column in (0, 4, 5):
            table[which, column] = to_ratio(table[which, column])
        table[which, 1] *= table[which, 0]
        return table

    def exponentiated(self) -> Self:
        """The summary with odds ratios, rate ratios or relativities instead of coefficients.

        Raises
        ------
        ModelError
            If no coefficient is the logarithm of a ratio.
        """
        self.ratios = ratios(self.fit)
        return self

    def ratio_notes(self) -> list[str]:
        """What the exponentials of coefficients are, where they are shown."""
        found = [each for each in dict.fromkeys(self.ratios) if each]
        if not found:
            return []
        kept = [n for n, each in zip(self.names, self.ratios, strict=True) if each is None]
        note = f"Exponentials of coefficients: {', '.join(found)}. Standard errors by the delta "
        note += "method; tests are of coefficients of zero."
        return [note + (f" As they are: {', '.join(kept)}." if kept else "")]

    def model_notes(self) -> list[str]:
        """What else the fit estimated, and how."""
        fit, notes = self.fit, []
        if np.isfinite(fit.parameter_se):
            name = next(iter(fit.family.arguments()))
            value, error = fit.family.parameter, fit.parameter_se
            notes.append(f"Estimated with the fit: {name} = {value:.6g} (std err {error:.4g}).")
        if fit.bias_reduction != "none":
            of = {"firth": "mean (Firth)", "median": "median"}[fit.bias_reduction]
            notes.append(f"Estimates with less bias of their {of}, by adjusted scores.")
        if getattr(fit, "constraints", ()):
            notes.append(f"Estimated under {', '.join(fit.constraints)}.")
        notes += rounding_notes(fit.numerical_error)
        if fit.n_separated:
            notes.append(separation_note(fit))
        return notes

    def aliased_columns(self) -> str:
        """Names of the aliased columns, with what they are combinations of where that is known."""
        return aliased_text(self.fit.aliased)

    def advice(self) -> str:
        """Of a fit that has not converged to an inner optimum, what happened and what to try."""
        return self.fit.status.advice

    def notes(self) -> list[str]:
        """Notes beside the numbers."""
        fit, notes = self.fit, [*self.ratio_notes(), *self.model_notes()]
        if fit.status != Status.CONVERGED:
            notes.append(f"Warning: {self.advice()}")
        if fit.aliased:
            notes.append(f"Combinations of earlier columns: {self.aliased_columns()}.")
        if fit.n_dropped:
            by_column = ", ".join(f"{name} {count}" for name, count in fit.missing.items())
            notes.append(f"{fit.n_dropped} rows left out for missing values ({by_column}).")
        return notes

    def cells(self) -> list[list[str]]:
        """Every number of the table as it is printed, a row for each coefficient."""
        table = self.table()
        decimals = common_decimals(table[:, :2].ravel(), DIGITS)
        of_tests = common_decimals(np.round(table[:, 2], DIGITS - 1), DIGITS)
        return [
            [
                format_at(row[0], decimals, DIGITS),
                format_at(row[1], decimals, DIGITS),
                format_number(row[2]) if of_tests is None else f"{row[2]:.{of_tests}f}",
                format_pvalue(row[3]),
                format_at(row[4], decimals, DIGITS),
                format_at(row[5], decimals, DIGITS),
            ]
            for row in table
        ]

    def as_text(self) -> str:
        """The summary as text of 78 columns or more."""
        cells = self.cells()
        name_width = max([20, *(len(name) for name in self.names)])
        widths = [max(10, *(len(row[k]) + 1 for row in cells)) if cells else 10 for k in range(6)]
        width = max(WIDTH, name_width + sum(widths))
        rule, thin = "=" * width, "-" * width
        lines = [self.title.center(width).rstrip(), rule]
        header = self.shown_header()
        half = (width - 2) // 2
        for left, right in zip(header[0::2], header[1::2], strict=True):
            lines.append("  ".join(_pair(*item, half) for item in (left, right)).rstrip())
        for name, value in self.setting():
            lines += textwrap.wrap(f"{name}: {value}", width, subsequent_indent="  ")
        lines.append(rule)
        titles = "".join(t.rjust(w) for t, w in zip(self.columns(), widths, strict=True))
        lines += [" " * name_width + titles, thin]
        for name, row in zip(self.names, cells, strict=True):
            numbers = "".join(c.rjust(w) for c, w in zip(row, widths, strict=True))
            lines.append(name.ljust(name_width) + numbers)
        lines.append(rule)
        return "\n".join([*lines, *self.notes()])

    @property
    def tables(self) -> list[pd.DataFrame]:
        """Two pandas DataFrames: what stands above the table, as text, and the coefficients."""
        import pandas as pd

        shown = [*self.shown_header(), *self.setting()]
        header = pd.DataFrame(shown, columns=["", "value"]).set_index("")
        coefficients = pd.DataFrame(self.table(), index=list(self.names), columns=self.columns())
        return [header, coefficients]

    def __str__(self) -> str:
        return self.as_text()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.as_html()

    def as_csv(self) -> str:
        """The summary as lines of cells with commas between them."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([self.title])
        header = self.shown_header()
        writer.writerows([*a, *b] for a, b in zip(header[0::2], header[1::2], strict=True))
        writer.writerows(self.setting())
        writer.writerow(["", *self.columns()])
        rows = zip(self.names, self.cells(), strict=True)
        writer.writerows([name, *cells] for name, cells in rows)
        return text.getvalue()

    def as_latex(self) -> str:
        """The summary as two LaTeX tables."""
        header = self.shown_header()
        top = [[*a, *b] for a, b in zip(header[0::2], header[1::2], strict=True)]
        rows = [[name, *row] for name, row in zip(self.names, self.cells(), strict=True)]
        tables = [latex_table(top, "lrlr"), latex_table([["", *self.columns()], *rows])]
        setting = [f"{name}: {value}" for name, value in self.setting()]
        notes = "\n\n".join(map(escape_latex, [self.title, *setting, *self.notes()]))
        return "\n\n".join([*tables, notes])

    def as_html(self) -> str:
        """The summary as HTML tables."""
        header = self.shown_header()
        top = "".join(
            f"<tr><th>{escape(a)}</th><td>{escape(b)}</td><th>{escape(c)}</th><td>{escape(d)}</td></tr>"
            for (a, b), (c, d) in zip(header[0::2], header[1::2], strict=True)
        )
        top += "".join(
            f'<tr><th>{escape(name)}</th><td colspan="3">{escape(value)}</td></tr>'
            for name, value in self.setting()
        )
        rows = [[name, *row] for name, row in zip(self.names, self.cells(), strict=True)]
        body = html_table([["", *self.columns()], *rows], notes=self.notes())
        return f"<table><caption>{escape(self.title)}</caption>{top}</table>{body}"


def rounding_notes(numerical_error: float) -> list[str]:
    """Note on rounding that collinear columns magnify, if it is more than was promised."""
    if not numerical_error > PROMISED_ERROR:
        return []
    return [
        "Warning: columns are nearly collinear: standard errors are right to about "
        f"{significant_digits(numerical_error)} digits."
    ]


def separation_note(fit: Any) -> str:
    """How many rows are separated, and which estimates are infinite or what was done about it."""
    n = fit.n_separated
    rows = f"{n} row{' is' if n == 1 else 's are'} separated by the regressors"
    if fit.infinite:
        signs = few_of([f"{n} ({'+' if s > 0 else '-'}inf)" for n, s in fit.infinite.items()])
        return f"Warning: {rows}; infinite estimates: {signs}."
    return f"{rows}." if fit.bias_reduction != "none" else f"{rows} and left out."


def _pair(name: str, value: str, width: int) -> str:
    return f"{name}:{value.rjust(max(1, width - len(name) - 1))}"
