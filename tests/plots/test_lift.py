from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import DataError


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.lines}


def test_actual_and_expected_rates_by_level(counts, frame):
    ax = plots.actual_expected(counts, "region")
    by = frame.region
    exposure = frame.hours.groupby(by).sum()
    drawn = lines(ax)
    np.testing.assert_allclose(drawn["actual"], frame.claims.groupby(by).sum() / exposure)
    # A factor in a Poisson model with log link: expected sums equal the actual ones.
    np.testing.assert_allclose(drawn["expected"], drawn["actual"], rtol=1e-6)
    bars = [bar.get_height() for bar in ax.figure.axes[1].patches]
    np.testing.assert_allclose(bars, exposure)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["north", "south", "west"]


def test_numbers_and_foreign_factors_are_cut_or_taken(counts, frame):
    ax = plots.actual_expected(counts, "age", n_groups=4)
    assert len(lines(ax)["actual"]) == 4
    ours = np.arange(800) % 3
    assert len(lines(plots.actual_expected(counts, ours))["actual"]) == 3
    many = plots.actual_expected(counts, np.array([f"v{k % 100}" for k in range(800)]))
    assert many.get_xticklabels()[-1].get_text() == "others"
    total = np.average(frame.claims / frame.hours, weights=frame.hours)
    bars = np.array([bar.get_height() for bar in many.figure.axes[1].patches])
    assert np.average(lines(many)["actual"], weights=bars) == pytest.approx(total)
    with pytest.raises(DataError, match="shape"):
        plots.actual_expected(counts, np.arange(5))


def test_lift_rises(counts):
    drawn = lines(plots.lift(counts, n_groups=5))
    assert (np.diff(drawn["fitted"]) > 0).all()
    assert len(drawn["observed"]) == 5


def test_double_lift_shows_both_models(counts, frame):
    other = fg.glm("claims ~ region", frame, "poisson", exposure="hours")
    drawn = lines(plots.double_lift(counts, other, labels=("full", "small")))
    distance = {k: np.abs(drawn[k] - drawn["observed"]).sum() for k in ("full", "small")}
    assert distance["full"] < distance["small"]
    with pytest.raises(DataError, match="same rows"):
        plots.double_lift(counts, fg.glm("won ~ age", frame, "binomial"))
