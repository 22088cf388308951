"""The page: text, tables and pictures in one HTML file that needs no network."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastglm.arguments import checked_path
from fastglm.inference.effects.counterfactual import Counterfactual
from fastglm.plots.style import require_matplotlib
from fastglm.report.checks import Checks
from fastglm.report.figures import Drawing, figure_html
from fastglm.report.findings import Finding, findings
from fastglm.report.left_out import LeftOut
from fastglm.report.tables import (
    checks_html,
    coefficients_html,
    relativities_html,
    summary_of,
    terms_html,
    tests_of_terms_html,
    variances_html,
)

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["report_html", "write_report"]

#: Most variables with pictures of their own.
MOST_VARIABLES = 8

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #fff; margin: 0 auto;
  max-width: 68rem; padding: 1.2rem; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
code { background: #f1f3f5; padding: .1rem .35rem; border-radius: .25rem; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; margin: .8rem 0; }
nav a, summary { color: #0072B2; } summary { cursor: pointer; padding: .25rem 0; }
.numbers { display: grid; gap: .4rem; margin: 0;
  grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
.numbers div { background: #f6f7f9; padding: .4rem .6rem; border-radius: .4rem; }
.numbers dt { font-size: .75rem; color: #555; }
.numbers dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; }
.finding { border-left: 4px solid #E69F00; background: #fff8ea; padding: .5rem .9rem;
  margin: .6rem 0; }
.finding.serious { border-color: #D55E00; background: #fdeee6; }
.finding.none { border-color: #009E73; background: #e9f6f1; }
.finding b { display: block; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; }
th, td { padding: .22rem .6rem; text-align: right; border-bottom: 1px solid #e5e5e5; }
th:first-child { text-align: left; font-weight: 500; } thead th { border-bottom: 2px solid #999; }
tbody tr:hover { background: #f6f7f9; }
td, th:not(:first-child) { white-space: nowrap; }
#checks td, #checks th { text-align: left; white-space: normal; }
.pictures { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; } figure img { width: 100%; height: auto; }
figure.missing p { color: #555; background: #f6f7f9; padding: .5rem .9rem; }
figcaption { font-size: .82rem; color: #555; }
footer { margin-top: 3rem; font-size: .8rem; color: #666; }
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
    fit._model_of_rows("a report")
    left_out = LeftOut(fit)
    kind, setting = _kind(fit)
    several = fit.has_several_predictors
    heading = title or f"{kind} model of {fit.response_name}"
    model = fit.formula or f"{fit.response_name} on {len(fit.names)} columns"
    groups = list(fit.report_pictures() if fit.has_random_effects else _drawings(fit, left_out))
    n_steps = 1 + sum(len(drawings) for _, drawings in groups)
    done = iter(range(1, n_steps + 1))

    def step() -> None:
        if progress is not None:
            progress(next(done), n_steps)

    tells_in_notes = several or fit.has_random_effects
    checks = Checks(fit)
    found = [] if tells_in_notes else findings(fit, checks)
    make = _mixed_sections if fit.has_random_effects else _sections
    sections = make(fit, checks, left_out)
    step()
    sections += [(name, _figures(name, drawings, step, left_out)) for name, drawings in groups]
    found += left_out.findings()
    known = _notes(fit) + _boxes(found) if tells_in_notes else _findings_html(found)
    sections = [("What to know", known), *sections]
    sections = [(name, text) for name, text in sections if text]
    today = datetime.date.today().isoformat()
    contents = "".join(f'<a href="#{_anchor(n)}">{escape(n)}</a>' for n, _ in sections)
    body = "".join(
        f'<section id="{_anchor(name)}"><h2>{escape(name)}</h2>{text}</section>'
        for name, text in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{escape(heading)}</h1>"
        f"<p>{escape(setting)}: <code>{escape(model)}</code></p>"
        f"<p>{fit.nobs:,.15g} observations, written on {today}.</p><nav>{contents}</nav>{body}"
        f"</main><footer>fastglm {escape(version('fastglm'))}</footer></body></html>\n"
    )


def _sections(fit: Any, checks: Checks, left_out: LeftOut) -> list[tuple[str, str]]:
    """Headings and texts between what to know and the pictures."""
    several, relativities = fit.has_several_predictors, ""
    if not several:
        with left_out.part("relativities"):
            relativities = relativities_html(fit)
    return [
        ("The fit", _numbers(fit)),
        ("Coefficients", coefficients_html(fit)),
        ("Terms", tests_of_terms_html(fit) if several else terms_html(fit)),
        ("Relativities", relativities),
        ("Checks", "" if several else checks_html(fit, checks, left_out)),
    ]


def _mixed_sections(fit: Any, checks: Checks, left_out: LeftOut) -> list[tuple[str, str]]:
    """The same of a model with random effects."""
    return [
        ("The fit", _numbers(fit)),
        ("Coefficients", coefficients_html(fit)),
        ("Variances", variances_html(fit)),
        ("Terms", tests_of_terms_html(fit)),
    ]


def _anchor(name: str) -> str:
    return name.lower().replace(" ", "-")


def _kind(fit: Any) -> tuple[str, str]:
    """What a model is called, and how it is set up."""
    if fit.has_several_predictors:
        return fit.kind, fit.title.removesuffix(" Results")
    family, link = type(fit.family).__name__, type(fit.family.link).__name__
    setting = f"{family} family, {link} link"
    if fit.has_random_effects:
        groups = ", ".join(group.group for group in fit.groups)
        return f"Mixed {family}", f"{setting}, random effects of {groups}"
    return family, setting


def _notes(fit: Any) -> str:
    """What the summary says below its table, without what has a section of its own."""
    summary = fit.summary()
    tabled = summary.random_lines() if fit.has_random_effects else ()
    shown = [note for note in summary.notes() if note not in tabled]
    boxes = [f'<div class="finding">{escape(note)}</div>' for note in shown]
    return "".join(boxes) or '<div class="finding none"><b>The fit converged</b></div>'


def _boxes(found: Sequence[Finding]) -> str:
    return "".join(
        f'<div class="finding{" serious" if f.serious else ""}"><b>{escape(f.title)}</b>'
        f"{escape(f.text)}</div>"
        for f in found
    )


def _findings_html(found: Sequence[Finding]) -> str:
    none = (
        '<div class="finding none"><b>Nothing speaks against this model</b>The fit '
        "converged, and no check below found anything large.</div>"
    )
    return _boxes(found) or none


def _numbers(fit: Any) -> str:
    summary = summary_of(fit)
    shown = [*summary.header(), *summary.setting()]
    estimated = "Estimated with the fit"
    notes = (note for note in summary.model_notes() if note.startswith(estimated))
    shown += [(estimated, note.partition(": ")[2].rstrip(".")) for note in notes]
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in shown
        if name != "Formula"
    )
    return f'<dl class="numbers">{cells}</dl>'


def _figures(
    name: str,
    drawings: Sequence[tuple[Drawing, str]],
    step: Callable[[], None],
    left_out: LeftOut,
) -> str:
    """Pictures of a section beside each other; `step` is called after each."""
    parts = []
    for draw, caption in drawings:
        shown = caption.partition(":")[0].rstrip(".")
        with left_out.part(f"the picture of {shown[0].lower()}{shown[1:]}"):
            parts.append(figure_html(draw, caption))
        step()
    if not parts:
        return ""
    return f'<div class="pictures">{"".join(parts)}</div>'


def _drawings(fit: Fit, left_out: LeftOut) -> Iterator[tuple[str, list[tuple[Drawing, str]]]]:
    """Sections, and what they draw with which caption."""
    from fastglm import plots

    if fit.has_several_predictors:
        yield from _outcome_drawings(fit)
        return

    yield "Fit on these rows", [
        (partial(_call, plots.calibration, fit),
         "Groups of rows of similar fitted mean: on the line, in the band."),
        (partial(_call, plots.lift, fit), "How far the model tells rows apart: both curves agree."),
        (partial(_call, plots.binned_residuals, fit),
         "Mean residuals of finer groups: 19 of 20 are in the band."),
        *([(partial(_call, plots.roc, fit), "Successes found at the price of false alarms.")]
          if fit.family.takes_two_columns else []),
        (partial(_call, plots.coefficients, fit, standardize=True),
         "Estimates with 95% intervals, of numbers per standard deviation."),
    ]  # fmt: skip
    captions = (
        "Residuals: no pattern is left if the model is right.",
        "Their distribution: points in the band are as the model has them.",
        "Their spread: the curve is level if variances are right.",
        "Leverage: rows beyond a contour decide the fit by themselves.",
    )
    panels = _Panels(fit)
    residuals: list[tuple[Drawing, str]]
    residuals = [(partial(panels.draw, k), text) for k, text in enumerate(captions)]
    yield "Residuals", residuals
    if fit.formula:
        effects: list[tuple[Drawing, str]] = []
        with left_out.part("the pictures by variable"):
            effects = _effects(fit)
        yield "Variables", effects


def _effects(fit: Fit) -> list[tuple[Drawing, str]]:
    """Pictures by variable, with their captions."""
    from fastglm import plots

    rows, effects = Counterfactual(fit), list[tuple[Drawing, str]]()
    for name in rows.names()[:MOST_VARIABLES]:
        if rows.levels(name) is None:
            # Those of levels are in the table of relativities.
            held = f"Fitted mean by {name}, other variables held."
            effects.append((partial(_call, plots.effect, fit, name), held))
        seen = f"Observed and fitted means by {name}."
        effects.append((partial(_call, plots.actual_expected, fit, name), seen))
    return effects


def _outcome_drawings(fit: Any) -> Iterator[tuple[str, list[tuple[Drawing, str]]]]:
    """What is drawn of a fit of several predictors."""
    from fastglm import plots

    residuals = "Residuals, and what was observed and expected."
    yield "Residuals", [(partial(_own_figure, plots.panels, fit), residuals)]
    yield (
        "Fit on these rows",
        [
            (partial(_call, plots.calibration, fit), "Groups of rows of similar fitted mean."),
            (partial(_call, plots.coefficients, fit), "Estimates with 95% intervals."),
        ],
    )
    names = Counterfactual(fit).names()[:MOST_VARIABLES] if fit.formula else []
    if names:
        yield (
            "Variables",
            [
                (
                    partial(_call, plots.effect, fit, n),
                    f"Fitted means by {n}, other variables held.",
                )
                for n in names
            ],
        )


def _own_figure(draw: Callable[..., Any], fit: Any, ax: Any) -> Any:
    """Draw into a figure that the drawing makes; the axes that are there are not used."""
    return draw(fit)


def _call(draw: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Draw into the axes that come last."""
    *rest, ax = arguments
    return draw(*rest, ax=ax, **options)


class _Panels:
    """The four panels one by one, whose residuals are computed when the first is drawn."""

    def __init__(self, fit: Fit):
        self.fit = fit

    @cached_property
    def drawings(self) -> list[Drawing]:
        """What draws them."""
        from fastglm.plots.panels import panel_drawings

        return list(panel_drawings(self.fit))

    def draw(self, which: int, ax: Any) -> Any:
        """Draw one into axes."""
        return self.drawings[which](ax)
