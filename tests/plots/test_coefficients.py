from __future__ import annotations

import numpy as np
import pytest

from fastglm import plots
from fastglm.errors import ModelError


def test_forest_of_estimates_and_intervals(counts):
    ax = plots.coefficients(counts)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(counts.names[1:])
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    np.testing.assert_allclose(drawn, counts.params.to_numpy()[1:])
    ends = np.array([path.vertices[:, 0] for path in ax.collections[0].get_paths()])
    np.testing.assert_allclose(ends, counts.conf_int().to_numpy()[1:])


def test_ratios_are_on_a_logarithmic_axis(wins):
    ax = plots.coefficients(wins, names=["age"], exponentiate=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    assert drawn[0] == pytest.approx(np.exp(wins.params["age"]))
    assert ax.get_xscale() == "log"
    with pytest.raises(ModelError, match="no coefficient"):
        plots.coefficients(wins, names=["wage"])
