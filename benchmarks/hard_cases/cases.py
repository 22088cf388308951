"""Problems on which fits go wrong, each with its right answer and what R was recorded to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.problems import ROOT

__all__ = ["HardCase", "Record", "hard_cases"]

DATA = ROOT / "tests" / "data"

#: Certified coefficients of Longley's regression, with the constant first.
LONGLEY = (
    -3482258.63459582, 15.0618722713733, -0.0358191792925910, -2.02022980381683,
    -1.03322686717359, -0.0511041056535807, 1829.15146461355,
)  # fmt: skip
R_FAMILIES = {"Gamma": "gamma", "inverse.gaussian": "inverse_gaussian"}


@dataclass(frozen=True, eq=False)
class Record:
    """What R's glm() gave at its default settings: coefficients, and warnings."""

    params: np.ndarray
    said: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class HardCase:
    """One fit.

    Attributes
    ----------
    title : str
    y, X : ndarray
        Response, (n,), and design, (n, p), with the constant written out.
    truth : ndarray or None
        The right answer: infinite where an estimate is, NaN where a column must go; None where
        there is no start and the right answer is an error.
    of : {"params", "means", "standard_errors"}
        What is compared with it.
    family, link : str
    weights, offset, start : ndarray or None
        Prior weights, (n,), offset, (n,), and coefficients to start from, (p,).
    record : Record or None
        R's answer, where there is one.
    """

    title: str
    y: np.ndarray
    X: np.ndarray
    truth: np.ndarray | None
    of: str = "params"
    family: str = "gaussian"
    link: str = "identity"
    weights: np.ndarray | None = None
    offset: np.ndarray | None = None
    start: np.ndarray | None = None
    record: Record | None = None


def hard_cases() -> list[HardCase]:
    """All of them, in the order of the table."""
    return [*_nist(), *_written_out(), *_recorded()]


def _nist() -> Iterator[HardCase]:
    import statsmodels.api as sm

    cases = json.loads((DATA / "reference" / "nist" / "nist_strd.json").read_text())
    cases |= json.loads((DATA / "nist" / "filip.json").read_text())
    # The fourth and fifth of Wampler's problems are the third with its noise enlarged.
    exact, third = np.array(cases["Wampler1"]["y"]), np.array(cases["Wampler3"]["y"])
    for name, factor in (("Wampler4", 1e2), ("Wampler5", 1e4)):
        cases[name] = cases["Wampler3"] | {"y": exact + factor * (third - exact)}
    for name in ("Norris", "Pontius", "NoInt1", *(f"Wampler{k}" for k in range(1, 6)), "Filip"):
        case = cases[name]
        x = np.array(case["x"], np.float64)[:, 0]
        X = np.column_stack([x**power for power in case["coef_index"]])
        yield HardCase(f"NIST {name}", np.array(case["y"], np.float64), X, np.array(case["coef"]))
    longley = sm.datasets.longley.load_pandas()
    X = np.column_stack([np.ones(16), longley.exog])
    yield HardCase("NIST Longley", longley.endog.to_numpy(), X, np.array(LONGLEY))


def log_link_optimum(y: np.ndarray, X: np.ndarray, gamma: bool = False) -> np.ndarray:
    """Poisson or gamma regression by Newton's method with scores in extended precision, (p,)."""
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    theta = np.zeros(X.shape[1], np.longdouble)
    theta[0] = np.log(y.mean())
    for _ in range(60):
        mu = np.exp(X @ theta)
        score = X.T @ ((y - mu) / (mu if gamma else 1.0))
        information = (X.T * (np.ones_like(mu) if gamma else mu)) @ X
        theta += np.linalg.solve(information.astype(np.float64), score.astype(np.float64))
    return theta.astype(np.float64)


def _written_out() -> Iterator[HardCase]:
    rng = np.random.default_rng(8)
    n = 200
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    y = rng.poisson(np.exp(0.5 * x)).astype(np.float64)
    yield _year_columns(rng)
    yield HardCase(
        "columns of size 1e-8 and 1e8",
        y,
        X * [1.0, 1e-8],
        log_link_optimum(y, X) * [1.0, 1e8],
        family="poisson",
        link="log",
    )
    for constant in (500.0, -500.0):
        yield HardCase(
            f"offset {constant:+.0f}",
            y,
            X,
            log_link_optimum(y, X) - [constant, 0.0],
            family="poisson",
            link="log",
            offset=np.full(n, constant),
        )
    large = np.round(np.exp(40 + x / 2))
    truth = np.array([40.0, 0.5])
    yield HardCase("Poisson means of e⁴⁰", large, X, truth, family="poisson", link="log")
    yield HardCase(
        "saturated Poisson",
        np.array([11.0, 1.0]),
        np.array([[0.0, 1.0], [1.0, 1.0]]),
        np.log([1 / 11, 11.0]),
        family="poisson",
        link="log",
    )
    yield _weight_zero(rng)
    z, ratio = rng.uniform(0.5, 4.0, n), rng.uniform(0.5, 9.0, n)
    yield HardCase(
        "inverse Gaussian, identity link, weights x²",
        ratio,
        z[:, None],
        np.array([ratio.sum() / z.sum()]),
        family="inverse_gaussian",
        weights=z**2,
    )
    yield HardCase(
        "log-binomial without a feasible start",
        np.array([0.0, 1.0, 0.0, 1.0, 1.0]),
        np.arange(5.0)[:, None],
        None,
        family="binomial",
        link="log",
    )
    yield HardCase(
        "slope separated, probabilities inside",
        np.array([0.0, 0.0, 1.0, 1.0]),
        np.column_stack([np.ones(4), [-1.0, 0.0, 0.0, 1.0]]),
        np.array([0.0, np.inf]),
        family="binomial",
        link="logit",
    )
    group = (np.arange(n) < 25).astype(np.float64)
    yield HardCase(
        "Poisson, a group of zeros",
        np.where(group == 1, 0.0, y),
        np.column_stack([X, group]),
        np.array([0.0, 0.0, -np.inf]),
        family="poisson",
        link="log",
    )


def _year_columns(rng: np.random.Generator) -> HardCase:
    year = np.repeat(np.arange(1990.0, 2021.0), 8)
    u = (year - 2005) / 15
    centered = np.column_stack([np.ones_like(u), u, u**2])
    y = rng.poisson(np.exp(1 + u - u**2)).astype(np.float64)
    X = np.column_stack([np.ones_like(year), year, year**2])
    means = np.exp(centered @ log_link_optimum(y, centered))
    return HardCase("year and year²: means", y, X, means, "means", family="poisson", link="log")


def _weight_zero(rng: np.random.Generator) -> HardCase:
    X = np.column_stack([np.ones(40), rng.normal(size=40)])
    y, weights, kept = rng.gamma(2.0, size=40), np.ones(40), np.arange(40) != 7
    theta = log_link_optimum(y[kept], X[kept], gamma=True)
    dispersion = np.sum((y[kept] / np.exp(X[kept] @ theta) - 1) ** 2) / (39 - 2)
    errors = np.sqrt(np.diag(np.linalg.inv(X[kept].T @ X[kept])) * dispersion)
    y[7], weights[7] = 1e6, 0.0
    title = "row of weight 0: standard errors"
    return HardCase(title, y, X, errors, "standard_errors", "gamma", "log", weights)


#: Cases in R's record; None takes the coefficients of its converged fit.
_RECORDED: tuple[tuple[str, str, tuple[float, ...] | None], ...] = (
    ("Poisson, identity link, on which R's glm cycles", "v_hard_crabs_rep1", None),
    ("the same, second resample", "v_hard_crabs_rep2", None),
    ("the same, optimum on the boundary", "v_poi_identity_crabs", None),
    ("inverse Gaussian, log link, heavy tail", "v_hard_ig_log_autobi", None),
    ("log-binomial", "v_bin_log_affairs", None),
    ("logit from a far start", "v_hard_null_badstart", (np.log(3.0),)),
    ("dummy trap: four aliased columns", "v_poi_log_quine_aliased", None),
    ("quasi-complete separation", "v_sep_endometrial", (0.0, np.inf, 0.0, 0.0)),
    ("complete separation", "v_sep_iris_complete", (np.inf,) * 4),
)


def _recorded() -> Iterator[HardCase]:
    optima = json.loads((DATA / "reference" / "hard_optima.json").read_text())
    for title, name, given in _RECORDED:
        case = json.loads((DATA / "reference" / f"{name}.json").read_text())
        results = case["results"]
        family, link = case["family_R"].removesuffix("')").split("('")
        table = pd.read_csv(DATA / "reference" / f"{name}.design.csv.gz")
        truth = given or optima.get(name, results)["coef"]
        # Other starts were given to R alone, which stops with an error without them.
        started = name == "v_hard_null_badstart"
        yield HardCase(
            title,
            table["y"].to_numpy(np.float64),
            table[[c for c in table.columns if c.startswith("x:")]].to_numpy(np.float64),
            np.array(truth, dtype=np.float64),
            family=R_FAMILIES.get(family, family),
            link=link,
            weights=table["prior_weights"].to_numpy(np.float64)
            if (table["prior_weights"] != 1).any()
            else None,
            start=np.array(case["start"], np.float64) if started else None,
            record=_record(results),
        )


def _record(results: dict[str, Any]) -> Record:
    said = tuple(text for text, *_ in results["warnings_default"])
    return Record(np.array(results["coef_default_eps"], np.float64), said)
