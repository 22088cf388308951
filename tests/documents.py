"""Markdown as its readers meet it: its Python run from top to bottom, its links followed."""

import re
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def snippets(path: Path) -> list[str]:
    """The blocks of Python in a file."""
    return [code for language, code in FENCE.findall(path.read_text()) if language == "python"]


def run_snippets(path: Path, folder: Path) -> tuple[dict, str]:
    """Run the blocks of a file one after the other in a folder: the names, and what was printed."""
    matplotlib = pytest.importorskip("matplotlib")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    matplotlib.use("Agg")
    printed: list[str] = []
    scope: dict = {"print": lambda *values: printed.append(" ".join(map(str, values)))}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, code in enumerate(snippets(path), 1):
            exec(compile(code, f"{path.name}, block {number}", "exec"), scope)
    pyplot.close("all")
    return scope, "\n".join(printed)


def markdown_links(text: str) -> list[str]:
    """The targets of links and pictures that do not leave the repository."""
    found = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text))
    return sorted({link for link in found if not link.startswith(("http:", "https:", "mailto:"))})
