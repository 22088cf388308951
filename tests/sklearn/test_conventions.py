"""scikit-learn's own checks of its conventions, all of them, on every estimator."""

import warnings

import pytest
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

import fastglm.sklearn as estimators
from fastglm.errors import FastGLMWarning

#: scikit-learn sets alpha=0.01 here, a penalty.
PENALIZED = {"check_regressors_train": "alpha=0.01 is refused"}
EXPECTED = {
    "GLMRegressor": {},
    "GLMClassifier": {},
    "LogisticRegression": {},
    "PoissonRegressor": PENALIZED,
    "GammaRegressor": PENALIZED,
    "TweedieRegressor": PENALIZED,
}


@pytest.mark.parametrize("name", estimators.__all__)
def test_every_check_of_scikit_learn(name):
    with warnings.catch_warnings():
        # Data of the checks are separated, collinear and of few rows.
        warnings.simplefilter("ignore", FastGLMWarning)
        warnings.simplefilter("ignore", SkipTestWarning)
        checks = check_estimator(
            getattr(estimators, name)(), expected_failed_checks=EXPECTED[name], on_fail=None
        )
    by_status = {}
    for check in checks:
        by_status.setdefault(check["status"], []).append((check["check_name"], check["exception"]))
    assert len(by_status["passed"]) >= 55
    assert by_status.get("failed", []) == []
    # The rest is what it takes array_api_compat to be run, and penalties, refused by name.
    assert {check for check, _ in by_status.get("skipped", [])} <= {"check_array_api_input"}
    for check, error in by_status.get("xfail", []):
        assert check in EXPECTED[name]
        assert "alpha must be 0" in str(error)
