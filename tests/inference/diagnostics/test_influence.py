from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from r_cases import fit_of, matrix, names_with, read_case
from scipy import stats
from test_residuals import assert_equals_r, present

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.mark.parametrize("name", names_with("influence"))
def test_influence_equals_r(name):
    fit, blocks = fit_of(name), read_case(name)["results"]["influence"]
    influence = fit.get_influence()
    assert_equals_r(present(fit, influence.hat_matrix_diag), blocks["hat"])
    assert_equals_r(present(fit, influence.cooks_distance[0]), blocks["cooks"])
    assert_equals_r(present(fit, influence.dffits), blocks["dffits"])
    expected = matrix(blocks["dfbetas_head"])
    ours = present(fit, influence.dfbetas)[: len(expected)]
    if ours.shape[1] > expected.shape[1]:
        ours = ours[:, ~np.isnan(fit.estimates)]
    size = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(ours, expected, rtol=1e-7, atol=1e-8 * size)


@pytest.fixture
def poisson():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(80), rng.normal(size=(80, 2))])
    return rng.poisson(np.exp(X @ [0.5, 0.3, -0.2])).astype(float), X


def test_measures_equal_statsmodels(poisson):
    y, X = poisson
    theirs = sm.GLM(y, X, sm.families.Poisson()).fit(tol=1e-13).get_influence()
    influence = fg.GLM(y, X, "poisson").fit(tol=1e-13).get_influence()
    np.testing.assert_allclose(influence.hat_matrix_diag, theirs.hat_matrix_diag, rtol=1e-7)
    np.testing.assert_allclose(influence.cooks_distance, theirs.cooks_distance, rtol=1e-7)
    np.testing.assert_allclose(influence.resid_studentized, theirs.resid_studentized, rtol=1e-7)


def test_deletion_is_exact_for_a_linear_model():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    y, weights = rng.normal(size=30), rng.uniform(0.5, 2.0, 30)
    fit = fg.GLM(y, X, var_weights=weights).fit()
    influence = fit.get_influence()
    for row in (0, 17):
        kept = np.arange(30) != row
        without = fg.GLM(y[kept], X[kept], var_weights=weights[kept]).fit()
        change = fit.params - without.params
        np.testing.assert_allclose(influence.d_params[row], change, rtol=1e-9)
        unit = np.sqrt(np.diag(fit.information_inverse) * without.scale)
        np.testing.assert_allclose(influence.dfbetas[row], change / unit, rtol=1e-9)
        ratio = np.linalg.det(without.cov_params()) / np.linalg.det(fit.cov_params())
        assert influence.cov_ratio[row] == pytest.approx(ratio, rel=1e-9)
        shift = X[row] @ change
        root = np.sqrt(without.scale * influence.hat_matrix_diag[row] / weights[row])
        assert influence.dffits[row] == pytest.approx(shift / root, rel=1e-9)


def test_a_frequency_is_as_many_rows(poisson):
    y, X = poisson
    times = np.random.default_rng(1).integers(1, 4, y.size)
    counted = fg.GLM(y, X, "poisson", freq_weights=times).fit().get_influence()
    repeated = fg.GLM(y.repeat(times), X.repeat(times, 0), "poisson").fit().get_influence()
    first = np.cumsum(times) - times
    for measure in ("hat_matrix_diag", "dffits", "resid_studentized_external", "cov_ratio"):
        np.testing.assert_allclose(
            getattr(counted, measure), getattr(repeated, measure)[first], rtol=1e-9
        )
    np.testing.assert_allclose(counted.dfbetas, repeated.dfbetas[first], rtol=1e-8)


def test_a_row_of_leverage_one_has_no_deletion():
    X = np.column_stack([np.ones(10), np.eye(10)[:, 0]])
    y = np.arange(10.0)
    influence = fg.GLM(y, X).fit().get_influence()
    assert influence.hat_matrix_diag[0] == 1.0
    assert np.isnan(influence.cooks_distance[0][0])
    assert np.isfinite(influence.cooks_distance[0][1:]).all()


def test_outlier_test_adjusts_for_the_search():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(50), rng.normal(size=50)])
    y = X[:, 1] + rng.normal(size=50)
    y[7] += 6.0
    fit = fg.GLM(y, X).fit()
    table = fit.get_influence().outlier_test(3)
    assert table["row"][0] == 7
    assert len(table.names) == 3
    expected = 2 * stats.t.sf(
        abs(sm.OLS(y, X).fit().get_influence().resid_studentized_external[7]), 47
    )
    assert table["pvalue"][0] == pytest.approx(expected, rel=1e-9)
    assert table["bonferroni"][0] == pytest.approx(50 * expected, rel=1e-9)
    with pytest.raises(ModelError, match="n_most"):
        fit.get_influence().outlier_test(0)


def test_labels_follow_the_data(poisson):
    import pandas as pd

    y, X = poisson
    frame = pd.DataFrame(X, columns=["one", "a", "b"], index=np.arange(80) + 100)
    influence = fg.GLM(pd.Series(y, index=frame.index), frame, "poisson").fit().get_influence()
    assert list(influence.dfbetas.columns) == ["one", "a", "b"]
    assert influence.dfbetas.index[0] == 100
    table = influence.summary_frame()
    np.testing.assert_array_equal(table["cooks_d"], influence.cooks_distance[0])
    assert table.index[-1] == 179


def test_influence_needs_the_data(poisson, tmp_path):
    fit = fg.GLM(*poisson, "poisson").fit()
    fit.save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="without the data"):
        fg.load(tmp_path / "fit.json").get_influence()


def test_leaving_one_out_may_leave_no_degree_of_freedom():
    X, y = np.vander([0.1, 0.4, 0.9, 1.7], 3), np.array([1.0, 3.0, 2.0, 2.5])
    influence = fg.GLM(y, X).fit().get_influence()
    assert not np.isfinite(influence.cov_ratio).any()
    assert (influence.cooks_distance[0] > 0.0).all()


def test_rows_that_were_never_observed_are_no_outliers(poisson):
    y, X = poisson
    times = np.ones(80)
    worst = fg.GLM(y, X, "poisson").fit().get_influence().outlier_test(1).columns["row"][0]
    times[int(worst)] = 0
    ours = fg.GLM(y, X, "poisson", freq_weights=times).fit().get_influence().outlier_test(3)
    kept = times > 0
    theirs = fg.GLM(y[kept], X[kept], "poisson").fit().get_influence().outlier_test(3)
    np.testing.assert_array_equal(ours["row"], np.flatnonzero(kept)[theirs["row"].astype(int)])
    np.testing.assert_allclose(ours["bonferroni"], theirs["bonferroni"], rtol=1e-6)
