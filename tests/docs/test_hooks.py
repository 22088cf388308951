"""The blocks of a page give what a prompt and a figure window would."""

import runpy
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
ROOT = Path(__file__).parents[2]
HOOKS = runpy.run_path(str(ROOT / "scripts" / "docs" / "hooks.py"))


def test_prints_and_values_are_shown_in_their_order():
    scope = {}
    text, pictures = HOOKS["_run"]("x = 2\nprint('first')\nx + 1\nNone\n", scope)
    assert (text, pictures) == ("first\n3", [])
    assert HOOKS["_run"]("x * 10\n", scope)[0] == "20"
    assert HOOKS["_run"]("x\nx * 10\n", scope)[0] == ">>> x\n2\n>>> x * 10\n20"


def test_figures_are_pictures_and_not_text():
    code = "import matplotlib.pyplot as plt\nfigure, axes = plt.subplots(1, 2)\naxes\naxes[0]\n"
    text, pictures = HOOKS["_run"](code, {})
    assert text == ""
    assert [picture[:4] for picture in pictures] == [b"\x89PNG"]
    assert HOOKS["_run"]("1 + 1\n", {}) == ("2", [])


def test_an_error_stops_the_build():
    with pytest.raises(ZeroDivisionError):
        HOOKS["_run"]("1 / 0\n", {})


def test_links_of_files_are_links_of_pages():
    mended = HOOKS["_mended"]
    link = HOOKS["_LINK"].search
    page = link("[m](scripts/docs/pages/mixed.md#top)")
    assert mended(page, ROOT / "README.md", "index.md") == "](mixed.md#top)"
    picture = link("![s](../../../benchmarks/results/speed.png)")
    source = HOOKS["PAGES"] / "benchmarks.md"
    assert mended(picture, source, "benchmarks.md") == "](results/speed.png)"
    readme = link("[r](../../../../README.md)")
    source = HOOKS["PAGES"] / "api" / "models.md"
    assert mended(readme, source, "api/models.md") == "](../index.md)"
