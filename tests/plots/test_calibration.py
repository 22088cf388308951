from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError
from fastglm.inference.evaluation.groups import observed, quantile_groups


def test_area_under_the_curve_is_the_rank_statistic(wins):
    y, mu = wins.model.rows.response, np.asarray(wins.fittedvalues)
    statistic = stats.mannwhitneyu(mu[y == 1], mu[y == 0]).statistic
    area = statistic / ((y == 1).sum() * (y == 0).sum())
    found = wins.evaluate()
    assert found.auc == pytest.approx(area, rel=1e-12)
    text = plots.roc(wins).texts[0].get_text()
    assert text == f"AUC {area:.4f}\n95% {found.auc_lower:.4f} – {found.auc_upper:.4f}"


def test_discrimination_is_for_binomial_models(counts):
    with pytest.raises(ModelError, match="binomial"):
        plots.roc(counts)


def test_calibration_draws_observed_over_expected(counts):
    data = observed(counts)
    group = quantile_groups(data.mean, data.weight, 5)
    ax = plots.calibration(counts, n_groups=5)
    (drawn,) = [line.get_xydata() for line in ax.lines if line.get_label() == "groups"]
    exposure, claims = data.weight, counts.model.rows.response
    expected = np.bincount(group, np.asarray(counts.fittedvalues)) / np.bincount(group, exposure)
    actual = np.bincount(group, claims) / np.bincount(group, exposure)
    np.testing.assert_allclose(drawn, np.column_stack([expected, actual]))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    reach = 1.959964 * np.sqrt(expected / np.bincount(group, exposure))
    assert band.max() == pytest.approx((expected + reach).max(), rel=1e-6)


def test_the_band_ends_where_means_do(frame):
    rare = frame.head(60).assign(won=0.0)
    rare.loc[rare.index[:3], "won"] = 1.0
    ax = plots.calibration(fg.glm("won ~ hours", rare, "binomial"))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == 0.0


def test_new_rows_are_drawn(wins, frame):
    new = frame.sample(300, random_state=1)
    found = wins.evaluate(new)
    assert f"AUC {found.auc:.4f}" in plots.roc(wins, data=new).texts[0].get_text()
    groups = found.groups(4).summary_frame()
    (drawn,) = [
        line.get_xydata()
        for line in plots.calibration(wins, 4, data=new).lines
        if line.get_label() == "groups"
    ]
    np.testing.assert_allclose(drawn, groups[["expected", "actual"]])
    lifted = {line.get_label(): line.get_ydata() for line in plots.lift(wins, 4, data=new).lines}
    np.testing.assert_allclose(lifted["observed"], groups["actual"])
    (drawn,) = [
        line.get_xydata()
        for line in plots.binned_residuals(wins, 4, data=new).lines
        if line.get_marker() == "o"
    ]
    np.testing.assert_allclose(drawn[:, 1], groups["actual"] - groups["expected"])


def test_most_binned_residuals_of_a_right_model_are_inside(counts):
    ax = plots.binned_residuals(counts, n_groups=20)
    (drawn,) = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    assert len(drawn) == 20
    band = ax.collections[0].get_paths()[0].vertices
    reach = np.abs(band[:, 1]).mean()
    assert (np.abs(drawn[:, 1]) < 1.2 * reach).mean() > 0.8


def test_a_fit_without_one_mean_is_an_error_that_names_the_picture(frame):
    fit = fg.MNLogit.from_formula("age ~ hours", frame.assign(age=frame.age > 40)).fit()
    for draw in (plots.lift, plots.binned_residuals):
        with pytest.raises(ModelError, match=r"needs one mean of each row.*calibration"):
            draw(fit)
