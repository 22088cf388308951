from __future__ import annotations

import re
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError
from fastglm.report.page import _number, report_html

matplotlib.use("Agg")

VOID = {"meta", "img", "link", "br"}


class Checker(HTMLParser):
    """Opens and closes every element in order."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture
def frame():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"age": rng.uniform(18, 80, 400), "<zone>": rng.choice(["a&b", "c"], 400)})
    data["claims"] = rng.poisson(np.exp(-1.0 + 0.02 * data.age))
    return data


def test_the_page_stands_alone(frame, tmp_path):
    fit = fg.glm("claims ~ age + `<zone>`", frame, "poisson")
    fit.report(tmp_path / "report.html", title="Claims <2024>")
    page = (tmp_path / "report.html").read_text()
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    assert "Claims &lt;2024&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    images = [attributes for tag, attributes in checker.seen if tag == "img"]
    assert len(images) == 9
    assert all(image["alt"] for image in images)
    assert f"{fit.params['age']:.5g}" in page


@pytest.mark.parametrize("error", [DataError("no picture of <this>"), MemoryError()])
def test_a_picture_that_cannot_be_drawn_becomes_a_sentence(frame, monkeypatch, error):
    def fail(*arguments):
        matplotlib.pyplot.figure()
        raise error

    monkeypatch.setattr(fg.plots, "effect", fail)
    before = matplotlib.pyplot.get_fignums()
    page = report_html(fg.glm("claims ~ age", frame, "poisson"))
    reason = str(error).replace("<", "&lt;").replace(">", "&gt;") or "MemoryError"
    assert f"This picture could not be drawn: {reason}" in page
    assert "Fitted mean by age, other variables held." in page
    assert page.count("<img") == 6
    assert matplotlib.pyplot.get_fignums() == before


def test_progress_counts_the_tests_and_each_picture(frame, tmp_path):
    seen = []
    fit = fg.glm("claims ~ age", frame, "poisson")
    fit.report(tmp_path / "r.html", progress=lambda *where: seen.append(where))
    pictures = (tmp_path / "r.html").read_text().count("<img")
    assert seen == [(k, pictures + 1) for k in range(1, pictures + 2)]


def test_no_figure_is_left_open(frame):
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    report_html(fg.glm("claims ~ age", frame, "poisson"))
    assert pyplot.get_fignums() == before


def test_every_family_has_a_page(frame):
    y = frame.claims.to_numpy() + 0.5
    X = np.column_stack([np.ones(400), frame.age])
    for family in ("gaussian", "gamma", "quasipoisson"):
        assert "Coefficients" in report_html(fg.GLM(y, X, family, link="log").fit())
    assert "false alarms" in report_html(fg.GLM(frame.claims > 0, X, "binomial").fit())


def test_a_report_needs_the_data(frame, tmp_path):
    fg.glm("claims ~ age", frame, "poisson").save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="without the data"):
        fg.load(tmp_path / "fit.json").report(tmp_path / "report.html")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (336776.0, "336776"),
        (-1234567.8, "-1234568"),
        (99999.0, "99999"),
        (0.000012345678, "1.2346e-05"),
        (2e300, "2e+300"),
        (np.nan, ""),
    ],
)
def test_large_numbers_are_written_out(value, text):
    assert _number(value) == text
