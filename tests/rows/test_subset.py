from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

import fastglm as fg
from fastglm.errors import ColumnNotFoundError, DataError, FormulaError, ModelError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    n = 60
    frame = pd.DataFrame({
        "x": rng.normal(size=n), "g": rng.choice(["a", "b", None], n), "t": rng.uniform(1, 2, n),
        "id": np.arange(n) // 5,
    })  # fmt: skip
    frame.loc[4, "x"] = np.nan
    return frame.assign(y=rng.poisson(2.0, n))


@pytest.mark.parametrize(
    ("condition", "chosen"),
    [
        ("x > 0", lambda d: d.x > 0),
        ("(x > 0) & (g == 'a')", lambda d: (d.x > 0) & (d.g == "a")),
        ("(x > 0) | (t < 1.5)", lambda d: ((d.x > 0) | (d.t < 1.5)) & d.x.notna()),
        # R leaves rows out whose condition is missing.
        ("g != 'a'", lambda d: (d.g != "a") & d.g.notna()),
        ("0 < x < 1", lambda d: d.x.between(0, 1)),
    ],
)
def test_conditions_choose_rows(data, condition, chosen):
    res = fg.glm("y ~ t", data, "poisson", subset=condition)
    whole = fg.glm("y ~ t", data[chosen(data)], "poisson")
    assert res.nobs == whole.nobs < len(data)
    np.testing.assert_array_equal(res.params, whole.params)


def test_arrays_beside_the_frame_are_chosen_too(data):
    kept = (data.x > 0).to_numpy()
    options = {"exposure": data.t, "var_weights": data.t.to_numpy()}
    res = fg.glm("y ~ x", data, "poisson", subset=kept, **options)
    whole = fg.glm("y ~ x", data[kept], "poisson", exposure="t", var_weights="t")
    np.testing.assert_array_equal(res.bse, whole.bse)
    assert list(res.fittedvalues.index) == list(data.index[kept])
    frame = pl.from_pandas(data)
    again = fg.glm("y ~ x", frame, "poisson", subset=kept, exposure="t", var_weights="t")
    np.testing.assert_array_equal(again.bse, res.bse)


def test_every_kind_of_model_takes_it(data):
    whole = data[data.x > 0]
    hurdle = fg.Hurdle.from_formula("y ~ t", data, exposure=data.t, subset="x > 0").fit()
    assert hurdle.llf == fg.Hurdle.from_formula("y ~ t", whole, exposure=whole.t).fit().llf
    mixed = fg.mixed("y ~ t + (1 | id)", data, subset="x > 0")
    assert mixed.nobs == float((data.x > 0).sum())


@pytest.mark.parametrize(
    ("subset", "error", "message"),
    [
        ("x >", FormulaError, "Cannot read"),
        ("z > 1", ColumnNotFoundError, "'z'"),
        ("x", DataError, "not true or false"),
        ("g", DataError, "not true or false"),
        ("x > 99", DataError, "no row"),
        ("x > 1 & t > 1", FormulaError, "needs parentheses"),
        ("x > 1 | g == 'a'", FormulaError, "needs parentheses"),
        ("~x > 1", FormulaError, "needs parentheses"),
        (np.ones(3, bool), DataError, "60 truth values"),
        (np.arange(60), DataError, "60 truth values"),
        (pd.Series(np.ones(60, bool), index=np.arange(1, 61)), DataError, "different indexes"),
    ],
)
def test_what_is_no_condition(data, subset, error, message):
    with pytest.raises(error, match=message):
        fg.glm("y ~ t", data, subset=subset)


def test_rows_of_a_source_are_chosen_beforehand(data, tmp_path):
    data.to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(ModelError, match="subset is for rows in memory"):
        fg.glm("y ~ t", str(tmp_path / "d.csv"), subset="t > 1")


@pytest.mark.parametrize("subset", [None, "x > 0"])
def test_weights_of_other_rows_are_refused(data, subset):
    """As a response is beside columns: by position they would be those of other rows."""
    frame = pd.DataFrame(data)
    turned = pd.Series(np.arange(1.0, 61.0), index=frame.index)[::-1]
    for name in ("exposure", "var_weights"):
        with pytest.raises(DataError, match=f"{name} have different indexes"):
            fg.glm("y ~ t", frame, "poisson", subset=subset, **{name: turned})
        with pytest.raises(DataError, match=f"{name} have different indexes"):
            fg.GLM(np.asarray(frame["y"]), frame[["t"]], family="poisson", **{name: turned})
    ours = fg.glm("y ~ t", frame, "poisson", subset=subset, var_weights=turned[::-1])
    whole = fg.glm("y ~ t", frame, "poisson", subset=subset, var_weights=turned.to_numpy()[::-1])
    np.testing.assert_array_equal(ours.params, whole.params)
