"""Penalised likelihood-ratio tests and intervals against plain maximisation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import fastglm as fg
from fastglm.errors import ConvergenceWarning, ModelError
from fastglm.inference.intervals import penalized
from fastglm.solve.bias_search import BiasSearch

DATA = Path(__file__).parents[2] / "data" / "reference"
FORMULA = "HG ~ NV + PI + EH"


@pytest.fixture(scope="module")
def endometrial() -> pd.DataFrame:
    return pd.read_csv(DATA / "v_firth_endometrial.data.csv.gz")


@pytest.mark.parametrize(("family", "link"), [("binomial", "logit"), ("poisson", "log")])
def test_tests_maximise_the_penalised_likelihood(family: str, link: str):
    generator = np.random.default_rng(4)
    x = np.column_stack([np.ones(30), generator.normal(size=(30, 2))])
    y = generator.integers(0, 2 if family == "binomial" else 5, 30).astype(float)
    results = fg.GLM(y, x, family=family, link=link).fit(bias_reduction="firth")

    def objective(beta: np.ndarray) -> float:
        mu = results.family.link.inverse(x @ beta)
        information = x.T @ (results.family.variance(mu)[:, None] * x)
        return -results.family.loglike(y, mu) - 0.5 * np.linalg.slogdet(information)[1]

    best = minimize(objective, np.zeros(3), options={"gtol": 1e-7})
    np.testing.assert_allclose(results.penalized_llf, -best.fun, rtol=1e-9)
    held = minimize(lambda b: objective(np.array([b[0], b[1], 0.0])), np.zeros(2))
    tests = results.penalized_tests()
    np.testing.assert_allclose(tests["chi2"][2], 2.0 * (held.fun - best.fun), rtol=1e-6)


def test_an_aliased_coefficient_has_no_test():
    generator = np.random.default_rng(5)
    x = generator.normal(size=40)
    design = np.column_stack([np.ones(40), x, 2.0 * x])
    y = generator.integers(0, 2, 40).astype(float)
    with pytest.warns(fg.errors.RankWarning):
        results = fg.GLM(y, design, "binomial").fit(bias_reduction="firth")
    alone = fg.GLM(y, design[:, :2], "binomial").fit(bias_reduction="firth")
    tests = results.penalized_tests()
    assert np.isnan(tests["chi2"][2])
    np.testing.assert_allclose(tests["chi2"][:2], alone.penalized_tests()["chi2"], rtol=1e-8)
    assert np.isnan(results.conf_int(method="profile")[2]).all()


@pytest.mark.parametrize(
    ("link", "options"), [("logit", {}), ("logit", {"bias_reduction": "median"}), ("probit", None)]
)
def test_other_fits_have_no_penalised_likelihood(
    endometrial: pd.DataFrame, link: str, options: dict | None
):
    chosen = {"bias_reduction": "firth"} if options is None else options
    formula = "HG ~ PI + EH"
    results = fg.glm(formula, endometrial, family="binomial", link=link, **chosen)
    with pytest.raises(ModelError, match="bias_reduction"):
        results.penalized_tests()
    if chosen:
        with pytest.raises(ModelError, match="bias_reduction"):
            results.conf_int(method="profile")


@pytest.mark.parametrize("kind", ["firth", "median"])
def test_a_bias_reduced_fit_is_not_compared_by_its_deviance(endometrial: pd.DataFrame, kind: str):
    results = fg.glm(FORMULA, endometrial, family="binomial", bias_reduction=kind)
    for compare in (results.anova, results.drop1):
        with pytest.raises(ModelError, match="bias_reduction"):
            compare()


# Six and more rows whose profile is found by plain maximisation: shared fault A7.
SIX = (
    np.column_stack([np.ones(6), [0.3, 0.8, 0.3, -1.3, 0.9, 0.4]]),
    np.array([1.0, 1, 1, 0, 1, 1]),
)


def penalised(family: str, X: np.ndarray, y: np.ndarray, offset: np.ndarray):
    """Minus the penalised log-likelihood as a function of coefficients, but for a constant."""

    def value(beta: np.ndarray) -> float:
        eta = X @ beta + offset
        if family == "binomial":
            fit = np.sum(y * eta - np.logaddexp(0.0, eta))
            weight = 0.5 / (1.0 + np.cosh(np.clip(eta, -300.0, 300.0)))
        else:
            fit, weight = np.sum(y * eta - np.exp(eta)), np.exp(eta)
        sign, determinant = np.linalg.slogdet(X.T @ (weight[:, None] * X))
        return -fit - 0.5 * determinant if sign > 0 else 1e10

    return value


def lowest(value, dimension: int, n_starts: int, rng: np.random.Generator) -> float:
    """The least of many searches."""
    best = np.inf
    for k in range(n_starts):
        start = rng.normal(size=dimension) * rng.choice([1.0, 4.0, 10.0]) * (k > 0)
        found = minimize(value, start, method="BFGS", options={"gtol": 1e-8})
        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000}
        best = min(best, minimize(value, found.x, method="Nelder-Mead", options=options).fun)
    return best


def test_the_profile_of_six_separated_rows():
    X, y = SIX
    fit = fg.GLM(y, X, family="binomial").fit(bias_reduction="firth")
    assert fit.converged
    limits = fit.conf_int(method="profile")
    # By plain maximisation over a grid of intercepts.
    np.testing.assert_allclose(limits[1], [-0.1944, 5.5580], atol=2e-4)


@pytest.mark.parametrize("seed", range(6))
def test_profiles_rise_by_the_quantile_over_the_highest_maxima(seed: int):
    rng = np.random.default_rng(seed)
    family, n = ["binomial", "poisson"][seed % 2], int(rng.integers(6, 20))
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    signal = 3.0 * X[:, 1] - 1.0
    y = (signal > 0.0).astype(float) if family == "binomial" else (signal > 2.0) * 2.0
    offset = rng.normal(size=n) * (4.0 if seed >= 4 else 0.0)
    fit = fg.GLM(y, X, family=family, offset=offset).fit(bias_reduction="firth")
    value = penalised(family, X, y, offset)
    bottom = lowest(value, 2, 12, rng)
    assert value(np.asarray(fit.params)) == pytest.approx(bottom, abs=1e-7)
    for column, (low, high) in enumerate(fit.conf_int(method="profile")):
        for end in (low, high):
            held = lowest(lambda b: value(np.insert(b, column, end)), 1, 12, rng)  # noqa: B023
            assert 2.0 * (held - bottom) == pytest.approx(3.841458820694124, abs=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_separated_fits_converge_within_the_default(seed: int):
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(5, 21)), int(rng.integers(2, 4))
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1)) * rng.choice([0.5, 1.0, 3.0])])
    signal = X @ rng.normal(size=p)
    y = (signal > np.median(signal)).astype(float)
    fit = fg.GLM(y, X, family="binomial").fit(bias_reduction="firth")
    assert fit.converged
    value = penalised("binomial", X, y, np.zeros(n))
    best = minimize(value, np.asarray(fit.params), method="Nelder-Mead", tol=1e-11)
    assert value(np.asarray(fit.params)) <= best.fun + 1e-9


def test_of_two_maxima_the_higher_is_found():
    # Offsets far apart: the penalty has a maximum of its own for each group of rows.
    X, y = np.ones((5, 1)), np.array([1.0, 1, 1, 0, 0])
    offset = np.array([9.0, 9, 9, -9, -9])
    for shift in (0.0, 4.0, -12.0):
        fit = fg.GLM(y, X, "binomial", offset=offset + shift).fit(bias_reduction="firth")
        value = penalised("binomial", X, y, offset + shift)
        grid = np.linspace(-30.0, 30.0, 6001)
        values = np.array([value(np.array([b])) for b in grid])
        dips = np.flatnonzero((values[1:-1] < values[:-2]) & (values[1:-1] < values[2:]))
        assert dips.size >= 2
        assert fit.params[0] == pytest.approx(grid[values.argmin()], abs=0.01)


def of_many_maxima(case: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Design, response and offset of 20 rows whose penalised likelihood has several maxima."""
    kind, _, seed = case.partition(" ")
    rng, n = np.random.default_rng(int(seed)), 20
    draw = rng.standard_cauchy if kind == "cauchy" else rng.normal
    if kind == "no-constant":
        X = rng.normal(size=(n, 3))
    else:
        X = np.column_stack([np.ones(n), draw(size=(n, 2))])
    offset = rng.normal(0.0, 5.0, n)
    y = (X[:, 1] > 0.0) if kind == "separated" else (rng.random(n) < 0.5)
    return X, y.astype(float), offset


@pytest.mark.parametrize("case", ["separated 14", "separated 37", "cauchy 72", "no-constant 35"])
def test_of_many_maxima_the_highest_is_found(case: str):
    # Searches from the likelihood's estimate end 0.01 to 7 lower, from starts around that estimate
    # alone 1.1 lower (separated 14), without multiples of it 0.01 (no-constant 35).
    X, y, offset = of_many_maxima(case)
    fit = fg.GLM(y, X, family="binomial", offset=offset).fit(bias_reduction="firth")
    assert fit.converged
    value = penalised("binomial", X, y, offset)
    assert fit.penalized_llf == pytest.approx(-value(np.asarray(fit.params)), abs=1e-9)
    rng = np.random.default_rng(1)
    found = min(minimize(value, rng.normal(0.0, 4.0, 3), method="BFGS").fun for _ in range(60))
    assert value(np.asarray(fit.params)) <= found + 1e-7


def test_no_interval_comes_from_a_profile_that_did_not_converge(monkeypatch):
    X, y = SIX
    fit = fg.GLM(y, X, family="binomial").fit(bias_reduction="firth")
    monkeypatch.setattr(penalized, "MAX_ITERATIONS", 1)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        limits = fit.conf_int(method="profile")
    assert np.isnan(limits).any()
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        assert np.isnan(fit.penalized_tests()["pvalue"]).any()


def test_few_rows_take_few_evaluations(monkeypatch):
    """20 rows in under 2 s on a quiet core, at a millisecond each."""
    rng = np.random.default_rng(20)
    X = np.column_stack([np.ones(20), rng.normal(size=(20, 2))])
    fit = fg.GLM((X[:, 1] > 0).astype(float), X, "binomial").fit(bias_reduction="firth")
    evaluate, calls = BiasSearch.evaluate, []

    def counted(search: BiasSearch, params: np.ndarray):
        calls.append(params)
        return evaluate(search, params)

    monkeypatch.setattr(BiasSearch, "evaluate", counted)
    fit.conf_int(method="profile")
    assert len(calls) < 1600
