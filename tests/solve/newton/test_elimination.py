"""A categorical of many levels, eliminated by blocks: the numbers of an elimination in order."""

import pickle

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import RankWarning
from fastglm.passes import eliminated_levels
from fastglm.solve import fit, shortcuts
from fastglm.solve.newton.blocked_inverse import OnDemand

N, LEVELS = 6_000, 150
FAMILIES = ["gaussian", "binomial", "poisson"]


@pytest.fixture
def in_order(monkeypatch):
    """Fits without elimination of levels."""

    def fitted(*args, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(shortcuts, "find_eliminated_levels", lambda row_table: None)
            return fg.glm(*args, **kwargs)

    return fitted


@pytest.fixture
def runs(monkeypatch):
    """Whether each run of `solve` eliminates levels."""
    found, run = [], fit.Run

    def spy(*args, eliminated=None, **kwargs):
        found.append(eliminated is not None)
        return run(*args, eliminated=eliminated, **kwargs)

    monkeypatch.setattr(fit, "Run", spy)
    return found


def frame(seed=0):
    generator = np.random.default_rng(seed)
    c, b = generator.integers(0, LEVELS, N), generator.integers(0, 5, N)
    c[: 2 * LEVELS] = np.tile(np.arange(LEVELS), 2)
    x, z = generator.normal(1000.0, 2.0, N), generator.standard_normal(N)
    eta = 0.2 * (x - 1000.0) - 0.3 * z + 0.4 * generator.standard_normal(LEVELS)[c] + 0.1 * b
    return pd.DataFrame(
        {
            "gaussian": eta + generator.standard_normal(N),
            "binomial": (generator.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(float),
            "poisson": generator.poisson(np.exp(1.5 + eta)).astype(float),
            "x": x,
            "z": z,
            "b": pd.Categorical(b),
            "c": pd.Categorical(c),
            "g": pd.Categorical(c % 10),
            "h": pd.Categorical(c // 10),
            "w": generator.integers(1, 4, N).astype(float),
        }
    )


def assert_same(result, expected, tolerance=1e-9):
    """Estimates in standard errors, all else relative."""
    errors = expected.standard_errors
    difference = np.abs(result.estimates - expected.estimates) / errors
    assert np.nanmax(difference) < tolerance
    for name in ("standard_errors", "estimates"):
        np.testing.assert_array_equal(
            np.isnan(getattr(result, name)), np.isnan(getattr(expected, name))
        )
    np.testing.assert_allclose(result.standard_errors, errors, rtol=tolerance)
    unit = np.outer(errors, errors)
    difference = np.abs(result.covariance - expected.covariance) / unit
    assert np.nanmax(difference) < tolerance
    inverse, product = (
        fit.inverse_information_factor @ fit.inverse_information_factor.T
        for fit in (result, expected)
    )
    np.testing.assert_allclose(inverse, product, rtol=tolerance, atol=tolerance * product.max())
    assert result.deviance == pytest.approx(expected.deviance, rel=1e-12)
    assert result.scale == pytest.approx(expected.scale, rel=1e-12)
    assert result.status == expected.status
    # Half of the inflation's rounding: that of any order of elimination.
    assert result.numerical_error == pytest.approx(expected.numerical_error, rel=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("terms", ["x + z + c + b", "0 + c + z", "g*h + x", "c + b:z", "z + g:h"])
def test_numbers_are_those_of_an_elimination_in_order(family, terms, in_order, runs):
    data, formula = frame(), f"{family} ~ {terms}"
    result = fg.glm(formula, data, family=family)
    assert runs == [True]
    assert_same(result, in_order(formula, data, family=family))


def test_weights_and_robust_covariances(in_order, runs):
    data, formula = frame(), "poisson ~ x + c"
    result = fg.glm(formula, data, family="poisson", var_weights="w")
    expected = in_order(formula, data, family="poisson", var_weights="w")
    assert runs == [True, False]
    assert_same(result, expected)
    robust, other = (r.with_covariance("HC3").standard_errors for r in (result, expected))
    np.testing.assert_allclose(robust, other, rtol=1e-9)


def test_linear_model_is_that_of_least_squares():
    data = frame()
    result = fg.glm("gaussian ~ z + c", data)
    X = np.column_stack(
        [np.ones(N), data["z"], pd.get_dummies(data["c"], drop_first=True).to_numpy(float)]
    )
    params, rest, *_ = np.linalg.lstsq(X, data["gaussian"], rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * rest / (N - X.shape[1]))
    np.testing.assert_allclose(result.estimates, params, rtol=0.0, atol=1e-11)
    np.testing.assert_allclose(result.standard_errors, errors, rtol=1e-11)


def test_starts_from_samples_and_threads_change_nothing(monkeypatch, in_order):
    monkeypatch.setattr("fastglm.solve.starting.subsample.SAMPLE_FROM_VALUES", 100_000)
    monkeypatch.setattr("fastglm.solve.starting.subsample.SAMPLE_ROWS_PER_COLUMN", 8)
    monkeypatch.setattr("fastglm.solve.starting.subsample.SAMPLE_SHARE", 4)
    data = pd.concat([frame(seed) for seed in range(8)], ignore_index=True)
    one, two = (fg.glm("binomial ~ z + c", data, family="binomial", n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.estimates, two.estimates)
    np.testing.assert_array_equal(one.covariance, two.covariance)
    assert_same(one, in_order("binomial ~ z + c", data, family="binomial"))


def test_matrices_are_made_when_they_are_read():
    result = fg.glm("poisson ~ z + c", frame(), family="poisson")
    errors = result.standard_errors
    str(result.summary())
    held = vars(result)
    assert all(
        isinstance(held[name], OnDemand)
        for name in ("covariance", "information_inverse", "inverse_information_factor")
    )
    copied = pickle.loads(pickle.dumps(result))
    np.testing.assert_allclose(np.sqrt(np.diag(result.covariance)), errors, rtol=1e-14)
    np.testing.assert_array_equal(copied.covariance, result.covariance)
    assert not result.covariance.flags.writeable


def test_columns_that_are_aliased_are_those_of_r(in_order, runs):
    data = frame()
    data["group"] = pd.Categorical(data["c"].cat.codes % 7)
    for formula in ("gaussian ~ z + c + group", "gaussian ~ group + c + z"):
        with pytest.warns(RankWarning):
            result = fg.glm(formula, data)
        with pytest.warns(RankWarning):
            expected = in_order(formula, data)
        assert_same(result, expected)
        assert result.aliased == expected.aliased
    # The cells of the codes say which they are: the levels of the others are eliminated.
    assert runs == [True, True, False] * 2


def test_columns_that_codes_cannot_prove_aliased_are_left_to_an_elimination_in_order(
    in_order, runs
):
    data = frame()
    data["sum"] = data["z"] + data["c"].cat.codes
    for formula in ("gaussian ~ z + c + sum", "gaussian ~ sum + c + z"):
        with pytest.warns(RankWarning):
            result = fg.glm(formula, data)
        with pytest.warns(RankWarning):
            expected = in_order(formula, data)
        assert_same(result, expected)
        assert result.aliased == expected.aliased
    assert runs == [True, False, False] * 2


def test_cells_without_rows_are_eliminated_all_the_same(in_order, runs):
    data = frame()
    data = data[~((data["g"] == 3) & data["h"].isin([4, 9]))]
    with pytest.warns(RankWarning):
        result = fg.glm("poisson ~ g*h + z", data, family="poisson")
    assert runs == [True]
    with pytest.warns(RankWarning):
        expected = in_order("poisson ~ g*h + z", data, family="poisson")
    assert_same(result, expected)
    assert list(result.aliased) == list(expected.aliased)
    assert len(result.aliased) == 2


def test_what_a_gram_matrix_cannot_decide_is_left_to_a_qr_factorisation(in_order, runs):
    data = frame()
    data["near"] = data["z"] + 1e-6 * data["gaussian"]
    result = fg.glm("poisson ~ z + near + c", data, family="poisson")
    assert runs == [True, False]
    assert result.orthogonal
    assert_same(result, in_order("poisson ~ z + near + c", data, family="poisson"))


def test_inflation_decides_whether_an_elimination_may_stand(monkeypatch, in_order, runs):
    data = frame()
    for module in (fit, shortcuts):
        monkeypatch.setattr(module, "may_use_cholesky", lambda inflation: False)
    result = fg.glm("poisson ~ z + c", data, family="poisson")
    assert runs == [True, False]
    assert result.orthogonal


def test_levels_of_negligible_weight_do_not_count_as_empty():
    levels = eliminated_levels.EliminatedLevels(
        np.array([-1, 2, 3]),
        np.array([0, 1]),
        2,
        fg.design.matrix.parts.Indicators((np.array([0, 1, 1]),), (3,)),
    )
    assert levels.explain(np.array([False, False, False, True]), None)
    assert not levels.explain(np.array([False, False, True, True]), None)
    assert levels.explain(np.array([False, False, True, True]), np.array([1.0, 0.0, 0.0]))
