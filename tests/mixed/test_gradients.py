"""Gradients and Hessians against differences, for every family, structure and set of factors."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.design.matrix.arrays import design_from_array
from fastglm.families.derivatives import LikelihoodDerivatives
from fastglm.mixed.blocks import Block, Term
from fastglm.mixed.covariances import STRUCTURES, structure_named
from fastglm.mixed.curvature import coefficient_hessian
from fastglm.mixed.laplace import LaplaceProblem
from fastglm.mixed.layout import Layout
from fastglm.mixed.parameters import Parameters
from fastglm.mixed.scaling import FixedColumns

links = fg.families.links
N = 160

FAMILIES = {
    "binomial": (fg.families.Binomial(), lambda r: (r.random(N) < 0.5).astype(float)),
    "probit": (fg.families.Binomial(link=links.Probit()), lambda r: r.integers(0, 2, N) * 1.0),
    "cloglog": (fg.families.Binomial(link=links.CLogLog()), lambda r: r.integers(0, 2, N) * 1.0),
    "loglog": (fg.families.Binomial(link=links.LogLog()), lambda r: r.integers(0, 2, N) * 1.0),
    "cauchit": (fg.families.Binomial(link=links.Cauchy()), lambda r: r.integers(0, 2, N) * 1.0),
    "poisson": (fg.families.Poisson(), lambda r: r.poisson(2, N) * 1.0),
    "sqrt": (fg.families.Poisson(link=links.Sqrt()), lambda r: r.poisson(9, N) * 1.0),
    "gamma": (fg.families.Gamma(link=links.Log()), lambda r: r.gamma(2, 1, N)),
    "gamma inverse": (fg.families.Gamma(), lambda r: r.gamma(8, 0.05, N)),
    "inverse gaussian": (fg.families.InverseGaussian(link=links.Log()), lambda r: r.wald(1, 2, N)),
    "nb": (fg.families.NegativeBinomial(), lambda r: r.poisson(r.gamma(1.5, 1, N)) * 1.0),
    "gaussian log": (fg.families.Gaussian(link=links.Log()), lambda r: r.normal(2, 0.3, N)),
}
START = {"sqrt": 3.0, "gamma inverse": 2.5, "gaussian log": 0.7}


def block(name, codes, columns, structure="us"):
    k = columns.shape[1]
    levels, codes = np.unique(codes, return_inverse=True)
    term = Term(tuple(f"z{i}" for i in range(k)), 0, structure_named(structure, k))
    return Block(name, tuple(levels), codes.astype(np.int64), columns, (term,))


def layouts(rng):
    g, h = rng.integers(0, 12, N), rng.integers(0, 6, N)
    one, slope = np.ones((N, 1)), np.column_stack([np.ones(N), rng.normal(size=N)])
    return {
        "intercept": Layout([block("g", g, one)]),
        "slope": Layout([block("g", g, slope)]),
        "crossed": Layout([block("g", g, slope), block("h", h, one)]),
        "nested": Layout([block("gh", g * 7 + h, one), block("g", g, one)]),
    }


def problem_of(name, layout, rng, observed):
    family, draw = FAMILIES[name]
    extra = "parameter" if family.free_parameter else "none"
    extra = "dispersion" if family.n_dispersion_parameters else extra
    x = np.column_stack([np.ones(N), rng.normal(size=(N, 2))])
    fixed = FixedColumns.of(design_from_array(x), None, 1)
    return LaplaceProblem(
        layout, fixed, LikelihoodDerivatives(family), draw(rng)[layout.order], np.ones(N),
        np.zeros(N), observed, extra, lambda e: (0.0, 0.0), 1,
    )  # fmt: skip


def state_of(problem, x):
    m = problem.layout.n_theta
    return problem.at(Parameters(x[:3], x[3 : 3 + m], float(x[-1])))


@pytest.mark.parametrize("observed", [True, False])
@pytest.mark.parametrize("which", ["intercept", "slope", "crossed", "nested"])
@pytest.mark.parametrize("name", FAMILIES)
def test_gradient(name, which, observed):
    rng = np.random.default_rng(1)
    problem = problem_of(name, layouts(rng)[which], rng, observed)
    theta = 0.25 * problem.layout.start_theta() + 0.03
    x = np.concatenate([[START.get(name, 0.2), 0.1, -0.1], theta, [-0.3]])
    state = state_of(problem, x)
    extra = state.extra_gradient if problem.extra != "none" else 0.0
    gradient = np.concatenate([state.beta_gradient, state.theta_gradient, [extra]])
    steps = np.eye(x.size) * 2e-5
    numeric = [
        (state_of(problem, x + e).value - state_of(problem, x - e).value) / 4e-5 for e in steps
    ]
    np.testing.assert_allclose(gradient, numeric, atol=1e-7 * (np.abs(state.value) + 10.0))


@pytest.mark.parametrize("which", ["intercept", "slope"])
@pytest.mark.parametrize("name", FAMILIES)
def test_closed_hessian_of_the_coefficients(name, which):
    rng = np.random.default_rng(2)
    problem = problem_of(name, layouts(rng)[which], rng, True)
    theta = 0.25 * problem.layout.start_theta() + 0.03
    x = np.concatenate([[START.get(name, 0.2), 0.1, -0.1], theta, [-0.3]])
    hessian = coefficient_hessian(problem, state_of(problem, x)).hessian
    steps = np.eye(x.size)[:3] * 1e-5
    numeric = [
        (state_of(problem, x + e).beta_gradient - state_of(problem, x - e).beta_gradient) / 2e-5
        for e in steps
    ]
    np.testing.assert_allclose(hessian, numeric, atol=1e-6 * np.abs(hessian).max())


@pytest.mark.parametrize("name", STRUCTURES)
def test_derivatives_of_structures(name):
    structure = structure_named(name, 3)
    np.testing.assert_allclose(structure.factor(structure.start()), np.eye(3), atol=1e-12)
    theta = structure.start() + np.random.default_rng(3).uniform(0, 0.3, structure.n_theta)
    steps = np.eye(theta.size) * 1e-6
    numeric = [(structure.factor(theta + e) - structure.factor(theta - e)) / 2e-6 for e in steps]
    np.testing.assert_allclose(structure.jacobian(theta), numeric, atol=1e-8)
    turned = structure.canonical(-theta if name == "diag" else theta)
    again = structure.factor(turned) @ structure.factor(turned).T
    np.testing.assert_allclose(again, structure.factor(theta) @ structure.factor(theta).T)
    covariance = structure.factor(theta) @ structure.factor(theta).T
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    if name == "cs":
        off = correlation[np.triu_indices(3, 1)]
        np.testing.assert_allclose(off, off[0])
    if name == "ar1":
        np.testing.assert_allclose(sd, sd[0])
        assert correlation[0, 2] == pytest.approx(correlation[0, 1] ** 2)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ 0 + x + (1 | g)", "y ~ x + (x || g)"])
def test_linear_criterion_by_levels_is_that_of_any_factors(formula, reml):
    rng = np.random.default_rng(3)
    g, x = rng.integers(0, 15, N), rng.normal(size=N)
    data = {"y": x + rng.normal(size=15)[g] + rng.normal(size=N), "x": x, "g": g}
    problem = fg.mixed(formula, data, reml=reml, weights=rng.random(N) + 0.5).estimate.state.problem
    theta = 0.6 * problem.layout.start_theta() + 0.1
    value, gradient = problem.criterion(theta)
    state = problem.at(theta)
    assert value == pytest.approx(state.value, rel=1e-13)
    np.testing.assert_allclose(gradient, state.gradient, rtol=1e-10, atol=1e-10)
