"""Results: the frozen record of one fit, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.design.formula.recipe import Recipe
from fastglm.design.frames.categories import Level
from fastglm.design.matrix.arrays import array_names, column_terms
from fastglm.design.matrix.parts import Design
from fastglm.entry import entry_points
from fastglm.errors import ModelError, Status
from fastglm.families import Family
from fastglm.fit.base import FitBase
from fastglm.fit.family_parameters import FamilyParameters
from fastglm.fit.likelihood import NullFit, log_likelihood, null_fit
from fastglm.fit.roots import trusted_root
from fastglm.inference.intervals.penalized import PenalizedQuestions
from fastglm.inference.rows.prediction import predict
from fastglm.inference.summary import Summary
from fastglm.kernels.blocks import planes
from fastglm.passes.layout import Layout, lay_out
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centring
from fastglm.records import filled_at_once
from fastglm.results.inference import InferenceMethods
from fastglm.results.rows import RowMethods
from fastglm.results.statsmodels_names import StatsmodelsNames
from fastglm.solve.fit import Solution

if TYPE_CHECKING:
    from fastglm.fit.estimate import Estimate, Plan
    from fastglm.model import GLM

__all__ = ["Results"]


@entry_points
@filled_at_once
@dataclass(frozen=True, eq=False)
class Results(
    FitBase, FamilyParameters, InferenceMethods, RowMethods, PenalizedQuestions, StatsmodelsNames
):
    """One fitted model.

    Labelled pandas objects where pandas objects came in, NumPy arrays in the order of `names`
    otherwise. Coefficients that the data cannot tell apart from earlier ones are NaN and listed
    in `aliased`.

    Attributes
    ----------
    params : (p,)
        Estimated coefficients, on the scale of the linear predictor.
    scale : float
        Dispersion: 1 where the family knows it, else Pearson's statistic over `df_resid`.
    deviance, pearson_chi2 : float
    df_resid, df_model : float
        Observations less coefficients, and coefficients less the intercept.
    cov_type : str
        Name of the covariance behind standard errors, tests and intervals.
    df_inference : float
        Degrees of freedom of their t and F statistics: `df_resid`, or clusters less one.
    dispersion_known : bool
        Whether the dispersion was known, by the family or from a number given as ``scale``, and
        not estimated from the data: then tests are chi-squared, not F.
    nobs : float
        Observations: rows of positive weight, or the sum of their frequencies.
    n_iter, n_sweeps : int
        Steps taken, and passes over all rows.
    status : Status
        How the fit ended; ``status.advice`` says what to do about it.
    converged : bool
    names : tuple of str
        Names of the p coefficients.
    family : Family
        With its parameter, where the fit estimated that.
    parameter_se : float
        Standard error of that parameter; NaN where it was given, or lies on a boundary.
    response_levels : tuple of two levels, or None
        Of a response of text, categories or truth values: the second is the one whose probability
        is modelled.
    n_dropped : int
        Rows left out because of missing values; `missing` counts them by column.
    n_separated : int
        Rows that regressors separate from the others; see `GLM.check_separation`. With
        ``separation="drop"`` they were left out.
    infinite : dict of str to int
        Sign of each estimate that is infinite because of them; what is reported for it is only
        where the fit stopped.
    aliased : dict of str to dict of str to float
        Columns that are combinations of earlier ones, whose coefficients are NaN: each with the
        coefficients of the earlier columns that add up to it.
    bias_reduction : str
        "none", "firth" or "median".
    numerical_error : float
        Bound on the relative error of any standard error that rounding may have left, magnified by
        collinear columns: 1e-7 or less but for condition numbers above about 1e8. NaN in a fit that
        an earlier version saved.
    orthogonal : bool
        Whether standard errors and robust covariances come from a QR factorisation, as those of
        nearly collinear columns do, and all with ``exact=True``.
    timings : dict of str to float
        Seconds by stage.
    """

    lazy_numbers: ClassVar[tuple[str, ...]] = ("null_deviance", "llf", "llnull")

    family: Family
    names: tuple[str, ...]
    terms: tuple[tuple[str, slice], ...]
    estimates: np.ndarray
    information_inverse: np.ndarray
    covariance: np.ndarray
    information_root: np.ndarray
    centring: Centring
    scale: float
    deviance: float
    pearson_chi2: float
    nobs: float
    sum_weights: float
    rank: int
    has_intercept: bool
    status: Status
    n_iter: int
    n_sweeps: int
    decrement: float
    use_t: bool
    dispersion_known: bool
    cov_type: str = "nonrobust"
    covariance_root: np.ndarray | None = None
    df_inference: float = float("nan")
    parameter_se: float = float("nan")
    formula: str | None = None
    response_name: str = "y"
    response_levels: tuple[Level, ...] | None = None
    recipe: Recipe | None = None
    has_offset: bool = False
    has_exposure: bool = False
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    labelled: bool = False
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0
    infinite: Mapping[str, int] = field(default_factory=dict)
    aliased: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    bias_reduction: str = "none"
    numerical_error: float = float("nan")
    orthogonal: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    n_threads: int = 1
    model: GLM | None = None

    @classmethod
    def from_estimate(cls, model: GLM, estimate: Estimate, plan: Plan) -> Results:
        """The record of what was estimated."""
        solution, family, scale = estimate.solution, estimate.family, estimate.scale
        rows, use_t = model.rows, plan.use_t
        design, nobs = rows.design, rows.nobs
        names, terms = design.names, design.terms
        has_intercept = solution.constant is not None or design.constant is not None
        if rows.recipe is None and design.constant is None:
            # Which column of an array is constant is not known before a sweep has read every row.
            names = array_names(len(names), solution.constant)
            terms = column_terms(names)
        rank = len(names) - len(solution.combinations)
        dispersion = _dispersion(scale, family, solution, nobs - rank)
        inverse = covariance = _frozen(solution.information_inverse)
        if dispersion != 1.0:
            with np.errstate(over="ignore", invalid="ignore"):
                # Where either is beyond 1e308, a variance is infinite.
                covariance = _frozen(inverse * dispersion)
        return cls(
            family=family,
            names=names,
            terms=terms,
            estimates=_frozen(solution.params),
            information_inverse=inverse,
            covariance=covariance,
            information_root=_frozen(solution.information_root),
            centring=solution.centring,
            scale=dispersion,
            deviance=solution.deviance,
            pearson_chi2=solution.pearson_chi2,
            nobs=nobs,
            sum_weights=rows.sum_weights,
            rank=rank,
            has_intercept=has_intercept,
            status=solution.status,
            n_iter=solution.n_iter,
            n_sweeps=solution.n_sweeps,
            decrement=solution.decrement,
            use_t=_is_estimated(scale, family) if use_t is None else use_t,
            dispersion_known=not _is_estimated(plan.scale, family),
            cov_type="nonrobust",
            covariance_root=None,
            df_inference=nobs - rank,
            parameter_se=estimate.parameter_se,
            formula=model.formula,
            response_name=rows.response_name,
            response_levels=rows.response_levels,
            recipe=rows.recipe,
            has_offset=rows.has_offset,
            has_exposure=rows.has_exposure,
            column_names=rows.column_names,
            weights=rows.weights,
            labelled=rows.index is not None,
            n_dropped=rows.n_dropped,
            missing=rows.missing,
            n_separated=0,
            infinite={},
            aliased={
                names[j]: {names[k]: float(parts[k]) for k in np.flatnonzero(parts)}
                for j, parts in solution.combinations.items()
            },
            bias_reduction=plan.bias_reduction,
            numerical_error=solution.numerical_error,
            orthogonal=solution.orthogonal,
            timings=solution.timings,
            n_threads=plan.options.n_threads,
            model=model,
        )

    def root_of_combinations(self, matrix: np.ndarray) -> np.ndarray:
        """See `FitBase.root_of_combinations`."""
        return trusted_root(self, matrix, super().root_of_combinations(matrix))

    # -- goodness of fit

    @property
    def df_null(self) -> float:
        """Degrees of freedom of the null model."""
        return self.nobs - self.has_intercept

    @property
    def df_model(self) -> float:
        """Coefficients beside the intercept."""
        return float(self.rank - self.has_intercept)

    @cached_property
    def _null(self) -> NullFit:
        rows = self._model_with_data("the null deviance").rows
        return null_fit(rows, self.family, self.has_intercept, self.n_threads)

    @cached_property
    def null_deviance(self) -> float:
        """Deviance of the model of nothing but an intercept and the offset; NaN if it has no mean.

        Without an intercept it is that of the offset, or of linear predictors of 0, which under
        links such as the inverse is no mean.
        """
        return self._null.deviance

    @cached_property
    def llnull(self) -> float:
        """Log-likelihood of the null model."""
        null = self._null
        if np.isnan(null.deviance):
            return float("nan")
        return self._log_likelihood(null.design, null.params, null.deviance)

    @cached_property
    def llf(self) -> float:
        """Log-likelihood as R's ``logLik`` counts it; NaN for quasi families."""
        design = self._model_with_data("the log-likelihood").rows.design
        return self._log_likelihood(design, self.estimates, self.deviance)

    def _log_likelihood(self, design: Design, params: np.ndarray, deviance: float) -> float:
        rows, family = self._model_with_data("the log-likelihood").rows, self.family
        dispersion = family.likelihood_dispersion(deviance, self.sum_weights, self.nobs, self.scale)
        return log_likelihood(design, rows, family, params, dispersion, self.n_threads)

    @property
    def aic(self) -> float:
        """Akaike's criterion; an estimated dispersion counts as a parameter."""
        return -2.0 * self.llf + 2.0 * self._n_parameters

    @property
    def bic(self) -> float:
        """Bayesian information criterion, with log(nobs) a parameter."""
        return -2.0 * self.llf + np.log(self.nobs) * self._n_parameters

    @property
    def _n_parameters(self) -> int:
        return self.rank + self.family.n_dispersion_parameters

    # -- rows

    @cached_property
    def _row_layout(self) -> Layout:
        """Rows with variance weights alone: a frequency does not change a row's own numbers."""
        rows = self._model_with_data("the rows").rows
        return lay_out(rows.design, rows.response, rows.variance_weights, rows.offset)

    @property
    def response_dispersion(self) -> float:
        """Dispersion of the distribution of responses: `scale`, but for an estimated power."""
        return self.family.response_dispersion(self.scale)

    def row_values(self, *which: int) -> np.ndarray:
        """Planes (`kernels.blocks.planes`) of every row at the estimates, (len(which), n)."""
        return evaluate_rows(
            self._row_layout, self.family, self.estimates, which, n_threads=self.n_threads
        )

    @property
    def fittedvalues(self) -> Any:
        """Fitted means, (n,)."""
        return self._rows(self.row_values(planes.MEAN)[0])

    @property
    def linear_predictor(self) -> Any:
        """Fitted linear predictor, offset included, (n,)."""
        return self._rows(self.row_values(planes.LINEAR_PREDICTOR)[0])

    def predict(
        self,
        exog: Any = None,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        n_threads: int | None = None,
    ) -> Any:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog : data frame or array_like, optional
            New rows: a frame with the columns of the formula, or an array of the p columns. By
            default the rows of the fit.
        which : {"mean", "linear"}, default "mean"
            Mean of the response, or linear predictor; R's "response" and "link" will do.
        offset, exposure : array_like or str, optional
            For the new rows, or a column of the frame; needed where the model had one, unless it
            was a column that the new frame has too. Without new rows, in place of those of the
            fit.
        unseen : {"raise", "nan"}, default "raise"
            What to do with rows that hold a level the fit has not seen.

        Returns
        -------
        (n,) predictions; NaN for rows with missing values.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.
        ModelError
            If there is no such prediction.
        """
        return predict(self, exog, which, offset, exposure, unseen, n_threads)

    def _summary(self, alpha: float) -> Summary:
        return Summary(self, alpha)

    def __repr__(self) -> str:
        return (
            f"<Results: {type(self.family).__name__}/{type(self.family.link).__name__}, "
            f"{self.rank} coefficients, {self.nobs:g} observations, deviance {self.deviance:.6g}, "
            f"{'converged' if self.converged else self.status.name.lower()}>"
        )

    def _rows(self, values: np.ndarray) -> Any:
        if not self.labelled or self.model is None:
            return values
        import pandas as pd

        return pd.Series(values, index=self.model.rows.index)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def _is_estimated(scale: float | str | None, family: Family) -> bool:
    """Whether the dispersion comes from the data, be it for the family's own sake or as asked."""
    return not family.dispersion_known if scale is None else isinstance(scale, str)


def _dispersion(
    scale: float | str | None, family: Family, solution: Solution, df_resid: float
) -> float:
    """The dispersion asked for; NaN where it is estimated and no degree of freedom is left."""
    if scale is None:
        scale = 1.0 if family.dispersion_known else "X2"
    if isinstance(scale, str):
        if scale.lower() not in ("x2", "dev"):
            raise ModelError(f'scale must be a positive number, "X2" or "dev", not {scale!r}')
        total = solution.pearson_chi2 if scale.lower() == "x2" else solution.deviance
        return total / df_resid if df_resid > 0 else float("nan")
    if not scale > 0:
        raise ModelError(f"scale must be positive, not {scale!r}")
    return float(scale)
