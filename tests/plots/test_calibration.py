from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastglm import plots
from fastglm.errors import ModelError
from fastglm.inference.evaluation.groups import observed, quantile_groups
from fastglm.plots.calibration import area_under_curve


def test_area_under_the_curve_is_the_rank_statistic(wins):
    y, mu = wins.model.rows.response, np.asarray(wins.fittedvalues)
    statistic = stats.mannwhitneyu(mu[y == 1], mu[y == 0]).statistic
    area = statistic / ((y == 1).sum() * (y == 0).sum())
    assert area_under_curve(wins) == pytest.approx(area, rel=1e-12)
    assert f"{area:.4f}" in plots.roc(wins).texts[0].get_text()


def test_discrimination_is_for_binomial_models(counts):
    with pytest.raises(ModelError, match="binomial"):
        plots.roc(counts)


def test_calibration_draws_observed_over_expected(counts):
    data = observed(counts)
    group = quantile_groups(data.mean, data.weight, 5)
    ax = plots.calibration(counts, n_groups=5)
    drawn = ax.containers[0].lines[0].get_xydata()
    exposure, claims = data.weight, counts.model.rows.response
    expected = np.bincount(group, np.asarray(counts.fittedvalues)) / np.bincount(group, exposure)
    actual = np.bincount(group, claims) / np.bincount(group, exposure)
    np.testing.assert_allclose(drawn, np.column_stack([expected, actual]))


def test_most_binned_residuals_of_a_right_model_are_inside(counts):
    ax = plots.binned_residuals(counts, n_groups=20)
    (drawn,) = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    assert len(drawn) == 20
    band = ax.collections[0].get_paths()[0].vertices
    reach = np.abs(band[:, 1]).mean()
    assert (np.abs(drawn[:, 1]) < 1.2 * reach).mean() > 0.8
