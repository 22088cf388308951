"""Evaluation of fits with several predictors, against measures made by hand and scikit-learn's."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import response_cases
from scipy import special, stats
from sklearn import metrics

import fastglm as fg
from fastglm.errors import BoundaryWarning, DataError, ModelError

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


def log_densities(name, res):
    """Of the new rows, by SciPy, from what `predict` gives."""
    y = NEW.counts.to_numpy()
    if name in CATEGORIES:
        return np.log(np.asarray(res.predict(NEW))[np.arange(len(NEW)), NEW.level])
    if name == "BetaModel":
        mean, precision = res.predict(NEW).to_numpy(), res.predict(NEW, "precision").to_numpy()
        return stats.beta.logpdf(NEW.share, mean * precision, (1.0 - mean) * precision)
    if name == "DirichletModel":
        shape = np.asarray(res.predict(NEW, "shape"))
        return stats.beta.logpdf(NEW.share, shape[:, 0], shape[:, 1])
    if name == "NegativeBinomialP":
        mean, variance = res.predict(NEW).to_numpy(), res.predict(NEW, "variance").to_numpy()
        size = mean**2 / (variance - mean)
        return stats.nbinom.logpmf(y, size, size / (size + mean))
    mean, zero = res.predict(NEW, "mean-count").to_numpy(), res.predict(NEW, "prob-zero").to_numpy()
    if name == "Hurdle":
        positive = (1.0 - zero) * stats.poisson.pmf(y, mean) / -np.expm1(-mean)
        return np.log(np.where(y == 0.0, zero, positive))
    size = 1.0 / res.alpha
    extra = special.expit(res.predict(NEW, "linear").to_numpy()[:, 1])
    counts = (1.0 - extra) * stats.nbinom.pmf(y, size, size / (size + mean))
    return np.log(counts + np.where(y == 0.0, extra, 0.0))


@pytest.mark.parametrize("name", list(response_cases.MODELS))
@pytest.mark.parametrize("weights", [None, "w"])
def test_log_likelihood_deviance_and_d2_of_new_rows(name, weights):
    res = fit(name, freq_weights=weights)
    found = res.evaluate(NEW)
    weight = np.ones(len(NEW)) if weights is None else NEW.w.to_numpy()
    expected = weight @ log_densities(name, res)
    close = np.testing.assert_allclose
    close(found.log_likelihood, expected, rtol=1e-11)
    close(found.deviance, -2.0 * expected, rtol=1e-11)
    response, options = response_cases.MODELS[name]
    constants = {key: "~ 1" if str(value)[0] == "~" else value for key, value in options.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoundaryWarning)  # constants may leave no extra zeros
        model = getattr(fg, name).from_formula
        null = model(f"{response} ~ 1", NEW, **constants, freq_weights=weights).fit().llf
    of_densities = name in ("BetaModel", "DirichletModel")
    cox_snell = 1.0 - np.exp(2.0 * (null - expected) / weight.sum())
    close(found.d2, cox_snell if of_densities else 1.0 - expected / null, rtol=0.0, atol=1e-10)


@pytest.mark.parametrize("name", CATEGORIES)
def test_d2_of_categories_is_that_of_scikit_learn(name):
    res = fit(name)
    expected = metrics.d2_log_loss_score(NEW.level, np.asarray(res.predict(NEW)))
    assert res.evaluate(NEW).d2 == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", list(response_cases.MODELS))
@pytest.mark.parametrize("offset", [None, "o"])
def test_log_likelihood_and_d2_of_the_rows_of_the_fit_are_those_of_the_fit(name, offset):
    res = fit(name, offset=offset)
    found = res.evaluate()
    ratio = 1.0 - res.llf / res.llnull
    if name in ("BetaModel", "DirichletModel"):
        ratio = 1.0 - np.exp(2.0 * (res.llnull - res.llf) / len(OLD))
    assert found.log_likelihood == pytest.approx(res.llf, rel=1e-11)
    assert found.deviance == pytest.approx(res.deviance, rel=1e-11)
    assert found.d2 == pytest.approx(ratio, rel=1e-9)


def test_a_count_that_cannot_be_has_no_likelihood():
    found = fit("Hurdle").evaluate(NEW.assign(counts=NEW.counts + 0.5))
    assert found.log_likelihood == -np.inf
    assert np.isnan(found.d2)
    assert "d2" not in found.to_dict()


def test_counts_without_alpha_and_of_small_alpha_keep_their_digits():
    from fastglm.responses.count_density import log_count_density

    y, mean = np.arange(40.0), np.full(40, 7.3)
    poisson = stats.poisson.logpmf(y, 7.3)
    np.testing.assert_allclose(log_count_density(y, mean, np.zeros(40)), poisson, rtol=1e-12)
    # To first order alpha adds half of (y - mean)^2 - y.
    alpha = 1e-10
    nearly = poisson + 0.5 * alpha * ((y - mean) ** 2 - y)
    np.testing.assert_allclose(log_count_density(y, mean, np.full(40, alpha)), nearly, atol=1e-13)
    some = np.where(y % 2 == 0.0, 0.0, 0.7)
    size = 1.0 / 0.7
    expected = np.where(some > 0.0, stats.nbinom.logpmf(y, size, size / (size + 7.3)), poisson)
    np.testing.assert_allclose(log_count_density(y, mean, some), expected, rtol=1e-12)


@pytest.mark.parametrize("name", list(response_cases.MODELS))
def test_the_rows_of_the_fit_and_a_loaded_fit(name, tmp_path):
    res = fit(name)
    own, again = res.evaluate(), res.evaluate(OLD)
    pd.testing.assert_frame_equal(own.summary_frame(), again.summary_frame(), rtol=1e-12)
    with pytest.raises(ModelError, match="response= goes with new rows: give data too"):
        res.evaluate(response=np.ones(len(OLD)))
    res.save(tmp_path / "fit.json")
    with pytest.raises(DataError, match="loaded without the rows of its fit: give data="):
        fg.load(tmp_path / "fit.json").evaluate()
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


def test_text_and_html_have_the_measures():
    found = fit("MNLogit").evaluate(NEW)
    assert "log_loss" in str(found)
    assert "auc_lower" in str(found)
    assert "log_loss" in found._repr_html_()


def test_calibration_is_drawn_on_new_rows():
    res = fit("MNLogit")
    ax = fg.plots.calibration(res, data=NEW, n_groups=1)
    actual = [bar.lines[0].get_ydata()[0] for bar in ax.containers]
    np.testing.assert_allclose(actual, np.bincount(NEW.level) / len(NEW), rtol=1e-12)
