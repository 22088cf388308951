"""Standard errors of variance components: exact derivatives against differences."""

import numpy as np
import pytest

from fastglm.mixed.blocks import Term
from fastglm.mixed.covariances import structure_named
from fastglm.mixed.effects import _of_term

PARAMETERS = {
    "us": [1.3, -0.4, 0.2, 0.7, 0.3, 0.5],
    "diag": [0.8, 1.4, 0.3],
    "cs": [0.8, 1.4, 0.3, 0.4],
    "ar1": [0.9, -0.6],
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_derivatives_of_deviations_and_correlations(name):
    theta, sigma = np.array(PARAMETERS[name]), 1.7
    term = Term(("a", "b", "c"), 2, structure_named(name, 3))

    def values(x):
        root = x[-1] * term.structure.factor(x[:-1])
        covariance = root @ root.T
        sd = np.sqrt(np.diag(covariance))
        pairs = [] if name == "diag" else [(0, 1), (0, 2), (1, 2)]
        return np.array([*sd, *(covariance[i, j] / (sd[i] * sd[j]) for i, j in pairs)])

    found = _of_term(term, theta, (sigma, 1.0))
    x, step = np.append(theta, sigma), 1e-5
    np.testing.assert_allclose(found.values, values(x), rtol=1e-13)
    slopes = [(values(x + h) - values(x - h)) / (2 * step) for h in step * np.eye(x.size)]
    exact = np.column_stack([found.slopes, found.last])
    np.testing.assert_allclose(exact, np.column_stack(slopes), atol=1e-9)
