"""How often mixed models read the fixed columns, which is what rows cost beside their levels."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.mixed.generalized import search_of
from fastglm.passes.kernel_table import KernelTable

N, GROUPS = 1_200, 40


@pytest.fixture
def reads(monkeypatch):
    """Kernels that were run over all rows, one a read."""
    found = []
    launch = KernelTable.launch

    def counted(table, kernel, n_chunks, n_threads):
        found.append(kernel)
        launch(table, kernel, n_chunks, n_threads)

    monkeypatch.setattr(KernelTable, "launch", counted)
    return found


def rows(slope):
    rng = np.random.default_rng(4)
    x = np.column_stack([np.ones(N), rng.normal(size=(N, 4))])
    g = rng.integers(0, GROUPS, N)
    eta = x @ [0.2, 0.5, -0.3, 0.1, 0.0] + rng.normal(size=GROUPS)[g]
    eta += 0.5 * x[:, 1] * rng.normal(size=GROUPS)[g]
    return x, eta, rng, fg.Random(groups=g, Z=x[:, :2] if slope else None)


@pytest.mark.parametrize("slope", [False, True])
def test_linear_models_read_four_times(slope, reads):
    # And once more to look for missing values: no evaluation of the criterion reads rows.
    x, eta, rng, random = rows(slope)
    fit = fg.MixedGLM(eta + rng.normal(size=N), x, random=[random]).fit()
    fit.summary()
    assert fit.converged
    assert fit.n_evaluations > 4
    assert 2 <= len(reads) <= 4


@pytest.mark.parametrize("slope", [False, True])
def test_reads_of_a_generalized_model(slope, reads):
    x, eta, rng, random = rows(slope)
    y = (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    estimate = fg.MixedGLM(y, x, family="binomial", random=[random]).fit().estimate
    search = search_of(estimate)
    at = np.concatenate([estimate.beta, estimate.theta])
    reads.clear()
    search(at)
    # Predictors, and what residuals give coefficients.
    assert len(reads) == 2
    reads.clear()
    search.hessian(at, estimate.hessian)
    # By level, two products, and scores for every theta.
    assert len(reads) == 3 + estimate.theta.size
    reads.clear()
    search.theta_at(estimate.beta, 1.1 * estimate.theta, 0.0, 50)
    assert len(reads) == 1
