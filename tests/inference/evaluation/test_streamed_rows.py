"""Evaluation on rows of a source: what a data frame of them gives."""

import numpy as np
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.errors import ColumnNotFoundError, DataError, MissingValueError, ModelError

N = 30_000


def make_table(seed):
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    years, w = rng.uniform(0.2, 1.0, N), rng.uniform(0.5, 2.0, N)
    claims = rng.poisson(years * np.exp(0.3 * x - 0.5 * (g == "b")))
    columns = {"x": x, "g": g, "years": years, "w": w, "claims": claims}
    columns |= {"any": np.where(claims > 0, "yes", "no"), "times": rng.integers(0, 3, N)}
    return pa.table(columns)


def with_gaps(table):
    rng = np.random.default_rng(9)
    x = pa.array(table.column("x").to_numpy(), mask=rng.random(N) < 0.05)
    return table.set_column(0, "x", x)


MODELS = {
    "exposure": ("claims ~ x + g", {"family": "poisson", "exposure": "years"}),
    "levels": ("any ~ x + g", {"family": "binomial"}),
    "weights": ("claims ~ x", {"family": "poisson", "var_weights": "w", "freq_weights": "times"}),
    "gaussian": ("x ~ bs(w, df=4, lower_bound=0, upper_bound=3) + g", {}),
}


@pytest.mark.parametrize("model", MODELS)
def test_measures_are_those_of_a_frame(model):
    formula, options = MODELS[model]
    res, new = fg.glm(formula, make_table(0), **options), make_table(1)
    wanted = res.evaluate(new)
    found = res.evaluate(lambda: iter(new.to_batches(max_chunksize=4_000)))
    assert found.to_dict() == pytest.approx(wanted.to_dict(), rel=1e-12)
    for name in ("weight", "actual", "expected", "upper"):
        np.testing.assert_allclose(found.groups()[name], wanted.groups()[name], rtol=1e-12)


def test_of_a_streamed_fit_incomplete_rows_and_pictures():
    formula, options = MODELS["exposure"]
    res = fg.glm(formula, fg.scan(make_table(0)), memory="2MB", **options)
    new = with_gaps(make_table(1))
    wanted = res.evaluate(new, missing="drop")
    found = res.evaluate(fg.scan(new), missing="drop")
    assert found.n_rows < N
    assert found.to_dict() == pytest.approx(wanted.to_dict(), rel=1e-12)
    whole = make_table(1)
    for draw in (fg.plots.lift, lambda fit, data: fg.plots.actual_expected(fit, "g", data=data)):
        lines = [
            np.concatenate([line.get_ydata() for line in draw(res, data=data).lines])
            for data in (whole, fg.scan(whole))
        ]
        np.testing.assert_allclose(lines[0].astype(float), lines[1].astype(float), rtol=1e-12)


def test_another_response():
    res, new = fg.glm("claims ~ x", make_table(0), "poisson"), make_table(1)
    wanted = res.evaluate(new, response="times").to_dict()
    assert res.evaluate(fg.scan(new), response="times").to_dict() == pytest.approx(wanted)


def test_what_cannot_be_used_is_named():
    table = make_table(1)
    res = fg.glm("any ~ x + g", make_table(0), "binomial")
    with pytest.raises(MissingValueError, match=r"'x' in .* row"):
        res.evaluate(fg.scan(with_gaps(table)))
    with pytest.raises(ColumnNotFoundError, match="no column 'g'"):
        res.evaluate(fg.scan(table.drop_columns(["g"])))
    maybe = table.column("any").to_pylist()
    maybe[20_000] = "perhaps"
    other = table.set_column(table.column_names.index("any"), "any", pa.array(maybe))
    with pytest.raises(DataError, match="response 'any' has the level 'perhaps', but the fit saw"):
        res.evaluate(fg.scan(other))
    with pytest.raises(ModelError, match="response must be the name of a column"):
        res.evaluate(fg.scan(table), response=np.zeros(N))
    with pytest.raises(ModelError, match="var_weights must be the name of a column"):
        res.evaluate(fg.scan(table), var_weights=np.ones(N))
    level = table.column("g").to_pylist()
    level[25_000] = "new"
    unseen = table.set_column(1, "g", pa.array(level))
    with pytest.raises(DataError, match="'new'"):
        res.evaluate(fg.scan(unseen))
    arrays = fg.GLM(np.arange(4.0), np.ones((4, 1))).fit()
    with pytest.raises(DataError, match="by a fit of a formula"):
        arrays.evaluate(fg.scan(table))
