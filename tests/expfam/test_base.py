"""Every member against scipy.stats, against its own definition, and against its draws."""

import numpy as np
import pytest
from scipy import integrate, stats

from fastglm import expfam
from fastglm.errors import DataError, MissingValueError, ModelError

SCALE = np.array([[2.0, 0.3, -0.4], [0.3, 1.0, 0.2], [-0.4, 0.2, 0.7]])
DRAWS = 100_000


def event_first(y, event_ndim):
    """Move a sample's event axes in front, as scipy's multivariate distributions want them."""
    return np.moveaxis(y, 0, -1) if event_ndim else y


def scipy_log_prob(example, y):
    log = getattr(example.scipy, "logpdf", None) or example.scipy.logpmf
    if isinstance(example.member, expfam.Multinomial):
        return log(y)
    return log(event_first(y, example.member.support.example.ndim))


def test_log_prob_equals_scipy(example):
    y = example.member.sample(1, 200)
    np.testing.assert_allclose(
        example.member.log_prob(y), scipy_log_prob(example, y), rtol=1e-11, atol=1e-11
    )


def test_log_prob_is_the_canonical_form(member):
    y = member.sample(2, 500)
    canonical = (
        member.sufficient_statistic(y) @ member.natural_parameter
        - member.log_partition()
        + member.log_base_measure(y)
    )
    np.testing.assert_allclose(member.log_prob(y), canonical, rtol=1e-11, atol=1e-11)


def test_entropy_equals_scipy(example):
    if isinstance(example.member, expfam.InverseWishart):
        pytest.skip("scipy's formula is wrong for matrices: see the next two tests")
    if isinstance(example.member, expfam.Categorical):
        expected = stats.entropy([0.2, 0.3, 0.5])
    else:
        expected = example.scipy.entropy()
    np.testing.assert_allclose(example.member.entropy(), expected, rtol=1e-9)


def test_inverse_wishart_entropy_of_one_number_is_that_of_the_inverse_gamma():
    member = expfam.InverseWishart(5.0, [[2.0]])
    np.testing.assert_allclose(member.entropy(), stats.invgamma(2.5, scale=1.0).entropy())


@pytest.mark.parametrize("p", [2, 3])
def test_inverse_wishart_entropy_is_the_average_of_scipys_log_density(p):
    # In scipy 1.17.1 entropy() is off from this average by (p + 1) (p - 1) log(2) / 2: it takes
    # log 2 once, not p times, from the log determinant of the scale matrix.
    scale = SCALE[:p, :p]
    reference = stats.invwishart(6.5, scale)
    draws = np.moveaxis(reference.rvs(DRAWS, random_state=1), 0, -1)
    surprise = -reference.logpdf(draws)
    error = surprise.std() / np.sqrt(DRAWS)
    assert error < 0.02
    assert abs(surprise.mean() - expfam.InverseWishart(6.5, scale).entropy()) < 4 * error


def finite_difference(member, function):
    eta, step = member.natural_parameter, 1e-5
    columns = []
    for direction in np.eye(eta.size):
        above = type(member).from_natural_parameter(eta + step * direction, **member.fixed)
        below = type(member).from_natural_parameter(eta - step * direction, **member.fixed)
        columns.append((function(above) - function(below)) / (2 * step))
    return np.stack(columns, axis=-1)


def test_mean_parameter_is_the_gradient_of_a(member):
    gradient = finite_difference(member, lambda m: m.log_partition())
    np.testing.assert_allclose(member.mean_parameter, gradient, rtol=1e-7, atol=1e-8)


def test_fisher_information_is_the_hessian_of_a(member):
    hessian = finite_difference(member, lambda m: m.mean_parameter)
    scale = np.abs(hessian).max()
    np.testing.assert_allclose(member.fisher_information, hessian, rtol=1e-6, atol=1e-8 * scale)


def test_moments_of_draws(member):
    statistic = member.sufficient_statistic(member.sample(7, DRAWS))
    information = member.fisher_information
    standard_error = np.sqrt(np.diag(information) / DRAWS)
    z = (statistic.mean(0) - member.mean_parameter) / standard_error
    assert np.abs(z).max() < 4.5
    # Each entry of the covariance by the spread of the products it is the average of.
    centered = statistic - member.mean_parameter
    products = centered[:, :, None] * centered[:, None, :]
    spread = products.std(0) / np.sqrt(DRAWS)
    assert np.all(np.abs(products.mean(0) - information) <= 5 * spread + 1e-12)


def test_round_trips(member):
    family, fixed = type(member), member.fixed
    natural = family.from_natural_parameter(member.natural_parameter, **fixed)
    for name in family.parameter_names:
        np.testing.assert_allclose(getattr(natural, name), getattr(member, name), rtol=1e-12)
    mean = family.from_mean_parameter(member.mean_parameter, **fixed)
    np.testing.assert_allclose(mean.natural_parameter, member.natural_parameter, rtol=1e-10)
    # On a member its known parameters need not be repeated.
    again = member.from_natural_parameter(member.natural_parameter)
    assert repr(again) == repr(natural)


def test_kl_is_the_bregman_divergence_of_a(member, other):
    step = other.natural_parameter - member.natural_parameter
    bregman = other.log_partition() - member.log_partition() - step @ member.mean_parameter
    np.testing.assert_allclose(member.kl_divergence(other), bregman, rtol=1e-11)
    assert member.kl_divergence(member) == 0


def test_kl_by_quadrature_or_summation(member, other):
    if member.support.example.ndim:
        pytest.skip("responses of one number only; the rest by draws below")
    contains = member.support.contains

    def integrand(y):
        log_p = member.log_prob(y)
        return np.exp(log_p) * (log_p - other.log_prob(y))

    if not contains(member.support.example + 0.25):
        y = np.arange(2000.0)
        y = y[np.asarray(contains(y))]
        expected = integrand(y).sum()
    else:
        ends = [-np.inf if contains(-1.0) else 0.0, np.inf if contains(2.0) else 1.0]
        middle = float(np.median(member.sample(0, 1001)))
        parts = [
            integrate.quad(integrand, low, high, epsabs=1e-11, epsrel=1e-10, limit=400)[0]
            for low, high in zip([ends[0], middle], [middle, ends[1]], strict=True)
        ]
        expected = sum(parts)
    np.testing.assert_allclose(member.kl_divergence(other), expected, rtol=1e-8)


def test_kl_by_draws(member, other):
    y = member.sample(11, DRAWS)
    ratio = member.log_prob(y) - other.log_prob(y)
    error = ratio.std() / np.sqrt(DRAWS)
    assert abs(ratio.mean() - member.kl_divergence(other)) < 4.5 * error


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_kl_of_close_members_keeps_its_digits(member, size):
    # Taylor's remainder: the integral of (1 - t) δ' I(η + tδ) δ over the unit interval.
    direction = np.where(np.arange(member.natural_parameter.size) % 2, 1.0, -0.7)
    close = member.from_natural_parameter(member.natural_parameter * (1 + size * direction))
    delta = close.natural_parameter - member.natural_parameter
    nodes, weights = np.polynomial.legendre.leggauss(12)
    expected = 0.0
    for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
        between = member.from_natural_parameter(member.natural_parameter + t * delta)
        expected += weight * (1 - t) * (delta @ between.fisher_information @ delta)
    rtol = max(1e-11, 1e-14 / size)
    np.testing.assert_allclose(member.kl_divergence(close), expected, rtol=rtol)


def test_batches_are_members_side_by_side(member, other):
    family, fixed = type(member), member.fixed
    both = family.from_natural_parameter(
        np.stack([member.natural_parameter, other.natural_parameter]), **fixed
    )
    assert both.batch_shape == (2,)
    y = both.sample(3, (4, 5))
    assert y.shape == (4, 5, 2, *member.support.example.shape)
    for place, single in enumerate((member, other)):
        column = y[:, :, place]
        np.testing.assert_allclose(both.log_prob(y)[:, :, place], single.log_prob(column))
        for name in ("log_partition", "entropy"):
            np.testing.assert_allclose(getattr(both, name)()[place], getattr(single, name)())
        for name in ("mean_parameter", "fisher_information"):
            np.testing.assert_allclose(getattr(both, name)[place], getattr(single, name))
        np.testing.assert_allclose(
            both.kl_divergence(other)[place], single.kl_divergence(other), atol=1e-14
        )
        by_mean = family.from_mean_parameter(both.mean_parameter, **fixed)
        np.testing.assert_allclose(
            by_mean.natural_parameter[place], single.natural_parameter, rtol=1e-9
        )


OUTSIDE = {
    expfam.Normal: np.inf,
    expfam.NormalKnownVariance: -np.inf,
    expfam.Exponential: -0.1,
    expfam.Gamma: 0.0,
    expfam.ChiSquared: -1.0,
    expfam.Beta: 1.0,
    expfam.Dirichlet: [0.5, 0.4, 0.2],
    expfam.Bernoulli: 0.5,
    expfam.Binomial: 13,
    expfam.Categorical: 3,
    expfam.Multinomial: [3, 3, 2],
    expfam.Poisson: 1.5,
    expfam.Geometric: 0,
    expfam.NegativeBinomial: -1,
    expfam.InverseGaussian: 0.0,
    expfam.Wishart: np.diag([1.0, 1.0, -1.0]),
    expfam.InverseWishart: [[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
}


def test_outside_the_support(member):
    y = np.stack([member.sample(0), OUTSIDE[type(member)]])
    log_prob = member.log_prob(y)
    assert np.isfinite(log_prob[0])
    assert log_prob[1] == -np.inf
    with pytest.raises(DataError, match=f"{type(member).__name__}.*index 1"):
        member.sufficient_statistic(y)
    with pytest.raises(DataError, match="must satisfy"):
        member.log_base_measure(y)


def test_nan_and_wrong_shapes_are_named(member):
    with pytest.raises(MissingValueError, match="y is NaN"):
        member.log_prob(np.full(member.support.example.shape, np.nan))
    if member.support.example.ndim:
        with pytest.raises(DataError, match="y must have shape"):
            member.log_prob(1.0)


def test_kl_needs_the_same_class_and_known_parameters():
    with pytest.raises(ModelError, match="one class; got Poisson and Normal"):
        expfam.Poisson(1.0).kl_divergence(expfam.Normal(0.0, 1.0))
    with pytest.raises(DataError, match="do not broadcast"):
        expfam.Binomial([3, 3], 0.5).kl_divergence(expfam.Binomial([3, 3, 3], 0.5))
    with pytest.raises(ModelError, match="the same n"):
        expfam.Binomial(3, 0.5).kl_divergence(expfam.Binomial(4, 0.5))


def test_members_are_immutable_arrays(member):
    with pytest.raises(ValueError, match="read-only"):
        member.natural_parameter[...] = 0.0


def test_the_same_seed_gives_the_same_draws(member):
    np.testing.assert_array_equal(
        member.sample(5, 3), member.sample(np.random.default_rng(5), (3,))
    )
