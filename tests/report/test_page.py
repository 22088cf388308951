from __future__ import annotations

import re
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

import fastglm as fg
from fastglm.errors import DataError
from fastglm.report.figures import DPI, SIZE, _fit_margins
from fastglm.report.page import report_html

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
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    images = [attributes for tag, attributes in checker.seen if tag == "img"]
    assert len(images) == 11
    assert all(image["alt"] for image in images)
    assert f"<td>{fit.params['age']:.6f}</td>" in page


@pytest.mark.parametrize("error", [DataError("no picture of <this>"), MemoryError()])
def test_a_picture_that_cannot_be_drawn_becomes_a_sentence(frame, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(fg.plots, "effect", fail)
    before = pyplot.get_fignums()
    page = report_html(fg.glm("claims ~ age", frame, "poisson"))
    reason = str(error).replace("<", "&lt;").replace(">", "&gt;") or "MemoryError"
    assert f"This picture could not be drawn: {reason}" in page
    assert "Fitted mean by age, other variables held." in page
    assert page.count("<img") == 9
    assert pyplot.get_fignums() == before


def test_progress_counts_the_tests_and_each_picture(frame, tmp_path):
    seen = []
    fit = fg.glm("claims ~ age", frame, "poisson")
    fit.report(tmp_path / "r.html", progress=lambda *where: seen.append(where))
    pictures = (tmp_path / "r.html").read_text().count("<img")
    assert seen == [(k, pictures + 1) for k in range(1, pictures + 2)]


def test_no_figure_is_left_open(frame):
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


def cells(page, section):
    body = page.split(f'<section id="{section}">')[1].split("</section>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body)
    return [re.findall(r"<t[hd]>(.*?)</t[hd]>", row) for row in rows]


def test_contents_lead_to_every_section(frame):
    page = report_html(fg.glm("claims ~ age + `<zone>`", frame, "poisson"))
    links = re.findall(r'<a href="#([\w-]+)">', page)
    assert links == re.findall(r'<section id="([\w-]+)">', page)
    assert {"coefficients", "terms", "relativities", "checks", "variables"} <= set(links)


def test_coefficients_have_their_ratios_beside_them(frame):
    fit = fg.glm("claims ~ age", frame, "poisson")
    head, _, second = cells(report_html(fit), "coefficients")
    assert head[-3:] == ["rate ratio", "from", "to"]
    ratio = fit.tidy(exponentiate=True, conf_int=True).iloc[1]
    assert float(second[-3]) == pytest.approx(ratio["estimate"], rel=1e-3)
    assert float(second[-1]) == pytest.approx(ratio["conf.high"], rel=1e-3)
    identity = report_html(fg.glm("claims ~ age", frame))
    assert "ratio" not in cells(identity, "coefficients")[0]
    assert 'id="relativities"' not in identity


def test_relativities_are_those_of_the_table(frame):
    fit = fg.glm("claims ~ age + `<zone>`", frame, "poisson")
    page = report_html(fit)
    table = fit.rating_table().summary_frame()
    zone = table[table["term"].str.contains("zone")].iloc[1]
    assert ["c", f"{zone.relativity:.3f}"] in [row[:2] for row in cells(page, "relativities")]


def test_with_very_many_rows_a_small_effect_is_called_small():
    rng = np.random.default_rng(0)
    n = 200_000
    x = rng.uniform(-1, 1, n)
    many = pd.DataFrame({"x": x, "y": rng.normal(1.0 * x + 0.03 * x**2, 0.5)})
    fit = fg.glm("y ~ x", many)
    shape = next(row for row in cells(report_html(fit), "checks") if row[0] == "Shape of x")
    assert fit.lack_of_fit()["pvalue"][0] < 1e-6
    assert shape[1].startswith("small")
    assert "Terms that bend" not in report_html(fit)
    few = many.head(2000).assign(y=lambda d: d["y"] + 0.5 * d["x"] ** 2)
    page = report_html(fg.glm("y ~ x", few))
    shape = next(row for row in cells(page, "checks") if row[0] == "Shape of x")
    assert shape[1] == "look at it"
    assert "Replace x by bs(x, df=5)" in page


def test_alpha_is_in_the_page_with_its_error(frame):
    wide = frame.assign(claims=frame.claims * np.random.default_rng(1).integers(0, 3, 400))
    fit = fg.glm("claims ~ age", wide, "negative_binomial")
    page = report_html(fit)
    assert f"alpha = {fit.alpha:.6g} (std err {fit.alpha_se:.4g})" in page


def test_pictures_are_of_one_width(frame):
    import base64
    import io

    from PIL import Image

    page = report_html(fg.glm("claims ~ age + `<zone>`", frame, "poisson"))
    images = [base64.b64decode(data) for data in re.findall(r"base64,([^\"]*)", page)]
    assert len({Image.open(io.BytesIO(each)).size[0] for each in images}) == 1


@pytest.mark.parametrize(("n", "size"), [(28, 9), (62, 7)])
def test_rows_of_a_forest_are_higher_than_their_letters(n, size):
    figure = Figure(figsize=SIZE, dpi=DPI)
    ax = figure.add_axes((0.13, 0.13, 0.84, 0.77))
    ax.set_yticks(np.arange(n), [f"Region[T.R{k}]" for k in range(n)], fontsize=size)
    ax.set_ylim(-0.7, n - 0.3)
    _fit_margins(ax)
    inches = ax.get_position().height * figure.get_figheight() / n
    assert inches > 1.15 * size / 72
