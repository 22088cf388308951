"""The page: text, tables and pictures in one HTML file that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastglm.arguments import checked_path
from fastglm.errors import ModelError
from fastglm.inference.effects.average_effects import Counterfactual
from fastglm.inference.summary import Summary
from fastglm.plots.style import require_matplotlib
from fastglm.report.checks import Checks
from fastglm.report.findings import findings

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["report_html", "write_report"]

#: Most variables with pictures of their own, and most coefficients in the table.
MOST_VARIABLES = 8
MOST_COEFFICIENTS = 400
DPI = 110
#: From the first to the last of these, whole numbers are written out.
FIVE_DIGITS, EXACT_WHOLE = 1e5, 1e15

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto;
  max-width: 68rem; padding: 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
code { background: #f1f3f5; padding: .1rem .35rem; border-radius: .25rem; overflow-wrap: anywhere; }
.numbers { display: grid; gap: .5rem;
  grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); }
.numbers div { background: #f6f7f9; padding: .45rem .7rem; border-radius: .4rem; }
.numbers dt { font-size: .78rem; color: #555; } .numbers dd { margin: 0; font-weight: 600; }
.finding { border-left: 4px solid #E69F00; background: #fff8ea; padding: .5rem .9rem;
  margin: .6rem 0; }
.finding.serious { border-color: #D55E00; background: #fdeee6; }
.finding.none { border-color: #009E73; background: #e9f6f1; }
.finding b { display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child { text-align: left; font-weight: 500; } thead th { border-bottom: 2px solid #999; }
tbody tr:hover { background: #f6f7f9; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); gap: 1rem; }
.pictures.wide { grid-template-columns: 1fr; }
figure { margin: 0; } figure img { width: 100%; height: auto; }
figure.missing p { color: #555; background: #f6f7f9; padding: .5rem .9rem; }
figcaption { font-size: .82rem; color: #555; }
footer { margin-top: 3rem; font-size: .8rem; color: #666; }
@media (max-width: 32rem) { .pictures { grid-template-columns: 1fr; } }
"""


def write_report(
    fit: Any,
    path: str | Path,
    title: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the page; see `Results.report`."""
    require_matplotlib()
    checked_path("path", path).write_text(report_html(fit, title, progress), encoding="utf-8")


def report_html(
    fit: Any,
    title: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """The page as text.

    Parameters
    ----------
    results, title, progress
        As for `Results.report`.

    Raises
    ------
    DataError
        If the result was loaded without its data.
    """
    fit._model_with_data("a report")
    kind, setting = _kind(fit)
    heading = title or f"{kind} model of {fit.response_name}"
    model = fit.formula or f"{fit.response_name} on {len(fit.names)} columns"
    checks = Checks(fit)
    drawings = list(_drawings(fit))
    # The tests, the panels and each other picture are a step.
    done = iter(range(1, len(drawings) + 3))

    def step() -> None:
        if progress is not None:
            progress(next(done), len(drawings) + 2)

    sections = [
        f"<h1>{escape(heading)}</h1>",
        f"<p>{escape(setting)}: <code>{escape(model)}</code></p>",
        _notes(fit) if fit.has_several_predictors else _findings(fit, checks),
        _numbers(fit),
        _coefficients(fit),
        _term_tests(fit) if fit.has_several_predictors else _tests(checks),
    ]
    step()
    sections.append(_pictures(fit, drawings, step))

    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head><body><main>"
        + "\n".join(sections)
        + f"</main><footer>fastglm {escape(version('fastglm'))}</footer></body></html>\n"
    )


def _kind(fit: Any) -> tuple[str, str]:
    """What a model is called, and how it is set up."""
    if fit.has_several_predictors:
        return fit.kind, fit.title.removesuffix(" Results")
    family, link = type(fit.family).__name__, type(fit.family.link).__name__
    return family, f"{family} family, {link} link"


def _summary(fit: Any) -> Summary:
    return fit.summary() if fit.has_several_predictors else Summary(fit)


def _notes(fit: Any) -> str:
    """What the summary of a fit of several predictors says below its table."""
    notes = fit.summary().notes()
    boxes = [f'<div class="finding">{escape(note)}</div>' for note in notes]
    converged = '<div class="finding none"><b>The fit converged</b></div>'
    return "<h2>What to know</h2>" + ("".join(boxes) or converged)


def _term_tests(fit: Any) -> str:
    """Likelihood ratio tests of the terms of a fit of several predictors."""
    parts = ["<h2>Terms</h2>"]
    # Without an intercept there is no model without its only column.
    with suppress(ModelError):
        table = fit.anova(type=2).summary_frame()
        parts.append(f"<h3>Each term after all others (type II)</h3>{_table(table)}")
    return "".join(parts)


def _findings(fit: Fit, checks: Checks) -> str:
    found = findings(fit, checks)
    parts = [
        f'<div class="finding{" serious" if f.serious else ""}"><b>{escape(f.title)}</b>'
        f"{escape(f.text)}</div>"
        for f in found
    ]
    if not parts:
        parts = ['<div class="finding none"><b>Nothing speaks against this model</b>The fit '
                 "converged, and no check below found anything unusual.</div>"]  # fmt: skip
    return "<h2>What to know</h2>" + "".join(parts)


def _numbers(fit: Fit) -> str:
    summary = _summary(fit)
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in [*summary.header(), *summary.setting()]
    )
    return f'<h2>The fit</h2><dl class="numbers">{cells}</dl>'


def _coefficients(fit: Fit) -> str:
    import pandas as pd

    summary = _summary(fit)
    table = pd.DataFrame(summary.table(), index=list(fit.names), columns=summary.columns())
    more = len(table) - MOST_COEFFICIENTS
    note = f"<p>{more} more coefficients are not shown.</p>" if more > 0 else ""
    return "<h2>Coefficients</h2>" + _table(table.head(MOST_COEFFICIENTS)) + note


def _table(frame: Any) -> str:
    """A data frame as a table, six significant digits."""
    head = "".join(f"<th>{escape(str(name))}</th>" for name in ("", *frame.columns))
    rows = "".join(
        f"<tr><th>{escape(str(name))}</th>"
        + "".join(f"<td>{_number(value)}</td>" for value in values)
        + "</tr>"
        for name, values in zip(frame.index, frame.to_numpy(), strict=True)
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f'<div class="scroll">{table}</div>'


def _number(value: float) -> str:
    if value != value:
        return ""
    # Five digits, but no fewer than stand before the point: 336776 and not 3.3678e+05.
    digits = ".0f" if FIVE_DIGITS <= abs(value) < EXACT_WHOLE else ".5g"
    return escape(f"{value:{digits}}")


def _tests(checks: Checks) -> str:
    """Tables of the checks that the model can have."""
    titles = {
        "link": "Link",
        "tails": "Bends of the link's tails",
        "lines": "Straight lines against splines",
        "zero_inflation": "Zero inflation",
        "inflation": "Variance inflation",
        "outliers": "Largest likelihood residuals",
    }
    parts = []
    for name, title in titles.items():
        # Not every question has a meaning for every model.
        with suppress(ModelError):
            parts.append(f"<h3>{escape(title)}</h3>{_table(getattr(checks, name).summary_frame())}")
    return "<h2>Checks</h2>" + "".join(parts)


def _pictures(
    fit: Fit,
    drawings: Sequence[tuple[Callable[[], Any], str]],
    step: Callable[[], None],
) -> str:
    """The panels and the other drawings; `step` is called after each."""
    from fastglm.plots import panels as draw_panels

    caption = "Residuals, their distribution, spread and leverage."
    if fit.has_several_predictors:
        caption = "Residuals, and what was observed and expected."
    panels: tuple[Callable[[], Any], str] = (partial(draw_panels, fit), caption)
    figures = []
    for draw, caption in (panels, *drawings):
        figures.append(_figure(draw, caption))
        step()
    return (
        f'<h2>Diagnostics</h2><div class="pictures wide">{figures[0]}</div>'
        f'<h2>Effects and calibration</h2><div class="pictures">{"".join(figures[1:])}</div>'
    )


def _drawings(fit: Fit) -> Iterator[tuple[Callable[[], Any], str]]:
    from fastglm import plots

    yield partial(plots.coefficients, fit), "Estimates with 95% intervals."
    yield partial(plots.calibration, fit), "Groups of rows of similar fitted mean."
    if fit.has_several_predictors:
        for name in Counterfactual(fit).names()[:MOST_VARIABLES] if fit.formula else ():
            yield partial(plots.effect, fit, name), f"Fitted means by {name}, other variables held."
        return
    yield partial(plots.binned_residuals, fit), "Mean residuals of finer groups."
    yield partial(plots.lift, fit), "How far the model tells rows apart."
    if fit.family.takes_two_columns:
        yield partial(plots.roc, fit), "Successes found at the price of false alarms."
    if fit.formula:
        for name in Counterfactual(fit).names()[:MOST_VARIABLES]:
            held = f"Fitted mean by {name}, other variables held."
            yield partial(plots.effect, fit, name), held
            seen = f"Observed and fitted means by {name}."
            yield partial(plots.actual_expected, fit, name), seen


def _figure(draw: Callable[[], Any], caption: str) -> str:
    """One drawing as an image inside the page, or a sentence that says why there is none."""
    from matplotlib import pyplot

    before = set(pyplot.get_fignums())
    try:
        data = base64.b64encode(_png(draw)).decode("ascii")
    except Exception as error:
        # Whatever it is: a page without one picture still tells the rest.
        reason = f"This picture could not be drawn: {str(error) or type(error).__name__}"
        return (
            f'<figure class="missing"><p>{escape(reason)}</p>'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    finally:
        for number in set(pyplot.get_fignums()) - before:
            pyplot.close(number)
    return (
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{data}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _png(draw: Callable[[], Any]) -> bytes:
    import matplotlib

    with matplotlib.rc_context({"figure.max_open_warning": 0}):
        drawn = draw()
        figure = (drawn if hasattr(drawn, "figure") else drawn.flat[0]).figure
        # Once: saving would draw everything a second time to lay it out.
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.execute(figure)
            figure.set_layout_engine("none")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()
