"""Generalized mixed models of rows in a source: the numbers of the same rows in memory."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, MemoryLimitError, ModelError
from fastglm.mixed import streamed_generalized
from fastglm.mixed.source_columns import SourceColumns

pytest.importorskip("pyarrow")
RNG = np.random.default_rng(8)
N = 20_000  # three grains
FRAME = pd.DataFrame({
    "g": RNG.integers(0, 60, N), "h": RNG.integers(0, 9, N), "x": RNG.normal(size=N) * 3 + 1000,
    "f": np.array(list("abc"))[RNG.integers(0, 3, N)], "e": RNG.uniform(0.5, 2.0, N),
})  # fmt: skip
ETA = -1.0 + 0.1 * (FRAME["x"] - 1000.0) + 0.5 * (FRAME["f"] == "b")
ETA += 0.6 * RNG.normal(size=60)[FRAME["g"]] + 0.3 * RNG.normal(size=9)[FRAME["h"]]
FRAME["s"] = np.where(RNG.random(N) < 1.0 / (1.0 + np.exp(-ETA)), "yes", "no")
FRAME["c"] = RNG.poisson(np.exp(ETA) * FRAME["e"])
FRAME["w"] = RNG.gamma(5.0, np.exp(ETA) / 5.0)
FRAME["twice"] = FRAME["x"] * 2.0


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "rows.parquet"
    FRAME.to_parquet(path, row_group_size=9_000)
    return str(path)


CASES = {
    "binomial": ("s ~ x + f + (1 | g)", "binomial", {}),
    "aliased": ("s ~ x + twice + f + (1 | g)", "binomial", {"laplace": "observed"}),
    "slope": ("c ~ I(x - 1000) + (1 + I(x - 1000) | g)", "poisson", {"exposure": "e"}),
    "crossed": ("c ~ f + (1 | g) + (1 | h)", "poisson", {"freq_weights": "h"}),
    "quadrature": ("c ~ 0 + f + (1 | g)", "poisson", {"nagq": 5}),
    "dispersion": ("w ~ f + (1 | g)", fg.families.Gamma("log"), {"offset": "e"}),
    "parameter": ("c ~ f + (1 | g)", "negative_binomial", {}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")
def test_fit_is_that_of_the_rows_in_memory(name, path, monkeypatch):
    # Several windows and pieces.
    monkeypatch.setattr(streamed_generalized, "PIECE_GRAINS", 1)
    formula, family, options = CASES[name]
    ours = fg.mixed(formula, path, family, memory="12MB", **options)
    memory = fg.mixed(formula, FRAME, family, **options)
    assert ours.nobs == memory.nobs
    assert ours.names == memory.names
    assert ours.criterion == pytest.approx(memory.criterion, rel=1e-11)
    errors = memory.standard_errors
    np.testing.assert_allclose(ours.estimates / errors, memory.estimates / errors, atol=1e-6)
    np.testing.assert_allclose(ours.standard_errors, errors, rtol=1e-6)
    np.testing.assert_allclose(ours.theta, memory.theta, rtol=1e-6)
    assert ours.sigma == pytest.approx(memory.sigma, rel=1e-8)
    assert ours.gradient < 1e-5
    for mine, theirs in zip(ours.groups, memory.groups, strict=True):
        assert mine.levels == theirs.levels
        np.testing.assert_allclose(mine.modes, theirs.modes, atol=1e-6)
        np.testing.assert_allclose(mine.variances, theirs.variances, rtol=1e-5)
    new = FRAME.head(50)
    np.testing.assert_allclose(ours.predict(new), memory.predict(new), rtol=1e-7)


def test_fixed_columns_are_read_a_bounded_number_of_times(path, monkeypatch):
    passes = []
    original = SourceColumns._pieces

    def counted(self):
        passes.append(1)
        return original(self)

    monkeypatch.setattr(SourceColumns, "_pieces", counted)
    fg.mixed("s ~ x + f + (1 | g)", path, "binomial")
    assert len(passes) <= 24


def test_rows_without_a_value_are_left_out_or_named(tmp_path):
    rows = FRAME.head(9_000).copy()
    rows.loc[[3, 8_500], "x"] = np.nan
    rows["g"] = rows["g"].astype(float)
    rows.loc[[700, 8_400], "g"] = np.nan
    rows["z"] = rows["e"].where(rows.index != 17)
    rows.to_parquet(tmp_path / "rows.parquet")
    source, formula = str(tmp_path / "rows.parquet"), "s ~ x + (1 + z | g)"
    ours = fg.mixed(formula, source, "binomial", missing="drop")
    memory = fg.mixed(formula, rows, "binomial", missing="drop")
    assert ours.nobs == memory.nobs == 8_995
    assert ours.n_dropped == memory.n_dropped == 5
    np.testing.assert_allclose(ours.estimates, memory.estimates, rtol=1e-7)
    with pytest.raises(DataError, match="row 700 of"):
        fg.mixed("s ~ f + (1 | g)", source, "binomial")


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_a_level_whose_rows_are_all_dropped_is_none(tmp_path, family):
    rows = FRAME.head(600).assign(s=lambda d: d["c"].clip(upper=1), g=lambda d: d["g"] % 12)
    rows.loc[rows["g"] == 4, "x"] = np.nan
    rows.to_parquet(tmp_path / "rows.parquet")
    formula, source = "s ~ x + (1 | g/f)", str(tmp_path / "rows.parquet")
    ours = fg.mixed(formula, source, family, missing="drop")
    memory = fg.mixed(formula, rows, family, missing="drop")
    assert ours.criterion == pytest.approx(memory.criterion, rel=1e-9)
    for name, effects in memory.ranef().items():
        assert list(ours.ranef()[name].index) == list(effects.index)


def test_separated_levels_are_named(tmp_path):
    rows = FRAME.head(9_000).assign(rare=lambda d: np.where(d.index < 12, "r", "o"))
    rows.loc[rows["rare"] == "r", "s"] = "yes"
    rows.to_parquet(tmp_path / "rows.parquet")
    with pytest.warns(fg.errors.SeparationWarning, match="rare"):
        fit = fg.mixed("s ~ rare + (1 | g)", str(tmp_path / "rows.parquet"), "binomial")
    assert fit.infinite == {"rare[T.r]": 1}


def test_what_is_refused(path):
    with pytest.raises(MemoryLimitError, match=r"keeps 36 numbers .* about 0\.006 GB"):
        fg.mixed("s ~ x + (1 | g)", path, "binomial", memory="5MB")
    with pytest.raises(ModelError, match=r"not estimated where rows .* come from a source"):
        fg.mixed("w ~ x + (1 | g)", path, "tweedie")
    with pytest.raises(ModelError, match="need the rows again and again"):
        fg.mixed("w ~ x + (1 | g)", path, "beta")
    fit = fg.mixed("s ~ x + (1 | g)", path, "binomial")
    with pytest.raises(DataError, match="the rows were read from"):
        fit.with_covariance("cluster")
