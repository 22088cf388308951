#!/usr/bin/env python
"""Run statsmodels' own tests of GLM on fastglm, with nothing but the imports changed.

The tests of GLM, weights, families, links, sandwich covariances, influence, score tests and mixed
linear models come with its wheel. They are copied to a temporary folder, their imports of models,
families and links turned to those of fastglm, and pytest counts. Failures are listed by reason,
most frequent first.

    python scripts/statsmodels_suite.py [arguments of pytest]
"""

from __future__ import annotations

import collections
import re
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

TESTS = (
    "genmod/tests/test_glm.py",
    "genmod/tests/test_glm_weights.py",
    "genmod/tests/test_score_test.py",
    "genmod/families/tests/test_family.py",
    "genmod/families/tests/test_link.py",
    "stats/tests/test_influence.py",
    "discrete/tests/test_sandwich_cov.py",
    "regression/tests/test_lme.py",
)
IMPORTS = (
    (r"^(\s*)import statsmodels\.api as sm\s*$", r"\1from .replaced import sm"),
    (r"import statsmodels\.formula\.api as smf", "from .replaced import smf"),
    (r"from statsmodels\.genmod\.generalized_linear_model import GLM\b", "from fastglm import GLM"),
    (r"from statsmodels\.genmod import families", "from fastglm import families"),
    (r"import statsmodels\.genmod\.families\.links as L", "import fastglm.families.links as L"),
    (r"import statsmodels\.genmod\.families as F", "import fastglm.families as F"),
    (r"from statsmodels\.genmod\.families\.family import", "from fastglm.families import"),
    (r"from statsmodels\.genmod\.families import links", "from fastglm.families import links"),
    (
        r"from statsmodels\.regression\.mixed_linear_model import \(\n    MixedLM,",
        "from fastglm import MixedLM\nfrom statsmodels.regression.mixed_linear_model import (",
    ),
    (r"from \.test_diagnostic", "from statsmodels.stats.tests.test_diagnostic"),
)
REPLACED = """
import types
import fastglm as fg
import statsmodels.api
import statsmodels.formula.api


class Replaced(types.ModuleType):
    def __init__(self, module, **replaced):
        super().__init__(module.__name__)
        self._module = module
        vars(self).update(replaced)

    def __getattr__(self, name):
        return getattr(self._module, name)


smf = Replaced(statsmodels.formula.api, glm=fg.glm, mixedlm=fg.MixedLM.from_formula)
sm = Replaced(
    statsmodels.api, GLM=fg.GLM, MixedLM=fg.MixedLM, families=fg.families, formula=smf
)
"""
CONFTEST = """
import pytest


@pytest.fixture
def close_figures():
    import matplotlib
    matplotlib.use("Agg")


@pytest.fixture
def reset_randomstate():
    pass
"""


def write_suite(folder: Path) -> None:
    """Write the tests with their imports changed."""
    spec = find_spec("statsmodels")
    if spec is None or spec.origin is None:
        raise SystemExit("statsmodels is not installed: pip install statsmodels")
    source = Path(spec.origin).parent
    (folder / "__init__.py").touch()
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "replaced.py").write_text(REPLACED)
    for test in TESTS:
        text = (source / test).read_text()
        package = ".".join(["statsmodels", *Path(test).parent.parts])
        for pattern, replacement in IMPORTS:
            text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
        text = re.sub(r"from \.results(\.| import)", rf"from {package}.results\1", text)
        text = text.replace("Path(__file__)", f"Path({str(source / test)!r})")
        (folder / Path(test).name).write_text(text)


def reasons(output: str) -> collections.Counter[str]:
    """Last line of each error, with numbers and details left out."""
    counted: collections.Counter[str] = collections.Counter()
    for section in re.split(r"\n_{3,} .*? _{3,}\n", output)[1:]:
        lines = re.findall(r"^E\s+(\S.*)$", section, flags=re.MULTILINE)
        telling = [line for line in lines if re.search("Error|DID NOT|Mismatched", line)]
        counted[(telling or lines or ["?"])[-1][:150]] += 1
    return counted


def main() -> None:
    """Run, and print the counts and the reasons."""
    with tempfile.TemporaryDirectory() as folder:
        suite = Path(folder, "suite")
        suite.mkdir()
        write_suite(suite)
        options = ["-q", "-p", "no:cacheprovider", "--tb=short", "-W", "default", *sys.argv[1:]]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", str(suite), *options],
            capture_output=True,
            text=True,
            check=False,
        )
    for reason, count in reasons(done.stdout).most_common():
        print(f"{count:4d}  {reason}")
    print(done.stdout.rstrip().rsplit("\n", 1)[-1])


if __name__ == "__main__":
    main()
