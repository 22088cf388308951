import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from statsmodels.miscmodels.ordinal_model import OrderedModel as Peer

import fastglm as fg
from fastglm.errors import DataError, ModelError, RankWarning

LINKS = ["logit", "probit", "cloglog", "loglog", "cauchit"]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_equals_r_by_formula(reference, matrix, link):
    case = reference(f"v_polr_housing_{link}")
    expected = case.results
    fit = fg.OrderedModel.from_formula(case.formula, case.frame, link, freq_weights="Freq").fit()
    assert fit.converged
    estimates = [*expected["coef"], *expected["thresholds"]]
    np.testing.assert_allclose(fit.params, estimates, rtol=0, atol=1e-8)
    np.testing.assert_allclose(
        fit.bse, [*expected["se_coef"], *expected["se_thresholds"]], rtol=1e-8
    )
    # R has the thresholds first.
    order = np.r_[2:8, 0:2]
    covariance = matrix(expected["vcov"])[np.ix_(order, order)]
    np.testing.assert_allclose(fit.cov_params(), covariance, rtol=1e-7, atol=1e-11)
    assert fit.llf == pytest.approx(expected["loglik"], rel=1e-12)
    assert fit.aic == pytest.approx(expected["aic"], rel=1e-12)
    assert list(fit.params.index[-2:]) == expected["threshold_names"]
    observed = case.frame["Sat"].cat.codes.to_numpy()
    probability = fit.predict(case.frame).to_numpy()[np.arange(len(observed)), observed]
    head = expected["fitted_prob_observed_head"]
    np.testing.assert_allclose(probability[: len(head)], head, rtol=1e-8)


def sample(n=500, p=2, link="logit", seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    noise = {"logit": rng.logistic, "probit": rng.normal}.get(link, rng.gumbel)(size=n)
    return np.digitize(X @ np.linspace(0.5, -0.5, p) + noise, [-1.0, 0.3, 1.5]), X


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_equals_statsmodels(link):
    y, X = sample(link=link)
    fit = fg.OrderedModel(y, X, link=link).fit()
    peer = Peer(y, X, distr=link).fit(method="newton", disp=0)
    np.testing.assert_allclose(fit.params[:2], peer.params[:2], rtol=1e-6)
    thresholds = peer.model.transform_threshold_params(peer.params)[1:-1]
    np.testing.assert_allclose(fit.thresholds, thresholds, rtol=1e-6)
    np.testing.assert_allclose(fit.bse[:2], peer.bse[:2], rtol=1e-3)
    assert fit.llf == pytest.approx(peer.llf, rel=1e-10)


@pytest.mark.parametrize("link", LINKS)
def test_solves_its_score_equations(link):
    y, X = sample()
    fit = fg.OrderedModel(y, X, link=link).fit()

    def log_likelihood(params):
        steps = np.concatenate([[-np.inf], params[2:], [np.inf]])
        inverse = {
            "logit": special.expit,
            "probit": special.ndtr,
            "cloglog": lambda z: -np.expm1(-np.exp(z)),
            "loglog": lambda z: np.exp(-np.exp(-z)),
            "cauchit": stats.cauchy.cdf,
        }[link]
        eta = X @ params[:2]
        with np.errstate(over="ignore"):
            return np.sum(np.log(inverse(steps[y + 1] - eta) - inverse(steps[y] - eta)))

    assert fit.llf == pytest.approx(log_likelihood(fit.params), rel=1e-12)
    h = 1e-4
    unit = np.eye(5) * h
    gradient = [
        (log_likelihood(fit.params + e) - log_likelihood(fit.params - e)) / (2 * h) for e in unit
    ]
    np.testing.assert_allclose(gradient, 0.0, atol=1e-4)
    hessian = [
        [
            (
                log_likelihood(fit.params + d + e)
                - log_likelihood(fit.params + d - e)
                - log_likelihood(fit.params - d + e)
                + log_likelihood(fit.params - d - e)
            )
            / (4 * h * h)
            for e in unit
        ]
        for d in unit
    ]
    np.testing.assert_allclose(np.linalg.inv(-np.array(hessian)), fit.cov_params(), rtol=1e-3)


def test_two_levels_are_logistic_regression():
    y, X = sample()
    fit = fg.OrderedModel(y > 1, X).fit()
    logistic = fg.GLM(
        (y > 1).astype(float), np.column_stack([np.ones(len(y)), X]), "binomial"
    ).fit()
    np.testing.assert_allclose(fit.params, [*logistic.params[1:], -logistic.params[0]], rtol=1e-7)
    np.testing.assert_allclose(fit.bse, [*logistic.bse[1:], logistic.bse[0]], rtol=1e-6)


def test_predictions_agree_with_each_other(tmp_path):
    y, X = sample()
    fit = fg.OrderedModel(np.array(list("abcd"))[y], X, link="probit", levels="abcd").fit()
    probability = fit.predict(X[:20])
    np.testing.assert_allclose(probability.sum(axis=1), 1.0)
    np.testing.assert_allclose(probability.cumsum(axis=1), fit.predict(X[:20], "cumulative"))
    best = np.array(list("abcd"))[probability.argmax(axis=1)]
    np.testing.assert_array_equal(fit.predict(X[:20], which="class"), best)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(X[:20]), probability)
    assert str(again.summary()) == str(fit.summary())
    assert "a|b" in str(fit.summary())


def test_the_null_model_fits_the_shares_of_the_levels():
    y, X = sample()
    counts = np.bincount(y)
    expected = counts @ np.log(counts / len(y))
    assert fg.OrderedModel(y, X).fit().llnull == pytest.approx(expected, rel=1e-12)


def plain_brant(y, X, levels):
    """Brant's test written out."""
    Z = np.column_stack([np.ones(len(y)), X])
    fits = [fg.GLM((y > j).astype(float), Z, "binomial").fit() for j in range(levels - 1)]
    means = [fit.fittedvalues for fit in fits]
    q = Z.shape[1]
    V = np.empty((levels - 1, levels - 1, q, q))
    for j in range(levels - 1):
        for k in range(levels - 1):
            # Who exceeds the higher level exceeds the lower one too.
            w = means[max(j, k)] - means[j] * means[k]
            middle = Z.T @ (w[:, None] * Z)
            inverse = [
                np.linalg.inv(Z.T @ ((m * (1 - m))[:, None] * Z)) for m in (means[j], means[k])
            ]
            V[j, k] = inverse[0] @ middle @ inverse[1]
    whole = V.transpose(0, 2, 1, 3).reshape((levels - 1) * q, -1)
    beta = np.concatenate([fit.params for fit in fits])
    D = np.zeros(((levels - 2) * (q - 1), (levels - 1) * q))
    row = 0
    for j in range(1, levels - 1):
        for k in range(1, q):
            D[row, k], D[row, j * q + k] = 1.0, -1.0
            row += 1
    difference = D @ beta
    return difference @ np.linalg.solve(D @ whole @ D.T, difference), row


def test_proportional_odds_equals_brants_test():
    y, X = sample(n=800)
    test = fg.OrderedModel(y, X).fit().proportional_odds_test()
    statistic, df = plain_brant(y, X, 4)
    assert test.statistic == pytest.approx(statistic, rel=1e-6)
    assert test.df == df
    assert test.pvalue == pytest.approx(stats.chi2.sf(statistic, df), rel=1e-6)


def test_proportional_odds_sees_a_coefficient_that_changes():
    rng = np.random.default_rng(1)
    x = rng.normal(size=2000)
    above_first = rng.random(2000) < special.expit(1.0 + 1.5 * x)
    above_second = above_first & (rng.random(2000) < 0.5)
    fit = fg.OrderedModel(above_first * 1 + above_second, x[:, None]).fit()
    assert fit.proportional_odds_test().pvalue < 1e-6
    with pytest.raises(ModelError, match="one threshold"):
        fg.OrderedModel(above_first, x[:, None]).fit().proportional_odds_test()


def test_a_constant_or_aliased_column():
    y, X = sample()
    with pytest.raises(DataError, match="column 2 of exog is constant"):
        fg.OrderedModel(y, np.column_stack([X, np.ones(len(y))])).fit()
    frame = pd.DataFrame({"y": y, "a": X[:, 0], "b": X[:, 1], "c": X[:, 0] - 2 * X[:, 1] + 3})
    with pytest.warns(RankWarning, match="c"):
        fit = fg.OrderedModel.from_formula("y ~ a + b + c", frame).fit()
    assert fit.aliased == ("c",)
    np.testing.assert_allclose(fit.params[:2], fg.OrderedModel(y, X).fit().params[:2], rtol=1e-6)


def test_the_link_must_be_one_of_a_distribution():
    y, X = sample()
    with pytest.raises(ModelError, match="logit, probit"):
        fg.OrderedModel(y, X, link="log")
