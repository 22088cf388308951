"""The benchmark of mixed models: its problems are fitted, and absent peers are skipped."""

import numpy as np
import pytest

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


def test_peers_that_are_absent_are_skipped(monkeypatch, capsys):
    monkeypatch.setattr(mixed_models.shutil, "which", lambda name: None)
    monkeypatch.setattr(mixed_models, "REPEATS", 1)
    problems = {"small": (400, 20, "binomial", False, True)}
    monkeypatch.setattr(mixed_models, "PROBLEMS", problems)
    mixed_models.main()
    lines = capsys.readouterr().out.splitlines()
    assert "small | glmmTMB | skipped: not installed" in lines
    assert lines[1].startswith("small | fastglm | ")
