from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from spies import answers_of

import fastglm as fg
from fastglm.errors import ConvergenceWarning
from fastglm.inference.hypothesis_tests import refits
from fastglm.inference.hypothesis_tests.refits import intercept_column, refit_columns, term_factors


@pytest.fixture(scope="module")
def fit():
    rng = np.random.default_rng(3)
    X = np.column_stack([rng.normal(size=200), np.ones(200), rng.normal(size=(200, 2))])
    return fg.GLM(rng.poisson(2.0, 200), X, "poisson", offset=0.1 * X[:, 2]).fit()


def test_refits_of_some_columns(fit):
    rows = fit.model.rows
    model = refit_columns(fit, [3, 1])
    other = fg.GLM(rows.response, rows.design.to_dense()[:, [1, 3]], "poisson", rows.offset).fit()
    np.testing.assert_allclose(model.params[[1, 3]], other.params, rtol=1e-8)
    np.testing.assert_allclose(model.deviance, other.deviance, rtol=1e-12)
    np.testing.assert_array_equal(model.params[[0, 2]], 0.0)
    assert model.rank == 2


def test_the_intercept_is_found_wherever_it_is(fit):
    assert intercept_column(fit) == 1
    rng = np.random.default_rng(4)
    without = fg.GLM(rng.poisson(2.0, 50), rng.normal(size=(50, 2)), "poisson").fit()
    assert intercept_column(without) is None


def test_models_that_do_not_converge_are_named():
    # Without an intercept no coefficients keep every root of a mean positive.
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(100), rng.normal(size=(100, 2))])
    fit = fg.GLM(rng.poisson(2.0, 100), X, "poisson", link="sqrt").fit()
    with pytest.warns(ConvergenceWarning, match="The model of x1, x2: "):
        refit_columns(fit, [1, 2])


def test_factors_of_terms(fit):
    from dataclasses import replace

    named = replace(fit, formula="y ~ ...")
    names = ["a", "a:b", "C(a, levels=['x:y']):b", "bs(x, df=4):I(a:b)", "1"]
    factors = term_factors(named, names)
    assert factors[0] < factors[1]
    assert factors[2] == {"C(a, levels=['x:y'])", "b"}
    assert factors[3] == {"bs(x, df=4)", "I(a:b)"}
    assert factors[4] == frozenset()
    assert term_factors(fit, ["a", "a:b"]) == [{"a"}, {"a:b"}]


@pytest.fixture
def starts(monkeypatch):
    """Where other models started, as with many rows."""
    monkeypatch.setattr(refits, "PROJECTED_FROM_VALUES", 0)
    return answers_of(monkeypatch, refits, "_one_step_start")


def frame(n=300):
    rng = np.random.default_rng(6)
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["a", "b", "c"])
    data["g"] = pd.Categorical(rng.integers(0, 4, n))
    data["y"] = rng.poisson(np.exp(0.5 * data.a + 0.1 * data.g.cat.codes - 0.2))
    return data


def test_the_start_of_a_linear_model_is_its_optimum(starts):
    data = frame()
    fit = fg.glm("y ~ a + b + c", data, "gaussian")
    refit_columns(fit, [0, 2])
    X = np.column_stack([np.ones(len(data)), data.b])
    np.testing.assert_allclose(starts[0], np.linalg.lstsq(X, data.y)[0], rtol=1e-10)


@pytest.mark.parametrize("search", ["drop1", "add1", "anova", "step"])
def test_starts_change_no_number(starts, monkeypatch, search):
    data, full = frame(), "y ~ a + b + c + g + a:b"
    fit = fg.glm("y ~ a + b" if search == "add1" else full, data, "poisson")

    def table():
        if search == "add1":
            return fit.add1("c + g + a:b")
        return fit.step().table if search == "step" else getattr(fit, search)()

    sweeps, solve = [], refits.solve

    def counted(*args, **options):
        solution = solve(*args, **options)
        sweeps.append(solution.n_sweeps)
        return solution

    monkeypatch.setattr(refits, "solve", counted)
    near = table()
    assert starts
    assert not any(start is None for start in starts)
    few = sum(sweeps)
    sweeps.clear()
    monkeypatch.setattr(refits, "_one_step_start", lambda *of: None)
    far = table()
    for name, column in far.columns.items():
        np.testing.assert_allclose(near.columns[name], column, rtol=1e-7, atol=1e-9)
    assert few < 0.8 * sum(sweeps)


def test_columns_that_a_fit_does_not_have_start_at_zero(starts):
    fit = fg.glm("y ~ a + b", frame(), "poisson")
    fit.add1("c")
    np.testing.assert_allclose(starts[0], [*fit.params, 0.0], rtol=1e-12)


def test_no_start_from_fits_without_an_optimum_or_with_other_domains(starts):
    data = frame()
    with pytest.warns(fg.errors.ConvergenceWarning):
        early = fg.glm("y ~ a + b", data, "poisson", max_iter=1)
    with pytest.warns(fg.errors.RankWarning):
        aliased = fg.glm("y ~ a + b + d", data.assign(d=data.a + data.b), "poisson")
    root = fg.glm("y ~ g", data, fg.families.Poisson(link="sqrt"))
    for fit in (early, aliased, root):
        refit_columns(fit, [0])
    assert starts == [None, None, None]
