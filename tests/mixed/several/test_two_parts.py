"""Random effects of counts and of their zeros, against glmmTMB, brute force and models alone."""

import gzip
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from mixed_cases import DATA
from scipy import special, stats

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.mixed.search import Search
from fastglm.mixed.several.problem import problem_of
from fastglm.mixed.several.two_parts import TripledLayout, TwoPartProblem

CASES = {
    "zip": ("y ~ x + (1 | g)", {"family": "poisson", "ziformula": "~ w + (1 | g)"}),
    "zip_crossed": ("y ~ x + (1 | g) + (1 | h)", {"family": "poisson", "ziformula": "~w + (1|g)"}),
    "zip_other": ("y ~ x + (1 | h)", {"family": "poisson", "ziformula": "~ w + (1 | g)"}),
    "zip_zero_only": ("y ~ x", {"family": "poisson", "ziformula": "~ w + (1 | g)"}),
    "zinb": ("c ~ x + (1 | g)", {"family": "nbinom2", "ziformula": "~ w + (1 | g)"}),
    "hurdle": ("t ~ x + (1 | g)", {"family": "truncated_poisson", "ziformula": "~ w + (1 | g)"}),
}


@cache
def reference():
    return json.loads(gzip.decompress((DATA / "zero_effects_glmmtmb.json.gz").read_bytes()))


@cache
def fitted(name):
    frame = pd.DataFrame(reference()["frame"])
    formula, options = CASES[name]
    return frame, fg.mixed(formula, frame, **options)


@pytest.mark.parametrize("name", CASES)
def test_estimates(name):
    fit = fitted(name)[1]
    answer = reference()["fits"][name]
    assert fit.converged
    assert fit.gradient < 1e-6
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=1e-6)
    par, error, kind = (np.array(answer[key]) for key in ("par", "se", "names"))
    zero = -1.0 if name == "hurdle" else 1.0  # glmmTMB: log odds of a zero
    signs = {"betazi": zero, "betad": -1.0}
    fixed = np.char.startswith(kind, "beta")
    expected = par[fixed] * [signs.get(each, 1.0) for each in kind[fixed]]
    np.testing.assert_allclose((fit.params - expected) / error[fixed], 0.0, atol=1e-5)
    np.testing.assert_allclose(fit.bse, error[fixed], rtol=1e-5)
    log_sd = {"cond": par[kind == "theta"], "zi": par[kind == "thetazi"]}
    sd = {part: [c.sd for c in fit.components if c.term1.startswith("zero-") == (part == "zi")]
          for part in log_sd}  # fmt: skip
    groups = [c.group for c in fit.components if not c.term1.startswith("zero-")]
    order = np.argsort(groups)  # there g comes before h, as in the formulas
    np.testing.assert_allclose(np.array(sd["cond"])[order], np.exp(log_sd["cond"]), rtol=1e-6)
    np.testing.assert_allclose(sd["zi"], np.exp(log_sd["zi"]), rtol=1e-6)
    for part, prefix, sign in (("cond", "", 1.0), ("zi", "zero-", zero)):
        for group, modes in answer[part].items() if answer[part] else ():
            found = fit.ranef()[group][f"{prefix}Intercept"]
            np.testing.assert_allclose(found, sign * np.ravel(modes), atol=1e-6)


@pytest.mark.parametrize("name", CASES)
def test_predictions_and_their_standard_errors(name):
    frame, fit = fitted(name)
    answer = reference()["fits"][name]
    for kind, which in (("response", "mean"), ("link", "linear"), ("link_pop", "linear")):
        level = "population" if kind.endswith("pop") else "conditional"
        found = fit.get_prediction(frame.head(6), level, which=which)
        np.testing.assert_allclose(found[which], answer[kind]["fit"], rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(found[f"{which}_se"], answer[kind]["se"], rtol=1e-4)
        np.testing.assert_allclose(found[which], fit.predict(frame.head(6), level, which))


def test_mean_at_effects_of_zero():
    """By the delta method: glmmTMB's ``re.form = NA`` does not set effects of zeros to zero."""
    frame, fit = fitted("zip")
    new, params = frame.head(6), fit.params.to_numpy()

    def mean(b):
        zero = special.expit(-b[2] - b[3] * new["w"].to_numpy())
        return np.exp(b[0] + b[1] * new["x"].to_numpy()) * zero

    slopes = np.array([(mean(params + h) - mean(params - h)) / 2e-6 for h in 1e-6 * np.eye(4)])
    variance = np.einsum("in,ij,jn->n", slopes, np.asarray(fit.cov_params()), slopes)
    found = fit.get_prediction(new, "population")
    np.testing.assert_allclose(found["mean"], mean(params))
    np.testing.assert_allclose(found["mean_se"], np.sqrt(variance), rtol=1e-8)


@pytest.mark.parametrize("name", ["zip_crossed", "zinb", "hurdle"])
def test_gradient(name):
    frame, _ = fitted(name)
    formula, options = CASES[name]
    model = fg.MixedGLM.from_formula(
        formula, frame.head(150), **options | {"ziformula": "~ w + (1 + w | g)"}
    )
    without = model.family.without_effects(model.mixed_rows.fixed)
    layout = TripledLayout(model.mixed_rows.blocks)
    problem = problem_of(without, model.family, layout, 1, 1, TwoPartProblem)
    search = Search(problem, np.zeros(layout.n_theta, dtype=bool))
    params = without.fit(separation="ignore").estimates
    beta = np.linalg.solve(problem.fixed.from_standardized, params)
    x = np.concatenate([beta, 0.6 * layout.start_theta()])
    x = x + 0.05 * np.random.default_rng(1).normal(size=x.size)
    value, gradient = search(x)
    assert np.isfinite(value)
    for i in range(x.size):
        step = 1e-5 * (np.arange(x.size) == i)
        slope = (search(x + step)[0] - search(x - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=2e-6, abs=2e-6), i


def test_a_hurdle_is_two_models():
    """Its likelihood is that of whether there is a count, times that of positive counts."""
    frame, fit = fitted("hurdle")
    any_count = fg.mixed(
        "any ~ w + (1 | g)", frame.assign(any=(frame["t"] > 0).astype(int)), "binomial"
    )
    alone = fg.mixed("t ~ x + (1 | g)", frame, "truncated_poisson", ziformula="~ w")
    logistic = fg.GLM.from_formula("any ~ w", any_count.model.rows.frame, "binomial").fit()
    expected = any_count.criterion + alone.criterion + 2.0 * logistic.llf
    assert fit.criterion == pytest.approx(expected, abs=1e-7)
    np.testing.assert_allclose(fit.params[["zero-Intercept", "zero-w"]], any_count.params, 1e-6)
    modes = any_count.ranef()["g"]["Intercept"]
    np.testing.assert_allclose(fit.ranef()["g"]["zero-Intercept"], modes, atol=1e-6)


def test_three_levels_of_predictions():
    frame, fit = fitted("zip")
    new, sd = frame.head(4), {c.term1: c.sd for c in fit.components}
    rng = np.random.default_rng(2)
    eta = fit.predict(new, "population", "linear").to_numpy()[:, None]
    zero = (fit.params["zero-Intercept"] + fit.params["zero-w"] * new["w"]).to_numpy()[:, None]
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    mean = (np.exp(eta + sd["Intercept"] * nodes) @ weights) * (
        special.expit(-zero - sd["zero-Intercept"] * nodes) @ weights
    )
    np.testing.assert_allclose(fit.predict(new, "marginal"), mean, rtol=1e-9)
    found = fit.get_prediction(new, "marginal")
    np.testing.assert_allclose(found["mean"], mean, rtol=1e-9)
    # New levels have effects of zero, and the variance of both parts.
    unseen = new.assign(g=999)
    base = fit.get_prediction(unseen, "population")
    there = fit.get_prediction(unseen, "conditional", new_levels="zero")
    np.testing.assert_allclose(there["mean"], base["mean"])
    of_zero = base["mean"] * special.expit(zero[:, 0])
    variance = base["mean_se"] ** 2 + (base["mean"] * sd["Intercept"]) ** 2
    variance += (of_zero * sd["zero-Intercept"]) ** 2
    np.testing.assert_allclose(there["mean_se"], np.sqrt(variance), rtol=1e-8)
    # Limits of a new count, by simulation of effects and estimates.
    draws = 40_000
    params = rng.multivariate_normal(fit.params, fit.cov_params(), draws)
    row = new.iloc[0]
    mu = np.exp(params[:, 0] + params[:, 1] * row["x"] + sd["Intercept"] * rng.normal(size=draws))
    p = special.expit(
        params[:, 2] + params[:, 3] * row["w"] + sd["zero-Intercept"] * rng.normal(size=draws)
    )
    upper = fit.get_prediction(new, "population", "prediction")["upper"].iloc[0]
    tail = np.mean((1.0 - p) * stats.poisson.sf(upper, mu))
    assert tail <= 0.025 + 0.003
    assert np.mean((1.0 - p) * stats.poisson.sf(upper - 1, mu)) > 0.025 - 0.003


def test_what_follows_from_the_fit(tmp_path):
    frame, fit = fitted("zip")
    assert fit.theta_names == ("g.Intercept", "g.zero-Intercept")
    assert "zero-Intercept" in str(fit.summary())
    coef = fit.coef()["g"]
    expected = fit.params["zero-Intercept"] + fit.ranef()["g"]["zero-Intercept"]
    np.testing.assert_allclose(coef["zero-Intercept"], expected)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    for level in ("conditional", "population", "marginal"):
        np.testing.assert_array_equal(again.predict(frame, level), fit.predict(frame, level))
    # Effects that no row depends on are drawn with their variance.
    drawn = fit.simulate(400, seed=3)
    np.testing.assert_allclose(
        (drawn == 0).mean(), fit.predict(which="prob-zero", level="marginal").mean(), atol=0.01
    )
    np.testing.assert_allclose(drawn.mean(), fit.predict(level="marginal").mean(), rtol=0.03)
    smaller = fg.mixed("y ~ 1 + (1 | g)", frame, "poisson", ziformula="~ w + (1 | g)")
    assert fit.drop1()["LRT"][-1] == pytest.approx(smaller.criterion - fit.criterion, abs=1e-6)
    limits = fit.profile(which=["sd(zero-Intercept | g)"])
    assert limits.loc["sd(zero-Intercept | g)", "lower"] < fit.components[1].sd
    clustered = fit.with_covariance("cluster")
    assert np.isfinite(clustered.bse).all()
    np.testing.assert_allclose(
        _cluster_scores(fit).sum(axis=0), 0.0, atol=1e-5 * np.sqrt(len(frame))
    )


def _cluster_scores(fit):
    from fastglm.mixed.clusters import _ClusterScores

    block = fit.model.mixed_rows.blocks[0]
    return _ClusterScores(fit.estimate, fit.model.mixed_rows).of(block)


def test_no_quadrature_of_two_parts():
    frame, _ = fitted("zip")
    formula, options = CASES["zip"]
    with pytest.raises(ModelError, match="random effects of one linear predictor: use nagq=1"):
        fg.mixed(formula, frame, nagq=3, **options)


def test_a_variance_that_is_zero():
    """glmmTMB ends at a standard deviation of exp(-25)."""
    frame = fitted("zip")[0]
    answer = reference()["fits"]["zip_slopes"]
    fit = fg.mixed("y ~ x + (x | g)", frame, "poisson", ziformula="~ w + (w || g)")
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=1e-6)
    assert "zero-w" in str(fit.singular)


def test_weights_and_missing_values_of_the_zero_part():
    frame = fitted("zip")[0].head(200)
    formula = "y ~ x + (1 | g)"
    options = {"family": "poisson", "ziformula": "~ 1 + (1 | h)"}
    counts = np.resize([1, 2], len(frame))
    once = fg.mixed(formula, frame, freq_weights=counts, **options)
    again = fg.mixed(formula, frame.loc[frame.index.repeat(counts)], **options)
    assert once.criterion == pytest.approx(again.criterion, abs=1e-8)
    np.testing.assert_allclose(once.params, again.params, rtol=1e-5)
    holes = frame.astype({"h": float})
    holes.loc[[3, 17], "h"] = np.nan
    dropped = fg.mixed(formula, holes, missing="drop", **options)
    assert dropped.nobs == len(frame) - 2
    assert dropped.missing == {"h": 2}
    complete = fg.mixed(formula, frame.drop(index=[3, 17]), **options)
    assert dropped.criterion == pytest.approx(complete.criterion, abs=1e-10)
