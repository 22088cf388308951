"""Bias-reduced estimates against brglm2, plain adjusted scores and the penalised likelihood."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import polygamma, psi

from fastglm import GLM
from fastglm.errors import Status
from fastglm.families import resolve_family
from fastglm.solve.bias_problem import log_variance_slope
from fastglm.solve.bias_reduction import (
    BiasProblem,
    Reduced,
    reduce_bias,
)
from fastglm.solve.fit import SolverOptions

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
KINDS = {"firth": "AS_mean", "median": "AS_median"}

VARIANCE_SLOPES = {
    "gaussian": lambda mu: 0.0 * mu,
    "binomial": lambda mu: 1.0 - 2.0 * mu,
    "quasibinomial": lambda mu: 1.0 - 2.0 * mu,
    "poisson": np.ones_like,
    "quasipoisson": np.ones_like,
    "gamma": lambda mu: 2.0 * mu,
    "inverse_gaussian": lambda mu: 3.0 * mu**2,
    "negative_binomial": lambda mu: 1.0 + 2.0 * mu,
    "tweedie": lambda mu: 1.5 * mu**0.5,
}
CASES = [
    ("gaussian", "log"),
    ("gaussian", "inverse"),
    ("binomial", "logit"),
    ("binomial", "probit"),
    ("binomial", "cloglog"),
    ("binomial", "loglog"),
    ("binomial", "cauchit"),
    ("quasibinomial", "logit"),
    ("poisson", "log"),
    ("poisson", "sqrt"),
    ("quasipoisson", "log"),
    ("gamma", "log"),
    ("gamma", "inverse"),
    ("gamma", "identity"),
    ("inverse_gaussian", "log"),
    ("negative_binomial", "log"),
    ("tweedie", "log"),
]


def model_of(family: str, link: str, n: int = 40, **weights: np.ndarray) -> GLM:
    """A small model whose means are well inside the domain."""
    generator = np.random.default_rng(21)
    x = np.column_stack([np.ones(n), generator.uniform(size=n), generator.normal(size=n) * 0.3])
    if "binomial" in family and family != "negative_binomial":
        y = (generator.uniform(size=n) < 0.5).astype(float)
    else:
        mean = 1.0 + x[:, 1] + 0.2 * x[:, 2]
        y = generator.gamma(4.0, mean / 4.0) + 0.2
        if family in ("poisson", "quasipoisson", "negative_binomial"):
            y = np.round(4.0 * y)
    return GLM(y, x, family=family, link=link, **weights)


def reduced(model: GLM, kind: str, dispersion: float | None = None, **options: object) -> Reduced:
    problem = BiasProblem(model.rows, model.family, kind, dispersion)
    return reduce_bias(problem, SolverOptions(**options))


def plain_adjusted_score(model: GLM, beta: np.ndarray, dispersion: float, kind: str) -> np.ndarray:
    """The adjusted score of the coefficients, written out with a full hat matrix."""
    rows, family, link = model.rows, model.family, model.family.link
    x = rows.design.to_dense()
    weights = np.ones(len(x)) if rows.prior_weights is None else rows.prior_weights
    eta = x @ beta
    mu, d1, d2 = link.inverse(eta), link.inverse_deriv(eta), link.inverse_deriv2(eta)
    variance = family.variance(mu)
    w = weights * d1**2 / variance
    information = x.T @ (w[:, None] * x)
    inverse = np.linalg.inv(information)
    hat = w * np.einsum("ij,jk,ik->i", x, inverse, x)
    score = x.T @ (weights * (rows.response - mu) * d1 / variance) / dispersion
    score += x.T @ (0.5 * hat * d2 / d1)
    if kind == "median":
        slope = VARIANCE_SLOPES[family.name](mu)
        shift = np.empty(len(beta))
        for j, column in enumerate(inverse):
            hat_j = w * (x @ column) ** 2 / column[j]
            shift[j] = column @ (x.T @ (hat_j * (d1 * slope / (6 * variance) - 0.5 * d2 / d1)))
        score += information @ shift
    return score


def plain_dispersion_score(model: GLM, fit: Reduced, kind: str) -> float:
    """The adjusted score of a gamma dispersion."""
    rows, phi = model.rows, fit.dispersion
    w = np.ones(len(rows.response)) if rows.variance_weights is None else rows.variance_weights
    f = np.ones(len(w)) if rows.frequencies is None else rows.frequencies
    z = w / phi
    p = len(fit.solution.params)
    score = (fit.solution.deviance - np.sum(f * 2 * w * (np.log(z) - psi(z)))) / (2 * phi**2)
    s2 = np.sum(f * w**2 * 2 * (polygamma(1, z) - 1 / z))
    s3 = np.sum(f * w**3 * -2 * (polygamma(2, z) + 1 / z**2))
    if kind == "median":
        return score + p / (2 * phi) + s3 / (6 * phi**2 * s2)
    return score + (p - 2) / (2 * phi) + s3 / (2 * phi**2 * s2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("link", ["logit", "probit"])
def test_endometrial_equals_brglm2(kind: str, link: str):
    case = "v_firth_endometrial" + ("_probit" if link == "probit" else "")
    expected = json.loads((REFERENCE / f"{case}.json").read_text())["results"][KINDS[kind]]
    frame = pd.read_csv(REFERENCE / f"{case}.data.csv.gz")
    model = GLM.from_formula("HG ~ NV + PI + EH", frame, family="binomial", link=link)
    solution = reduced(model, kind).solution
    assert solution.status == Status.CONVERGED
    np.testing.assert_allclose(solution.params, expected["coef"], rtol=1e-9)
    np.testing.assert_allclose(
        np.sqrt(np.diag(solution.information_inverse)), expected["se"], rtol=1e-9
    )
    np.testing.assert_allclose(solution.deviance, expected["deviance"], rtol=1e-10)


def test_four_rows_with_a_known_answer():
    x = np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    model = GLM(np.array([0.0, 0.0, 1.0, 1.0]), x, family="binomial")
    np.testing.assert_allclose(reduced(model, "firth").solution.params, [0, 1.352564155], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("family", "link"), CASES)
@pytest.mark.parametrize("weighted", [False, True])
def test_adjusted_scores_vanish(family: str, link: str, kind: str, weighted: bool):
    generator = np.random.default_rng(22)
    weights = {}
    if weighted:
        weights = {
            "var_weights": generator.integers(1, 4, 40).astype(float),
            "freq_weights": generator.integers(0, 3, 40).astype(float),
        }
    model = model_of(family, link, **weights)
    fit = reduced(model, kind, max_iter=300)
    solution = fit.solution
    assert solution.status == Status.CONVERGED
    score = plain_adjusted_score(model, solution.params, fit.dispersion, kind)
    standard_errors = np.sqrt(fit.dispersion * np.diag(solution.information_inverse))
    assert np.abs(score * standard_errors).max() < 1e-9
    if family == "gamma":
        information = model.rows.nobs / (2.0 * fit.dispersion**2)
        assert abs(plain_dispersion_score(model, fit, kind)) < 1e-9 * information


@pytest.mark.parametrize(("kind", "lost"), [("firth", 0.0), ("median", 2.0 / 3.0)])
def test_normal_dispersion_has_a_closed_form(kind: str, lost: float):
    model = model_of("gaussian", "identity")
    fit = reduced(model, kind)
    x, y = model.rows.design.to_dense(), model.rows.response
    beta, (residual,), _, _ = np.linalg.lstsq(x, y, rcond=None)
    np.testing.assert_allclose(fit.solution.params, beta, rtol=1e-10)
    np.testing.assert_allclose(fit.dispersion, residual / (len(y) - 3 - lost), rtol=1e-12)


@pytest.mark.parametrize(("family", "link"), [("binomial", "logit"), ("poisson", "log")])
def test_canonical_links_maximise_the_likelihood_times_jeffreys_prior(family: str, link: str):
    model = model_of(family, link, n=25)
    x, y = model.rows.design.to_dense(), model.rows.response

    def objective(beta: np.ndarray) -> float:
        mu = model.family.link.inverse(x @ beta)
        information = x.T @ (model.family.variance(mu)[:, None] * x)
        return -model.family.loglike(y, mu) - 0.5 * np.linalg.slogdet(information)[1]

    fit = reduced(model, "firth")
    best = minimize(objective, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(fit.solution.params, best.x, atol=1e-5)
    mu = model.family.link.inverse(x @ fit.solution.params)
    penalised = model.family.loglike(y, mu) + fit.half_log_determinant
    np.testing.assert_allclose(penalised, -best.fun, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_frequencies_are_repeated_rows(kind: str):
    counts = np.arange(40) % 3
    once = reduced(model_of("gamma", "log", freq_weights=counts.astype(float)), kind)
    model = model_of("gamma", "log")
    x, y = model.rows.design.to_dense(), model.rows.response
    often = reduced(
        GLM(np.repeat(y, counts), np.repeat(x, counts, axis=0), "gamma", link="log"), kind
    )
    np.testing.assert_allclose(once.solution.params, often.solution.params, rtol=1e-9)
    np.testing.assert_allclose(once.dispersion, often.dispersion, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_trials_are_repeated_rows(kind: str):
    trials, successes = np.array([3.0, 5.0, 2.0, 4.0]), np.array([3.0, 2.0, 0.0, 4.0])
    x = np.column_stack([np.ones(4), [0.0, 1.0, 2.0, 3.5]])
    rows = np.repeat(np.arange(4), trials.astype(int))
    y = np.concatenate([np.arange(t) < s for t, s in zip(trials, successes, strict=True)])
    together = GLM(successes / trials, x, family="binomial", var_weights=trials)
    apart = GLM(y.astype(float), x[rows], family="binomial")
    np.testing.assert_allclose(
        reduced(together, kind).solution.params, reduced(apart, kind).solution.params, rtol=1e-9
    )


def test_a_fixed_coefficient_stays_and_the_others_meet_their_equations():
    model = model_of("binomial", "logit")
    fixed = np.array([False, True, False])
    start = np.array([0.0, 0.7, 0.0])
    problem = BiasProblem(model.rows, model.family)
    fit = reduce_bias(problem, SolverOptions(), start, fixed)
    assert fit.solution.params[1] == pytest.approx(0.7, abs=1e-14)
    score = plain_adjusted_score(model, fit.solution.params, 1.0, "firth")
    assert np.abs(score[~fixed]).max() < 1e-8
    assert abs(score[1]) > 1e-3


def test_an_aliased_column_is_left_out():
    model = model_of("poisson", "log")
    x = model.rows.design.to_dense()
    wider = GLM(model.rows.response, np.column_stack([x, x[:, 1] - x[:, 0]]), family="poisson")
    for kind in KINDS:
        fit = reduced(wider, kind).solution
        assert np.isnan(fit.params[3])
        assert np.isnan(fit.information_inverse[3]).all()
        np.testing.assert_allclose(fit.params[:3], reduced(model, kind).solution.params, rtol=1e-8)


def test_a_given_dispersion_is_used():
    model = model_of("gamma", "log")
    fit = reduced(model, "firth", dispersion=0.5)
    assert fit.dispersion == 0.5
    score = plain_adjusted_score(model, fit.solution.params, 0.5, "firth")
    assert np.abs(score).max() < 1e-8


def test_too_few_iterations_give_a_warning():
    fit = reduced(model_of("gamma", "log"), "firth", max_iter=2)
    assert fit.solution.status == Status.MAX_ITERATIONS
    assert fit.solution.n_iter == 2


def test_progress_has_sweeps_and_deviance():
    told = []
    fit = reduced(model_of("gamma", "log"), "firth", progress=lambda *values: told.append(values))
    assert len(told) == fit.solution.n_iter
    assert told[-1] == (fit.solution.n_sweeps, fit.solution.deviance)


def test_number_of_threads_changes_nothing():
    model = model_of("binomial", "probit", n=30_000)
    one, two = (reduced(model, "firth", n_threads=k).solution.params for k in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("family", VARIANCE_SLOPES)
def test_variance_slopes(family: str):
    probability = "binomial" in family and family != "negative_binomial"
    mu = np.array([1e-6, 0.01, 0.3, 0.9]) if probability else np.geomspace(1e-8, 1e6, 9)
    member = resolve_family(family)
    expected = VARIANCE_SLOPES[family](mu) / member.variance(mu)
    np.testing.assert_allclose(log_variance_slope(member, mu), expected, rtol=1e-11, atol=1e-12)


def test_variance_slope_next_to_a_probability_of_one():
    mu = np.array([1.0 - 1e-4, 1.0 - 1e-8, 1.0])
    slope = log_variance_slope(resolve_family("binomial"), mu)
    np.testing.assert_allclose(slope[:2] * (1.0 - mu[:2]), -1.0, rtol=2e-4)
    assert slope[2] == 0.0
