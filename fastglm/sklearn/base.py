"""What all estimators of linear predictors share: reading, fitting, and the linear predictor."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastglm.design.frames.missing import DROP
from fastglm.design.matrix.arrays import array_names, column_terms
from fastglm.design.matrix.parts import Dense, Design, Ones, Sparse
from fastglm.design.matrix.select import select_columns
from fastglm.errors import DataError, MissingValueError, RankWarning
from fastglm.families import Family
from fastglm.model import GLM
from fastglm.results import Results
from fastglm.rows.vectors import OffsetParts
from fastglm.sklearn.inputs import (
    FitData,
    read_fit,
    read_new,
    row_vector,
    with_response,
)
from fastglm.sklearn.wide import independent_columns

__all__ = ["GLMEstimator", "array_design"]


class GLMEstimator(BaseEstimator):
    """Base of the estimators over `fastglm.GLM`.

    A subclass has the parameters ``formula``, ``fit_intercept``, ``tol``, ``max_iter`` and
    ``n_jobs``, and says which family it fits.
    """

    # What a fit sets.
    results_: Any
    coef_: np.ndarray
    intercept_: float | np.ndarray
    std_errors_: np.ndarray
    n_iter_: int

    def _family(self) -> Family:
        raise NotImplementedError

    # -- fitting

    def _read(self, X: Any, y: Any, sample_weight: Any) -> FitData:
        return read_fit(self, X, y, sample_weight, self.formula is not None)

    def _fit_glm(self, data: FitData, offset: Any, exposure: Any) -> Results:
        """Fit the family to y as numbers, and store the estimates."""
        rows: dict[str, Any] = {
            "offset": None if offset is None else row_vector(offset, "offset", data.y),
            "exposure": None if exposure is None else row_vector(exposure, "exposure", data.y),
            "var_weights": data.sample_weight,
        }
        self._by_name = data.is_frame
        family = self._family()
        if data.is_frame:
            model = self._model_by_name(data, family, rows)
            kept = np.arange(len(model.names))
        else:
            design = array_design(data.X, self.fit_intercept, self._feature_names())
            kept = independent_columns(design, data.sample_weight)
            model = GLM(data.y, select_columns(design, kept), family, **rows)
        with warnings.catch_warnings():
            # Indicators of every level beside an intercept are the rule in pipelines; a coefficient
            # of zero says the same of them as one left out.
            warnings.simplefilter("ignore", RankWarning)
            results = model.fit(tol=self.tol, max_iter=self.max_iter, n_threads=self.n_jobs)
        self._store(results, design.names if not data.is_frame else results.names, kept)
        return results

    def _model_by_name(self, data: FitData, family: Family, rows: dict[str, Any]) -> GLM:
        if self.formula is None and not self.fit_intercept:
            return GLM(data.y, data.X, family, **rows)
        columns, formula = with_response(data, "." if self.formula is None else self.formula)
        try:
            return GLM.from_formula(formula, columns, family, **rows)
        except MissingValueError as error:
            # An estimator has no missing=: it gets as many rows as there are responses.
            text = str(error).replace(DROP, "Leave these rows out of X and y, or fill them.")
            raise MissingValueError(text) from None

    def _starts_with_intercept(self, results: Results) -> bool:
        if not self._by_name:
            return bool(self.fit_intercept)
        fitted_formula = results.fitted_formula
        return fitted_formula is not None and any(
            not each.factors for each in fitted_formula.terms[0].products
        )

    def _feature_names(self) -> tuple[str, ...] | None:
        names = getattr(self, "feature_names_in_", None)
        return None if names is None else tuple(names)

    def _store(self, results: Results, names: tuple[str, ...], kept: np.ndarray) -> None:
        """Set what is fitted: ``coef_``, ``intercept_``, ``std_errors_``, ``n_iter_``, ..."""
        estimates, errors = np.zeros(len(names)), np.full(len(names), np.nan)
        estimates[kept] = np.nan_to_num(results.estimates)
        errors[kept] = results.standard_errors
        # By its place: a feature may be called as the intercept is.
        is_intercept = np.arange(len(names)) == (0 if self._starts_with_intercept(results) else -1)
        self.results_ = results
        self.coef_ = estimates[~is_intercept]
        self.std_errors_ = errors[~is_intercept]
        self.coef_names_ = np.array(names, dtype=object)[~is_intercept]
        self.intercept_ = float(estimates[is_intercept].sum())
        self.n_iter_ = int(results.n_iter)

    # -- prediction

    def _linear_predictor(self, X: Any, offset: Any, exposure: Any) -> np.ndarray:
        """The linear predictor of new rows, (n,)."""
        check_is_fitted(self, "results_")
        X = read_new(self, X, self._by_name)
        results = self.results_
        if self._by_name:
            return np.asarray(
                results.predict(X, which="linear", offset=offset, exposure=exposure, unseen="raise")
            )
        self._require(offset, exposure)
        eta = np.asarray(X @ np.ravel(self.coef_), dtype=np.float64) + np.ravel(self.intercept_)
        given = {"offset": offset, "exposure": exposure}
        vectors = {k: row_vector(v, k, eta) for k, v in given.items() if v is not None}
        if vectors:
            eta += OffsetParts(**vectors).total(results.family.link)
        return eta

    def _require(self, offset: Any, exposure: Any) -> None:
        for name, given in (("offset", offset), ("exposure", exposure)):
            if given is None and getattr(self.results_, f"has_{name}"):
                raise DataError(f"the fit had an {name}: give predict an {name} of the new rows.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def array_design(X: Any, intercept: bool, names: tuple[str, ...] | None) -> Design:
    """An array or sparse matrix as a design, with an intercept that takes no storage."""
    part: Dense | Sparse = Dense(X) if isinstance(X, np.ndarray) else Sparse(X)
    labels = names if names is not None else array_names(part.n_columns, None)
    if not intercept:
        return Design((part,), part.n_rows, labels, None, None, column_terms(labels))
    labels = ("const", *labels)
    return Design((Ones(part.n_rows), part), part.n_rows, labels, None, 0, column_terms(labels))
