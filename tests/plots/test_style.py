from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError
from fastglm.plots.style import cloud, level_ticks, new_axes, short_label, smooth_line


def test_a_smooth_line_follows_the_mean():
    rng = np.random.default_rng(0)
    x = rng.uniform(1e6, 1e6 + 5.0, 5000)
    y = np.sin(x - 1e6) + rng.normal(0, 0.3, 5000)
    ax = new_axes(None)
    smooth_line(ax, x, y)
    at, curve = ax.lines[0].get_data()
    assert np.abs(curve - np.sin(at - 1e6)).max() < 0.12


def test_few_or_equal_points_have_no_smooth_line():
    ax = new_axes(None)
    smooth_line(ax, np.arange(10.0), np.arange(10.0))
    smooth_line(ax, np.ones(500), np.arange(500.0))
    assert not ax.lines


def test_axes_given_are_used_and_points_not_finite_left_out():
    _, own = pyplot.subplots()
    ax = new_axes(own)
    assert ax is own
    cloud(ax, np.array([0.0, 1.0, np.nan]), np.array([np.inf, 1.0, 1.0]))
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), [[1.0, 1.0]])


def overlaps(axis_labels, figure):
    """Labels beside each other that are closer than their letters are high, across the slant."""
    figure.canvas.draw()
    shown = [text for text in axis_labels if text.get_text()]
    ends = np.array([text.get_window_extent().x1 for text in shown])
    heights = np.array([text.get_size() * figure.dpi / 72.0 for text in shown])
    return int((np.diff(ends) * np.sin(np.pi / 4) < 0.9 * heights[1:]).sum())


@pytest.mark.parametrize("n", [12, 33, 200])
def test_slanted_names_of_many_levels_do_not_touch(n):
    figure, ax = pyplot.subplots(figsize=(6.0, 4.0))
    ax.set_xlim(-0.6, n - 0.4)
    level_ticks(ax, [f"level {k}" for k in range(n)])
    labels = ax.get_xticklabels()
    assert overlaps(labels, figure) == 0
    assert all(text.get_size() >= 6.0 for text in labels)
    assert sum(bool(text.get_text()) for text in labels) == (n if n < 40 else 34)


def test_long_names_of_levels_keep_both_ends():
    long = "all the other brands of vehicles"
    assert short_label("short") == "short"
    assert short_label(long) == "all the other br…ehicles"
    assert len(short_label(long)) == 24
    _, ax = pyplot.subplots()
    level_ticks(ax, ["B1", long])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["B1", short_label(long)]


@pytest.mark.parametrize(
    "name", ["coefficients", "convergence", "leverage", "panels", "residuals", "quantile_quantile"]
)
def test_pictures_that_a_mixed_model_lacks_are_an_error_that_names_others(name, linear_mixed):
    text = rf"plots\.{name} is not there for mixed models: use plots\.effect, plots\.calib"
    with pytest.raises(ModelError, match=text):
        getattr(plots, name)(linear_mixed)
    with pytest.raises(ModelError, match=text):
        getattr(plots, name)(fit=linear_mixed)


@pytest.fixture(scope="module")
def linear_mixed():
    g = np.repeat(np.arange(6), 4)
    data = {"y": np.arange(24) % 5 + g, "x": np.arange(24) % 4, "g": g}
    return fg.mixed("y ~ x + (1 | g)", data)


@pytest.mark.parametrize("name", plots.__all__)
def test_only_fits_are_drawn_on_axes(name):
    with pytest.raises(ModelError, match=rf"plots\.{name} draws a fitted model.* not a str"):
        getattr(plots, name)("model")


def test_premiums_are_drawn_as_fits_are():
    data = {"y": [1, 3, 2, 5, 4, 6], "x": [0, 1, 2, 3, 4, 5], "cost": [2.0, 9, 5, 20, 12, 40]}
    counts, sizes = (fg.glm("y ~ x", data, family) for family in ("poisson", "gamma"))
    premium = fg.PurePremium(counts, sizes, cost="cost")
    observed = plots.lift(premium, n_groups=2, data=data).lines[0].get_ydata()
    np.testing.assert_allclose(observed, [16 / 3, 24.0])


def test_axes_are_of_matplotlib():
    fit = fg.glm("y ~ x", {"y": [1, 3, 2, 5, 4], "x": [0, 1, 2, 3, 4]})
    with pytest.raises(ModelError, match="ax must be axes of matplotlib, not a str"):
        plots.lift(fit, ax="left")
