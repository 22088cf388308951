from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from profile_oracle import interval
from r_cases import fit_of, matrix, model_of, names_with, read_case
from scipy import optimize, special, stats

import fastglm as fg
import fastglm.inference.intervals.joint_end as joint_end_module
import fastglm.inference.intervals.profile as profile_module
from fastglm.errors import FastGLMWarning, ModelError, Status
from fastglm.inference.intervals.held_coefficient import HeldCoefficient
from fastglm.inference.intervals.joint_end import joint_end
from fastglm.inference.intervals.profile import CoefficientProfile

DATA = Path(__file__).parents[2] / "data" / "reference"

#: R's root finder stopped where the deviance is still 1.6e-5 from the quantile, in units of which
#: the flat end of a Cauchy link is 3.6e-5 standard errors wide.
LOOSE = {"v_bin_cauchit_vaso": 1e-4}


def fit_for_profile(name):
    # R measured this one with a dispersion of 1, though its summary estimates one.
    return model_of(name).fit(scale=1.0) if name == "v_nbfixed_warpbreaks" else fit_of(name)


@pytest.mark.parametrize("name", names_with("confint_profile_exact"))
def test_profile_intervals_equal_r(name):
    fit = fit_for_profile(name)
    expected = matrix(read_case(name)["results"]["confint_profile_exact"])
    ours = np.asarray(fit.conf_int(method="profile"))
    error = np.abs(ours - expected) / np.asarray(fit.bse)[:, None]
    assert np.nanmax(error) < LOOSE.get(name, 1e-5)


@pytest.mark.parametrize("name", names_with("confint_profile_exact"))
def test_the_deviance_rises_by_the_quantile_at_the_ends(name):
    fit = fit_for_profile(name)
    limits = np.asarray(fit.conf_int(alpha=0.1, method="profile"))
    for column in range(min(3, len(limits))):
        profile = CoefficientProfile(fit, column)
        for end in limits[column]:
            if np.isfinite(end):
                rise = (profile.deviance(end) - fit.deviance) / fit.scale
                np.testing.assert_allclose(rise, stats.chi2.ppf(0.9, 1), rtol=1e-6)


def test_gaussian_profiles_are_wald_intervals_of_the_normal_distribution():
    rng = np.random.default_rng(8)
    X = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    fit = fg.GLM(X @ [1.0, 2.0, 0.0] + rng.normal(size=50), X).fit(use_t=False)
    np.testing.assert_allclose(fit.conf_int(method="profile"), fit.conf_int(), rtol=1e-6, atol=1e-8)


def test_a_single_coefficient():
    y = np.array([3.0, 5.0, 1.0, 4.0])
    fit = fg.GLM(y, np.ones((4, 1)), "poisson").fit()
    (low, high) = fit.conf_int(method="profile")[0]
    for end in (low, high):
        mean = np.exp(end)
        rise = 2 * (y * np.log(y.mean() / mean) - (y.mean() - mean)).sum()
        np.testing.assert_allclose(rise, stats.chi2.ppf(0.95, 1), rtol=1e-7)


def test_an_end_that_does_not_exist_is_infinite():
    # The mean of the second group may be zero: its logarithm has no lower end.
    y = np.array([5.0, 6.0, 4.5, 5.5, 0.5, -0.3, 0.6, -0.2])
    X = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    low, high = fg.GLM(y, X, link="log").fit().conf_int(method="profile")[1]
    assert low == -np.inf
    assert np.isfinite(high)


def test_offsets_weights_and_categories():
    rng = np.random.default_rng(9)
    frame = pd.DataFrame({"a": rng.choice(list("uvw"), 300), "x": rng.normal(size=300)})
    frame["y"], frame["t"], frame["f"] = rng.poisson(2.0, 300), 1.0 + rng.random(300), 2
    counted = fg.glm("y ~ a * x", frame, "poisson", exposure="t", freq_weights="f")
    doubled = fg.glm("y ~ a * x", pd.concat([frame, frame]), "poisson", exposure="t")
    ours, expected = (np.asarray(f.conf_int(method="profile")) for f in (counted, doubled))
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(counted.confint(0.95), ours)


def test_bad_arguments():
    fit = fit_of("v_poi_log_phd")
    with pytest.raises(ModelError, match="alpha"):
        fit.conf_int(alpha=2.0, method="profile")
    with pytest.raises(ModelError, match="method must be"):
        fit.conf_int(method="exact")


def test_without_degrees_of_freedom_there_is_no_dispersion_to_measure_in():
    X, y = np.vander([0.1, 0.4, 0.9], 3), np.array([1.0, 3.0, 2.0])
    with pytest.raises(ModelError, match="3 observations for 3 coefficients"):
        fg.GLM(y, X).fit().conf_int(method="profile")
    fit = fg.GLM(y, X).fit(scale=1.0)
    np.testing.assert_allclose(fit.conf_int(method="profile"), fit.conf_int(), rtol=1e-6)


def separated_interval(fit_options, *arguments, **model_options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", (fg.errors.SeparationWarning, fg.errors.ConvergenceWarning))
        fit = fg.GLM(*arguments, **model_options).fit(**fit_options)
    return fit, np.asarray(fit.conf_int(method="profile"))


X4 = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
X8 = np.column_stack([np.ones(8), [1, 2, 3, 4, 4, 5, 6, 7]])
TWO = np.column_stack([np.ones(9), [0, 0, 1, 1, 2, 2, 3, 3, 4], [0, 1, 0, 2, 1, 3, 0, 2, 1]])
GROUPS = np.column_stack([np.ones(7), [0, 0, 0, 0, 1, 1, 1]])
SEPARATED = {
    "complete": ("binomial", X4, [0, 0, 1, 1], {}),
    "quasi-complete": ("binomial", X8, [0, 0, 0, 0, 1, 1, 1, 1], {}),
    "offset": ("binomial", X4, [0, 0, 1, 1], {"offset": np.array([1.0, -0.5, 0.0, 2.0])}),
    "weights": ("binomial", X8, [0, 0, 0, 0, 1, 1, 1, 1], {"var_weights": np.arange(1.0, 9.0)}),
    "two regressors": ("binomial", TWO, [0, 0, 0, 0, 0, 1, 1, 1, 1], {}),
    "proportions": (
        "binomial",
        GROUPS,
        [0.5, 0.25, 0.5, 0.75, 0, 0, 0],
        {"var_weights": np.full(7, 4.0)},
    ),
    "zeros": ("poisson", GROUPS, [2, 1, 4, 3, 0, 0, 0], {}),
    "zeros and an offset": (
        "poisson",
        GROUPS,
        [2, 1, 4, 3, 0, 0, 0],
        {"offset": np.linspace(0.0, 1.5, 7)},
    ),
    "a line of zeros": ("poisson", X8, [0, 0, 0, 0, 0, 1, 3, 2], {}),
}


@pytest.mark.parametrize(
    ("name", "separation"),
    [*((name, "warn") for name in SEPARATED), ("complete", "ignore"), ("zeros", "ignore")],
)
def test_separated_intervals_equal_plain_maximisation(name, separation):
    family, X, y, options = SEPARATED[name]
    y = np.array(y, dtype=float)
    _, ours = separated_interval({"separation": separation}, y, X, family, **options)
    for column in range(X.shape[1]):
        theirs = interval(family, X, y, column, options.get("var_weights"), options.get("offset"))
        np.testing.assert_allclose(ours[column], theirs, rtol=1e-6, atol=1e-6)


def test_an_infinite_estimate_has_one_end():
    # A finite lower end, and none above: 0.5035 from the likelihood of two coefficients.
    fit, limits = separated_interval({}, [0, 0, 1, 1], X4, "binomial")
    np.testing.assert_allclose(limits[1], [0.503498, np.inf], rtol=1e-5)
    assert fit.infinite["x1"] == 1


def test_a_group_of_zeros_has_a_closed_form():
    # Means a in the first group and a exp(b) in the second: a is 10 / (4 + 3 exp(b)) for a given b.
    _, limits = separated_interval({}, [2, 1, 4, 3, 0, 0, 0], GROUPS, "poisson")
    rise = 2.0 * 10.0 * np.log((4.0 + 3.0 * np.exp(limits[1, 1])) / 4.0)
    np.testing.assert_allclose(rise, stats.chi2.ppf(0.95, 1), rtol=1e-7)
    assert limits[1, 0] == -np.inf


def test_two_regressors_that_each_separate_determine_neither():
    y, X = np.array([0.0, 0, 1, 1]), np.column_stack([X4, [1.0, 2.0, 4.0, 3.0]])
    _, limits = separated_interval({}, y, X, "binomial")
    np.testing.assert_array_equal(limits[1:], [[-np.inf, np.inf]] * 2)


@pytest.mark.parametrize(
    ("family", "link"),
    [
        ("binomial", "probit"),
        ("binomial", "cloglog"),
        ("quasipoisson", "log"),
        (fg.families.NegativeBinomial(alpha=0.5), "log"),
        (fg.families.Tweedie(var_power=1.4), "log"),
    ],
)
def test_every_family_with_infinite_estimates(family, link):
    """Against the deviance of two groups, whose other mean is found on a fine grid."""
    y = np.array([1.0, 0, 1, 1, 0, 0, 0]) if family == "binomial" else [2.0, 1, 4, 3, 0, 0, 0]
    y = np.asarray(y)
    fit, limits = separated_interval({"scale": 1.0}, y, GROUPS, family, link=link)
    member = fit.family

    def profile(value: float) -> float:
        def deviance(first: float) -> float:
            mean = member.link.inverse(first + GROUPS[:, 1] * value)
            return float(member.deviance(y, mean))

        near = float(fit.params[0])
        best = optimize.minimize_scalar(deviance, bracket=(near - 0.3, near + 0.3), tol=1e-13)
        return best.fun

    bottom = float(member.deviance(y[:4], np.full(4, y[:4].mean())))
    assert fit.infinite == {"x1": -1}
    assert limits[1, 0] == -np.inf
    rise = profile(limits[1, 1]) - bottom
    np.testing.assert_allclose(rise, stats.chi2.ppf(0.95, 1), rtol=1e-6)


def test_a_fit_on_the_boundary_has_both_ends():
    # The mean of the zeros is 0 at a finite linear predictor, beyond which there is no model.
    y = np.array([2.0, 1, 4, 3])
    with pytest.warns(fg.errors.ConvergenceWarning):
        fit = fg.GLM([*y, 0, 0, 0], GROUPS, "poisson", link="sqrt").fit()
    assert fit.status == Status.BOUNDARY
    limits = fit.conf_int(method="profile")

    def deviance(first: float, slope: float) -> float:
        return float(fit.family.deviance(y, np.full(4, first**2))) + 6 * (first + slope) ** 2

    for slope in limits[1]:
        best = optimize.minimize_scalar(
            deviance, bounds=(max(-slope, 1e-9), 6.0), args=(slope,), method="bounded",
            options={"xatol": 1e-11},
        )  # fmt: skip
        np.testing.assert_allclose(best.fun - fit.deviance, stats.chi2.ppf(0.95, 1), rtol=1e-6)


def deviance_at(family: str, mean: np.ndarray, y: np.ndarray) -> float:
    """By its definition; infinite outside the domain, but for what rounding leaves there."""
    rounding, top = 1e-12, 1.0 if family == "binomial" else np.inf
    if mean.min() < -rounding or mean.max() > top + rounding:
        return np.inf
    mean = np.clip(mean, 0.0, top)
    if family == "binomial":
        return float(-2.0 * (special.xlogy(y, mean) + special.xlog1py(1.0 - y, -mean)).sum())
    return float(2.0 * (special.xlogy(y, y) - special.xlogy(y, mean) - (y - mean)).sum())


def plain_ends(family: str, link: str, x: np.ndarray, y: np.ndarray, column: int, fit) -> list:
    """Ends of the profile interval of one of two coefficients, by bisection over maxima."""
    X = np.column_stack([np.ones(x.size), x])
    ends = -np.inf if link == "log" else 0.0, np.inf if family == "poisson" else 1.0
    low, high = (0.0 if link == "log" and k else end for k, end in enumerate(ends))

    def rise(value: float) -> float:
        held, other = X[:, column] * value, X[:, 1 - column]
        # Where the other coefficient keeps every row inside: all of them multiply numbers above 0.
        least, most = np.max((low - held) / other), np.min((high - held) / other)
        if least >= most:
            return np.inf
        least, most = max(least, -60.0), min(most, 60.0)

        def deviance(free: float) -> float:
            eta = held + other * free
            return deviance_at(family, np.exp(eta) if link == "log" else eta, y)

        inner = optimize.minimize_scalar(
            deviance, bounds=(least, most), method="bounded", options={"xatol": 1e-12}
        )
        lowest = min(inner.fun, deviance(least), deviance(most))
        return lowest - fit.deviance - stats.chi2.ppf(0.95, 1)

    found = []
    for sign in (-1.0, 1.0):
        inside = fit.params[column]
        outside, step = inside, 0.02
        while rise(outside) < 0.0:
            inside, outside, step = outside, outside + sign * step, 1.6 * step
        for _ in range(60):
            middle = 0.5 * (inside + outside)
            inside, outside = (middle, outside) if rise(middle) < 0.0 else (inside, middle)
        found.append(inside)
    return found


@pytest.mark.parametrize("seed", [0, 2, 6])
@pytest.mark.parametrize(
    ("family", "link"), [("binomial", "log"), ("binomial", "identity"), ("poisson", "identity")]
)
def test_ends_are_right_where_others_or_the_estimate_lie_on_the_boundary(family, link, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.0, 2.0, 25)
    logarithmic = rng.random(25) < np.exp(-1.5 + 0.6 * x)
    chances = rng.random(25) < 0.1 + 0.3 * x
    counts = rng.poisson(0.2 + 0.6 * x)
    responses = {("binomial", "log"): logarithmic, ("binomial", "identity"): chances}
    y = np.asarray(responses.get((family, link), counts), dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fg.errors.ConvergenceWarning)
        fit = fg.GLM(y, fg.add_constant(x), family, link=link).fit()
    assert fit.converged
    limits = fit.conf_int(method="profile")
    for column in (0, 1):
        plain = plain_ends(family, link, x, y, column, fit)
        np.testing.assert_allclose(limits[column], plain, rtol=1e-5, atol=1e-6)


def test_a_fit_that_has_not_converged_has_no_profile():
    with pytest.warns(fg.errors.ConvergenceWarning):
        fit = fg.GLM([0.0, 1, 3, 9], X4, "poisson").fit(max_iter=1)
    with pytest.warns(fg.errors.ConvergenceWarning, match="profile likelihood of const, x1 did"):
        assert np.isnan(fit.conf_int(method="profile")).all()


def test_finite_estimates_beside_infinite_ones():
    # The endometrial data: R's detectseparation finds NV infinite; the others are those of the
    # rows that it does not separate.
    frame = pd.read_csv(DATA / "v_sep_endometrial.data.csv.gz")
    formula = "HG ~ NV + PI + EH"
    with pytest.warns(fg.errors.SeparationWarning):
        fit = fg.glm(formula, frame, "binomial")
    with pytest.warns(fg.errors.RankWarning):
        rest = fg.glm(formula, frame, "binomial", separation="drop")
    limits, theirs = (f.conf_int(method="profile").to_numpy() for f in (fit, rest))
    names = list(fit.names)
    for name in ("PI", "EH"):
        np.testing.assert_allclose(limits[names.index(name)], theirs[names.index(name)], rtol=1e-6)
    low, high = limits[names.index("NV")]
    assert high == np.inf
    held = fg.glm("HG ~ PI + EH", frame, "binomial", offset=low * frame.NV)
    rise = held.deviance - rest.deviance
    np.testing.assert_allclose(rise, stats.chi2.ppf(0.95, 1), rtol=1e-6)


def test_an_aliased_column_beside_a_separated_one():
    y, X = np.array([0.0, 0, 1, 1]), np.column_stack([X4, 2.0 * X4[:, 1]])
    with pytest.warns(fg.errors.RankWarning):
        _, limits = separated_interval({}, y, X, "binomial")
    _, alone = separated_interval({}, y, X4, "binomial")
    np.testing.assert_allclose(limits[:2], alone, rtol=1e-7)
    assert np.isnan(limits[2]).all()


@pytest.mark.parametrize("name", names_with("confint_profile_exact"))
def test_steps_in_all_coefficients_lead_where_refits_do(name):
    fit = fit_for_profile(name)
    for column in range(min(2, len(fit.names))):
        profile = CoefficientProfile(fit, column)
        for target in (-1.2, 1.2):
            found = joint_end(profile.optimum, profile.place, target)
            by_refits = HeldCoefficient.end(profile, target)
            if found is not None:
                assert abs(found.value - by_refits) < 1e-6 * profile.unit


@pytest.mark.parametrize("name", names_with("confint_profile_exact"))
def test_ends_are_as_close_as_the_last_step_promises(name, monkeypatch):
    fit, root = fit_for_profile(name), 1.96
    for column in range(min(3, len(fit.names))):
        profile = CoefficientProfile(fit, column)
        low = joint_end(profile.optimum, profile.place, -root)
        high = joint_end(profile.optimum, profile.place, root, low)
        with monkeypatch.context() as patch:
            patch.setattr(joint_end_module, "RATE_SLACK", np.inf)
            patch.setattr(joint_end_module, "TOLERANCE", 1e-10)
            close = [joint_end(profile.optimum, profile.place, t) for t in (-root, root)]
        for found, closer in zip((low, high), close, strict=True):
            if found is not None and closer is not None:
                assert abs(found.value - closer.value) <= 1e-7 * profile.unit


def test_profile_intervals_take_few_passes(monkeypatch):
    rng = np.random.default_rng(3)
    X = fg.add_constant(rng.normal(size=(20_000, 4)))
    y = (rng.random(20_000) < special.expit(X @ [-1.0, 0.5, 0.2, 0.0, -0.3])).astype(float)
    fit, passes = fg.GLM(y, X, "binomial").fit(), []
    add_up = joint_end_module.likelihood_sums

    def counted(*arguments, **options):
        passes.append(options["with_gram"])
        return add_up(*arguments, **options)

    monkeypatch.setattr(joint_end_module, "likelihood_sums", counted)
    limits = fit.conf_int(method="profile")
    assert len(passes) <= 35
    assert not any(passes)
    for column in (0, 1):
        profile = CoefficientProfile(fit, column)
        for end in limits[column]:
            rise = profile.deviance(end) - fit.deviance
            np.testing.assert_allclose(rise, stats.chi2.ppf(0.95, 1), rtol=1e-7)


def test_an_opposite_end_that_leads_out_of_the_domain_is_forgotten():
    y, X = np.array([2.0, 4, 5, 9, 8, 14]), fg.add_constant(np.arange(1.0, 7.0))
    fit = fg.GLM(y, X, "poisson", link="identity").fit()
    optimum = CoefficientProfile(fit, 1).optimum
    alone = joint_end(optimum, 1, 1.96)
    astray = joint_end(optimum, 1, -1.96)._replace(params=np.array([-1e3, 1.0]), rate=0.0)
    np.testing.assert_array_equal(joint_end(optimum, 1, 1.96, astray).value, alone.value)


def test_a_profile_that_does_not_converge_gives_no_interval(monkeypatch):
    fit = fit_of("v_poi_log_phd")
    monkeypatch.setattr(profile_module, "joint_end", lambda *_: None)
    stopped = (np.zeros(1), 1.0, Status.MAX_ITERATIONS)
    monkeypatch.setattr(profile_module, "refit", lambda *_, **__: stopped)
    with pytest.warns(fg.errors.ConvergenceWarning, match="did not converge"):
        limits = fit.conf_int(method="profile")
    assert np.isnan(np.asarray(limits)).all()


def test_a_profile_of_a_fit_with_a_robust_covariance_says_whose_it_is():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(60), rng.normal(size=60)])
    y = rng.poisson(np.exp(X @ [0.5, 0.3])).astype(float)
    fit = fg.GLM(y, X, "poisson").fit()
    known = fit.conf_int(method="profile")
    robust = fit.with_covariance("HC1")
    with pytest.warns(FastGLMWarning, match="they do not use the covariance HC1 of this fit"):
        np.testing.assert_array_equal(robust.conf_int(method="profile"), known)
    assert not np.allclose(robust.conf_int(), known, rtol=1e-3)
