"""R's answers for mixed models in tests/data/mixed, and how to ask the same question here."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

import fastglm as fg

DATA = Path(__file__).parent / "data" / "mixed"
LINEAR = sorted(p.name[:-8] for p in DATA.glob("?_lmer_*.json.gz"))
GENERALIZED = sorted(p.name[:-8] for p in DATA.glob("?_glmer_*.json.gz"))


@cache
def read_case(name: str) -> dict:
    """One case as R left it."""
    return json.loads(gzip.decompress((DATA / f"{name}.json.gz").read_bytes()))


def typed(frame: pd.DataFrame, case: dict) -> pd.DataFrame:
    """The frame with R's factors and their levels."""
    for column, levels in case["factor_levels"].items():
        if column in frame:
            text = frame[column].astype(str)
            frame[column] = pd.Categorical(text, [str(level) for level in levels])
    return frame


@cache
def case_frame(name: str) -> pd.DataFrame:
    """The data frame of a case."""
    case = read_case(name)
    return typed(pd.read_csv(DATA / f"{case['data']}.csv.gz"), case)


def case_family(case: dict) -> fg.families.Family:
    """R's family and link, as ours."""
    links = fg.families.links
    return {
        "gaussian": fg.families.Gaussian(),
        "binomial": fg.families.Binomial(),
        "binomial(logit)": fg.families.Binomial(),
        "poisson": fg.families.Poisson(),
        "binomial(probit)": fg.families.Binomial(link=links.Probit()),
        "nbinom2": fg.families.NegativeBinomial(),
        None: fg.families.Gaussian(),
    }[(case["family"] or "gaussian").replace("(link = 'logit')", "")]


@cache
def fit_case(name: str, **options):
    """Our fit of a case."""
    case = read_case(name)
    weights = "size" if "cbpp" in name else case["weights"]
    formula = case["formula"].replace("^2", "**2")
    return fg.mixed(
        formula,
        case_frame(name),
        case_family(case),
        weights=weights,
        offset=case["offset"],
        **options,
    )


def numbers(values) -> np.ndarray:
    """R's vector, also of length one, or matrix."""
    if isinstance(values, dict):
        values = values["data"]
    return np.atleast_1d(np.array(values, dtype=np.float64))
