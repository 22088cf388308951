"""One member of every class, with what scipy.stats calls the same distribution."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from scipy import stats

from fastglm import expfam

SCALE = np.array([[2.0, 0.3, -0.4], [0.3, 1.0, 0.2], [-0.4, 0.2, 0.7]])


@dataclass(frozen=True)
class Example:
    member: expfam.ExponentialFamily
    other: expfam.ExponentialFamily
    scipy: Any


EXAMPLES = (
    Example(expfam.Normal(1.3, 2.5), expfam.Normal(0.4, 4.0), stats.norm(1.3, np.sqrt(2.5))),
    Example(
        expfam.NormalKnownVariance(1.3, 2.5),
        expfam.NormalKnownVariance(-0.4, 2.5),
        stats.norm(1.3, np.sqrt(2.5)),
    ),
    Example(expfam.Exponential(0.4), expfam.Exponential(1.7), stats.expon(scale=2.5)),
    Example(expfam.Gamma(2.7, 0.4), expfam.Gamma(0.9, 1.5), stats.gamma(2.7, scale=2.5)),
    Example(expfam.ChiSquared(3.5), expfam.ChiSquared(8.0), stats.chi2(3.5)),
    Example(expfam.Beta(0.7, 3.0), expfam.Beta(2.0, 1.2), stats.beta(0.7, 3.0)),
    Example(
        expfam.Dirichlet([0.5, 2.0, 3.5]),
        expfam.Dirichlet([1.5, 1.0, 0.7]),
        stats.dirichlet([0.5, 2.0, 3.5]),
    ),
    Example(expfam.Bernoulli(0.3), expfam.Bernoulli(0.85), stats.bernoulli(0.3)),
    Example(expfam.Binomial(12, 0.3), expfam.Binomial(12, 0.6), stats.binom(12, 0.3)),
    Example(
        expfam.Categorical([0.2, 0.3, 0.5]),
        expfam.Categorical([0.6, 0.1, 0.3]),
        stats.rv_discrete(values=([0, 1, 2], [0.2, 0.3, 0.5])),
    ),
    Example(
        expfam.Multinomial(7, [0.2, 0.3, 0.5]),
        expfam.Multinomial(7, [0.6, 0.1, 0.3]),
        stats.multinomial(7, [0.2, 0.3, 0.5]),
    ),
    Example(expfam.Poisson(3.4), expfam.Poisson(1.2), stats.poisson(3.4)),
    Example(expfam.Geometric(0.3), expfam.Geometric(0.7), stats.geom(0.3)),
    Example(
        expfam.NegativeBinomial(2.5, 0.3),
        expfam.NegativeBinomial(2.5, 0.6),
        stats.nbinom(2.5, 0.3),
    ),
    Example(
        expfam.InverseGaussian(2.0, 3.0),
        expfam.InverseGaussian(1.1, 0.8),
        stats.invgauss(2.0 / 3.0, scale=3.0),
    ),
    Example(
        expfam.Wishart(4.5, SCALE),
        expfam.Wishart(7.0, 0.5 * SCALE + 0.3 * np.eye(3)),
        stats.wishart(4.5, SCALE),
    ),
    Example(
        expfam.InverseWishart(6.5, SCALE),
        expfam.InverseWishart(4.0, 0.5 * SCALE + 0.3 * np.eye(3)),
        stats.invwishart(6.5, SCALE),
    ),
)


# A member added without an example would go untested.
assert tuple(type(example.member) for example in EXAMPLES) == expfam.MEMBERS


@pytest.fixture(params=EXAMPLES, ids=lambda example: type(example.member).__name__)
def example(request):
    return request.param


@pytest.fixture
def member(example):
    return example.member


@pytest.fixture
def other(example):
    return example.other
