"""The report in a real browser, as wide as a phone."""

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import fastglm as fg

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=5000",
]  # fmt: skip
WIDTH = 390
#: Windows are 500 pixels wide at least, frames inside them are not.
AROUND = """<!doctype html><iframe id="page" width="{width}" height="800" style="border:0"
srcdoc="{page}"></iframe><pre id="found"></pre><script>
document.getElementById("page").onload = function () {{
  const page = this.contentDocument, root = page.documentElement;
  const size = node => parseFloat(page.defaultView.getComputedStyle(node).fontSize);
  const images = [...page.images];
  document.getElementById("found").textContent = JSON.stringify({{
    width: root.scrollWidth,
    unloaded: images.filter(image => !image.naturalWidth).length,
    pictures: images.length + page.querySelectorAll("svg").length,
    text: Math.min(...[...page.querySelectorAll("p, td, li")].map(size)),
    broken: [...page.querySelectorAll('a[href^="#"]')].filter(
      link => !page.getElementById(link.getAttribute("href").slice(1))).length
  }});
}};</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian's package chromium)")
def test_the_page_is_readable_on_a_phone(tmp_path):
    rng = np.random.default_rng(3)
    data = {"a_rather_long_name_of_a_column": rng.normal(size=300), "g": rng.choice([*"abc"], 300)}
    data["y"] = rng.poisson(np.exp(0.3 * data["a_rather_long_name_of_a_column"]))
    fit = fg.glm("y ~ a_rather_long_name_of_a_column + g", data, "poisson")
    fit.report(tmp_path / "report.html")
    page = html.escape((tmp_path / "report.html").read_text(encoding="utf-8"))
    around = tmp_path / "phone.html"
    around.write_text(AROUND.format(width=WIDTH, page=page), encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            *FLAGS,
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            around.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)[1])
    assert found["width"] <= WIDTH  # nothing is wider than the screen
    assert found["pictures"] > 4
    assert found["unloaded"] == found["broken"] == 0
    assert found["text"] >= 11.0
