from __future__ import annotations

import numpy as np
import pytest
from r_cases import fit_of, matrix, model_of, names_with, read_case
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.inference.profile import CoefficientProfile

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
    import pandas as pd

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
