"""Averages over the grid of all values, against the grid written out."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.inference.effects import grid
from fastglm.inference.effects.counterfactual import Counterfactual


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(4)
    n = 900
    data = pd.DataFrame(
        {
            "x": rng.normal(1.0, 1.0, n),
            "hours": rng.uniform(1.0, 3.0, n),
            "a": rng.choice(list("pqr"), n),
            "b": rng.choice(list("uv"), n),
            "zone": rng.integers(1, 4, n),
            "flag": rng.random(n) < 0.5,
        }
    )
    data["y"] = rng.poisson(np.exp(0.2 * data.x + 0.1 * data.zone))
    return data


FORMULAS = (
    "y ~ a + b + C(zone) + x + flag",
    "y ~ x * a + b:C(zone) + offset(log(hours) * x)",
    "y ~ 0 + a:b + poly(x, 2):flag + bs(hours, df=4) + I(x * hours)",
    "y ~ 1 + offset(hours) + offset(log(hours) * x)",
)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("at", [{}, {"x": [0.3, 1.1, 2.0]}, {"hours": [1.5, 2.0], "x": 0.0}])
def test_averages_are_those_of_the_grid_written_out(frame, formula: str, at: dict) -> None:
    rows = Counterfactual(fg.glm(formula, frame, "poisson"))
    values = {
        name: np.atleast_1d(at[name]).tolist() if name in at else list(rows.levels(name) or [1.7])
        for name in rows.names()
    }
    points = pd.DataFrame(list(itertools.product(*values.values())), columns=list(values))
    points = points.astype({k: frame[k].dtype for k in points})
    built = rows.fitted_formula.apply(points)
    X = built.design.to_dense()
    offset = np.zeros(len(X)) if built.offset is None else built.offset
    for chosen in (rows.names()[:1], rows.names()[1:3], rows.names()[::-1][:2]):
        found = grid.average_over_grid(rows, values, chosen)
        keys = list(points[chosen].itertuples(index=False, name=None))
        assert found.cells == list(dict.fromkeys(keys))
        for k, cell in enumerate(found.cells):
            these = np.array([key == cell for key in keys])
            np.testing.assert_allclose(found.columns[k], X[these].mean(axis=0), atol=1e-12)
            np.testing.assert_allclose(found.sizes[k], np.abs(X[these]).mean(axis=0), atol=1e-12)
            assert found.offset[k] == pytest.approx(offset[these].mean(), abs=1e-12)


def _many_factors() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 3_000
    data = pd.DataFrame({f"f{k}": rng.choice([f"l{i}" for i in range(12)], n) for k in range(7)})
    data["x"] = rng.normal(size=n)
    data["y"] = rng.poisson(np.exp(-0.2 + 0.1 * data.x))
    return data


def test_terms_that_do_not_interact_need_no_grid() -> None:
    # 12**7 points. Alone, every factor has the same means but for what the others add.
    data = _many_factors()
    fit = fg.glm("y ~ f0 + f1 + f2 + f3 + f4 + f5 + f6 + x", data, "poisson")
    means = fit.emmeans("f3", at={"x": 0.5})
    others = sum(
        np.append(0.0, fit.params[[f"f{k}[T.l{i}]" for i in sorted(map(str, range(1, 12)))]]).mean()
        for k in (0, 1, 2, 4, 5, 6)
    )
    own = [0.0] + [fit.params[name.replace("=", "[T.") + "]"] for name in means.names[1:]]
    expected = fit.params["Intercept"] + 0.5 * fit.params["x"] + others + np.array(own)
    np.testing.assert_allclose(means.estimate, expected, rtol=1e-10)


def test_too_many_combinations_are_refused_by_name() -> None:
    data = _many_factors()
    fit = fg.glm("y ~ f0 + f1 + f2 + f3 + f4", data, "poisson")
    with pytest.raises(ModelError, match=r"f0, f1, f2, f3 have too many .* 20736 means"):
        fit.emmeans(["f0", "f1", "f2", "f3"])


def test_too_large_a_grid_of_one_term_is_refused_by_name(monkeypatch) -> None:
    fit = fg.glm("y ~ f0 * f1 + f2", _many_factors(), "poisson")
    monkeypatch.setattr(grid, "MOST_POINTS", 100)
    with pytest.raises(ModelError, match=r"f0, f1 have too many .* 144 points"):
        fit.emmeans("f2")
    assert len(fit.emmeans("f2", at={"f1": "l3"}).names) == 12
