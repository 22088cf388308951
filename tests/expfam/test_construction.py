"""Fitting, and the errors of every way to make a member."""

import numpy as np
import pytest
from scipy import optimize, stats

from fastglm import expfam
from fastglm.errors import DataError, MissingValueError, ModelError

RNG = np.random.default_rng(20)
SAMPLE = stats.gamma.rvs(2.3, scale=1.7, size=400, random_state=3)


def test_fit_matches_the_average_statistic(member):
    y = member.sample(4, 300)
    fitted = member.fit(y)
    average = member.sufficient_statistic(y).mean(0)
    np.testing.assert_allclose(fitted.mean_parameter, average, rtol=1e-10, atol=1e-12)


def test_fit_is_the_maximum_of_the_likelihood(member):
    y = member.sample(4, 300)
    fitted = member.fit(y)
    best = fitted.log_prob(y).sum()
    rng = np.random.default_rng(0)
    for _ in range(20):
        shift = 1 + 0.02 * rng.standard_normal(fitted.natural_parameter.shape)
        try:
            moved = member.from_natural_parameter(fitted.natural_parameter * shift)
        except DataError:
            continue
        assert moved.log_prob(y).sum() < best


@pytest.mark.parametrize(
    ("family", "reference", "names"),
    [
        (expfam.Gamma, stats.gamma, lambda f: (f[0], 1 / f[2])),
        (expfam.InverseGaussian, stats.invgauss, lambda f: (f[0] * f[2], f[2])),
        (expfam.Exponential, stats.expon, lambda f: (1 / f[1],)),
    ],
)
def test_fit_equals_scipys(family, reference, names):
    expected = names(reference.fit(SAMPLE, floc=0))
    fitted = family.fit(SAMPLE)
    actual = [getattr(fitted, name) for name in family.parameter_names]
    np.testing.assert_allclose(actual, expected, rtol=1e-4)
    # Scipy's simplex search stops early; ours is at least as likely.
    theirs = family(*expected).log_prob(SAMPLE).sum()
    assert fitted.log_prob(SAMPLE).sum() >= theirs - 1e-9


def test_beta_and_chi_squared_fits_equal_scipys():
    y = stats.beta.rvs(0.8, 2.5, size=500, random_state=1)
    a, b, _, _ = stats.beta.fit(y, floc=0, fscale=1)
    fitted = expfam.Beta.fit(y)
    np.testing.assert_allclose([fitted.a, fitted.b], [a, b], rtol=1e-4)
    df = stats.chi2.fit(SAMPLE, floc=0, fscale=1)[0]
    np.testing.assert_allclose(expfam.ChiSquared.fit(SAMPLE).df, df, rtol=1e-4)


def test_dirichlet_fit_equals_a_general_optimiser():
    y = stats.dirichlet.rvs([0.4, 2.0, 5.0], size=300, random_state=2)

    def loss(log_alpha):
        return -stats.dirichlet(np.exp(log_alpha)).logpdf(y.T).mean()

    best = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    np.testing.assert_allclose(expfam.Dirichlet.fit(y).alpha, np.exp(best.x), rtol=1e-5)


def test_closed_form_fits():
    counts = np.array([0, 3, 1, 4, 2])
    assert expfam.Poisson.fit(counts).mean == 2
    assert expfam.Bernoulli.fit([0, 1, 1, 1]).p == 0.75
    assert expfam.Binomial.fit(counts, n=8).p == 0.25
    np.testing.assert_allclose(expfam.NegativeBinomial.fit(counts, size=2.0).p, 0.5)
    np.testing.assert_allclose(expfam.Geometric.fit(counts + 1).p, 1 / 3)
    np.testing.assert_allclose(expfam.Categorical.fit([0, 1, 2, 2]).p, [0.25, 0.25, 0.5])
    normal = expfam.Normal.fit(counts)
    np.testing.assert_allclose([normal.mean, normal.variance], [2.0, 2.0])


def test_normal_fit_far_from_zero():
    y = 1e9 + np.array([-1.0, 0.0, 1.0])
    fitted = expfam.Normal.fit(y)
    assert fitted.mean == 1e9
    np.testing.assert_allclose(fitted.variance, 2 / 3)


def test_weights_are_copies(member):
    y = member.sample(4, 40)
    counts = np.random.default_rng(1).integers(0, 4, 40)
    weighted = member.fit(y, weights=counts)
    repeated = member.fit(np.repeat(y, counts, axis=0))
    np.testing.assert_allclose(weighted.natural_parameter, repeated.natural_parameter, rtol=1e-8)


def test_weights_may_differ_by_batch():
    y = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0]])
    fitted = expfam.Poisson.fit(y, weights=[[1, 0], [1, 0], [1, 5]])
    np.testing.assert_allclose(fitted.mean, [7 / 3, 4.0])


def test_conjugate_prior_is_pseudo_observations(member, other):
    y = member.sample(4, 60)
    extra = other.sample(5, 30)
    prior = expfam.ConjugatePrior(other.sufficient_statistic(extra).mean(0), 30.0)
    mode = member.fit(y, prior=prior)
    together = member.fit(np.concatenate([y, extra]))
    np.testing.assert_allclose(mode.natural_parameter, together.natural_parameter, rtol=1e-8)


def test_prior_rescues_a_degenerate_sample():
    with pytest.raises(DataError, match=r"0 < E\[y\] < 1.*prior"):
        expfam.Bernoulli.fit([1, 1, 1])
    fitted = expfam.Bernoulli.fit([1, 1, 1], prior=expfam.ConjugatePrior([0.5], 1.0))
    assert fitted.p == 3.5 / 4
    with pytest.raises(DataError, match="prior"):
        expfam.Normal.fit([2.0, 2.0])
    fitted = expfam.Normal.fit([2.0, 2.0], prior=expfam.ConjugatePrior([0.0, 1.0], 2.0))
    np.testing.assert_allclose([fitted.mean, fitted.variance], [1.0, 1.5])


def test_fits_in_a_batch_are_fits_one_by_one(member):
    y = member.sample(4, (50, 3))
    together = member.fit(y)
    assert together.batch_shape == (3,)
    for place in range(3):
        single = member.fit(y[:, place])
        np.testing.assert_allclose(
            together.natural_parameter[place], single.natural_parameter, rtol=1e-8
        )


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: expfam.Gamma(-1.0, 1.0), "shape must be positive and finite; got -1.0"),
        (lambda: expfam.Gamma([1.0, 0.0], 1.0), r"shape .* got 0.0 at index 1"),
        (lambda: expfam.Poisson("many"), "mean must be numeric"),
        (lambda: expfam.Bernoulli(1.0), "p must lie strictly between 0 and 1"),
        (lambda: expfam.Binomial(2.5, 0.5), "n must be a whole number of at least 1; got 2.5"),
        (lambda: expfam.Normal(np.inf, 1.0), "mean must be finite"),
        (lambda: expfam.Normal([0.0, 1.0], [1.0, 1.0, 1.0]), r"mean \(2,\), variance \(3,\)"),
        (lambda: expfam.Dirichlet([1.0]), "alpha needs a last axis of at least 2"),
        (lambda: expfam.Categorical([0.5, 0.6]), "p must be positive and sum to 1"),
        (lambda: expfam.Wishart(1.0, np.eye(3)), "df must be above p - 1 = 2; got 1.0"),
        (lambda: expfam.Wishart(4.0, [[1.0, 2.0], [2.0, 1.0]]), "scale must be symmetric positive"),
        (lambda: expfam.Wishart(4.0, [1.0, 2.0]), "scale must hold square matrices"),
        (lambda: expfam.Gamma.from_natural_parameter([1.0, 1.0]), "η₁ > 0, η₂ < 0"),
        (lambda: expfam.Gamma.from_natural_parameter([1.0]), "2 entries"),
        (lambda: expfam.Wishart.from_natural_parameter([4.0, -1.0, -1.0]), r"p \(p \+ 1\) / 2"),
        (lambda: expfam.Gamma.from_mean_parameter([1.0, 1.0]), r"E\[log y\] < log E\[y\]"),
        (lambda: expfam.Poisson.fit([1.0, -2.0]), "y must satisfy .* index 1"),
        (lambda: expfam.Poisson.fit([]), "at least one observation"),
        (lambda: expfam.Poisson.fit([1, 2], weights=[1, -1]), "weights must not be negative"),
        (lambda: expfam.Poisson.fit([1, 2], weights=[0, 0]), "weights must not sum to 0"),
        (lambda: expfam.Poisson.fit([1, 2], weights=[1, 2, 3]), r"weights must have shape \(2,\)"),
    ],
)
def test_bad_input_is_named(build, message):
    with pytest.raises(DataError, match=message):
        build()


def test_missing_values_are_named():
    with pytest.raises(MissingValueError, match="rate is NaN at index 1"):
        expfam.Exponential([1.0, np.nan])
    with pytest.raises(MissingValueError, match="sample is NaN at index 2"):
        expfam.Poisson.fit([1.0, 2.0, np.nan])


def test_known_parameters_are_required():
    with pytest.raises(ModelError, match="Binomial needs its known parameter: pass n="):
        expfam.Binomial.fit([1, 2])
    with pytest.raises(ModelError, match="Poisson has no known parameter named n"):
        expfam.Poisson.fit([1, 2], n=3)
    assert expfam.Binomial(8, 0.9).fit([0, 3, 1, 4, 2]).p == 0.25
