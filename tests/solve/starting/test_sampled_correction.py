"""What a few chunks of rows tell of all: it saves a sweep and no digits, or the sweep is made."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.solve import fit as solver
from fastglm.solve.newton import state as at
from fastglm.solve.starting import sampled_correction as sampled_correction
from fastglm.solve.starting import subsample as subsample

ROWS, COLUMNS = 600_000, 10

MEANS = {
    "binomial": lambda eta: 1.0 / (1.0 + np.exp(-eta)),
    "poisson": np.exp,
    "gamma": np.exp,
}


def design(generator):
    X = generator.standard_normal((ROWS, COLUMNS))
    X[:, 0] = 1.0
    return X


def draw(family, X, generator, strength=0.2):
    mean = MEANS[family](X @ (strength * generator.standard_normal(COLUMNS) / np.sqrt(COLUMNS)))
    if family == "binomial":
        return (generator.random(ROWS) < mean).astype(float)
    if family == "poisson":
        return generator.poisson(mean).astype(float)
    return generator.gamma(2.0, mean / 2.0)


def scoring(family, y, X, weights, start):
    """Estimates, standard errors and Pearson's statistic in NumPy, from close by."""
    beta = start
    for _ in range(6):
        mean = MEANS[family](X @ beta)
        variance = {"binomial": mean * (1.0 - mean), "poisson": mean, "gamma": mean**2}[family]
        slope = mean if family != "binomial" else variance
        information = (X.T * (weights * slope**2 / variance)) @ X
        beta = beta + np.linalg.solve(information, X.T @ (weights * (y - mean) * slope / variance))
    pearson = (weights * (y - mean) ** 2 / variance).sum()
    return beta, np.sqrt(np.diag(np.linalg.inv(information))), pearson


@pytest.fixture
def told(monkeypatch):
    """What settling returned, for each run that came so far; None where it had nothing to do."""
    returned = []
    finalize = sampled_correction.finalize_information

    def spy(run, options):
        before = run.partials[0].copy()
        answer = finalize(run, options)
        is_changed = not np.array_equal(before, run.partials[0])
        returned.append(answer if is_changed or not answer else None)
        return answer

    monkeypatch.setattr(solver, "finalize_information", spy)
    return returned


@pytest.mark.parametrize(("family", "n_sweeps"), [("binomial", 2), ("poisson", 2), ("gamma", 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_sweep_is_saved_and_no_digits(told, family, n_sweeps, weighted):
    generator = np.random.default_rng(10)
    X = design(generator)
    y = draw(family, X, generator)
    weights = generator.uniform(0.5, 1.5, ROWS) if weighted else np.ones(ROWS)
    link = {"link": "log"} if family == "gamma" else {}
    fit = fg.GLM(y, X, family, var_weights=weights if weighted else None, **link).fit()
    beta, errors, pearson = scoring(family, y, X, weights, np.asarray(fit.params))
    assert fit.converged
    assert (fit.n_sweeps, told) == (n_sweeps, [True])
    scale = pearson / (ROWS - COLUMNS) if family == "gamma" else 1.0
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, errors * np.sqrt(scale), rtol=5e-8)
    np.testing.assert_allclose(fit.scale, scale, rtol=1e-7)


def uncorrected(run, start, options):
    """In the place of `sampled_gradient_correction`: the step as it was."""
    run.vectors[at.COEFFICIENTS] = run.vectors[at.TRIAL]
    return True


def test_finalized_information_follows_the_last_step(monkeypatch):
    # A fit that may stop far from settled: what its chunks tell makes most of the difference.
    generator = np.random.default_rng(11)
    X = design(generator)
    y = draw("poisson", X, generator)
    model = fg.GLM(y, X, "poisson")
    exact = np.asarray(model.fit().bse)

    monkeypatch.setattr(subsample, "sampled_gradient_correction", uncorrected)
    monkeypatch.setattr(sampled_correction, "STANDARD_ERROR_SLACK", 1e-6)
    far = {}
    for share in (0.0, 1e9):
        monkeypatch.setattr(sampled_correction, "ERROR_SHARE", share)
        far[share] = model.fit(tol=1e-5)
    monkeypatch.setattr(solver, "finalize_information", lambda run, options: True)
    remaining_change = model.fit(tol=1e-5)
    assert far[0.0].n_sweeps > far[1e9].n_sweeps == remaining_change.n_sweeps
    errors = [np.abs(fit.bse / exact - 1.0).max() for fit in (far[0.0], far[1e9], remaining_change)]
    assert errors[0] < 1e-8
    assert errors[1] < 0.3 * errors[2]


def test_the_corrected_step_leaves_little(monkeypatch):
    generator = np.random.default_rng(12)
    X = design(generator)
    y = draw("binomial", X, generator)
    decrements = []
    resume = subsample.Run.resume_double

    def spy(self, float32_gram):
        resume(self, float32_gram)
        self.sweep_and_step(1)
        decrements.append(self.state[at.DECREMENT])
        resume(self, float32_gram)

    monkeypatch.setattr(subsample.Run, "resume_double", spy)
    fg.GLM(y, X, "binomial").fit()
    monkeypatch.setattr(subsample, "sampled_gradient_correction", uncorrected)
    fg.GLM(y, X, "binomial").fit()
    assert decrements[0] < 0.05 * decrements[1]


@pytest.mark.parametrize("where", [slice(-400, None), slice(0, None, 5_000)])
def test_corrections_by_few_chunks_cost_no_digits(where):
    # Rows that none of the chunks has, or hardly any.
    generator = np.random.default_rng(13)
    X = design(generator)
    X[:, 5] = 0.0
    X[where, 5] = 1.0
    y = draw("binomial", X, generator, strength=1.5)
    fit = fg.GLM(y, X, "binomial").fit()
    beta, errors, _ = scoring("binomial", y, X, 1.0, np.asarray(fit.params))
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, errors, rtol=5e-8)


def test_rows_in_order_of_their_means():
    generator = np.random.default_rng(14)
    X = design(generator)
    y = draw("poisson", X, generator, strength=1.0)
    order = np.argsort(X @ np.linalg.lstsq(X, np.log(y + 0.5), rcond=None)[0])
    X, y = X[order], y[order]
    fit = fg.GLM(y, X, "poisson").fit()
    beta, errors, _ = scoring("poisson", y, X, 1.0, np.asarray(fit.params))
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-6)
    np.testing.assert_allclose(fit.bse, errors, rtol=5e-8)


def test_rounding_alike_in_many_rows_is_taken_back(monkeypatch):
    # Few values, each rounded in the same way in all of its rows, and weights of few values.
    generator = np.random.default_rng(15)
    X = design(generator)
    X[:, 1:] = generator.choice([0.1, 0.7], (ROWS, COLUMNS - 1))
    y = generator.gamma(2.0, 0.7, ROWS)
    weights = np.full(ROWS, 0.3)
    model = fg.GLM(y, X, "gamma", link="log", var_weights=weights)
    gram = (X.T * weights) @ X
    size = np.sqrt(np.diag(np.linalg.inv(gram)))

    def errors(fit):
        return np.abs(fit.bse / np.sqrt(fit.scale) / size - 1.0).max()

    finalized = errors(model.fit())
    monkeypatch.setattr(solver, "finalize_information", lambda run, options: True)
    remaining_change = errors(model.fit())
    assert finalized < 5e-9
    assert finalized < 0.4 * remaining_change < 2e-8
