"""Steps among inequalities, against the conditions that make them the best."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from fastglm.solve.constrained_step import NoStepError, constrained_step


def program(seed: int, p: int = 4, m: int = 25, flat: int = 0):
    rng = np.random.default_rng(seed)
    sizes = np.ones(p)
    sizes[:flat] = 1e-5
    root = np.linalg.qr(rng.normal(size=(3 * p, p)) * sizes, mode="r")
    rows = rng.normal(size=(m, p))
    return root, rng.normal(size=p), rows, rng.uniform(0.0, 1.0, m) * (rng.random(m) < 0.7)


def assert_is_best(root, score, rows, room, step, tolerance: float = 1e-9) -> None:
    """Feasible, and the slope there a nonnegative combination of rows that are met."""
    assert (rows @ step - room).max() <= 1e-12
    slope = score - root.T @ (root @ step)
    met = rows[rows @ step - room > -1e-10]
    if not len(met):
        np.testing.assert_allclose(slope, 0.0, atol=tolerance)
        return
    _, left = optimize.nnls(met.T, slope)
    assert left <= tolerance * max(1.0, np.abs(score).max())


@pytest.mark.parametrize("flat", [0, 2])
@pytest.mark.parametrize("seed", range(12))
def test_steps_meet_the_conditions_of_an_optimum(seed: int, flat: int) -> None:
    root, score, rows, room = program(seed, flat=flat)
    step = constrained_step(root, score, rows, room)
    assert_is_best(root, score, rows, room, step)


@pytest.mark.parametrize("seed", range(6))
def test_rows_alike_and_dependent_ones_at_a_corner(seed: int) -> None:
    root, score, rows, _ = program(seed, p=3, m=6, flat=1)
    # Sums of rows meet where these do: more rows than coefficients are at their ends there.
    rows = np.vstack([rows, rows, rows[:1] + rows[1:2], rows[2:3] + rows[3:4]])
    room = np.zeros(len(rows))
    step = constrained_step(root, score, rows, room)
    assert_is_best(root, score, rows, room, step)


def test_a_step_without_inequalities_is_newtons() -> None:
    root, score, rows, _ = program(1)
    step = constrained_step(root, score, rows[:0], np.zeros(0))
    np.testing.assert_allclose(step, np.linalg.solve(root.T @ root, score), rtol=1e-10)


def test_a_way_back_inside_is_the_shortest() -> None:
    rows, room = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([-1e-12, 0.5])
    step = constrained_step(np.eye(2), np.zeros(2), rows, room)
    np.testing.assert_allclose(step, [-1e-12, 0.0], rtol=1e-12)


def test_inequalities_that_contradict_each_other_have_no_step() -> None:
    rows, room = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, -1.0])
    with pytest.raises(NoStepError):
        constrained_step(np.eye(2), np.ones(2), rows, room)
