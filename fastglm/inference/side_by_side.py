"""Several fits side by side, as papers print them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.entry import entry, entry_points
from fastglm.errors import ModelError
from fastglm.fit.base import FitBase
from fastglm.fit.ratios import to_ratio
from fastglm.inference.number_format import (
    STARS,
    common_decimals,
    format_at,
    format_number,
    format_pvalue,
    stars_of,
)
from fastglm.inference.rendering import (
    Rendered,
    escape_latex,
    html_table,
    latex_table,
    markdown_table,
)
from fastglm.inference.tidy import ratio_of, ratios

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ModelTable", "compare_table"]

#: Significant digits of the number that needs most.
DIGITS = 3
#: What stands below the coefficients, by the attribute of the fits.
GOODNESS = {
    "nobs": "Observations",
    "llf": "Log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "deviance": "Deviance",
    "scale": "Dispersion",
    "df_resid": "Residual df",
    "null_deviance": "Null deviance",
}
SHOWN = ("nobs", "llf", "aic", "bic", "deviance")


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class ModelTable(Rendered):
    """Several fits side by side; prints as text, and shows as HTML in notebooks.

    Attributes
    ----------
    rows : tuple of tuple of str
        Cells, the titles first.
    notes : tuple of str
        What stands below them.
    caption : str
    """

    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    caption: str = ""

    def _cells(self) -> tuple[tuple[str, ...], ...]:
        return self.rows

    def _caption(self) -> str:
        return self.caption

    def _notes(self) -> tuple[str, ...]:
        return self.notes

    def summary_frame(self) -> pd.DataFrame:
        """The cells as text, a pandas DataFrame with a column for each fit."""
        import pandas as pd

        head, *body = self.rows
        index = [row[0] for row in body]
        return pd.DataFrame([row[1:] for row in body], index=index, columns=list(head[1:]))

    def as_text(self) -> str:
        """The table as text."""
        return str(self)

    def as_html(self) -> str:
        """The table as HTML."""
        return html_table(self.rows, self.caption, self.notes)

    def as_latex(self) -> str:
        """The table as a LaTeX ``tabular`` with its notes below."""
        notes = [escape_latex(note) for note in (self.caption, *self.notes) if note]
        return "\n\n".join([latex_table(self.rows, ruled=True), *notes])

    def as_markdown(self) -> str:
        """The table in GitHub's Markdown."""
        return "\n\n".join([*filter(None, [self.caption]), markdown_table(self.rows), *self.notes])


@entry
def compare_table(
    models: Sequence[Any] | Mapping[str, Any] | FitBase,
    names: Sequence[str] | None = None,
    *,
    below: str | None = "std err",
    exponentiate: bool = False,
    stars: bool = False,
    alpha: float = 0.05,
    goodness: Sequence[str] = SHOWN,
    title: str = "",
) -> ModelTable:
    """Coefficients of several fits side by side, whatever their models.

    Parameters
    ----------
    models : sequence of results, mapping of names to results, or one result
    names : sequence of str, optional
        Of the fits; by default their keys, or (1), (2), ...
    below : {"std err", "interval", "statistic", "p-value"} or None, default "std err"
        What stands in brackets below each estimate.
    exponentiate : bool, default False
        Odds ratios, rate ratios or relativities instead of coefficients. Standard errors are then
        those of the ratios, by the delta method.
    stars : bool, default False
        Whether p-values below 0.001, 0.01, 0.05 and 0.1 are marked, as R's are.
    alpha : float, default 0.05
        Intervals are at level 1 - alpha.
    goodness : sequence of str
        Attributes of the fits that stand below the coefficients; those that a fit does not have
        stay empty.
    title : str, optional

    Returns
    -------
    ModelTable
        With ``as_text()``, ``as_html()``, ``as_latex()``, ``as_markdown()`` and
        ``summary_frame()``.

    Raises
    ------
    ModelError
        If there are no models, not a name for each, or no such thing to put below an estimate;
        and with `exponentiate` if no coefficient of a fit is the logarithm of a ratio.

    Notes
    -----
    What ``summary_col`` of statsmodels and ``modelsummary`` and ``stargazer`` of R print.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 4.0, 9.0]}
    >>> small, large = (fg.glm(f, data, family="poisson") for f in ("y ~ 1", "y ~ x"))
    >>> print(fg.compare_table([small, large], below=None, goodness=["nobs"]))
                      (1)      (2)
    Response            y        y
    Model         Poisson  Poisson
    Link              log      log
    Intercept       1.447    0.206
    x                        0.657
    Observations        4        4
    """
    if isinstance(models, Mapping):
        names, models = names or list(models), list(models.values())
    models = [models] if isinstance(models, FitBase) else list(models)
    if not models:
        raise ModelError("give compare_table at least one fit.")
    for fit in models:
        if not isinstance(fit, FitBase):
            raise ModelError(
                f"compare_table takes results of fits, not a {type(fit).__name__}: give what "
                "fit() returned."
            )
    if names is not None and (isinstance(names, str | FitBase) or not np.iterable(names)):
        raise ModelError(
            f"names must be a list of texts, not a {type(names).__name__}: give several fits as "
            "one list."
        )
    names = list(names or [f"({k})" for k in range(1, len(models) + 1)])
    if len(names) != len(models):
        raise ModelError(f"there are {len(names)} names for {len(models)} fits.")
    columns = [_column(fit, below, exponentiate, stars, alpha) for fit in models]
    order = list(dict.fromkeys(name for column in columns for name in column))
    rows = [("", *names), *_heads(models)]
    for name in order:
        for line in range(1 if below is None else 2):
            cells = [column[name][line] if name in column else "" for column in columns]
            rows.append((name if line == 0 else "", *cells))
    for each in goodness:
        cells = [_goodness(fit, each) for fit in models]
        if any(cells):
            rows.append((GOODNESS.get(each, each), *cells))
    return ModelTable(
        tuple(map(tuple, rows)), _notes(models, below, exponentiate, stars, alpha), title
    )


def _heads(models: Sequence[FitBase]) -> list[tuple[str, ...]]:
    """Response, model and link of every fit."""
    families = [getattr(fit, "family", None) for fit in models]
    links = ["" if family is None else family.link.name for family in families]
    heads = [
        ("Response", *(fit.response_name for fit in models)),
        ("Model", *(fit._model_title() for fit in models)),
    ]
    return [*heads, ("Link", *links)] if any(links) else heads


def _column(
    fit: FitBase, below: str | None, exponentiate: bool, with_stars: bool, alpha: float
) -> dict[str, tuple[str, str]]:
    """Both lines of cells of every coefficient, by name."""
    estimate, error = fit.estimates.copy(), fit.standard_errors.copy()
    limits = np.array(fit._wald_intervals(alpha), dtype=np.float64).reshape(-1, 2)
    if exponentiate:
        which = np.array([name is not None for name in ratios(fit)])
        estimate[which] = to_ratio(estimate[which])
        error[which] *= estimate[which]
        limits[which] = to_ratio(limits[which])
    decimals = common_decimals([*estimate, *error], DIGITS)

    def shown(value: float) -> str:
        return format_at(value, decimals, DIGITS)

    lines: dict[str | None, Callable[[int], str]] = {
        None: lambda k: "",
        "std err": lambda k: f"({shown(error[k])})",
        "interval": lambda k: f"[{shown(limits[k, 0])}, {shown(limits[k, 1])}]",
        "statistic": lambda k: f"({fit._statistics[k]:.2f})",
        "p-value": lambda k: f"({format_pvalue(fit._pvalues[k], 2)})",
    }
    if below not in lines:
        known = ", ".join(repr(name) for name in lines)
        raise ModelError(f"below must be one of {known}, not {below!r}.")
    found = {}
    for k, name in enumerate(fit.names):
        mark = stars_of(fit._pvalues[k]) if with_stars else ""
        known_estimate = np.isfinite(estimate[k])
        cells = (shown(estimate[k]) + mark, lines[below](k)) if known_estimate else ("", "")
        found[_plain_name(name)] = cells
    return found


def _plain_name(name: str) -> str:
    """One name for the constant, whether a formula or an array brought it."""
    return "Intercept" if name in ("const", "(Intercept)") else name


def _goodness(fit: FitBase, name: str) -> str:
    if not hasattr(fit, name):
        return ""
    value = float(getattr(fit, name))
    return f"{value:.15g}" if value.is_integer() else format_number(value)


def _notes(
    models: Sequence[FitBase], below: str | None, exponentiate: bool, with_stars: bool, alpha: float
) -> tuple[str, ...]:
    words = {
        "std err": "Standard errors",
        "interval": f"{1 - alpha:.4g} intervals",
        "statistic": "z or t statistics",
        "p-value": "P-values",
    }
    notes = [f"{words[below]} in brackets."] if below is not None else []
    covariances = list(dict.fromkeys(fit.cov_type for fit in models))
    if covariances != ["nonrobust"]:
        notes.append(f"Covariances: {', '.join(fit.cov_type for fit in models)}.")
    if exponentiate:
        kinds = list(dict.fromkeys(ratio_of(ratios(fit)) for fit in models))
        notes.append(f"Exponentials of coefficients: {', '.join(kinds)}.")
    if with_stars:
        marks = ", ".join(f"{mark} p < {limit:g}" for limit, mark in reversed(STARS))
        notes.append(f"{marks}.")
    return tuple(notes)
