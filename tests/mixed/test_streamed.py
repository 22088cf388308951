"""Linear mixed models of rows in a source: the numbers of the same rows in memory."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError

pytest.importorskip("pyarrow")
RNG = np.random.default_rng(8)
N = 70_000  # three pieces, the last of them cut inside a grain
FRAME = pd.DataFrame({
    "g": RNG.integers(0, 300, N), "h": RNG.integers(0, 12, N),
    "x": RNG.normal(size=N) * 3.0 + 1000.0, "f": np.array(list("abc"))[RNG.integers(0, 3, N)],
})  # fmt: skip
FRAME["class"] = FRAME["g"] // 10
FRAME["y"] = 5.0 + 0.3 * FRAME["x"] + (FRAME["f"] == "b") + RNG.normal(size=N)
FRAME["y"] += RNG.normal(size=300)[FRAME["g"]] + RNG.normal(size=12)[FRAME["h"]] * 0.5
FRAME["y"] += 0.2 * RNG.normal(size=300)[FRAME["g"]] * (FRAME["x"] - 1000.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "rows.parquet"
    FRAME.to_parquet(path, row_group_size=9_000)
    return path


FORMULAS = {
    "intercept": "y ~ x + f + (1 | g)",
    "slope": "y ~ I(x - 1000) + (1 + I(x - 1000) | g)",
    "nested": "y ~ x + (1 | class/g)",
    "crossed": "y ~ x + (1 | g) + (1 | h)",
    "no constant": "y ~ 0 + f + (1 | g)",
    "a factor's effects": "y ~ x + diag(0 + f | h)",
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("reml", [True, False])
def test_streamed_fit_is_that_of_the_rows_in_memory(path, name, reml):
    if not reml and name not in ("slope", "crossed"):
        pytest.skip("REML alone, for time")
    formula = FORMULAS[name]
    ours = fg.mixed(formula, str(path), reml=reml)
    memory = fg.mixed(formula, FRAME, reml=reml)
    assert ours.nobs == memory.nobs == N
    assert tuple(ours.names) == tuple(memory.names)
    assert ours.criterion == pytest.approx(memory.criterion, rel=1e-10)
    errors = memory.standard_errors
    assert np.abs((ours.estimates - memory.estimates) / errors).max() < 1e-6
    np.testing.assert_allclose(ours.standard_errors, errors, rtol=1e-6)
    np.testing.assert_allclose(ours.theta, memory.theta, rtol=1e-5)
    assert ours.sigma == pytest.approx(memory.sigma, rel=1e-8)
    for mine, theirs in zip(ours.groups, memory.groups, strict=True):
        assert mine.levels == theirs.levels
        np.testing.assert_allclose(mine.modes, theirs.modes, atol=1e-5)
        np.testing.assert_allclose(mine.variances, theirs.variances, rtol=1e-5, atol=1e-10)


def test_streamed_fit_has_what_needs_no_rows(path):
    ours = fg.mixed(FORMULAS["intercept"], fg.scan(path))
    memory = fg.mixed(FORMULAS["intercept"], FRAME)
    new = FRAME.head(50)
    np.testing.assert_allclose(ours.predict(new), memory.predict(new), rtol=1e-9)
    df = ours.df("satterthwaite"), memory.df("satterthwaite")
    np.testing.assert_allclose(np.asarray(df[0]), np.asarray(df[1]), rtol=1e-4)
    with pytest.raises(DataError, match="cannot be computed: the rows were read from"):
        ours.simulate()


def test_rows_without_a_value_are_named_or_left_out(tmp_path):
    rows = FRAME.head(20_000).copy()
    rows.loc[[3, 9_000], "x"] = np.nan
    rows["g"] = rows["g"].astype(float)
    rows.loc[[17_000], "g"] = np.nan
    rows.to_parquet(tmp_path / "rows.parquet")
    source = str(tmp_path / "rows.parquet")
    with pytest.raises(DataError, match=r"[Mm]issing"):
        fg.mixed("y ~ x + (1 | g)", source)
    with pytest.raises(DataError, match="row 17000 of"):
        fg.mixed("y ~ f + (1 | g)", source)
    ours = fg.mixed("y ~ x + (1 | g)", source, missing="drop")
    memory = fg.mixed("y ~ x + (1 | g)", rows, missing="drop")
    assert ours.nobs == memory.nobs == 19_997
    np.testing.assert_allclose(ours.estimates, memory.estimates, rtol=1e-7)


def test_what_a_stream_does_not_have_is_refused(path, tmp_path):
    with pytest.raises(ModelError, match="need the rows again and again"):
        fg.mixed("y ~ x + (1 | g)", str(path), family="ordinal")
    with pytest.raises(ModelError, match="var_weights is not read"):
        fg.mixed("y ~ x + (1 | g)", str(path), var_weights="x")
    with pytest.raises(ModelError, match="no random term"):
        fg.mixed("y ~ x", str(path))
    exact = FRAME.head(5_000).assign(y=lambda d: 1e6 + 1e5 * d["x"] + 1e-3 * d["y"])
    exact.to_parquet(tmp_path / "exact.parquet")
    with pytest.raises(DataError, match="sums of a stream do not tell"):
        fg.mixed("y ~ x + (1 | g)", str(tmp_path / "exact.parquet"))
