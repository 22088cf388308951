from __future__ import annotations

import numpy as np
import pytest

from fastglm import plots
from fastglm.errors import ModelError


def test_profile_ends_at_the_likelihood_ratio_interval(counts):
    ax = plots.profile_likelihood(counts, "age")
    ends = sorted(path.vertices[0, 0] for path in ax.collections[0].get_paths())
    expected = counts.conf_int(method="profile").loc["age"]
    np.testing.assert_allclose(ends, expected, rtol=1e-6)
    profile = next(line for line in ax.lines if line.get_label() == "profile").get_ydata()
    assert profile.max() == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ModelError, match="no estimated"):
        plots.profile_likelihood(counts, "size")
    with pytest.raises(ModelError, match="alpha"):
        plots.profile_likelihood(counts, "age", alpha=2.0)
