"""Penalised likelihood-ratio tests and intervals against plain maximisation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import fastglm as fg
from fastglm.errors import ModelError

DATA = Path(__file__).parents[1] / "data" / "reference"
FORMULA = "HG ~ NV + PI + EH"


@pytest.fixture(scope="module")
def endometrial() -> pd.DataFrame:
    return pd.read_csv(DATA / "v_firth_endometrial.data.csv.gz")


@pytest.mark.parametrize(("family", "link"), [("binomial", "logit"), ("poisson", "log")])
def test_tests_maximise_the_penalised_likelihood(family: str, link: str):
    generator = np.random.default_rng(4)
    x = np.column_stack([np.ones(30), generator.normal(size=(30, 2))])
    y = generator.integers(0, 2 if family == "binomial" else 5, 30).astype(float)
    results = fg.GLM(y, x, family=family, link=link).fit(bias_reduction="firth")

    def objective(beta: np.ndarray) -> float:
        mu = results.family.link.inverse(x @ beta)
        information = x.T @ (results.family.variance(mu)[:, None] * x)
        return -results.family.loglike(y, mu) - 0.5 * np.linalg.slogdet(information)[1]

    best = minimize(objective, np.zeros(3), options={"gtol": 1e-7})
    np.testing.assert_allclose(results.penalized_llf, -best.fun, rtol=1e-9)
    held = minimize(lambda b: objective(np.array([b[0], b[1], 0.0])), np.zeros(2))
    tests = results.penalized_tests()
    np.testing.assert_allclose(tests["chi2"][2], 2.0 * (held.fun - best.fun), rtol=1e-6)


def test_an_aliased_coefficient_has_no_test():
    generator = np.random.default_rng(5)
    x = generator.normal(size=40)
    design = np.column_stack([np.ones(40), x, 2.0 * x])
    y = generator.integers(0, 2, 40).astype(float)
    with pytest.warns(fg.errors.RankWarning):
        results = fg.GLM(y, design, "binomial").fit(bias_reduction="firth")
    alone = fg.GLM(y, design[:, :2], "binomial").fit(bias_reduction="firth")
    tests = results.penalized_tests()
    assert np.isnan(tests["chi2"][2])
    np.testing.assert_allclose(tests["chi2"][:2], alone.penalized_tests()["chi2"], rtol=1e-8)
    assert np.isnan(results.conf_int(method="profile")[2]).all()


@pytest.mark.parametrize(
    ("link", "options"), [("logit", {}), ("logit", {"bias_reduction": "median"}), ("probit", None)]
)
def test_other_fits_have_no_penalised_likelihood(
    endometrial: pd.DataFrame, link: str, options: dict | None
):
    chosen = {"bias_reduction": "firth"} if options is None else options
    formula = "HG ~ PI + EH"
    results = fg.glm(formula, endometrial, family="binomial", link=link, **chosen)
    with pytest.raises(ModelError, match="bias_reduction"):
        results.penalized_tests()
    if chosen:
        with pytest.raises(ModelError, match="bias_reduction"):
            results.conf_int(method="profile")


@pytest.mark.parametrize("kind", ["firth", "median"])
def test_a_bias_reduced_fit_is_not_compared_by_its_deviance(endometrial: pd.DataFrame, kind: str):
    results = fg.glm(FORMULA, endometrial, family="binomial", bias_reduction=kind)
    for compare in (results.anova, results.drop1):
        with pytest.raises(ModelError, match="bias_reduction"):
            compare()
