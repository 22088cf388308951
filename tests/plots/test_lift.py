from __future__ import annotations

import numpy as np
import pandas as pd
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
    (strip,) = ax.child_axes
    np.testing.assert_allclose([bar.get_height() for bar in strip.patches], exposure)
    assert [label.get_text() for label in strip.get_xticklabels()] == ["north", "south", "west"]
    assert ax.get_ylabel() == plots.lift(counts).get_ylabel() == "claims per hours"
    # Nothing joins levels that have no order, and the axis is that of the means alone.
    assert all(line.get_linestyle() == "None" or line.get_marker() == "_" for line in ax.lines)
    assert ax.get_ylim()[0] > 0.0


def test_chance_alone_is_drawn_around_the_expected_means(counts, frame):
    ax = plots.actual_expected(counts, "region")
    exposure = frame.hours.groupby(frame.region).sum().to_numpy()
    expected = counts.fittedvalues.groupby(frame.region).sum() / exposure
    ends = np.array([path.vertices[:, 1] for path in ax.collections[0].get_paths()])
    reach = 1.959964 * np.sqrt(expected.to_numpy() / exposure)
    np.testing.assert_allclose(ends[:, 1], expected + reach, rtol=1e-6)


def test_two_factors_are_a_map_of_ratios(counts, frame):
    old = (frame.age > 50).map({True: "old", False: "young"}).rename("years")
    ax = plots.actual_expected(counts, ["region", old])
    both = [old.to_numpy(), frame.region.to_numpy()]
    ratio = frame.claims.groupby(both).sum() / counts.fittedvalues.groupby(both).sum()
    shown = np.exp(np.asarray(ax.collections[0].get_array()))
    np.testing.assert_allclose(shown.ravel(), ratio.to_numpy(), rtol=1e-10)
    texts = [text.get_text() for text in ax.texts]
    assert texts == [f"{value:.2f}" for value in ratio]
    assert ax.get_title() == "Actual over expected by region and years"


def test_cells_without_events_do_not_stretch_the_colours(counts, frame):
    """Of a few cells with none the scale was 0.001 to 1000, and all others were white."""
    code = np.arange(len(frame)) % 8
    none = frame.claims.to_numpy() == 0
    part = pd.Series(np.where(none & (code < 3), code, 3 + code % 4), name="part")
    ax = plots.actual_expected(counts, ["region", part])
    values = np.exp(np.asarray(ax.collections[0].get_array()))
    assert (values < 0.01).sum() >= 9
    assert 1.05 < np.exp(ax.collections[0].get_clim()[1]) < values.max() * 1.01


def test_actual_and_expected_of_new_rows(counts, frame):
    new = frame.sample(200, random_state=2)
    drawn = lines(plots.actual_expected(counts, "region", data=new))
    by = new.groupby("region")[["claims", "hours"]].sum()
    np.testing.assert_allclose(drawn["actual"], by["claims"] / by["hours"])


def test_groups_are_named_in_few_digits(counts, frame):
    ax = plots.actual_expected(counts, "hours", n_groups=4)
    labels = [label.get_text() for label in ax.child_axes[0].get_xticklabels()]
    assert len(set(labels)) == 4
    assert all(len(label) <= 11 for label in labels)


def test_numbers_and_foreign_factors_are_cut_or_taken(counts, frame):
    ax = plots.actual_expected(counts, "age", n_groups=4)
    assert len(lines(ax)["actual"]) == 4
    ours = np.arange(800) % 3
    assert len(lines(plots.actual_expected(counts, ours))["actual"]) == 3
    many = plots.actual_expected(counts, np.array([f"v{k % 100}" for k in range(800)]))
    (strip,) = many.child_axes
    assert strip.get_xticklabels()[-1].get_text() == "others"
    total = np.average(frame.claims / frame.hours, weights=frame.hours)
    bars = np.array([bar.get_height() for bar in strip.patches])
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


def test_models_are_named_by_their_formulas(counts, frame):
    other = fg.glm("claims ~ region", frame, "poisson", exposure="hours")
    assert {"age + region", "region"} <= lines(plots.double_lift(counts, other)).keys()
    same = lines(plots.double_lift(counts, counts.with_covariance("HC1")))
    assert {"first", "second"} <= same.keys()
