"""A reference level that is separated: as by the fit with another reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.fit import estimate as estimating

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
