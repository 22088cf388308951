"""Evaluation of fits with several predictors, against measures made by hand and scikit-learn's."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import response_cases
from sklearn import metrics

import fastglm as fg
from fastglm.errors import DataError

OLD, NEW = response_cases.frame(240), response_cases.frame(120, seed=5)
CATEGORIES = ("MNLogit", "OrderedModel")
NUMBERS = [name for name in response_cases.MODELS if name not in CATEGORIES]


def fit(name, **more):
    return response_cases.model(name, OLD, "x + z", **more).fit()


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories_against_scikit_learn(name):
    res = fit(name)
    found = res.evaluate(NEW)
    share = np.asarray(res.predict(NEW))
    one_hot = (NEW.level.to_numpy()[:, None] == [0, 1, 2]).astype(float)
    close = np.testing.assert_allclose
    close(found.log_loss, metrics.log_loss(NEW.level, share), rtol=1e-12)
    close(found.brier, ((one_hot - share) ** 2).sum(axis=1).mean(), rtol=1e-12)
    assert found.accuracy == metrics.accuracy_score(NEW.level, share.argmax(axis=1))
    table = found.summary_frame()
    assert list(table.index) == ["0", "1", "2"]
    areas = [metrics.roc_auc_score(one_hot[:, k], share[:, k]) for k in range(3)]
    close(table.auc, areas, rtol=1e-12)
    close(table.actual, one_hot.mean(axis=0), rtol=1e-12)
    close(table.expected, share.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_by_hand(name):
    res = fit(name)
    table = res.evaluate(NEW).summary_frame()
    mean = np.asarray(res.predict(NEW)).reshape(len(NEW), -1)
    response = response_cases.MODELS[name][0]
    columns = ["share", "rest"] if "cbind" in response else [response]
    y = NEW[columns].to_numpy()
    close = np.testing.assert_allclose
    close(table.actual, y.mean(axis=0), rtol=1e-12)
    close(table.expected, mean.mean(axis=0), rtol=1e-10)
    close(table.rmse, np.sqrt(((y - mean) ** 2).mean(axis=0)), rtol=1e-10)
    close(table.mae, np.abs(y - mean).mean(axis=0), rtol=1e-10)


@pytest.mark.parametrize("name", list(response_cases.MODELS))
def test_the_rows_of_the_fit_and_a_loaded_fit(name, tmp_path):
    res = fit(name)
    own, again = res.evaluate(), res.evaluate(OLD)
    pd.testing.assert_frame_equal(own.summary_frame(), again.summary_frame(), rtol=1e-12)
    res.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json").evaluate(pl.from_pandas(NEW))
    expected = res.evaluate(NEW)
    pd.testing.assert_frame_equal(loaded.summary_frame(), expected.summary_frame(), rtol=1e-12)
    assert loaded.to_dict() == pytest.approx(expected.to_dict())


@pytest.mark.parametrize("name", ["MNLogit", "Hurdle"])
def test_weights_count_rows(name):
    res = fit(name, freq_weights="w")
    repeated = NEW.loc[NEW.index.repeat(NEW.w)].reset_index(drop=True)
    weighted = res.evaluate(NEW)  # the column of the fit
    of_rows = res.evaluate(repeated, freq_weights=np.ones(len(repeated)))
    assert weighted.weight == of_rows.weight == len(repeated)
    first, second = weighted.summary_frame(), of_rows.summary_frame()
    pd.testing.assert_frame_equal(first, second, rtol=1e-10)


def test_missing_values_offsets_and_responses_that_are_given():
    res = fit("MNLogit", offset="o")
    gaps = NEW.copy()
    gaps.loc[[3, 7], "x"] = np.nan
    with pytest.raises(DataError, match="x"):
        res.evaluate(gaps)
    held = res.evaluate(gaps, missing="drop")
    expected = res.evaluate(NEW.drop(index=[3, 7]))
    assert held.n_rows == 118
    assert held.log_loss == pytest.approx(expected.log_loss, rel=1e-12)
    given = res.evaluate(NEW.drop(columns="level"), NEW.level, offset=NEW.o.to_numpy())
    assert given.log_loss == pytest.approx(res.evaluate(NEW).log_loss, rel=1e-12)
    assert given.log_loss != pytest.approx(res.evaluate(NEW, offset=0.0 * NEW.x).log_loss, rel=1e-6)


def test_a_level_that_the_fit_has_not_seen():
    with pytest.raises(DataError, match="'level' has the level 7, but the fit saw 0, 1, 2"):
        fit("MNLogit").evaluate(NEW.assign(level=7))


def test_arrays():
    X, new = OLD[["x", "z"]].to_numpy(), NEW[["x", "z"]].to_numpy()
    res = fg.MNLogit(OLD.level.to_numpy(), X).fit()
    found = res.evaluate(new, NEW.level.to_numpy())
    assert found.log_loss == pytest.approx(metrics.log_loss(NEW.level, res.predict(new)))
    with pytest.raises(DataError, match="give the responses"):
        res.evaluate(new)
    with pytest.raises(DataError, match="missing values"):
        fg.BetaModel(OLD.share.to_numpy(), X).fit().evaluate(new, np.full(len(new), np.nan))


def test_text_and_html_say_the_measures():
    found = fit("MNLogit").evaluate(NEW)
    assert "log_loss" in str(found)
    assert "auc_lower" in str(found)
    assert "log_loss" in found._repr_html_()


def test_calibration_is_drawn_on_new_rows():
    res = fit("MNLogit")
    ax = fg.plots.calibration(res, data=NEW, n_groups=1)
    actual = [bar.lines[0].get_ydata()[0] for bar in ax.containers]
    np.testing.assert_allclose(actual, np.bincount(NEW.level) / len(NEW), rtol=1e-12)
