import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fastglm as fg

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
    kept = kept.keeping(np.arange(5) < 4).fit()
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
