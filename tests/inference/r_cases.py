"""Fits of R that tests compare with: the same model built from R's design matrix."""

from __future__ import annotations

import csv
import gzip
import json
import re
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import fastglm as fg
from fastglm import families
from fastglm.errors import RankWarning
from fastglm.families import links

REFERENCE = Path(__file__).parents[1] / "data" / "reference"


@cache
def read_case(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


def names_with(block, kind="glm"):
    """Cases of plain GLMs, of which R found the optimum, whose results have this block."""
    found = []
    for path in sorted(REFERENCE.glob("v_*.json")):
        case = read_case(path.stem)
        has_design = path.with_name(f"{path.stem}.design.csv.gz").exists()
        if (
            case["kind"] == kind
            and has_design
            and case["target"] == "values"
            and case["results"].get(block)
        ):
            found.append(path.stem)
    return found


def family_of(case):
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


def matrix(block):
    """A matrix of R as an array; missing values are NaN."""
    return np.array(
        [[float(cell) if cell is not None else np.nan for cell in row] for row in block["data"]]
    )


def read_table(path):
    with gzip.open(path, "rt") as file:
        return list(csv.reader(file))


@cache
def model_of(name):
    """The model on R's design matrix; weights as R's prior weights."""
    case = read_case(name)
    header, *rows = read_table(REFERENCE / f"{name}.design.csv.gz")
    kept = [k for k, key in enumerate(header) if key.startswith("x:")]
    column = {key: k for k, key in enumerate(header)}
    number = np.array([[float(row[k]) for k in kept] for row in rows])

    def values(key):
        return np.array([float(row[column[key]]) for row in rows])

    # Columns keep R's names, so that tables can be compared by them.
    X = pd.DataFrame(number, columns=[header[k][2:] for k in kept])
    weights, offset = values("prior_weights"), values("offset")
    return fg.GLM(
        values("y"),
        X,
        family_of(case),
        var_weights=None if (weights == 1.0).all() else weights,
        offset=offset if offset.any() else None,
    )


@cache
def fit_of(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        return model_of(name).fit(tol=1e-18, max_iter=1000)


def frame_of(name):
    """The prepared data frame, with factors as ordered by R."""
    case = read_case(name)
    frame = pd.read_csv(REFERENCE / f"{name}.data.csv.gz")
    for factor, levels in case["xlevels"].items():
        plain = [level[0] if isinstance(level, list) else level for level in levels]
        frame[factor] = pd.Categorical(frame[factor].astype(str), categories=plain)
    return frame
