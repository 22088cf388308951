from __future__ import annotations

import numpy as np
from matplotlib import pyplot

from fastglm.plots.style import cloud, new_axes, smooth_line


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
