"""A reference level that is separated: as by the fit with another reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.design.matrix.parts import Indicators
from fastglm.errors import SeparationWarning
from fastglm.fit import estimate as estimating
from fastglm.fit.separation_text import separated_reference
from fastglm.passes.row_table import build_row_table
from fastglm.solve import rebased_levels
from fastglm.solve.rebased_levels import rebase_separated

pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.FastGLMWarning")


def _frame() -> pd.DataFrame:
    generator = np.random.default_rng(2)
    n = 4_000
    g, h = generator.integers(0, 8, n), generator.integers(0, 3, n)
    x = generator.normal(size=n)
    y = (generator.random(n) < 1.0 / (1.0 + np.exp(-0.5 * x))).astype(float)
    y[g == 0] = 0.0
    return pd.DataFrame({"y": y, "g": g, "h": h, "x": x, "w": generator.integers(1, 4, n)})


@pytest.fixture
def no_search(monkeypatch):
    """A search by linear programs would take minutes for a factor of many levels."""
    monkeypatch.setattr(estimating, "find_separation", lambda *args: pytest.fail("searched"))


def _bases(formula, separated, scaled=None):
    """Changes of the reference of g, whose `separated` levels are zeros, in a design."""
    g = np.repeat(np.arange(4), 6)
    y = np.where(np.isin(g, separated), 0.0, 1.0 + np.arange(24) % 2)
    design = fg.GLM.from_formula(formula, {"y": y, "g": g.astype(str)}, "poisson").rows.design
    if scaled is not None:
        start, index, value = design.column_map
        design = replace(design, column_map=(start, index, value * scaled))
    number = next(k for k, part in enumerate(design.parts) if isinstance(part, Indicators))
    only = np.where(np.isin(np.arange(4), separated), -1, 0)
    return rebase_separated(build_row_table(design, y), {number: only})


def test_references_that_are_separated_are_replaced(monkeypatch):
    (step,) = _bases("y ~ g", [0])
    # Columns of ones and of levels 1, 2 and 3, of which 1 has made way for 0.
    of_levels = np.eye(4)[np.repeat(np.arange(4), 6)]
    theta = np.array([0.5, -1.0, 0.3, 0.7])
    rebased = theta[0] + of_levels[:, [0, 2, 3]] @ theta[1:]
    np.testing.assert_allclose(step.row_table.design.to_dense() @ theta, rebased, atol=1e-14)
    back = step._to_given @ theta
    np.testing.assert_allclose(back[0] + of_levels[:, 1:] @ back[1:], rebased, atol=1e-14)
    assert _bases("y ~ g", [0, 2]) != []
    # The reference has rows of both kinds; no other level has.
    assert _bases("y ~ g", [1]) == []
    assert _bases("y ~ g", [0, 1, 2, 3]) == []
    # No level is the one without a column, none is, and columns that are no indicators.
    assert _bases("y ~ C(g, Sum)", [0]) == []
    assert _bases("y ~ g - 1", [0]) == []
    assert _bases("y ~ g", [0], scaled=[1.0, 2.0, 2.0, 2.0]) == []
    assert _bases("y ~ g", [0], scaled=[1.0, 1.0, 2.0, 1.0]) == []
    # An intercept of twos.
    assert _bases("y ~ g", [0], scaled=[2.0, 1.0, 1.0, 1.0]) == []
    monkeypatch.setattr(rebased_levels, "MOST_COLUMNS", 3)
    assert _bases("y ~ g", [0]) == []


@pytest.mark.parametrize("formula", ["C(g) + x", "x + C(h) + C(g)"])
@pytest.mark.parametrize("options", [{}, {"freq_weights": "w"}])
@pytest.mark.parametrize("separated", [[0], [0, 5]])
def test_as_with_another_reference(no_search, formula, options, separated) -> None:
    frame = _frame()
    frame.loc[frame["g"].isin(separated), "y"] = 0.0
    found = fg.glm(f"y ~ {formula}", frame, family="binomial", **options)
    other = fg.glm(
        f"y ~ {formula.replace('C(g)', 'C(g, Treatment(3))')}", frame, family="binomial", **options
    )
    assert found.converged
    assert found.infinite["Intercept"] == -1
    assert found.n_separated == other.n_separated == frame["g"].isin(separated).sum()
    assert found.deviance == pytest.approx(other.deviance, rel=1e-9)
    levels = [name for name in found.names if name.startswith("C(g)[T.") and ":" not in name]
    assert all(found.infinite[name] == 1 for name in levels)
    assert found.params["x"] == pytest.approx(other.params["x"], rel=1e-7)
    assert found.bse["x"] == pytest.approx(other.bse["x"], rel=1e-7)
    # Differences of levels that are not separated are finite, and so are their standard errors.
    index = {name: k for k, name in enumerate(found.names)}
    contrast = np.zeros(len(index))
    contrast[[index["C(g)[T.4]"], index["C(g)[T.3]"]]] = 1.0, -1.0
    name = next(n for n in other.names if n.startswith("C(g") and n.endswith("4]"))
    assert contrast @ found.params == pytest.approx(other.params[name], rel=1e-7)
    (error,) = np.atleast_1d(found.t_test(contrast).sd)
    assert error == pytest.approx(other.bse[name], rel=1e-5)
    np.testing.assert_allclose(found.predict(), other.predict(), atol=1e-9)


def test_the_warning_names_the_reference_level(no_search) -> None:
    frame = _frame()
    with pytest.warns(SeparationWarning) as caught:
        fit = fg.glm("y ~ C(g) + x", frame, family="binomial")
    (text,) = {str(warning.message) for warning in caught}
    assert "level 0 of C(g), which all other levels are compared with" in text
    assert "Intercept (-infinity) and all 7 coefficients of C(g) (+infinity)" in text
    assert "T.1" not in text
    # Another level beside it is not told by the signs; another factor's is not all there is.
    assert separated_reference(fit) == ("C(g)", "0")
    frame.loc[frame["h"] == 2, "y"] = 0.0
    with pytest.warns(SeparationWarning, match="and 3 others"):
        both = fg.glm("y ~ C(g) + C(h) + x", frame, family="binomial")
    assert separated_reference(both) is None


@pytest.mark.parametrize(
    ("formula", "row"),
    [
        ("C(g, Sum) + C(h)", lambda d: d.g == 7),
        ("C(g, Sum) + C(h)", lambda d: d.g == 0),
        ("C(g) * x + C(h)", lambda d: d.g == 0),
        ("C(g) + C(h)", lambda d: d.g == 0),
        ("C(g) + C(h)", lambda d: d.g == 3),
        ("C(g):C(h)", lambda d: (d.g == 1) & (d.h == 2)),
        ("C(g) * C(h)", lambda d: (d.g == 0) & (d.h == 0)),
        ("C(g) + C(h) + I(maximum(x - 1.5, 0))", lambda d: d.x > 1.5),
    ],
)
@pytest.mark.parametrize("family", ["binomial", "poisson"])
def test_standard_errors_far_from_separation_are_those_without_it(formula, row, family) -> None:
    """An infinite estimate's variance is huge: what cancels it keeps its digits."""
    frame = _frame()
    generator = np.random.default_rng(5)
    frame["y"] = generator.binomial(1, 0.4, len(frame)).astype(float)
    separated = row(frame)
    frame.loc[separated, "y"] = 0.0
    whole = fg.glm(f"y ~ {formula} + x", frame, family=family)
    rest = fg.glm(f"y ~ {formula} + x", frame, family=family, separation="drop")
    assert whole.n_separated == rest.n_separated == separated.sum()
    rows = np.flatnonzero(~separated)[:60]
    X = whole.model.rows.design.to_dense()[rows]
    differences = np.diff(X, axis=0)
    for hypotheses in (X, differences[np.abs(differences).max(axis=1) > 0.0]):
        np.testing.assert_allclose(
            whole.t_test(hypotheses).sd, rest.t_test(hypotheses).sd, rtol=1e-6
        )
    errors = (f.get_prediction(frame.iloc[rows]).summary_frame()["mean_se"] for f in (whole, rest))
    np.testing.assert_allclose(*errors, rtol=1e-6)


def test_of_a_thousand_levels_in_a_few_sweeps(no_search) -> None:
    generator = np.random.default_rng(1)
    g = np.repeat(np.arange(1_000), 8)
    y = np.tile([0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0], 1_000)
    y[g == 0] = 0.0
    frame = pd.DataFrame({"y": y, "g": g, "x": generator.normal(size=y.size)})
    found = fg.glm("y ~ C(g) + x", frame, family="binomial")
    assert found.n_sweeps < 12
    assert found.n_separated == 8
    assert list(found.infinite.values()) == [-1] + [1] * 999
