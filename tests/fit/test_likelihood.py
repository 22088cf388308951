import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fastglm as fg
from fastglm.fit import likelihood

COUNTS = pd.DataFrame(
    {"s": [3, 5, 2, 7], "f": [4, 1, 6, 2], "x": [0.0, 1, 2, 3], "w": [2.0, 3, 1, 2]}
)


def test_weights_of_successes_and_failures_multiply_the_log_likelihood_as_in_r():
    fit = fg.glm("cbind(s, f) ~ x", COUNTS, "binomial", var_weights="w")
    # R: glm(cbind(s, f) ~ x, binomial, weights = w)
    assert fit.llf == pytest.approx(-14.323, abs=1e-3)
    assert fit.aic == pytest.approx(32.65, abs=1e-2)
    n = COUNTS.s + COUNTS.f
    rows = stats.binom.logpmf(COUNTS.s, n, fit.fittedvalues)
    assert fit.llf == pytest.approx(COUNTS.w @ rows, rel=1e-12)
    assert fit.bic == pytest.approx(2 * np.log(4) - 2 * fit.llf, rel=1e-12)
    share = np.average(COUNTS.s / n, weights=n * COUNTS.w)
    assert fit.llnull == pytest.approx(COUNTS.w @ stats.binom.logpmf(COUNTS.s, n, share), rel=1e-10)


def test_weights_equal_repeated_rows_of_successes_and_failures():
    times = np.array([2, 3, 1, 2])
    by_weight = fg.glm("cbind(s, f) ~ x", COUNTS, "binomial", var_weights="w")
    by_rows = fg.glm("cbind(s, f) ~ x", COUNTS.loc[COUNTS.index.repeat(times)], "binomial")
    by_frequency = fg.glm("cbind(s, f) ~ x", COUNTS, "binomial", freq_weights=times)
    assert by_weight.llf == pytest.approx(by_rows.llf, rel=1e-12)
    assert by_frequency.llf == pytest.approx(by_rows.llf, rel=1e-12)
    both = fg.glm("cbind(s, f) ~ x", COUNTS, "binomial", var_weights="w", freq_weights=[1, 2, 1, 1])
    n = COUNTS.s + COUNTS.f
    rows = stats.binom.logpmf(COUNTS.s, n, both.fittedvalues)
    assert both.llf == pytest.approx((COUNTS.w * [1, 2, 1, 1]) @ rows, rel=1e-12)


def test_single_trials_take_their_weights_as_trials_as_in_r():
    frame = pd.DataFrame({"s": [0.5, 0, 1, 0], "w": [2.0, 3, 1, 2]})
    fit = fg.glm("cbind(s, 1 - s) ~ 1", frame, "binomial", var_weights="w")
    proportions = fg.glm("s ~ 1", frame, "binomial", var_weights="w")
    assert fit.llf == pytest.approx(proportions.llf, rel=1e-12)
    assert fit.llf == pytest.approx(
        stats.binom.logpmf(frame.w * frame.s, frame.w, 2 / 8).sum(), rel=1e-10
    )


def test_rows_without_a_trial_add_nothing():
    more = pd.concat([COUNTS, COUNTS.iloc[:1].assign(s=0, f=0)])
    fit = fg.glm("cbind(s, f) ~ x", more, "binomial", var_weights="w")
    expected = fg.glm("cbind(s, f) ~ x", COUNTS, "binomial", var_weights="w")
    assert fit.llf == pytest.approx(expected.llf, rel=1e-12)
    kept = fg.GLM.from_formula("cbind(s, f) ~ x", more, "binomial", var_weights="w")
    kept = kept.subset(np.arange(5) < 4).fit()
    assert kept.llf == pytest.approx(expected.llf, rel=1e-12)


NO_MEAN_AT_ZERO = [
    ("gamma", "inverse"),
    ("inverse_gaussian", "1/mu^2"),
    ("gaussian", "inverse"),
    ("binomial", "log"),
    ("poisson", "identity"),
    ("quasi", "inverse"),
]


@pytest.mark.parametrize(("family", "link"), NO_MEAN_AT_ZERO)
def test_no_null_deviance_where_zero_has_no_mean(family, link, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 2, 50), rng.gamma(5, 0.1, 50)
    if family == "binomial":
        x, y = -x, (y > 0.5) * 1.0
    if family == "poisson":
        y = rng.poisson(2 * x)
    fit = fg.GLM(y, x[:, None], family, link=link).fit()
    assert np.isnan([fit.null_deviance, fit.llnull, fit.test_against_null().pvalue]).all()
    assert np.isfinite(fit.deviance)
    fit.save(tmp_path / "fit.json")
    assert np.isnan(fg.load(tmp_path / "fit.json").null_deviance)
    with_offset = fg.GLM(y, x[:, None], family, link=link, offset=0.3 * x).fit()
    mean = fit.family.link.inverse(0.3 * x)
    if family != "quasi":
        assert with_offset.null_deviance == pytest.approx(fit.family.deviance(y, mean), rel=1e-9)


def test_a_null_deviance_of_linear_predictors_of_zero():
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 2, 50)
    y = rng.poisson(np.exp(0.3 * x))
    fit = fg.GLM(y, x[:, None], "poisson").fit()
    assert fit.null_deviance == pytest.approx(fit.family.deviance(y, np.ones(50)), rel=1e-12)
    assert fit.llnull == pytest.approx(stats.poisson.logpmf(y, 1.0).sum(), rel=1e-12)


SHORTER = [
    ("gaussian", None), ("gaussian", "log"), ("poisson", "log"), ("poisson", "identity"),
    ("gamma", "log"), ("gamma", "inverse"), ("inverse_gaussian", "log"), ("binomial", "logit"),
    ("binomial", "cloglog"), ("negative_binomial", "log"), ("tweedie", "log"),
]  # fmt: skip


def _plainly(fit, rows, params, deviance):
    """Log-likelihood by a pass over all rows at their means."""
    family = fit.family
    dispersion = family.likelihood_dispersion(deviance, fit.sum_weights, fit.nobs, fit.scale)
    return likelihood.log_likelihood(rows, family, params, None, dispersion, 1)


@pytest.mark.parametrize("weighted", ["", "freq", "var", "both"])
@pytest.mark.parametrize(("family", "link"), SHORTER)
def test_shorter_ways_to_log_likelihoods_as_by_all_rows(family, link, weighted):
    rng = np.random.default_rng(7)
    n = 3_000
    x = rng.uniform(0.2, 1.0, (n, 2))
    mean = 0.5 + x.sum(axis=1)
    y = rng.gamma(2.0, mean / 2.0)
    if family in ("poisson", "negative_binomial", "tweedie"):
        y = rng.poisson(y).astype(float)
    if family == "binomial":
        y = (y > 1.4) * 1.0
    weights = {"freq_weights": rng.integers(0, 4, n)} if weighted in ("freq", "both") else {}
    if weighted in ("var", "both"):
        weights["var_weights"] = rng.uniform(0.5, 2.0, n)
    if family == "tweedie":
        family = fg.families.Tweedie(var_power=1.5)
    X = np.column_stack([np.ones(n), x])
    fit = fg.GLM(y, X, family, **({"link": link} if link else {}), **weights).fit()
    rows = fit.model.rows
    plain = _plainly(fit, rows, fit.estimates, fit.deviance)
    assert fit.llf == pytest.approx(plain, rel=1e-11)
    null = likelihood.null_fit(rows, fit.family, True, 1)
    solved = fg.GLM(y, np.ones((n, 1)), fit.family, **weights).fit()
    assert fit.null_deviance == pytest.approx(solved.deviance, rel=1e-11)
    plain = _plainly(fit, null.rows, null.params, null.deviance)
    assert fit.llnull == pytest.approx(plain, rel=1e-11)


def test_a_nearly_perfect_fit_keeps_the_digits_of_its_log_likelihood():
    rng = np.random.default_rng(1)
    x = rng.normal(size=500)
    noise = 1e-8 * rng.normal(size=500)
    fit = fg.GLM(3.0 + 2e3 * x + noise, np.column_stack([np.ones(500), x])).fit()
    residual = fit.resid_response
    expected = stats.norm.logpdf(residual, scale=np.sqrt(np.mean(residual**2))).sum()
    assert fit.llf == pytest.approx(expected, rel=1e-9)


def test_the_log_likelihood_of_a_fit_that_stopped_early_is_that_of_its_coefficients():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    y = rng.poisson(np.exp(1.0 + X[:, 1]))
    with pytest.warns(fg.errors.ConvergenceWarning):
        fit = fg.GLM(y, X, "poisson").fit(max_iter=1)
    assert fit.llf == pytest.approx(stats.poisson.logpmf(y, fit.fittedvalues).sum(), rel=1e-12)


def test_a_constant_that_is_not_seen_to_be_best_is_searched(monkeypatch):
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(400), rng.normal(size=(400, 2))])
    y = rng.poisson(np.exp(1.0 + X[:, 1]))
    expected = fg.GLM(y, X, "poisson").fit().null_deviance
    wrong = lambda rows, family: np.array([np.log(rows.mean_response) + 1e-3])  # noqa: E731
    monkeypatch.setattr(likelihood, "_at_mean", wrong)
    assert fg.GLM(y, X, "poisson").fit().null_deviance == pytest.approx(expected, rel=1e-12)
