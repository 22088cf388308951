"""The frozen record of one fit: estimates, covariance, likelihood and the numbers of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.frames.categories import Level
from fastglm.design.frames.labels import label_rows
from fastglm.errors import Status
from fastglm.families import Family
from fastglm.fit.base import FitBase
from fastglm.fit.family_parameters import FamilyParameters
from fastglm.fit.likelihood import NullFit, log_likelihood, null_fit
from fastglm.fit.one_design import OneDesign
from fastglm.fit.outcomes import OneOutcome, named_prediction
from fastglm.fit.ratios import ratio_name
from fastglm.fit.roots import covariance_root, trusted_root
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering
from fastglm.passes.source import MemoryRows, RowSource
from fastglm.records import fast_init
from fastglm.rows.gathered import GatheredRows
from fastglm.rows.streamed import StreamedModelRows
from fastglm.solve.newton.blocked_inverse import on_demand

__all__ = ["Fit"]


@on_demand("information_inverse", "covariance", "inverse_information_factor")
@fast_init
@dataclass(frozen=True, eq=False)
class Fit(FitBase, FamilyParameters, OneDesign):
    """The record of one fitted model, whose fields `fastglm.Results` explains."""

    lazy_numbers: ClassVar[tuple[str, ...]] = ("null_deviance", "llf", "llnull")

    family: Family
    names: tuple[str, ...]
    terms: tuple[tuple[str, slice], ...]
    estimates: np.ndarray
    information_inverse: np.ndarray
    covariance: np.ndarray
    inverse_information_factor: np.ndarray
    centering: Centering
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
    fitted_formula: FittedFormula | None = None
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
    constraints: tuple[str, ...] = ()
    numerical_error: float = float("nan")
    orthogonal: bool = False
    timings: Mapping[str, float] = field(default_factory=dict)
    n_threads: int = 1
    model: Any = None

    def _model_title(self) -> str:
        return type(self.family).__name__

    def _ratio_names(self) -> list[str | None]:
        return [ratio_name(self.family)] * len(self.names)

    def _glance_columns(self) -> list[tuple[str, str]]:
        whole = super()._glance_columns()
        null = [("null.deviance", "null_deviance"), ("df.null", "df_null")]
        return [*null, *whole[:3], ("deviance", "deviance"), *whole[3:]]

    def root_of_combinations(self, matrix: np.ndarray) -> np.ndarray:
        """See `FitBase.root_of_combinations`."""
        return trusted_root(self, matrix, super().root_of_combinations(matrix))

    @property
    def n_passes(self) -> int:
        """Passes over all rows that the fit took; the same as `n_sweeps`."""
        return self.n_sweeps

    def covariance_of_combinations(self, matrix: np.ndarray) -> np.ndarray:
        """Covariance, (m, m), of m combinations of the estimates, the rows of (m, p).

        By way of centred columns: among rows of a design far from zero, what the intercept's
        variance and its covariances add up to is a small difference of large numbers.
        """
        root = self.centering.combinations(matrix) @ covariance_root(self)
        return root @ root.T

    def outcomes(self, which: str = "mean") -> OneOutcome:
        """See `FitBase.outcomes`."""
        return OneOutcome(self, named_prediction(which, ("mean", "linear")) == "mean")

    # -- what comparisons of models need to know

    @property
    def model_text(self) -> str:
        """Family and link."""
        return f"{self.family.name}, link: {self.family.link.name}"

    @property
    def has_likelihood(self) -> bool:
        """Whether there is one."""
        return self.family.has_likelihood

    @property
    def sums_of_weights(self) -> tuple[float, float]:
        """What fits of the same rows have in common."""
        return self.nobs, self.sum_weights

    @property
    def parameter_of_deviance(self) -> float:
        """The parameter of the family, with which its deviances change."""
        return self.family.parameter

    @property
    def options_of_refits(self) -> dict[str, Any]:
        """How `GLM.fit` is to find the dispersion of another model."""
        if self.dispersion_known:
            return {"scale": self.scale}
        return {"scale": "X2" if self.family.dispersion_known else None}

    def same_kind(self, other: Fit) -> bool:
        """Whether another fit is of this family and link."""
        return self.family.same_kind(other.family)

    def scaled_lack_of_fit(self, deviance: np.ndarray) -> np.ndarray:
        """Deviances on the scale of a likelihood ratio."""
        return self.family.scaled_lack_of_fit(deviance, self.nobs, self.scale)

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
        rows = self._model_of_rows("the null deviance").rows
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
        return self._log_likelihood(null.rows, null.params, null.deviance)

    @cached_property
    def llf(self) -> float:
        """Log-likelihood as R's ``logLik`` counts it; NaN for quasi families."""
        rows = self._model_of_rows("the log-likelihood").rows
        return self._log_likelihood(rows, self.estimates, self.deviance)

    def _log_likelihood(self, rows: Any, params: np.ndarray, deviance: float) -> float:
        family = self.family
        dispersion = family.likelihood_dispersion(deviance, self.sum_weights, self.nobs, self.scale)
        return log_likelihood(rows, family, params, deviance, dispersion, self.n_threads)

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
    def _row_table(self) -> RowTable:
        """Rows with variance weights alone: a frequency does not change a row's own numbers."""
        rows = self._model_with_data("the rows").rows
        return build_row_table(rows.design, rows.response, rows.variance_weights, rows.offset)

    @cached_property
    def row_source(self) -> RowSource:
        """The same rows, wherever they are."""
        rows = self._model_of_rows("the rows").rows
        if isinstance(rows, StreamedModelRows):
            return rows.row_source(self.n_threads, single=True)
        return MemoryRows(self._row_table)

    @property
    def response_dispersion(self) -> float:
        """Dispersion of the distribution of responses: `scale`, but for an estimated power."""
        return self.family.response_dispersion(self.scale)

    def row_values(self, *which: int, factor: np.ndarray | None = None) -> np.ndarray:
        """Planes (`kernels.blocks.row_buffers`) of every row at the estimates, (len(which), n).

        With `factor`, of centred columns, as `evaluate_rows` has it. Takes a pass over rows that
        are not in memory.
        """
        centering = None if factor is None else self.centering

        def of(row_table: RowTable) -> np.ndarray:
            return evaluate_rows(
                row_table, self.family, self.estimates, which,
                factor=factor, centering=centering, n_threads=self.n_threads,
            )  # fmt: skip

        rows = self._rows_beside_columns("the rows")
        if isinstance(rows, GatheredRows):
            return rows.values(of, len(which))
        return of(self._row_table)

    def _rows(self, values: np.ndarray) -> Any:
        if not self.labelled or self.model is None:
            return values
        return label_rows(values, self._rows_beside_columns("the rows").labels)
