import io
import re

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

import fastglm as fg
from fastglm.errors import ModelError, SeparationWarning
from fastglm.fit import progress
from fastglm.passes.pass_progress import PassSoFar
from fastglm.streamed import StreamedGLM


@pytest.fixture
def error(monkeypatch):
    """Standard error as a terminal of 200 columns."""
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=200, highlight=False)
    monkeypatch.setattr(progress, "standard_error", lambda: console)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    return text


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x = rng.normal(size=20_000)
    return pa.table({"x": x, "y": rng.poisson(np.exp(0.3 * x))})


def test_a_line_has_rows_a_second_and_the_slowest_work(error, table):
    source = fg.scan(table)
    quiet = fg.glm("y ~ x", source, "poisson", memory="3MB")
    before = error.getvalue()
    loud = fg.glm("y ~ x", source, "poisson", memory="3MB", progress=True)
    assert loud.estimates.tobytes() == quiet.estimates.tobytes()
    assert before == ""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", error.getvalue())
    assert f"pass {loud.n_passes}: 20,000 of 20,000 rows, " in text
    assert " a second, limited by " in text


def test_lines_are_written_where_nobody_watches(table, capsys):
    fit = fg.glm("y ~ x", fg.scan(table), "poisson", memory="3MB", progress="lines")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == fit.n_passes
    assert lines[0].startswith("pass 1: 20,000 of 20,000 rows, ")
    assert " a second, limited by " in lines[0]
    assert ": sweep 1, deviance " in lines[0]
    fg.GLM.from_formula("y ~ x", table, "poisson").fit(progress="lines")
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("sweep ") for line in lines)


@pytest.mark.parametrize("quiet", [True, False, None])
def test_nothing_is_written_where_nobody_watches(quiet, table, capsys):
    fg.glm("y ~ x", fg.scan(table), "poisson", progress=quiet)
    fg.glm("y ~ x", table, "poisson", progress=quiet)
    assert capsys.readouterr().err == ""


def test_numbers_of_a_pass():
    spent = {"decode": 1.0, "columns": 3.0, "sweep": 2.0}
    so_far = PassSoFar(2, 3_000_000, 9_000_000, 1.5, spent)
    assert so_far.rows_per_second == 2e6
    assert so_far.limit == "columns"
    assert so_far.text() == (
        "pass 2: 3,000,000 of 9,000,000 rows, 2,000,000 a second, limited by making columns"
    )
    assert PassSoFar(1, 1, 2, 1.0, dict.fromkeys(spent, 0.0)).text().endswith("1 a second")


def test_a_pass_ends_at_all_of_its_rows(table):
    told = []

    def watch(n_sweeps, deviance):
        pass

    watch.rows = told.append
    fit = fg.glm("y ~ x", fg.scan(table), "poisson", memory="3MB", progress=watch)
    by_pass = {k: [one.done for one in told if one.number == k] for k in range(1, 9)}
    assert [k for k, done in by_pass.items() if done] == list(range(1, fit.n_passes + 1))
    for done in by_pass.values():
        assert done == sorted(done)
        assert not done or done[-1] == 20_000


def test_timings_have_those_of_passes(table):
    model = StreamedGLM("y ~ x", fg.scan(table), "poisson", memory="3MB")
    first, second = model.fit().timings, model.fit().timings
    for timings in (first, second):
        assert {"decode", "columns", "sweep", "fit"} <= set(timings)
        assert all(seconds >= 0.0 for seconds in timings.values())
    # Not those of the fit before as well.
    total = model.rows.row_source(1).seconds
    for name in ("decode", "columns", "sweep"):
        np.testing.assert_allclose(first[name] + second[name], total[name])
    levels = pa.table({"g": ["a", "b", "c"] * 100, "y": [1, 2, 0] * 100})
    with pytest.warns(SeparationWarning):
        separated = fg.glm("y ~ g", fg.scan(levels), "poisson")
    assert {"decode", "columns", "sweep"} <= set(separated.timings)


@pytest.mark.parametrize("source", [True, False])
def test_other_words_are_refused(source, table):
    data = fg.scan(table) if source else table
    with pytest.raises(ModelError, match='progress must be True, "lines", a function'):
        fg.glm("y ~ x", data, "poisson", progress="yes")
