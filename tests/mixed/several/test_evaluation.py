"""Evaluation of mixed models of several predictors, against SciPy's densities and quadrature."""

import numpy as np
import pandas as pd
import pytest
from mixed_several_cases import CASES, draw_frame
from scipy import stats
from scipy.special import expit

import fastglm as fg
from fastglm.errors import DataError, ModelError

SOME = ["beta", "ordinal", "zip", "hurdle nb"]


def fitted(case):
    data = draw_frame(case, q=12, n=240)
    options = CASES[case] | ({"ziformula": "~1"} if "ziformula" in CASES[case] else {})
    return fg.mixed("y ~ x + (1 | g)", data, **options), data.sample(100, random_state=2)


def likelihoods(case, fit, y, eta):
    """Of responses whose linear predictor with the random effects is `eta`."""
    population, y = fit.population, np.asarray(y)
    if case == "ordinal":
        below = expit(np.append(np.asarray(population.thresholds), np.inf)[:, None] - eta)
        upper, place = below[y, np.arange(y.size)], np.arange(y.size)
        return upper - np.where(y > 0, below[y - 1, place], 0.0)
    if case == "beta":
        mean = expit(eta)
        precision = np.exp(fit.params["precision-Intercept"])
        return stats.beta.pdf(y, mean * precision, (1.0 - mean) * precision)
    zero = expit(fit.params["zero-Intercept"])
    if case == "zip":
        return (1.0 - zero) * stats.poisson.pmf(y, np.exp(eta)) + zero * (y == 0)
    size = 1.0 / population.alpha
    counts = stats.nbinom(size, size / (size + np.exp(eta)))
    return np.where(y == 0, 1.0 - zero, zero * counts.pmf(y) / (1.0 - counts.pmf(0)))


@pytest.mark.parametrize("case", SOME)
def test_new_rows_at_every_level(case):
    fit, new = fitted(case)
    close = np.testing.assert_allclose
    eta = np.asarray(fit.predict(new, level="population", which="linear"))
    conditional = np.asarray(fit.predict(new, which="linear"))
    # A rule of its own, finer than that of the model.
    nodes = np.linspace(-9.0, 9.0, 2001)
    weights = stats.norm.pdf(nodes) * (nodes[1] - nodes[0])
    sd = fit.components[0].sd
    averaged = sum(
        w * likelihoods(case, fit, new.y, eta + sd * node)
        for node, w in zip(nodes, weights, strict=True)
    )
    expected = {
        "population": np.log(likelihoods(case, fit, new.y, eta)).sum(),
        "conditional": np.log(likelihoods(case, fit, new.y, conditional)).sum(),
        "marginal": np.log(averaged).sum(),
    }
    for level, value in expected.items():
        found = fit.evaluate(new, level=level)
        close(found.log_likelihood, value, rtol=1e-11)
        close(found.deviance, -2.0 * found.log_likelihood, rtol=1e-15)
        mean = np.atleast_2d(np.asarray(fit.predict(new, level=level)).T)
        close(found.outcomes["expected"], mean.mean(axis=1), rtol=1e-12)
    assert fit.evaluate(new).d2 > fit.evaluate(new, level="population").d2


@pytest.mark.parametrize("case", ["beta", "ordinal", "zip", "hurdle"])
def test_d2_is_against_constants_of_the_new_rows(case):
    fit, new = fitted(case)
    found, n = fit.evaluate(new), len(new)
    null = (
        {
            "ordinal": lambda: fg.OrderedModel.from_formula("y ~ 1", new),
            "beta": lambda: fg.BetaModel.from_formula("y ~ 1", new),
            "zip": lambda: fg.ZeroInflated.from_formula("y ~ 1", new, zeros="~1"),
            "hurdle": lambda: fg.Hurdle.from_formula("y ~ 1", new, zeros="~1"),
        }[case]()
        .fit()
        .llf
    )
    ratio = 1.0 - found.log_likelihood / null
    cox_snell = 1.0 - np.exp(2.0 * (null - found.log_likelihood) / n)
    assert found.d2 == pytest.approx(cox_snell if case == "beta" else ratio, rel=1e-8)


@pytest.mark.parametrize("case", SOME)
def test_the_rows_of_the_fit_and_a_loaded_fit(case, tmp_path):
    fit, new = fitted(case)
    data = draw_frame(case, q=12, n=240)
    pd.testing.assert_frame_equal(
        fit.evaluate().summary_frame(), fit.evaluate(data).summary_frame(), rtol=1e-12
    )
    with pytest.raises(ModelError, match="exposure= goes with new rows: give data too"):
        fit.evaluate(exposure=np.ones(240))
    fit.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json").evaluate(new)
    assert loaded.to_dict() == pytest.approx(fit.evaluate(new).to_dict(), rel=1e-12)


def test_levels_that_the_fit_has_not_seen_and_rows_without_one():
    fit, new = fitted("ordinal")
    other = new.assign(g=np.where(np.arange(len(new)) < 3, 99, new.g))
    with pytest.raises(DataError, match=r"has a level of .g. that the fit has not seen"):
        fit.evaluate(other)
    expected = fit.evaluate(new.iloc[3:]).to_dict()
    assert fit.evaluate(other, new_levels="nan").to_dict() == pytest.approx(expected)
    gaps = new.assign(g=np.where(np.arange(len(new)) < 3, np.nan, new.g))
    with pytest.raises(DataError, match="no value in 3 rows"):
        fit.evaluate(gaps)
    assert fit.evaluate(gaps, missing="drop").to_dict() == pytest.approx(expected)
