"""Analysis of deviance: terms and models compared, in the tables of R.

McCullagh & Nelder (1989), section 2.3; Rao (1948) for the score test; Fox & Weisberg, *An R
Companion to Applied Regression*, for types II and III. Columns are those of R's ``anova.glm``,
``drop1.glm``, ``add1.glm`` and of ``Anova`` in the package car.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import scipy

from fastglm.arguments import checked_choice, checked_number
from fastglm.errors import ModelError
from fastglm.fit.base import FitBase
from fastglm.inference.hypothesis_tests.refits import (
    NestedRefit,
    intercept_column,
    refit_columns,
    rows_of_columns,
    score_statistic,
    term_factors,
)
from fastglm.inference.hypothesis_tests.tables import Table, f_tail

__all__ = [
    "Term",
    "Terms",
    "anova",
    "anova_models",
    "drop1",
    "drop_table",
    "terms_of",
    "terms_of_formula",
]

RAO = 'test="Rao"'
TESTS = ("Chisq", "F", "Rao")


class Term(NamedTuple):
    """A term of a model: its columns, and the factors whose product it is."""

    name: str
    columns: np.ndarray
    factors: frozenset[Any]


class Terms:
    """The terms of a model, without its intercepts, and which of them others contain.

    Attributes
    ----------
    names : list of str
    columns : list of ndarray
        Of each term.
    factors : list of frozenset
    always : ndarray
        The columns of intercepts, and what else stays in every model.
    """

    def __init__(self, terms: Sequence[Term], always: np.ndarray):
        self.always = always
        kept = [t._replace(columns=np.setdiff1d(t.columns, always)) for t in terms]
        kept = [term for term in kept if term.columns.size]
        self.names = [term.name for term in kept]
        self.columns = [term.columns for term in kept]
        self.factors = [term.factors for term in kept]

    def of(self, which: Sequence[int]) -> np.ndarray:
        """Columns of the model of these terms and the intercept."""
        return np.sort(np.concatenate([self.always, *(self.columns[k] for k in which)]))

    def contains(self, larger: int, term: int) -> bool:
        """Whether one term is an interaction with all factors of the other."""
        return self.factors[larger] > self.factors[term]

    def without(self, term: int, among: Sequence[int]) -> list[int]:
        """All other terms of `among`."""
        return [k for k in among if k != term]


def terms_of(fit: Any) -> Terms:
    """The terms of a fit."""
    model = fit._model_of_rows("an analysis of deviance")
    if fit.has_several_predictors:
        return Terms(*fit.terms_of_designs(model))
    return _terms_of_design(fit, fit.terms, intercept_column(fit))


def terms_of_formula(fit: Any, model: Any) -> Terms:
    """The terms of the formula of another model; those of further formulas are always there."""
    if fit.has_several_predictors:
        return Terms(*fit.terms_of_designs(model, first_alone=True))
    return _terms_of_design(fit, model.rows.design.terms, model.rows.design.constant)


def _terms_of_design(fit: Any, terms: Sequence[tuple[str, slice]], intercept: int | None) -> Terms:
    always = np.array([] if intercept is None else [intercept], dtype=np.intp)
    factors = term_factors(fit, [name for name, _ in terms])
    found = [
        Term(name, np.arange(term.start, term.stop), own)
        for (name, term), own in zip(terms, factors, strict=True)
    ]
    return Terms(found, always)


def checked_test(fit: Any, test: str | None) -> str:
    """The test asked for; by default F where the dispersion is estimated, else chi-squared.

    Of several predictors there are likelihood ratios alone.
    """
    if test is None:
        return "Chisq" if fit.dispersion_known else "F"
    name = "Chisq" if isinstance(test, str) and test in ("LR", "LRT") else test
    several = fit.has_several_predictors
    checked_choice("test", name, TESTS[:1] if several else TESTS, ' or "LR"')
    return name


def full_refit(fit: Any) -> NestedRefit:
    """The fit itself, as one of the models that are compared."""
    return NestedRefit(np.arange(len(fit.names)), fit.estimates, fit.deviance, fit.rank, fit.status)


def anova(fit: Any, type: Any, test: str | None) -> Table:
    """Analysis of deviance of one fit; see `Results.anova`."""
    if isinstance(type, FitBase):
        return anova_models(fit, type, test=test)
    type = {"I": 1, "II": 2, "III": 3}.get(str(type), type)
    if type not in (1, 2, 3):
        raise ModelError(f"type must be 1, 2 or 3, or another fit, not {type!r}")
    test = checked_test(fit, test)
    if type == 1:
        return _sequential(fit, test)
    return _partial(fit, type, test)


def _sequential(fit: Any, test: str) -> Table:
    terms = terms_of(fit)
    n_terms = len(terms.names)
    # The last of the models is the fit itself.
    models = [refit_columns(fit, terms.of(range(k))) for k in range(n_terms)]
    models.append(full_refit(fit))
    rao = None
    if test == "Rao":
        rows, steps = rows_of_columns(fit, RAO), range(1, n_terms + 1)
        rao = [score_statistic(fit, models[k - 1], rows, terms.of(range(k)))[0] for k in steps]
    heading = (
        f"Analysis of Deviance Table\n\nModel: {fit.model_text}\n\n"
        f"Response: {fit.response_name}\n\n"
        "Terms added sequentially (first to last)\n"
    )
    return _chain(fit, ["NULL", *terms.names], models, test, rao, heading, "term")


def _chain(
    fit: Any,
    names: Sequence[str],
    models: Sequence[NestedRefit],
    test: str,
    rao: Sequence[float] | None,
    heading: str,
    kind: str,
) -> Table:
    """Each model compared with the one before; the dispersion is that of `results`."""
    rank = np.array([m.rank for m in models], dtype=float)
    deviance = np.array([m.deviance for m in models])
    df = np.append(np.nan, np.diff(rank))
    drop = np.append(np.nan, np.where(df[1:] == 0.0, 0.0, -np.diff(deviance)))
    before = {"Df": df, "Deviance": drop}
    after = {"Resid. Df": fit.nobs - rank, "Resid. Dev": deviance}
    columns = before | after if kind == "term" else after | before
    if test == "Rao" and rao is not None:
        # As R prints it: like the deviances beside it, not divided by the dispersion.
        columns["Rao"] = np.append(np.nan, rao)
        columns["Pr(>Chi)"] = _chi_squared(columns["Rao"] / fit.scale, df)
    elif test == "Chisq":
        columns["Pr(>Chi)"] = _chi_squared(drop / fit.scale, df)
    else:
        columns |= _f_columns(drop, df, fit.scale, fit.df_resid)
    return Table(heading, tuple(names), columns)


def _chi_squared(statistic: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Upper tails; the sign of models in decreasing order is taken off."""
    sign = np.sign(df)
    with np.errstate(invalid="ignore"):
        tail = scipy.special.chdtrc(np.abs(df), np.maximum(statistic * sign, 0.0))
    return np.where(df == 0, np.nan, tail)


def _f_columns(
    drop: np.ndarray, df: np.ndarray, scale: float, df_resid: float
) -> dict[str, np.ndarray]:
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = np.where(df == 0, np.nan, drop / df / scale)
    # With a known dispersion the denominator has no error, however few rows there are.
    tail = f_tail(np.abs(df), df_resid, np.maximum(statistic, 0.0))
    return {"F": statistic, "Pr(>F)": tail}


def _partial(fit: Any, type: int, test: str) -> Table:
    """Types 2 and 3: each term after all others, for type 2 except those that contain it."""
    terms = terms_of(fit)
    n_terms = len(terms.names)
    statistic, df = np.empty(n_terms), np.empty(n_terms)
    full = full_refit(fit)
    for k in range(n_terms):
        among = [j for j in range(n_terms) if type == 3 or not terms.contains(j, k)]
        larger = full if len(among) == n_terms else refit_columns(fit, terms.of(among))
        smaller = refit_columns(fit, terms.of(terms.without(k, among)))
        df[k] = larger.rank - smaller.rank
        if test == "Rao":
            statistic[k], _ = score_statistic(
                fit, smaller, rows_of_columns(fit, RAO), terms.of(among)
            )
        else:
            # Of models of the same columns there is nothing but rounding.
            statistic[k] = smaller.deviance - larger.deviance if df[k] else 0.0
    columns = {"Df": df}
    if test == "F":
        columns = {"Sum Sq": statistic, **columns}
        columns |= _f_columns(statistic, df, fit.scale, fit.df_resid)
    else:
        key = "Rao" if test == "Rao" else "LR Chisq"
        columns = {key: statistic / fit.scale, **columns}
        columns["Pr(>Chisq)"] = _chi_squared(columns[key], df)
    heading = (
        f"Analysis of Deviance Table (Type {'I' * type} tests)\n\nResponse: {fit.response_name}"
    )
    return Table(heading, tuple(terms.names), columns)


def anova_models(*fits: Any, test: str | None = None) -> Table:
    """Compare fits of nested models of the same rows, each with the one before.

    Parameters
    ----------
    *fits : Fit or ResponseFit
        Two or more fits with one family, or of one model of several predictors, from the smallest
        to the largest or the other way round.
    test : {"Chisq", "LR", "F"}, optional
        By default F where the dispersion is estimated. It is that of the largest model.

    Returns
    -------
    Table
        With the columns of R's ``anova(fit1, fit2, ...)``. Negative binomial fits that estimated
        different alphas are compared by their likelihoods, as ``anova.negbin`` of R's package MASS
        does.

    Raises
    ------
    ModelError
        If there are fewer than two fits, or they are not fits to the same rows with one family
        and link, or with different parameters of the family and an estimated dispersion.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> res = fg.glm("y ~ x + g", data, family="poisson")
    >>> small = fg.glm("y ~ x", data, family="poisson")
    >>> round(float(fg.anova(small, res)["Deviance"][1]), 4)
    1.7437
    """
    if len(fits) < 2:
        raise ModelError("anova compares two or more fits; results.anova() takes one apart.")
    for other in fits:
        if not hasattr(other, "same_kind"):
            raise ModelError(f"anova compares fits, not {other!r}")
    first = fits[0]
    for other in fits[1:]:
        if not isinstance(other, type(first)) or not first.same_kind(other):
            raise ModelError("the fits differ in family or link: their deviances do not compare.")
        if other.sums_of_weights != first.sums_of_weights:
            raise ModelError(
                f"the fits have {first.nobs:g} and {other.nobs:g} observations: compare models of "
                "the same rows."
            )
    largest = max(fits, key=lambda fit: fit.rank)
    test = checked_test(largest, test)
    if test == "Rao":
        raise ModelError('Rao tests need the columns: use results.anova(test="Rao") or drop1.')
    heading = "Analysis of Deviance Table\n\n" + "\n".join(
        f"Model {k}: {fit.formula or ' + '.join(fit.names)}" for k, fit in enumerate(fits, 1)
    )
    names = [str(k) for k in range(1, len(fits) + 1)]
    models = [full_refit(fit) for fit in fits]
    if len({fit.parameter_of_deviance for fit in fits}) == 1:
        return _chain(largest, names, models, test, None, heading, "model")
    if test != "Chisq" or not largest.dispersion_known:
        raise ModelError(
            f"the fits differ in the parameter of {largest.family.name}: their deviances do not "
            f"compare. Give that of the largest model to all: {largest.family!r}."
        )
    models = [replace(m, deviance=-2.0 * f.llf) for m, f in zip(models, fits, strict=True)]
    table = _chain(largest, names, models, test, None, heading, "model")
    called = {"Resid. Dev": "-2 logLik", "Deviance": "LR"}
    return replace(table, columns={called.get(k, k): v for k, v in table.columns.items()})


# -- single terms dropped and added


def drop1(fit: Any, test: str | None, k: float) -> Table:
    """Every term that no other contains, dropped in turn; see `Results.drop1`."""
    test = checked_test(fit, test)
    terms = terms_of(fit)
    every = range(len(terms.names))
    scope = [t for t in every if not any(terms.contains(j, t) for j in every)]
    models = [refit_columns(fit, terms.of(terms.without(t, list(every)))) for t in scope]
    base = full_refit(fit)
    rao = None
    if test == "Rao":
        rows = rows_of_columns(fit, RAO)
        rao = [score_statistic(fit, model, rows, base.columns)[0] for model in models]
    heading = f"Single term deletions\n\nModel: {_described(fit)}"
    names = [terms.names[t] for t in scope]
    return drop_table(fit, base, names, models, test, rao, k, heading)


def _described(fit: Any) -> str:
    return fit.formula or f"{fit.response_name} ~ {' + '.join(fit.names)}"


def drop_table(
    fit: Any,
    base: NestedRefit,
    names: Sequence[str],
    models: Sequence[NestedRefit],
    test: str | None,
    rao: Sequence[float] | None,
    k: float,
    heading: str,
    added: bool = False,
) -> Table:
    """Models compared with `base`, the first row, as R does in ``drop1.glm`` and ``add1.glm``."""
    every = [base, *models]
    deviance = np.array([m.deviance for m in every])
    rank = np.array([m.rank for m in every], dtype=float)
    lack = fit.scaled_lack_of_fit(deviance)
    sign = -1.0 if added else 1.0
    df = sign * (base.rank - rank)
    df[0] = np.nan
    # A term whose columns the others make up adds nothing: as in R, there is no test of it.
    tested = np.where(df == 0.0, np.nan, df)
    columns = {"Df": df, "Deviance": deviance}
    if fit.has_likelihood:
        columns["AIC"] = base_aic(fit, k) + (lack - lack[0]) + k * (rank - base.rank)
    if test == "F":
        columns |= _f_tests(fit, tested, deviance, added)
    elif test is not None:
        change = np.maximum(sign * (lack - lack[0]), 0.0)
        columns |= _chi_squared_tests(fit, tested, change, rao)
    return Table(heading, ("<none>", *names), columns)


def base_aic(fit: Any, k: float) -> float:
    """AIC of the fit with `k` a parameter."""
    price = checked_number("k", k)
    return float(fit.aic + (price - 2.0) * fit._n_parameters)


def _f_tests(fit: Any, df: np.ndarray, deviance: np.ndarray, added: bool) -> dict[str, np.ndarray]:
    """F tests of single terms, with the deviance of the larger model as error."""
    error_df = fit.df_resid - df if added else np.full(df.shape, fit.df_resid)
    error = deviance if added else np.full(df.shape, deviance[0])
    change = deviance[0] - deviance if added else deviance - deviance[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.maximum(change / df, 0.0) / (error / error_df)
    return {"F value": statistic, "Pr(>F)": f_tail(df, error_df, statistic)}


def _chi_squared_tests(
    fit: Any, df: np.ndarray, change: np.ndarray, rao: Sequence[float] | None
) -> dict[str, np.ndarray]:
    """Likelihood-ratio tests of single terms, or score tests where there are scores."""
    known = fit.dispersion_known
    if rao is not None:
        name, statistic = "Rao score" if known else "scaled Rao sc.", np.append(0.0, rao)
        statistic /= fit.scale
    else:
        name, statistic = "LRT" if known else "scaled dev.", change
    statistic = np.where(np.isnan(df), np.nan, statistic)
    return {name: statistic, "Pr(>Chi)": scipy.special.chdtrc(df, statistic)}
