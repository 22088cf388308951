"""The criterion against integrals by brute force, and its gradient against differences."""

import numpy as np
import pytest
from mixed_several_cases import CASES, draw_frame, log_density

import fastglm as fg
from fastglm.mixed.layout import Layout
from fastglm.mixed.search import Search
from fastglm.mixed.several.problem import problem_of


def integrated(case, fit, frame):
    """-2 log-likelihood by 4,001 points over each level's effect."""
    t = np.linspace(-12.0, 12.0, 4001)
    sd, params, total = float(abs(fit.theta[0])), fit.params, 0.0
    fixed = params.get("Intercept", 0.0) + params["x"] * frame["x"].to_numpy()
    for level in np.unique(frame["g"]):
        own = (frame["g"] == level).to_numpy()
        with np.errstate(all="ignore"):
            log = log_density(case, fit, fixed[own, None] + sd * t, frame[own]).sum(axis=0)
        # Far out a mean is 0 or 1 to rounding, where SciPy has no density.
        log = np.where(np.isnan(log), -np.inf, log) - 0.5 * t**2
        top = log.max()
        total += top + np.log(np.exp(log - top).sum() * (t[1] - t[0]) / np.sqrt(2.0 * np.pi))
    return -2.0 * total


@pytest.mark.parametrize("case", CASES)
def test_many_nodes_are_the_integral(case):
    frame = draw_frame(case, q=12, n=150)
    fit = fg.mixed("y ~ x + (1 | g)", frame, nagq=31, **CASES[case])
    assert fit.converged
    assert fit.gradient < 1e-6
    assert fit.criterion == pytest.approx(integrated(case, fit, frame), abs=1e-7)
    laplace = fg.mixed("y ~ x + (1 | g)", frame, **CASES[case])
    assert laplace.converged
    assert laplace.gradient < 1e-6
    assert laplace.criterion == pytest.approx(fit.criterion, abs=0.5)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    ("terms", "nagq"), [("(1 + x | g)", 1), ("(1 + x | g) + (1 | h)", 1), ("(1 + x | g)", 3)]
)
def test_gradient(case, terms, nagq):
    model = fg.MixedGLM.from_formula(
        f"y ~ x + {terms}", draw_frame(case, q=12, n=150), **CASES[case]
    )
    response, rows = model.family, model.mixed_rows
    without = response.without_effects(rows.fixed)
    problem = problem_of(without, response, Layout(rows.blocks), nagq, 1)
    search = Search(problem, np.zeros(problem.layout.n_theta, dtype=bool))
    params = without.fit(separation="ignore").estimates
    rng, m = np.random.default_rng(1), search.p + search.held.size
    beta = np.linalg.solve(problem.fixed.from_standardized, params)
    x = np.concatenate([beta, 0.6 * problem.layout.start_theta()]) + 0.05 * rng.normal(size=m)
    value, gradient = search(x)
    assert np.isfinite(value)
    for i in range(m):
        step = 1e-3 * np.eye(m)[i]
        ahead = [search(x + c * step)[0] for c in (1.0, -1.0, 2.0, -2.0)]
        slope = (8.0 * (ahead[0] - ahead[1]) - (ahead[2] - ahead[3])) / 12e-3
        assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=2e-6)
