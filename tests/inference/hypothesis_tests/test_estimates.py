from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.inference.hypothesis_tests.estimates import adjusted

FORMULA = "y ~ x * group + C(zone) + offset(log(hours))"


@pytest.mark.parametrize("method", ["none", "bonferroni", "sidak", "holm"])
def test_adjustments_equal_statsmodels(frame, method):
    from statsmodels.stats.multitest import multipletests

    means = fg.glm(FORMULA, frame, "poisson").emmeans("group")
    raw = means.contrasts(adjust="none").pvalues
    expected = raw if method == "none" else multipletests(raw, method=method)[1]
    np.testing.assert_allclose(means.contrasts(adjust=method).pvalues, expected, rtol=1e-9)


def warpbreaks():
    path = Path(__file__).parents[2] / "data" / "reference" / "v_nbfixed_warpbreaks.data.csv.gz"
    return pd.read_csv(path)


def test_tukeys_intervals_are_those_of_r():
    # TukeyHSD(aov(breaks ~ wool + tension, warpbreaks), "tension", ordered = TRUE), as R's page of
    # examples prints it.
    contrasts = fg.glm("breaks ~ wool + tension", warpbreaks()).emmeans("tension").contrasts()
    expected = {
        frozenset("MH"): (4.722222, -4.6311985, 14.07564, 0.4474210),
        frozenset("LH"): (14.722222, 5.3688015, 24.07564, 0.0011218),
        frozenset("LM"): (10.000000, 0.6465793, 19.35342, 0.0336262),
    }
    frame = contrasts.summary_frame()
    assert len(frame) == 3
    for name, row in frame.iterrows():
        sign = np.sign(row["estimate"])
        ends = np.sort(sign * np.array([row["ci_lower"], row["ci_upper"]]))
        pair = frozenset(name.replace("tension=", "").split(" - "))
        ours = (abs(row["estimate"]), *ends, row["P>|t|"])
        np.testing.assert_allclose(ours, expected[pair], atol=2e-5)


@pytest.mark.parametrize("family", ["gaussian", "poisson"])
@pytest.mark.parametrize("method", ["none", "bonferroni", "sidak", "tukey"])
def test_intervals_contain_zero_where_the_pvalue_is_large(frame, method, family):
    """The level at which an interval just reaches zero is the adjusted p-value."""
    contrasts = (
        fg.glm("y ~ x + group + C(zone)", frame, family).emmeans("zone").contrasts(adjust=method)
    )
    for k, pvalue in enumerate(contrasts.pvalues):
        if 1e-12 < pvalue < 1.0:
            ends = contrasts.conf_int(pvalue)[k]
            width = ends[1] - ends[0]
            np.testing.assert_allclose(np.abs(ends).min() / width, 0.0, atol=1e-7)


def test_holms_pvalues_stand_beside_bonferronis_intervals(frame):
    means = fg.glm("y ~ x + C(zone)", frame, "poisson").emmeans("zone")
    holm, bonferroni = (means.contrasts(adjust=name) for name in ("holm", "bonferroni"))
    np.testing.assert_array_equal(holm.conf_int(), bonferroni.conf_int())
    assert "holm (intervals: bonferroni)" in str(holm)


@pytest.mark.parametrize("method", ["none", "bonferroni", "sidak", "holm", "tukey"])
def test_every_way_of_showing_contrasts_names_the_adjustment(frame, method):
    contrasts = fg.glm("y ~ x + C(zone)", frame).emmeans("zone").contrasts(adjust=method)
    table = contrasts.summary_frame()
    assert table["adjustment"].str.startswith(method).all()
    for text in (str(contrasts), contrasts._repr_html_()):
        heading = text.split("\n")[0].split("<thead")[0]
        assert f"p-values and intervals adjusted for their number: {method}" in heading


def test_contrasts_that_are_not_estimable_do_not_count():
    pvalues = np.array([0.01, np.nan, 0.04])
    statistic = np.array([2.6, np.nan, 2.1])
    for method, expected in {
        "bonferroni": [0.02, 0.08],
        "holm": [0.02, 0.04],
        "sidak": [1 - 0.99**2, 1 - 0.96**2],
    }.items():
        ours = adjusted(pvalues, statistic, method, 3, np.inf)
        np.testing.assert_allclose(ours, [expected[0], np.nan, expected[1]])
