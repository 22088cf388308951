import numpy as np
import pytest
import statsmodels.api as sm
from scipy import special

import fastglm as fg
from fastglm.design.matrix.arrays import design_from_array
from fastglm.errors import BoundaryWarning, DataError, ModelError
from fastglm.fit.free_parameters.alpha import nb_alpha_sums
from fastglm.passes.row_table import build_row_table
from fastglm.passes.source import MemoryRows

CASES = [("v_nb_quine", "log"), ("v_nb_sqrt_quine", "sqrt"), ("v_nb_biochem", "log")]


@pytest.mark.parametrize(("name", "link"), CASES)
def test_equals_glm_nb(reference, matrix, name, link):
    case = reference(name)
    expected = case.results
    fit = fg.glm(case.formula, case.frame, family="negative_binomial", link=link)
    assert fit.converged
    assert fit.theta == pytest.approx(expected["theta"], rel=1e-7)
    assert fit.theta_se == pytest.approx(expected["theta_se"], rel=1e-7)
    assert fit.alpha == pytest.approx(1 / expected["theta"], rel=1e-7)
    assert fit.family.alpha == fit.alpha
    se = np.array(expected["se"])
    np.testing.assert_allclose(fit.params, expected["coef"], rtol=0, atol=1e-6 * se.min())
    np.testing.assert_allclose(fit.bse, se, rtol=1e-7)
    np.testing.assert_allclose(fit.cov_params(), matrix(expected["vcov"]), rtol=1e-6, atol=1e-9)
    assert fit.llf == pytest.approx(expected["loglik"], rel=1e-12)
    assert fit.aic == pytest.approx(expected["aic"], rel=1e-12)
    assert fit.bic == pytest.approx(expected["bic"], rel=1e-12)
    assert fit.deviance == pytest.approx(expected["deviance"], rel=1e-7)
    assert fit.null_deviance == pytest.approx(expected["null_deviance_same_theta"], rel=1e-7)
    assert fit.pearson_chi2 == pytest.approx(expected["pearson_chi2"], rel=1e-7)


def counts(n=400, alpha=0.6, seed=3):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    mean = np.exp(X @ [0.8, 0.4])
    return rng.poisson(mean * rng.gamma(1 / alpha, alpha, n)) if alpha else rng.poisson(mean), X


def test_equals_statsmodels_with_an_offset():
    y, X = counts()
    offset = np.linspace(-0.5, 0.5, len(y))
    fit = fg.GLM(y, X, family=fg.families.NegativeBinomial(), offset=offset).fit()
    peer = sm.NegativeBinomial(y, X, offset=offset).fit(disp=0, method="newton", tol=1e-12)
    np.testing.assert_allclose([*fit.params, fit.alpha], peer.params, rtol=1e-6)
    assert fit.llf == pytest.approx(peer.llf, rel=1e-10)


def test_frequency_weights_are_repeated_rows():
    y, X = counts(100)
    times = np.arange(100) % 3
    weighted = fg.GLM(y, X, family="nb", freq_weights=times).fit()
    repeated = fg.GLM(np.repeat(y, times), np.repeat(X, times, axis=0), family="nb").fit()
    assert weighted.alpha == pytest.approx(repeated.alpha, rel=1e-7)
    assert weighted.alpha_se == pytest.approx(repeated.alpha_se, rel=1e-6)
    assert weighted.llf == pytest.approx(repeated.llf, rel=1e-10)
    np.testing.assert_allclose(weighted.bse, repeated.bse, rtol=1e-6)


def test_counts_that_vary_less_than_poisson_counts_give_a_warning():
    y = np.tile([2, 3, 3, 4], 20)
    X = np.ones((80, 1))
    with pytest.warns(BoundaryWarning, match="alpha is 0"):
        fit = fg.GLM(y, X, family="negative_binomial").fit()
    poisson = fg.GLM(y, X, family="poisson").fit()
    assert fit.alpha == 0.0
    assert np.isnan(fit.alpha_se)
    assert fit.theta == np.inf
    assert fit.llf == poisson.llf
    assert fit.deviance == poisson.deviance


def test_given_alpha_is_kept():
    y, X = counts()
    fit = fg.GLM(y, X, family=fg.families.NegativeBinomial(alpha=0.5)).fit()
    assert fit.alpha == 0.5
    assert np.isnan(fit.alpha_se)


def test_what_is_no_count_is_named():
    y, X = counts(20)
    y = y.astype(float)
    y[7] = 1.5
    with pytest.raises(DataError, match=r"1\.5 in row 7"):
        fg.GLM(y, X, family="negative_binomial").fit()


def test_alpha_belongs_to_the_negative_binomial():
    y, X = counts(20)
    with pytest.raises(ModelError, match="alpha_se belongs to"):
        _ = fg.GLM(y, X, family="poisson").fit().alpha_se


def test_survives_saving_and_shows_in_the_summary(tmp_path):
    y, X = counts(100)
    fit = fg.GLM(y, X, family="negative_binomial").fit()
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.family == fit.family
    assert again.alpha_se == fit.alpha_se
    assert again.aic == fit.aic
    assert f"alpha = {fit.alpha:.6g}" in str(again.summary())


@pytest.mark.parametrize("alpha", [0.0, 1e-9, 1e-4, 1.2e-4, 0.3, 5.0])
def test_derivatives_in_alpha_equal_integrals(alpha):
    rng = np.random.default_rng(0)
    mu, w = rng.uniform(0.1, 9.0, 50), rng.uniform(0, 2, 50)
    y = rng.poisson(mu).astype(float)
    # log(1 + alpha mu) / alpha is the integral of 1 / (1 + alpha t) over t from 0 to mu.
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t = mu[:, None] * (nodes + 1) / 2
    dt = mu[:, None] * weights / 2
    rising = 1 + alpha * mu
    first = (t / (1 + alpha * t) ** 2 * dt).sum(1) - y * mu / rising
    second = (-2 * t**2 / (1 + alpha * t) ** 3 * dt).sum(1) + y * (mu / rising) ** 2
    expected = w @ first, w @ second, w @ ((y - mu) ** 2 - mu), w @ mu**2
    row_table = build_row_table(design_from_array(mu[:, None]), y, w)
    family = fg.families.NegativeBinomial("identity").with_estimate(alpha)
    sums = nb_alpha_sums(MemoryRows(row_table), family, np.ones(1), False, 1)
    np.testing.assert_allclose(sums, expected, rtol=1e-10)


def scores(fit, y, X):
    """Scores in the coefficients and in alpha, by the textbook, each over its standard error."""
    mean, size = np.exp(X @ fit.params), 1 / fit.alpha
    of_params = X.T @ ((y - mean) / (1 + fit.alpha * mean))
    by_size = special.digamma(y + size) - special.digamma(size) + np.log(size / (size + mean))
    by_size += (mean - y) / (size + mean)
    return of_params * fit.bse, by_size.sum() * size**2 * fit.alpha_se


@pytest.mark.parametrize("n", [20_000, 200_000])
def test_many_rows_that_begin_with_a_sample_reach_the_maximum(n):
    y, X = counts(n, alpha=0.3)
    fit = fg.GLM(y, X, family="negative_binomial").fit()
    of_params, of_alpha = scores(fit, y, X)
    assert fit.converged
    assert np.abs(of_params).max() < 1e-7
    assert abs(of_alpha) < 1e-4


def test_a_sample_that_misleads_is_left_behind():
    # The rows that a sample may take are Poisson with a mean of their own.
    y, X = counts(20_000, alpha=0.5)
    y[::2] = np.random.default_rng(1).poisson(3.0, 10_000)
    y[::3] = np.where(np.arange(len(y[::3])) % 2, 40, 0)
    fit = fg.GLM(y, X, family="negative_binomial").fit()
    of_params, of_alpha = scores(fit, y, X)
    assert np.abs(of_params).max() < 1e-7
    assert abs(of_alpha) < 1e-4


@pytest.mark.parametrize("n_positive", [5, 60])
def test_few_counts_among_many_zeros(n_positive):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(100_000), rng.normal(size=100_000)])
    y = np.zeros(100_000)
    y[rng.choice(100_000, n_positive, replace=False)] = 1 + rng.poisson(1.0, n_positive)
    fit = fg.GLM(y, X, family="negative_binomial").fit()
    of_params, of_alpha = scores(fit, y, X)
    assert fit.converged
    assert np.abs(of_params).max() < 1e-6
    assert abs(of_alpha) < 1e-4
