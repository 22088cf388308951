"""Fits that begin with a sample of the rows, against Newton's method written out in NumPy."""

import numpy as np
import pandas as pd
import pytest
from scipy import special

import fastglm as fg
from fastglm.errors import RankWarning, SeparationWarning, Status
from fastglm.passes import chunks
from fastglm.solve.starting import subsample

FAMILIES = {
    "binomial": fg.families.Binomial(),
    "probit": fg.families.Binomial(link="probit"),
    "poisson": fg.families.Poisson(),
    "gamma": fg.families.Gamma(link="log"),
    "gaussian": fg.families.Gaussian(),
}


def _mean_slope_variance(kind: str, eta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if kind == "gaussian":
        return eta, np.ones_like(eta), np.ones_like(eta)
    if kind in ("poisson", "gamma"):
        mean = np.exp(eta)
        return mean, mean, mean if kind == "poisson" else mean**2
    if kind == "probit":
        mean, slope = special.ndtr(eta), np.exp(-0.5 * eta**2) / np.sqrt(2.0 * np.pi)
    else:
        mean = special.expit(eta)
        slope = mean * (1.0 - mean)
    return mean, slope, mean * (1.0 - mean)


def _response(kind: str, eta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    mean = _mean_slope_variance(kind, eta)[0]
    if kind == "gaussian":
        return generator.normal(mean)
    if kind == "poisson":
        return generator.poisson(mean)
    if kind == "gamma":
        return generator.gamma(2.0, mean / 2.0)
    return generator.random(mean.size) < mean


def _fisher_scoring(
    kind: str, y: np.ndarray, X: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors from `beta` on, to the last digits of double precision."""
    for _ in range(10):
        mean, slope, variance = _mean_slope_variance(kind, X @ beta)
        information = X.T @ (X * (slope**2 / variance)[:, None])
        beta = beta + np.linalg.solve(information, X.T @ ((y - mean) * slope / variance))
    dispersion = 1.0
    if kind in ("gamma", "gaussian"):
        mean, _, variance = _mean_slope_variance(kind, X @ beta)
        dispersion = ((y - mean) ** 2 / variance).sum() / (y.size - beta.size)
    return beta, np.sqrt(dispersion * np.diag(np.linalg.inv(information)))


def _problem(kind: str, n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    """A constant, normal columns, and three indicators of a few dozen rows each."""
    generator = np.random.default_rng([n, p])
    X = generator.standard_normal((n, p))
    X[:, 0] = 1.0
    X[:, -3:] = generator.random((n, 3)) < 40 / n
    eta = X @ generator.normal(0.0, 0.5 / np.sqrt(p), p)
    return _response(kind, eta, generator).astype(float), X


@pytest.mark.parametrize(("n", "p"), [(120_000, 18), (45_000, 56)])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_start_from_a_sample_costs_no_digits(kind: str, n: int, p: int):
    for rows in range(n, n + 3):
        y, X = _problem(kind, rows, p)
        fit = fg.GLM(y, X, family=FAMILIES[kind]).fit()
        beta, errors = _fisher_scoring(kind, y, X, np.asarray(fit.params))
        # Half the decrement that is predicted after the last step is within 1e-18 deviances.
        promised = 1e-9 * np.sqrt(2.0 * fit.deviance / fit.scale)
        np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=promised)
        np.testing.assert_allclose(fit.bse, errors, rtol=1e-7)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_start_from_the_response_costs_no_digits(kind: str):
    y, X = _problem(kind, 700, 6)
    X[:, -3:] = np.arange(700)[:, None] % np.array([2, 3, 5]) == 0
    fit = fg.GLM(y, X, family=FAMILIES[kind]).fit()
    beta, errors = _fisher_scoring(kind, y, X, np.asarray(fit.params))
    np.testing.assert_allclose((fit.params - beta) / errors, 0.0, atol=1e-8)
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-7)


@pytest.mark.parametrize("kind", ["binomial", "poisson"])
@pytest.mark.parametrize("p", [20, 50])
def test_levels_absent_from_a_sample_are_found_separated(kind: str, p: int):
    y, X = _problem(kind, 2_400_000 // p, p)
    y[X[:, -1] == 1.0] = 0.0
    with pytest.warns(SeparationWarning):
        fit = fg.GLM(y, X, family=FAMILIES[kind]).fit()
    assert fit.infinite == {f"x{p - 1}": -1}
    assert fit.n_separated == X[:, -1].sum()


@pytest.mark.parametrize("family", ["binomial", "poisson", "gaussian", "gamma"])
@pytest.mark.parametrize("bias_reduction", ["none", "firth"])
@pytest.mark.parametrize("far", [3.0, 2000.0])
def test_a_constant_that_follows_from_earlier_columns(family, bias_reduction, far):
    rng = np.random.default_rng(7)
    n = 300
    groups, x = np.eye(3)[rng.integers(0, 3, n)], rng.normal(size=n)
    mean = np.exp(0.2 * x + groups @ [0.1, 0.2, 0.3])
    y = {
        "binomial": (rng.random(n) < mean / (1 + mean)) * 1.0,
        "poisson": rng.poisson(mean) * 1.0,
        "gaussian": mean + rng.normal(size=n),
        "gamma": rng.gamma(2.0, mean),
    }[family]
    link = "log" if family == "gamma" else None
    options = {"bias_reduction": bias_reduction, "cov_type": "HC0"}
    columns = np.column_stack([groups, far + x])
    expected = fg.GLM(y, columns, family, link=link).fit(**options)
    with pytest.warns(RankWarning):
        fit = fg.GLM(y, np.insert(columns, 3, 1.0, axis=1), family, link=link).fit(**options)
    kept = [0, 1, 2, 4]
    assert fit.names[3] == "const"
    assert np.isnan(fit.params[3])
    np.testing.assert_allclose(fit.params[kept], expected.params, rtol=1e-8)
    np.testing.assert_allclose(fit.bse[kept], expected.bse, rtol=1e-6)
    if bias_reduction == "none":
        for cov_type, kwds in (("HC3", {}), ("cluster", {"groups": np.arange(n) % 7})):
            one, other = (f.with_covariance(cov_type, **kwds) for f in (fit, expected))
            np.testing.assert_allclose(one.bse[kept], other.bse, rtol=1e-6)
        one, other = (f.bootstrap(20).cov_params() for f in (fit, expected))
        np.testing.assert_allclose(np.asarray(one)[np.ix_(kept, kept)], other, rtol=1e-3)
    np.testing.assert_allclose(fit.fittedvalues, expected.fittedvalues, rtol=1e-9)
    assert fit.llf == pytest.approx(expected.llf, rel=1e-11)


@pytest.mark.parametrize(("family", "link"), [("gamma", "inverse"), ("inverse_gaussian", "1/mu^2")])
@pytest.mark.parametrize("seed", range(5))
def test_offsets_that_lead_out_of_the_domain_do_not_keep_a_fit_from_starting(family, link, seed):
    generator = np.random.default_rng([seed, 55])
    x, offset = generator.uniform(size=60), generator.uniform(-1.0, 1.0, 60)
    y = generator.gamma(5.0, 1.0 / (5.0 * (1.05 + 0.5 * x + offset)))
    X = np.column_stack([np.ones(60), x])
    fit = fg.GLM(y, X, family, link=link, offset=offset).fit()
    started = fg.GLM(y, X, family, link=link, offset=offset).fit(start_params=[1.05, 0.5])
    np.testing.assert_allclose(fit.params, started.params, rtol=1e-6)


@pytest.mark.parametrize("seed", [0, 17, 20])
def test_a_log_link_without_an_intercept_starts_from_coefficients_of_zero(seed):
    generator = np.random.default_rng(seed)
    x = generator.standard_normal(300)
    y = np.exp(0.6 * x) + generator.normal(0.0, 0.1, 300)
    fit = fg.GLM(y, x[:, None], "gaussian", link="log").fit()
    assert fit.converged
    assert abs(fit.params[0] - 0.6) < 4.0 * fit.bse[0]


@pytest.mark.parametrize("unit", [1e-6, 1e-9, 1e-12, 1e-20, 1e12])
@pytest.mark.parametrize("name", ["gaussian log", "gaussian inverse", "inverse gaussian log"])
def test_results_do_not_depend_on_the_unit_of_the_response(name, unit):
    # The deviance is in its square, or inverse: far below, or above, any fixed number.
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    noise, mean = rng.normal(size=300), np.exp(0.3 + 0.8 * X[:, 1])
    family, y = {
        "gaussian log": (fg.families.Gaussian("log"), mean + 0.3 + 0.1 * noise),
        "gaussian inverse": (
            fg.families.Gaussian("inverse"),
            1.0 / (2.0 + 0.3 * X[:, 1] + 0.05 * noise),
        ),
        "inverse gaussian log": (fg.families.InverseGaussian("log"), mean * np.exp(0.3 * noise)),
    }[name]
    fit, other = fg.GLM(y, X, family).fit(tol=1e-12), fg.GLM(y * unit, X, family).fit()
    back = unit if name == "gaussian inverse" else 1.0
    assert other.converged
    np.testing.assert_allclose(other.bse * back, fit.bse, rtol=1e-7)
    off = np.abs(other.params[1:] * back - fit.params[1:]) / fit.bse[1:]
    assert off.max() < 1e-7


@pytest.mark.parametrize("unit", [1e-6, 1e-20, 1e-100])
def test_results_do_not_depend_on_the_unit_of_weights(unit):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    y = np.exp(0.3 + 0.8 * X[:, 1] + 0.3 * rng.normal(size=300))
    weights, family = rng.uniform(0.5, 2.0, 300), fg.families.Gamma("log")
    fit = fg.GLM(y, X, family, var_weights=weights).fit(tol=1e-12)
    other = fg.GLM(y, X, family, var_weights=unit * weights).fit()
    np.testing.assert_allclose(other.bse, fit.bse, rtol=1e-7)
    assert (np.abs(other.params - fit.params) / fit.bse).max() < 1e-7


def test_a_perfect_fit_in_small_units_converges():
    x = np.linspace(-1.0, 1.0, 40)
    y = 1e-9 * np.exp(0.3 + 0.8 * x)
    fit = fg.GLM(y, np.column_stack([np.ones(40), x]), fg.families.Gaussian("log")).fit()
    assert fit.converged
    np.testing.assert_allclose(fit.params, [0.3 + np.log(1e-9), 0.8], rtol=1e-9)


@pytest.mark.parametrize(
    ("family", "noise", "seed"),
    # The gamma fits take steps to means that overflow, which is no boundary of the domain.
    [("gaussian", 1e-8, 4), ("gamma", 1e-15, 21), ("gamma", 3e-16, 16)],
)
def test_steps_that_rounding_stops_leave_the_fit_converged(family, noise, seed):
    """All but perfect, in large units: further steps than those to the tolerance cannot be made."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2))])
    mean = 1e6 * np.exp(X @ [0.2, 0.5, -0.3])
    for _ in range(6):
        y = mean * (1.0 + noise * rng.normal(size=200))
        fit = fg.GLM(y, X, family, link="log").fit()
        assert fit.status == Status.CONVERGED
        np.testing.assert_allclose(fit.params[1:], [0.5, -0.3], atol=10 * noise + 1e-13)


def test_weights_times_a_power_of_four_give_the_same_bits():
    """Small ones are fitted in a unit of their own, as the tolerance has a constant."""
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    y = rng.gamma(2.0, np.exp(X @ [0.2, 0.5, -0.3]) / 2.0)
    weights = rng.uniform(0.5, 2.0, 300)
    fits = [
        fg.GLM(y, X, "gamma", link="log", var_weights=weights * 4.0**-k).fit()
        for k in (3, 15, 60, 400)
    ]
    for fit in fits[1:]:
        np.testing.assert_array_equal(fit.params, fits[0].params)
        np.testing.assert_array_equal(fit.bse, fits[0].bse)


@pytest.mark.parametrize("unit", [1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize("how", ["sample", "stream"])
def test_starts_from_a_sample_use_the_unit(monkeypatch, tmp_path, how, unit):
    monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 50_000)
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)
    rng = np.random.default_rng(0)
    n = 20_000
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc"))
    data["y"] = np.exp(0.3 + 0.8 * data.a) + 0.3 + 0.1 * rng.normal(size=n)
    family = fg.families.Gaussian("log")
    fit = fg.GLM.from_formula("y ~ a + b + c", data, family=family).fit(tol=1e-12, exact=True)
    small = data.assign(y=data.y * unit)
    if how == "stream":
        path = tmp_path / "rows.parquet"
        small.to_parquet(path, row_group_size=2_048)
        other = fg.glm("y ~ a + b + c", str(path), family=family, memory=100_000)
    else:
        other = fg.glm("y ~ a + b + c", small, family=family)
    assert other.converged
    assert other.n_sweeps <= 6
    np.testing.assert_allclose(other.bse, fit.bse, rtol=1e-7)
    assert (np.abs(other.params - fit.params) / fit.bse)[1:].max() < 1e-6


@pytest.mark.parametrize("unit", [1e-10, 1e-20, 1e-50, 1e-100, 1e-150, 1e20, 1e100, 1e150])
@pytest.mark.parametrize("name", ["poisson", "binomial", "negative binomial"])
@pytest.mark.parametrize("kind", ["freq_weights", "var_weights"])
def test_results_do_not_depend_on_the_unit_of_weights_of_known_dispersion(name, unit, kind):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(300), rng.normal(size=(300, 2))])
    mean = np.exp(X @ [0.3, 0.5, -0.4])
    family, y = {
        "poisson": (fg.families.Poisson(), rng.poisson(mean)),
        "binomial": (fg.families.Binomial(), rng.random(300) < mean / (1.0 + mean)),
        "negative binomial": (fg.families.NegativeBinomial(), rng.poisson(rng.gamma(2, mean / 2))),
    }[name]
    weights = rng.uniform(0.5, 2.0, 300)
    fit = fg.GLM(y, X, family, **{kind: weights}).fit(tol=1e-12)
    other = fg.GLM(y, X, family, **{kind: unit * weights}).fit()
    assert other.converged
    np.testing.assert_allclose(other.bse * np.sqrt(unit), fit.bse, rtol=1e-7)
    assert (np.abs(other.params - fit.params) / fit.bse).max() < 1e-7
    np.testing.assert_allclose(other.deviance / unit, fit.deviance, rtol=1e-7)
    np.testing.assert_allclose(other.pearson_chi2 / unit, fit.pearson_chi2, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-50, 1e200])
def test_levels_without_counts_do_not_depend_on_the_unit_of_weights(unit):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.integers(0, 6, 300), "x": rng.normal(size=300)})
    data["y"] = rng.poisson(1.0, 300) * (data.g != 3)
    with pytest.warns(SeparationWarning):
        fit = fg.glm("y ~ C(g) + x", data, family="poisson")
    with pytest.warns(SeparationWarning):
        other = fg.glm("y ~ C(g) + x", data, family="poisson", var_weights=np.full(300, unit))
    np.testing.assert_allclose(other.params, fit.params, rtol=1e-9)
    finite = np.arange(7) != 3
    np.testing.assert_allclose((other.bse * np.sqrt(unit))[finite], fit.bse[finite], rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-50, 1e200])
def test_many_levels_do_not_depend_on_the_unit_of_weights(unit):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": rng.integers(0, 300, 3_000), "x": rng.normal(size=3_000)})
    data["y"] = rng.poisson(2.0, 3_000) + 1
    fit = fg.glm("y ~ C(g) + x", data, family="poisson")
    other = fg.glm("y ~ C(g) + x", data, family="poisson", var_weights=np.full(3_000, unit))
    np.testing.assert_allclose(other.params, fit.params, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(other.bse * np.sqrt(unit), fit.bse, rtol=1e-7)
    there = np.array([0, 7, -1])
    mine, theirs = (np.asarray(f.cov_params())[np.ix_(there, there)] for f in (fit, other))
    np.testing.assert_allclose(theirs * unit, mine, rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-20, 1e-50])
def test_streams_do_not_depend_on_the_unit_of_weights_of_known_dispersion(tmp_path, unit):
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(20_000, 2)), columns=["a", "b"])
    data["y"] = rng.poisson(np.exp(0.3 + 0.5 * data.a))
    data["w"] = unit * rng.uniform(0.5, 2.0, 20_000)
    fit = fg.glm("y ~ a + b", data, family="poisson", var_weights=data.w / unit)
    data.to_parquet(tmp_path / "rows.parquet", row_group_size=2_048)
    path = str(tmp_path / "rows.parquet")
    other = fg.glm("y ~ a + b", path, family="poisson", var_weights="w", memory=100_000)
    assert other.converged
    np.testing.assert_allclose(other.bse * np.sqrt(unit), fit.bse, rtol=1e-7)
    assert (np.abs(other.params - fit.params) / fit.bse).max() < 1e-7
