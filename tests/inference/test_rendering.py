"""What a notebook shows says what the text says."""

import html
import re

import numpy as np
import pandas as pd
import pytest

import fastglm as fg

rng = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(
    {"x": rng.normal(size=N), "z": rng.normal(size=N), "f": rng.choice([*"ab"], N)}
)
FRAME["y"] = rng.poisson(np.exp(0.3 * FRAME["x"]))
FIT = fg.glm("y ~ x + z + f", FRAME, "poisson")
MIXED = fg.mixed("y ~ x + (1 | f)", FRAME)
OBJECTS = {
    "anova": FIT.anova(),
    "test": FIT.wald_test("x = 0, z = 0"),
    "t tests": FIT.t_test("x = z"),
    "estimates": FIT.avg_slopes("x"),
    "marginal means": FIT.emmeans("f"),
    "contrasts": FIT.emmeans("f").contrasts(),
    "collinearity": FIT.collinearity(),
    "vif": FIT.vif(),
    "step": FIT.step(),
    "outliers": FIT.get_influence().outlier_test(),
    "linear prediction": FIT.get_prediction(FRAME.head(3)).linpred,
    "table of models": fg.compare_table([FIT]),
    "margins": FIT.get_margeff(),
    "mixed effects": MIXED.ranef(cond_var=True)["f"],
}
PLAIN = {
    "influence": FIT.get_influence(),
    "distances": FIT.get_influence().cooks_distance,
    "prediction": FIT.get_prediction(),
    "bootstrap": FIT.bootstrap(20),
    "separation": FIT.model.check_separation(),
    "mixed bootstrap": MIXED.bootstrap(3, seed=1),
    "results": FIT,
    "model": FIT.model,
    "mixed": MIXED,
}


def words(page):
    text = re.sub(r"<[^>]+>", " ", page)
    return html.unescape(text).split()


@pytest.mark.parametrize("name", OBJECTS)
def test_every_number_of_the_text_is_in_the_page(name):
    shown = OBJECTS[name]
    page = shown._repr_html_()
    assert "<table" in page
    assert "nan" not in words(page)
    numbers = re.findall(r"-?\d[\d.e+-]*\d|\d", str(shown))
    assert numbers
    found = " ".join(words(page))
    assert [n for n in numbers if n not in found] == []


@pytest.mark.parametrize("name", OBJECTS | PLAIN)
def test_no_repr_is_a_dump_of_internals(name):
    shown = (OBJECTS | PLAIN)[name]
    text = repr(shown)
    assert " at 0x" not in text
    assert "array(" not in text
    assert len(text) < 4_000
    page = shown._repr_html_() if name != "model" else ""
    assert " at 0x" not in page


def test_long_frames_are_cut_with_a_note():
    page = FIT.get_prediction()._repr_html_()
    assert page.count("<tr>") == 21
    assert f"The first 20 of {N} rows." in page
    short = FIT.get_prediction(FRAME.head(4))._repr_html_()
    assert "The first" not in short


def test_anova_keeps_its_title_and_its_empty_cells():
    page = FIT.anova()._repr_html_()
    assert "Analysis of Deviance Table" in page
    assert "Response: y" in page
    assert "<td></td>" in page
