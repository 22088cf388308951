"""Tracebacks end at the user's own line."""

import os
import subprocess
import sys

import pytest

import fastglm as fg

SCRIPT = """
import fastglm as fg
data = {"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 2.0, 5.0]}
res = fg.glm("y ~ x", data)
%s
"""


def traceback_of(line, **environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT % line],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr.strip().splitlines()


LINES = [
    "res.t_test()",
    'fg.glm("y ~ z", data)',
    'fg.GLM.from_formula("y ~ x + (", data)',
    "fg.GLM([1.0, None], [[1.0], [2.0]])",
    'res.predict({"x": ["a"]})',
    'res.predict(data, which="middle")',
    'res.with_covariance("HC9")',
    "fg.glm('y ~ x', data, maxit=3)",
    "fg.MNLogit.from_formula('y ~ x', {'x': [1.0], 'y': ['a']}).fit()",
]


@pytest.mark.parametrize("line", LINES)
def test_a_mistake_has_a_short_traceback(line):
    printed = traceback_of(line)
    assert any(text.startswith("fastglm.errors.") for text in printed[-4:])
    files = [text for text in printed if text.lstrip().startswith("File ")]
    assert len(files) <= 3
    assert "<string>" in files[0]
    assert all("entry.py" in file for file in files[1:])
    assert len(printed) <= 12


def test_the_whole_traceback_can_be_had():
    printed = traceback_of(LINES[1], FASTGLM_TRACEBACK="full")
    assert any("fitted_formula.py" in text for text in printed)


def test_a_missing_argument_names_the_public_class():
    res = fg.glm("y ~ x", {"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 2.0, 5.0]})
    with pytest.raises(fg.errors.OptionError, match=r"^Results\.t_test\(\) missing 1 required"):
        res.t_test()
