"""Unbalanced small data with singletons against lme4 1.1-31 and glmmTMB 1.1.5.

Weights, offsets, nested and crossed factors, slopes of factors, interactions of grouping factors,
and covariances of one correlation.
"""

import gzip
import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from mixed_cases import DATA

import fastglm as fg

CASES = {
    "lin_w_off@1": ("y1 ~ x + z + f + (1 + z | g)", {"weights": "w", "offset": "o"}),
    "lin_crossnest@1": ("y2 ~ z + f + (1 | a/b) + (1 | c)", {"reml": False}),
    "lin_fslope2@1": ("y3 ~ z + f + (f | g)", {"reml": False}),
    "lin_inter@1": ("y2 ~ z + f + (1 | a:b) + (1 | a:c)", {}),
    "probit@1": (
        "cbind(succ, size - succ) ~ z + f + (1 | a:b) + (1 | c)",
        {"family": "binomial", "link": "probit", "offset": "o"},
    ),
    "poi_cs@1": ("poi ~ z + cs(0 + f | g)", {"family": "poisson"}),
    "poi_ar1@1": ("poi4 ~ z + ar1(0 + t | g)", {"family": "poisson"}),
    "tweedie@1": ("tw ~ z + f + (1 | g) + offset(o)", {"family": "tweedie"}),
    "betaw@1": ("beta ~ z + (1 | c)", {"family": "beta", "link": "probit", "weights": "size"}),
    "nb@2": ("nb ~ z + f + (z | g)", {"family": "negative_binomial", "offset": "o"}),
}
#: How many times wider the limits are where glmmTMB ends above the optimum: by 1e-10 and 2e-9, of
#: which the square roots, 1e-5 and 5e-5, are what its estimates may be away in standard errors.
WIDER = {"poi_cs@1": 2.0, "nb@2": 4.0}


@cache
def answers():
    return json.loads(gzip.decompress((DATA / "odd_shapes.json.gz").read_bytes()))


@pytest.mark.parametrize("name", CASES)
def test_optimum_of_r(name):
    frame = pd.DataFrame(answers()["frames"][name[-1]])
    factors = [column for column in "gabcft" if column in frame]
    frame[factors] = frame[factors].astype(str).astype("category")
    formula, options = CASES[name]
    if options.get("family") == "tweedie":
        options = {"family": fg.families.Tweedie(link=fg.families.links.Log())}
    fit = fg.mixed(formula, frame, **options)
    answer = answers()["fits"][name]
    assert fit.converged
    assert fit.gradient < 1e-6
    assert fit.criterion == pytest.approx(answer["crit"], abs=1e-6)
    error = np.array(answer["se"])
    k = error.size
    np.testing.assert_allclose((fit.params[:k] - answer["beta"]) / error, 0.0, atol=1e-5)
    np.testing.assert_allclose(fit.bse[:k], error, rtol=1e-5)
    wider = WIDER.get(name, 1.0)
    found = fit.predict(frame.head(8), which="linear")
    np.testing.assert_allclose(found, answer["fit"], rtol=0.0, atol=1e-6 * wider)
    deviations = [c.sd for c in fit.components if not c.term2 and c.group != "Residual"]
    expected = np.atleast_1d(answer["sd"])
    np.testing.assert_allclose(np.sort(deviations), np.sort(expected), rtol=1e-5 * wider)
