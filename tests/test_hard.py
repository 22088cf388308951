"""Cases with known answers on which fits elsewhere go wrong, quietly or not."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import reference_cases as ref

import fastglm as fg
from fastglm.errors import ConvergenceWarning, RankWarning, StartError, Status

links, families = fg.families.links, fg.families
DATA = Path(__file__).parent / "data"


def nist_cases() -> dict[str, dict]:
    """NIST's linear regressions; Wampler 4 and 5 are Wampler 3 with its noise enlarged."""
    cases = json.loads((DATA / "reference" / "nist" / "nist_strd.json").read_text())
    cases |= json.loads((DATA / "nist" / "filip.json").read_text())
    exact = np.array(cases["Wampler1"]["y"])
    noise = np.array(cases["Wampler3"]["y"]) - exact
    for name, factor in (("Wampler4", 1e2), ("Wampler5", 1e4)):
        sd = np.array(cases["Wampler3"]["sd"]) * factor
        cases[name] = cases["Wampler3"] | {"y": exact + factor * noise, "sd": sd}
    # NoInt2 of the same collection.
    cases["NoInt2"] = cases["NoInt1"] | {
        "y": [3, 4, 4],
        "x": [[4], [5], [6]],
        "coef": [0.727272727272727],
        "sd": [0.0420827318078432],
    }
    return cases


def nist_design(case: dict) -> np.ndarray:
    x = np.array(case["x"], dtype=np.float64)
    return np.column_stack([x[:, 0] ** power for power in case["coef_index"]])


def correct_digits(actual: np.ndarray, certified: list[float]) -> float:
    error = np.abs(np.asarray(actual) - certified) / np.abs(certified)
    return float(-np.log10(np.maximum(error.max(), 1e-15)))


@pytest.mark.parametrize("name", sorted(nist_cases()))
def test_nist_certified_values(name: str) -> None:
    case = nist_cases()[name]
    fit = fg.GLM(np.array(case["y"], dtype=np.float64), nist_design(case)).fit()
    # Powers of x in double precision limit Filip to fewer digits.
    digits = (7.0, 6.0) if name == "Filip" else (9.0, 8.0)
    assert fit.aliased == {}
    assert correct_digits(fit.params, case["coef"]) >= digits[0]
    sd = np.array(case["sd"], dtype=np.float64)
    if (sd > 0).all():
        assert correct_digits(fit.bse, sd) >= digits[1]


def test_longley() -> None:
    sm = pytest.importorskip("statsmodels.api")
    data = sm.datasets.longley.load_pandas()
    fit = fg.GLM(data.endog.to_numpy(), np.column_stack([np.ones(16), data.exog])).fit()
    certified = [
        -3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683,
        -1.03322686717359, -0.0511041056535807, 1829.15146461355,
    ]  # fmt: skip
    assert correct_digits(fit.params, certified) >= 9


def test_filip_is_the_exact_solution_of_the_rounded_design() -> None:
    case = nist_cases()["Filip"]
    X, y = nist_design(case), np.array(case["y"])
    rows = [[Fraction(value) for value in row] for row in X.tolist()]
    response = [Fraction(value) for value in y.tolist()]
    p = X.shape[1]
    system = [
        [sum(r[i] * r[j] for r in rows) for j in range(p)]
        + [sum(r[i] * v for r, v in zip(rows, response, strict=True))]
        for i in range(p)
    ]
    for i in range(p):
        system[i] = [value / system[i][i] for value in system[i]]
        for k in range(p):
            if k != i:
                system[k] = [
                    a - system[k][i] * b for a, b in zip(system[k], system[i], strict=True)
                ]
    exact = [float(row[p]) for row in system]
    np.testing.assert_allclose(fg.GLM(y, X).fit().params, exact, rtol=1e-13)


@pytest.mark.parametrize("name", ["v_hard_crabs_rep1", "v_hard_crabs_rep2", "v_hard_ig_log_autobi"])
def test_optima_that_r_misses(name: str) -> None:
    case = ref.read_case(name)
    optimum = json.loads((ref.DATA / "hard_optima.json").read_text())[name]
    y, X, rest = ref.case_arrays(case)
    fit = fg.GLM(y, X, family=ref.case_family(case), **rest).fit()
    assert fit.converged
    np.testing.assert_allclose(fit.params, optimum["coef"], rtol=1e-7)
    np.testing.assert_allclose(fit.deviance, optimum["deviance"], rtol=1e-12)


def test_optimum_on_the_boundary_is_flagged() -> None:
    case = ref.read_case("v_poi_identity_crabs")
    y, X, _ = ref.case_arrays(case)
    with pytest.warns(ConvergenceWarning, match="boundary"):
        fit = fg.GLM(y, X, family=ref.case_family(case)).fit()
    assert fit.status == Status.BOUNDARY
    assert "boundary" in str(fit.summary())
    np.testing.assert_allclose(fit.deviance, 551.1338949, rtol=1e-10)


def test_a_start_from_which_r_diverges() -> None:
    fit = fg.GLM([1, 1, 1, 0], np.ones((4, 1)), family="binomial").fit(start_params=[-1.81])
    np.testing.assert_allclose(fit.params, np.log(3), rtol=1e-9)


def test_weighted_inverse_gaussian_through_the_origin_is_a_ratio() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0.5, 4, 30), rng.uniform(0.5, 9, 30)
    family = families.InverseGaussian(link=links.Identity())
    fit = fg.GLM(y, x[:, None], family=family, var_weights=x**2).fit()
    np.testing.assert_allclose(fit.params, y.sum() / x.sum(), rtol=1e-12)


def test_saturated_poisson() -> None:
    fit = fg.GLM([11, 1], [[0, 1], [1, 1]], family="poisson").fit()
    assert fit.converged
    np.testing.assert_allclose(fit.params, [-np.log(11), np.log(11)], rtol=1e-12)
    assert abs(fit.deviance) < 1e-20


def test_means_near_exp_40() -> None:
    x = np.random.default_rng(1).normal(size=200)
    X = np.column_stack([np.ones(200), x])
    fit = fg.GLM(np.round(np.exp(40 + x / 2)), X, family="poisson").fit()
    assert fit.converged
    np.testing.assert_allclose(fit.params, [40, 0.5], rtol=1e-12)


@pytest.mark.parametrize("constant", [500.0, -500.0])
def test_a_constant_offset_moves_the_intercept_alone(constant: float) -> None:
    rng = np.random.default_rng(2)
    X = np.column_stack([np.ones(100), rng.normal(size=100)])
    y = rng.poisson(2.0, 100)
    plain = fg.GLM(y, X, family="poisson").fit()
    moved = fg.GLM(y, X, family="poisson", offset=np.full(100, constant)).fit()
    np.testing.assert_allclose(moved.params, plain.params - [constant, 0], rtol=1e-12)
    np.testing.assert_allclose(moved.bse, plain.bse, rtol=1e-9)
    np.testing.assert_allclose(moved.deviance, plain.deviance, rtol=1e-12)


def test_log_binomial_without_a_feasible_start() -> None:
    x = np.arange(5.0)[:, None]
    with pytest.raises(StartError, match="start_params"):
        fg.GLM([0, 1, 0, 1, 1], x, family=families.Binomial(link=links.Log())).fit()


def test_weight_zero_is_the_row_left_out() -> None:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(40), rng.normal(size=40)])
    y, weights = rng.gamma(2.0, size=40), np.ones(40)
    y[7], weights[7] = 1e9, 0.0
    options = {"family": "gamma", "link": "log"}
    with_row = fg.GLM(y, X, var_weights=weights, **options).fit()
    kept = np.arange(40) != 7
    without = fg.GLM(y[kept], X[kept], **options).fit()
    names = ("params", "bse", "scale", "deviance", "null_deviance", "llf", "aic", "bic", "df_resid")
    for name in names:
        np.testing.assert_allclose(
            getattr(with_row, name), getattr(without, name), rtol=1e-12, err_msg=name
        )
    assert with_row.nobs == without.nobs == 39


@pytest.mark.parametrize("size", [1e-301, 1e-12, 1.0, 1e17, 1e250])
def test_scale_of_the_response_is_immaterial(size: float) -> None:
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(50), rng.uniform(size=50)])
    y = rng.gamma(2.0, size=50)
    plain = fg.GLM(y, X, family="gamma", link="log").fit()
    scaled = fg.GLM(y * size, X, family="gamma", link="log").fit()
    assert scaled.converged
    np.testing.assert_allclose(scaled.params - [np.log(size), 0], plain.params, rtol=1e-9)
    np.testing.assert_allclose(scaled.bse, plain.bse, rtol=1e-7)


def test_aliased_columns_have_their_combinations() -> None:
    rng = np.random.default_rng(0)
    a, year = rng.normal(size=300), 2000 + rng.normal(size=300)
    zero, seven = np.zeros(300), np.full(300, 7.0)
    X = np.column_stack([np.ones(300), a, year, a + 2 * year - 3, a, seven, zero, a**2])
    y = rng.poisson(2.0, 300)
    with pytest.warns(RankWarning, match="x4 = x1"):
        fit = fg.GLM(y, X, family="poisson").fit()
    assert fit.aliased == {
        "x3": {"const": -3.0, "x1": 1.0, "x2": 2.0},
        "x4": {"x1": 1.0},
        "x5": {"const": 7.0},
        "x6": {},
    }
    kept = fg.GLM(y, X[:, [0, 1, 2, 7]], family="poisson").fit()
    found = ~np.isnan(fit.params)
    assert found.tolist() == [True, True, True, False, False, False, False, True]
    np.testing.assert_allclose(fit.params[found], kept.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse[found], kept.bse, rtol=1e-8)
    assert fit.df_resid == kept.df_resid


def test_nearly_collinear_columns_are_kept() -> None:
    rng = np.random.default_rng(6)
    a = rng.normal(size=400)
    b = a + 1e-8 * rng.normal(size=400)
    y = rng.poisson(np.exp(0.2 * a))
    fit = fg.GLM(y, np.column_stack([np.ones(400), a, b]), family="poisson").fit()
    # The same model with columns that do not nearly coincide.
    apart = np.column_stack([np.ones(400), a, (b - a) * 1e8])
    good = fg.GLM(y, apart, family="poisson").fit()
    assert fit.aliased == {}
    np.testing.assert_allclose(fit.params[2] * 1e-8, good.params[2], rtol=1e-6)
    np.testing.assert_allclose(fit.deviance, good.deviance, rtol=1e-10)
