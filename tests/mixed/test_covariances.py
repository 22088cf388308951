"""Structures of covariances of random effects answer for themselves."""

import numpy as np
import pytest

from fastglm.mixed.covariances import structure_named


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("name", ["us", "diag"])
def test_linear_structures_have_their_parameters_in_the_factor(name, k):
    structure = structure_named(name, k)
    theta = np.random.default_rng(k).normal(size=structure.n_theta)
    factor = structure.factor(theta)
    assert structure.is_linear
    np.testing.assert_array_equal(structure.from_factor(factor), theta)
    # lme4's order: column by column.
    lower = factor.T[np.triu_indices(k)] if name == "us" else np.diag(factor)
    np.testing.assert_array_equal(theta, lower)
    assert structure.is_correlated == (name == "us")
