"""Scripts for statsmodels run with only their imports changed, and give the same numbers."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels import datasets
from statsmodels_scripts import SCRIPTS

import fastglm as fg

RESULTS = [
    "params",
    "bse",
    "tvalues",
    "pvalues",
    "llf",
    "deviance",
    "null_deviance",
    "pearson_chi2",
    "scale",
    "df_resid",
    "df_model",
    "nobs",
    "fittedvalues",
    "mu",
    "resid_response",
    "resid_pearson",
    "resid_deviance",
    "resid_working",
    "converged",
]

#: What the two libraries mean differently.
OTHERWISE = {
    # Of proportions here, as in R; of counts there.
    "star98": {"resid_response", "resid_working"},
    # R's likelihood takes the deviance over n for the dispersion; statsmodels Pearson's.
    "scotland": {"llf"},
    # The same, and t here, as in R, where the dispersion is estimated.
    "gaussian with log link": {"llf", "pvalues"},
    # Of proportions without trials: R rounds the successes.
    "formula": {"llf"},
    # Frequencies count as observations.
    "weights": {"nobs"},
}


def run(script, libraries=("statsmodels.api", "statsmodels.formula.api")):
    """What a script leaves behind, with these libraries in place of statsmodels'."""
    script = re.sub(r"import statsmodels\.api as", f"import {libraries[0]} as", script)
    script = re.sub(r"import statsmodels\.formula\.api as", f"import {libraries[1]} as", script)
    scope = {"np": np, "pd": pd}
    exec(compile(script, "script", "exec"), scope)
    return scope


@pytest.fixture(scope="module", params=SCRIPTS, ids=lambda name: name.replace(" ", "-"))
def both(request):
    with warnings.catch_warnings():
        # Of statsmodels, about its own future and about links that are not canonical.
        warnings.simplefilter("ignore")
        theirs = run(SCRIPTS[request.param])
    return request.param, theirs, run(SCRIPTS[request.param], ("fastglm", "fastglm"))


def assert_same(ours, theirs, what):
    if isinstance(theirs, (pd.Series, pd.DataFrame)):
        # Formulaic orders terms by their degree, patsy puts categories first.
        assert set(theirs.index) == set(ours.index), what
        ours = ours.loc[theirs.index]
    if isinstance(theirs, pd.DataFrame):
        ours = ours[list(theirs.columns)]
    ours, theirs = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-12, err_msg=what)


def test_results_have_the_same_numbers(both):
    name, theirs, ours = both
    for what in RESULTS:
        if what not in OTHERWISE.get(name, set()):
            assert_same(getattr(ours["res"], what), getattr(theirs["res"], what), what)


def test_intervals_and_covariances_too(both):
    name, theirs, ours = both
    ours, theirs = ours["res"], theirs["res"]
    if "pvalues" not in OTHERWISE.get(name, set()):
        assert_same(ours.conf_int(0.1), theirs.conf_int(0.1), "conf_int")
    assert_same(ours.cov_params(), theirs.cov_params(), "cov_params")
    covariance = ours.normalized_cov_params
    assert_same(covariance, theirs.normalized_cov_params, "normalized_cov_params")


NUMBERS = (float, list, np.ndarray, pd.Series, pd.DataFrame)
#: What the script made for itself.
INPUTS = {"data", "df", "models", "new"}


def test_what_the_script_computed_is_the_same(both):
    _, theirs, ours = both
    for name, value in theirs.items():
        if isinstance(value, NUMBERS) and name not in INPUTS:
            assert_same(ours[name], value, name)


def test_tests_of_hypotheses_are_the_same(both):
    name, theirs, ours = both
    if name == "scotland":
        first, same = ours["first"], theirs["first"]
        for what in ("effect", "sd", "tvalue", "pvalue", "statistic"):
            assert_same(getattr(first, what), np.atleast_1d(np.squeeze(getattr(same, what))), what)
        assert_same(first.conf_int(), same.conf_int(), "conf_int")
    for test in ("joint", "by_name", "test"):
        if test in theirs:
            for what in ("statistic", "pvalue"):
                value = np.squeeze(getattr(theirs[test], what))
                assert_same(np.squeeze(getattr(ours[test], what)), value, what)


def test_summaries_show_the_same_names_in_the_same_columns(both):
    _, theirs, ours = both
    text, same = str(ours["res"].summary()), str(theirs["res"].summary())
    for heading in ("Generalized Linear Model Regression Results", "std err", "[0.025", "Deviance"):
        assert heading in text
        assert heading in same
    table, same = ours["res"].summary().tables[1], theirs["res"].summary().tables[1]
    assert len(table) == len(same.data) - 1
    for name in ours["res"].params.index if hasattr(ours["res"].params, "index") else ():
        assert f"\n{name} " in text


def test_the_model_has_its_data(both):
    _, theirs, ours = both
    model, same = ours["res"].model, theirs["res"].model
    assert_same(model.endog, same.endog, "endog")
    if not isinstance(ours["res"].params, pd.Series):
        assert_same(model.exog, same.exog, "exog")
        return
    order = [model.exog_names.index(name) for name in same.exog_names]
    assert_same(model.exog[:, order], same.exog, "exog")
    if isinstance(same.endog_names, str):
        assert model.endog_names == same.endog_names


def test_where_links_are_not_canonical_information_is_expected():
    data = datasets.scotland.load()
    X = sm.add_constant(data.exog)
    family = sm.families.Gamma(sm.families.links.Log())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(data.endog, X, family=family)
        theirs = model.fit(tol=1e-13)
    ours = fg.GLM(data.endog, X, family="gamma", link="log").fit(tol=1e-13)
    leverage = theirs.get_hat_matrix_diag(observed=False)
    np.testing.assert_allclose(ours.get_influence().hat_matrix_diag, leverage, rtol=1e-9)
    score = model.score_obs(theirs.params)
    bread = np.linalg.inv(-model.hessian(theirs.params, observed=False))
    covariance = bread @ (score.T @ score) @ bread
    np.testing.assert_allclose(ours.with_covariance("HC0").cov_params(), covariance, rtol=1e-8)
