"""Covariance by clusters and influence of levels of generalized mixed models, by brute force."""

import numpy as np
import pytest
import scipy
from mixed_cases import case_frame, fit_case

import fastglm as fg
from fastglm.errors import ModelError

RNG = np.random.default_rng(15)
N = 240
DATA: dict = {
    "a": np.repeat(np.arange(12), 20),
    "b": np.repeat(np.arange(48), 5),
    "other": RNG.permutation(np.arange(N) % 4),
    "x": RNG.normal(size=N),
}
EFFECTS = RNG.normal(size=12)[DATA["a"]] * 0.7 + RNG.normal(size=48)[DATA["b"]] * 0.5
ETA = 0.4 + 0.5 * DATA["x"] + EFFECTS
DATA["count"] = RNG.poisson(np.exp(ETA)).astype(float)
DATA["hit"] = (RNG.random(N) < scipy.special.expit(ETA)).astype(float)
DATA["cost"] = RNG.gamma(3.0, np.exp(ETA) / 3.0)
X = np.column_stack([np.ones(N), DATA["x"]])


def logistic(y, eta, extra):
    mean = scipy.special.expit(eta)
    return y * eta - np.logaddexp(0.0, eta), y - mean, mean * (1.0 - mean)


def poisson(y, eta, extra):
    mean = np.exp(eta)
    return y * eta - mean - scipy.special.gammaln(y + 1.0), y - mean, mean


def gamma(y, eta, extra):
    shape = np.exp(-extra)
    ratio = y * np.exp(-eta)
    value = shape * (np.log(shape) - eta) + (shape - 1.0) * np.log(y)
    value -= shape * ratio + scipy.special.gammaln(shape)
    return value, shape * (ratio - 1.0), shape * ratio


def indicators(codes):
    return (codes[:, None] == np.unique(codes)).astype(float)


def intercepts(rows, theta):
    return theta[0] * indicators(DATA["a"][rows])


def slopes(rows, theta):
    factor = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    return X[rows] @ factor


def nested(rows, theta):
    # As lme4, by decreasing number of levels.
    own = [theta[0] * indicators(DATA["b"][rows]), theta[1] * indicators(DATA["a"][rows])]
    return np.hstack(own)


def laplace(parameters, rows, y, law, scaled, n_theta):
    """Minus twice the log-likelihood of some rows, with dense matrices."""
    beta, theta = parameters[:2], parameters[2 : 2 + n_theta]
    extra = parameters[-1] if parameters.size > 2 + n_theta else 0.0
    A = scaled(rows, theta)
    u = np.zeros(A.shape[1])
    for _ in range(100):
        value, score, weight = law(y[rows], X[rows] @ beta + A @ u, extra)
        H = np.eye(u.size) + A.T @ (weight[:, None] * A)
        step = np.linalg.solve(H, A.T @ score - u)
        u = u + step
        if np.abs(step).max() < 1e-12:
            break
    value, _, weight = law(y[rows], X[rows] @ beta + A @ u, extra)
    H = np.eye(u.size) + A.T @ (weight[:, None] * A)
    return -2.0 * value.sum() + u @ u + np.linalg.slogdet(H)[1]


def slope_of(function, x, h=1e-4):
    """Central differences to fourth order."""
    found = []
    for i in range(x.size):
        e = np.zeros(x.size)
        e[i] = h
        near, far = function(x + e) - function(x - e), function(x + 2 * e) - function(x - 2 * e)
        found.append((8.0 * near - far) / (12.0 * h))
    return np.array(found)


CASES = {
    "logistic": ("hit ~ x + (1 | a)", "binomial", "hit", logistic, intercepts, 1),
    "slopes": ("count ~ x + (1 + x | a)", "poisson", "count", poisson, slopes, 3),
    "nested": ("count ~ x + (1 | a/b)", "poisson", "count", poisson, nested, 2),
    "dispersion": (
        "cost ~ x + (1 | a)", fg.families.Gamma(link=fg.families.links.Log()), "cost", gamma,
        intercepts, 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_covariance_by_clusters_is_that_of_all_parameters_scores(case):
    formula, family, response, law, scaled, n_theta = CASES[case]
    fit = fg.mixed(formula, DATA, family=family)
    at = [fit.estimates, fit.theta]
    if case == "dispersion":
        at.append([2.0 * np.log(fit.sigma)])
    at = np.concatenate(at)
    y = DATA[response]

    def of(rows):
        return lambda x: slope_of(lambda z: laplace(z, rows, y, law, scaled, n_theta), x)

    clusters = [np.flatnonzero(DATA["a"] == level) for level in range(12)]
    scores = np.array([of(rows)(at) for rows in clusters])
    assert np.abs(scores.sum(axis=0)).max() < 1e-5
    hessian = sum(np.array(slope_of(of(rows), at, 1e-3)) for rows in clusters)
    bread = np.linalg.inv(0.5 * (hessian + hessian.T))
    expected = (bread @ scores.T @ scores @ bread)[:2, :2]
    robust = fit.with_covariance("cluster", group="a")
    np.testing.assert_allclose(np.asarray(robust.cov_params()), expected, rtol=2e-4)
    corrected = fit.with_covariance("cluster", "a", use_correction=True).cov_params()
    np.testing.assert_allclose(corrected, np.asarray(robust.cov_params()) * 12 / 11, rtol=1e-12)


def test_covariance_by_clusters_of_quadrature_tends_to_that_of_more_nodes():
    fits = [fg.mixed("hit ~ x + (1 | a)", DATA, "binomial", nagq=nagq) for nagq in (1, 9, 25)]
    laplace_, nine, more = [np.asarray(fit.with_covariance("cluster").bse) for fit in fits]
    np.testing.assert_allclose(nine, more, rtol=1e-6)
    assert np.abs(laplace_ / more - 1.0).max() > 1e-4


def test_clusters_that_are_none_are_refused():
    crossed = fg.mixed("count ~ x + (1 | a) + (1 | other)", DATA, "poisson")
    with pytest.raises(ModelError, match="'a' meet several levels of 'other'"):
        crossed.with_covariance("cluster")
    fast = fg.mixed("count ~ x + (1 | a)", DATA, "poisson", nagq=0)
    with pytest.raises(ModelError, match="nagq=1"):
        fast.with_covariance("cluster")
    with pytest.raises(ModelError, match="no grouping factor 'c'"):
        fast.with_covariance("cluster", group="c")


def test_influence_of_a_generalized_model_is_that_of_fits_of_the_rest():
    fit = fit_case("s_glmer_bacteria")
    data = case_frame("s_glmer_bacteria")
    found = fit.influence()
    inverse = np.linalg.inv(np.asarray(fit.cov_params()))
    for level in ("X03", "Y05"):
        place = found.levels.index(level)
        rest = fg.mixed(fit.formula, data[data["ID"] != level], "binomial")
        np.testing.assert_allclose(found.params[place], rest.estimates, atol=1e-6)
        change = rest.estimates - fit.estimates
        assert found.cooks_distance[place] == pytest.approx(change @ inverse @ change / 4, rel=1e-4)
    assert found.summary_frame().shape == (50, 5)


def test_influence_by_a_factor_of_several_and_by_refitting_a_linear_model():
    fit = fg.mixed("count ~ x + (1 | a/b)", DATA)
    found = fit.influence("a", n_threads=1)
    keep = DATA["a"] != 3
    rest = fg.mixed("count ~ x + (1 | a/b)", {k: v[keep] for k, v in DATA.items()})
    np.testing.assert_allclose(found.params[3], rest.estimates, atol=1e-6)
    single = fg.mixed("count ~ x + (1 | a)", DATA)
    refitted, given = single.influence(refit=True), single.influence()
    rest = fg.mixed("count ~ x + (1 | a)", {k: v[keep] for k, v in DATA.items()})
    np.testing.assert_allclose(refitted.params[3], rest.estimates, atol=1e-6)
    assert np.abs(given.params[3] - rest.estimates).max() > 1e-5
    with pytest.raises(ModelError, match="refit=False needs a linear model"):
        fit.influence(refit=False)
