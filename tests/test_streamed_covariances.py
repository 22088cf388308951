"""Robust covariances of rows that are read a few at a time: those of fits in memory."""

import numpy as np
import pyarrow as pa
import pytest
from streamed_cases import FORMULA, MODELS, SOURCES, N, make_gaps, make_table, write_folder

import fastglm as fg
from fastglm.errors import ColumnNotFoundError, DataError, ModelError


@pytest.fixture(scope="module")
def table():
    return make_table()


@pytest.fixture(scope="module")
def gaps():
    return make_gaps()


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    return write_folder(table, tmp_path_factory.mktemp("rows"))


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3", "HC4", "jackknife"])
@pytest.mark.parametrize("model", ["poisson", "frequencies", "gaussian"])
def test_robust_covariances_take_one_more_pass(cov_type, model, table):
    formula, options = MODELS[model]
    streamed = fg.glm(formula, fg.scan(table), memory="20MB", **options)
    source = streamed.row_source
    before = source.n_passes
    robust = streamed.with_covariance(cov_type)
    assert source.n_passes == before + 1
    whole = fg.glm(formula, table, **options).with_covariance(cov_type)
    np.testing.assert_allclose(robust.bse, np.asarray(whole.bse), rtol=3e-7)


def test_robust_covariances_have_the_same_bits_however_rows_are_read(folder, table):
    found = []
    for name in ("5,000", "one row group", "memory", "batches"):
        source = SOURCES[name](folder, table)
        robust = fg.glm(FORMULA, source, "poisson", memory="20MB", cov_type="HC3")
        found.append(np.asarray(robust.cov_params()).tobytes())
    assert len(set(found)) == 1


@pytest.mark.parametrize("groups", ["g", "year", "h"])
@pytest.mark.parametrize("use_correction", [True, "groups", False])
def test_clusters_take_two_more_passes(groups, use_correction, table):
    table = table.set_column(1, "year", table.column("year").cast(pa.int32()))
    # Of few clusters, variances follow the last digits of the estimates.
    options = {"family": "poisson", "freq_weights": "times", "tol": 1e-11}
    kwds = {"groups": groups, "use_correction": use_correction}
    source = fg.scan(lambda: iter(table.to_batches(max_chunksize=9_000)))
    streamed = fg.glm("claims ~ x + flag", source, **options)
    robust = streamed.with_covariance("cluster", **kwds)
    whole = fg.glm("claims ~ x + flag", table, **options).with_covariance("cluster", **kwds)
    np.testing.assert_allclose(robust.bse, np.asarray(whole.bse), rtol=1e-7)
    assert robust.df_inference == whole.df_inference


def test_clusters_of_rows_with_missing_values(gaps):
    options = {"family": "poisson", "missing": "drop"}
    whole = fg.glm("claims ~ x + g", gaps, **options).with_covariance("cluster", groups="year")
    streamed = fg.glm("claims ~ x + g", fg.scan(gaps), memory="20MB", **options)
    robust = streamed.with_covariance("cluster", groups="year")
    np.testing.assert_allclose(robust.bse, np.asarray(whole.bse), rtol=1e-7)
    with pytest.raises(DataError, match="groups: 'h' has no value in some rows"):
        streamed.with_covariance("cluster", groups="h")


def test_clusters_that_cannot_be(table):
    streamed = fg.glm("claims ~ x", fg.scan(table), "poisson", memory="4MB")
    for groups, error, match in (
        (np.zeros(N, dtype=int), ModelError, "the name of a column"),
        (["g", "h"], ModelError, "the name of a column"),
        ("absent", ColumnNotFoundError, "no column 'absent'"),
        ("w", ModelError, "too little for sums over so many columns, or groups"),
    ):
        with pytest.raises(error, match=match):
            streamed.with_covariance("cluster", groups=groups)
    one = fg.scan(table.append_column("one", pa.array(np.ones(N))))
    with pytest.raises(DataError, match="only one group"):
        fg.glm("claims ~ x", one, "poisson").with_covariance("cluster", groups="one")
