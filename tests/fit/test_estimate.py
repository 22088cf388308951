"""What `GLM.fit` does where regressors separate the responses or are too many, and about bias."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError, RankWarning, SeparationError, SeparationWarning
from fastglm.solve import domain_boundary

DATA = Path(__file__).parents[1] / "data"
FORMULA = "HG ~ NV + PI + EH"
#: Deviance of the endometrial data without its separated rows.
LIMIT = 55.3932603571811


@pytest.fixture
def endometrial() -> pd.DataFrame:
    return pd.read_csv(DATA / "reference" / "v_sep_endometrial.data.csv.gz")


@pytest.mark.parametrize("separation", ["warn", "check"])
def test_infinite_estimates_are_named_in_a_warning(endometrial: pd.DataFrame, separation: str):
    with pytest.warns(SeparationWarning, match=r"^13 rows .* by NV \(\+infinity\)"):
        results = fg.glm(FORMULA, endometrial, family="binomial", separation=separation)
    assert results.n_separated == 13
    assert results.infinite == {"NV": 1}
    assert "infinite estimates: NV (+inf)" in str(results.summary())
    np.testing.assert_allclose(results.deviance, LIMIT, rtol=1e-8)


def test_separation_can_be_an_error(endometrial: pd.DataFrame):
    with pytest.raises(SeparationError, match="13 rows are separated from the others by NV"):
        fg.glm(FORMULA, endometrial, family="binomial", separation="raise")


def test_separation_can_be_ignored(endometrial: pd.DataFrame):
    results = fg.glm(FORMULA, endometrial, family="binomial", separation="ignore")
    assert results.n_separated == 0
    assert results.infinite == {}


def test_separated_rows_can_be_dropped(endometrial: pd.DataFrame):
    with pytest.warns(RankWarning, match="NV"):
        results = fg.glm(FORMULA, endometrial, family="binomial", separation="drop")
    assert results.n_separated == 13
    assert results.nobs == 66
    assert len(results.fittedvalues) == 66
    assert list(results.aliased) == ["NV"]
    np.testing.assert_allclose(results.deviance, LIMIT, rtol=1e-12)
    assert "13 rows are separated by the regressors and left out." in str(results.summary())


def test_dropped_rows_leave_weights_and_offsets_in_step():
    generator = np.random.default_rng(1)
    n = 60
    group = np.arange(n) % 3 == 0
    x = np.column_stack([np.ones(n), generator.normal(size=n)])
    y = generator.poisson(2.0, n).astype(float)
    y[group] = 0.0
    rows = {"offset": generator.normal(size=n), "var_weights": generator.uniform(1, 2, n)}
    rows["freq_weights"] = generator.integers(1, 4, n)
    design = np.column_stack([x, group])
    with pytest.warns(RankWarning):
        dropped = fg.GLM(y, design, "poisson", **rows).fit(separation="drop")
    kept = {name: values[~group] for name, values in rows.items()}
    expected = fg.GLM(y[~group], x[~group], "poisson", **kept).fit()
    np.testing.assert_allclose(dropped.params[:2], expected.params, rtol=1e-10)
    np.testing.assert_allclose(dropped.llf, expected.llf, rtol=1e-12)
    assert dropped.nobs == expected.nobs


def test_dropping_every_row_is_an_error():
    x = np.column_stack([np.ones(6), [-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]])
    y = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    with pytest.raises(SeparationError, match="completely"):
        fg.GLM(y, x, family="binomial").fit(separation="drop")


def test_separation_can_lead_to_bias_reduction(endometrial: pd.DataFrame):
    results = fg.glm(FORMULA, endometrial, family="binomial", separation="firth")
    expected = [3.7745597136, 2.9292733532, -0.0347517599, -2.6041639254]
    np.testing.assert_allclose(results.params, expected, atol=1e-9)
    assert results.n_separated == 13
    assert results.bias_reduction == "firth"
    assert "Firth" in str(results.summary())


def test_nothing_happens_to_a_fit_that_is_not_separated(endometrial: pd.DataFrame):
    fits = [
        fg.glm("HG ~ PI + EH", endometrial, family="binomial", separation=how)
        for how in ("warn", "raise", "drop", "firth", "check", "ignore")
    ]
    for results in fits:
        np.testing.assert_array_equal(results.params, fits[0].params)
        assert results.n_separated == 0
        assert results.bias_reduction == "none"


def test_unknown_options_are_named(endometrial: pd.DataFrame):
    model = fg.GLM.from_formula(FORMULA, endometrial, family="binomial")
    with pytest.raises(ModelError, match="separation must be one of"):
        model.fit(separation="remove")
    with pytest.raises(ModelError, match="bias_reduction must be one of"):
        model.fit(bias_reduction="jeffreys")


def test_no_bias_reduction_is_maximum_likelihood(endometrial: pd.DataFrame):
    model = fg.GLM.from_formula("HG ~ PI + EH", endometrial, family="binomial")
    np.testing.assert_array_equal(model.fit(bias_reduction="none").params, model.fit().params)


def test_check_separation_finds_rows_and_direction(endometrial: pd.DataFrame):
    model = fg.GLM.from_formula(FORMULA, endometrial, family="binomial")
    found = model.check_separation()
    np.testing.assert_array_equal(found.rows, endometrial["NV"] == 1)
    assert found.exists


@pytest.mark.parametrize("kind", ["firth", "median"])
def test_dispersion_is_that_of_the_bias_reduction(kind: str):
    generator = np.random.default_rng(2)
    x = np.column_stack([np.ones(30), generator.normal(size=(30, 2))])
    y = generator.gamma(3.0, np.exp(x @ [0.2, 0.3, -0.1]))
    results = fg.GLM(y, x, family="gamma", link="log").fit(bias_reduction=kind)
    given = fg.GLM(y, x, family="gamma", link="log").fit(bias_reduction=kind, scale=results.scale)
    np.testing.assert_allclose(given.params, results.params, rtol=1e-9)
    assert results.scale != results.pearson_chi2 / results.df_resid


def test_what_was_separated_is_saved(endometrial: pd.DataFrame, tmp_path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SeparationWarning)
        results = fg.glm(FORMULA, endometrial, family="binomial")
    results.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    for name in ("n_separated", "infinite", "bias_reduction"):
        assert getattr(loaded, name) == getattr(results, name)


@pytest.mark.parametrize("path", sorted((DATA / "separation").glob("*.csv")), ids=lambda p: p.stem)
def test_separated_counts_are_dropped_as_by_their_true_means(path: Path):
    frame = pd.read_csv(path)
    columns = [c for c in frame if c not in ("y", "separated")]
    terms = [f"C({c})" if c.startswith("id") else c for c in columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        results = fg.glm(f"y ~ {' + '.join(terms)}", frame, family="poisson", separation="drop")
    assert results.n_separated == frame["separated"].sum()
    assert results.converged


@pytest.mark.parametrize("family", ["gaussian", "poisson", "binomial"])
def test_more_columns_than_rows_of_full_rank_are_refused(family):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(5), rng.normal(size=(5, 6))])
    with pytest.raises(DataError, match="7 columns, but only 5 rows"):
        fg.GLM([0, 1, 0, 1, 1], X, family=family).fit()


def test_rows_of_weight_zero_do_not_count_against_columns():
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(9), rng.normal(size=(9, 4))])
    weights = np.array([1.0, 1, 1, 1, 0, 0, 0, 0, 0])
    with pytest.raises(DataError, match="5 columns, but only 4 rows of positive weight"):
        fg.GLM(rng.normal(size=9), X, var_weights=weights).fit()


def test_more_columns_than_rows_of_less_rank_are_fitted():
    # Two sets of fixed effects, most of whose columns repeat others.
    codes = np.arange(6)
    X = np.column_stack([codes[:, None] // 2 == np.arange(3)] * 3).astype(float)
    y = np.array([1.0, 2, 3, 5, 8, 13])
    with pytest.warns(RankWarning):
        fit = fg.GLM(y, X).fit()
    assert X.shape[1] > X.shape[0]
    np.testing.assert_allclose(fit.params[:3], [1.5, 4.0, 10.5])


def test_a_row_of_no_weight_is_no_part_of_a_combination():
    # The third column is zero in every row that counts: a combination of none.
    X = np.column_stack([np.ones(11), np.arange(11) % 3, np.arange(11) == 10]).astype(float)
    weights = np.append(np.ones(10), 0.0)
    y = np.arange(11.0) % 4
    for family in ("gaussian", "poisson"):
        for name in ("freq_weights", "var_weights"):
            with pytest.warns(RankWarning):
                fit = fg.GLM(y, X, family=family, **{name: weights}).fit()
            assert fit.aliased == {"x2": {}}


def test_a_link_without_such_means_is_named():
    y = np.array([2.0, 3.0, 4.0, 1.0, 5.0])
    family = fg.families.NegativeBinomial("cloglog", alpha=1.0)
    with pytest.raises(ModelError, match=r"CLogLog has means between 0 and 1 only.*mean 3: choose"):
        fg.GLM(y, np.ones((5, 1)), family).fit()
    few = np.array([0.0, 1.0, 0.0, 0.0, 2.0])
    fit = fg.GLM(few, np.ones((5, 1)), family).fit()
    assert fit.fittedvalues[0] == pytest.approx(0.6, rel=1e-9)


def test_a_link_whose_domain_steps_keep_leaving_is_named(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30_000, 8))
    X[:, 0] = 1.0
    y = rng.wald(np.exp(X @ np.full(8, 0.3)), 2.0)
    # The search among what the domain allows finds the optimum, where X is not too large for it.
    assert fg.GLM(y, X, "inverse_gaussian").fit(max_iter=10).converged
    monkeypatch.setattr(domain_boundary, "MOST_VALUES", 0)
    with pytest.warns(fg.errors.ConvergenceWarning, match=r"means that link '1/mu\^2' does not"):
        fit = fg.GLM(y, X, "inverse_gaussian").fit(max_iter=10)
    assert not fit.converged
    # Sweeps that only shorten steps are bounded as well.
    assert 20 < fit.n_sweeps <= 40
    with pytest.warns(fg.errors.ConvergenceWarning) as told:
        fg.GLM(y, X, "inverse_gaussian", link="log").fit(max_iter=1)
    assert "means that link" not in str(told[0].message)
