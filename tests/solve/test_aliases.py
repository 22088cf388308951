"""Columns proved to be combinations of earlier ones: as QR of all rows says, at little cost."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import RankWarning
from fastglm.families import Poisson
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.solve import aliases, fit
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run

pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")

#: Rows of a fit that begins with all of them, and of one that begins with a sample.
FEW, MANY = 3_000, 210_000


def _columns(n: int) -> np.ndarray:
    generator = np.random.default_rng(5)
    X = generator.normal(size=(n, 10))
    X[:, 0] = 1.0
    X[:, 4] = 1e3 + 0.1 * X[:, 4]
    return X


def _counts(X: np.ndarray) -> np.ndarray:
    return np.random.default_rng(6).poisson(np.exp(0.2 * X[:, 1] - 0.1 * X[:, 2]))


@pytest.fixture
def by_qr(monkeypatch):
    """Makes fits decide by QR alone."""

    def without(call):
        with monkeypatch.context() as patched:
            patched.setattr(aliases.ProvenAliases, "_find", lambda self: {})
            patched.setattr(aliases, "coded_combinations", lambda row_table: {})
            patched.setattr(aliases.ProvenAliases, "_among_numeric", lambda self: {})
            return call()

    return without


def _assert_same(fit, other) -> None:
    assert list(fit.aliased) == list(other.aliased)
    for name, combination in fit.aliased.items():
        assert combination == pytest.approx(other.aliased[name], rel=1e-6, abs=1e-6)
    np.testing.assert_allclose(fit.params, other.params, rtol=1e-8)
    np.testing.assert_allclose(fit.bse, other.bse, rtol=1e-6)
    unit = np.outer(other.bse, other.bse)
    np.testing.assert_allclose(fit.cov_params() / unit, other.cov_params() / unit, atol=1e-8)
    assert fit.deviance == pytest.approx(other.deviance, rel=1e-10)
    assert fit.df_resid == other.df_resid


@pytest.mark.parametrize("n", [FEW, MANY])
@pytest.mark.parametrize("family", ["poisson", "gaussian"])
def test_combinations_of_dense_columns_as_by_qr(by_qr, n: int, family: str) -> None:
    X = _columns(n)
    sums = [2.0 * X[:, 3], X[:, 1] + X[:, 2] - 3.0, np.zeros(n), 7.0 + X[:, 4], 0.3 * X[:, 0]]
    Z = np.column_stack([X[:, :6], *sums, X[:, 6:]])
    y = _counts(X)
    found = fg.GLM(y, Z, family=family).fit()
    assert list(found.aliased) == ["x6", "x7", "x8", "x9", "x10"]
    assert aliases.PROVING in found.timings
    assert "orthogonal factor" not in found.timings
    _assert_same(found, by_qr(lambda: fg.GLM(y, Z, family=family).fit()))
    kept = fg.GLM(y, np.delete(Z, [6, 7, 8, 9, 10], axis=1), family=family).fit()
    np.testing.assert_allclose(found.params[~np.isnan(found.params)], kept.params, rtol=1e-9)


@pytest.mark.parametrize("n", [FEW, 900_000])
def test_the_same_factor_twice_and_splines_as_by_qr(by_qr, n: int) -> None:
    generator = np.random.default_rng(8)
    codes = generator.integers(0, 12, n)
    # A level so rare that no sample of the rows need have it.
    codes[codes == 11] = 3
    codes[[n // 3, n // 2, n - 5]] = 11
    frame = pd.DataFrame(
        {
            "c": pd.Categorical(codes),
            "other": pd.Categorical(12 - codes),
            "coarse": pd.Categorical(codes // 4),
            "x": generator.normal(size=n),
            "y": generator.poisson(np.exp(0.1 * codes / 4)),
        }
    )
    formula = "y ~ c + other + coarse + x + I(2 * x + 1)"
    found = fg.glm(formula, frame, family="poisson")
    assert len(found.aliased) == 11 + 2 + 1
    assert aliases.PROVING in found.timings
    assert "orthogonal factor" not in found.timings
    _assert_same(found, by_qr(lambda: fg.glm(formula, frame, family="poisson")))


@pytest.mark.parametrize("n", [FEW, MANY])
@pytest.mark.parametrize(
    ("size", "is_aliased"), [(1e-8, False), (1e-9, False), (1e-10, False), (1e-13, True)]
)
def test_columns_that_are_nearly_combinations_as_by_qr(
    by_qr, n: int, size: float, is_aliased: bool
) -> None:
    X = _columns(n)
    near = X[:, 1] + size * X[:, 9]
    Z = np.column_stack([X[:, :9], near, X[:, 2] - X[:, 3]])
    y = _counts(X)
    found = fg.GLM(y, Z, family="gaussian").fit()
    assert list(found.aliased) == ["x9", "x10"][not is_aliased :]
    other = by_qr(lambda: fg.GLM(y, Z, family="gaussian").fit())
    assert list(found.aliased) == list(other.aliased)


@pytest.mark.parametrize("n", [FEW, MANY])
def test_one_row_that_differs_is_seen(n: int) -> None:
    X = _columns(n)
    y = _counts(X)
    rows = set(aliases._some_rows(fg.GLM(y, X).row_table).tolist())
    row = next(i for i in range(n // 2, n) if i not in rows and y[i] > 0)
    twice = 2.0 * X[:, 3]
    twice[row] += 1e-3
    zero = np.zeros(n)
    zero[row] = 1.0
    for column in (twice, zero):
        found = fg.GLM(y, np.column_stack([X, column]), family="poisson").fit()
        assert found.aliased == {}


def test_all_but_one_of_many_columns_are_proved() -> None:
    X = _columns(MANY)
    twice = 2.0 * X[:, 3]
    rows = aliases._some_rows(fg.GLM(np.ones(MANY), X).row_table)
    twice[np.setdiff1d(np.arange(MANY), rows)[7]] += 1e-3
    Z = np.column_stack([X, 3.0 * X[:, 2], twice, X[:, 1] - X[:, 2]])
    found = fg.GLM(_counts(X), Z, family="poisson").fit()
    assert list(found.aliased) == ["x10", "x12"]


@pytest.mark.parametrize("n", [FEW, MANY])
def test_rows_of_no_weight_do_not_count(by_qr, n: int) -> None:
    X = _columns(n)
    weights = np.ones(n)
    weights[::7] = 0.0
    column = np.where(weights > 0.0, X[:, 1] + X[:, 5], 8.0)
    Z = np.column_stack([X, column])
    y = _counts(X)
    found = fg.GLM(y, Z, family="poisson", freq_weights=weights).fit()
    assert list(found.aliased) == ["x10"]
    assert aliases.PROVING in found.timings
    _assert_same(found, by_qr(lambda: fg.GLM(y, Z, family="poisson", freq_weights=weights).fit()))


@pytest.mark.parametrize("n", [FEW, MANY])
def test_the_later_column_goes_where_it_is_the_intercept(by_qr, n: int) -> None:
    # As R's lm(y ~ 0 + columns): columns are shifted by the intercept wherever it stands.
    X = _columns(n)
    one, dummies = X[:, :1], (np.arange(n)[:, None] % 3 == np.arange(3)).astype(np.float64)
    y = _counts(X)
    cases = [
        ("const", [X[:, 1:], dummies, one]),
        ("const", [dummies, one, X[:, 1:]]),
        ("const", [X[:, 4:5], 5.0 - X[:, 4:5], one, X[:, 1:4]]),
        ("x2", [X[:, 4:5], 3.0 * X[:, 4:5], one, X[:, 1:4]]),
    ]
    for name, columns in cases:
        Z = np.column_stack(columns)
        found = fg.GLM(y, Z, family="poisson").fit()
        assert list(found.aliased) == [name]
        kept = ~np.isnan(found.params)
        alone = fg.GLM(y, Z[:, kept], family="poisson").fit()
        np.testing.assert_allclose(found.params[kept], alone.params, rtol=1e-7)
        assert list(by_qr(lambda Z=Z: fg.GLM(y, Z, family="poisson").fit()).aliased) == [name]


def test_weights_that_vanish_prove_nothing() -> None:
    # The separated level's rows have lost all weight: its column is no combination of others.
    n = 5_000
    codes = np.arange(n) % 5
    frame = pd.DataFrame({"c": pd.Categorical(codes), "x": np.linspace(-1.0, 1.0, n)})
    frame["z"] = 2.0 * frame.x
    frame["y"] = np.where(codes == 4, 0, (np.arange(n) // 5) % 2)
    with pytest.warns(fg.errors.SeparationWarning):
        found = fg.glm("y ~ c + x + z", frame, family="binomial")
    assert list(found.aliased) == ["z"]
    assert list(found.infinite) == ["c[T.4]"]


def test_no_qr_and_one_pass_where_columns_are_proved(monkeypatch) -> None:
    def refuse(*arguments):
        raise AssertionError("QR of all rows")

    monkeypatch.setattr(fit, "refine_with_qr", refuse)
    passes = []
    squares = aliases.ProvenAliases._squares
    monkeypatch.setattr(
        aliases.ProvenAliases, "_squares", lambda *a: passes.append(1) or squares(*a)
    )
    for n in (FEW, MANY):
        X = _columns(n)
        Z = np.column_stack([X, 2.0 * X[:, 3], X[:, 1] - X[:, 2]])
        with pytest.warns(RankWarning):
            fg.GLM(_counts(X), Z, family="poisson").fit()
        assert len(passes) == 1
        passes.clear()


def test_coefficients_that_aliased_columns_start_with_go_to_the_others() -> None:
    X = _columns(FEW)
    Z = np.column_stack([X, 2.0 * X[:, 3]])
    start = np.zeros(11)
    start[10] = 0.5
    found = fg.GLM(_counts(X), Z, family="poisson").fit(start_params=start)
    cold = fg.GLM(_counts(X), Z, family="poisson").fit()
    np.testing.assert_allclose(found.params, cold.params, rtol=1e-8, atol=1e-8)


def test_later_columns_take_no_part_in_a_combination() -> None:
    # The last columns are nearly alike: least squares on all would give them what rounding left.
    X = _columns(FEW)
    rng = np.random.default_rng(7)
    near = X[:, 3] + 1e-5 * rng.normal(size=(4, FEW))
    Z = np.column_stack([X[:, :3], X[:, 1] - 3.0 * X[:, 2], X[:, 3], *near])
    row_table = fg.GLM(_counts(X), Z).row_table
    run = Run(MemoryRows(row_table), find_scaling(row_table), Poisson(), False)
    combinations, _ = aliases._candidates(run)
    assert list(combinations) == [3]
    assert (combinations[3][4:] == 0.0).all()


@pytest.mark.parametrize(("pivot", "explained"), [(0.0, True), (1e-12, False)])
def test_a_small_pivot_that_was_factored_is_not_explained(pivot: float, explained: bool) -> None:
    # The factor goes through that column: it is not one of the others alone.
    run = SimpleNamespace(vectors={at.PIVOT: np.array([1.0, pivot, 0.5])})
    proven = aliases.ProvenAliases(run, 1)
    proven.combinations = {1: np.array([2.0, 0.0, 0.0])}
    assert proven.explain(run) is explained
