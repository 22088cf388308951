from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fastglm as fg
from fastglm.errors import ModelError

FORMULA = "y ~ x * group + C(zone) + offset(log(hours))"


def test_marginal_means_of_one_factor_are_tukeys(frame):
    groups = [np.log(frame.y + 1.0)[frame.group == g] for g in "abc"]
    fit = fg.glm("v ~ group", frame.assign(v=np.log(frame.y + 1.0)))
    means = fit.emmeans("group")
    np.testing.assert_allclose(means.estimate, [g.mean() for g in groups], rtol=1e-10)
    theirs = stats.tukey_hsd(*groups)
    ours = means.contrasts()
    pairs = [(0, 1), (0, 2), (1, 2)]
    np.testing.assert_allclose(ours.pvalues, [theirs.pvalue[p] for p in pairs], rtol=1e-6)
    np.testing.assert_allclose(ours.estimate, [theirs.statistic[p] for p in pairs], rtol=1e-9)


def test_marginal_means_average_the_grid_with_equal_weights(frame):
    fit = fg.glm(FORMULA, frame, "poisson")
    means = fit.emmeans("group", at={"x": 1.5})
    grid = pd.DataFrame(
        [(g, z, 1.5, frame.hours.mean()) for g in "abc" for z in (1, 2, 3)],
        columns=["group", "zone", "x", "hours"],
    )
    eta = fit.predict(grid, which="linear").to_numpy()
    np.testing.assert_allclose(means.estimate, eta.reshape(3, 3).mean(axis=1), rtol=1e-10)
    table = means.summary_frame()
    np.testing.assert_allclose(table["response"], np.exp(means.estimate))
    assert (table["response_lower"] < table["response"]).all()
    assert fit.emmeans(["group", "zone"]).names[1] == "group=a, zone=2"


def test_contrasts_by_name_and_by_method(frame):
    means = fg.glm(FORMULA, frame, "poisson").emmeans("group")
    ours = means.contrasts({"a - mean of others": [1, -0.5, -0.5]}, adjust="holm")
    assert ours.estimate[0] == pytest.approx(means.estimate @ [1, -0.5, -0.5])
    control = means.contrasts("trt.vs.ctrl", adjust="sidak")
    np.testing.assert_allclose(control.estimate, means.estimate[1:] - means.estimate[0])
    effects = means.contrasts("eff", adjust="none")
    np.testing.assert_allclose(effects.estimate, means.estimate - means.estimate.mean())
    for method, adjust in (
        ("all", "none"),
        ("eff", "tukey"),
        ("pairwise", "most"),
        ({"c": [1]}, "holm"),
    ):
        with pytest.raises(ModelError):
            means.contrasts(method, adjust)


def test_offsets_follow_the_grid():
    # The insurance claims of the vignette of R's package emmeans, with the numbers it prints.
    claims = pd.DataFrame(
        {
            "n": [500, 1200, 100, 400, 500, 300],
            "size": list("SML") * 2,
            "age": list("111222"),
            "claims": [42, 37, 1, 101, 73, 14],
        }
    )
    fit = fg.glm("claims ~ size + age + offset(log(n))", claims, "poisson")
    table = fit.emmeans("size").summary_frame().loc[["size=S", "size=M", "size=L"]]
    np.testing.assert_allclose(table["response"], [69.3, 34.6, 11.9], atol=0.05)
    np.testing.assert_allclose(table["response_lower"], [58.03, 28.67, 7.07], atol=0.005)
    np.testing.assert_allclose(table["response_upper"], [82.7, 41.9, 19.9], atol=0.05)
    rates = fit.emmeans("size", at={"n": 1.0}).summary_frame().loc[table.index]
    np.testing.assert_allclose(rates["response"], [0.1385, 0.0693, 0.0237], atol=5e-5)
    # An offset given beside the formula has nothing to follow: its mean stays.
    beside = fg.glm("claims ~ size + age", claims, "poisson", exposure="n").emmeans("size")
    means = beside.summary_frame().loc[table.index, "response"]
    np.testing.assert_allclose(means, rates["response"] * np.exp(np.log(claims.n).mean()))


def test_marginal_means_of_counted_rows_are_those_of_repeated_rows(frame):
    times = np.random.default_rng(1).integers(0, 4, len(frame))
    formula = "y ~ x * group"
    counted = fg.glm(formula, frame, "poisson", freq_weights=times, offset=frame.hours / 5.0)
    rows = frame.loc[frame.index.repeat(times)]
    repeated = fg.glm(formula, rows, "poisson", offset=rows.hours / 5.0)
    ours, theirs = counted.emmeans("group"), repeated.emmeans("group")
    np.testing.assert_allclose(ours.estimate, theirs.estimate, rtol=1e-6)
    np.testing.assert_allclose(ours.standard_error, theirs.standard_error, rtol=1e-6)


def test_contrasts_that_are_not_all_pairs_have_an_adjustment_of_their_own(frame):
    means = fg.glm("y ~ group", frame, "poisson").emmeans("group")
    for method in ("trt.vs.ctrl", "eff", {"a - b": [1, -1, 0]}):
        found, wanted = means.contrasts(method), means.contrasts(method, adjust="sidak")
        np.testing.assert_array_equal(found.pvalues, wanted.pvalues)
        assert found.adjustment == "sidak"
    assert means.contrasts().adjustment == "tukey"


def test_names_of_values_have_rs_digits(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    assert fit.emmeans("x").names == (f"x={frame.x.mean():.7g}",)
    assert fit.emmeans("x", at={"x": [1.0, 0.25]}).names == ("x=1", "x=0.25")
