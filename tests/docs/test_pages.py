"""The pages of the site show what is true: their Python runs, their tables are the code's."""

import inspect
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from documents import markdown_links, run_snippets, snippets

import fastglm as fg

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "scripts" / "docs" / "pages"
ALL = sorted(str(page.relative_to(PAGES)) for page in PAGES.rglob("*.md"))
CODED = [page for page in ALL if snippets(PAGES / page)]


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A page whose blocks have run: the names, what was printed, the folder; each page once."""
    known = {}

    def reader(page):
        if page not in known:
            folder = tmp_path_factory.mktemp("reader")
            known[page] = (*run_snippets(PAGES / page, folder), folder)
        return known[page]

    return reader


@pytest.mark.parametrize("page", CODED)
def test_its_python_runs(read, page):
    scope, _, _ = read(page)
    assert scope["fg"] is fg


def text(page):
    return (PAGES / page).read_text()


def rows(page):
    return [line for line in text(page).splitlines() if line.startswith("|")]


@pytest.mark.parametrize("page", ALL)
def test_its_links_lead_to_files(page):
    for link in markdown_links(text(page)):
        assert ((PAGES / page).parent / link.partition("#")[0]).exists(), link


def test_the_family_and_link_of_the_user_are_right(read):
    scope = read("families.md")[0]
    own, policies = scope["own"], scope["policies"]
    cubic = fg.families.Quasi(link="log", variance=lambda mu: mu + 0.5 * mu**3, domain=(0, np.inf))
    built_in = fg.glm("claims ~ age + region", policies, family=cubic)
    np.testing.assert_allclose(own.params, built_in.params / np.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(own.bse, built_in.bse / np.log(2.0), rtol=1e-6)


def test_the_report_is_written(read):
    assert "</html>" in (read("pictures.md")[2] / "report.html").read_text()


@pytest.mark.parametrize("table", ["families", "expfam"])
def test_the_tables_are_those_of_the_code(table):
    script = runpy.run_path(str(ROOT / "scripts" / "readme_tables.py"))
    page = text(f"{table}.md")
    assert script["with_table"](table, page) == page


TABLE = "\n".join(rows("results.md"))


@pytest.mark.parametrize("name", re.findall(r"`(\w+)(?=`|\()", TABLE))
def test_every_result_named_exists(name):
    assert hasattr(fg.Results, name) or name in fg.Results.__dataclass_fields__


def test_every_response_model_has_its_row():
    named, shown = set(), [row for row in rows("responses.md")[2:] if row.count("|") == 5]
    for row in shown:
        first, _, second, predictions = row.strip("|").split("|")
        for name in re.findall(r"`(\w+)`", first):
            model = getattr(fg, name)
            which = {*model.results_class.predictions, "linear"}
            assert set(re.findall(r"`([\w-]+)`", predictions)) <= which
            for argument in re.findall(r"`(\w+)`", second):
                assert argument in inspect.signature(model.from_formula).parameters
            named.add(name)
    assert named == set(fg.responses.MODELS)


def test_every_exception_and_warning_is_documented():
    named = set(re.findall(r"`(\w+(?:Error|Warning))`", text("errors.md")))
    own = {name for name in fg.errors.__all__ if name.endswith(("Error", "Warning"))}
    assert named - {"ValueError", "KeyError", "TypeError", "AttributeError", "ImportError"} == own


def test_every_picture_is_documented():
    for name in fg.plots.__all__:
        assert f"`{name}`" in text("pictures.md") or name == "panels"


@pytest.mark.parametrize("name", sorted(set(fg.plots.__all__) - {"panels"}))
def test_every_picture_is_in_the_gallery(name):
    assert any(f"fg.plots.{name}(" in block for block in snippets(PAGES / "gallery.md"))
