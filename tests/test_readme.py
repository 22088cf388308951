"""The README shows what is true: its Python runs, its tables are those of the code."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import fastglm as fg

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Whoever runs the snippets one after the other: what was printed, the names, the folder."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    folder = tmp_path_factory.mktemp("reader")
    scope, printed = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setitem(scope, "print", lambda *values: printed.append(" ".join(map(str, values))))
        for snippet in SNIPPETS:
            exec(compile(snippet, "README.md", "exec"), scope)
        yield scope, "\n".join(printed), folder
    matplotlib.pyplot.close("all")


def test_the_python_at_the_top_saves_and_loads(reader):
    _, printed, folder = reader
    assert "carrier[T.UA]" in printed
    assert (folder / "late.json").stat().st_size < 100_000
    first, second = re.findall(r"^0 +(0\.\d+)$", printed, re.MULTILINE)
    assert first == second


def test_the_family_and_link_of_the_user_are_what_they_say(reader):
    scope = reader[0]
    own, policies = scope["own"], scope["policies"]
    cubic = fg.families.Quasi(link="log", variance=lambda mu: mu + 0.5 * mu**3, domain=(0, np.inf))
    built_in = fg.glm("claims ~ age + region", policies, family=cubic)
    np.testing.assert_allclose(own.params, built_in.params / np.log(2.0), rtol=1e-6)
    np.testing.assert_allclose(own.bse, built_in.bse / np.log(2.0), rtol=1e-6)


def test_the_report_is_written(reader):
    assert "</html>" in (reader[2] / "report.html").read_text()


def test_the_tables_are_those_of_the_code():
    script = runpy.run_path(str(ROOT / "scripts" / "readme_tables.py"))
    assert script["with_tables"](README) == README


def section(title):
    return re.split(rf"\n##+ {title}\n", README)[1].split("\n#")[0]


def rows(text):
    return [line for line in text.splitlines() if line.startswith("|")]


TABLE = "\n".join(rows(section("Results")))


@pytest.mark.parametrize("name", re.findall(r"`(\w+)(?=`|\()", TABLE))
def test_every_result_named_exists(name):
    assert hasattr(fg.Results, name) or name in fg.Results.__dataclass_fields__


def test_every_response_model_has_its_row():
    named, shown = set(), rows(section("Other responses"))[2:]
    for row in shown:
        first, _, second, predictions = row.strip("|").split("|")
        for name in re.findall(r"`(\w+)`", first):
            model = getattr(fg, name)
            which = {*model.results_class.predictions, "linear"}
            assert set(re.findall(r"`([\w-]+)`", predictions)) <= which
            for argument in re.findall(r"`(\w+)`", second):
                assert argument in model.from_formula.__annotations__
            named.add(name)
    assert named == set(fg.responses.MODELS)


def test_every_exception_and_warning_is_told():
    named = set(re.findall(r"`(\w+(?:Error|Warning))`", section("Bad input")))
    own = {name for name in fg.errors.__all__ if name.endswith(("Error", "Warning"))}
    assert named - {"ValueError", "KeyError", "TypeError", "AttributeError", "ImportError"} == own


def test_every_picture_is_told():
    pictures = section("Pictures and report")
    for name in fg.plots.__all__:
        assert f"`{name}`" in pictures or name == "panels"


def test_the_changelog_ends_it_and_has_this_version():
    *_, last = README.split("\n## ")
    assert last.startswith("Changelog\n")
    assert f"### {fg.__version__}\n" in last
