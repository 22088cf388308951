from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from r_cases import REFERENCE, fit_of, matrix, names_with, read_case, read_table

import fastglm as fg
from fastglm.errors import ColumnNotFoundError, DataError, ModelError
from fastglm.inference.covariance.registry import COVARIANCES
from fastglm.kernels.blocks import row_buffers

SANDWICH = names_with("sandwich")
CLUSTER = names_with("sandwich_cluster")


def relative(a, b):
    """Differences in units of the standard errors."""
    scale = np.sqrt(np.diag(b))
    return np.nanmax(np.abs(a - b) / np.outer(scale, scale))


@pytest.mark.parametrize("name", SANDWICH)
def test_white_covariances_equal_r(name):
    fit, blocks = fit_of(name), read_case(name)["results"]["sandwich"]
    kept = ~np.isnan(fit.estimates)
    for cov_type in ("HC0", "HC1", "HC2", "HC3"):
        expected = matrix(blocks[cov_type])
        if np.isnan(expected).any():  # rows of leverage 1, tested below
            continue
        ours = fit.with_covariance(cov_type).covariance[np.ix_(kept, kept)]
        assert relative(ours, expected) < 1e-7, cov_type


@pytest.mark.parametrize("name", CLUSTER)
def test_clustered_covariances_equal_r(name):
    block = read_case(name)["results"]["sandwich_cluster"]
    header, *rows = read_table(REFERENCE / f"{name}.design.csv.gz")
    groups = np.array([row[header.index("cluster")] for row in rows])
    fit = fit_of(name)
    for use_correction, key in ((False, "nocadjust"), ("groups", "cadjust"), (True, "HC1")):
        expected = matrix(block["HC1_cadjust" if key == "HC1" else f"HC0_{key}"])
        ours = fit.with_covariance("cluster", groups=groups, use_correction=use_correction)
        assert relative(ours.covariance, expected) < 1e-7, key
    assert ours.df_inference == block["n_groups"] - 1


def test_leverage_one_is_an_error_where_residuals_are_divided_by_what_is_left():
    fit = fit_of("v_poi_log_quine_aliased")
    for cov_type in ("HC2", "HC3", "HC4", "jackknife"):
        with pytest.raises(DataError, match="4 rows have leverage 1"):
            fit.with_covariance(cov_type)


def plain(fit):
    """The way back from orthogonal columns, scores on them, and leverages, by QR."""
    X = fit.model.rows.design.to_dense()
    residual, weight = fit.row_values(row_buffers.RESIDUAL, row_buffers.WEIGHT)
    Q, R = np.linalg.qr(X * np.sqrt(weight)[:, None])
    scores = Q / np.sqrt(weight)[:, None] * residual[:, None]
    return np.linalg.inv(R), scores, (Q**2).sum(axis=1)


@pytest.fixture(scope="module")
def mixed():
    """A frame with numeric and categorical columns, counts, groups and an exposure."""
    import pandas as pd

    rng = np.random.default_rng(7)
    n = 700
    frame = pd.DataFrame(
        {
            "x": rng.normal(1e3, 1.0, n),
            "z": rng.uniform(0, 1, n),
            "a": rng.choice(list("uvw"), n),
            "b": rng.choice(list("pqrs"), n),
            "t": rng.uniform(0.5, 2.0, n),
        }
    )
    frame["y"] = rng.poisson(frame.t * np.exp(0.3 * (frame.x - 1e3) + frame.z * (frame.a == "u")))
    frame["f"] = rng.integers(1, 4, n)
    frame["g"] = rng.integers(0, 40, n)
    frame["h"] = rng.integers(0, 9, n)
    return frame


@pytest.fixture(scope="module")
def fit(mixed):
    return fg.glm("y ~ x + z * a + a:b", mixed, "poisson", exposure="t")


@pytest.mark.parametrize(("cov_type", "power"), [("HC0", 0), ("HC2", 1), ("HC3", 2), ("HC4", None)])
def test_white_covariances_equal_their_definition(fit, cov_type, power):
    back, scores, leverage = plain(fit)
    if power is None:
        power = np.minimum(4.0, leverage / leverage.mean())
    weighted = scores / (1.0 - leverage[:, None]) ** (np.reshape(power, (-1, 1)) / 2.0)
    expected = back @ (weighted.T @ weighted) @ back.T
    assert relative(fit.with_covariance(cov_type).covariance, expected) < 1e-9


def test_hc1_is_hc0_with_degrees_of_freedom(fit):
    hc0, hc1 = (fit.with_covariance(c).covariance for c in ("HC0", "HC1"))
    np.testing.assert_allclose(hc1, hc0 * fit.nobs / fit.df_resid, rtol=1e-12)


def test_two_ways_of_clustering_combine_by_inclusion_and_exclusion(fit, mixed):
    back, scores, _ = plain(fit)

    def one_way(groups):
        sums = np.array([scores[groups == g].sum(axis=0) for g in np.unique(groups)])
        return len(sums) / (len(sums) - 1) * back @ (sums.T @ sums) @ back.T

    g, h = mixed.g.to_numpy(), mixed.h.to_numpy()
    expected = one_way(g) + one_way(h) - one_way(100 * g + h)
    ours = fit.with_covariance("cluster", groups=(g, h), use_correction="groups")
    assert relative(ours.covariance, expected) < 1e-9
    assert ours.df_inference == 8
    columns = fit.with_covariance("cluster", groups=mixed[["g", "h"]], use_correction="groups")
    np.testing.assert_array_equal(ours.covariance, columns.covariance)


def test_every_row_its_own_cluster_is_hc0(fit):
    own = fit.with_covariance("cluster", groups=np.arange(700), use_correction=False)
    assert relative(own.covariance, fit.with_covariance("HC0").covariance) < 1e-12


def test_clusters_may_be_columns_of_the_frame(mixed):
    gaps = mixed.assign(x=mixed["x"].where(mixed.index % 9 > 0))
    fit = fg.glm("y ~ x + z", gaps, "poisson", missing="drop")
    kept = gaps[gaps["x"].notna()]
    for name in ("g", "a"):
        by_name = fit.with_covariance("cluster", groups=name).covariance
        by_array = fit.with_covariance("cluster", groups=kept[name]).covariance
        np.testing.assert_array_equal(by_name, by_array)
    both = fit.with_covariance("cluster", groups=("g", "h")).covariance
    arrays = fit.with_covariance("cluster", groups=(kept["g"], kept["h"])).covariance
    np.testing.assert_array_equal(both, arrays)
    draws = [fit.bootstrap(5, seed=1, groups=each).replicates for each in ("g", kept["g"])]
    np.testing.assert_array_equal(*draws)
    with pytest.raises(ColumnNotFoundError, match="'gg'"):
        fit.with_covariance("cluster", groups="gg")
    with pytest.raises(DataError, match="no value in row 0"):
        fg.glm("y ~ z", gaps, "poisson").with_covariance("cluster", groups="x")
    with pytest.raises(ModelError, match="as arrays"):
        fg.GLM(kept["y"], kept[["z"]], "poisson").fit().with_covariance("cluster", groups="g")
    beta = fg.ZeroInflated(kept["y"], kept[["z"]]).fit()
    with pytest.raises(ModelError, match="as arrays"):
        beta.with_covariance("cluster", groups="g")


def test_clusters_by_name_or_number_are_the_same(fit, mixed):
    numbers = fit.with_covariance("cluster", groups=mixed.g)
    names = fit.with_covariance("cluster", groups=("firm " + mixed.g.astype(str)).to_numpy())
    # In another order, to rounding.
    np.testing.assert_allclose(numbers.covariance, names.covariance, rtol=1e-11)


@pytest.mark.parametrize("maxlags", [0, 1, 5, 30])
def test_newey_west_equals_the_sum_over_lags(fit, maxlags):
    back, scores, _ = plain(fit)
    meat = scores.T @ scores
    for lag in range(1, maxlags + 1):
        gamma = scores[lag:].T @ scores[:-lag]
        meat += (1.0 - lag / (maxlags + 1.0)) * (gamma + gamma.T)
    ours = fit.with_covariance("HAC", maxlags=maxlags)
    assert relative(ours.covariance, back @ meat @ back.T) < 1e-9


def test_lags_are_whole_numbers(fit):
    with pytest.raises(ModelError, match="whole number"):
        fit.with_covariance("HAC", maxlags=2.5)


@pytest.mark.parametrize("maxlags", [3, 255, 256, 700])
def test_newey_west_in_many_blocks_and_chunks(maxlags):
    rng = np.random.default_rng(8)
    n = 20_001
    level = rng.integers(0, 40, n)
    x = np.cumsum(rng.normal(size=n)) / 50.0
    frame = pd.DataFrame({"x": x, "a": level.astype(str), "y": rng.poisson(np.exp(0.1 * x))})
    fit = fg.glm("y ~ x + a", frame, "poisson")
    names = [f"a[T.{one}]" for one in sorted(set(frame.a))[1:]]
    X = np.column_stack([np.ones(n), x, *(frame.a == name[4:-1] for name in names)])
    assert list(fit.names) == ["Intercept", "x", *names]
    scores = X * (frame.y - fit.fittedvalues).to_numpy()[:, None]
    padded = np.concatenate([np.zeros((maxlags + 1, 41)), scores, np.zeros((maxlags, 41))])
    total = np.cumsum(padded, axis=0)
    windows = total[maxlags + 1 :] - total[: -maxlags - 1]
    back = fit.information_inverse
    expected = back @ (windows.T @ windows / (maxlags + 1.0)) @ back
    for n_threads in (1, 2):
        one = fg.GLM.from_formula("y ~ x + a", frame, "poisson").fit(n_threads=n_threads)
        ours = one.with_covariance("HAC", maxlags=maxlags).covariance
        assert relative(ours, expected) < 1e-9


def test_covariances_equal_statsmodels(mixed):
    X = np.column_stack([np.ones(700), mixed.x - 1e3, mixed.z])
    ours = fg.GLM(mixed.y.to_numpy(), X, "poisson").fit()
    theirs = sm.GLM(mixed.y.to_numpy(), X, sm.families.Poisson())
    for cov_type, options in (
        ("HC0", {}),
        ("cluster", {"groups": mixed.g.to_numpy()}),
        ("cluster", {"groups": mixed[["g", "h"]].to_numpy()}),
        ("HAC", {"maxlags": 4}),
        ("HAC", {"maxlags": 4, "use_correction": True}),
    ):
        expected = theirs.fit(cov_type=cov_type, cov_kwds=dict(options), tol=1e-14).cov_params()
        assert relative(ours.with_covariance(cov_type, **options).covariance, expected) < 1e-8


def test_the_jackknife_of_a_linear_model_leaves_each_row_out():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(30), rng.normal(size=(30, 2))])
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=30)
    without = np.array(
        [np.linalg.lstsq(np.delete(X, i, 0), np.delete(y, i), rcond=None)[0] for i in range(30)]
    )
    away = without - without.mean(axis=0)
    expected = 29 / 30 * away.T @ away
    ours = fg.GLM(y, X).fit(cov_type="jackknife")
    np.testing.assert_allclose(ours.covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3", "HC4", "jackknife"])
def test_frequencies_are_repeated_rows(mixed, cov_type):
    counted = fg.glm("y ~ x + z + a", mixed, "poisson", freq_weights="f")
    repeated = fg.glm("y ~ x + z + a", mixed.loc[mixed.index.repeat(mixed.f)], "poisson")
    ours, expected = (f.with_covariance(cov_type).covariance for f in (counted, repeated))
    assert relative(ours, expected) < 1e-9


def test_frequencies_are_repeated_rows_in_clusters(mixed):
    repeated_frame = mixed.loc[mixed.index.repeat(mixed.f)]
    counted = fg.glm("y ~ x + z + a", mixed, "poisson", freq_weights="f")
    repeated = fg.glm("y ~ x + z + a", repeated_frame, "poisson")
    ours = counted.with_covariance("cluster", groups=mixed.g).covariance
    expected = repeated.with_covariance("cluster", groups=repeated_frame.g).covariance
    assert relative(ours, expected) < 1e-9


@given(shift=st.floats(-1e5, 1e5), scale=st.floats(1e-3, 1e3))
def test_moving_and_scaling_a_column_moves_nothing_else(shift, scale):
    rng = np.random.default_rng(11)
    x, y = rng.normal(size=200), rng.poisson(3.0, 200)
    fits = [
        fg.GLM(y, np.column_stack([np.ones(200), v]), "poisson").fit()
        for v in (x, (x + shift) * scale)
    ]
    for cov_type in ("HC1", "HC3"):
        plain_se, moved_se = (f.with_covariance(cov_type).bse[1] for f in fits)
        np.testing.assert_allclose(moved_se * scale, plain_se, rtol=1e-7)


def test_threads_and_chunks_do_not_change_a_digit():
    rng = np.random.default_rng(5)
    X = np.column_stack([np.ones(40_000), rng.normal(size=(40_000, 6))])
    y = rng.poisson(np.exp(0.1 * X.sum(axis=1)))
    groups = rng.integers(0, 50, 40_000)
    fits = [fg.GLM(y, X, "poisson").fit(n_threads=k) for k in (1, 2)]
    for cov_type, options in (("HC0", {}), ("HC3", {}), ("cluster", {"groups": groups})):
        one, two = (f.with_covariance(cov_type, **options).covariance for f in fits)
        np.testing.assert_array_equal(one, two)


def test_groups_that_come_late_and_numbers_that_no_row_has():
    """Groups of consecutive rows: those that come first do not tell which there are."""
    rng = np.random.default_rng(8)
    n = 150_000
    x, y = rng.normal(size=n), rng.poisson(2.0, n)
    fit = fg.GLM(y, np.column_stack([np.ones(n), x]), "poisson").fit()
    consecutive = np.arange(n) // 1000
    expected = fit.with_covariance("cluster", groups=consecutive.astype(str)).covariance
    for groups in (consecutive, 3 * consecutive, consecutive - 70):
        ours = fit.with_covariance("cluster", groups=groups).covariance
        np.testing.assert_array_equal(ours, expected)


def test_sparse_columns():
    import scipy.sparse

    rng = np.random.default_rng(6)
    dense = rng.normal(size=(300, 5)) * (rng.random((300, 5)) < 0.3)
    y = rng.poisson(2.0, 300)
    fits = [fg.GLM(y, X, "poisson").fit() for X in (dense, scipy.sparse.csr_matrix(dense))]
    for cov_type, options in (
        ("HC3", {}),
        ("cluster", {"groups": np.arange(300) % 17}),
        ("HAC", {"maxlags": 2}),
    ):
        one, two = (f.with_covariance(cov_type, **options).covariance for f in fits)
        assert relative(one, two) < 1e-12


def test_chosen_at_fit_and_shown_in_the_summary(mixed):
    X = np.column_stack([np.ones(700), mixed.z])
    model = fg.GLM(mixed.y.to_numpy(), X, "poisson")
    chosen = model.fit(cov_type="cluster", cov_kwds={"groups": mixed.g})
    later = model.fit().with_covariance("cluster", groups=mixed.g)
    np.testing.assert_array_equal(chosen.bse, later.bse)
    assert "cluster" in str(chosen.summary())
    np.testing.assert_array_equal(chosen.with_covariance("nonrobust").bse, model.fit().bse)


def test_few_clusters_have_wide_intervals(mixed):
    X = np.column_stack([np.ones(700), mixed.z])
    fit = fg.GLM(mixed.y.to_numpy(), X, "poisson").fit(
        use_t=True, cov_type="cluster", cov_kwds={"groups": mixed.h}
    )
    half = np.diff(fit.conf_int())[:, 0] / 2
    np.testing.assert_allclose(half / fit.bse, 2.306004135204166, rtol=1e-12)  # t(8), tables


@pytest.mark.parametrize(
    ("cov_type", "options", "error", "text"),
    [
        ("HC9", {}, ModelError, "cov_type must be one of"),
        ("HC3", {"groups": 1}, ModelError, "does not take.* Give cov_type='cluster'"),
        ("cluster", {}, ModelError, "groups"),
        ("cluster", {"groups": [1, 2]}, DataError, "one group for each of the 700 rows"),
        ("cluster", {"groups": np.ones(700)}, DataError, "only one group"),
        ("cluster", {"groups": np.r_[np.nan, np.ones(699)]}, DataError, "no value in row 0"),
        ("cluster", {"groups": np.arange(700), "use_correction": 3}, ModelError, "use_correction"),
        ("HAC", {"maxlags": -1}, ModelError, "maxlags"),
    ],
)
def test_bad_options_have_one_clear_error(fit, cov_type, options, error, text):
    with pytest.raises(error, match=text):
        fit.with_covariance(cov_type, **options)


def test_options_without_their_covariance_are_never_dropped(mixed):
    kwds = {"cov_kwds": {"groups": "h"}}
    match = "'nonrobust' does not take.* Give cov_type='cluster'"
    model = fg.GLM.from_formula("y ~ z", mixed, "poisson")
    ordered = fg.OrderedModel.from_formula("h ~ z", mixed)
    for each in (model, ordered):
        with pytest.raises(ModelError, match=match):
            each.fit(**kwds)
    with pytest.raises(ModelError, match=match):
        fg.glm("y ~ z", fg.scan(mixed[["y", "z"]]), "poisson", **kwds)
    with pytest.raises(ModelError, match=match):
        model.fit_constrained("z = 0", **kwds)


def test_every_covariance_is_symmetric_and_positive(fit, mixed):
    needs = {
        "cluster": {"groups": mixed.g},
        "hac-panel": {"time": mixed.index % 20},
        "nw-panel": {"time": mixed.index % 20},
        "hac-groupsum": {"time": mixed.index // 7},
        "nw-groupsum": {"time": mixed.index // 7},
    }
    for cov_type in COVARIANCES:
        matrix = fit.with_covariance(cov_type, **needs.get(cov_type, {})).covariance
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-12, err_msg=cov_type)
        assert np.linalg.eigvalsh(matrix / np.sqrt(np.outer(*[np.diag(matrix)] * 2))).min() > 0


def test_a_saved_fit_keeps_its_covariance(fit, mixed, tmp_path):
    robust = fit.with_covariance("cluster", groups=mixed.g)
    robust.save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(loaded.bse, robust.bse)
    assert loaded.cov_type == "cluster"
    assert loaded.df_inference == 39
    with pytest.raises(DataError, match="without the data"):
        loaded.with_covariance("HC3")


def test_corrections_need_residual_degrees_of_freedom():
    saturated = fg.GLM([1.0, 3.0, 2.0], np.eye(3), "poisson").fit()
    for cov_type, options in (("HC1", {}), ("cluster", {"groups": [1, 2, 3]})):
        with pytest.raises(DataError, match="3 observations for 3 coefficients"):
            saturated.with_covariance(cov_type, **options)


@pytest.mark.parametrize("offset", [0, -128, 2**40, 2**63 + 5])
def test_groups_of_whole_numbers_of_any_type_and_place(fit, mixed, offset):
    codes = np.unique(mixed.g, return_inverse=True)[1] * 3 % 251
    kind = {0: np.uint8, -128: np.int8, 2**40: np.int64, 2**63 + 5: np.uint64}[offset]
    moved = np.array([int(code) + offset for code in codes], dtype=object).astype(kind)
    assert len(np.unique(moved)) == mixed.g.nunique()
    expected = fit.with_covariance("cluster", groups=moved.astype(str)).covariance
    ours = fit.with_covariance("cluster", groups=moved).covariance
    np.testing.assert_allclose(ours, expected, rtol=1e-12)
    if offset < 2**53:
        far = fit.with_covariance("cluster", groups=moved.astype(np.float64)).covariance
        np.testing.assert_allclose(far, expected, rtol=1e-12)


def test_groups_of_every_type_are_the_same(fit, mixed):
    numbers = np.random.default_rng(8).integers(0, 12, len(mixed))
    text = pd.Series([f"firm {k}" for k in numbers])
    expected = fit.with_covariance("cluster", groups=numbers).covariance
    unused = pd.Categorical(text, categories=[*sorted(set(text)), "none"])
    kinds = text, text.astype("string"), unused, pd.Series(unused), text.to_numpy().astype(str)
    for groups in (*kinds, pd.array(numbers, dtype="Int64"), text.astype("category")):
        found = fit.with_covariance("cluster", groups=groups).covariance
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    for groups in (unused, pd.array(text, dtype="string"), pd.array(numbers, dtype="Int64")):
        missing = groups.copy()
        missing[5] = pd.NA if groups is not unused else np.nan
        with pytest.raises(DataError, match="groups has no value in row 5;"):
            fit.with_covariance("cluster", groups=missing)


def test_groups_without_weight_do_not_count():
    rng = np.random.default_rng(8)
    n = 90
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.poisson(np.exp(X @ [0.3, 0.4])).astype(float)
    one, other = rng.integers(0, 9, n), rng.integers(0, 6, n)
    weights = (rng.random(n) < 0.7).astype(float)
    one[weights == 0.0] += rng.integers(0, 2, int(np.sum(weights == 0.0))) * 50
    seen = weights > 0.0
    kept = fg.GLM(y[seen], X[seen], "poisson").fit()
    for name in ("var_weights", "freq_weights"):
        fit = fg.GLM(y, X, "poisson", **{name: weights}).fit()
        for groups in (one, np.column_stack([one, other])):
            ours = fit.with_covariance("cluster", groups=groups)
            expected = kept.with_covariance("cluster", groups=groups[seen])
            np.testing.assert_allclose(ours.cov_params(), expected.cov_params(), rtol=1e-8)
            assert ours.df_inference == expected.df_inference
        with pytest.raises(DataError, match="only one group"):
            fit.with_covariance("cluster", groups=np.where(seen, "a", "b"))
