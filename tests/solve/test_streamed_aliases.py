"""Columns of streams that are combinations of others: names and numbers of fits in memory."""

import numpy as np
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.errors import DataError, RankWarning

N = 60_001
LITTLE = {"memory": "1500KB"}


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x, year = rng.normal(size=N), 2000.0 + rng.integers(0, 20, N)
    g, h, flag = rng.choice(["a", "b", "c"], N), rng.integers(0, 4, N), rng.random(N) < 0.3
    claims = rng.poisson(np.exp(-0.5 + 0.3 * x + 0.2 * (g == "b") - 0.1 * h))
    columns = {"x": x, "year": year, "g": g, "h": h, "k": h // 2, "flag": flag, "claims": claims}
    return pa.table(columns | {"w": rng.uniform(0.5, 2.0, N)})


def assert_same(streamed, whole):
    assert type(streamed.model).__name__ == "StreamedGLM"
    assert list(streamed.aliased) == list(whole.aliased)
    for name, parts in whole.aliased.items():
        assert streamed.aliased[name] == pytest.approx(parts, rel=1e-12), name
    bse = np.asarray(whole.bse)
    assert np.array_equal(np.isnan(streamed.params), np.isnan(whole.params))
    distance = (streamed.params - whole.params)[~np.isnan(bse)] / bse[~np.isnan(bse)]
    np.testing.assert_allclose(distance, 0.0, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, bse, rtol=1e-7)
    for name in ("deviance", "null_deviance", "llf", "rank", "df_resid"):
        assert getattr(streamed, name) == pytest.approx(getattr(whole, name), rel=1e-10), name


FORMULAS = {
    "twice the same": "claims ~ x + I(2 * x) + g",
    "three numbers": "claims ~ g + year + I(3 * x - year) + x",
    "a number of levels": "claims ~ C(h) + I(h * 2.0) + x",
    "levels": "claims ~ C(h) + C(k) + g:flag",
    "zeros, and the intercept again": "claims ~ I(x * 0) + x + I(year * 0 + 3) + g",
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_names_and_numbers_are_those_of_a_fit_in_memory(formula, table):
    found = []
    for data, options in ((fg.scan(table), LITTLE), (table, {})):
        with pytest.warns(RankWarning, match="combinations of earlier ones"):
            found.append(fg.glm(formula, data, "poisson", var_weights="w", **options))
    assert_same(*found)
    robust = [res.with_covariance("HC1").bse for res in found]
    np.testing.assert_allclose(robust[0], robust[1], rtol=1e-7)


def test_a_column_that_is_a_combination_in_a_sample_alone_is_not_left_out(table):
    # One row, which no sample of so few rows has, tells z from twice x.
    z = 2.0 * table.column("x").to_numpy()
    z[37_001] += 300.0
    table = table.append_column("z", pa.array(z))
    streamed = fg.glm("claims ~ x + z + g", fg.scan(table), "poisson", memory="700KB")
    sample = streamed.model.rows.row_source(1).row_table.design.to_dense()
    z, x = (sample[:, streamed.names.index(name)] for name in "zx")
    assert np.array_equal(z, 2.0 * x)
    whole = fg.glm("claims ~ x + z + g", table, "poisson")
    assert not streamed.aliased
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-6)


def test_columns_that_are_only_nearly_combinations_are_refused(table):
    with pytest.raises(DataError, match="cannot be told from combinations of earlier columns"):
        fg.glm("claims ~ x + I(x + 1e-9 * year)", fg.scan(table), "poisson", memory="700KB")


def test_levels_without_claims_beside_aliased_columns(table):
    g = np.array(table.column("g").to_pylist())
    claims = np.where(g == "c", 0, table.column("claims").to_numpy())
    table = table.set_column(table.schema.get_field_index("claims"), "claims", pa.array(claims))
    formula = "claims ~ x + g + I(2 * x)"
    with pytest.warns(RankWarning), pytest.warns(fg.errors.SeparationWarning):
        whole = fg.glm(formula, table, "poisson")
    with (
        pytest.warns(RankWarning),
        pytest.warns(fg.errors.ConvergenceWarning),
        pytest.warns(fg.errors.SeparationWarning, match=r"g\[T.c\] go on growing"),
    ):
        streamed = fg.glm(formula, fg.scan(table), "poisson", **LITTLE)
    assert list(streamed.aliased) == list(whole.aliased) == ["I(2 * x)"]
    finite = [0, 1, 2]
    distance = (np.asarray(streamed.params) - np.asarray(whole.params))[finite]
    np.testing.assert_allclose(distance / np.asarray(whole.bse)[finite], 0.0, atol=1e-6)
