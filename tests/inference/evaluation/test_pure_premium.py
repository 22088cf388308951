"""Frequency times severity: against costs that a compound distribution drew."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import DataError, ModelError


def policies(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({
        "age": rng.integers(2, 8, n) * 10.0, "region": rng.choice(["city", "coast", "hills"], n),
        "power": rng.integers(4, 8, n).astype(float), "exposure": rng.uniform(0.2, 1.0, n),
    })  # fmt: skip
    city = frame.region == "city"
    frame["claims"] = rng.poisson(frame.exposure * np.exp(0.3 - 0.01 * frame.age + 0.3 * city))
    has = frame.claims > 0
    frame["cost"] = 0.0
    mean = np.exp(6.0 + 0.05 * frame.power + 0.2 * city)[has]
    frame.loc[has, "cost"] = rng.gamma(2.0 * frame.claims[has], mean / 2.0)
    return frame


@pytest.fixture(scope="module")
def frame():
    return policies(1500, 1)


@pytest.fixture(scope="module")
def parts(frame):
    claimed = frame[frame.claims > 0]
    return (
        fg.glm("claims ~ age + region", frame, "poisson", exposure="exposure"),
        fg.glm("I(cost / claims) ~ power + region", claimed, "gamma", link="log",
               var_weights="claims"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def premium(parts):
    return fg.PurePremium(*parts, "cost")


def test_premiums_are_products(premium, parts, frame):
    frequency, severity = parts
    new = policies(20, 2)
    expected = frequency.predict(new) * severity.predict(new)
    np.testing.assert_allclose(premium.predict(new), expected)
    expected = np.asarray(frequency.fittedvalues) * np.asarray(severity.predict(frame))
    np.testing.assert_allclose(premium.predict(), expected)
    one = frequency.predict(new, exposure=1.0) * severity.predict(new)
    np.testing.assert_allclose(premium.predict(new, exposure=1.0), one)


@pytest.mark.parametrize("held_out", [False, True])
def test_measures_are_those_of_costs(premium, frame, held_out):
    rows = policies(400, 3) if held_out else frame
    measured = premium.evaluate(rows if held_out else None)
    expected = np.asarray(premium.predict(rows))
    np.testing.assert_allclose(measured.weight, rows.exposure.sum())
    np.testing.assert_allclose(measured.actual, rows.cost.sum() / rows.exposure.sum())
    np.testing.assert_allclose(measured.actual_over_expected, rows.cost.sum() / expected.sum())
    error = (rows.cost - expected) / rows.exposure
    np.testing.assert_allclose(measured.mae, np.average(np.abs(error), weights=rows.exposure))
    assert {"deviance", "d2", "log_loss"}.isdisjoint(measured.to_dict())
    table = measured.groups(by="region").summary_frame()
    by = rows.assign(expected=expected).groupby("region")[["cost", "expected", "exposure"]].sum()
    np.testing.assert_allclose(table["ratio"], by.cost / by.expected)
    np.testing.assert_allclose(table["weight"], by.exposure)


def test_bounds_of_groups_are_those_of_compound_distributions(premium, parts, frame):
    """Against costs drawn from both fits: numbers of claims, and sums of so many sizes."""
    frequency, severity = parts
    rng = np.random.default_rng(4)
    size = np.asarray(severity.predict(frame))
    shape = 1.0 / severity.scale
    group = np.array([list(premium.evaluate().groups(by="region").names).index(r)
                      for r in frame.region])  # fmt: skip
    drawn = []
    for counts in frequency.simulate(2000, seed=5).T:
        cost = rng.gamma(np.maximum(shape * counts, 1e-12), size / shape) * (counts > 0)
        drawn.append(np.bincount(group, cost) / np.bincount(group, frame.exposure))
    table = premium.evaluate().groups(by="region")
    reach = (table["upper"] - table["lower"]) / (2.0 * 1.959964)
    np.testing.assert_allclose(reach, np.std(drawn, axis=0), rtol=0.06)


def test_rates_with_weights_are_counts_with_exposure(premium, parts, frame):
    rates = frame.assign(rate=frame.claims / frame.exposure)
    frequency = fg.glm("rate ~ age + region", rates, "poisson", var_weights="exposure")
    other = fg.PurePremium(frequency, parts[1], "cost")
    one, two = premium.evaluate().to_dict(), other.evaluate().to_dict()
    assert one.keys() == two.keys()
    np.testing.assert_allclose(list(one.values()), list(two.values()), rtol=1e-6)


def test_relativities_are_products_of_both(premium, parts, frame):
    table = premium.rating_table()
    rows = table.summary_frame().set_index(["term", "level"])
    cell = pd.DataFrame({"age": [70.0], "region": ["hills"], "power": [6.0]})
    factor = [rows.loc[key, "relativity"] for key in
              [("age", "70"), ("region", "hills"), ("power", "6")]]  # fmt: skip
    expected = premium.predict(cell, exposure=1.0)[0]
    np.testing.assert_allclose(table.base * np.prod(factor), expected, rtol=1e-9)
    halves = [
        np.log(fit.rating_table().summary_frame().set_index(["term", "level"]).loc[
            ("region", "hills"), ["lower", "upper"]].astype(float)).diff().iloc[1] / 2.0
        for fit in parts
    ]  # fmt: skip
    found = np.log(rows.loc[("region", "hills"), ["lower", "upper"]].astype(float)).diff().iloc[1]
    np.testing.assert_allclose(found / 2.0, np.hypot(*halves), rtol=1e-9)
    assert "rows" not in rows
    assert list(rows.index.get_level_values(0).unique()) == ["age", "region", "power"]
    np.testing.assert_allclose(rows.loc["region"].weight.sum(), frame.exposure.sum())


def test_bases_are_those_of_both(premium):
    given = premium.rating_table(base={"region": "hills", "power": 5.0, "age": 30.0})
    rows = given.summary_frame()
    assert list(rows[rows.is_base].level) == ["30", "hills", "5"]
    cell = pd.DataFrame({"age": [30.0], "region": ["hills"], "power": [5.0]})
    np.testing.assert_allclose(given.base, premium.predict(cell, exposure=1.0)[0], rtol=1e-9)
    largest = premium.rating_table(base="largest")
    cell = pd.DataFrame({name: [value] for name, value in largest.bases.items()})
    np.testing.assert_allclose(largest.base, premium.predict(cell, exposure=1.0)[0], rtol=1e-9)


def test_exposures_of_a_rating_table_are_those_of_other_rows(premium, parts, frame, tmp_path):
    """Of loaded models too, whose own rows are not at hand."""
    part = frame[frame["region"] != "hills"]
    for k, fit in enumerate(parts):
        fit.save(tmp_path / f"{k}.json")
    loaded = fg.PurePremium(*(fg.load(tmp_path / f"{k}.json") for k in (0, 1)), premium.cost)
    whole = premium.rating_table().summary_frame().set_index(["term", "level"])
    for one in (premium, loaded):
        rows = one.rating_table(data=part).summary_frame().set_index(["term", "level"])
        assert rows.loc[("region", "hills"), "weight"] == 0.0
        assert rows.loc["region"].weight.sum() == pytest.approx(part["exposure"].sum())
        found, expected = (t.loc["region"].relativity for t in (rows, whole))
        np.testing.assert_allclose(found[expected.index], expected, rtol=1e-9)
    with pytest.raises(DataError, match="loaded without the rows of its fit: give data="):
        loaded.rating_table()


def test_a_variable_of_several_terms_is_not_multiplied_twice(parts, frame):
    frequency = fg.glm("claims ~ age + I(age**2) + region", frame, "poisson", exposure="exposure")
    severity = fg.glm("I(cost / claims) ~ age + region", frame[frame.claims > 0], "gamma",
                      link="log", var_weights="claims")  # fmt: skip
    premium = fg.PurePremium(frequency, severity, "cost")
    table = premium.rating_table()
    rows = table.summary_frame()
    ages = rows[rows.level == "60"]
    assert len(ages) == 3
    cell = pd.DataFrame({"age": [60.0], "region": ["city"]})
    expected = premium.predict(cell, exposure=1.0)[0]
    np.testing.assert_allclose(table.base * ages.relativity.prod(), expected, rtol=1e-9)


def test_pictures_are_of_costs(premium, frame, monkeypatch):
    import matplotlib

    matplotlib.use("Agg")
    ax = plots.lift(premium, n_groups=5)
    measured = premium.evaluate().groups(5)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), measured["actual"])
    np.testing.assert_allclose(ax.lines[1].get_ydata(), measured["expected"])
    assert ax.get_ylabel() == "cost per exposure"
    rates = frame.assign(per=frame.cost / frame.exposure)
    other = fg.glm("per ~ age", rates, "gaussian", var_weights="exposure")
    ax = plots.double_lift(premium, other, n_groups=4)
    labels = [line.get_label() for line in ax.lines]
    assert labels == ["observed", "(age + region) × (power + region)", "age"]
    ax = plots.actual_expected(premium, "region", data=policies(300, 6))
    assert ax.get_title() == "Actual and expected by region"
    assert plots.calibration(premium).get_title() == "Calibration"


def test_what_makes_no_premium(parts, frame):
    frequency, severity = parts
    with pytest.raises(ModelError, match="severity must be a fitted"):
        fg.PurePremium(frequency, "severity", "cost")
    with pytest.raises(ModelError, match="means may be negative"):
        fg.PurePremium(frequency, fg.glm("cost ~ power", frame), "cost")
    with pytest.raises(DataError, match="'costs'"):
        fg.PurePremium(frequency, severity, "costs").evaluate()
    with pytest.raises(DataError, match="holds text"):
        fg.PurePremium(frequency, severity, "region").evaluate()
    gap = frame.assign(cost=frame.cost.where(frame.index != 3))
    with pytest.raises(DataError, match="cost of row 3"):
        fg.PurePremium(frequency, severity, "cost").evaluate(gap)
    odds = fg.glm("I(claims > 0) ~ age + region", frame, "binomial")
    with pytest.raises(ModelError, match="log links"):
        fg.PurePremium(odds, severity, "cost").rating_table()


def test_a_severity_of_totals_counts_claims_once(parts, frame):
    """Its own predictions are of all claims of a row, which the frequency has counted."""
    claimed = frame[frame.claims > 0]
    totals = fg.glm("cost ~ power + region", claimed, "gamma", link="log", exposure="claims")
    premium = fg.PurePremium(parts[0], totals, "cost")
    sizes = np.asarray(totals.predict(frame, exposure=1.0))
    np.testing.assert_allclose(premium.predict(frame), parts[0].predict(frame) * sizes)
    one = premium.predict(claimed, exposure=1.0)
    table = premium.rating_table(at={"age": [20], "power": [4], "region": ["city"]},
                                 base={"age": 20, "power": 4, "region": "city"})  # fmt: skip
    rows = ((claimed.age == 20) & (claimed.power == 4) & (claimed.region == "city")).to_numpy()
    np.testing.assert_allclose(np.asarray(one)[rows], table.base, rtol=1e-12)


@pytest.mark.parametrize("column", ["age", "power", "cost"])
def test_rows_with_a_gap_are_an_error_or_left_out(premium, frame, column):
    gap, rows = frame.astype({column: float}), [3, 8]
    gap.loc[rows, column] = np.nan
    with pytest.raises(DataError, match=r"'age' in 2 rows \(3, 8|of row 3"):
        premium.evaluate(gap)
    kept, whole = premium.evaluate(gap, missing="drop"), premium.evaluate(frame.drop(index=rows))
    assert kept.to_dict() == whole.to_dict()
    assert str(kept.groups(by="region")) == str(whole.groups(by="region"))


def test_exposures_of_no_column_are_given(parts, premium, frame):
    frequency = fg.glm("claims ~ age + region", frame, "poisson", exposure=frame["exposure"])
    other = fg.PurePremium(frequency, parts[1], "cost")
    measured = other.evaluate(frame, exposure="exposure")
    assert measured.to_dict() == premium.evaluate(frame).to_dict()
