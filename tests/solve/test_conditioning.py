"""Collinear columns: equal to the same model in orthogonal coordinates, whatever is asked of it."""

import warnings

import numpy as np
import pytest

import fastglm as fg
from fastglm.passes import chunks
from fastglm.solve import score_products
from fastglm.solve.conditioning import (
    inflation_of_factor,
    inflation_of_sandwich,
    may_use_cholesky,
    semidefinite_root,
    significant_digits,
)
from fastglm.solve.starting import subsample as subsample

ROBUST = {
    "HC0": {},
    "HC1": {},
    "HC2": {},
    "HC3": {},
    "HC4": {},
    "cluster": {},
    "HAC": {"maxlags": 3},
    "hac-panel": {"maxlags": 2},
    "hac-groupsum": {"maxlags": 2},
    "jackknife": {},
}
OPTION_OF_GROUPS = {"cluster": "groups", "hac-panel": "groups", "hac-groupsum": "time"}
FAMILIES = {
    "gaussian": ("identity", lambda g, mean: mean + g.standard_normal(mean.size)),
    "poisson": ("log", lambda g, mean: g.poisson(mean).astype(float)),
    "binomial": ("logit", lambda g, mean: (g.random(mean.size) < mean).astype(float)),
    "gamma": ("log", lambda g, mean: g.gamma(2.0, mean / 2.0)),
    "inverse_gaussian": ("log", lambda g, mean: g.wald(mean, 3.0)),
}


def triangle(generator, p, condition):
    """Upper triangular, with singular values from 1 down to 1 / condition."""
    rotation = np.linalg.qr(generator.standard_normal((p, p)))[0]
    return np.linalg.qr(np.geomspace(1.0, 1.0 / condition, p)[:, None] * rotation)[1]


def draw(generator, family, U):
    link, response = FAMILIES[family]
    eta = 0.3 * U[:, 1] - 0.2 * U[:, 2]
    mean = {"identity": eta, "log": np.exp(eta), "logit": 1.0 / (1.0 + np.exp(-eta))}[link]
    return response(generator, mean), link


def check_all(mixed, plain, T, X, U, tolerance=1e-6, default=1e-6):
    """Whatever a fit of X = U T says of itself against the fit of U, in its coordinates."""
    back = np.linalg.inv(T)
    groups = np.arange(len(X)) // 7
    size = np.sqrt(np.diag(back @ np.asarray(plain.cov_params()) @ back.T))
    np.testing.assert_allclose((mixed.params - back @ plain.params) / size, 0.0, atol=tolerance)
    np.testing.assert_allclose(mixed.bse, size, rtol=default)
    for name, given in ROBUST.items():
        options = given | {OPTION_OF_GROUPS[name]: groups} if name in OPTION_OF_GROUPS else given
        robust, known = (f.with_covariance(name, **options) for f in (mixed, plain))
        want = np.sqrt(np.diag(back @ np.asarray(known.cov_params()) @ back.T))
        np.testing.assert_allclose(robust.bse, want, rtol=tolerance, err_msg=name)
        check_tests(robust, known, T, tolerance)
    check_tests(mixed, plain, T, tolerance)
    leverages = (f.get_influence().hat_matrix_diag for f in (mixed, plain))
    np.testing.assert_allclose(*leverages, rtol=tolerance)
    frames = (f.get_prediction(M[:50]).summary_frame() for f, M in ((mixed, X), (plain, U)))
    errors = (frame["mean_se"].to_numpy() for frame in frames)
    np.testing.assert_allclose(*errors, rtol=tolerance)


def check_tests(mixed, plain, T, tolerance):
    """Tests of single combinations and of all: coefficients are R theta = T beta."""
    joint = (f.wald_test(np.eye(len(T))[1:] @ R) for f, R in ((mixed, T), (plain, np.eye(len(T)))))
    np.testing.assert_allclose(*(test.statistic for test in joint), rtol=10 * tolerance)
    float32 = (f.t_test(R[1:2]) for f, R in ((mixed, T), (plain, np.eye(len(T)))))
    np.testing.assert_allclose(*(test.sd for test in float32), rtol=tolerance)


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("condition", [1e1, 3e3, 2e4, 1e6, 1e8])
@pytest.mark.parametrize("n", [60, 1500])
def test_mixed_columns(family, condition, n):
    generator = np.random.default_rng([n, int(np.log10(condition)), len(family)])
    U = generator.standard_normal((n, 5))
    T = triangle(generator, 5, condition)
    y, link = draw(generator, family, U)
    plain = fg.GLM(y, U, family, link=link).fit(tol=1e-10, exact=True)
    mixed = fg.GLM(y, U @ T, family, link=link).fit()
    assert mixed.converged
    if not 3e3 < condition < 1e6:
        assert mixed.orthogonal == (condition >= 1e6)
    assert mixed.numerical_error < 1e-6
    check_all(mixed, plain, T, U @ T, U)


def negative_binomial(generator, mean):
    return generator.poisson(mean * generator.gamma(2.0, 0.5, mean.size)).astype(float)


def tweedie(generator, mean):
    return generator.poisson(mean) * generator.gamma(2.0, 0.5, mean.size)


#: Families with a parameter that is given, or estimated with the coefficients; quasi-families.
WITH_PARAMETERS = {
    "alpha": (lambda: fg.families.NegativeBinomial(alpha=0.5), "poisson", negative_binomial),
    "alpha estimated": (fg.families.NegativeBinomial, "poisson", negative_binomial),
    "power": (lambda: fg.families.Tweedie("log", 1.5), "poisson", tweedie),
    "power estimated": (lambda: fg.families.Tweedie("log"), "poisson", tweedie),
    "quasipoisson": (lambda: "quasipoisson", "poisson", None),
    "quasibinomial": (lambda: "quasibinomial", "binomial", None),
}


@pytest.mark.parametrize("name", list(WITH_PARAMETERS))
@pytest.mark.parametrize("condition", [2e4, 1e8])
def test_mixed_columns_of_families_with_parameters(name, condition):
    family, like, response = WITH_PARAMETERS[name]
    generator = np.random.default_rng([300, int(np.log10(condition)), len(name)])
    U = generator.standard_normal((300, 4))
    T = triangle(generator, 4, condition)
    y = draw(generator, like, U)[0]
    if response is not None:
        y = response(generator, np.exp(0.3 * U[:, 1] - 0.2 * U[:, 2]))
    plain = fg.GLM(y, U, family()).fit(tol=1e-10, exact=True)
    mixed = fg.GLM(y, U @ T, family()).fit()
    assert mixed.converged
    assert mixed.numerical_error < 1e-6
    check_all(mixed, plain, T, U @ T, U)
    if name.endswith("estimated"):
        parameter = (f.family.parameter for f in (mixed, plain))
        np.testing.assert_allclose(*parameter, rtol=1e-6)


@pytest.mark.parametrize("condition", [1e9, 1e11])
def test_the_fit_reports_the_digits_that_are_left(condition):
    generator = np.random.default_rng(5)
    U = generator.standard_normal((400, 4))
    T = triangle(generator, 4, condition)
    y = U[:, 1] + generator.standard_normal(400)
    with warnings.catch_warnings():
        # Where rounding errors are as large as steps, the fit may say that it has not converged.
        warnings.simplefilter("ignore", fg.errors.ConvergenceWarning)
        plain, mixed = (fg.GLM(y, X).fit() for X in (U, U @ T))
    back = np.linalg.inv(T)
    size = np.sqrt(np.diag(back @ np.asarray(plain.cov_params()) @ back.T))
    error = np.abs(mixed.bse / size - 1.0).max()
    assert error < mixed.numerical_error < 1e-14 * condition
    told = f"right to about {significant_digits(mixed.numerical_error)} digits"
    assert (told in str(mixed.summary())) == (mixed.numerical_error > 1e-6)
    assert told not in str(plain.summary())


def kahan(p, sine):
    """Kahan's matrix: no pivot is small, the condition number is."""
    cosine = np.sqrt(1.0 - sine**2)
    return np.diag(sine ** np.arange(p)) @ (np.eye(p) - cosine * np.triu(np.ones((p, p)), 1))


def test_no_pivot_reveals_a_matrix_like_kahans():
    generator = np.random.default_rng(6)
    T = kahan(18, 0.6)
    U = generator.standard_normal((2000, 18))
    U[:, 0] = 1.0
    y = generator.poisson(np.exp(0.2 * U[:, 1])).astype(float)
    plain = fg.GLM(y, U, "poisson").fit(tol=1e-10, exact=True)
    mixed = fg.GLM(y, U @ T, "poisson").fit()
    assert mixed.orthogonal
    check_all(mixed, plain, T, U @ T, U)


@pytest.mark.parametrize("p", [1, 2, 7])
def test_the_inflation_is_an_eigenvalue_of_the_inverse(p):
    generator = np.random.default_rng(p)
    X = generator.standard_normal((300, p)) @ triangle(generator, p, 50.0)
    model = fg.GLM(generator.standard_normal(300), X)
    C = np.corrcoef(X.T).reshape(p, p) * 0.0 + X.T @ X
    C /= np.sqrt(np.outer(np.diag(C), np.diag(C)))
    largest = np.linalg.eigvalsh(np.linalg.inv(C))[-1]
    error = model.fit().numerical_error
    np.testing.assert_allclose(error / 0.5e-16, largest, rtol=0.05)
    factor = np.linalg.inv(np.linalg.cholesky(X.T @ X)).T
    np.testing.assert_allclose(inflation_of_factor(factor, X.T @ X), largest, rtol=1e-6)


def test_the_inflation_of_a_sandwich():
    generator = np.random.default_rng(1)
    X = generator.standard_normal((200, 3))
    X[:, 2] = X[:, 1] + 1e-2 * X[:, 2]
    meat, bread = X.T @ X, np.linalg.inv(X.T @ X)
    variances = np.diag(bread @ meat @ bread)
    found = inflation_of_sandwich(bread, meat, variances)
    # Errors of entries, drawn: root mean squares of what they change, as shares of variances.
    size, changes = np.sqrt(np.outer(np.diag(meat), np.diag(meat))), []
    for _ in range(1000):
        error = size * generator.standard_normal((3, 3))
        changes.append(np.diag(bread @ error @ bread) / variances)
    np.testing.assert_allclose(np.sqrt(np.square(changes).mean(axis=0)).max(), found, rtol=0.15)
    assert inflation_of_sandwich(bread, meat, np.zeros(3)) == np.inf
    assert may_use_cholesky(1e8)
    assert not may_use_cholesky(1e10)


def test_a_root_marks_what_has_no_variance():
    generator = np.random.default_rng(2)
    half = generator.standard_normal((6, 4)) * 10.0 ** generator.integers(-8, 8, (6, 1))
    half[2] = 0.0
    root = semidefinite_root(half @ half.T)
    unit = np.sqrt(np.diag(half @ half.T))
    unit[2] = 1.0
    scaled, want = root / unit[:, None], half / unit[:, None]
    np.testing.assert_allclose(scaled @ scaled.T, want @ want.T, atol=1e-12)
    assert np.linalg.matrix_rank(scaled, tol=1e-11) == 4


# -- many rows, by thresholds that few rows reach


@pytest.fixture
def small_thresholds(monkeypatch):
    """Lets samples, single precision and corrections by chunks begin with 40,000 values."""
    monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 240_000)
    monkeypatch.setattr(score_products, "FLOAT32_FROM_VALUES", 240_000)
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)


@pytest.mark.parametrize("n", [39_900, 40_100])
@pytest.mark.parametrize("family", ["gaussian", "poisson", "gamma"])
@pytest.mark.parametrize("condition", [1.5, 1e2, 1e7])
def test_mixed_columns_about_the_thresholds(small_thresholds, n, family, condition):
    generator = np.random.default_rng([n, int(10 * np.log10(condition)), len(family)])
    U = generator.standard_normal((n, 6))
    U[:, 0] = 1.0
    T = triangle(generator, 6, condition)
    y, link = draw(generator, family, U)
    plain = fg.GLM(y, U, family, link=link).fit(exact=True)
    mixed = fg.GLM(y, U @ T, family, link=link).fit()
    assert mixed.converged
    check_all(mixed, plain, T, U @ T, U, default=1e-6 if condition > 1e4 else 1e-7)
