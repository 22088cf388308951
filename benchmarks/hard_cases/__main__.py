"""Fit every hard case by every library and write the table of the page on numerics."""

from __future__ import annotations

from importlib.metadata import version

from benchmarks.hard_cases.cases import hard_cases
from benchmarks.hard_cases.table import hard_cases_table
from benchmarks.problems import ROOT

BEGIN, END = "<!-- hard cases: begin -->", "<!-- hard cases: end -->"
CAPTION = """\
Right digits of the worst coefficient (of means or standard errors where it says so), or what
happened; "warns" where the library said that something was amiss, "–" where it has no such model or
no answer was recorded. Every library is asked for as many digits as it can give, fastglm at its
defaults. R's answers are those recorded from `glm()` at its defaults, with a start where it needs
one. statsmodels {statsmodels}, glum {glum}, scikit-learn {sklearn}; written by
`python -m benchmarks.hard_cases`."""


def main() -> None:
    """Print the table and put it between the markers of the page."""
    versions = {name: version(name) for name in ("statsmodels", "glum")}
    caption = CAPTION.format(**versions, sklearn=version("scikit-learn"))
    text = f"{hard_cases_table(hard_cases())}\n\n{caption}"
    print(text)
    page = ROOT / "scripts" / "docs" / "pages" / "numerics.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
