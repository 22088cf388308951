"""The frozen record of a fitted mixed model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.errors import DataError, ModelError, Status, counted
from fastglm.families import Family
from fastglm.fit.base import FitBase
from fastglm.fit.one_design import OneDesign
from fastglm.fit.outcomes import OneOutcome, named_prediction
from fastglm.fit.ratios import ratio_name
from fastglm.mixed.effects import GroupEffects, VarianceComponent, determined_part
from fastglm.passes.row_table import RowTable

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MixedFit"]


@dataclass(frozen=True, eq=False, repr=False)
class MixedFit(FitBase, OneDesign):
    """One fitted mixed model.

    Attributes
    ----------
    names : tuple of str
        Of the p fixed coefficients.
    estimates : ndarray, shape (p,)
        NaN where aliased.
    covariance : ndarray, shape (p, p)
    conditional_covariance : ndarray, shape (p, p)
        Given theta: lme4's ``vcov(use.hessian=FALSE)``.
    family : Family
    groups : tuple of GroupEffects
        The factor with most effects first.
    components : tuple of VarianceComponent
    theta : ndarray, shape (m,)
        Parameters of the covariances; relative to sigma in a linear model, as lme4's.
    theta_names : tuple of str
    parameter_covariance : ndarray
        Of theta and, where there is one, sigma or the logarithm of the family's own parameter.
    sigma : float
        Residual standard deviation, or the root of the dispersion.
    criterion : float
        -2 log-likelihood, or the REML criterion.
    n_parameters : int
        All that the likelihood was maximised over.
    reml : bool
    method : str
    singular : dict of str to str
        By grouping factor, the combination of effects whose variance is zero; empty, and false, if
        there is none.
    infinite : dict of str to int
        Signs of coefficients whose estimates are infinite: they separate rows from the others.
    n_separated : int
        Number of these rows.
    gradient : float
        Largest derivative of the criterion in a parameter at the estimates.
    df_method : str
        How `df_inference`, one number or (p,), was found.
    fit_options : dict
        Of the fit.
    n_evaluations, n_iter : int
        Of the criterion with its gradient, and steps.
    """

    names: tuple[str, ...]
    estimates: np.ndarray
    covariance: np.ndarray
    conditional_covariance: np.ndarray
    family: Family
    groups: tuple[GroupEffects, ...]
    components: tuple[VarianceComponent, ...]
    theta: np.ndarray
    theta_names: tuple[str, ...]
    parameter_covariance: np.ndarray
    sigma: float
    criterion: float
    n_parameters: int
    reml: bool
    method: str
    nobs: float
    rank: int
    status: Status
    gradient: float
    n_evaluations: int
    n_iter: int
    singular: Mapping[str, str] = field(default_factory=dict)
    infinite: Mapping[str, int] = field(default_factory=dict)
    n_separated: int = 0
    cov_type: str = "nonrobust"
    use_t: bool = False
    df_inference: float = float("inf")
    formula: str | None = None
    fitted_formula: FittedFormula | None = None
    response_name: str = "y"
    response_levels: tuple | None = None
    has_offset: bool = False
    has_exposure: bool = False
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    labelled: bool = False
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    n_threads: int = 1
    df_method: str = "inf"
    fit_options: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    estimate: Any = None
    read_from: str | None = None

    kind: ClassVar[str] = "MixedGLM"
    has_random_effects: ClassVar[bool] = True

    def _model_with_data(self, what: str) -> Any:
        if self.read_from is not None:
            raise DataError(
                f"{what} cannot be computed: the rows were read from {self.read_from} and are not "
                "kept. Fit them in memory."
            )
        return super()._model_with_data(what)

    # -- the likelihood

    @property
    def llf(self) -> float:
        """Log-likelihood; the restricted one of a fit by REML."""
        return -0.5 * self.criterion

    @property
    def aic(self) -> float:
        """Akaike's criterion; of fits by REML comparable only if their fixed columns are equal."""
        return self.criterion + 2.0 * self.n_parameters

    @property
    def bic(self) -> float:
        """Bayesian information criterion."""
        return self.criterion + float(np.log(self.nobs)) * self.n_parameters

    @property
    def scale(self) -> float:
        """Dispersion: sigma squared."""
        return self.sigma**2

    @property
    def is_linear(self) -> bool:
        """Whether this is a linear mixed model, whose Lambda is relative to sigma."""
        return self.method in ("REML", "ML")

    @property
    def response_dispersion(self) -> float:
        """Dispersion of the distribution of responses."""
        return self.family.response_dispersion(self.scale)

    @property
    def theta_se(self) -> np.ndarray:
        """Standard errors of theta, (m,); NaN on the boundary."""
        known, flat = determined_part(self.parameter_covariance)
        variances = np.diag(known)[: self.theta.size]
        is_lost = (flat != 0.0).any(axis=1)[: self.theta.size]
        return np.where(is_lost | (variances <= 0.0), np.nan, np.sqrt(np.maximum(variances, 0.0)))

    @property
    def varcorr(self) -> pd.DataFrame:
        """Variances, covariances and their roots, as lme4's ``VarCorr``: a pandas DataFrame.

        Columns ``group, term1, term2, variance, sd, se, lower, upper``: of a pair of effects,
        covariance and correlation. Standard errors are those of ``sd``, and limits Wald's of 95%,
        on the scale of its logarithm or, of a correlation, of its inverse hyperbolic tangent.
        """
        import pandas as pd

        rows = [
            (c.group, c.term1, c.term2 or None, c.variance, c.sd, c.se, *c.limits())
            for c in self.components
        ]
        columns = ["group", "term1", "term2", "variance", "sd", "se", "lower", "upper"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def aliased(self) -> dict[str, dict[str, float]]:
        """Coefficients that the data cannot tell apart from earlier ones, by name."""
        missing = np.isnan(self.estimates)
        return {name: {} for name, gone in zip(self.names, missing, strict=True) if gone}

    def require_all_columns(self) -> None:
        """Refuse averages where a column is a combination of others.

        Raises
        ------
        ModelError
            If one is.
        """
        if self.aliased:
            raise ModelError(
                f"{', '.join(self.aliased)} cannot be told from earlier columns: leave these out "
                "of the model for averages and marginal means."
            )

    def without_random_effects(self) -> FitBase:
        """The fit itself, whose means of the population have random effects of zero."""
        self.require_all_columns()
        return self

    @property
    def has_intercept(self) -> bool:
        """Whether a fixed column is constant."""
        model = self._model_with_data("the intercept")
        return model.rows.design.constant is not None or self.estimate.fixed.constant is not None

    @property
    def _row_table(self) -> RowTable:
        return self._model_with_data("the rows").rows.row_table()

    def outcomes(self, which: str = "mean") -> OneOutcome:
        """The mean, or linear predictor, at random effects of zero."""
        self.require_all_columns()
        return OneOutcome(self, named_prediction(which, ("mean", "linear")) == "mean")

    def _ratio_names(self) -> list[str | None]:
        return [ratio_name(self.family)] * len(self.names)

    def _glance_columns(self) -> list[tuple[str, str]]:
        nobs, sigma = ("nobs", "nobs"), ("sigma", "sigma")
        likelihood = ("REMLcrit" if self.reml else "deviance", "criterion")
        logs = super()._glance_columns()[:3]
        return [nobs, sigma, *logs, likelihood, ("df.residual", "df_resid")]

    def _columns_in_use(self) -> list[str]:
        names = super()._columns_in_use()
        for fitted_formula in (group.fitted_formula for group in self.groups):
            names += [name for factor in fitted_formula.factors for name in factor.columns]
            terms = (
                term.fitted_formula
                for term in fitted_formula.terms
                if term.fitted_formula is not None
            )
            names += [name for r in terms for factor in r.factors for name in factor.columns]
        return list(dict.fromkeys(names))

    @property
    def _frame(self) -> Any:
        return None if self.model is None else self.model.rows.frame

    def group(self, name: str) -> GroupEffects:
        """The random effects of a grouping factor.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> res.group("g").levels
        ('a', 'b', 'c', 'd')
        """
        for each in self.groups:
            if each.group == name:
                return each
        known = ", ".join(g.group for g in self.groups)
        raise ModelError(f"there is no grouping factor {name!r}; there is {known}.")

    # -- the record itself

    def __getstate__(self) -> dict[str, Any]:
        """Without the data and the tables."""
        return super().__getstate__() | {"estimate": None}

    def __repr__(self) -> str:
        factors = ", ".join(f"{g.group} ({len(g.levels)})" for g in self.groups)
        state = "converged" if self.converged else self.status.name.lower()
        return (
            f"<{type(self).__name__}: {counted(self.rank, 'coefficient')}, {factors}, "
            f"{self.nobs:g} observations, "
            f"{'REML' if self.reml else '-2 log-likelihood'} {self.criterion:.8g}, {state}>"
        )
