"""Separated levels of streamed rows: named at once, with the numbers of a fit in memory."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.solve import streamed_levels

N = 60_000


def make_table() -> pa.Table:
    rng = np.random.default_rng(5)
    codes, other = rng.integers(0, 20, N), rng.integers(0, 4, N)
    codes[-1] = 3
    x, z = rng.normal(30.0, 1.0, N), rng.normal(size=N)
    eta = 0.4 * (x - 30.0) - 0.2 * z + 0.05 * codes
    binary = (rng.random(N) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    counts = rng.poisson(np.exp(0.5 * eta)).astype(float)
    binary[codes == 7], binary[codes == 9], counts[codes == 7], counts[codes == 11] = 0, 1, 0, 0
    binary[(codes == 5) & (other == 2)] = 1.0
    names = np.array([f"g{k:02d}" for k in range(20)])
    # One level has its only event in the last row of all.
    rare = np.where(rng.random(N) < 0.001, "rare", "usual")
    rare[-1], counts[rare == "rare"], counts[-1] = "rare", 0.0, 2.0
    gaps = np.where(rng.random(N) < 0.02, np.nan, z)
    return pa.table(
        {
            "x": x, "z": z, "binary": binary, "counts": counts, "g": names[codes],
            "h": names[other], "rare": rare, "w": rng.integers(0, 4, N), "gaps": gaps,
            "t": rng.uniform(0.5, 2.0, N), "lost": 5.0 - binary, "hit": 3.0 * binary,
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def table():
    return make_table()


CASES = {
    "binary": ("binary ~ x + g", {"family": "binomial"}),
    "cells": ("binary ~ x + g:h - 1", {"family": "binomial"}),
    "counts": ("counts ~ z + g + rare", {"family": "poisson", "exposure": "t"}),
    "offset": ("counts ~ z + C(g) + offset(log(t))", {"family": "quasipoisson"}),
    "weights": ("counts ~ z + g", {"family": "poisson", "freq_weights": "w"}),
    "gaps": ("counts ~ gaps + g", {"family": "poisson", "missing": "drop"}),
    "declared": ("counts ~ z + C(g, levels=GIVEN)", {"family": "poisson"}),
    "reference": ("binary ~ x + C(g, levels=FIRST)", {"family": "binomial"}),
    "reference and gaps": (
        "counts ~ gaps + h + C(g, levels=FIRST)",
        {"family": "poisson", "missing": "drop", "exposure": "t", "freq_weights": "w"},
    ),
    "gamma": ("counts ~ z + g", {"family": fg.families.NegativeBinomial(alpha=0.3)}),
}
GIVEN = [f"g{k:02d}" for k in reversed(range(20))]
#: The reference has no events.
FIRST = ["g07", *(name for name in GIVEN if name != "g07")]


def fitted(formula, data, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        formula = formula.replace("GIVEN", repr(GIVEN)).replace("FIRST", repr(FIRST))
        found = fg.glm(formula, data, **options)
    return found, [(w.category, str(w.message).partition(" Leave ")[0]) for w in caught]


@pytest.mark.parametrize("case", CASES)
def test_the_numbers_and_names_are_those_of_a_fit_in_memory(case, table):
    formula, options = CASES[case]
    whole, told = fitted(formula, table, **options)
    streamed, said = fitted(formula, fg.scan(table), memory="100MB", **options)
    assert whole.infinite
    assert streamed.infinite == whole.infinite
    assert streamed.n_separated == whole.n_separated
    assert streamed.converged
    assert [kind for kind, _ in said] == [fg.errors.SeparationWarning]
    assert told[0][1].startswith(said[0][1])
    # One that brings the separated rows, and those of the fit itself.
    assert streamed.n_passes <= 5
    bse = np.asarray(whole.bse)
    np.testing.assert_allclose((streamed.params - np.asarray(whole.params)) / bse, 0, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, bse, rtol=1e-7)
    np.testing.assert_allclose(streamed.cov_params(), whole.cov_params(), rtol=1e-6, atol=1e-10)
    for name in ("deviance", "pearson_chi2", "llf", "null_deviance", "nobs", "df_resid"):
        wanted = getattr(whole, name)
        assert getattr(streamed, name) == pytest.approx(wanted, rel=1e-7, nan_ok=True), name


def test_the_same_bits_however_rows_are_cut(table):
    formula, options = CASES["counts"]
    found = set()
    for rows in (5_000, 9_000, N):
        source = fg.scan(lambda rows=rows: iter(table.to_batches(max_chunksize=rows)))
        streamed, _ = fitted(formula, source, **options)
        found.add(streamed.estimates.tobytes() + np.asarray(streamed.cov_params()).tobytes())
    assert len(found) == 1


def test_an_event_in_the_last_row_is_seen(table):
    streamed, said = fitted("counts ~ z + rare", fg.scan(table), family="poisson")
    assert not said
    assert not streamed.infinite
    assert streamed.estimates[-1] > -15.0


def test_other_separation_is_found_where_rows_fit_into_memory(tmp_path):
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 12_000))
    far = np.where(z > 2.0, z - 2.0, 0.0)
    y = np.where(far > 0.0, 1.0, rng.random(12_000) < 1.0 / (1.0 + np.exp(-x))).astype(float)
    table = pa.table({"x": x, "far": far, "y": y})
    whole, told = fitted("y ~ x + far", table, family="binomial")
    saved = tmp_path / "fit.ckpt"
    streamed, said = fitted("y ~ x + far", fg.scan(table), family="binomial", checkpoint=saved)
    assert streamed.infinite == whole.infinite == {"far": 1}
    assert streamed.n_separated == whole.n_separated == (far > 0.0).sum()
    assert said == told
    np.testing.assert_array_equal(streamed.estimates, whole.estimates)
    assert not saved.exists()
    # Not in memory, only signs of it are seen.
    streamed, said = fitted("y ~ x + far", fg.scan(table), family="binomial", memory="300KB")
    assert not streamed.model.rows.fits
    assert "far go on growing" in said[0][1]


def test_separation_that_is_ignored_is_not_looked_for(table):
    options = {"family": "binomial", "separation": "ignore"}
    streamed, said = fitted("binary ~ x + g", fg.scan(table), **options)
    assert not streamed.infinite
    assert fg.errors.SeparationWarning not in [kind for kind, _ in said]


def test_rows_beside_which_nothing_has_a_maximum_are_fitted_whole(table):
    # Without the rows of g07 its products with x have nothing to be estimated from.
    options = {"family": "binomial", "max_iter": 20, "memory": "900KB"}
    streamed, said = fitted("binary ~ x * g", fg.scan(table), **options)
    assert not streamed.model.rows.fits
    assert not streamed.infinite
    assert fg.errors.SeparationWarning in [kind for kind, _ in said]
    assert "go on growing" in said[0][1]


@pytest.mark.parametrize("guard", ["looks_separated", "MOST_VALUES"])
def test_levels_beside_which_the_rest_is_in_doubt_are_fitted_in_memory(guard, table, monkeypatch):
    small, options = table.slice(0, 6_000), {"family": "binomial"}
    whole, _ = fitted("binary ~ x + g", small, **options)
    beside, _ = fitted("binary ~ x + g", fg.scan(small), **options)
    assert beside.n_passes > 0
    asked = []
    doubtful = 10 if guard == "MOST_VALUES" else lambda *given: asked.append(given) or True
    monkeypatch.setattr(streamed_levels, guard, doubtful)
    streamed, _ = fitted("binary ~ x + g", fg.scan(small), **options)
    assert bool(asked) == (guard == "looks_separated")
    assert streamed.infinite == whole.infinite
    np.testing.assert_array_equal(streamed.estimates, whole.estimates)
    assert (beside.estimates != whole.estimates).any()
