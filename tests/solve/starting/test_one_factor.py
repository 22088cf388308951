"""Many sparse columns: the factor of the first sweep leads, another is the result's."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from logistic_optimum import check_optimum as check
from spies import answers_of

import fastglm as fg
from fastglm.kernels.blocks.table import WITH_GRAM
from fastglm.solve.newton.run import Run
from fastglm.solve.starting import subsample

ROWS, COLUMNS = 2_000, 40


@pytest.fixture(autouse=True)
def led(monkeypatch):
    """Whether each fit that tried goes on with its first factor."""
    monkeypatch.setattr(subsample, "LEAD_FROM_SPARSE", COLUMNS)
    monkeypatch.setattr(subsample, "LEAD_FROM_VALUES", 1)
    return answers_of(monkeypatch, subsample, "_start_with_one_factor")


@pytest.fixture
def with_gram(monkeypatch):
    """Whether each sweep had a Gram matrix."""
    sweep_and_step, seen = Run.sweep_and_step, []

    def spy(run, n_threads):
        seen.append(bool(run.table.mode & WITH_GRAM))
        sweep_and_step(run, n_threads)

    monkeypatch.setattr(Run, "sweep_and_step", spy)
    return seen


def problem(seed=0, slope=0.5, rare=None):
    """Sparse columns, the commonest in a fifth of the rows; one may be in a few rows alone."""
    generator = np.random.default_rng(seed)
    shares = 0.2 / np.sqrt(1.0 + np.arange(COLUMNS))
    X = (generator.random((ROWS, COLUMNS)) < shares) * generator.normal(1.0, 0.3, (ROWS, COLUMNS))
    if rare is not None:
        X[:, 7] = 0.0
        X[:rare, 7] = 1.0
    linear = X @ (slope * generator.normal(size=COLUMNS))
    y = (generator.random(ROWS) < 1.0 / (1.0 + np.exp(-linear))).astype(float)
    if rare is not None:
        y[:rare] = np.arange(rare) % 3 == 0
    return scipy.sparse.csr_array(X), y


@pytest.mark.parametrize("slope", [0.2, 0.5, 1.5])
def test_two_factors_are_enough(led, with_gram, slope):
    X, y = problem(slope=slope)
    fit = fg.GLM(y, X, "binomial").fit()
    assert led == [True]
    check(fit, y, X)
    if slope < 1.0:
        assert with_gram[0]
        assert not any(with_gram[1:3])


@pytest.mark.parametrize("rare", [3, 6, 30])
@pytest.mark.parametrize("seed", range(4))
def test_rows_that_alone_determine_a_coefficient(led, rare, seed):
    X, y = problem(seed, rare=rare)
    fit = fg.GLM(y, X, "binomial").fit()
    assert led == [True]
    check(fit, y, X)


def test_a_fit_without_shortcuts_is_not_led(led):
    X, y = problem()
    fit = fg.GLM(y, X, "binomial").fit(exact=True)
    assert led == []
    check(fit, y, X)


def test_a_response_that_is_separated_is_not_fitted_at_once(led):
    X, y = problem(rare=5)
    y[:5] = 1.0
    with pytest.warns(fg.errors.SeparationWarning, match="x8"):
        fit = fg.GLM(y, X, "binomial").fit()
    others = np.delete(np.arange(COLUMNS), 7)
    rest = fg.GLM(y[5:], X[5:][:, others], "binomial").fit()
    np.testing.assert_allclose(np.asarray(fit.params)[others], rest.params, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("gap", [0.0, 1e-3])
def test_columns_that_are_nearly_alike_are_not_led(led, gap):
    X, y = problem()
    X = X.toarray()
    X[:, 12] = X[:, 11] + gap * X[:, 12]
    if not gap:
        with pytest.warns(fg.errors.RankWarning, match="x13 = x12"):
            fg.GLM(y, scipy.sparse.csr_array(X), "binomial").fit()
        assert not any(led)
        return
    fit = fg.GLM(y, scipy.sparse.csr_array(X), "binomial").fit()
    assert led == [False]
    check(fit, y, scipy.sparse.csr_array(X))


def test_columns_made_of_levels_are_not_led(led):
    _, y = problem()
    frame = pd.DataFrame({"y": y, "a": np.arange(ROWS) % 23, "b": np.arange(ROWS) % 29})
    fg.glm("y ~ C(a) + C(b)", frame, "binomial")
    assert led == []


@pytest.mark.parametrize("family", ["poisson", fg.families.Binomial(link="probit")])
def test_other_families_and_links_agree_with_fits_without_shortcuts(led, family):
    X, y = problem(slope=0.3)
    model = fg.GLM(y, X, family)
    fit, exact = model.fit(), model.fit(exact=True)
    assert led == [True]
    np.testing.assert_allclose((fit.params - exact.params) / exact.bse, 0.0, atol=1e-7)
    np.testing.assert_allclose(fit.bse, exact.bse, rtol=1e-7)
    assert fit.deviance == pytest.approx(exact.deviance, rel=1e-12)
