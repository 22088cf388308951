"""Estimators of scikit-learn's names, against scikit-learn's own without a penalty."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn import linear_model as theirs
from sklearn.exceptions import ConvergenceWarning

import fastglm.sklearn as ours
from fastglm.errors import ModelError

RNG = np.random.default_rng(21)
X = RNG.normal(size=(300, 3))
MEAN = np.exp(X @ [0.3, -0.2, 0.1] + 0.5)
WEIGHT = RNG.uniform(0.5, 2.0, 300)
COUNTS, POSITIVE = RNG.poisson(MEAN).astype(float), MEAN * RNG.gamma(5.0, 0.2, 300)
ZEROS = np.where(RNG.random(300) < 0.3, 0.0, POSITIVE)
EXACT = {"alpha": 0.0, "solver": "newton-cholesky", "tol": 1e-10, "max_iter": 1000}

REGRESSORS = [
    ("PoissonRegressor", {}, COUNTS),
    ("GammaRegressor", {}, POSITIVE),
    ("TweedieRegressor", {"power": 0.0}, POSITIVE),
    ("TweedieRegressor", {"power": 0.0, "link": "log"}, POSITIVE),
    ("TweedieRegressor", {"power": 1.0}, COUNTS),
    ("TweedieRegressor", {"power": 1.5}, ZEROS),
    ("TweedieRegressor", {"power": 2.0}, POSITIVE),
    ("TweedieRegressor", {"power": 3.0}, POSITIVE),
]


@contextmanager
def their_warnings_ignored():
    """Newton steps turn to another solver; old ones give SciPy an option that it has dropped."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "scipy.optimize: The `disp`", DeprecationWarning)
        yield


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize(("name", "options", "y"), REGRESSORS)
def test_regressors(name, options, y, intercept):
    mine = getattr(ours, name)(**options, fit_intercept=intercept).fit(X, y, sample_weight=WEIGHT)
    other = getattr(theirs, name)(**options, **EXACT, fit_intercept=intercept)
    with their_warnings_ignored():
        other.fit(X, y, sample_weight=WEIGHT)
    np.testing.assert_allclose(mine.coef_, other.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(mine.intercept_, other.intercept_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(mine.predict(X), other.predict(X), rtol=1e-6)
    score = other.score(X, y, sample_weight=WEIGHT)
    np.testing.assert_allclose(mine.score(X, y, sample_weight=WEIGHT), score, rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_logistic_regression(n_classes, class_weight):
    y = np.array(["a", "b", "c"])[np.minimum(RNG.poisson(MEAN), n_classes - 1)]
    options = {"C": np.inf, "class_weight": class_weight}
    mine = ours.LogisticRegression(**options).fit(X, y, sample_weight=WEIGHT)
    if class_weight == "balanced":  # 1.6 balances counts of rows, from 1.7 on sums of weights
        codes = np.unique(y, return_inverse=True)[1]
        total = np.bincount(codes, weights=WEIGHT)
        share = WEIGHT.sum() / (n_classes * total)
        options["class_weight"] = dict(zip(["a", "b", "c"], share.tolist(), strict=False))
    other = theirs.LogisticRegression(**options, tol=1e-10, max_iter=10_000)
    with their_warnings_ignored():
        other.fit(X, y, sample_weight=WEIGHT)
    assert list(mine.classes_) == list(other.classes_)
    np.testing.assert_allclose(mine.coef_, other.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mine.intercept_, other.intercept_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(mine.predict_proba(X), other.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(
        mine.decision_function(X), other.decision_function(X), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", ["PoissonRegressor", "GammaRegressor", "TweedieRegressor"])
def test_penalties_are_refused_by_name(name):
    with pytest.raises(ModelError, match=f"alpha must be 0, not 1.0: {name} of fastglm fits"):
        getattr(ours, name)(alpha=1.0).fit(X, POSITIVE)


@pytest.mark.parametrize("options", [{"C": 1.0}, {"penalty": "l2"}, {"penalty": "l1", "C": 0.5}])
def test_penalties_of_logistic_regression_are_refused(options):
    with pytest.raises(ModelError, match=r"give C=numpy\.inf, not"):
        ours.LogisticRegression(**options).fit(X, COUNTS > 1.0)
