"""The problems: data, model and what must agree, each the same for every library.

A problem is known by its name, so that a worker process can build it again: "poisson-1000000x20"
is a dense Poisson model with 20 columns, the constant among them, and "fremtpl2" the motor tariff.
What is asked beyond a fit stands last: "poisson-1000000x20-HC1".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

ROOT = Path(__file__).resolve().parent.parent
FREMTPL2 = ROOT.parent / "shared" / "data" / "freMTPL2freq.csv.gz"
FREMTPL2_ROWS = 678_013
#: Deviance of the tariff on the whole portfolio, as R and every peer have it.
FREMTPL2_DEVIANCE = 212_498.1066

CATEGORICAL = ("VehAge", "DrivAge", "VehPower", "VehBrand", "VehGas", "Region")
NUMERIC = ("BonusMalus", "LogDensity")

#: The family behind the first word of a dense problem's name; links are logit or log.
DENSE_FAMILIES = {
    "logistic": "binomial",
    "poisson": "poisson",
    "gamma": "gamma",
    "negative_binomial": "negative_binomial",
    "multinomial": "multinomial",
    "beta": "beta",
}
#: Variance of the negative binomial problems: mean + ALPHA mean².
ALPHA = 0.5
CLASSES = 4
PRECISION = 20.0
ROWS_PER_GROUP = 1000


#: What can be asked, and how a title says it.
TASKS = {
    "fit": "",
    "checks": "fit with all checks",
    "HC1": "HC1 covariance",
    "HC3": "HC3 covariance",
    "cluster": "cluster covariance",
    "influence": "leverages and Cook's distances",
    "bootstrap": "1,000 bootstrap replicates",
    "prediction": "predictions with intervals",
    "alpha": "fit with its alpha",
    "classes": f"{CLASSES} classes",
    "shares": "regression of shares",
    "user_family": "family of a user",
}


@dataclass(frozen=True, eq=False)
class Data:
    """What a library is given.

    Attributes
    ----------
    family : str
        A value of `DENSE_FAMILIES`.
    response : ndarray, shape (n,)
        Of multinomial problems the number of the class.
    X : ndarray, shape (n, p), or None
        C-ordered, its first column constant; None where there is a frame.
    frame : pandas.DataFrame or None
        With the response, `CATEGORICAL`, `NUMERIC` and the exposure.
    formula : str
    exposure : str
        Column of the frame.
    """

    family: str
    response: np.ndarray
    X: np.ndarray | None = None
    frame: pd.DataFrame | None = None
    formula: str = ""
    exposure: str = ""

    @property
    def dense(self) -> np.ndarray:
        """X of a dense problem."""
        if self.X is None:
            raise ValueError("these data are a frame and have no X")
        return self.X

    @property
    def table(self) -> pd.DataFrame:
        """Frame of a problem that has one."""
        if self.frame is None:
            raise ValueError("these data are an array and have no frame")
        return self.frame

    @property
    def exposures(self) -> np.ndarray:
        """The exposure, (n,)."""
        return self.table[self.exposure].to_numpy()

    @property
    def groups(self) -> np.ndarray:
        """Groups of about `ROWS_PER_GROUP` rows in no order, (n,)."""
        n = self.response.size
        generator = np.random.default_rng(n)
        return generator.integers(0, max(2, n // ROWS_PER_GROUP), n)

    def deviance(self, mean: np.ndarray) -> float:
        """Deviance of fitted means, by the textbook and by no library under test."""
        return float(2.0 * _HALF_DEVIANCES[self.family](self.response, np.asarray(mean)).sum())


_HALF_DEVIANCES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "binomial": lambda y, mu: -special.xlogy(y, mu) - special.xlog1py(1.0 - y, -mu),
    "poisson": lambda y, mu: special.xlogy(y, y / mu) - (y - mu),
    "gamma": lambda y, mu: (y - mu) / mu - np.log(y / mu),
}


@dataclass(frozen=True)
class Problem:
    """One row of the comparison.

    Attributes
    ----------
    kind : str
        A key of `DENSE_FAMILIES`, or "fremtpl2".
    n, p : int
        Rows and columns.
    task : str
        What is asked of the libraries; adapters are registered by task.
    """

    kind: str
    n: int
    p: int
    task: str = "fit"

    @property
    def name(self) -> str:
        """By which `find` builds it again."""
        asked = "" if self.task == "fit" else f"-{self.task}"
        return f"{self.kind}-{self.n}x{self.p}{asked}"

    @property
    def title(self) -> str:
        """For tables and pictures."""
        if self.kind != "fremtpl2":
            what = f"{TASKS[self.task]}: " if TASKS[self.task] else ""
            return f"{what}{self.kind.replace('_', ' ')}, {_count(self.n)} × {self.p}"
        source = "freMTPL2" if FREMTPL2.exists() else "synthetic portfolio like freMTPL2's"
        return f"Poisson tariff by formula, {source}, {_count(self.n)} × {self.p}"

    @property
    def published_deviance(self) -> float | None:
        """What every library must find, where it is known from elsewhere."""
        whole = self.kind == "fremtpl2" and self.n == FREMTPL2_ROWS and FREMTPL2.exists()
        return FREMTPL2_DEVIANCE if whole else None

    def resized(self, n: int) -> Problem:
        """The same with another number of rows."""
        return replace(self, n=n)

    def build(self) -> Data:
        """The data, the same every time."""
        if self.kind == "fremtpl2":
            return _tariff(self.n)
        return _dense(DENSE_FAMILIES[self.kind], self.n, self.p)


def find(name: str) -> Problem:
    """The problem of this name."""
    match = re.fullmatch(r"(\w+)-(\d+)x(\d+)(?:-(\w+))?", name)
    if match is None or match[1] not in {*DENSE_FAMILIES, "fremtpl2"}:
        raise ValueError(f"there is no problem named {name!r}")
    task = match[4] or "fit"
    if task not in TASKS:
        raise ValueError(f"there is no task named {task!r}")
    return Problem(match[1], int(match[2]), int(match[3]), task)


def _count(n: int) -> str:
    exponent = round(np.log10(n))
    return f"1e{exponent}" if n == 10**exponent and n >= 1000 else f"{n:,}"


def _dense(family: str, n: int, p: int) -> Data:
    generator = np.random.default_rng([n, p])
    X = generator.standard_normal((n, p))
    X[:, 0] = 1.0
    predictors = CLASSES if family == "multinomial" else 1
    eta = X @ (generator.standard_normal((p, predictors)) * (0.5 / np.sqrt(p)))
    response = _RESPONSES[family](eta if predictors > 1 else eta[:, 0], generator)
    return Data(family, response.astype(np.float64), X=X)


def _negative_binomial(eta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return generator.poisson(generator.gamma(1.0 / ALPHA, ALPHA * np.exp(eta)))


def _classes(eta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    return (eta + generator.gumbel(size=eta.shape)).argmax(axis=1)


def _shares(eta: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    mean = special.expit(eta)
    return generator.beta(mean * PRECISION, (1.0 - mean) * PRECISION)


_RESPONSES: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "binomial": lambda eta, generator: generator.random(eta.size) < special.expit(eta),
    "poisson": lambda eta, generator: generator.poisson(np.exp(eta)),
    "gamma": lambda eta, generator: generator.gamma(2.0, np.exp(eta) / 2.0),
    "negative_binomial": _negative_binomial,
    "multinomial": _classes,
    "beta": _shares,
}


def _tariff(n: int) -> Data:
    frame = _read_portfolio(n) if FREMTPL2.exists() else _synthetic_portfolio(n)
    formula = "ClaimNb ~ " + " + ".join(CATEGORICAL + NUMERIC)
    response = frame["ClaimNb"].to_numpy(np.float64)
    return Data("poisson", response, frame=frame, formula=formula, exposure="Exposure")


def _read_portfolio(n: int) -> pd.DataFrame:
    """The freMTPL2 portfolio as tariffs take it; fewer rows are spread over the whole file."""
    raw = pd.read_csv(FREMTPL2)
    raw = raw.iloc[np.linspace(0, len(raw) - 1, n).astype(np.int64)].reset_index(drop=True)
    return pd.DataFrame(
        {
            "ClaimNb": raw["ClaimNb"].clip(upper=4),
            "Exposure": raw["Exposure"].clip(upper=1.0),
            "VehAge": pd.cut(raw["VehAge"], [-1, 0, 1, 4, 10, np.inf]).cat.rename_categories(str),
            "DrivAge": pd.cut(
                raw["DrivAge"], [17, 21, 26, 31, 41, 51, 71, np.inf]
            ).cat.rename_categories(str),
            "VehPower": raw["VehPower"].clip(upper=12).astype(str).astype("category"),
            "VehBrand": raw["VehBrand"].astype("category"),
            "VehGas": raw["VehGas"].astype("category"),
            "Region": raw["Region"].astype("category"),
            "BonusMalus": raw["BonusMalus"].clip(upper=150).astype(np.float64),
            "LogDensity": np.log(raw["Density"]),
        }
    )


def _synthetic_portfolio(n: int) -> pd.DataFrame:
    """Columns, levels and claim rates like freMTPL2's, from a seed."""
    generator = np.random.default_rng(20130101)
    sizes = dict(zip(CATEGORICAL, (5, 7, 9, 11, 2, 22), strict=True))
    exposure = generator.uniform(0.01, 1.0, n)
    bonus = generator.uniform(50.0, 150.0, n)
    density = generator.normal(6.0, 1.8, n)
    eta = -2.9 + 0.02 * (bonus - 60.0) + 0.05 * (density - 6.0)
    columns: dict[str, object] = {}
    for name, size in sizes.items():
        codes = generator.choice(size, n, p=generator.dirichlet(np.full(size, 5.0)))
        eta += generator.normal(0.0, 0.2, size)[codes]
        levels = [f"{name}{level:02}" for level in range(size)]
        columns[name] = pd.Categorical.from_codes(codes, levels)
    claims = generator.poisson(exposure * np.exp(eta)).clip(max=4)
    return pd.DataFrame(
        {"ClaimNb": claims, "Exposure": exposure}
        | columns
        | {"BonusMalus": bonus, "LogDensity": density}
    )
