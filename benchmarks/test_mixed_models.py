"""The benchmark of mixed models: its problems are fitted, and absent peers are skipped."""

import numpy as np
import pytest

import fastglm as fg
from benchmarks import mixed_models


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_a_problem_is_fitted(family, monkeypatch):
    monkeypatch.setattr(mixed_models, "REPEATS", 1)
    data = mixed_models.simulate(600, 30, family, slope=True)
    seconds, value = mixed_models.ours(data, family)
    assert seconds > 0.0
    # Better than coefficients of zero without random effects.
    spread = np.var(data["y"])
    worst = 600 * (2 * np.log(2) if family == "binomial" else 1 + np.log(2 * np.pi * spread))
    assert value < worst
    assert mixed_models.glm(data, family) > 0.0


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_a_problem_of_several_factors_is_fitted(family, monkeypatch):
    monkeypatch.setattr(mixed_models, "REPEATS", 1)
    monkeypatch.setattr(mixed_models.shutil, "which", lambda name: None)
    monkeypatch.setattr(mixed_models.importlib.util, "find_spec", lambda name: None)
    problem = mixed_models.Factors(600, (30, 5), True, family)
    monkeypatch.setattr(mixed_models, "SEVERAL_FACTORS", {"small": problem})
    ours, glm, *peers = mixed_models.factor_rows("small")
    data = mixed_models.simulate_factors(problem)
    # Each level of the first factor lies in one of the second.
    assert len(np.unique(data["groups"], axis=0)) == 30
    alone = fg.GLM(data["y"], data["X"], family=family).fit().llf
    assert ours.criterion <= -2.0 * alone + 1e-6
    assert glm.criterion is None
    assert [peer.seconds for peer in peers] == [None, None]


def test_peers_that_are_absent_are_skipped(monkeypatch, capsys):
    monkeypatch.setattr(mixed_models.shutil, "which", lambda name: None)
    monkeypatch.setattr(mixed_models, "REPEATS", 1)
    problems = {"small": (400, 20, "binomial", False, True)}
    monkeypatch.setattr(mixed_models, "PROBLEMS", problems)
    monkeypatch.setattr(mixed_models, "SEVERAL_FACTORS", {})
    monkeypatch.setattr(mixed_models.sys, "argv", [""])
    mixed_models.main()
    lines = capsys.readouterr().out.splitlines()
    assert "small | glmmTMB | skipped: not installed, or too slow" in lines
    assert lines[1].startswith("small | fastglm | ")


def test_the_table_goes_between_its_marks(monkeypatch, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{mixed_models.BEGIN}\nold\n{mixed_models.END}\nafter\n")
    monkeypatch.setattr(mixed_models, "PAGE", page)
    rows = [
        mixed_models.Row("p", "fastglm", 0.5, 1.0, 2.0),
        mixed_models.Row("p", "R", *[None] * 3),
    ]
    monkeypatch.setattr(mixed_models, "KNOWN", {"p": None})
    monkeypatch.setattr(mixed_models, "PROBLEMS", {})
    monkeypatch.setattr(mixed_models, "SEVERAL_FACTORS", {})
    monkeypatch.setattr(mixed_models, "known_rows", lambda name: rows)
    monkeypatch.setattr(mixed_models.sys, "argv", ["", "--write"])
    mixed_models.main()
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "| p | fastglm | 0.5 | 1 | 2.000000 |" in text
    assert "old" not in text
    assert "| R |" not in text
