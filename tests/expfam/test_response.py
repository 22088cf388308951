"""Members as responses of generalized linear models: link, variance and family agree with a."""

import numpy as np
import pytest

import fastglm
from fastglm import expfam, families
from fastglm.errors import ModelError

RESPONSES = [
    (expfam.Normal(1.3, 2.0), families.Gaussian, "Identity"),
    (expfam.NormalKnownVariance(1.3, 2.0), families.Gaussian, "Identity"),
    (expfam.Exponential(0.4), families.Gamma, "InversePower"),
    (expfam.Gamma(2.0, 0.4), families.Gamma, "InversePower"),
    (expfam.Bernoulli(0.3), families.Binomial, "Logit"),
    (expfam.Binomial(9, 0.3), families.Binomial, "Logit"),
    (expfam.Poisson(2.5), families.Poisson, "Log"),
    (expfam.NegativeBinomial(2.5, 0.3), families.NegativeBinomial, "NegativeBinomial"),
    (expfam.InverseGaussian(2.0, 3.0), families.InverseGaussian, "InverseSquared"),
]


@pytest.mark.parametrize(("member", "family", "link"), RESPONSES)
def test_family_and_canonical_link(member, family, link):
    made = member.glm_family()
    assert isinstance(made, family)
    assert type(made.link).__name__ == link
    assert type(member.canonical_link).__name__ == link


@pytest.mark.parametrize(("member", "family", "link"), RESPONSES)
def test_the_class_alone_is_enough(member, family, link):
    if family is families.NegativeBinomial:
        with pytest.raises(ModelError, match="pass size="):
            type(member).glm_family()
        assert "alpha=0.5" in repr(type(member).glm_family(size=2.0))
    else:
        assert isinstance(type(member).glm_family(), family)


@pytest.mark.parametrize("family", [expfam.Bernoulli, expfam.Poisson])
def test_the_regression_derived_from_a_member_solves_its_score_equations(family):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=300)])
    y = family.from_natural_parameter((X @ [0.2, 0.7])[:, None]).sample(1)
    params = fastglm.GLM(y, X, family=family).fit(tol=1e-14).params
    fitted = family.from_natural_parameter((X @ params)[:, None])
    # The gradient of Σ log p(y; η = Xθ) in θ.
    score = X.T @ (y - fitted.mean_parameter[:, 0])
    np.testing.assert_allclose(score, 0.0, atol=1e-8)


# Var[y] over V(E[y]): the dispersion each member stands for.
@pytest.mark.parametrize(
    ("member", "mean", "variance", "dispersion"),
    [
        (expfam.Normal(1.3, 2.0), 1.3, 2.0, 2.0),
        (expfam.Exponential(0.4), 2.5, 6.25, 1.0),
        (expfam.Gamma(2.0, 0.4), 5.0, 12.5, 0.5),
        (expfam.Bernoulli(0.3), 0.3, 0.21, 1.0),
        (expfam.Binomial(9, 0.3), 0.3, 0.21 / 9, 1 / 9),
        (expfam.Poisson(2.5), 2.5, 2.5, 1.0),
        (expfam.NegativeBinomial(3.0, 0.25), 9.0, 36.0, 1.0),
        (expfam.InverseGaussian(2.0, 3.0), 2.0, 8 / 3, 1 / 3),
    ],
)
def test_variance_function(member, mean, variance, dispersion):
    np.testing.assert_allclose(dispersion * member.variance_function(mean), variance)


def test_members_that_are_no_response_are_an_error():
    for member in (expfam.Beta(1.0, 2.0), expfam.Geometric(0.4), expfam.ChiSquared(3.0)):
        with pytest.raises(ModelError, match="not the response"):
            member.glm_family()
        with pytest.raises(ModelError, match="not the response"):
            member.variance_function(0.5)
        with pytest.raises(ModelError, match="not the response"):
            _ = member.canonical_link


def test_parameters_that_are_not_there_are_refused():
    for ask in (expfam.Poisson.glm_family, lambda **k: expfam.Poisson.variance_function(1.0, **k)):
        with pytest.raises(ModelError, match="Poisson has no known parameter named nonsense"):
            ask(nonsense=2)
