"""Columns of levels that are combinations of earlier ones, as by QR of all rows, by counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy

import fastglm as fg
from fastglm.design.matrix.parts import Design, Indicators, Ones
from fastglm.passes.row_table import build_row_table
from fastglm.solve import aliases, coded_aliases, fit
from fastglm.solve.coded_aliases import coded_combinations

pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")

FORMULAS = {
    "C(g) * C(h) + C(c) + x": 4,
    "C(c) + C(g) * C(h) + x": 4,
    "C(h) + C(g) + x + C(c) - 1": 4,
    "C(a) / C(b) + x": 72 - 24,
    "C(g) * C(e) + x": 4,
    "C(c) * C(h) + C(g) + C(g):C(h) + x": 4 + 16,
    "C(g) * x + C(c):x": 4,
    "C(g, Sum) + C(c, Sum) + x": 4,
    "C(g) * C(h) + x + I(2 * x) + z": 1,
    "C(g) * C(h) + x + cr(x, df=4)": 1,
    "C(g) + x + poly(x, 3) + C(c)": 5,
}


def _frame(n: int) -> pd.DataFrame:
    generator = np.random.default_rng(3)
    g, h, a = (generator.integers(0, k, n) for k in (30, 5, 12))
    x = generator.normal(size=n)
    return pd.DataFrame(
        {
            "g": g,
            "h": h,
            "c": g // 6,
            "a": a,
            "b": (a + (generator.random(n) < 0.5)) % 6,
            "e": np.where((g < 4) & (h == 2), 3, h),
            "x": x,
            "z": generator.normal(size=n),
            "y": generator.random(n) < 1.0 / (1.0 + np.exp(-0.3 * x - 0.1 * h)),
        }
    )


def _aliased_from_the_left(X: np.ndarray) -> list[int]:
    """Columns that leave nothing outside the span of earlier ones."""
    basis, found = np.zeros((len(X), 0)), []
    for j, column in enumerate((X / np.linalg.norm(X, axis=0).clip(1e-300)).T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        if (norm := np.linalg.norm(rest)) > 1e-9:
            basis = np.column_stack([basis, rest / norm])
        else:
            found.append(j)
    return found


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("n", [3_000, 60_000])
def test_the_columns_and_numbers_of_a_fit_without_them(formula: str, n: int) -> None:
    frame = _frame(n)
    model = fg.GLM.from_formula(f"y ~ {formula}", frame, family="binomial")
    found = model.fit()
    X = model.rows.design.to_dense()
    expected = _aliased_from_the_left(X[:6_000])
    assert len(expected) == FORMULAS[formula]
    names = list(model.rows.design.names)
    assert [names.index(name) for name in found.aliased] == expected
    kept = np.setdiff1d(np.arange(X.shape[1]), expected)
    other = fg.GLM(frame["y"].to_numpy(), X[:, kept], family="binomial").fit()
    np.testing.assert_allclose(np.asarray(found.params)[kept], other.params, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(np.asarray(found.bse)[kept], other.bse, rtol=1e-6)
    assert found.deviance == pytest.approx(other.deviance, rel=1e-10)
    for name, combination in found.aliased.items():
        left = X[:, names.index(name)] - sum(
            weight * X[:, names.index(other)] for other, weight in combination.items()
        )
        np.testing.assert_allclose(left, 0.0, atol=1e-9 * np.abs(X).max())


@pytest.mark.parametrize(
    "formula", ["C(g) * C(h) + C(c) + x", "C(c) + C(g) * C(h) + x", "C(g) * C(h) + x + I(2 * x)"]
)
def test_no_fit_of_all_rows_is_in_vain(monkeypatch, formula: str) -> None:
    frame, runs = _frame(300_000), []
    model = fg.GLM.from_formula(f"y ~ {formula}", frame, family="binomial")
    may_eliminate = fit._may_eliminate
    monkeypatch.setattr(
        fit, "_may_eliminate", lambda run, family: runs.append(run) or may_eliminate(run, family)
    )
    triangle, sizes = aliases.triangle_of_array, []
    monkeypatch.setattr(
        aliases, "triangle_of_array", lambda rows: sizes.append(rows.shape[1]) or triangle(rows)
    )
    found = model.fit()
    assert len(runs) == 1
    assert found.aliased
    assert max(sizes, default=0) < 5


def _design(codes: np.ndarray, contrasts: np.ndarray) -> Design:
    """A constant and the contrasts of a categorical of four levels."""
    k = contrasts.shape[1]
    data = np.concatenate([[1.0], contrasts.T.ravel()])
    indices = np.concatenate([[0], np.tile(np.arange(1, 5), k)])
    start = np.concatenate([[0, 1], 1 + 4 * np.arange(1, k + 1)])
    names = tuple(f"x{j}" for j in range(k + 1))
    parts = (Ones(len(codes)), Indicators((codes,), (4,)))
    return Design(parts, len(codes), names, (start, indices, data), 0, ())


@pytest.mark.parametrize("size", [1e-3, 1e-5, 1e-7, 1e-9])
def test_contrasts_that_nearly_agree_are_left_to_others(size: float) -> None:
    codes = np.arange(400) % 4
    contrasts = np.array([[0.0, 0.0], [1.0, 1.0], [0.0, size], [0.0, 0.0]])
    assert coded_combinations(build_row_table(_design(codes, contrasts))) == {}
    contrasts[2, 1] = 0.0
    assert list(coded_combinations(build_row_table(_design(codes, contrasts)))) == [2]


def test_rows_without_weight_have_no_cells() -> None:
    codes = np.arange(400) % 4
    design = _design(codes, np.eye(4)[:, 1:])
    assert coded_combinations(build_row_table(design)) == {}
    weights = np.where(codes == 0, 0.0, 1.0)
    found = coded_combinations(build_row_table(design, weights=weights))
    assert list(found) == [3]
    np.testing.assert_array_equal(found[3], [1.0, -1.0, -1.0, 0.0])


def test_rows_where_a_factor_is_nothing_have_no_cells() -> None:
    codes, x = np.arange(400) % 4, np.random.default_rng(0).normal(size=400)
    x[codes == 2] = 0.0
    parts = (Indicators((codes,), (4,), (x,)),)
    design = Design(parts, 400, tuple("abcd"), None, None, ())
    assert list(coded_combinations(build_row_table(design))) == [2]


def test_too_many_combinations_are_left_to_others(monkeypatch) -> None:
    codes = np.arange(400) % 4
    table = build_row_table(_design(codes, np.array([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0, 0]])))
    assert coded_combinations(table)
    monkeypatch.setattr(coded_aliases, "MOST_COLUMNS", 1)
    assert coded_combinations(table) == {}


@pytest.mark.parametrize("seed", range(8))
def test_telling_columns_apart_at_once_changes_nothing(monkeypatch, seed: int) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 4 - (seed % 2), 200)
    contrasts = generator.integers(-1, 2, (4, 5)) * (generator.random((4, 5)) < 0.6)
    table = build_row_table(_design(codes, contrasts.astype(float)))
    found = coded_combinations(table)
    aliased = _aliased_from_the_left(table.design.to_dense())
    # The design keeps zeros of contrasts as values.
    assert list(found) == aliased
    monkeypatch.setattr(coded_aliases, "MOST_ROUNDS", 0)
    others = coded_combinations(table)
    assert list(others) == aliased
    for j, combination in found.items():
        np.testing.assert_array_equal(combination, others[j])


def test_levels_that_occur_are_told_apart_without_a_factorisation(monkeypatch) -> None:
    n_levels = 1_500
    frame = pd.DataFrame(
        {"g": np.arange(3 * n_levels) % n_levels, "h": np.arange(3 * n_levels) % 7}
    )
    frame["y"] = (np.arange(3 * n_levels) % 2).astype(float)
    for formula in ("y ~ C(g)", "y ~ C(g) - 1", "y ~ C(g) + C(h)", "y ~ C(h) * C(g % 2)"):
        table = build_row_table(fg.GLM.from_formula(formula, frame, family="binomial").rows.design)
        with monkeypatch.context() as patched:
            patched.setattr(coded_aliases, "factorize_and_solve", None)
            assert coded_combinations(table) == {}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("formula", [f for f in FORMULAS if "C(" in f])
def test_combinations_are_the_same_from_a_table_and_sorted(monkeypatch, formula, weighted) -> None:
    frame = _frame(600)
    weights = np.where(frame.h == 1, 0.0, 1.0) if weighted else None
    model = fg.GLM.from_formula(f"y ~ {formula}", frame, family="binomial")
    table = build_row_table(model.rows.design, weights=weights)
    found = coded_combinations(table)
    for name in ("CELLS_PER_ROW", "LEAST_CELLS"):
        monkeypatch.setattr(coded_aliases, name, 0)
    assert coded_combinations(table) == {}
    monkeypatch.setattr(coded_aliases, "SORTED_FROM", 0)
    others = coded_combinations(table)
    assert list(found) == list(others)
    for j, combination in found.items():
        np.testing.assert_array_equal(combination, others[j])


def test_one_hot_columns_of_many_levels_have_their_combinations() -> None:
    """More combinations of levels than a table holds: 102^3."""
    n, k = 4_000, 102
    generator = np.random.default_rng(8)
    codes = np.column_stack([generator.permutation(np.arange(n) % k) for _ in range(3)])
    X = np.zeros((n, 3 * k))
    X[np.arange(n)[:, None], codes + k * np.arange(3)] = 1.0
    model = fg.GLM(np.arange(n) % 2, scipy.sparse.csr_array(X), family="binomial")
    found = coded_combinations(build_row_table(model.rows.design))
    assert len(found) == 2
    for j, combination in found.items():
        assert not combination[j:].any()
        np.testing.assert_array_equal(X @ combination, X[:, j])
