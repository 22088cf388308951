import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import response_cases as cases
import scipy
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import DataError, ModelError

REFERENCE = Path(__file__).parents[1] / "data" / "responses"


@pytest.fixture(scope="module")
def robust():
    return json.loads((REFERENCE / "robust_biochem.json").read_text())


@pytest.fixture(scope="module")
def biochem():
    frame = pd.read_csv(REFERENCE / "v_nb_biochem.data.csv.gz")
    return frame.assign(
        level=np.minimum(frame["art"], 3), group=np.arange(1, len(frame) + 1) * 7 % 40
    )


@pytest.mark.parametrize(("name", "model"), [("zeroinfl", fg.ZeroInflated), ("hurdle", fg.Hurdle)])
def test_scores_equal_those_of_pscl(robust, biochem, name, model):
    expected = robust[name]
    fit = model.from_formula("art ~ phd + ment", biochem, "~ ment").fit()
    np.testing.assert_allclose(fit.params, expected["coef"], rtol=1e-7)
    # R's information is from differences: only the products of scores are compared.
    bread = fit.information_inverse
    white = fit.with_covariance("HC0").covariance
    np.testing.assert_allclose(white, bread @ expected["meat"] @ bread, rtol=1e-6)
    clustered = fit.with_covariance("cluster", groups=biochem["group"], use_correction=False)
    cluster = bread @ expected["meat_cluster"] @ bread
    np.testing.assert_allclose(clustered.covariance, cluster, rtol=1e-5, atol=1e-12)


def test_equals_sandwich_of_a_cumulative_link(robust, biochem):
    expected = robust["clm"]
    model = fg.OrderedModel.from_formula("level ~ phd + ment", biochem)
    fit = model.fit()
    order = np.r_[2 : len(fit.names), 0, 1]
    np.testing.assert_allclose(fit.estimates[order], expected["coef"], rtol=1e-9)
    white = fit.with_covariance("HC0").covariance[np.ix_(order, order)]
    np.testing.assert_allclose(white, expected["hc0"], rtol=1e-8)
    kwds = {"groups": biochem["group"], "use_correction": "groups"}
    clustered = model.fit(cov_type="cluster", cov_kwds=kwds)
    assert clustered.cov_type == "cluster"
    cluster = clustered.covariance[np.ix_(order, order)]
    np.testing.assert_allclose(cluster, expected["cluster"], rtol=1e-8)


def sample(n=500, seed=2):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    eta = X @ rng.normal(scale=0.6, size=(3, 3))
    return (eta + rng.gumbel(size=(n, 3))).argmax(axis=1), X


def test_multinomial_equals_the_textbook():
    y, X = sample()
    groups = np.arange(500) % 23
    fit = fg.MNLogit(y, X).fit()
    difference = (y[:, None] == [1, 2]) - fit.predict()[:, 1:]
    scores = (difference[:, :, None] * X[:, None, :]).reshape(500, 6)
    bread = sm.MNLogit(y, X).fit(disp=0, tol=1e-13).cov_params()
    white = fit.with_covariance("HC0")
    np.testing.assert_allclose(white.cov_params(), bread @ scores.T @ scores @ bread, rtol=1e-7)
    assert white.bse.shape == (3, 2)
    sums = np.array([scores[groups == g].sum(axis=0) for g in range(23)])
    clustered = fit.with_covariance("cluster", groups=groups, use_correction=False)
    expected = bread @ sums.T @ sums @ bread
    np.testing.assert_allclose(clustered.cov_params(), expected, rtol=1e-7)
    factor = 23 / 22 * 499 / 494
    corrected = fit.with_covariance("cluster", groups=groups).cov_params()
    np.testing.assert_allclose(corrected, clustered.cov_params() * factor)


def test_frequencies_and_correction():
    y, X = sample(120)
    times = 1 + np.arange(120) % 3
    weighted = fg.MNLogit(y, X, freq_weights=times).fit(cov_type="HC0")
    repeated = fg.MNLogit(np.repeat(y, times), np.repeat(X, times, axis=0)).fit(cov_type="HC0")
    np.testing.assert_allclose(weighted.cov_params(), repeated.cov_params(), rtol=1e-8)
    n, m = repeated.nobs, repeated.rank
    corrected = repeated.with_covariance("HC1")
    np.testing.assert_allclose(corrected.cov_params(), repeated.cov_params() * n / (n - m))
    again = corrected.with_covariance("nonrobust")
    np.testing.assert_array_equal(again.cov_params(), repeated.information_inverse)


def test_far_columns_and_aliased_ones():
    y, X = sample(300)
    X = np.column_stack([X[:, :1], np.rint(X[:, 1:] * 64) / 64])
    far = np.column_stack([X, X[:, 1] + X[:, 2]])
    far[:, 2] = 1e6 + far[:, 2]
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.MNLogit(y, far).fit(cov_type="HC0")
    near = fg.MNLogit(y, X).fit(cov_type="HC0")
    np.testing.assert_allclose(np.asarray(fit.bse)[1:3], np.asarray(near.bse)[1:3], rtol=1e-6)
    assert np.isnan(np.asarray(fit.bse)[3]).all()


def test_survives_saving(tmp_path):
    y, X = sample()
    fit = fg.MNLogit(y, X).fit(cov_type="HC1")
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    assert again.cov_type == "HC1"
    np.testing.assert_array_equal(again.cov_params(), fit.cov_params())
    assert "HC1" in str(again.summary())
    with pytest.raises(DataError, match="without the data"):
        again.with_covariance("HC0")


def test_methods_that_are_refused():
    y, X = sample(60)
    fit = fg.MNLogit(y, X).fit()
    with pytest.raises(ModelError, match="cov_type must be one of"):
        fit.with_covariance("HC5")
    with pytest.raises(ModelError, match="does not take"):
        fit.with_covariance("HC0", groups=y)


def test_hypotheses():
    y, X = sample()
    fit = fg.MNLogit(y, X).fit()
    matrix = np.zeros((2, 6))
    matrix[0, 1] = matrix[1, 4] = 1.0
    together = fit.wald_test("`1:x1` = 0, `2:x1` = 0")
    estimate, covariance = matrix @ fit.estimates, matrix @ fit.covariance @ matrix.T
    assert together.statistic == pytest.approx(estimate @ np.linalg.solve(covariance, estimate))
    assert together.df == 2
    single = fit.t_test("`1:x1` = `2:x1`")
    assert single.effect[0] == pytest.approx(fit.estimates[1] - fit.estimates[4])
    assert np.isinf(single.df)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"maxlags": 3},
        {"maxlags": 2, "kernel": "uniform"},
        {"maxlags": 4, "use_correction": True},
    ],
)
def test_dependence_over_time_is_that_of_a_binomial_fit(options):
    """Two levels are a binomial response, whose covariance is tested against R and statsmodels."""
    data = cases.frame().assign(two=lambda d: (d.level > 0).astype(int))
    several = fg.MNLogit.from_formula("two ~ x + g", data, var_weights="w").fit()
    one = fg.glm("two ~ x + g", data, "binomial", var_weights="w")
    expected = one.with_covariance("HAC", **options).covariance
    found = several.with_covariance("HAC", **options).covariance
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-12)


def test_a_row_must_be_one_time():
    fit = cases.model("BetaModel", cases.frame(), "x", freq_weights="w").fit()
    with pytest.raises(ModelError, match="one row per time"):
        fit.with_covariance("HAC")


ADJUSTED = ("HC2", "HC3", "HC4", "jackknife")


@pytest.mark.parametrize("weights", [{}, {"freq_weights": "w"}, {"var_weights": "w"}])
def test_leverage_of_two_levels_is_that_of_a_binomial_fit(weights):
    """The binomial's are tested against R's package sandwich."""
    data = cases.frame(60).assign(two=lambda d: (d.level > 0).astype(int))
    several = fg.MNLogit.from_formula("two ~ x + g", data, **weights).fit()
    one = fg.glm("two ~ x + g", data, "binomial", tol=1e-12, **weights)
    for name in ADJUSTED:
        expected = one.with_covariance(name).covariance
        found = several.with_covariance(name).covariance
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)


def derivatives(fit, step=1e-4):
    """First and negative second derivatives of the rows in their predictors, by differences."""
    _, etas = fit._fitted_rows("a test")
    response, k = fit.model.rows.response, len(etas)

    def at(*moves):
        moved = etas.copy()
        for position, by in moves:
            moved[position] += by
        return fit._log_densities(response, moved)

    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    first = [(at((a, step)) - at((a, -step))) / (2.0 * step) for a in range(k)]
    second = [
        [-sum(s * t * at((a, s * step), (b, t * step)) for s, t in signs) for b in range(k)]
        for a in range(k)
    ]
    return np.array(first).T, np.moveaxis(np.array(second), 2, 0) / (4.0 * step**2)


@pytest.mark.parametrize("name", [name for name in cases.MODELS if name != "OrderedModel"])
def test_leverage_is_the_share_of_the_information(name):
    """By roots of (m, m) matrices and differences of the density, row by row."""
    fit = cases.model(name, cases.frame(80), "x + z").fit()
    first, second = derivatives(fit)
    columns = [design.to_dense() for design in fit.model.rows.designs]
    channels, m = fit._channels(), len(fit.names)
    forms = np.zeros((80, len(channels), m))
    for k, channel in enumerate(channels):
        own = np.ones((80, 1)) if channel.design is None else columns[channel.design]
        forms[:, k, channel.places] = own[:, channel.columns]
    root = np.linalg.cholesky(fit.information_inverse)
    scores = np.einsum("ikm,ik->im", forms, first) @ root
    shares = root.T @ np.einsum("ika,ikl,ilb->iab", forms, second, forms) @ root
    np.testing.assert_allclose(shares.sum(axis=0), np.eye(m), atol=1e-3)
    remaining = np.eye(m) - shares
    leverage = np.trace(shares, axis1=1, axis2=2)
    powers = {"HC2": np.full(80, 0.5), "HC3": np.ones(80)}
    powers["HC4"] = 0.5 * np.clip(80 * leverage / m, 0.0, 4.0)
    for kind, power in powers.items():
        adjusted = [
            scipy.linalg.fractional_matrix_power(each, -by) @ score
            for each, by, score in zip(remaining, power, scores, strict=True)
        ]
        expected = root @ np.array(adjusted).T @ np.array(adjusted) @ root.T
        scale = np.sqrt(np.diag(expected))
        found = fit.with_covariance(kind).covariance
        np.testing.assert_allclose(
            found / np.outer(scale, scale), expected / np.outer(scale, scale), atol=2e-4
        )


def test_rows_that_are_fitted_whatever_their_response_are_refused():
    data = cases.frame(60)
    data["alone"] = (data.index == 7).astype(float)
    fit = cases.model("BetaModel", data, "x + alone").fit(separation="ignore")
    with pytest.raises(DataError, match=r'1 rows have leverage 1.*"HC0"'):
        fit.with_covariance("HC3")
