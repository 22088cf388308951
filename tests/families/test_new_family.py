"""A new family is one file and one row of the registry: then everything can be asked of it."""

from pathlib import Path

import geometric
import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import ModelError
from fastglm.families import FAMILIES, NegativeBinomial


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(FAMILIES, "geometric", geometric.Geometric)


@pytest.fixture
def data():
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(200), rng.normal(size=200)])
    return rng.geometric(1.0 / (1.0 + np.exp(X @ [0.7, 0.4]))) - 1.0, X


def fits(data):
    """Of the new family, and of the negative binomial of alpha = 1, which it is."""
    y, X = data
    built_in = fg.GLM(y, X, family=NegativeBinomial(alpha=1.0)).fit(tol=1e-12, scale=1.0)
    return fg.GLM(y, X, family="geometric").fit(tol=1e-12), built_in


def test_it_is_one_file_of_at_most_60_lines():
    assert len(Path(geometric.__file__).read_text().splitlines()) <= 60


def test_without_its_row_it_is_unknown():
    with pytest.raises(ModelError, match="unknown family 'geometric'"):
        fg.families.resolve_family("geometric")


def test_it_fits(known, data):
    new, built_in = fits(data)
    for name in ("params", "bse", "resid_deviance", "resid_pearson", "resid_anscombe"):
        np.testing.assert_allclose(
            getattr(new, name), getattr(built_in, name), rtol=1e-7, atol=1e-8
        )
    for name in ("deviance", "llf", "null_deviance", "pearson_chi2"):
        assert getattr(new, name) == pytest.approx(getattr(built_in, name), rel=1e-10)


def test_quantile_residuals_and_intervals(known, data):
    new, built_in = fits(data)
    np.testing.assert_allclose(new.resid_quantile(3), built_in.resid_quantile(3), atol=1e-7)
    theirs = built_in.get_prediction().summary_frame()
    np.testing.assert_allclose(new.get_prediction().summary_frame(), theirs, rtol=1e-6)
    assert new.zero_inflation_test().statistic == pytest.approx(
        built_in.zero_inflation_test().statistic, rel=1e-7
    )


def test_bootstrap(known, data):
    new, _ = fits(data)
    replicates = new.bootstrap(400, seed=1, kind="parametric")
    np.testing.assert_allclose(replicates.bse, new.bse, rtol=0.12)
    np.testing.assert_allclose(replicates.replicates.mean(axis=0), new.params, atol=0.02)


def test_it_is_saved_loaded_and_reported(known, data, tmp_path):
    new, _ = fits(data)
    new.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    assert loaded.family == new.family == geometric.Geometric()
    np.testing.assert_array_equal(loaded.predict(data[1]), new.predict(data[1]))
    new.report(tmp_path / "report.html")
    assert "Geometric" in (tmp_path / "report.html").read_text()
