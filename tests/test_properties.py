"""Whatever comes in, a verified optimum or an error or warning of `fastglm.errors` comes out.

150 cases of each kind by default; the environment variable FASTGLM_CASES asks for more.
"""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import fastglm as fg
from fastglm.errors import ConvergenceWarning, FastGLMError, FastGLMWarning, SeparationWarning
from fastglm.kernels.blocks import row_buffers

sys.path.insert(0, str(Path(__file__).parent / "families"))
from oracle import LINK_ORACLE, is_proportion, make_families, make_link, variance

CASES = settings(
    max_examples=int(os.environ.get("FASTGLM_CASES", "150")),
    deadline=None,
    derandomize="FASTGLM_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
FAMILIES = make_families()
PAIRS = [
    (name, link.name)
    for name, family in FAMILIES.items()
    for link in type(family).links
    if not name.startswith("quasi ")
] + [
    ("quasi constant", "identity"),
    ("quasi mu", "log"),
    ("quasi mu(1-mu)", "probit"),
    ("quasi mu^3", "log"),
]
TOL = 1e-8
COLUMNS = ("normal", "integer", "indicator", "constant", "zero", "large", "small", "year", "double")
DTYPES = ("float64", "float32", "fortran", "strided", "list", "int64", "bool")


@dataclass
class Case:
    """One model, as a user would give it."""

    family: fg.families.Family
    x: np.ndarray
    y: np.ndarray
    rows: dict[str, np.ndarray] = field(default_factory=dict)
    given_x: object = None

    def __repr__(self) -> str:
        rows = {name: values.tolist() for name, values in self.rows.items()}
        return f"Case({self.family}, x={self.x.tolist()}, y={self.y.tolist()}, rows={rows})"

    def fit(self, **options: object) -> fg.Results:
        return fg.GLM(self.y, self.given_x, family=self.family, **self.rows).fit(tol=TOL, **options)


def column(kind: str, generator: np.random.Generator, n: int, before: list[np.ndarray]):
    if kind == "double" and before:
        return 2.0 * before[-1]
    return {
        "normal": lambda: generator.normal(size=n),
        "integer": lambda: generator.integers(-2, 3, n).astype(float),
        "indicator": lambda: (generator.uniform(size=n) < 0.3).astype(float),
        "constant": lambda: np.full(n, 3.0),
        "zero": lambda: np.zeros(n),
        "large": lambda: 1e8 * generator.normal(size=n),
        "small": lambda: 1e-8 * generator.normal(size=n),
        "year": lambda: 2000.0 + generator.integers(0, 10, n),
    }.get(kind, lambda: generator.uniform(size=n))()


def response(family: fg.families.Family, generator: np.random.Generator, n: int, kind: str):
    """Responses that the family allows: typical, tied, or at the edges of the domain."""
    if is_proportion(family):
        values = {"typical": generator.integers(0, 2, n).astype(float)}
        values["edge"] = generator.choice([0.0, 0.25, 1.0], n)
        return values.get(kind, np.full(n, 0.5))
    domain = family.domain
    positive = generator.gamma(2.0, 2.0, n) + 1e-3
    if kind == "tied":
        return np.full(n, 2.0)
    if kind == "edge":
        lowest = 0.0 if domain.includes_lower else 1e-6
        return np.where(generator.uniform(size=n) < 0.5, lowest, np.round(positive) + 1.0)
    return generator.normal(size=n) * 3.0 if domain.lower == -np.inf else positive


def as_given(x: np.ndarray, dtype: str) -> tuple[np.ndarray, object]:
    """The columns as stored, and as handed over; storage may round them."""
    if dtype in ("int64", "bool"):
        stored = np.clip(np.round(x), -1e6, 1e6).astype(dtype)
        return stored.astype(float), stored
    if dtype == "float32":
        stored = x.astype(np.float32)
        return stored.astype(float), stored
    if dtype == "strided":
        return x, np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    forms = {"fortran": np.asfortranarray(x), "list": x.tolist()}
    return x, forms.get(dtype, x)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name, link = draw(st.sampled_from(PAIRS))
    family = FAMILIES[name].with_link(make_link(link))
    n = draw(st.integers(1, 40))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    kinds = draw(st.lists(st.sampled_from(COLUMNS), min_size=0, max_size=4))
    columns = [np.ones(n)] if draw(st.booleans()) or not kinds else []
    for kind in kinds:
        columns.append(column(kind, generator, n, columns))
    x, given_x = as_given(np.column_stack(columns), draw(st.sampled_from(DTYPES)))
    y = response(family, generator, n, draw(st.sampled_from(["typical", "tied", "edge"])))
    rows = {}
    weights = draw(st.sampled_from(["none", "none", "some", "zeros", "extreme"]))
    if weights == "some":
        rows["var_weights"] = generator.uniform(0.5, 2.0, n)
    elif weights == "zeros":
        rows["freq_weights"] = generator.integers(0, 3, n).astype(float)
    elif weights == "extreme":
        rows["var_weights"] = 10.0 ** generator.integers(-12, 13, n)
    offset = draw(st.sampled_from(["none", "none", "some", "far"]))
    if offset != "none":
        rows["offset"] = generator.normal(size=n) if offset == "some" else np.full(n, 500.0)
    return Case(family, x, y, rows, given_x)


def plain_rows(case: Case, params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weight and score residual of each row, by plain formulas; NaN where those overflow."""
    weights = np.ones(len(case.y))
    for name in ("var_weights", "freq_weights"):
        weights = weights * case.rows.get(name, 1.0)
    eta = case.x @ np.nan_to_num(params) + case.rows.get("offset", 0.0)
    _, inverse, slope_of = LINK_ORACLE[case.family.link.name]
    with np.errstate(all="ignore"):
        mu, slope = inverse(eta), slope_of(eta)
        spread = variance(case.family, mu)
        weight = weights * slope**2 / spread
        residual = weights * (case.y - mu) * slope / spread
    absent = weights == 0.0
    weight[absent], residual[absent] = 0.0, 0.0
    return weight, residual


def relative_decrement(case: Case, results: fg.Results) -> float:
    """Twice the fall of half the deviance that a Newton step promises, over the deviance.

    NaN where plain formulas overflow.
    """
    weight, residual = plain_rows(case, results.estimates)
    if not (np.isfinite(weight).all() and np.isfinite(residual).all() and (weight >= 0.0).all()):
        return float("nan")
    kept = ~np.isnan(results.estimates)
    if not kept.any():
        return 0.0
    root = np.sqrt(weight)[:, None] * case.x[:, kept]
    scale = np.linalg.norm(root, axis=0)
    if not (scale > 0.0).all():
        return float("nan")
    score = case.x[:, kept].T @ residual / scale
    left, values, _ = np.linalg.svd((root / scale).T, full_matrices=False)
    if values.min() < 1e-6 * values.max():
        return float("nan")
    decrement = float(np.sum((left.T @ score / values) ** 2))
    # What rounding of the plain sums alone can make of a score of zero.
    noise = np.finfo(float).eps * np.abs(case.x[:, kept]).T @ np.abs(residual) / scale
    floor = float(np.sum((noise / values.min()) ** 2))
    return (decrement - 100.0 * floor) / (abs(results.deviance) + 0.1)


def check_rows(case: Case, results: fg.Results) -> None:
    """The estimates give finite means, and the deviance that the fit reports."""
    frequencies = case.rows.get("freq_weights", np.ones(len(case.y)))
    present = (frequencies > 0.0) & (case.rows.get("var_weights", frequencies) > 0.0)
    which = row_buffers.MEAN, row_buffers.DEVIANCE, row_buffers.RESIDUAL, row_buffers.WEIGHT
    mean, deviance, residual, weight = results.row_values(*which)[:, present]
    assert np.isfinite(mean).all()
    # What rounding of the coefficients and of the linear predictor does to each row's deviance.
    rounding = 1e-14 * np.abs(case.x[present]) @ np.abs(np.nan_to_num(results.estimates))
    noise = 2.0 * np.abs(residual) * rounding + weight * rounding**2
    bound = 1e-6 * (results.deviance + 0.1) + frequencies[present] @ noise
    assert abs(frequencies[present] @ deviance - results.deviance) <= bound


@CASES
@given(case=cases())
def test_a_fit_is_a_verified_optimum_or_has_a_status(case: Case):
    with warnings.catch_warnings(record=True) as given_warnings:
        warnings.simplefilter("always")
        try:
            results = case.fit()
        except FastGLMError as error:
            event(f"refused: {type(error).__name__}")
            return
    foreign = [w.message for w in given_warnings if not issubclass(w.category, FastGLMWarning)]
    assert not foreign, f"a warning that is not ours: {foreign}"
    explained = [
        w.category
        for w in given_warnings
        if issubclass(w.category, ConvergenceWarning | SeparationWarning)
    ]
    if explained:
        event(f"explained: {explained[0].__name__} {results.status.name}")
        return
    assert results.converged
    assert np.isfinite(results.deviance)
    kept = ~np.isnan(results.estimates)
    assert np.isfinite(results.estimates[kept]).all()
    assert np.isfinite(results.information_inverse[np.ix_(kept, kept)]).all()
    assert (np.diag(results.information_inverse)[kept] > 0.0).all()
    check_rows(case, results)
    decrement = relative_decrement(case, results)
    event("optimum" if np.isfinite(decrement) else "beyond plain formulas")
    # The solver's own decrement, at most 2 tol, is of the coefficients before the last step.
    assert not decrement > 10.0 * TOL


def break_something(case: Case, how: str, row: int) -> dict[str, object]:
    """Arguments of `GLM` with one thing wrong."""
    n = len(case.y)
    arguments = {"endog": case.y.copy(), "exog": case.x.copy(), **case.rows}
    row %= n
    poisoned = np.ones(n)
    poisoned[row] = np.nan
    longer = np.ones(n + 1)
    match how:
        case "response nan":
            arguments["endog"][row] = np.nan
        case "response infinite":
            arguments["endog"][row] = np.inf
        case "response text":
            arguments["endog"] = np.array(["a"] * n)
        case "response cube":
            arguments["endog"] = np.zeros((n, 2, 2))
        case "response longer":
            arguments["endog"] = np.append(case.y, case.y[-1])
        case "column nan":
            arguments["exog"][row, 0] = np.nan
        case "column infinite":
            arguments["exog"][row, 0] = -np.inf
        case "column text":
            arguments["exog"] = np.full(case.x.shape, "a")
        case "column objects":
            arguments["exog"] = np.full(case.x.shape, object())
        case "no column":
            arguments["exog"] = case.x[:, :0]
        case "no row":
            arguments = {"endog": case.y[:0], "exog": case.x[:0]}
        case "offset nan":
            arguments["offset"] = poisoned
        case "offset longer":
            arguments["offset"] = longer
        case "offset infinite":
            arguments["offset"] = poisoned * np.inf
        case "weights nan":
            arguments["var_weights"] = poisoned
        case "weights negative":
            arguments["freq_weights"] = -np.ones(n)
        case "weights longer":
            arguments["var_weights"] = longer
        case "weights zero":
            arguments["freq_weights"] = np.zeros(n)
        case "weights text":
            arguments["var_weights"] = np.array(["1"] * n)
    return arguments


BREAKS = (
    "response nan", "response infinite", "response text", "response cube", "response longer",
    "column nan", "column infinite", "column text", "column objects", "no column", "no row",
    "offset nan", "offset longer", "offset infinite", "weights nan", "weights negative",
    "weights longer", "weights zero", "weights text",
)  # fmt: skip


@CASES
@given(case=cases(), how=st.sampled_from(BREAKS), row=st.integers(0, 39))
def test_malformed_arrays_are_refused_by_name(case: Case, how: str, row: int):
    arguments = break_something(case, how, row)
    weights = arguments.get("freq_weights")
    if "nan" in how or "infinite" in how:
        # In a row that does not count nothing is wrong.
        arguments.pop("freq_weights" if weights is not None else "", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastGLMWarning)
        try:
            fg.GLM(family=case.family, **arguments).fit()
        except FastGLMError as error:
            assert len(str(error)) > 20  # noqa: PT017 -- that it is raised is checked below
            event(f"{how}: {type(error).__name__}")
            return
    raise AssertionError(f"{how} was accepted")


CELLS = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True, width=32),
    st.integers(-3, 3),
    st.text("ab", max_size=1),
    st.booleans(),
    st.dates(),
)
FORMULAS = (
    "y ~ a", "y ~ a + b", "y ~ C(a) * b", "y ~ 0 + a:b", "y ~ log(a)", "y ~ a + offset(b)",
    "a ~ b", "y ~ I(a ** 2)", "y ~ poly(a, 2)", "y ~ bs(a, df=4)", "y ~ missing", "y ~ (a", "~ a",
    "y ~ 1", "y ~ a - 1", "y ~ C(b)",
)  # fmt: skip


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(0, 6))
    clean = st.floats(0.5, 4.0)
    cells = st.sampled_from([CELLS, clean, st.sampled_from(["u", "v"]), st.integers(0, 1)])
    return pd.DataFrame(
        {name: draw(st.lists(draw(cells), min_size=n, max_size=n)) for name in ("y", "a", "b")}
    )


@CASES
@given(
    frame=frames(),
    formula=st.sampled_from(FORMULAS),
    family=st.sampled_from(["gaussian", "poisson", "binomial", "gamma"]),
    missing=st.sampled_from(["raise", "drop"]),
)
def test_any_frame_is_fitted_or_refused_by_name(
    frame: pd.DataFrame, formula: str, family: str, missing: str
):
    with warnings.catch_warnings(record=True) as given_warnings:
        warnings.simplefilter("always")
        try:
            results = fg.glm(formula, frame, family=family, missing=missing)
        except FastGLMError as error:
            event(f"refused: {type(error).__name__}")
            return
    assert all(issubclass(w.category, FastGLMWarning) for w in given_warnings)
    silent = not any(
        issubclass(w.category, ConvergenceWarning | SeparationWarning) for w in given_warnings
    )
    assert results.converged or not silent
    kept = ~np.isnan(results.estimates)
    assert np.isfinite(results.estimates[kept]).all()
    event("fitted")
