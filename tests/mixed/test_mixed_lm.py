"""`MixedLM` in the place of statsmodels' class: its tests, examples and spellings."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.regression import mixed_linear_model

import fastglm as fg
from fastglm.errors import ModelError

PASTES = Path(mixed_linear_model.__file__).parent / "tests" / "results" / "pastes.csv"


def nested(n_groups=12, seed=2):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(n_groups), 12)
    item = np.tile(np.repeat(np.arange(4), 3), n_groups)
    data = pd.DataFrame({"g": g, "item": item, "x": rng.normal(size=g.size).round(3)})
    data["k"] = np.tile(np.arange(12), n_groups) % 5
    y = 1.0 + 0.5 * data["x"] + rng.normal(size=n_groups)[g] + rng.normal(size=g.size)
    data["y"] = y + 1.5 * rng.normal(size=(n_groups, 4))[g, item]
    return data.assign(y=data["y"] + 0.4 * rng.normal(size=n_groups)[g] * data["k"])


CALLS = {
    "intercept": {},
    "slope": {"re_formula": "~ x"},
    "nested": {"re_formula": "1", "vc_formula": {"item": "0 + C(item)"}},
    "component alone": {"vc_formula": {"item": "0 + C(item)"}},
    # A number is a slope, though its values are whole.
    "number": {"re_formula": "1", "vc_formula": {"k": "0 + k"}},
    "two": {"re_formula": "1", "vc_formula": {"b": "0 + C(item)", "a": "0 + k"}},
}


TERMS = {
    "intercept": "(1 | g)",
    "slope": "(x | g)",
    "nested": "(1 | g) + (1 | g:item)",
    "component alone": "(1 | g:item)",
    "number": "(k || g)",
    "two": "(k || g) + (1 | g:item)",
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("reml", [True, False])
def test_same_call_same_numbers(name, reml):
    data, call = nested(), CALLS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they stop early
        theirs = smf.mixedlm("y ~ x", data, groups="g", **call).fit(reml=reml)
    ours = fg.MixedLM.from_formula("y ~ x", data, groups="g", **call).fit(reml=reml, gtol=1e-8)
    same = fg.mixed(f"y ~ x + {TERMS[name]}", data, reml=reml)
    assert ours.criterion == pytest.approx(same.criterion, abs=1e-9)
    assert ours.llf >= theirs.llf - 1e-6
    if not theirs.converged:
        return
    assert ours.llf == pytest.approx(theirs.llf, abs=0.02)
    np.testing.assert_allclose(ours.fe_params, theirs.fe_params, atol=0.01)
    np.testing.assert_allclose(ours.bse_fe, theirs.bse_fe, rtol=0.02)
    assert ours.scale == pytest.approx(theirs.scale, rel=0.02)
    variances = sorted(c.variance for c in ours.components if not c.term2 and c.group != "Residual")
    expected = sorted([*np.diag(theirs.cov_re), *theirs.vcomp])
    np.testing.assert_allclose(variances, expected, rtol=0.1, atol=0.02)
    if name in ("intercept", "slope", "nested"):
        np.testing.assert_allclose(ours.cov_re, theirs.cov_re, rtol=0.1, atol=0.02)
        np.testing.assert_allclose(ours.vcomp, theirs.vcomp, rtol=0.05)
        assert list(ours.random_effects) == list(theirs.random_effects)


def test_pastes():
    """R's numbers in statsmodels' test_lme.py, of lme4: cov_re is that of the groups."""
    data = pd.read_csv(PASTES)
    fit = fg.MixedLM.from_formula(
        "strength ~ 1", groups="batch", re_formula="1", vc_formula={"cask": "0 + cask"}, data=data
    ).fit()
    assert fit.fe_params.iloc[0] == pytest.approx(60.0533, rel=1e-5)
    assert fit.bse.iloc[0] == pytest.approx(0.6769, rel=1e-4)
    assert fit.cov_re.iloc[0, 0] == pytest.approx(1.657, rel=1e-3)
    assert fit.vcomp == pytest.approx([8.434], rel=1e-3)
    assert fit.scale == pytest.approx(0.678, rel=1e-3)
    resid = [0.17133538, -0.02866462, -1.08662875, 1.11337125, -0.12093607]
    np.testing.assert_allclose(fit.resid_response[:5], resid, rtol=1e-3)


def test_groups_as_an_array():
    data = nested()
    by_name = fg.MixedLM.from_formula("y ~ x", data, groups="g").fit()
    for groups in (data["g"], data["g"].to_numpy(), list(data["g"])):
        fit = fg.MixedLM.from_formula("y ~ x", data, groups=groups).fit()
        assert fit.criterion == by_name.criterion
    fit = fg.MixedLM.from_formula("y ~ x", data[["y", "x"]], groups=data["g"]).fit()
    assert fit.criterion == by_name.criterion
    # statsmodels' spelling of crossed factors: one group of all rows.
    crossed = fg.MixedLM.from_formula(
        "y ~ x", data, groups=np.ones(len(data)),
        vc_formula={"g": "0 + C(g)", "item": "0 + C(item)"},
    ).fit()  # fmt: skip
    same = fg.mixed("y ~ x + (1 | g) + (1 | item)", data)
    assert crossed.criterion == pytest.approx(same.criterion, abs=1e-8)


def test_arguments_of_theirs():
    data = nested()
    first = fg.MixedLM.from_formula("y ~ x", data, "~ x", groups="g", use_sparse=True).fit(
        method="bfgs", maxiter=300, ftol=1e-9, full_output=True
    )
    X = np.column_stack([np.ones(len(data)), data["x"]])
    second = fg.MixedLM(data["y"], X, data["g"], exog_re=X, use_sqrt=True, missing="none").fit()
    assert first.criterion == pytest.approx(second.criterion, abs=1e-8)
    with pytest.raises(ModelError, match="exog_vc= is not read"):
        fg.MixedLM(data["y"], X, data["g"], exog_vc={"a": {}})
    some = data["x"] > 0.0
    chosen = fg.MixedLM.from_formula("y ~ x", data, groups="g", subset=some).fit()
    assert (
        chosen.criterion == fg.MixedLM.from_formula("y ~ x", data[some], groups="g").fit().criterion
    )
    with pytest.raises(ModelError, match="start_params is not read"):
        fg.MixedLM.from_formula("y ~ x", data, groups="g").fit(start_params=[0.0])
    with pytest.raises(ModelError, match="'item' must be '0 \\+ ' and one term"):
        fg.MixedLM.from_formula("y ~ x", data, groups="g", vc_formula={"item": "C(item)"})
    # Other formulas keep the family by its name.
    assert "x" in str(first.drop1())


def test_conditional_covariances_by_level_are_theirs():
    statsmodels = pytest.importorskip("statsmodels.formula.api")
    data = nested()
    ours = fg.MixedLM.from_formula("y ~ x", data, "~ x", groups="g")
    theirs = statsmodels.mixedlm("y ~ x", data, re_formula="~ x", groups="g")
    assert ours.k_fe == theirs.k_fe == 2
    with warnings.catch_warnings():
        # Its search stops near a boundary.
        warnings.simplefilter("ignore")
        theirs = theirs.fit(method="powell")
    ours = ours.fit()
    assert ours.k_fe == 2
    assert list(ours.random_effects_cov) == list(theirs.random_effects_cov)
    for level, covariance in theirs.random_effects_cov.items():
        np.testing.assert_allclose(ours.random_effects_cov[level], covariance, atol=1e-4)
