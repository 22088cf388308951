"""What one family does, over all families and all their links."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from as_entry import as_entry
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import LINK_ORACLE, UNIT_INTERVAL, is_proportion, make_families, make_link, variance
from scipy import integrate

from fastglm.errors import ModelError
from fastglm.families import FAMILIES, Family, links
from fastglm.families.evaluate import evaluate
from fastglm.kernels.blocks import row_buffers as pl

FAMILY_LIST = make_families()
PAIRS = [
    (name, link)
    for name, family in FAMILY_LIST.items()
    for link in LINK_ORACLE
    if type(make_link(link)) in family.links
]


@pytest.fixture(params=FAMILY_LIST)
def family(request):
    return FAMILY_LIST[request.param]


def respond(family: Family, y, eta, weight=1.0, binary=False):
    """All that a family's row block writes, by buffer, at linear predictors."""
    link = family.link
    given = {
        pl.RESPONSE: y,
        pl.PRIOR_WEIGHT: weight,
        pl.LINEAR_PREDICTOR: eta,
        pl.MEAN: link.inverse(eta),
        pl.COMPLEMENT: link.complement(eta),
        pl.SLOPE: link.inverse_deriv(eta),
    }
    block = family.respond_rows_for(binary)
    wanted = (pl.WEIGHT, pl.RESIDUAL, pl.PEARSON, pl.DEVIANCE)
    return tuple(evaluate(block, given, buffer, family=family.parameter) for buffer in wanted)


def interior(family: Family):
    """Responses and means inside the domain, (k,) each."""
    y = np.array([0.05, 0.3, 0.3, 0.6, 0.92])
    mu = np.array([0.1, 0.2, 0.45, 0.7, 0.5])
    return (y, mu) if is_proportion(family) else (8 * y, np.append(mu[:3], 5 * mu[3:]))


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_weight_residual_and_pearson_by_their_formulas(name, link):
    family = FAMILY_LIST[name].with_link(make_link(link))
    y, mu = interior(family)
    mu = np.minimum(mu, 0.9) if link in UNIT_INTERVAL else mu
    eta = LINK_ORACLE[link][0](mu)
    slope, spread = LINK_ORACLE[link][2](eta), variance(family, mu)
    prior = np.array([1.0, 2.0, 0.5, 3.0, 0.0])
    weight, residual, pearson, deviance = respond(family, y, eta, prior)
    np.testing.assert_allclose(weight, prior * slope**2 / spread, rtol=1e-12)
    np.testing.assert_allclose(residual, prior * (y - mu) * slope / spread, rtol=1e-11)
    np.testing.assert_allclose(pearson, prior * (y - mu) ** 2 / spread, rtol=1e-11)
    np.testing.assert_allclose(deviance, prior * family.unit_deviance(y, mu), rtol=1e-9)


@pytest.mark.parametrize(("name", "link"), PAIRS)
def test_the_residual_is_the_slope_of_the_deviance(name, link):
    family = FAMILY_LIST[name].with_link(make_link(link))
    y, mu = interior(family)
    mu = np.minimum(mu, 0.9) if link in UNIT_INTERVAL else mu
    if name == "quasi mu^2(1-mu)^2":
        y = np.full_like(y, 0.5)  # elsewhere R's deviance is deliberately not the integral
    eta = LINK_ORACLE[link][0](mu)
    h = 1e-4 * np.maximum(np.abs(eta), 0.1)
    ends = [respond(family, y, eta + k * h)[3] for k in (-2, -1, 1, 2)]
    slope = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)
    residual = respond(family, y, eta)[1]
    np.testing.assert_allclose(-0.5 * slope, residual, rtol=1e-7, atol=1e-9)


def test_variance(family):
    _, mu = interior(family)
    np.testing.assert_allclose(family.variance(mu), variance(family, mu), rtol=1e-14)


def test_unit_deviance_is_the_quasi_likelihood_integral(family):
    all_y, means = interior(family)
    if family.arguments().get("variance") == "mu^2(1-mu)^2":
        all_y = np.full_like(all_y, 0.5)
    for y, mu in zip(all_y, means, strict=True):
        value, _ = integrate.quad(lambda t, y=y: (y - t) / variance(family, t), mu, y)
        assert family.unit_deviance(y, mu) == pytest.approx(2 * value, rel=1e-8)


@pytest.mark.parametrize("name", [name for name in FAMILY_LIST if "(1-mu)^2" not in name])
def test_unit_deviance_is_accurate_next_to_the_mean(name):
    family = FAMILY_LIST[name]
    y, _ = interior(family)
    # Not exactly 0: a binomial difference is two products.
    assert (np.abs(family.unit_deviance(y, y)) < 1e-30).all()
    mu = y * (1 + 1e-7)
    second_order = (y - mu) ** 2 / variance(family, (y + 2 * mu) / 3)
    np.testing.assert_allclose(family.unit_deviance(y, mu), second_order, rtol=1e-7)


@pytest.mark.parametrize("name", ["binomial", "quasibinomial", "quasi mu(1-mu)"])
def test_the_binary_block_answers_as_the_general_one(name):
    family = FAMILY_LIST[name].with_link("logit")
    eta = np.linspace(-30, 30, 61)
    for y in (0.0, 1.0):
        for got, expected in zip(
            respond(family, y, eta, 2.0, binary=True), respond(family, y, eta, 2.0), strict=True
        ):
            np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-15)
    assert family.respond_rows_for(False) is family.respond_rows


@pytest.mark.parametrize("name", ["poisson", "gamma", "negative_binomial", "tweedie 1.5"])
@pytest.mark.parametrize("eta", [-700.0, -300.0, 92.1, 300.0, 690.0])
def test_log_link_at_extreme_means(name, eta):
    family = FAMILY_LIST[name].with_link("log")
    y = np.array([1e-5, 1.0, 1e5])
    weight, residual, _, deviance = respond(family, y, eta)
    assert np.isfinite(weight).all()
    assert np.isfinite(residual).all() or eta < -690
    assert (deviance > 0).all()
    overflows = name == "gamma" and eta < -690
    assert np.isfinite(deviance).all() or overflows


@pytest.mark.parametrize("link", sorted(UNIT_INTERVAL - {"logc"}))
def test_binary_tails_have_finite_weights(link):
    family = FAMILY_LIST["binomial"].with_link(link)
    eta = np.array([-700.0, -300.0, -37.0, -20.0, 5.0, 20.0, 37.0, 300.0, 700.0])
    for y in (0.0, 1.0):
        for binary in (False, True):
            weight, residual, _, deviance = respond(family, y, eta, binary=binary)
            assert np.isfinite(weight).all()
            assert np.isfinite(residual).all()
            assert not np.isnan(deviance).any()


def test_a_row_of_weight_zero_contributes_nothing(family):
    for y, eta in ((np.nan, 0.5), (0.3, np.nan), (np.inf, -1.0)):
        for part in respond(family, y, eta, 0.0):
            assert part == 0.0


@pytest.mark.parametrize(
    ("name", "y", "mu", "valid"),
    [
        ("gaussian", 1.0, -3.0, True),
        ("gaussian", 1.0, np.inf, False),
        ("poisson", 0.0, 0.0, True),
        ("poisson", 1.0, 0.0, False),
        ("poisson", 1.0, -1e-9, False),
        ("poisson", 1.0, np.inf, False),
        ("gamma", 1.0, 0.0, False),
        ("gamma", 1.0, 1e300, True),
        ("inverse_gaussian", 1.0, -1.0, False),
        ("binomial", 0.0, 0.0, True),
        ("binomial", 0.5, 0.0, False),
        ("binomial", 1.0, 1.0, True),
        ("binomial", 0.5, 1.0, False),
        ("binomial", 0.5, 1.1, False),
        ("poisson", 0.0, np.nan, False),
    ],
)
def test_valid_mean(name, y, mu, valid):
    assert as_entry(FAMILY_LIST[name].functions.valid_mean)(y, mu, 1.0 - mu) == valid


def test_the_start_is_inside_the_domain(family):
    y, _ = interior(family)
    ends = [e for e in (0.0, 1.0) if family.domain.contains(np.array(e))]
    y = np.append(y, ends)
    start = family.starting_mu(y)
    for one, mu in zip(y, start, strict=True):
        assert as_entry(family.functions.valid_mean)(one, mu, 1 - mu)
        assert mu > 0 or not np.isfinite(family.domain.lower)
        assert not is_proportion(family) or mu < 1


@pytest.mark.parametrize(
    ("name", "y", "weight", "mustart"),
    [
        ("binomial", 1.0, 3.0, 3.5 / 4),
        ("poisson", 2.0, 1.0, 2.1),
        ("negative_binomial", 0.0, 1.0, 1 / 6),
        ("gamma", 2.0, 1.0, 2.0),
        ("tweedie 1.5", 0.0, 1.0, 0.1),
        ("gaussian", -2.0, 1.0, -2.0),
    ],
)
def test_the_start_is_rs_mustart(name, y, weight, mustart):
    assert FAMILY_LIST[name].starting_mu(y, weight) == mustart


def test_resid_dev_and_deviance(family):
    y, mu = interior(family)
    w, f = np.array([1.0, 2.0, 3.0, 1.0, 2.0]), np.array([2.0, 1.0, 1.0, 3.0, 1.0])
    resid = family.resid_dev(y, mu, w, scale=2.0)
    unit = family.unit_deviance(y, mu)
    assert family.deviance(y, mu, w, f, scale=2.0) == pytest.approx(np.sum(f * w * unit) / 2)
    if (unit > 0).all():
        assert np.sum(f * resid**2) == pytest.approx(np.sum(f * w * unit) / 2)
        np.testing.assert_array_equal(np.sign(resid), np.sign(y - mu))


def test_families_are_values(family):
    assert pickle.loads(pickle.dumps(family)) == family
    assert hash(pickle.loads(pickle.dumps(family))) == hash(family)
    assert Family.from_dict(json.loads(json.dumps(family.to_dict()))) == family
    assert type(family).__name__ in repr(family)
    other = "sqrt" if type(family.link) is not links.Sqrt else "log"
    assert family.with_link(other) != family
    with pytest.raises(AttributeError, match="immutable"):
        family.link = links.Log()


def test_equality_needs_every_parameter():
    tweedie = FAMILIES["tweedie"]
    assert tweedie(var_power=1.5) != tweedie(var_power=1.6)
    assert tweedie(var_power=1.5) != tweedie("sqrt", var_power=1.5)
    assert FAMILIES["quasi"](variance="mu") != FAMILIES["quasi"](variance="constant")


@pytest.mark.parametrize("power", [0.5, -1.0, np.nan, np.inf])
def test_powers_without_a_distribution_are_refused(power):
    with pytest.raises(ModelError, match="var_power"):
        FAMILIES["tweedie"](var_power=power)


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan, np.inf])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ModelError, match="alpha"):
        FAMILIES["negative_binomial"](alpha=alpha)


@pytest.mark.parametrize("variance", ["mu^5", None])
def test_an_unknown_variance_lists_the_known(variance):
    with pytest.raises(ModelError, match=r"mu\^2\(1-mu\)\^2"):
        FAMILIES["quasi"](variance=variance)


def test_the_variance_may_be_written_with_spaces_and_stars():
    assert FAMILIES["quasi"](variance="mu(1 - mu)") == FAMILIES["quasi"](variance="mu(1-mu)")
    assert FAMILIES["quasi"](variance="mu**2") == FAMILIES["quasi"](variance="mu^2")


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([name for name in FAMILY_LIST if "(1-mu)^2" not in name]),
    st.floats(1e-6, 1 - 1e-6),
    st.floats(1e-6, 1 - 1e-6),
)
def test_unit_deviance_is_positive(name, y, mu):
    assert FAMILY_LIST[name].unit_deviance(y, mu) >= 0


@pytest.mark.parametrize(
    ("family", "link", "ends"),
    [
        ("poisson", "log", (-np.inf, np.inf)),
        ("poisson", "identity", (0.0, np.inf)),
        ("poisson", "sqrt", (0.0, np.inf)),
        ("binomial", "identity", (0.0, 1.0)),
        ("binomial", "log", (-np.inf, 0.0)),
        ("binomial", "sqrt", (0.0, 1.0)),
        ("gamma", "inverse", (0.0, np.inf)),
        ("gaussian", "sqrt", (0.0, np.inf)),
        # Either side of zero.
        ("gaussian", "inverse", None),
    ],
)
def test_predictors_with_a_mean_inside_the_domain(family, link, ends):
    found = FAMILIES[family](link=make_link(link)).predictor_range
    if ends is None:
        assert found is None
    else:
        np.testing.assert_allclose(found, ends, rtol=1e-15, atol=1e-15)
