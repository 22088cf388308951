"""R's answers in tests/data/reference, and how to ask the same question here."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from fastglm import families

DATA = Path(__file__).parent / "data" / "reference"
links = families.links

_LINKS = {
    "identity": links.Identity(),
    "log": links.Log(),
    "logit": links.Logit(),
    "probit": links.Probit(),
    "cloglog": links.CLogLog(),
    "cauchit": links.Cauchy(),
    "inverse": links.InversePower(),
    "1/mu^2": links.InverseSquared(),
    "sqrt": links.Sqrt(),
    "power(1/3)": links.Power(power=1 / 3),
}
_FAMILIES = {
    "binomial": families.Binomial,
    "poisson": families.Poisson,
    "gaussian": families.Gaussian,
    "Gamma": families.Gamma,
    "inverse.gaussian": families.InverseGaussian,
    "quasipoisson": families.QuasiPoisson,
    "quasibinomial": families.QuasiBinomial,
}


@cache
def read_case(name: str) -> dict:
    """One case as R left it."""
    return json.loads((DATA / f"{name}.json").read_text())


def case_names(kind: str = "glm", target: str = "values") -> list[str]:
    """Cases of a kind whose numbers are a target, by name."""
    names = sorted(path.stem for path in DATA.glob("v_*.json"))
    return [n for n in names if read_case(n)["kind"] == kind and read_case(n)["target"] == target]


def case_family(case: dict) -> families.Family:
    """R's family and link, as ours."""
    name, arguments = re.match(r"(?:\w+::)?([\w.]+)\((.*)\)$", case["family_R"]).groups()
    if name == "tweedie":
        power, link_power = (float(x) for x in re.findall(r"=(-?[\d.]+)", arguments))
        link = links.Log() if link_power == 0 else links.Power(power=link_power)
        return families.Tweedie(var_power=power, link=link)
    if name == "negative.binomial":
        return families.NegativeBinomial(alpha=1 / float(arguments))
    if name == "wedderburn":
        return families.Quasi(variance="mu^2(1-mu)^2", link=links.Logit())
    if name == "quasi":
        link, variance = re.match(r"link=(.+), variance='(.+)'", arguments).groups()
        return families.Quasi(variance=variance, link=_LINKS[link.strip("'")])
    return _FAMILIES[name](link=_LINKS[arguments.strip("'")])


def case_arrays(case: dict) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Response, R's design matrix, and prior weights and offset where there are any."""
    table = pd.read_csv(DATA / Path(case["design_file"]).name)
    X = table[[c for c in table.columns if c.startswith("x:")]].to_numpy(np.float64)
    rest = {}
    if (table["prior_weights"] != 1).any():
        rest["var_weights"] = table["prior_weights"].to_numpy(np.float64)
    if (table["offset"] != 0).any():
        rest["offset"] = table["offset"].to_numpy(np.float64)
    return table["y"].to_numpy(np.float64), X, rest


def case_frame(case: dict) -> pd.DataFrame:
    """The prepared data frame, with R's factor levels in R's order."""
    levels = {name: [entry[0] for entry in entries] for name, entries in _dict(case["xlevels"])}
    frame = pd.read_csv(DATA / Path(case["prepared_data"]).name, dtype=dict.fromkeys(levels, str))
    for name, values in levels.items():
        frame[name] = pd.Categorical(frame[name], categories=values)
    for name in re.findall(r"unclass\((\w+)\)", case["formula"]):
        # The levels stand in their order in the data; unclass() numbers them from one.
        frame[name] = pd.factorize(frame[name])[0] + 1
    return frame


def case_formula(case: dict) -> str:
    """R's formula in formulaic's grammar: contrasts named, dots quoted, ``.`` written out."""
    left, right = (side.strip() for side in case["formula"].split("~"))
    if right == ".":
        response = re.findall(r"\w+", left)
        right = " + ".join(c for c in case_frame(case).columns if c not in response)
    right = re.sub(r"\b[A-Za-z]\w*\.\w+\b", lambda m: f"`{m.group()}`", right)
    right = re.sub(r"unclass\((\w+)\)", r"\1", right)
    for name, given in _dict(case["contrasts"]):
        contrast = given if isinstance(given, str) else given[0]
        if contrast != "contr.treatment":
            right = re.sub(rf"\b{name}\b", f"C({name}, {contrast})", right)
    return f"{left} ~ {right}"


def numbers(values: object) -> np.ndarray:
    """R's numbers as float64: null is NaN."""
    flat = [
        np.nan if value is None else value for value in np.ravel(np.array(values, dtype=object))
    ]
    return np.array(flat, dtype=np.float64)


def _dict(value: object) -> list[tuple]:
    return list(value.items()) if isinstance(value, dict) else []
