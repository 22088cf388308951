"""Rows of cells as text, HTML, LaTeX and Markdown: the one way from a table to what is shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from fastglm.design.frames.output import to_pandas
from fastglm.inference.number_format import format_cell
from fastglm.pointers import Returned

__all__ = [
    "Rendered",
    "RenderedFrame",
    "RenderedText",
    "Rows",
    "align",
    "escape_latex",
    "html_table",
    "latex_table",
    "markdown_table",
]

#: The first row holds the titles of the columns, and the first cell of each the name of the row.
Rows = Sequence[Sequence[str]]

#: Rows of a long frame that are shown.
MOST_ROWS = 20
#: Characters that a backslash before them does not make print.
_LATEX = {
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": "$<$", ">": "$>$", "|": "$|$",
}  # fmt: skip


class Rendered(Returned):
    """Mixin of what is a table of cells: its text, and an HTML form with the same content."""

    def _cells(self) -> Rows:
        raise NotImplementedError

    def _caption(self) -> str:
        return ""

    def _notes(self) -> Sequence[str]:
        return ()

    def __str__(self) -> str:
        caption = self._caption()
        return "\n".join([*([caption] if caption else []), align(self._cells()), *self._notes()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_table(self._cells(), self._caption(), self._notes())


class RenderedFrame(Rendered):
    """Mixin of what has a ``summary_frame``: the first of its rows, and how many there are."""

    def _heading(self) -> str:
        return ""

    def _caption(self) -> str:
        return self._heading()

    def _shown_frame(self) -> Any:
        return to_pandas(self.summary_frame())  # type: ignore[attr-defined]

    def _cells(self) -> list[list[str]]:
        frame = self._shown_frame()
        top = frame.head(MOST_ROWS)
        rows = [["", *map(str, top.columns)]]
        for name, values in zip(top.index, top.itertuples(index=False), strict=True):
            label = ", ".join(map(str, name)) if isinstance(name, tuple) else str(name)
            cells = zip(top.columns, values, strict=True)
            rows.append([label, *(format_cell(str(title), value) for title, value in cells)])
        return rows

    def _notes(self) -> list[str]:
        n_rows = len(self._shown_frame())
        return [] if n_rows <= MOST_ROWS else [f"The first {MOST_ROWS} of {n_rows} rows."]


class RenderedText(Returned):
    """Mixin of what is a line or two of text."""

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def align(rows: Rows) -> str:
    """Cells as text in columns: the first to the left, the others to the right."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_table(rows: Rows, caption: str = "", notes: Sequence[str] = ()) -> str:
    """Cells as an HTML table, with paragraphs below it."""
    head, *body = rows
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    lines = "".join(
        f"<tr><th>{escape(name)}</th>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for name, *cells in body
    )
    top = f'<caption style="white-space: pre-line">{escape(caption)}</caption>' if caption else ""
    below = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return f"<table>{top}<thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>{below}"


def latex_table(rows: Rows, alignment: str | None = None, ruled: bool = False) -> str:
    """Cells as a LaTeX ``tabular``.

    Parameters
    ----------
    rows
        Of cells.
    alignment
        Of the columns; by default the first to the left, the others to the right.
    ruled
        Whether there is a line below the titles.
    """
    alignment = alignment or "l" + "r" * (len(rows[0]) - 1)
    lines = [" & ".join(map(escape_latex, row)) + r" \\" for row in rows]
    if ruled:
        lines.insert(1, r"\hline")
    end = r"\end{tabular}"
    return "\n".join([rf"\begin{{tabular}}{{{alignment}}}", r"\hline", *lines, r"\hline", end])


def escape_latex(text: str) -> str:
    """Text in which nothing is a command of LaTeX."""
    return re.sub(r"[&%$#_{}~^\\<>|]", lambda found: _LATEX.get(found[0], "\\" + found[0]), text)


def markdown_table(rows: Rows) -> str:
    """Cells as a table of GitHub's Markdown."""

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(re.sub(r"([|*_<`\\])", r"\\\1", cell) for cell in cells) + " |"

    head, *body = rows
    rule = "| --- |" + " ---: |" * (len(head) - 1)
    return "\n".join([line(head), rule, *map(line, body)])
