from __future__ import annotations

from fastglm import plots


def test_deviance_falls_to_rounding(counts):
    ax = plots.convergence(counts)
    distance = ax.lines[0].get_ydata()
    assert distance[0] > 1e-3 * counts.deviance
    assert distance[-1] < 1e-8 * counts.deviance
    assert "converged" in ax.get_title()
