"""The README shows what is true: its Python runs, its links lead somewhere."""

import re
from pathlib import Path

import pytest
from documents import markdown_links, run_snippets

import fastglm as fg

ROOT = Path(__file__).parent.parent
PATH = ROOT / "README.md"
README = PATH.read_text()


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Whoever runs the snippets one after the other: the names, what was printed, the folder."""
    folder = tmp_path_factory.mktemp("reader")
    scope, printed = run_snippets(PATH, folder)
    return scope, printed, folder


def test_the_python_at_the_top_saves_and_loads(reader):
    _, printed, folder = reader
    assert "carrier[T.UA]" in printed
    assert (folder / "late.json").stat().st_size < 100_000
    first, second = re.findall(r"^0 +(0\.\d+)$", printed, re.MULTILINE)
    assert first == second


def test_it_is_short():
    assert len(README.splitlines()) <= 200


@pytest.mark.parametrize("link", markdown_links(README))
def test_every_link_leads_to_a_file(link):
    assert (ROOT / link.partition("#")[0]).exists()


def test_every_page_of_the_guide_is_linked():
    pages = ROOT / "scripts" / "docs" / "pages"
    linked = {ROOT / link for link in markdown_links(README)}
    assert {page for page in pages.glob("*.md") if page.name != "index.md"} <= linked


def test_the_changelog_ends_it_and_has_this_version():
    *_, last = README.split("\n## ")
    assert last.startswith("Changelog\n")
    assert f"### {fg.__version__}\n" in last
