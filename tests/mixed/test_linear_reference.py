"""Linear mixed models against lme4's polished optima."""

import numpy as np
import pandas as pd
import pytest
from mixed_cases import LINEAR, fit_case, numbers, read_case, typed

CASES = [(name, kind) for name in LINEAR for kind in ("REML", "ML")]


def fit_and_answer(name, kind):
    return fit_case(name, reml=kind == "REML"), read_case(name)["results"][kind]


def answer_of(answer, *keys):
    return next(answer[key] for key in keys if key in answer)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_optimum(name, kind):
    fit, answer = fit_and_answer(name, kind)
    criterion = answer_of(answer, "m2ll_or_reml", "deviance_m2ll")
    assert fit.criterion <= criterion + 1e-8
    assert fit.criterion == pytest.approx(criterion, abs=1e-6)
    assert fit.gradient < 1e-6
    assert fit.converged
    assert fit.llf == pytest.approx(answer["loglik"], abs=1e-6)
    assert fit.aic == pytest.approx(answer["aic"], abs=1e-6)
    assert fit.bic == pytest.approx(answer["bic"], abs=1e-6)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_estimates(name, kind):
    fit, answer = fit_and_answer(name, kind)
    se = answer["se"] if "se" in answer else np.sqrt(np.diag(numbers(answer["vcov_hessian"])))
    beta, se = numbers(answer["beta"]), numbers(se)
    # lme4 stops earlier in the v_ cases.
    tight = name.startswith("s_")
    np.testing.assert_allclose((fit.params.to_numpy() - beta) / se, 0, atol=1e-6 if tight else 1e-4)
    np.testing.assert_allclose(fit.bse, se, rtol=1e-6 if tight else 1e-4)
    np.testing.assert_allclose(fit.theta, numbers(answer["theta"]), atol=1e-6 if tight else 1e-4)
    assert fit.sigma == pytest.approx(answer["sigma"], rel=1e-6 if tight else 1e-4)


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_theta_and_groups_are_named_as_by_lme4(name, kind):
    fit, answer = fit_and_answer(name, kind)
    theirs = np.atleast_1d(answer["theta_names"]).tolist()
    ours = [
        t.replace("Intercept", "(Intercept)").replace("[", "").replace("]", "")
        for t in fit.theta_names
    ]
    assert ours == theirs


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[0].startswith("s_")])
def test_variance_components(name, kind):
    fit, answer = fit_and_answer(name, kind)
    table, theirs = fit.varcorr, answer["varcorr"]
    assert len(table) == len(theirs["grp"])
    if len(fit.groups) == 1:
        np.testing.assert_allclose(table["variance"], theirs["vcov"], rtol=1e-5, atol=1e-7)
        sd = np.array(theirs["sdcor"], dtype=float)
        np.testing.assert_allclose(table["sd"], sd, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[0].startswith("s_")])
def test_modes_and_conditional_variances(name, kind):
    fit, answer = fit_and_answer(name, kind)
    for factor, theirs in answer["ranef"].items():
        ours = fit.ranef(cond_var=True)[factor]
        rows = [list(map(str, ours.levels)).index(str(level)) for level in theirs["levels"]]
        modes = np.array(theirs["modes"], dtype=float).reshape(len(rows), -1)
        scale = max(1e-8, np.abs(modes).max())
        np.testing.assert_allclose(ours.modes[rows] / scale, modes / scale, atol=1e-6)
        if isinstance(theirs["cond_var"], list):
            variances = np.array(theirs["cond_var"], dtype=float)
            ours_of = ours.variances[rows].reshape(variances.shape)
            np.testing.assert_allclose(ours_of, variances, rtol=1e-5, atol=1e-6 * scale**2)


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[0].startswith("s_")])
def test_predictions_of_new_rows(name, kind):
    fit, answer = fit_and_answer(name, kind)
    case = read_case(name)
    new = pd.DataFrame(case["newdata"])
    brand_new = {c: new[c].astype(str) for c in new if (new[c].astype(str) == "brand new").any()}
    new = typed(
        new,
        {"factor_levels": {k: v for k, v in case["factor_levels"].items() if k not in brand_new}},
    )
    offset = {"offset": np.zeros(len(new))} if case["offset"] else {}
    theirs = answer["predictions"]["response"]
    ours = fit.predict(new, new_levels="zero", **offset)
    np.testing.assert_allclose(ours, numbers(theirs["conditional_new_levels_as_zero"]), rtol=1e-7)
    ours = fit.predict(new, level="population", **offset)
    np.testing.assert_allclose(ours, numbers(theirs["population"]), rtol=1e-7)


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[0].startswith("s_")])
def test_covariance_of_theta_and_sigma(name, kind):
    fit, answer = fit_and_answer(name, kind)
    if "vcov_theta_sigma" not in answer:
        return
    theirs = numbers(answer["vcov_theta_sigma"])
    free = ~np.isnan(np.diag(fit.parameter_covariance))
    ours = fit.parameter_covariance[np.ix_(free, free)]
    # R's are numerical Hessians.
    np.testing.assert_allclose(np.sqrt(np.diag(ours)), np.sqrt(np.diag(theirs)), rtol=1e-5)


def test_singular_fits_are_named():
    fit = fit_case("s_lmer_dyestuff2_singular", reml=True)
    assert fit.singular == {"Batch": "Intercept"}
    assert fit.theta[0] == 0.0
    assert np.isnan(fit.theta_se[0])
    assert "Singular: the variance of Intercept between levels of Batch" in str(fit.summary())
    assert not fit_case("s_lmer_sleepstudy_zcp", reml=True).singular
