"""The README shows what is true: its Python runs, its table is that of the registries."""

import re
import runpy
from pathlib import Path

import pytest

import fastglm as fg

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_python_at_the_top_runs(tmp_path, monkeypatch, capsys):
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "carrier[T.UA]" in printed
    assert (tmp_path / "late.json").stat().st_size < 100_000
    first, second = re.findall(r"\n0 +(0\.\d+)\n", printed)
    assert first == second


def test_the_table_of_families_is_that_of_the_registry():
    script = runpy.run_path(str(ROOT / "scripts" / "families_table.py"))
    assert script["with_table"](README) == README


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


TABLE = "\n".join(line for line in section("Results").splitlines() if line.startswith("|"))


@pytest.mark.parametrize("name", re.findall(r"`(\w+)(?=`|\()", TABLE))
def test_every_result_named_exists(name):
    assert hasattr(fg.Results, name) or name in fg.Results.__dataclass_fields__


def test_the_changelog_ends_it_and_has_this_version():
    *_, last = README.split("\n## ")
    assert last.startswith("Changelog\n")
    assert f"### {fg.__version__}\n" in last
