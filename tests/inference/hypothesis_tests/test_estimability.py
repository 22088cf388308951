"""Averages over cells without rows: NaN where, and only where, the rows do not tell of them."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastglm as fg
from fastglm.errors import RankWarning
from fastglm.fit.aliased import null_space
from fastglm.inference.hypothesis_tests.estimability import (
    LinearCombinations,
    rows_apart,
)


@pytest.fixture
def cells():
    """Nothing was seen of a = q where b = w."""
    rows = [
        ("p", "u", 1.0), ("p", "u", 2.0), ("p", "v", 4.0), ("p", "v", 5.0), ("p", "w", 9.0),
        ("p", "w", 8.0), ("q", "u", 3.0), ("q", "u", 2.5), ("q", "v", 7.0), ("q", "v", 6.0),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["a", "b", "y"])
    frame["x"] = [0.3, 1.2, -0.4, 0.8, 0.1, 1.9, -1.0, 0.2, 0.7, 0.5]
    frame["k"] = list("stststtsts")
    return frame


def fits(frame, formula="y ~ a*{b}", family="gaussian"):
    """The same model in several codings of the factor b."""
    codings = [
        "b",
        "C(b, levels=['w', 'u', 'v'])",
        "C(b, contr.sum)",
        "C(b, levels=['v', 'w', 'u'])",
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return [fg.glm(formula.format(b=b), frame, family) for b in codings]


def quietly(function, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return function(*arguments, **options)


def test_the_mean_over_an_empty_cell_is_not_estimable(cells):
    # R's emmeans: 4.83 for p, nonEst for q.
    for fit in fits(cells):
        with pytest.warns(RankWarning, match=r"Not estimable, and NaN: a=q\."):
            means = fit.emmeans("a")
        np.testing.assert_allclose(means.estimate, [29.0 / 6.0, np.nan])
        assert np.isnan(means.standard_error[1])
        assert np.isnan(means.conf_int()[1]).all()
        assert "Not estimable, and NaN: a=q." in str(means)
        assert "Not estimable, and NaN: a=q." in means._repr_html_()
        cell = quietly(fit.emmeans, ["a", "b"]).summary_frame()
        assert set(cell.index[cell["emmean"].isna()]) == {"a=q, b=w"}


def test_a_contrast_of_means_that_are_not_estimable_may_be(cells):
    # The effect of k is additive: its means are over the empty cell, their difference is not.
    for fit in fits(cells, "y ~ a*{b} + k"):
        means = quietly(fit.emmeans, "k")
        assert np.isnan(means.estimate).all()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            contrast = means.contrasts()
        effect = -fit.params["k[T.t]"]
        np.testing.assert_allclose(contrast.estimate, effect, rtol=1e-9)
        np.testing.assert_allclose(contrast.standard_error, fit.bse["k[T.t]"], rtol=1e-9)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
def test_averages_do_not_depend_on_the_reference_level(cells, family):
    questions = {
        "predictions": lambda fit: fit.avg_predictions({"a": ["p", "q"]}),
        "own rows": lambda fit: fit.avg_predictions(by="a"),
        "by b": lambda fit: fit.avg_predictions({"a": ["p", "q"]}, by="b"),
        "comparisons": lambda fit: fit.avg_comparisons("a"),
        "comparisons by b": lambda fit: fit.avg_comparisons("a", by="b"),
        "comparisons of b by a": lambda fit: fit.avg_comparisons("b", by="a"),
        "slopes": lambda fit: fit.avg_slopes("x", by="a"),
    }
    lost = {
        "predictions": [0, 1], "own rows": [0, 0], "by b": [0, 0, 0, 0, 0, 1],
        "comparisons": [1], "comparisons by b": [0, 0, 1],
        "comparisons of b by a": [0, 0, 0, 1], "slopes": [0, 0],
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [
            {name: ask(fit) for name, ask in questions.items()}
            for fit in fits(cells, "y ~ a*{b} + x", family)
        ]
    for name, expected in lost.items():
        for other in found:
            np.testing.assert_array_equal(np.isnan(other[name].estimate), np.array(expected) == 1)
            for what in ("estimate", "standard_error"):
                first, ours = (getattr(one[name], what) for one in (found[0], other))
                np.testing.assert_allclose(ours, first, rtol=1e-6)


def test_a_mean_of_rows_may_be_estimable_where_the_rows_are_not(cells):
    # With the identity link the effect of k holds in the empty cell as in the others.
    for fit in fits(cells, "y ~ a*{b} + k"):
        everywhere = {"a": "q", "b": "w"}
        both = [quietly(fit.avg_predictions, everywhere | {"k": k}) for k in "st"]
        assert np.isnan([each.estimate[0] for each in both]).all()
        ours = fit.avg_comparisons("k")
        np.testing.assert_allclose(ours.estimate, fit.params["k[T.t]"], rtol=1e-9)


def test_slopes_of_a_group_with_one_value():
    # In group w x is always 2: the rows do not tell how y goes with it there.
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"g": np.repeat(list("uvw"), 20), "x": rng.normal(size=60)})
    frame.loc[frame.g == "w", "x"] = 2.0
    frame["y"] = rng.normal(size=60) + frame.x
    for coding in ("g", "C(g, levels=['w', 'v', 'u'])"):
        fit = quietly(fg.glm, f"y ~ x * {coding}", frame)
        with pytest.warns(RankWarning, match=r"NaN: x, g=w\."):
            slopes = fit.avg_slopes("x", by="g")
        lines = [np.polyfit(d.x, d.y, 1)[0] for _, d in frame[frame.g != "w"].groupby("g")]
        np.testing.assert_allclose(slopes.estimate, [*lines, np.nan], rtol=1e-7)


def test_rows_without_weight_do_not_make_an_average_inestimable(cells):
    more = pd.concat([cells, pd.DataFrame({"a": ["q"], "b": ["w"], "y": [1.0]})])
    weights = np.append(np.ones(len(cells)), 0.0)
    fit = quietly(fg.glm, "y ~ a*b", more, freq_weights=weights)
    ours = fit.avg_predictions({"a": ["p"]})
    theirs = quietly(fg.glm, "y ~ a*b", cells).avg_predictions({"a": ["p"]})
    np.testing.assert_allclose(ours.estimate, theirs.estimate)
    assert np.isnan(quietly(fit.avg_predictions, {"a": ["q"]}).estimate).all()


def test_contributions_of_terms_warn_as_predictions_do(cells):
    fit = quietly(fg.glm, "y ~ a*b", cells)
    new = pd.DataFrame({"a": ["q", "p"], "b": ["w", "u"]})
    for ask in (fit.predict, fit.predict_terms):
        with pytest.warns(RankWarning, match=r"In 1 row \(0,"):
            ask(new)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_estimable_is_in_the_row_space(seed):
    """Random cells of three factors, against the rank of the rows with the combination beside."""
    rng = np.random.default_rng(seed)
    grid = list(itertools.product("pq", "uvw", "st"))
    kept = [grid[k] for k in rng.permutation(len(grid))[: rng.integers(5, 12)]]
    frame = pd.DataFrame(kept * 2, columns=["a", "b", "c"])
    frame["y"] = rng.normal(size=len(frame))
    if frame.nunique().min() < 2:
        return
    formula = ["y ~ a*b + c", "y ~ a + b*c", "y ~ a*b*c", "y ~ a + b + c"][rng.integers(4)]
    fit = quietly(fg.glm, formula, frame)
    X = fit.model.rows.design.to_dense()
    for name in "abc":
        means = quietly(fit.emmeans, name)
        contrasts = quietly(means.contrasts)
        pairs = list(itertools.combinations(means.combinations.matrix, 2))
        for found, rows in (
            (means.estimate, means.combinations.matrix),
            (contrasts.estimate, [u - v for u, v in pairs]),
        ):
            inside = [
                np.linalg.matrix_rank(np.vstack([X, row]), 1e-8) == np.linalg.matrix_rank(X, 1e-8)
                for row in rows
            ]
            np.testing.assert_array_equal(~np.isnan(found), inside)
            solution = np.linalg.lstsq(X, frame.y, rcond=None)[0]
            for value, row in zip(found, rows, strict=True):
                if not np.isnan(value):
                    np.testing.assert_allclose(value, row @ solution, atol=1e-8)


def test_rounding_is_not_taken_for_a_difference():
    # Columns far from zero, and averages that cancel to it.
    rng = np.random.default_rng(1)
    x = rng.normal(size=50)
    x -= x.mean()
    frame = pd.DataFrame({"x": x, "z": 1e3 + 3.0 * x, "g": np.tile(list("ab"), 25)})
    frame["y"] = rng.normal(size=50) + x
    fit = quietly(fg.glm, "y ~ x + z + g", frame)
    assert fit.aliased
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(fit.emmeans("g").estimate).all()
        assert np.isfinite(fit.emmeans("g").contrasts().estimate).all()
        assert np.isfinite(fit.avg_comparisons("g").estimate).all()


def test_null_space_and_rows(cells):
    fit = fits(cells)[1]
    X = fit.model.rows.design.to_dense()
    np.testing.assert_allclose(X @ null_space(fit.names, fit.aliased).T, 0.0, atol=1e-9)
    assert not rows_apart(fit, fit.model.rows.design).any()
    combinations = LinearCombinations(fit, X, np.zeros(len(X)), np.abs(X))
    np.testing.assert_allclose(combinations.estimate()[0], fit.fittedvalues)
    assert combinations.combined(np.ones((1, len(X)))).estimable.tolist() == [True]
