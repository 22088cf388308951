"""Quasi-Newton steps: the update of the inverse Hessian is the textbook's."""

import numpy as np
import pytest

from fastglm.mixed.optimum import update_inverse


@pytest.mark.parametrize("scaled", [True, False])
def test_update_of_the_inverse_hessian(scaled):
    # Nocedal & Wright, equations 6.17 and 6.20.
    rng = np.random.default_rng(0)
    root, moved = rng.normal(size=(4, 4)), rng.normal(size=4)
    inverse = root @ root.T + np.eye(4)
    change = np.diag([1.0, 2.0, 0.5, 3.0]) @ moved
    rho, identity = 1.0 / (moved @ change), np.eye(4)
    size = 1.0 if scaled else 1.0 / (rho * (change @ inverse @ change))
    left = identity - rho * np.outer(moved, change)
    wanted = left @ (size * inverse) @ left.T + rho * np.outer(moved, moved)
    assert update_inverse(inverse, moved, change, scaled)
    np.testing.assert_allclose(inverse, wanted, rtol=1e-12)
    np.testing.assert_allclose(inverse @ change, moved, rtol=1e-12)


def test_a_step_without_curvature_changes_nothing():
    inverse = np.eye(2)
    assert not update_inverse(inverse, np.array([1.0, 0.0]), np.array([-1.0, 0.5]), True)
    np.testing.assert_array_equal(inverse, np.eye(2))
