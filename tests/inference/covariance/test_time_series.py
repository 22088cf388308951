"""Covariances over time: one series with any kernel, panels, sums of each time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.stats.sandwich_covariance as sw

import fastglm as fg
from fastglm.design.matrix import dense_slices
from fastglm.errors import DataError, ModelError

UNITS, TIMES = 30, 12


@pytest.fixture(scope="module")
def panel() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n = UNITS * TIMES
    x = np.cumsum(rng.normal(size=n)) / 10.0
    frame = pd.DataFrame({"x": x, "z": rng.normal(size=n)})
    frame["unit"] = np.repeat([f"u{i:02d}" for i in rng.permutation(UNITS)], TIMES)
    frame["time"] = np.tile(np.arange(2001, 2001 + TIMES), UNITS)
    return frame.assign(y=rng.poisson(np.exp(0.3 * x + 0.2))).drop(index=[3, 40]).reset_index()


@pytest.fixture(scope="module")
def fit(panel: pd.DataFrame) -> fg.Results:
    return fg.glm("y ~ x + z", panel, family="poisson").fit()


def theirs(panel: pd.DataFrame, cov_type: str, options: dict) -> np.ndarray:
    X = sm.add_constant(panel[["x", "z"]].to_numpy())
    model = sm.GLM(panel.y.to_numpy(), X, sm.families.Poisson())
    return model.fit(cov_type=cov_type, cov_kwds=options, tol=1e-14).cov_params()


def ours(fit: fg.Results, cov_type: str, options: dict) -> np.ndarray:
    return np.asarray(fit.with_covariance(cov_type, **options).cov_params())


def weights_of(kernel: object, n_lags: int) -> np.ndarray:
    if kernel == "bartlett":
        return 1.0 - np.arange(n_lags + 1) / (n_lags + 1.0)
    return np.asarray(kernel(n_lags)) if callable(kernel) else np.ones(n_lags + 1)


def by_hand(fit: fg.Results, panel: pd.DataFrame, kernel: object, n_lags: int, same: object):
    """The sum over all pairs of rows, with the weight of their distance in time."""
    X = sm.add_constant(panel[["x", "z"]].to_numpy())
    scores = X * (panel.y - np.asarray(fit.fittedvalues)).to_numpy()[:, None]
    i = np.arange(len(panel))
    distance = np.abs(i[:, None] - i[None, :])
    weights = np.append(weights_of(kernel, n_lags), 0.0)[np.minimum(distance, n_lags + 1)]
    meat = scores.T @ (weights * (same(panel) if same else 1.0)) @ scores
    back = np.asarray(fit.information_inverse)
    return back @ meat @ back


def parzen(n_lags: int) -> np.ndarray:
    share = np.arange(n_lags + 1) / (n_lags + 1.0)
    return np.where(share <= 0.5, 1.0 - 6.0 * share**2 * (1.0 - share), 2.0 * (1.0 - share) ** 3)


@pytest.mark.parametrize("kernel", ["bartlett", "uniform", parzen])
@pytest.mark.parametrize("n_lags", [0, 1, 4, 40])
def test_one_series_with_any_kernel(fit, panel, kernel, n_lags):
    expected = by_hand(fit, panel, kernel, n_lags, None)
    got = ours(fit, "HAC", {"maxlags": n_lags, "kernel": kernel})
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("kernel", ["bartlett", "uniform", parzen])
@pytest.mark.parametrize("slice_values", [30, 75, 1_000_000])
def test_lags_within_units(fit, panel, kernel, slice_values, monkeypatch):
    monkeypatch.setattr(dense_slices, "SLICE_VALUES", slice_values)
    same = lambda frame: frame.unit.to_numpy()[:, None] == frame.unit.to_numpy()[None, :]  # noqa: E731
    expected = by_hand(fit, panel, kernel, 4, same)
    options = {"maxlags": 4, "kernel": kernel, "use_correction": False}
    for unit in ({"groups": "unit"}, {"groups": panel.unit}, {"time": "time"}):
        got = ours(fit, "hac-panel", options | unit)
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("use_correction", ["hac", "cluster", False])
@pytest.mark.parametrize("kernel", [sw.weights_bartlett, sw.weights_uniform])
def test_panels_equal_statsmodels(fit, panel, kernel, use_correction):
    options = {"maxlags": 3, "use_correction": use_correction}
    for cov_type, rows in (
        ("hac-panel", {"groups": pd.factorize(panel.unit)[0]}),
        ("nw-panel", {"time": panel.time.to_numpy()}),
        ("hac-groupsum", {"time": panel.time.to_numpy() - 2001}),
        ("nw-groupsum", {"time": panel.time.to_numpy() - 2001}),
    ):
        expected = theirs(panel, cov_type, options | rows | {"weights_func": kernel})
        got = ours(fit, cov_type, options | rows | {"kernel": kernel})
        np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-10 * np.abs(expected).max())


def test_times_are_in_their_order_whatever_they_are(fit, panel):
    expected = ours(fit, "hac-groupsum", {"time": panel.time.to_numpy(), "maxlags": 2})
    text = panel.time.astype(str)
    for time in ("time", text, pd.to_datetime(text, format="%Y")):
        got = ours(fit, "hac-groupsum", {"time": time, "maxlags": 2})
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_degrees_of_freedom_of_clusters_can_stay_those_of_the_rows(fit):
    for cov_type, options, n in (
        ("cluster", {"groups": "unit"}, UNITS),
        ("hac-panel", {"groups": "unit"}, UNITS),
        ("hac-groupsum", {"time": "time"}, TIMES),
    ):
        few = fit.with_covariance(cov_type, **options)
        many = fit.with_covariance(cov_type, df_correction=False, **options)
        assert (few.df_inference, many.df_inference) == (n - 1, fit.df_resid)
        np.testing.assert_array_equal(few.cov_params(), many.cov_params())


@pytest.mark.parametrize(
    ("cov_type", "options", "error", "text"),
    [
        ("HAC", {"kernel": "quadratic"}, ModelError, "kernel must be one of"),
        ("HAC", {"kernel": lambda n_lags: [1.0], "maxlags": 3}, ModelError, "4 finite weights"),
        ("HAC", {"maxlags": True}, ModelError, "maxlags"),
        ("hac-panel", {}, ModelError, "groups"),
        ("hac-panel", {"groups": "x"}, ModelError, "maxlags|number of times"),
        ("hac-panel", {"groups": "time"}, DataError, "must follow each other"),
        ("hac-panel", {"groups": np.zeros(358)}, DataError, "two units"),
        ("hac-panel", {"groups": "unit", "use_correction": "HAC"}, ModelError, "use_correction"),
        ("hac-groupsum", {}, ModelError, "time"),
        ("hac-groupsum", {"time": [1, 2]}, DataError, "time has shape"),
        ("hac-groupsum", {"time": np.full(358, np.nan)}, DataError, "no value in row 0"),
    ],
)
def test_what_is_refused(fit, cov_type, options, error, text):
    with pytest.raises(error, match=text):
        fit.with_covariance(cov_type, **({"maxlags": 2} | options))


def test_frequencies_have_no_order(panel):
    fit = fg.glm("y ~ x", panel, family="poisson", freq_weights=np.full(len(panel), 2)).fit()
    for cov_type, options in (
        ("hac-panel", {"groups": "unit"}),
        ("hac-groupsum", {"time": "time"}),
    ):
        with pytest.raises(ModelError, match="freq_weights"):
            fit.with_covariance(cov_type, maxlags=1, **options)
