"""Nearly collinear columns: which are aliased is decided by as few factorisations as are sure."""

import numpy as np
import pytest
from spies import answers_of

import fastglm as fg
from fastglm.solve import qr_refinement

ROWS = 600


@pytest.fixture
def decided(monkeypatch):
    """An entry for each time that rows of any weight were factored."""
    return answers_of(monkeypatch, qr_refinement, "finalize_aliased")


def problem(gap, seed=0):
    """Columns 2 and 3 are `gap` apart; and the same columns with their difference in full."""
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(ROWS, 5))
    X[:, 0] = 1.0
    near = X.copy()
    near[:, 3] = X[:, 2] + gap * X[:, 3]
    y = (generator.random(ROWS) < 1.0 / (1.0 + np.exp(-0.5 * X[:, 1]))).astype(float)
    return y, near, X


@pytest.mark.parametrize("gap", [1e-5, 1e-6, 1e-8])
def test_columns_that_are_clearly_apart_take_no_factorisation_more(decided, gap):
    y, near, X = problem(gap)
    fit, apart = (fg.GLM(y, columns, "binomial").fit() for columns in (near, X))
    assert decided == []
    assert not fit.aliased
    # Of the difference's own column the coefficient is `gap` times that of the other.
    assert fit.params[3] * gap == pytest.approx(apart.params[3], rel=1e-6)
    assert fit.bse[3] * gap == pytest.approx(apart.bse[3], rel=1e-6)
    np.testing.assert_allclose(fit.bse[[0, 1, 4]], apart.bse[[0, 1, 4]], rtol=1e-7)
    assert fit.deviance == pytest.approx(apart.deviance, rel=1e-10)


@pytest.mark.parametrize("gap", [1e-5, 1e-8])
def test_prior_weights_count_only_as_rows_that_are_there(decided, gap):
    y, near, X = problem(gap)
    weights = np.where(np.arange(ROWS) % 7 == 0, 0.0, 1.0)
    fit, apart = (
        fg.GLM(y, columns, "binomial", var_weights=weights).fit() for columns in (near, X)
    )
    assert decided == []
    assert fit.bse[3] * gap == pytest.approx(apart.bse[3], rel=1e-6)


@pytest.mark.filterwarnings("ignore::fastglm.errors.ConvergenceWarning")
def test_columns_apart_in_rows_of_hardly_any_weight_are_decided_by_rows_of_any(decided):
    y, near, _ = problem(0.0)
    weights = np.ones(ROWS)
    weights[:20] = 1e-30
    near[:20, 3] += np.linspace(-1.0, 1.0, 20)
    fg.GLM(y, near, "binomial", var_weights=weights).fit()
    assert len(decided) == 1


@pytest.mark.parametrize("gap", [0.0, 1e-13])
def test_aliased_columns_are_never_taken_for_others(monkeypatch, gap):
    # What proofs by all rows find does not come this far.
    monkeypatch.setattr(fg.solve.aliases.ProvenAliases, "explain", lambda self, run: False)
    y, near, _ = problem(gap)
    with pytest.warns(fg.errors.RankWarning, match="x3 = x2|x4 = x3"):
        fit = fg.GLM(y, near, "binomial").fit()
    assert list(np.flatnonzero(np.isnan(fit.params))) == [3]
