"""Every row of the pages on coming from elsewhere runs, and agrees unless it says otherwise."""

import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from documents import run_snippets

PAGES = Path(__file__).parents[2] / "scripts" / "docs" / "pages" / "coming-from"
PEERS = {"statsmodels.md": "statsmodels", "scikit-learn.md": "sklearn", "glum.md": "glum"}
GLUM = """
from glum import GeneralizedLinearRegressor as GLR, TweedieDistribution
tight = {"alpha": 0, "drop_first": True, "gradient_tol": 1e-9}
m = GLR(family="poisson", **tight).fit(X, d["y"])
"""


def table_rows(page):
    """Expressions of the peer, of fastglm, and what differs, of each row of a page."""
    for line in (PAGES / page).read_text().splitlines():
        if line.startswith("| `"):
            cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)]
            theirs, ours = (re.findall(r"`([^`]+)`", cell) for cell in cells[1:3])
            yield theirs, ours, cells[3]


ROWS = [
    pytest.param(page, *row, id=f"{page}: {row[1][0]}")
    for page in ("statsmodels.md", "r.md", "glum.md", "scikit-learn.md", "spark.md")
    for row in table_rows(page)
]


@pytest.fixture(scope="module")
def scopes(tmp_path_factory):
    """The names of each page, once, and the folder it ran in."""
    known = {}

    def scope_of(page):
        if page not in known:
            folder = tmp_path_factory.mktemp("coming")
            known[page] = run_snippets(PAGES / page, folder)[0], folder
            if page == "glum.md" and find_spec("glum"):
                exec(GLUM, known[page][0])
        return known[page]

    return scope_of


@pytest.mark.parametrize(("page", "theirs", "ours", "differs"), ROWS)
@pytest.mark.filterwarnings("default")
def test_a_row_is_true(scopes, monkeypatch, page, theirs, ours, differs):
    scope, folder = scopes(page)
    monkeypatch.chdir(folder)
    values = [eval(text, scope) for text in ours]
    assert all(
        value is not None or ".save(" in text for value, text in zip(values, ours, strict=True)
    )
    if page in PEERS and find_spec(PEERS[page]):
        peers = [eval(text, scope) for text in theirs]
        if not differs:
            for value, peer in zip(values, peers, strict=True):
                got, expected = (np.asarray(each, float).ravel() for each in (value, peer))
                np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9)


def test_there_are_about_sixty_rows():
    assert len(ROWS) >= 60
