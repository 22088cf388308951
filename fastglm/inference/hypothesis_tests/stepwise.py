"""Terms added to a model one by one, and the search for the model of the smallest criterion.

R's ``add1`` and ``step``: Venables & Ripley (2002), *Modern Applied Statistics with S*, section
6.8. Estimates of a model that was chosen by a search look better than they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from fastglm.arguments import checked_choice, checked_number
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.anova import (
    base_aic,
    checked_test,
    drop_table,
    full_refit,
    terms_of_formula,
)
from fastglm.inference.hypothesis_tests.refits import refit_columns, score_statistic, streamed_rows
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.hypothesis_tests.updated import with_dots
from fastglm.pointers import Returned

__all__ = ["Step", "add1", "step"]

#: A criterion that falls by less than this has not fallen.
SMALLEST_GAIN = 1e-7


@dataclass(frozen=True, eq=False)
class Step(Returned):
    """The end of a search.

    Attributes
    ----------
    results : Results
        Of the model that was found.
    table : Table
        What each step changed, and what the model was after it.
    """

    results: Any
    table: Table

    def __repr__(self) -> str:
        return f"{self.table}\n\n{self.results.formula}"

    def _repr_html_(self) -> str:
        return f"{self.table._repr_html_()}<p><code>{escape(self.results.formula or '')}</code></p>"


def _model_of(fit: Any) -> Any:
    """The model, with its rows in memory where they fit."""
    what = "a search over terms"
    model = fit._model_of_rows(what)
    # Rows of several predictors are in memory.
    several = fit.has_several_predictors
    return model if not several and streamed_rows(fit) else fit._model_with_data(what)


class _Upper:
    """The largest model: its design, and which of its terms a smaller one has."""

    def __init__(
        self, fit: Any, scope: str | Sequence[str] | None, formula: str | None = None,
        kept: Sequence[str] = (),
    ):  # fmt: skip
        model = _model_of(fit)
        if model.formula is None:
            raise ModelError("terms can be added to models that were given by a formula.")
        formula = model.formula if formula is None else formula
        self.kept = kept
        self.response, self.right = (side.strip() for side in formula.split("~", 1))
        formula = formula if scope is None else f"{self.response} ~ {self._right(scope)}"
        self.n_rows = model.rows.n_rows
        self.model = self.of_formula(model, formula)
        self.terms = terms_of_formula(fit, self.model)

    def _right(self, scope: str | Sequence[str]) -> str:
        if not isinstance(scope, str):
            if not (isinstance(scope, Iterable) and all(isinstance(term, str) for term in scope)):
                raise ModelError(f"scope must be a formula or a list of terms, not {scope!r}")
            return " + ".join([self.right, *scope])
        if "~" not in scope:
            return f"{self.right} + {scope}"
        # A dot stands for the terms that there are, as in R.
        return with_dots(scope.split("~", 1)[1], self.right)

    def of_formula(self, model: Any, formula: str) -> Any:
        """The model of another formula on the same rows."""
        other = model.with_formula(" + ".join([formula, *self.kept]))
        if other.rows.n_rows != self.n_rows:
            raise DataError(
                f"{formula!r} has no missing values in {other.rows.n_rows} rows, and the model in "
                f"{self.n_rows}: their deviances do not compare. Fit it to the rows in which no "
                "term has any."
            )
        return other

    def included(self, fit: Any) -> list[int]:
        """The terms of a fit, as numbers of terms of the largest model."""
        present = terms_of_formula(fit, _model_of(fit)).factors
        known = set(self.terms.factors)
        if not set(present) <= known:
            raise ModelError("scope must hold every term of the model.")
        return [k for k, factors in enumerate(self.terms.factors) if factors in set(present)]

    def to_add(self, included: Sequence[int]) -> list[int]:
        """Terms whose parts are all there."""
        every = range(len(self.terms.names))
        return [
            t
            for t in every
            if t not in included
            and all(part in included for part in every if self.terms.contains(t, part))
        ]

    def to_drop(self, included: Sequence[int]) -> list[int]:
        """Terms that no other contains."""
        return [t for t in included if not any(self.terms.contains(j, t) for j in included)]

    def formula(self, included: Sequence[int]) -> str:
        """The formula of these terms, with the offsets of the original."""
        offsets = re.findall(r"offset\((?:[^()]|\([^()]*\))*\)", self.right)
        terms = [self.terms.names[t] for t in included] + offsets
        constant = "1" if self.terms.always.size else "0"
        return f"{self.response} ~ {' + '.join([constant, *terms])}"


def add1(fit: Any, scope: str | Sequence[str], test: str | None, k: float) -> Table:
    """Each term of `scope` added; see `Results.add1`."""
    test = checked_test(fit, test)
    upper = _Upper(fit, scope)
    included = upper.included(fit)
    added = upper.to_add(included)
    if not added:
        raise ModelError("scope holds no term that could be added to the model.")
    columns = [upper.terms.of([*included, t]) for t in added]
    models = [refit_columns(fit, chosen, upper.model) for chosen in columns]
    rao = None
    if test == "Rao":
        base = refit_columns(fit, upper.terms.of(included), upper.model)
        rao = [score_statistic(fit, base, upper.model.rows, chosen)[0] for chosen in columns]
    heading = f"Single term additions\n\nModel: {fit.formula}"
    names = [upper.terms.names[t] for t in added]
    return drop_table(fit, full_refit(fit), names, models, test, rao, k, heading, True)


def step(
    fit: Any,
    scope: str | Sequence[str] | None,
    direction: str,
    k: float | str,
    max_steps: int,
    formula: str | None = None,
    kept: Sequence[str] = (),
    comparable: Callable[[Any], Any] | None = None,
) -> Step:
    """The search; see `Results.step`.

    `kept` are terms beside those of `formula` that every model has, and `comparable` makes of the
    fit of another model what this one is.
    """
    checked_choice("direction", direction, ("both", "backward", "forward"))
    if not fit.has_likelihood:
        raise ModelError(f"{fit.family.name} has no likelihood and so no AIC.")
    price = _price(fit, k)
    upper = _Upper(fit, scope, formula, kept)
    steps, fits = [""], [fit]
    for _ in range(max_steps):
        change = _best_change(fits[-1], upper, direction, price)
        if change is None:
            break
        label, included = change
        steps.append(label)
        model = upper.of_formula(upper.model, upper.formula(included))
        found = model.fit(n_threads=fit.n_threads, **fit.options_of_refits)
        fits.append(found if comparable is None else comparable(found))
    return Step(fits[-1], _path(steps, fits, price))


def _price(fit: Any, k: float | str) -> float:
    if isinstance(k, str):
        if k.lower() not in ("aic", "bic"):
            raise ModelError(f'k must be a number, "aic" or "bic", not {k!r}')
        return 2.0 if k.lower() == "aic" else float(np.log(fit.nobs))
    if not checked_number("k", k) > 0:
        raise ModelError(f"k must be positive, not {k!r}")
    return float(k)


def _best_change(
    fit: Any, upper: _Upper, direction: str, price: float
) -> tuple[str, list[int]] | None:
    """The term whose dropping or adding makes the criterion smallest, None if none does."""
    included = upper.included(fit)
    changes = []
    if direction != "forward":
        changes += [("-", t, upper.terms.without(t, included)) for t in upper.to_drop(included)]
    if direction != "backward":
        changes += [("+", t, sorted([*included, t])) for t in upper.to_add(included)]
    if not changes:
        return None
    models = [refit_columns(fit, upper.terms.of(chosen), upper.model) for _, _, chosen in changes]
    labels = [f"{sign} {upper.terms.names[t]}" for sign, t, _ in changes]
    criterion = drop_table(fit, full_refit(fit), labels, models, None, None, price, "")["AIC"]
    best = int(np.argmin(criterion[1:]))
    if not criterion[1 + best] < criterion[0] - SMALLEST_GAIN:
        return None
    return labels[best], changes[best][2]


def _path(steps: Sequence[str], fits: Sequence[Any], price: float) -> Table:
    df_resid = np.array([fit.df_resid for fit in fits])
    deviance = np.array([fit.deviance for fit in fits])
    columns = {
        "Df": np.append(np.nan, np.diff(df_resid)),
        "Deviance": np.append(np.nan, np.diff(deviance)),
        "Resid. Df": df_resid,
        "Resid. Dev": deviance,
        "AIC": np.array([base_aic(fit, price) for fit in fits]),
    }
    heading = (
        f"Stepwise Model Path\n\nInitial Model: {fits[0].formula}\nFinal Model: {fits[-1].formula}"
    )
    return Table(heading, tuple(steps), columns)
