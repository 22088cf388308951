"""What follows from a fit: standard errors of predictions, profiles, clusters, shares of variance.

R's answers are those of glmmTMB 1.1.5 on the frames that stand beside them: of the fit polished by
Newton's method on its own gradient, and ``predict(se.fit = TRUE)`` of the first six rows.
"""

import gzip
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from mixed_cases import DATA, numbers
from mixed_several_cases import CASES, draw_frame, log_density

import fastglm as fg
from fastglm.errors import ModelError

FORMULAS = {
    "beta": "y ~ x + (1 | g)",
    "zip": "y ~ x + (1 | g)",
    "zip_slopes": "y ~ x + (x | g) + (1 | h)",
    "zinb": "y ~ x + (1 | g)",
    "hurdle_nb": "y ~ x + (1 | g)",
}


@cache
def reference():
    return json.loads(gzip.decompress((DATA / "several_glmmtmb.json.gz").read_bytes()))


@cache
def fitted(name):
    """The frame and the fit of a reference."""
    case = name.removesuffix("_slopes")
    frame = pd.DataFrame(reference()["frames"][case])
    return frame, fg.mixed(FORMULAS[name], frame, **CASES[case.replace("_", " ")])


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("which", ["linear", "mean"])
@pytest.mark.parametrize("level", ["conditional", "population"])
def test_standard_errors_of_predictions(name, which, level):
    frame, fit = fitted(name)
    answer = reference()["fits"][name]
    # Where a correlation is one glmmTMB ends before it.
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=2e-6)
    kind = {"linear": "link", "mean": "response"}[which]
    expected = answer[kind + ("_pop" if level == "population" else "")]
    found = fit.get_prediction(frame.head(6), level, which=which)
    np.testing.assert_allclose(found[which], expected["fit"], rtol=1e-4)
    np.testing.assert_allclose(found[f"{which}_se"], expected["se"], rtol=2e-5)
    np.testing.assert_allclose(found[which], fit.predict(frame.head(6), level, which))


def test_other_quantities_and_levels_not_seen():
    frame, fit = fitted("zip")
    new = frame.head(3)
    # Log odds of an extra zero have no random effect: the delta method by hand.
    params, V = fit.params, np.asarray(fit.cov_params())
    rate = np.exp(params["Intercept"] + params["x"] * new["x"])
    extra = 1.0 / (1.0 + np.exp(-params["zero-Intercept"] - params["zero-w"] * new["w"]))
    zero = extra + (1.0 - extra) * np.exp(-rate)
    of_rate, of_odds = -(1.0 - extra) * np.exp(-rate) * rate, extra * (1 - extra) * -np.expm1(-rate)
    slopes = np.column_stack([of_rate, of_rate * new["x"], of_odds, of_odds * new["w"]])
    found = fit.get_prediction(new, "population", which="prob-zero")
    np.testing.assert_allclose(found["mean"], zero)
    np.testing.assert_allclose(found["mean_se"], np.sqrt(np.diag(slopes @ V @ slopes.T)))
    width = scipy.stats.norm.ppf(0.975) * found["mean_se"] / (zero * (1 - zero))
    np.testing.assert_allclose(found["upper"], 1 / (1 + (1 / zero - 1) * np.exp(-width)))
    # A level not seen has all of the variance between levels.
    unseen = new.assign(g=999)
    there = fit.get_prediction(unseen, new_levels="zero", which="linear")
    base = fit.get_prediction(unseen, "population", which="linear")
    np.testing.assert_allclose(there["linear_se"], np.hypot(base["linear_se"], fit.theta[0]))
    holes = new.astype(float)
    holes.loc[1, "w"] = np.nan
    gone = fit.get_prediction(holes)
    assert gone.isna().any(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["beta", "zip"])
def test_marginal_means_have_the_error_of_every_parameter(name):
    frame, fit = fitted(name)
    new = frame.head(4)
    found = fit.get_prediction(new, "marginal")
    np.testing.assert_allclose(found["mean"], fit.predict(new, "marginal"), rtol=1e-12)
    t = np.linspace(-8, 8, 801)
    mass = scipy.stats.norm.pdf(t) / scipy.stats.norm.pdf(t).sum()

    def mean(at):
        eta = at[0] + at[1] * new["x"].to_numpy() + at[-1] * t[:, None]
        if name == "beta":
            return mass @ (1 / (1 + np.exp(-eta)))
        return mass @ (np.exp(eta) / (1 + np.exp(at[2] + at[3] * new["w"].to_numpy())))

    at = np.append(fit.params, fit.theta)
    slopes = np.array([(mean(at + s) - mean(at - s)) / 2e-5 for s in 1e-5 * np.eye(at.size)]).T
    back = np.eye(at.size)
    back[:-1, :-1] = fit.estimate.fixed.from_standardized
    joint = back @ fit.estimate.joint_covariance @ back.T
    expected = np.sqrt(np.diag(slopes @ joint @ slopes.T))
    np.testing.assert_allclose(found["mean_se"], expected, rtol=1e-5)
    for option in ({"which": "linear"}, {"interval": "prediction"}):
        with pytest.raises(ModelError, match="use level='population'"):
            fit.get_prediction(new, "marginal", **option)


@pytest.mark.parametrize("level", ["conditional", "population"])
def test_limits_of_new_counts(level):
    frame, fit = fitted("zip")
    found = fit.get_prediction(frame.head(5), level, interval="prediction", alpha=0.2)
    sd = found["linear_se"] if level == "conditional" else np.hypot(
        found["linear_se"], fit.theta[0]
    )  # fmt: skip
    t = np.linspace(-8, 8, 2001)
    mass = scipy.stats.norm.pdf(t) / scipy.stats.norm.pdf(t).sum()
    odds = fit.params["zero-Intercept"] + fit.params["zero-w"] * frame["w"].head(5)
    for row, (eta, s, o) in enumerate(zip(found["linear"], sd, odds, strict=True)):
        counts = scipy.stats.poisson.cdf(np.arange(99)[:, None], np.exp(eta + s * t)) @ mass
        lower = (np.exp(o) + counts) / (1 + np.exp(o))
        expected = [np.searchsorted(lower, p) for p in (0.1, 0.9)]
        assert found.loc[row, ["lower", "upper"]].tolist() == expected


def test_limits_of_new_shares_and_categories():
    frame, fit = fitted("beta")
    frame = frame.head(120)
    found = fit.get_prediction(frame, "population", "prediction", alpha=0.2)
    inside = (frame["y"] > found["lower"]) & (frame["y"] < found["upper"])
    assert inside.mean() == pytest.approx(0.8, abs=0.05)
    rated = fg.mixed("y ~ x + (1 | g)", draw_frame("ordinal"), "ordinal")
    with pytest.raises(ModelError, match="no limits: use which='prob'"):
        rated.get_prediction(interval="prediction")
    with pytest.raises(ModelError, match="label, which has no average"):
        rated.get_prediction(which="class")


@pytest.fixture(scope="module")
def two_categories():
    frame = draw_frame("ordinal")
    frame["y"] = (frame["y"] > 1).astype(int)
    fits = (fg.mixed("y ~ x + (1 | g)", frame, family) for family in ("ordinal", "binomial"))
    return frame, *fits


def test_two_ordered_categories_are_binomial(two_categories):
    frame, ordinal, binomial = two_categories
    new = frame.head(5)
    for level in ("conditional", "population", "marginal"):
        one, other = ordinal.get_prediction(new, level), binomial.get_prediction(new, level)
        np.testing.assert_allclose(one["mean.1"], other["mean"], atol=1e-7)
        np.testing.assert_allclose(one["lower.1"], other["lower"], atol=1e-6)
        np.testing.assert_allclose(one["mean_se.0"], one["mean_se.1"], rtol=1e-9)
    assert ordinal.r2() == pytest.approx(binomial.r2(), abs=1e-7)
    assert ordinal.icc() == pytest.approx(binomial.icc(), abs=1e-7)
    one, other = (fit.with_covariance("cluster", "g") for fit in (ordinal, binomial))
    np.testing.assert_allclose(one.bse, other.bse[["x", "Intercept"]], rtol=1e-5)
    np.testing.assert_allclose(
        ordinal.profile(which=["x", "sd(Intercept | g)"]),
        binomial.profile(which=["x", "sd(Intercept | g)"]), atol=2e-5,
    )  # fmt: skip
    threshold, intercept = ordinal.profile(which=["0|1"]), binomial.profile(which=["Intercept"])
    np.testing.assert_allclose(threshold, -intercept.to_numpy()[:, ::-1], atol=2e-5)


@pytest.mark.parametrize("name", ["beta", "zip"])
def test_a_profile_ends_where_the_deviance_has_risen(name):
    frame, fit = fitted(name)
    rise = scipy.stats.chi2.ppf(0.9, 1)
    for end in fit.profile(alpha=0.1, which=["x"]).iloc[0]:
        case = CASES[name]
        held = fg.mixed("y ~ 1 + (1 | g)", frame.assign(o=end * frame["x"]), offset="o", **case)
        assert held.criterion - fit.criterion == pytest.approx(rise, abs=1e-4)


def test_scores_of_clusters():
    """The sandwich of the integrals over each level's effect, by differences."""
    frame = draw_frame("zip", q=12, n=200)
    fit = fg.mixed("y ~ x + (1 | g)", frame, nagq=31, **CASES["zip"])
    t = np.linspace(-8.0, 8.0, 401)
    own = [(frame["g"] == level).to_numpy() for level in np.unique(frame["g"])]

    class Moved:
        """What `log_density` asks of a fit."""

    def criteria(at):
        Moved.params = pd.Series(at[:-1], fit.params.index)
        found = []
        for rows in own:
            fixed = at[0] + at[1] * frame["x"].to_numpy()[rows]
            log = log_density("zip", Moved, fixed[:, None] + at[-1] * t, frame[rows]).sum(axis=0)
            top = (log := log - 0.5 * t**2).max()
            found.append(-2.0 * (top + np.log(np.exp(log - top).sum())))
        return np.array(found)

    def slopes(at, h=1e-4):
        return np.array(
            [(criteria(at + s) - criteria(at - s)) / (2 * h) for s in h * np.eye(at.size)]
        )

    at = np.append(fit.params, fit.theta)
    scores = slopes(at)
    steps = 1e-3 * np.eye(at.size)
    hessian = np.array([(slopes(at + s) - slopes(at - s)).sum(axis=1) / 2e-3 for s in steps])
    bread = np.linalg.inv(hessian)
    expected = bread @ scores @ scores.T @ bread
    found = fit.with_covariance("cluster")
    np.testing.assert_allclose(found.bse, np.sqrt(np.diag(expected))[:-1], rtol=1e-4)
    corrected = fit.with_covariance("cluster", use_correction=True)
    np.testing.assert_allclose(corrected.bse, found.bse * np.sqrt(12 / 11))
    # What follows from the fit has the same covariance; of single levels it says nothing.
    averages = found.avg_predictions().standard_error, fit.avg_predictions().standard_error
    assert averages[0][0] != averages[1][0]
    x = np.array([1.0, frame["x"][0]])
    linear = found.get_prediction(frame.head(1), "population", which="linear")
    V = np.asarray(found.cov_params())[:2, :2]
    assert linear["linear_se"][0] == pytest.approx(np.sqrt(x @ V @ x))
    with pytest.raises(ModelError, match="by clusters says nothing of single levels"):
        found.get_prediction(frame.head(1))


def test_shares_of_variance():
    _, fit = fitted("beta")
    eta = np.asarray(fit.predict(level="population", which="linear"))
    mean = float(np.mean(fit.predict(level="marginal")))
    phi = np.exp(fit.params["precision-Intercept"])
    rest = 1.0 / (mean * (1.0 - mean) * (1.0 + phi))
    total = eta.var() + fit.theta[0] ** 2 + rest
    assert fit.r2()["marginal"] == pytest.approx(eta.var() / total, rel=1e-9)
    assert fit.icc()["g"] == pytest.approx(fit.theta[0] ** 2 / (total - eta.var()), rel=1e-9)
    for name in ("zip", "hurdle_nb"):
        with pytest.raises(ModelError, match="not defined for counts with a model of their zeros"):
            fitted(name)[1].r2()
    cauchy = fg.mixed("y ~ x + (1 | g)", draw_frame("ordinal"), "ordinal", link="cauchit")
    with pytest.raises(ModelError, match="cauchit has no variance"):
        cauchy.icc()


def test_steps_are_refits_with_the_same_zeros():
    frame = fitted("zip")[0].assign(v=np.cos(np.arange(400.0)))
    start = fg.mixed("y ~ x + v + (1 | g)", frame, **CASES["zip"])
    found = start.step()
    assert found.results.formula == "y ~ 1 + x + (1 | g)"
    assert list(found.results.names) == ["Intercept", "x", "zero-Intercept", "zero-w"]
    smaller = fg.mixed("y ~ x + (1 | g)", frame, **CASES["zip"])
    assert found.results.aic == pytest.approx(smaller.aic, abs=1e-7)
    wider = fg.mixed("y ~ 1 + (1 | g)", frame, **CASES["zip"]).step(scope="~ x + v")
    assert wider.results.formula == found.results.formula


def test_errors_and_parameters_of_the_reference():
    """Estimates and errors of all parameters at once, theta as a logarithm."""
    for name in ("beta", "hurdle_nb"):
        _, fit = fitted(name)
        answer = reference()["fits"][name]
        error = np.sqrt(np.diag(numbers(answer["vcov"])))
        *expected, last, log_sd = numbers(answer["par"])
        sign = np.ones(len(fit.params))
        if name == "hurdle_nb":
            # glmmTMB's zero part is of a zero, its dispersion 1 / alpha.
            sign[2:] = -1.0
        expected = np.array([*expected, last]) * sign
        np.testing.assert_allclose((fit.params - expected) / error[:-1], 0.0, atol=1e-5)
        np.testing.assert_allclose(fit.bse, error[:-1], rtol=1e-5)
        assert np.log(fit.theta[0]) == pytest.approx(log_sd, abs=1e-5)


DISPERSIONS = {
    "beta_disp": ("y ~ x + (1 + x | g) + (1 | h)", {"family": "beta"}, 1.0),
    # The parameter of glmmTMB is 1 / alpha.
    "nb_disp": ("y ~ x + (1 | g)", {"family": "nbinom2"}, -1.0),
    "zinb_disp": ("y ~ x + (1 | g)", {"family": "nbinom2", "ziformula": "~ w"}, -1.0),
}


@pytest.mark.parametrize("name", DISPERSIONS)
def test_a_model_of_the_dispersion(name):
    """``dispformula=`` of glmmTMB."""
    formula, options, sign = DISPERSIONS[name]
    frame = pd.DataFrame(reference()["frames"]["beta" if name == "beta_disp" else "zinb"])
    answer = reference()["fits"][name]
    fit = fg.mixed(formula, frame, dispformula="~ w", **options)
    assert fit.converged
    assert fit.criterion == pytest.approx(answer["m2ll"], abs=1e-6)
    number = len(fit.names)
    signs = np.where(np.array(answer["names"][:number]) == "betad", sign, 1.0)
    expected, error = numbers(answer["par"])[:number], np.sqrt(np.diag(numbers(answer["vcov"])))
    np.testing.assert_allclose((signs * fit.params - expected) / error[:number], 0.0, atol=1e-5)
    # Its Hessian is one of differences.
    np.testing.assert_allclose(fit.bse, error[:number], rtol=1e-4)
    for level, kind in (("conditional", "response"), ("population", "response_pop")):
        found = fit.get_prediction(frame.head(6), level)
        np.testing.assert_allclose(found["mean"], answer[kind]["fit"], rtol=1e-5)
        np.testing.assert_allclose(found["mean_se"], answer[kind]["se"], rtol=2e-5)
    which, first = ("precision", "precision-") if sign > 0 else ("alpha", "log(alpha)-")
    by_hand = np.exp(fit.params[f"{first}Intercept"] + fit.params[f"{first}w"] * frame["w"])
    np.testing.assert_allclose(fit.predict(which=which), by_hand)
    assert f"{first}w" in str(fit.summary())
    smaller = fg.mixed(formula.replace("y ~ x", "y ~ 1"), frame, dispformula="~ w", **options)
    assert fit.drop1()["LRT"][-1] == pytest.approx(smaller.criterion - fit.criterion, abs=1e-6)
