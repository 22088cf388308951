"""Is the model right: tests of the link, of straight lines, and of the number of zeros."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.arguments import checked_number
from fastglm.design.formula.transforms import Basis, apply_stateful
from fastglm.design.frames.frames import Categories
from fastglm.design.matrix.parts import Dense, Design
from fastglm.design.matrix.select import join_designs, select_columns
from fastglm.design.matrix.take import take_rows
from fastglm.errors import (
    ConvergenceWarning,
    ModelError,
    RankWarning,
    SeparationWarning,
    StartError,
)
from fastglm.families import Family
from fastglm.families.links import Power
from fastglm.inference.hypothesis_tests.refits import intercept_column, require_unconstrained
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.inference.rendering import RenderedText
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit

__all__ = [
    "PowerLinkProfile",
    "goodness_of_link",
    "lack_of_fit",
    "link_test",
    "power_link_profile",
    "zero_inflation_test",
]

#: Of a spline, below which rounding explains what it has beyond the model's own columns.
BEYOND_ROUNDING = 1e-10
#: Powers that a profile starts from.
POWERS = tuple(np.linspace(-2.0, 2.0, 17).tolist())


def _other_fit(fit: Fit, design: Design | None = None, family: Family | None = None) -> Fit:
    """The fit of the same rows with another design or family; aliased columns are no surprise."""
    require_unconstrained(fit)
    model = copy(fit._model_with_data("another model"))
    model.__dict__.pop("row_table", None)
    model.family = fit.family if family is None else family
    start = None
    if design is not None:
        model.rows = model.rows.with_design(design)
        # More columns: a model that has this fit in it cannot end above its deviance.
        more = design.n_columns - fit.estimates.size
        start = np.append(np.nan_to_num(fit.estimates), np.zeros(more))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RankWarning)
        if fit.infinite:
            # The fit itself has told it.
            warnings.simplefilter("ignore", SeparationWarning)
        return model.fit(
            tol=1e-10,
            max_iter=200,
            start_params=start,
            scale=fit.scale if fit.dispersion_known else "X2",
            n_threads=fit.n_threads,
        )


def _test_of_columns(fit: Fit, name: str, columns: np.ndarray) -> HypothesisTest:
    """Likelihood ratio test of more columns, or F where the dispersion is estimated.

    Raises
    ------
    ModelError
        If they are combinations of those that are there.
    """
    n, k = columns.shape
    already = f"{name}: what it adds is in the model already."
    if k == 0:
        raise ModelError(already)
    names = tuple(f"added {j}" for j in range(k))
    added = Design((Dense(columns),), n, names, None, None, (("added", slice(0, k)),))
    design = fit._model_with_data(name).rows.design
    larger = _other_fit(fit, join_designs(design, added))
    df = larger.rank - fit.rank
    if df == 0:
        raise ModelError(already)
    drop = fit.deviance - larger.deviance
    if fit.dispersion_known:
        return HypothesisTest.of(name, max(drop, 0.0) / fit.scale, df)
    return HypothesisTest.of(name, max(drop, 0.0) / larger.scale, df, larger.df_resid)


# -- the link


def _centered_predictor(fit: Fit) -> np.ndarray:
    """Linear predictor less what the link gives a probability of one half, or else its mean."""
    (eta,) = fit.row_values(row_buffers.LINEAR_PREDICTOR)
    if fit.family.takes_two_columns:
        return eta - float(fit.family.link(0.5))
    rows = fit._rows_beside_columns("the mean linear predictor")
    often = np.ones(rows.n_rows) if rows.frequencies is None else rows.frequencies
    if rows.prior_weights is not None:
        often = often * (rows.prior_weights > 0.0)
    return eta - np.average(eta, weights=often)


def link_test(fit: Fit) -> HypothesisTest:
    """Square of the linear predictor as one more column; see `Results.link_test`."""
    eta = _centered_predictor(fit)
    return _test_of_columns(fit, "Link test", (eta**2)[:, None])


def goodness_of_link(fit: Fit) -> HypothesisTest:
    """Bends of either tail of the link; see `Results.goodness_of_link`."""
    eta = _centered_predictor(fit)
    tails = np.column_stack([0.5 * eta**2 * (eta >= 0.0), -0.5 * eta**2 * (eta < 0.0)])
    tails = tails[:, np.abs(tails).max(axis=0) > 0.0]
    return _test_of_columns(fit, "Goodness of link", tails)


@dataclass(frozen=True, eq=False)
class PowerLinkProfile(RenderedText):
    """How the fit changes with the power of a power link.

    Attributes
    ----------
    powers : ndarray, shape (k,)
        Those tried that the family can have.
    deviance : ndarray, shape (k,)
        NaN where the fit did not converge.
    best : float
        The power of least deviance.
    interval : tuple of two floats
        Powers that a likelihood ratio test does not refuse; NaN beyond the powers tried.
    """

    powers: np.ndarray
    deviance: np.ndarray
    best: float
    interval: tuple[float, float]

    def summary_frame(self) -> pd.DataFrame:
        """Power and deviance, a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({"power": self.powers, "deviance": self.deviance})

    def __str__(self) -> str:
        known = self.powers[~np.isnan(self.deviance)]
        least, most = (f"beyond {end:.4g}" for end in (known.min(), known.max()))
        low, high = (f"{end:.4g}" for end in self.interval)
        low, high = low.replace("nan", least), high.replace("nan", most)
        return (
            f"Power of the link: {self.best:.4g}, interval {low} to {high} (1 is the identity, 0 "
            "the logarithm, -1 the inverse)"
        )

    __repr__ = __str__


def power_link_profile(
    fit: Fit, powers: Sequence[float] = POWERS, alpha: float = 0.05
) -> PowerLinkProfile:
    """Deviance by power; see `Results.power_link_profile`."""
    grid = _powers_of(fit.family, powers)

    @cache
    def fit_with(power: float) -> Fit:
        with warnings.catch_warnings():
            # Where a power has no optimum the profile has a gap.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return _other_fit(fit, family=fit.family.with_link(Power(power)))

    def deviance(power: float) -> float:
        try:
            fit = fit_with(float(power))
        except StartError:
            return np.inf
        return float(fit.deviance) if fit.converged else np.inf

    values = np.array([deviance(power) for power in grid])
    least = int(np.argmin(values))
    if np.isinf(values[least]):
        raise ModelError("no power link among those tried has an optimum.")
    bounds = grid[max(least - 1, 0)], grid[min(least + 1, len(grid) - 1)]
    with np.errstate(invalid="ignore"):
        # Where there is no optimum the deviance is infinite.
        found = scipy.optimize.minimize_scalar(deviance, bounds=bounds, method="bounded")
    best = float(found.x) if found.fun < values[least] else grid[least]
    scale = fit_with(best).scale
    limit = deviance(best) + scale * float(scipy.special.chdtri(1, alpha))
    interval = (
        _crossing(deviance, limit, best, [power for power in reversed(grid) if power < best]),
        _crossing(deviance, limit, best, [power for power in grid if power > best]),
    )
    deviances = np.where(np.isinf(values), np.nan, values)
    return PowerLinkProfile(np.array(grid), deviances, best, interval)


def _powers_of(family: Family, powers: Sequence[float]) -> list[float]:
    """Those powers, in order, whose link the family can have; `ModelError` if it is none."""
    usable = []
    if isinstance(powers, str) or not np.iterable(powers):
        raise ModelError(f"powers must be a list of numbers, not {powers!r}")
    for power in sorted(checked_number("powers", power) for power in powers):
        link = Power(power)
        if type(link) in family.links or family.custom:
            usable.append(power)
    if not usable:
        raise ModelError(f"family {type(family).__name__} has none of these power links.")
    return usable


def _crossing(
    function: Callable[[float], float], limit: float, inner: float, outward: Sequence[float]
) -> float:
    """Where the function first rises through the limit; NaN if it does not before it ends."""
    for power in outward:
        value = function(power)
        if np.isinf(value):
            break
        if value > limit:
            return float(
                scipy.optimize.brentq(lambda x: function(x) - limit, inner, power, xtol=1e-6)
            )
        inner = power
    return float("nan")


# -- straight lines


def lack_of_fit(
    fit: Fit,
    variables: Sequence[str] | None = None,
    df: int = 4,
    progress: Callable[[int, int], None] | None = None,
) -> Table:
    """Splines of each numeric variable as more columns; see `Results.lack_of_fit`."""
    require_unconstrained(fit)
    numeric = _numeric_variables(fit)
    chosen = list(numeric) if variables is None else list(variables)
    unknown = [name for name in chosen if name not in numeric]
    if unknown:
        raise ModelError(
            f"{unknown[0]!r} is not a numeric variable of the model; those are "
            f"{', '.join(numeric)}."
        )
    names, tests = [], []
    for k, name in enumerate(chosen):
        test = _spline_test(fit, name, numeric[name](), df, was_asked=variables is not None)
        if test is not None:
            names.append(name)
            tests.append(test)
        if progress is not None:
            progress(k + 1, len(chosen))
    if not tests:
        raise ModelError("the model has no numeric variable of which a spline could be added.")
    return Table(
        "Lack of fit against splines",
        tuple(names),
        {
            "df": np.array([test.df for test in tests]),
            tests[0].distribution: np.array([test.statistic for test in tests]),
            "pvalue": np.array([test.pvalue for test in tests]),
        },
    )


def _spline_test(
    fit: Fit, name: str, values: np.ndarray, df: int, was_asked: bool
) -> HypothesisTest | None:
    """The test of one variable, (n,) values; None where it has none and nobody asked for it."""
    # Knots at quantiles need enough different values.
    if not was_asked and np.unique(values[:10_000]).size <= df + 2:
        return None
    options = {"df": df, "constraints": None}
    basis = apply_stateful("cr", [values], options, {}, f"cr({name}, df={df})")
    columns = np.ascontiguousarray(basis.values if isinstance(basis, Basis) else basis)
    columns = _beyond_the_model(fit, name, values, columns)
    try:
        return _test_of_columns(fit, f"Lack of fit of {name}", columns)
    except ModelError:
        if was_asked:
            raise
        return None


def _beyond_the_model(fit: Fit, name: str, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """What a spline of a variable has beyond the model's own functions of it, (n, k).

    Nothing is left for a fit to find aliased. Functions of a variable are known by its different
    values and how often each is there.
    """
    import pandas as pd

    code, different = pd.factorize(values)
    first = np.zeros(different.size, dtype=np.intp)
    first[code[::-1]] = np.arange(values.size)[::-1]
    root = np.sqrt(np.bincount(code))[:, None]
    spline, own = columns[first] * root, _functions_of(fit, name, first) * root
    if fit.has_intercept:
        ones = root / np.linalg.norm(root)
        spline, own = (some - ones * (ones.T @ some) for some in (spline, own))
    own = own[:, np.abs(own).max(axis=0, initial=0.0) > 0.0]
    own /= np.linalg.norm(own, axis=0)
    rest = spline - own @ np.linalg.lstsq(own, spline, rcond=BEYOND_ROUNDING)[0]
    _, sizes, directions = np.linalg.svd(np.linalg.qr(rest, mode="r"))
    beyond = sizes > BEYOND_ROUNDING * np.linalg.norm(spline)
    return (rest / root @ directions[: sizes.size][beyond].T)[code]


def _functions_of(fit: Fit, name: str, rows: np.ndarray) -> np.ndarray:
    """The model's columns that are functions of one variable alone, in some rows: (rows, k)."""
    numbers = _columns_of(fit, name)
    if not numbers:
        return np.empty((rows.size, 0))
    design = fit._model_with_data("lack of fit").rows.design
    return take_rows(select_columns(design, numbers), rows).to_dense()


def _columns_of(fit: Fit, name: str) -> list[int]:
    """Numbers of the columns made of one variable alone, in order."""
    formula = fit.fitted_formula
    if formula is None or len(formula.terms) != len(fit.terms):
        return [k for k, column in enumerate(fit.names) if column == name]
    of_name = {factor.text for factor in formula.factors if set(factor.columns) == {name}}
    numbers: list[int] = []
    for term, (_, columns) in zip(formula.terms, fit.terms, strict=True):
        texts = {factor.text for product in term.products for factor in product.factors}
        if texts and texts <= of_name:
            numbers += range(columns.start, columns.stop)
    return numbers


def _numeric_variables(fit: Fit) -> dict[str, Any]:
    """Readers of the numeric variables: of the frame for a formula, else columns of X."""
    rows = fit._model_with_data("lack of fit").rows
    if fit.fitted_formula is None or rows.frame is None:
        constant = intercept_column(fit)
        return {
            name: lambda k=k: select_columns(rows.design, [k]).to_dense()[:, 0]
            for k, name in enumerate(fit.names)
            if k != constant
        }
    names = dict.fromkeys(name for f in fit.fitted_formula.factors for name in f.columns)
    columns = {name: rows.frame_column(name) for name in names}
    return {
        name: lambda column=column: np.asarray(column, dtype=np.float64)
        for name, column in columns.items()
        if not isinstance(column, Categories) and column.dtype.kind in "fiu"
    }


# -- zeros


def zero_inflation_test(fit: Fit) -> HypothesisTest:
    """Score test of more zeros than the family has; see `Results.zero_inflation_test`."""
    family = fit.family
    if family.response_kind != "counts" or not family.has_likelihood:
        raise ModelError("the test of zero inflation is for Poisson and negative binomial models.")
    rows = fit._rows_beside_columns("zero inflation")
    mean, slope = fit.row_values(row_buffers.MEAN, row_buffers.SLOPE)
    weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    zero = family.distribution(1.0).lower(np.zeros(mean.size), mean, np.ones(mean.size))
    odds = (1.0 - zero) / zero
    score = weights @ np.where(rows.response == 0.0, odds, -1.0)
    # d log P(Y = 0) / d mean is minus the mean over the variance; -1 for Poisson counts.
    change = slope / family.relative_variance(mean)
    cross = rows.times_columns(weights * change)
    information = weights @ odds - cross @ np.nan_to_num(fit.information_inverse) @ cross
    statistic = score**2 / information
    if score < 0.0:
        # Fewer zeros than expected speak for the family: the alternative has one side.
        return HypothesisTest("Zero inflation", 0.0, 1.0, 1.0)
    return HypothesisTest(
        "Zero inflation", float(statistic), float(scipy.special.ndtr(-np.sqrt(statistic))), 1.0
    )
