import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    x = rng.normal(size=80)
    return pd.DataFrame({"x": x, "z": rng.normal(size=80), "y": rng.poisson(np.exp(x / 2))})


@pytest.fixture(scope="module")
def fit(frame):
    return fg.glm("y ~ x + z", frame, family="poisson")


def test_a_fit_is_fitted_already(fit):
    assert fit.fit() is fit
    again = fit.fit(cov_type="HC0")
    np.testing.assert_array_equal(again.params, fit.params)
    np.testing.assert_array_equal(again.bse, fit.with_covariance("HC0").bse)


def test_without_its_data_it_is_not_fitted_again(fit, tmp_path):
    fit.save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="another fit"):
        fg.load(tmp_path / "fit.json").fit(cov_type="HC0")


def test_f_test_is_the_wald_test_with_f(fit):
    test, chi_squared = fit.f_test("x = 0, z = 0"), fit.wald_test("x = 0, z = 0")
    assert test.distribution == "F"
    assert test.statistic == pytest.approx(chi_squared.statistic / 2)
    with pytest.raises(ModelError, match="scalar"):
        fit.wald_test("x = 0", scalar=False)


def test_options_of_the_search_are_understood(frame):
    model = fg.GLM.from_formula("y ~ x + z", frame, family="poisson")
    with pytest.warns(fg.errors.ConvergenceWarning):
        assert not model.fit(maxiter=1, method="newton", disp=False).converged
    with pytest.raises(TypeError, match="'max_iterations'"):
        model.fit(max_iterations=3)


def test_one_row_is_predicted_from_a_vector(frame, fit):
    of_frame = fit.predict(frame.iloc[[4]]).iloc[0]
    assert fit.predict(frame.iloc[4]).iloc[0] == of_frame
    X = np.column_stack([np.ones(80), frame.x, frame.z])
    by_array = fg.GLM(frame.y.to_numpy(), X, family="poisson").fit()
    np.testing.assert_allclose(by_array.predict(X[4]), [of_frame], rtol=1e-9)


def test_a_given_dispersion_makes_tests_normal(frame):
    model = fg.GLM.from_formula("y ~ x", frame)
    assert model.fit().use_t
    assert not model.fit(scale=1.0).use_t
    assert fg.GLM.from_formula("y ~ x", frame, family="poisson").fit(scale="X2").use_t
