"""Separation by levels: found by counts, and by a program without the levels."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.families import Binomial, Poisson
from fastglm.model import GLM
from fastglm.passes import eliminated_levels
from fastglm.solve import separation, shortcuts
from fastglm.solve.moving_rows import MovingRows, _LevelFreeRows
from fastglm.solve.newton.blocked_inverse import OnDemand
from fastglm.solve.separation import find_separation

LEVELS = 160


def problem(family, seed=0, empty=(), full=(), rows=1_600, shift=0.0):
    """Responses of a factor of many levels, of which some have nothing but zeros, or ones."""
    generator = np.random.default_rng(seed)
    c = np.concatenate([np.arange(LEVELS)] * 3 + [generator.integers(0, LEVELS, rows)])
    x, b = generator.standard_normal(c.size), generator.integers(0, 4, c.size)
    mean = np.exp(0.3 * x + 0.2 * b - 0.5)
    if family is Poisson:
        y = generator.poisson(mean + 0.3).astype(float)
    else:
        y = (generator.random(c.size) < mean / (1.0 + mean)).astype(float)
    y[np.isin(c, empty)] = 0.0
    y[np.isin(c, full)] = 1.0
    data = pd.DataFrame({"y": y, "x": x, "b": b, "c": c}).astype({"b": "category", "c": "category"})
    return GLM.from_formula("y ~ x + c + b", data, family=family()), data


@pytest.fixture
def by_programs(monkeypatch):
    """The search by linear programs over all coefficients."""

    def found(model):
        with monkeypatch.context() as patch:
            patch.setattr(
                separation.DesignRows, "direction_of_levels", MovingRows.direction_of_levels
            )
            patch.setattr(separation.DesignRows, "without_levels", MovingRows.without_levels)
            return search(model)

    return found


def search(model):
    rows = model.rows
    return find_separation(rows.design, model.family, rows.response, rows.prior_weights)


def assert_separates(found, model):
    """Rows that are separated gain, all others that are there stand still."""
    predictor = model.rows.design.to_dense() @ found.direction
    y = model.rows.response
    side = np.where(y == 0.0, -1.0, np.where(y == 1.0, 1.0, 0.0))
    if isinstance(model.family, Poisson):
        side = np.where(y == 0.0, -1.0, 0.0)
    assert (side * predictor)[found.rows].min() > 0.1
    assert np.abs(predictor[~found.rows]).max() < 1e-8


@pytest.mark.parametrize("family", [Poisson, Binomial])
@pytest.mark.parametrize("empty", [(), (7,), (0, 5, 50, 159)])
def test_levels_of_zeros_are_those_of_the_program(family, empty, by_programs):
    model, _ = problem(family, empty=empty)
    found = search(model)
    assert_separates(found, model) if found.exists else None
    expected = by_programs(model)
    np.testing.assert_array_equal(found.rows, expected.rows)
    if 0 not in empty:
        # What levels do relative to a reference level that is separated is open.
        np.testing.assert_array_equal(np.sign(found.direction), np.sign(expected.direction))
    assert set(model.rows.response[found.rows]) <= {0.0, 1.0}


def test_levels_of_either_end_are_found_at_once():
    model, data = problem(Binomial, empty=(3,), full=(4, 9))
    found = search(model)
    assert_separates(found, model)
    assert found.rows[data["c"].isin([3, 4, 9])].all()


def test_what_is_left_is_searched_without_the_levels(monkeypatch, by_programs):
    """A numeric column that separates rows within levels, beside levels of zeros."""
    model, data = problem(Poisson, empty=(2,), seed=3)
    y = data["y"].to_numpy()
    # Within every level, only rows without an event have a positive value.
    data["s"] = np.where((y == 0.0) & (data["x"] > 0.8), data["x"], 0.0)
    model = GLM.from_formula("y ~ x + s + c", data, family=Poisson())
    found = search(model)
    assert_separates(found, model)
    assert found.rows[(data["s"] > 0.0).to_numpy()].all()
    expected = by_programs(model)
    np.testing.assert_array_equal(found.rows, expected.rows)
    np.testing.assert_array_equal(np.sign(found.direction), np.sign(expected.direction))


def test_rows_relative_to_a_fixed_row_of_their_level():
    model, _ = problem(Poisson)
    rows = separation.DesignRows(model.rows.design)
    side = np.where(model.rows.response == 0.0, -1, 0).astype(np.int8)
    counts = np.ones(side.size, dtype=bool)
    empty = eliminated_levels.find_eliminated_levels(rows.row_table)
    counts[np.isin(np.asarray(empty.part.codes[0]), [1])] = False
    while (direction := rows.direction_of_levels(side, counts)) is not None:
        counts &= rows.moved(direction) == 0.0
    free = rows.without_levels(side, counts)
    assert isinstance(free, _LevelFreeRows)
    some = np.flatnonzero(counts)[::7]
    generator = np.random.default_rng(1)
    direction = generator.standard_normal(free.n_columns)
    whole = rows.moved(free.of_all(direction))
    np.testing.assert_allclose(free.moved(direction)[counts], whole[counts], atol=1e-12)
    np.testing.assert_allclose(free.matrix(some) @ direction, whole[some], atol=1e-12)
    np.testing.assert_allclose(
        free.squares(direction[:, None])[counts], whole[counts] ** 2, atol=1e-12
    )
    # Fixed rows do not move.
    fixed = counts & (side == 0)
    assert np.abs(whole[fixed]).max() > 0.1
    assert np.abs(whole[free._fixed[free._fixed >= 0]]).max() < 1e-12


def test_levels_without_a_fixed_row_stay_in_the_program():
    model, _ = problem(Binomial)
    rows = separation.DesignRows(model.rows.design)
    side = np.where(model.rows.response == 0.0, -1, 1).astype(np.int8)
    assert rows.without_levels(side, np.ones(side.size, dtype=bool)) is rows


def test_fits_beside_separated_levels_are_those_of_an_elimination_in_order(monkeypatch):
    model, _ = problem(Poisson, empty=(7, 30, 31))
    with pytest.warns(fg.errors.SeparationWarning):
        found = model.fit()
    assert isinstance(vars(found)["covariance"], OnDemand)
    monkeypatch.setattr(shortcuts, "find_eliminated_levels", lambda row_table: None)
    with pytest.warns(fg.errors.SeparationWarning):
        expected = model.fit()
    assert found.infinite == expected.infinite
    assert len(found.infinite) >= 3
    finite = ~np.isin(found.names, list(found.infinite))
    errors = expected.standard_errors
    difference = np.abs(found.estimates - expected.estimates) / errors
    assert difference[finite].max() < 1e-9
    np.testing.assert_allclose(found.standard_errors, errors, rtol=1e-9)
    unit = np.outer(errors, errors)
    np.testing.assert_allclose(found.covariance / unit, expected.covariance / unit, atol=1e-9)
    factor, other = found.inverse_information_factor, expected.inverse_information_factor
    np.testing.assert_allclose(factor @ factor.T / unit, other @ other.T / unit, atol=1e-9)
    assert found.deviance == pytest.approx(expected.deviance, rel=1e-12)


def levels_of(formula, scaled=1.0):
    """Rows of which those of level "a" are zeros, by a design of a formula, and their sides."""
    generator = np.random.default_rng(4)
    g, x = np.repeat(list("abc"), 8), generator.standard_normal(24)
    y = np.where(g == "a", 0.0, generator.permutation(24) % 2 + 1.0)
    design = GLM.from_formula(formula, {"y": y, "g": g, "x": x}, family=Poisson()).rows.design
    if scaled != 1.0:
        start, index, value = design.column_map
        value = np.where(np.arange(value.size) == start[design.constant], value, scaled * value)
        design = replace(design, column_map=(start, index, value))
    return separation.DesignRows(design), np.where(y == 0.0, -1, 0).astype(np.int8)


@pytest.mark.parametrize(
    ("formula", "scaled", "is_found"),
    [
        ("y ~ g", 1.0, True),
        # The reference level is not the constant less the columns of the others.
        ("y ~ C(g, Sum)", 1.0, False),
        ("y ~ g", 2.0, False),
        # A column that is x in the rows of a level moves them both ways.
        ("y ~ x:g", 1.0, False),
        ("y ~ g - 1", 1.0, True),
    ],
)
def test_levels_are_told_by_counts_where_their_columns_are_their_indicators(
    formula, scaled, is_found
):
    rows, side = levels_of(formula, scaled)
    direction = rows.direction_of_levels(side, np.ones(side.size, dtype=bool))
    assert (direction is not None) == is_found
    if is_found:
        moved = rows.moved(direction)
        assert moved[side < 0].max() < 0.0
        assert np.abs(moved[side == 0]).max() < 1e-12
