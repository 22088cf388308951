import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import (
    DataError,
    MissingValueError,
    ModelError,
    RankWarning,
    SeparationWarning,
)

CASES = [("v_multinom_womenlf", None), ("v_multinom_housing_w", "Freq")]


@pytest.mark.parametrize(("name", "weights"), CASES)
def test_equals_r_by_formula(reference, matrix, name, weights):
    case = reference(name)
    expected = case.results
    fit = fg.MNLogit.from_formula(case.formula, case.frame, freq_weights=weights).fit()
    assert fit.converged
    assert fit.levels == tuple(expected["levels"])
    se = matrix(expected["se_information_at_optimum"]).T
    np.testing.assert_allclose(fit.params, matrix(expected["coef_vgam"]).T, rtol=0, atol=1e-8)
    np.testing.assert_allclose(fit.bse, se, rtol=1e-9)
    covariance = matrix(expected["vcov_information_at_optimum"])
    np.testing.assert_allclose(fit.cov_params(), covariance, rtol=1e-8, atol=1e-12)
    assert fit.llf == pytest.approx(expected["loglik"], rel=1e-12)
    assert fit.aic == pytest.approx(expected["aic"], rel=1e-12)
    head = matrix(expected["fitted_probs_head"])
    np.testing.assert_allclose(fit.predict(case.frame)[: len(head)], head, rtol=1e-9)


def sample(n=600, p=3, levels=4, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, p - 1))])
    eta = X @ rng.normal(scale=0.7, size=(p, levels))
    return (eta + rng.gumbel(size=(n, levels))).argmax(axis=1), X


def test_equals_statsmodels():
    y, X = sample()
    fit = fg.MNLogit(y, X).fit()
    peer = sm.MNLogit(y, X).fit(disp=0, method="newton", tol=1e-12)
    np.testing.assert_allclose(fit.params, peer.params, rtol=1e-8)
    np.testing.assert_allclose(fit.bse, peer.bse, rtol=1e-8)
    np.testing.assert_allclose(fit.tvalues, peer.tvalues, rtol=1e-7)
    np.testing.assert_allclose(fit.pvalues, peer.pvalues, rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose(fit.cov_params(), peer.cov_params(), rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(fit.predict(), peer.predict(), rtol=1e-8)
    assert fit.llf == pytest.approx(peer.llf, rel=1e-12)
    counts = np.bincount(y)
    assert fit.llnull == pytest.approx(counts @ np.log(counts / len(y)), rel=1e-12)
    assert fit.prsquared == pytest.approx(1 - fit.llf / fit.llnull)
    assert (fit.aic, fit.bic) == pytest.approx((peer.aic, peer.bic), rel=1e-12)


def test_two_levels_are_logistic_regression():
    y, X = sample(levels=2)
    fit = fg.MNLogit(y, X).fit()
    logistic = fg.GLM(y, X, family="binomial").fit()
    np.testing.assert_allclose(fit.params[:, 0], logistic.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse[:, 0], logistic.bse, rtol=1e-8)


def test_the_reference_level_can_be_chosen():
    y, X = sample()
    base = fg.MNLogit(y, X).fit()
    other = fg.MNLogit(y, X, reference=2).fit()
    assert other.levels == (2, 0, 1, 3)
    np.testing.assert_allclose(other.params[:, 0], -base.params[:, 1], rtol=1e-8)
    np.testing.assert_allclose(other.params[:, 1], base.params[:, 0] - base.params[:, 1], rtol=1e-7)
    np.testing.assert_allclose(other.predict(X[:5])[:, 0], base.predict(X[:5])[:, 2], rtol=1e-9)
    with pytest.raises(DataError, match="reference 9 is no level"):
        fg.MNLogit(y, X, reference=9)


def test_frequency_weights_are_repeated_rows():
    y, X = sample(100)
    times = np.arange(100) % 3
    weighted = fg.MNLogit(y, X, freq_weights=times).fit()
    repeated = fg.MNLogit(np.repeat(y, times), np.repeat(X, times, axis=0)).fit()
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-9)
    np.testing.assert_allclose(weighted.bse, repeated.bse, rtol=1e-9)
    assert weighted.llf == pytest.approx(repeated.llf, rel=1e-12)
    assert weighted.nobs == repeated.nobs


@pytest.mark.parametrize("kind", [np.asfortranarray, np.float32, scipy.sparse.csr_array])
def test_layouts_agree(kind):
    y, X = sample(300)
    X = X.astype(np.float32).astype(float)
    fit = fg.MNLogit(y, kind(X)).fit()
    np.testing.assert_allclose(fit.params, fg.MNLogit(y, X).fit().params, rtol=1e-9)


def test_threads_do_not_change_a_bit():
    y, X = sample(200_000)
    one, two = (fg.MNLogit(y, X).fit(n_threads=k) for k in (1, 2))
    np.testing.assert_array_equal(one.estimates, two.estimates)
    np.testing.assert_array_equal(one.covariance, two.covariance)


def test_an_aliased_column_is_nan_and_named():
    y, X = sample()
    with pytest.warns(RankWarning, match="1:x3"):
        fit = fg.MNLogit(y, np.column_stack([X, X[:, 1] - X[:, 2]])).fit()
    assert fit.aliased == ("1:x3", "2:x3", "3:x3")
    np.testing.assert_allclose(fit.params[:3], fg.MNLogit(y, X).fit().params, rtol=1e-8)
    assert np.isnan(fit.params[3]).all()


def test_missing_values_and_labels():
    y, X = sample(50)
    frame = pd.DataFrame({"y": np.array(["b", "a", "c", "d"])[y], "u": X[:, 1], "v": X[:, 2]})
    frame.loc[[3, 9], "u"] = np.nan
    with pytest.raises(MissingValueError, match="'u'"):
        fg.MNLogit.from_formula("y ~ u + v", frame)
    fit = fg.MNLogit.from_formula("y ~ u + v", frame, missing="drop").fit()
    assert fit.n_dropped == 2
    assert list(fit.params.columns) == ["b", "c", "d"]
    assert list(fit.params.index) == ["Intercept", "u", "v"]
    predicted = fit.predict(frame)
    assert list(predicted.columns) == ["a", "b", "c", "d"]
    assert np.isnan(predicted.loc[3]).all()
    array = X.copy()
    array[[3, 9], 1] = np.nan
    with pytest.raises(MissingValueError, match="exog"):
        fg.MNLogit(frame["y"], array)
    same = fg.MNLogit(frame["y"], array, missing="drop").fit()
    np.testing.assert_allclose(same.params, fit.params, rtol=1e-9)


def test_classes_and_log_odds():
    y, X = sample(80)
    fit = fg.MNLogit(np.array(list("abcd"))[y], X).fit()
    probabilities, odds = fit.predict(), fit.predict(which="linear")
    np.testing.assert_allclose(np.log(probabilities[:, 1:] / probabilities[:, :1]), odds)
    np.testing.assert_array_equal(
        fit.predict(which="class"), np.array(list("abcd"))[probabilities.argmax(axis=1)]
    )
    with pytest.raises(ModelError, match="'prob', 'class'"):
        fit.predict(which="median")


def test_saved_and_loaded_it_predicts_the_same(tmp_path):
    y, X = sample(80)
    fit = fg.MNLogit(y, X).fit()
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(X[:9]), fit.predict(X[:9]))
    np.testing.assert_array_equal(again.bse, fit.bse)
    assert str(again.summary()) == str(fit.summary())
    with pytest.raises(DataError, match="without the data"):
        again.predict()


def test_extreme_linear_predictors_stay_finite():
    # Separated far apart, but for one row of each category at the same place.
    X = np.column_stack([np.ones(9), [0, 0, 0, -1e3, -1e3, -1e3, 1e3, 1e3, 1e3]])
    y = [0, 1, 2, 1, 1, 1, 2, 2, 2]
    start = np.array([0.0, -0.9, 0.0, 0.9])
    with pytest.warns(SeparationWarning, match="6 rows are separated"):
        fit = fg.MNLogit(y, X).fit(start_params=start, max_iter=1)
    assert fit.llf == pytest.approx(-3 * np.log(3), rel=1e-12)
    assert np.isfinite(fit.predict()).all()


def test_one_level_is_no_response():
    with pytest.raises(DataError, match="two levels"):
        fg.MNLogit(["a"] * 5, np.ones((5, 1)))
