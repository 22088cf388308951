"""Measures on new rows against scikit-learn's, and DeLong's interval against its definition."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn import metrics

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.inference.evaluation.discrimination import area_under_curve, gini, roc_curve


def draw(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "e": rng.uniform(0.2, 2.0, n),
            "w": rng.integers(1, 5, n),
            "o": rng.normal(size=n) * 0.1,
        }
    )
    eta = 0.3 + 0.5 * frame["x"] + (frame["f"] == "b")
    frame["count"] = rng.poisson(frame["e"] * np.exp(eta))
    frame["amount"] = rng.gamma(2.0, np.exp(eta) / 2.0)
    frame["won"] = np.where(rng.random(n) < 1 / (1 + np.exp(-eta)), "yes", "no")
    frame["hits"] = rng.binomial(frame["w"], 1 / (1 + np.exp(-eta)))
    frame["misses"] = frame["w"] - frame["hits"]
    return frame


OLD, NEW = draw(500, 0), draw(300, 1)
RIGHT = "x + f"


def test_rates_with_exposure_are_scikit_learns():
    fit = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    found = fit.evaluate(NEW)
    y, mean = NEW["count"] / NEW["e"], fit.predict(NEW) / NEW["e"]
    weight = {"sample_weight": NEW["e"]}
    total = metrics.mean_poisson_deviance(y, mean, **weight) * NEW["e"].sum()
    assert found.deviance == pytest.approx(total, rel=1e-10)
    assert found.d2 == pytest.approx(metrics.d2_tweedie_score(y, mean, power=1, **weight), rel=1e-8)
    assert found.rmse**2 == pytest.approx(metrics.mean_squared_error(y, mean, **weight), rel=1e-10)
    assert found.mae == pytest.approx(metrics.mean_absolute_error(y, mean, **weight), rel=1e-10)
    assert found.actual_over_expected == pytest.approx(NEW["count"].sum() / fit.predict(NEW).sum())
    assert found.weight == pytest.approx(NEW["e"].sum())


def test_gini_is_that_of_scikit_learns_tutorial():
    # "Tweedie regression on insurance claims" in scikit-learn's examples.
    def lorenz_curve(y_true, y_pred, exposure):
        y_true, y_pred = np.asarray(y_true), np.asarray(y_pred)
        exposure = np.asarray(exposure)
        ranking = np.argsort(y_pred)
        ranked_exposure = exposure[ranking]
        cumulated = np.cumsum(y_true[ranking] * ranked_exposure)
        cumulated = cumulated / cumulated[-1]
        return np.cumsum(ranked_exposure) / ranked_exposure.sum(), cumulated

    fit = fg.glm("count ~ x", OLD, "poisson", exposure="e")
    found = fit.evaluate(NEW)
    rate = NEW["count"] / NEW["e"]
    curve = lorenz_curve(rate, fit.predict(NEW) / NEW["e"], NEW["e"])
    assert found.gini == pytest.approx(1 - 2 * metrics.auc(*curve), abs=2.0 / 300)
    ours = found.lorenz().to_numpy()[1:]
    np.testing.assert_allclose(ours, np.column_stack(curve), rtol=1e-12)


def test_binary_measures_are_scikit_learns():
    fit = fg.glm(f"won ~ {RIGHT}", OLD, "binomial")
    found = fit.evaluate(NEW)
    y, p = (NEW["won"] == "yes").to_numpy(), fit.predict(NEW).to_numpy()
    assert found.log_loss == pytest.approx(metrics.log_loss(y, p), rel=1e-12)
    assert found.brier == pytest.approx(metrics.brier_score_loss(y, p), rel=1e-12)
    assert found.auc == pytest.approx(metrics.roc_auc_score(y, p), rel=1e-12)
    assert found.d2 == pytest.approx(metrics.d2_log_loss_score(y, p), rel=1e-9)
    assert found.mean_deviance == pytest.approx(2 * found.log_loss, rel=1e-12)
    false, true, _ = metrics.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_allclose(roc_curve(y, p, np.ones(300)), [false, true])


@pytest.mark.parametrize("family", ["gaussian", "gamma", fg.families.Tweedie(var_power=1.5)])
def test_d2_of_continuous_responses(family):
    fit = fg.glm(f"amount ~ {RIGHT}", OLD, family, link="log", var_weights="w")
    power = {"gaussian": 0, "gamma": 2}.get(fit.family.name, 1.5)
    found = fit.evaluate(NEW)
    expected = metrics.d2_tweedie_score(
        NEW["amount"], fit.predict(NEW), power=power, sample_weight=NEW["w"]
    )
    assert found.d2 == pytest.approx(expected, rel=1e-8)
    assert "auc" not in found.to_dict()


def delong(y, p):
    """DeLong, DeLong & Clarke-Pearson (1988), equations of section 2, term by term."""
    x, z = p[y == 1], p[y == 0]
    psi = (x[:, None] > z) + 0.5 * (x[:, None] == z)
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    variance = v10.var(ddof=1) / x.size + v01.var(ddof=1) / z.size
    return psi.mean(), np.sqrt(variance)


@pytest.mark.parametrize("digits", [1, 2, 8])
def test_delongs_interval_is_its_definition(digits):
    rng = np.random.default_rng(4)
    p = np.round(rng.random(150), digits)
    y = (rng.random(150) < p).astype(float)
    found = area_under_curve(y, p, np.ones(150))
    assert found == pytest.approx(delong(y, p), rel=1e-12)
    low, high = found.interval()
    assert high - low == pytest.approx(2 * 1.959964 * found.standard_error, rel=1e-6)
    # A weight is so many observations.
    often = rng.integers(1, 4, 150)
    weighted = area_under_curve(y, p, often.astype(float))
    assert weighted == pytest.approx(delong(np.repeat(y, often), np.repeat(p, often)), rel=1e-12)


def test_trials_are_single_observations():
    fit = fg.glm(f"cbind(hits, misses) ~ {RIGHT}", OLD, "binomial")
    found = fit.evaluate(NEW)
    p = fit.predict(NEW).to_numpy()
    y = np.concatenate([np.repeat([1.0, 0.0], pair) for pair in NEW[["hits", "misses"]].to_numpy()])
    each = np.repeat(p, NEW["w"])
    assert found.log_loss == pytest.approx(metrics.log_loss(y, each), rel=1e-12)
    assert found.brier == pytest.approx(metrics.brier_score_loss(y, each), rel=1e-12)
    assert (found.auc, found.auc_lower) == pytest.approx(
        (delong(y, each)[0], delong(y, each)[0] - 1.959964 * delong(y, each)[1]), rel=1e-7
    )


def test_the_area_of_perfect_separation_stays_inside():
    y = np.array([0.0, 0.0, 1.0, 1.0])
    assert area_under_curve(y, y, np.ones(4)).interval() == (1.0, 1.0)
    assert gini(y, y, np.ones(4)) == pytest.approx(0.5)
    assert gini(y, np.ones(4), np.ones(4)) == pytest.approx(0.0)


def test_equal_responses_have_no_order_and_no_deviance_to_explain():
    fit = fg.glm(f"won ~ {RIGHT}", OLD, "binomial")
    wins = fit.evaluate(OLD[OLD["won"] == "yes"])
    assert wins.gini == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(wins.gini_normalized)
    counts = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    one = OLD[OLD["count"] > 0][:1]
    assert np.isnan(counts.evaluate(one).d2)
    # Two rows of one rate: their null deviance is 0 but for rounding.
    same = counts.evaluate(pd.concat([one, one, one]))
    assert np.isnan(same.d2)
    assert np.isnan(same.gini_normalized)


@pytest.mark.parametrize("n_groups", [0, "g", 2.5])
def test_groups_are_counted_in_whole_numbers(n_groups):
    fit = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    for ask in (fit.evaluate().groups, lambda n: fg.plots.lift(fit, n_groups=n)):
        with pytest.raises(ModelError, match="n_groups must be a whole number"):
            ask(n_groups)


def test_groups_add_up_and_hold_the_right_ones():
    fit = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    found = fit.evaluate(NEW)
    groups = found.groups(5).summary_frame()
    assert groups["weight"].sum() == pytest.approx(NEW["e"].sum())
    assert (groups["weight"] @ groups["actual"]) == pytest.approx(NEW["count"].sum())
    np.testing.assert_allclose(groups["lift"], groups["actual"] / found.actual)
    # The count of a group is Poisson: its standard deviation is the root of its mean.
    expected = groups["weight"] * groups["expected"]
    reach = 1.959964 * np.sqrt(expected) / groups["weight"]
    np.testing.assert_allclose(groups["upper"], groups["expected"] + reach, rtol=1e-6)


def test_the_rows_of_the_fit_give_its_own_deviance():
    fit = fg.glm(f"won ~ {RIGHT}", OLD, "binomial")
    own, again = fit.evaluate(), fit.evaluate(OLD)
    assert own.deviance == fit.deviance
    assert own.d2 == pytest.approx(1 - fit.deviance / fit.null_deviance, rel=1e-10)
    assert again.to_dict() == pytest.approx(own.to_dict(), rel=1e-10)
    for name in ("response", "offset", "exposure", "freq_weights", "var_weights"):
        with pytest.raises(ModelError, match=f"{name}= goes with new rows: give data too"):
            fit.evaluate(**{name: np.ones(len(OLD))})


def test_a_loaded_fit_and_other_libraries(tmp_path):
    fit = fg.glm(f"won ~ {RIGHT} + offset(o)", OLD, "binomial", freq_weights="w")
    fit.save(tmp_path / "fit.json")
    expected = fit.evaluate(NEW).to_dict()
    loaded = fg.load(tmp_path / "fit.json")
    for data in (NEW, pl.from_pandas(NEW), NEW.to_dict("list")):
        assert loaded.evaluate(data).to_dict() == pytest.approx(expected, rel=1e-12)
    given = NEW.rename(columns={"won": "other", "w": "times"})
    found = loaded.evaluate(given, response="other", freq_weights="times")
    assert found.to_dict() == pytest.approx(expected, rel=1e-12)
    whole = NEW.loc[NEW.index.repeat(NEW["w"])].assign(w=1)
    apart = fit.evaluate(whole).to_dict()
    assert apart.pop("n_rows") != expected.pop("n_rows")
    assert apart == pytest.approx(expected, rel=1e-9)


def test_models_of_arrays():
    X, new = (np.column_stack([np.ones(len(d)), d["x"]]) for d in (OLD, NEW))
    fit = fg.GLM(OLD["count"].to_numpy(), X, "poisson", exposure=OLD["e"].to_numpy()).fit()
    by_formula = fg.glm("count ~ x", OLD, "poisson", exposure="e").evaluate(NEW)
    found = fit.evaluate(new, NEW["count"].to_numpy(), exposure=NEW["e"].to_numpy())
    assert found.to_dict() == pytest.approx(by_formula.to_dict(), rel=1e-8)
    with pytest.raises(DataError, match="give the responses"):
        fit.evaluate(new, exposure=NEW["e"])
    with pytest.raises(DataError, match="fitted with exposure="):
        fit.evaluate(new, NEW["count"])


def test_rows_without_values_are_refused_or_dropped():
    holes = NEW.assign(x=NEW["x"].where(NEW.index % 7 > 0), won=NEW["won"].where(NEW.index % 5 > 0))
    fit = fg.glm("won ~ x", OLD, "binomial")
    with pytest.raises(DataError, match=r"[Mm]issing"):
        fit.evaluate(holes)
    kept = holes.dropna(subset=["x", "won"])
    found = fit.evaluate(holes, missing="drop")
    assert found.n_rows == len(kept)
    assert found.to_dict() == pytest.approx(fit.evaluate(kept).to_dict(), rel=1e-12)


def test_levels_of_the_response_are_those_of_the_fit():
    fit = fg.glm("won ~ x", OLD, "binomial")
    only = NEW[NEW["won"] == "yes"]
    found = fit.evaluate(only)
    assert found.actual == 1.0
    assert np.isnan([found.d2, found.auc, found.auc_lower]).all()
    with pytest.raises(DataError, match=r"'maybe'.*'no' and 'yes'"):
        fit.evaluate(NEW.assign(won="maybe"))
    with pytest.raises(DataError, match="freq_weights"):
        fg.glm("won ~ x", OLD, "binomial", freq_weights=OLD["w"].to_numpy()).evaluate(NEW)


def test_actual_and_expected_by_a_factor_or_a_number():
    fit = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    found, mean = fit.evaluate(NEW), fit.predict(NEW)
    for by, values in (("f", NEW["f"]), (NEW["w"].to_numpy(), NEW["w"])):
        table = found.groups(by=by).summary_frame()
        weight = NEW["e"].groupby(values).sum()
        assert list(table.index) == [str(level) for level in weight.index]
        np.testing.assert_allclose(table["weight"], weight)
        np.testing.assert_allclose(table["actual"], NEW["count"].groupby(values).sum() / weight)
        np.testing.assert_allclose(table["expected"], mean.groupby(values).sum() / weight)
    table = found.groups(4, by="x").summary_frame()
    assert len(table) == 4
    assert table["weight"].sum() == pytest.approx(NEW["e"].sum())
    assert table["weight"].max() < 0.3 * NEW["e"].sum()
    with pytest.raises(DataError, match="by has shape"):
        found.groups(by=[1, 2])
    with pytest.raises(DataError, match="nothing"):
        found.groups(by="nothing")


def test_two_factors_have_a_row_for_each_pair_that_occurs():
    fit = fg.glm(f"count ~ {RIGHT}", OLD, "poisson", exposure="e")
    new = NEW[(NEW["f"] != "a") | (NEW["w"] != 2)]
    table = fit.evaluate(new).groups(by=["f", "w"])
    by = new.assign(expected=fit.predict(new)).groupby(["f", "w"])[["count", "expected", "e"]].sum()
    assert table.names == tuple(f"{f} × {w}" for f, w in by.index)
    np.testing.assert_allclose(table["ratio"], by["count"] / by["expected"])
    np.testing.assert_allclose(table["weight"], by["e"])
    wide = table.wide()
    assert (wide.index.name, wide.columns.name, wide.shape) == ("f", "w", (3, 4))
    assert np.isnan(wide.loc["a", "2"])
    assert wide.loc["c", "3"] == pytest.approx(
        by.loc[("c", 3), "count"] / by.loc[("c", 3), "expected"]
    )
    np.testing.assert_allclose(table.wide("weight").sum(axis=1), new.groupby("f")["e"].sum())
    with pytest.raises(ModelError, match="column"):
        table.wide("claims")
