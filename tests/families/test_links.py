from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ALPHA, LINK_ORACLE, POWER, UNIT_INTERVAL, make_link
from scipy import special, stats

from fastglm.errors import ModelError
from fastglm.families import LINKS, links, resolve_link

MEANS = np.array([1e-10, 1e-4, 0.02, 0.3, 0.5, 0.7, 0.98, 1 - 1e-5])


def etas_of(name: str) -> np.ndarray:
    """Linear predictors inside the link's domain."""
    mu = MEANS if name in UNIT_INTERVAL else np.append(MEANS[2:], [1.5, 8.0, 300.0])
    return LINK_ORACLE[name][0](mu)


@pytest.fixture(params=LINKS)
def name(request):
    return request.param


def test_every_link_has_an_oracle():
    assert set(LINK_ORACLE) == set(LINKS)


def test_equals_the_oracle(name):
    link, (forward, inverse, slope) = make_link(name), LINK_ORACLE[name]
    eta = etas_of(name)
    np.testing.assert_allclose(
        link.inverse(eta), inverse(eta), rtol=1e-14 if name != "nbinom" else 1e-13
    )
    np.testing.assert_allclose(link.inverse_deriv(eta), slope(eta), rtol=2e-13)
    mu = inverse(eta)
    np.testing.assert_allclose(link(mu), forward(mu), rtol=1e-12, atol=1e-14)


def test_derivatives_against_differences(name):
    link, eta = make_link(name), etas_of(name)
    h = 1e-5 * np.maximum(np.abs(eta), 1e-3)
    for lower, upper in (
        (link.inverse, link.inverse_deriv),
        (link.inverse_deriv, link.inverse_deriv2),
    ):
        ends = lower(np.stack([eta - 2 * h, eta - h, eta + h, eta + 2 * h]))
        difference = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
        noise = 1e-10 * np.abs(ends).max(axis=0) / np.abs(eta).clip(1e-3)
        assert (np.abs(upper(eta) - difference) <= 1e-7 * np.abs(difference) + noise).all()


def test_derivatives_of_the_link_are_the_inverses(name):
    link, eta = make_link(name), etas_of(name)[2:5]
    mu = link.inverse(eta)
    np.testing.assert_allclose(link.deriv(mu) * link.inverse_deriv(eta), 1.0, rtol=1e-12)
    h = 1e-6 * mu
    difference = (link.deriv(mu + h) - link.deriv(mu - h)) / (2 * h)
    np.testing.assert_allclose(link.deriv2(mu), difference, rtol=1e-6, atol=1e-6)


def test_complement_is_one_minus_the_mean(name):
    link, eta = make_link(name), etas_of(name)
    np.testing.assert_allclose(link.complement(eta), 1 - link.inverse(eta), rtol=1e-9, atol=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(UNIT_INTERVAL)), st.floats(1e-300, 0.5))
def test_round_trip_in_the_lower_tail(name, mu):
    link = make_link(name)
    # The linear predictor's own rounding moves the mean by this much.
    eta = float(link(mu))
    sensitivity = abs(eta * float(link.inverse_deriv(eta))) / mu
    assert float(link.inverse(eta)) == pytest.approx(mu, rel=1e-14 + 4e-16 * sensitivity)


TAILS = np.array([-700.0, -37.0, -30.0, -8.0, -3.0, 3.0, 8.0, 30.0, 37.0, 700.0])


@pytest.mark.parametrize(
    ("link", "mean", "complement", "slope"),
    [
        (links.Logit(), special.expit(TAILS), special.expit(-TAILS), None),
        (links.Probit(), special.ndtr(TAILS), special.ndtr(-TAILS), stats.norm.pdf(TAILS)),
        (links.Cauchy(), stats.cauchy.sf(-TAILS), stats.cauchy.sf(TAILS), stats.cauchy.pdf(TAILS)),
    ],
)
def test_tails_of_mean_complement_and_slope(link, mean, complement, slope):
    np.testing.assert_allclose(link.inverse(TAILS), mean, rtol=1e-12)
    np.testing.assert_allclose(link.complement(TAILS), complement, rtol=1e-12)
    slope = mean * complement if slope is None else slope
    np.testing.assert_allclose(link.inverse_deriv(TAILS), slope, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(UNIT_INTERVAL))
def test_no_nan_however_extreme(name):
    link = make_link(name)
    eta = np.array([-np.finfo(float).max, -1e200, -800.0, -700.0, 700.0, 800.0, 1e200])
    if name == "logc":
        eta = eta[eta < 0]
    mean, complement = link.inverse(eta), link.complement(eta)
    assert ((mean >= 0) & (mean <= 1) & (complement >= 0) & (complement <= 1)).all()
    np.testing.assert_allclose(mean + complement, 1.0, rtol=1e-15)
    assert np.isfinite(link.inverse_deriv(eta)).all()
    assert np.isfinite(link.inverse_deriv2(eta)).all()


def test_cloglog_and_loglog_are_mirror_images():
    eta = np.linspace(-30, 5, 71)
    mirrored = links.LogLog().complement(-eta)
    np.testing.assert_array_equal(links.CLogLog().inverse(eta), mirrored)
    np.testing.assert_array_equal(
        links.CLogLog().inverse_deriv2(eta), -links.LogLog().inverse_deriv2(-eta)
    )


@pytest.mark.parametrize(
    ("link", "eta"),
    [
        (links.InversePower(), 0.0),
        (links.InverseSquared(), 0.0),
        (links.InverseSquared(), -1.0),
        (links.Sqrt(), -1.0),
        (links.Power(POWER), -1.0),
        (links.NegativeBinomial(ALPHA), 0.5),
    ],
)
def test_outside_the_domain_is_nan(link, eta):
    assert np.isnan(link.inverse(eta))


def test_inverse_links_reach_negative_means_and_logc_leaves_the_unit_interval():
    assert links.InversePower().inverse(-2.0) == -0.5
    assert links.LogC().inverse(0.5) < 0


def test_links_are_values(name):
    link = make_link(name)
    assert link == make_link(name)
    assert hash(link) == hash(make_link(name))
    assert pickle.loads(pickle.dumps(link)) == link
    assert links.Link.from_dict(json.loads(json.dumps(link.to_dict()))) == link
    assert eval(repr(link), vars(links)) == link
    with pytest.raises(AttributeError, match="immutable"):
        link.parameter = 3.0


@pytest.mark.parametrize(
    ("power", "named"),
    [
        (1, links.Identity),
        (0, links.Log),
        (0.5, links.Sqrt),
        (-1, links.InversePower),
        (-2, links.InverseSquared),
    ],
)
def test_a_named_power_is_that_link(power, named):
    assert links.Power(power=power) == named()


def test_powers_differ():
    assert links.Power(0.3) != links.Power(0.4)
    assert links.Power(0.3) != "power"


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("1/mu^2", links.InverseSquared()),
        ("inverse_power", links.InversePower()),
        ("cauchy", links.Cauchy()),
        ("Cauchit", links.Cauchy()),
        ("CLogLog", links.CLogLog()),
        ("log-log", links.LogLog()),
        ("inverse squared", links.InverseSquared()),
        (links.Sqrt, links.Sqrt()),
        (links.Sqrt(), links.Sqrt()),
    ],
)
def test_resolve_link(name, link):
    assert resolve_link(name) == link


@pytest.mark.parametrize(
    "distribution",
    [None, stats.norm, stats.norm(), stats.logistic, stats.cauchy, stats.t(1), stats.t(df=1),
     stats.gumbel_r, stats.gumbel_l],
)  # fmt: skip
def test_the_link_of_a_distribution_is_its_quantile_function(distribution):
    link, p = links.CDFLink(distribution), np.linspace(0.01, 0.99, 33)
    quantiles = (stats.norm if distribution is None else distribution).ppf(p)
    np.testing.assert_allclose(link(p), quantiles, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("distribution", [stats.t(3), stats.norm(2.0), stats.norm(scale=3), 3])
def test_a_distribution_without_a_link_is_refused(distribution):
    with pytest.raises(ModelError, match="CustomLink"):
        links.CDFLink(distribution)


def test_every_r_and_statsmodels_name_resolves(name):
    assert type(resolve_link(LINKS[name].__name__)) is type(resolve_link(LINKS[name]))


@pytest.mark.parametrize("bad", ["lgoit", 3, None, dict])
def test_an_unknown_link_is_named(bad):
    with pytest.raises(ModelError, match="cloglog"):
        resolve_link(bad)


def test_bad_parameters_are_refused():
    with pytest.raises(ModelError, match="power"):
        links.Power(np.inf)
    for alpha in (0.0, -1.0, np.nan):
        with pytest.raises(ModelError, match="alpha"):
            links.NegativeBinomial(alpha)
