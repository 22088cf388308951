"""Every generalized linear model that R fitted, through arrays and through the formula."""

from __future__ import annotations

import numpy as np
import pytest
import reference_cases as ref

import fastglm as fg

pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")

NAMES = ref.case_names()
WITH_ARRAYS = [name for name in NAMES if ref.read_case(name).get("design_file")]


def assert_equals_r(results: fg.Results, case: dict) -> None:
    """Estimates, uncertainty and goodness of fit to 1e-7 relative."""
    r = case["results"]
    assert results.converged
    compared = {
        "coef": results.params,
        "se": results.bse,
        "stat": results.tvalues,
        "dispersion": results.scale,
        "deviance": results.deviance,
        "null_deviance": results.null_deviance,
        "df_residual": results.df_resid,
        "df_null": results.df_null,
        "pearson_chi2": results.pearson_chi2,
    }
    if np.isfinite(ref.numbers(r["loglik"])).all():
        compared |= {"loglik": results.llf, "aic": results.aic, "bic": results.bic}
    for name, value in compared.items():
        expected = ref.numbers(r[name])
        # A coefficient of 1e-17 beside a standard error of one is zero in R too.
        atol = 1e-7 * np.min(ref.numbers(r["se"]), initial=1, where=~np.isnan(ref.numbers(r["se"])))
        np.testing.assert_allclose(
            np.ravel(value), expected, rtol=1e-7, atol=atol * 1e-3, err_msg=name, equal_nan=True
        )


def test_the_cases_are_all_there() -> None:
    assert len(NAMES) >= 50
    assert len(WITH_ARRAYS) >= 42


@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_arrays_give_r_numbers(name: str) -> None:
    case = ref.read_case(name)
    y, X, rest = ref.case_arrays(case)
    results = fg.GLM(y, X, family=ref.case_family(case), **rest).fit()
    assert_equals_r(results, case)


@pytest.mark.parametrize("name", NAMES)
def test_formulas_give_r_numbers(name: str) -> None:
    case = ref.read_case(name)
    frame = ref.case_frame(case)
    weights = {"var_weights": case["weights_column"]} if case["weights_column"] else {}
    results = fg.glm(
        ref.case_formula(case), frame, family=ref.case_family(case), missing="drop", **weights
    )
    assert_equals_r(results, case)
