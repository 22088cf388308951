from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
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


def test_an_infinite_estimate_is_drawn_from_its_finite_end():
    X, y = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]]), np.array([0.0, 0, 1, 1])
    with pytest.warns(fg.errors.SeparationWarning):
        fit = fg.GLM(y, X, "binomial").fit()
    low, high = fit.conf_int(method="profile")[1]
    assert high == np.inf
    ax = plots.profile_likelihood(fit, "x1")
    (curve,) = (line for line in ax.lines if line.get_label() == "profile")
    x, fall = curve.get_data()
    assert x[0] < low < x[-1]
    assert (np.diff(fall) > 0.0).all()
    assert np.interp(low, x, fall) == pytest.approx(-1.92073, abs=0.02)
    assert "Wald" not in [line.get_label() for line in ax.lines]


def test_a_fit_that_has_not_converged_has_no_profile_to_draw():
    X = np.column_stack([np.ones(4), [1.0, 2.0, 3.0, 4.0]])
    with pytest.warns(fg.errors.ConvergenceWarning):
        fit = fg.GLM([0.0, 1, 3, 9], X, "poisson").fit(max_iter=1)
    with pytest.raises(ModelError, match="x1 did not converge, and has no picture"):
        plots.profile_likelihood(fit, "x1")
