"""The site is built without a warning, needs no network, and has every public name."""

import inspect
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import fastglm as fg
import fastglm.sklearn

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built by the strict generator, which refuses links to nothing.

    The Python of the pages runs in their own tests.
    """
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    command += ["-f", str(ROOT / "scripts" / "docs" / "mkdocs.yml"), "-d", str(folder)]
    options = {"FASTGLM_DOCS_RUN": "false", "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **options}, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_nothing_is_loaded_from_elsewhere(site):
    tags = re.compile(r"<(?:script|link|img|iframe)\b[^>]*>")
    away = re.compile(r"""(?:src|href)=["'](?:https?:)?//""")
    for page in site.rglob("*.html"):
        assert not [tag for tag in tags.findall(page.read_text()) if away.search(tag)], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text()), sheet.name


def test_the_script_of_the_search_is_there(site):
    found = re.findall(r'src="([^"]*iframe-worker[^"]*)"', (site / "api/models.html").read_text())
    assert found
    assert all((site / "api" / path).resolve().is_file() for path in found)


@pytest.fixture(scope="module")
def documented(site):
    """The full names of everything that the pages of the API describe."""
    *_, names = (site / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split(" ")[0] for line in zlib.decompress(names).decode().splitlines()}


def public():
    """Every public function and class by its full name."""
    found = {}
    for package in (fg, fg.plots, fg.expfam, fastglm.sklearn):
        for name in package.__all__:
            thing = getattr(package, name)
            if callable(thing):
                found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    for thing in (*fg.families.FAMILIES.values(), *fg.families.LINKS.values()):
        found[f"{thing.__module__}.{thing.__qualname__}"] = thing
    return sorted(set(found) - {"fastglm.expfam.table.table"})


@pytest.mark.parametrize("name", public())
def test_every_public_name_is_described(documented, name):
    told = f"{name} goes into a page under scripts/docs/pages/api"
    assert name in documented or name.endswith(".panels"), told


def test_what_methods_of_results_give_is_described(documented):
    described = {name.rpartition(".")[2] for name in documented}
    for name in dir(fg.Results):
        method = inspect.getattr_static(fg.Results, name)
        if not str(getattr(method, "__module__", "")).startswith("fastglm.results"):
            continue  # of the record below the methods, which is internal
        given = getattr(method, "__annotations__", {}).get("return", "")
        if not name.startswith("_") and re.fullmatch(r"[A-Z]\w+", given):
            told = f"{given}, which {name} gives, goes into scripts/docs/pages/api/returned.md"
            assert given in described | {"Any", "None", "Self", "Figure"}, told


def test_types_are_those_of_the_docstring(site):
    page = (site / "api/models.html").read_text()
    text = re.sub(r"<[^>]+>", "", page)
    assert "array_like, shape (n,), optional" in text
    assert "default: 1e-08" not in text  # of the line's first name, given to all
