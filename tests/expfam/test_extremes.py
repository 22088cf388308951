"""Parameters over many orders of magnitude: nothing overflows, and nothing loses its digits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastglm import expfam

wide = st.floats(-6, 8).map(lambda x: float(10.0**x))
reals = st.floats(-1e4, 1e4)
log_odds = st.floats(-700, 700)
MEMBERS = {
    "Normal": st.builds(expfam.Normal, reals, wide),
    "NormalKnownVariance": st.builds(lambda m: expfam.NormalKnownVariance(m, 2.0), reals),
    "Exponential": st.builds(expfam.Exponential, wide),
    "Gamma": st.builds(expfam.Gamma, wide, wide),
    "ChiSquared": st.builds(expfam.ChiSquared, wide),
    "Beta": st.builds(expfam.Beta, wide, wide),
    "Dirichlet": st.builds(lambda a, b, c: expfam.Dirichlet([a, b, c]), wide, wide, wide),
    "Bernoulli": st.builds(lambda x: expfam.Bernoulli.from_natural_parameter([x]), log_odds),
    "Binomial": st.builds(lambda x: expfam.Binomial.from_natural_parameter([x], n=1000), log_odds),
    "Categorical": st.builds(
        lambda x, y: expfam.Categorical.from_natural_parameter([x, y]), log_odds, log_odds
    ),
    "Multinomial": st.builds(
        lambda x, y: expfam.Multinomial.from_natural_parameter([x, y], n=50), log_odds, log_odds
    ),
    "Poisson": st.builds(expfam.Poisson, wide),
    "Geometric": st.builds(
        lambda x: expfam.Geometric.from_natural_parameter([-x]), st.floats(1e-8, 700)
    ),
    "NegativeBinomial": st.builds(
        lambda x: expfam.NegativeBinomial.from_natural_parameter([-x], size=3.0),
        st.floats(1e-8, 700),
    ),
    "InverseGaussian": st.builds(expfam.InverseGaussian, wide, wide),
    "Wishart": st.builds(
        lambda df, a, b: expfam.Wishart(
            1 + df, [[a, 0.3 * (a * b) ** 0.5], [0.3 * (a * b) ** 0.5, b]]
        ),
        wide,
        wide,
        wide,
    ),
    "InverseWishart": st.builds(
        lambda df, a, b: expfam.InverseWishart(
            1 + df, [[a, 0.3 * (a * b) ** 0.5], [0.3 * (a * b) ** 0.5, b]]
        ),
        wide,
        wide,
        wide,
    ),
}
assert tuple(MEMBERS) == tuple(member.__name__ for member in expfam.MEMBERS)


@pytest.mark.parametrize("name", MEMBERS)
@given(data=st.data())
def test_everything_is_finite_and_consistent(name, data):
    member, other = data.draw(MEMBERS[name]), data.draw(MEMBERS[name])
    step = other.natural_parameter - member.natural_parameter
    for value in (member.log_partition(), member.entropy(), member.mean_parameter):
        assert np.isfinite(value).all()
    assert np.isfinite(member.fisher_information).all()
    divergence = member.kl_divergence(other)
    assert np.isfinite(divergence)
    assert divergence >= 0
    terms = [other.log_partition(), -member.log_partition(), *(-step * member.mean_parameter)]
    # The sum of the terms is only as good as the largest of them.
    size = np.abs(terms).max() + np.abs(member.natural_parameter * member.mean_parameter).max()
    # Below 2.2e-308 numbers have fewer digits: each term may be rounded by this much.
    underflow = (len(terms) + 1) * np.finfo(float).smallest_subnormal
    assert abs(divergence - sum(terms)) <= 1e-11 * (size + divergence) + underflow


@pytest.mark.parametrize("name", MEMBERS)
@given(data=st.data())
def test_natural_parameters_round_trip(name, data):
    member = data.draw(MEMBERS[name])
    again = member.from_natural_parameter(member.natural_parameter)
    np.testing.assert_array_equal(again.natural_parameter, member.natural_parameter)
    assert again.kl_divergence(member) <= 1e-25 * (1 + np.abs(member.log_partition())) ** 2


NEWTON = ("Gamma", "ChiSquared", "Beta", "Dirichlet", "Wishart", "InverseWishart")


@pytest.mark.parametrize("name", NEWTON)
@given(data=st.data())
def test_newton_finds_the_mean_parameter(name, data):
    member = data.draw(MEMBERS[name])
    if name != "ChiSquared" and member.natural_parameter.max() > 1e5:
        return  # the mean parameter itself no longer tells such shapes apart
    again = type(member).from_mean_parameter(member.mean_parameter)
    residual = again.mean_parameter - member.mean_parameter
    # In units of the standard deviation of T.
    z = residual / np.sqrt(np.diag(member.fisher_information))
    assert np.abs(z).max() < 1e-7


@pytest.mark.parametrize("mean", [1e6, 1e10, 1e15])
def test_poisson_density_at_a_large_mean(mean):
    expected = -0.5 * np.log(2 * np.pi * mean) - 1 / (12 * mean)
    np.testing.assert_allclose(expfam.Poisson(mean).log_prob(mean), expected, rtol=1e-14)


@pytest.mark.parametrize("shape", [1e6, 1e10, 1e15])
def test_gamma_density_and_entropy_at_a_large_shape(shape):
    member = expfam.Gamma(shape, 1.0)
    expected = -0.5 * np.log(2 * np.pi * shape) - 1 / (12 * shape)
    np.testing.assert_allclose(member.log_prob(shape), expected, rtol=1e-14)
    normal_limit = 0.5 * np.log(2 * np.pi * np.e * shape) - 1 / (3 * shape)
    np.testing.assert_allclose(member.entropy(), normal_limit, rtol=1e-12)


def test_divergence_of_large_shapes_at_equal_means():
    # For large shapes only the ratio counts: (r - 1 - log r) / 2.
    shapes = np.array([1e8, 1e12])
    for ratio in (1.5, 1.0001, 1e-3):
        one, two = expfam.Gamma(shapes, shapes), expfam.Gamma(shapes * ratio, shapes * ratio)
        gap = ratio - 1
        expected = 0.5 * (gap - np.log1p(gap)) if abs(gap) > 0.1 else gap**2 / 4 - gap**3 / 6
        np.testing.assert_allclose(one.kl_divergence(two), expected, rtol=1e-5)
    scale = np.array([[1.0, 0.2], [0.2, 1.0]])
    # A Wishart of p dimensions has p (p + 1) / 2 such ratios.
    one = expfam.Wishart(1e10, scale / 1e10)
    two = expfam.Wishart(1.5e10, scale / 1.5e10)
    np.testing.assert_allclose(one.kl_divergence(two), 3 * (0.5 - np.log(1.5)) / 2, rtol=1e-7)


def test_divergence_where_one_concentration_is_nearly_the_total():
    # Both by mpmath in 60 digits from log gamma and digamma.
    one, two = expfam.Beta(1e-6, 1.0), expfam.Beta(1e-4, 1e8)
    expected = [-1000000.0000000000453, -1.6449328647924055246e-6]
    np.testing.assert_allclose(one.mean_parameter, expected, rtol=1e-15)
    np.testing.assert_allclose(one.kl_divergence(two), 258.88621486690348976, rtol=1e-14)


@pytest.mark.parametrize("rate", [316227.7660168379, 1.1e6])
def test_divergence_of_shapes_and_rates_that_nearly_cancel(rate):
    # Against the definition, whose terms are known exactly at shape and rate 1.
    shape = 1e6
    log_gamma = (shape - 0.5) * np.log(shape) - shape + 0.5 * np.log(2 * np.pi) + 1 / (12 * shape)
    terms = [log_gamma, -shape * np.log(rate), np.euler_gamma * (shape - 1), rate - 1]
    expected = math.fsum(terms)
    one, two = expfam.Gamma(1.0, 1.0), expfam.Gamma(shape, rate)
    np.testing.assert_allclose(one.kl_divergence(two), expected, rtol=1e-13)
    unit = expfam.Wishart(2.0, [[0.5]]).kl_divergence(expfam.Wishart(2 * shape, [[0.5 / rate]]))
    np.testing.assert_allclose(unit, expected, rtol=1e-13)


def test_dirichlet_draws_at_tiny_concentrations():
    y = expfam.Dirichlet([1e-4, 2e-4]).sample(0, 20_000)
    np.testing.assert_allclose(y.sum(-1), 1.0, rtol=1e-12)
    # Nearly every draw is a corner; the second is twice as likely.
    share = y[:, 1].mean()
    assert abs(share - 2 / 3) < 4 * np.sqrt(2 / 9 / 20_000)


def test_tails_beyond_the_smallest_probability():
    bernoulli = expfam.Bernoulli.from_natural_parameter([-800.0])
    assert bernoulli.log_prob(1) == -800.0
    assert bernoulli.log_prob(0) == 0.0
    binomial = expfam.Binomial.from_natural_parameter([-800.0], n=5)
    np.testing.assert_allclose(binomial.log_prob(2), np.log(10) - 1600)
    poisson = expfam.Poisson.from_natural_parameter([-800.0])
    np.testing.assert_allclose(poisson.log_prob(3), -2400 - np.log(6))
    categorical = expfam.Categorical.from_natural_parameter([900.0, -900.0])
    np.testing.assert_allclose(categorical.log_prob([0, 1, 2]), [0.0, -1800.0, -900.0])


@pytest.mark.parametrize(
    ("member", "reference", "y"),
    [
        (expfam.Gamma(1e-3, 2.0), stats.gamma(1e-3, scale=0.5), [1e-300, 1e-5, 1.0, 300.0]),
        (expfam.Beta(1e-3, 1e3), stats.beta(1e-3, 1e3), [1e-300, 1e-6, 0.5, 0.999]),
        (expfam.Poisson(1e-9), stats.poisson(1e-9), [0, 1, 5, 100]),
        (expfam.Binomial(10**6, 1e-7), stats.binom(10**6, 1e-7), [0, 1, 5, 100]),
        (expfam.NegativeBinomial(1e-3, 0.5), stats.nbinom(1e-3, 0.5), [0, 1, 5, 100]),
        (expfam.ChiSquared(1e-2), stats.chi2(1e-2), [1e-200, 1e-3, 50.0, 1000.0]),
        (expfam.Normal(0.0, 1.0), stats.norm(), [-1e100, -40.0, 0.0, 1e8]),
        (
            expfam.InverseGaussian(1.0, 1e-3),
            stats.invgauss(1e3, scale=1e-3),
            [1e-6, 1e-3, 1.0, 1e5],
        ),
    ],
    ids=lambda value: repr(value) if isinstance(value, expfam.ExponentialFamily) else None,
)
def test_tails_equal_scipy(member, reference, y):
    log = getattr(reference, "logpmf" if hasattr(reference.dist, "logpmf") else "logpdf")
    np.testing.assert_allclose(member.log_prob(y), log(y), rtol=1e-8, atol=1e-12)
