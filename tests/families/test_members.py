"""Families against R: response side only, at R's coefficients."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from fastglm import families
from fastglm.families import links

REFERENCE = Path(__file__).parents[1] / "data" / "reference"


def _usable(path: Path) -> bool:
    case = json.loads(path.read_text())
    if case["kind"] != "glm" or case["target"] != "values":
        return False
    return path.with_name(f"{case['id']}.design.csv.gz").exists()


CASES = [path.stem for path in sorted(REFERENCE.glob("v_*.json")) if _usable(path)]


def family_of(case: dict) -> families.Family:
    name, link = case["family"], case["link"]
    if link == "mu^0.333":
        link = links.Power(1.0 / 3.0)  # R prints three digits of power(1/3)
    elif link.startswith("mu^"):
        link = links.Power(float(link[3:]))
    if name == "Tweedie":
        return families.Tweedie(link, var_power=case["results"]["tweedie"]["p"])
    if name.startswith("Negative Binomial"):
        return families.NegativeBinomial(link, alpha=1.0 / float(name[18:-1]))
    if name == "wedderburn":
        return families.Quasi(link, variance="mu^2(1-mu)^2")
    if name == "quasi":
        variance = re.search(r"mu\^\d", case["family_R"].split("variance")[1])
        return families.Quasi(link, variance=variance.group())
    return families.resolve_family(name, link)


def read_design(name: str) -> dict[str, np.ndarray]:
    with gzip.open(REFERENCE / f"{name}.design.csv.gz", "rt") as file:
        header, *rows = csv.reader(file)
    values = np.array([[float(cell) for cell in row] for row in rows])
    columns = dict(zip(header, values.T, strict=True))
    X = values[:, [key.startswith("x:") for key in header]]
    return {key: columns[key] for key in ("y", "prior_weights", "offset")} | {"X": X}


@pytest.mark.parametrize("name", CASES)
def test_response_side_equals_r(name):
    case = json.loads((REFERENCE / f"{name}.json").read_text())
    results = case["results"]
    design = read_design(name)
    family = family_of(case)
    coef = np.array([0.0 if value is None else value for value in results["coef"]], dtype=float)
    y, w = design["y"], design["prior_weights"]
    mu = family.link.inverse(design["X"] @ coef + design["offset"])

    np.testing.assert_allclose(mu.sum(), results["fitted"]["sum"], rtol=1e-10)
    deviance = family.deviance(y, mu, w)
    assert deviance == pytest.approx(results["deviance"], rel=1e-9)
    pearson = np.sum(w * (y - mu) ** 2 / family.variance(mu))
    assert pearson == pytest.approx(results["pearson_chi2"], rel=1e-9)
    dispersion = 1.0 if family.dispersion_known else pearson / results["df_residual"]
    assert dispersion == pytest.approx(results["dispersion"], rel=1e-9)
    family.check_response(y, w)

    scale = family.likelihood_dispersion(deviance, w.sum(), (w > 0).sum(), dispersion)
    tweedie = results.get("tweedie", {})
    loglik = family.loglike(y, mu, w, scale=dispersion if tweedie else scale)
    expected = tweedie.get("loglik_at_pearson_phi", results["loglik"])
    if expected is not None:
        assert loglik == pytest.approx(expected, rel=1e-9)
    if family.has_likelihood and not tweedie:
        k = results["rank"] + family.n_dispersion_parameters
        assert k == results["loglik_df"]
        assert 2 * k - 2 * loglik == pytest.approx(results["aic"], rel=1e-9)
    if not family.has_likelihood:
        assert np.isnan(loglik)


@pytest.mark.parametrize("name", ["v_hard_crabs_rep1", "v_hard_crabs_rep2", "v_hard_ig_log_autobi"])
def test_deviance_at_the_optimum_that_r_misses(name):
    case = json.loads((REFERENCE / f"{name}.json").read_text())
    optimum = json.loads((REFERENCE / "hard_optima.json").read_text())[name]
    design = read_design(name)
    family = family_of(case)
    mu = family.link.inverse(design["X"] @ np.array(optimum["coef"]) + design["offset"])
    deviance = family.deviance(design["y"], mu, design["prior_weights"])
    assert deviance == pytest.approx(optimum["deviance"], rel=1e-10)
