"""The frozen record of a fitted mixed model, and what can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast

import numpy as np

from fastglm.design.recipe import Recipe
from fastglm.entry import entry_points
from fastglm.errors import ModelError
from fastglm.families import Family
from fastglm.inference.record import Record
from fastglm.mixed.effects import GroupEffects, VarianceComponent
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.summary import MixedSummary

__all__ = ["MixedResults"]


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class MixedResults(Record):
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
    gradient : float
        Largest derivative of the criterion in a parameter at the estimates.
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
    status: Any
    gradient: float
    n_evaluations: int
    n_iter: int
    singular: Mapping[str, str] = field(default_factory=dict)
    cov_type: str = "nonrobust"
    use_t: bool = False
    df_inference: float = float("inf")
    formula: str | None = None
    recipe: Recipe | None = None
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
    model: Any = None
    estimate: Any = None

    kind: ClassVar[str] = "MixedGLM"

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

    def conf_int(self, alpha: float = 0.05) -> Any:
        """Wald intervals of the fixed coefficients, (p, 2), at level 1 - alpha.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1.
        """
        return self._wald_intervals(alpha)

    def with_covariance(self, cov_type: str) -> MixedResults:
        """The same fit with another covariance of its fixed coefficients.

        Parameters
        ----------
        cov_type : {"nonrobust", "conditional"}
            "nonrobust" takes account of the estimation of theta where the model is not linear;
            "conditional" is given theta, lme4's ``vcov(use.hessian=FALSE)``.
        """
        known = {"nonrobust": self.covariance, "conditional": self.conditional_covariance}
        if cov_type not in known:
            raise ModelError(f"cov_type must be one of {', '.join(known)}, not {cov_type!r}.")
        return replace(self, covariance=known[cov_type], cov_type=cov_type)

    # -- random effects

    @property
    def varcorr(self) -> Any:
        """Variances, covariances and their roots, as lme4's ``VarCorr``: a pandas DataFrame.

        Columns ``group, term1, term2, variance, sd, se``: of a pair of effects, covariance and
        correlation. Standard errors are those of ``sd``.
        """
        import pandas as pd

        rows = [
            (c.group, c.term1, c.term2 or None, c.variance, c.sd, c.se) for c in self.components
        ]
        columns = ["group", "term1", "term2", "variance", "sd", "se"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def theta_se(self) -> np.ndarray:
        """Standard errors of theta, (m,); NaN on the boundary."""
        variances = np.diag(self.parameter_covariance)[: self.theta.size]
        return np.sqrt(variances)

    def ranef(self, cond_var: bool = False) -> dict[str, Any]:
        """Conditional modes of the random effects.

        Parameters
        ----------
        cond_var : bool, default False
            Whether to give their conditional variances as well.

        Returns
        -------
        dict
            By grouping factor: a pandas DataFrame of levels by effects, or with `cond_var` a
            `GroupEffects` with ``modes``, (q, k), ``variances``, (q, k, k), and
            ``summary_frame()``.
        """
        return {g.group: g if cond_var else g.frame() for g in self.groups}

    def coef(self) -> dict[str, Any]:
        """Coefficients of every level: fixed ones plus modes, a pandas DataFrame by factor."""
        import pandas as pd

        fixed = dict(zip(self.names, self.estimates, strict=True))
        found = {}
        for group in self.groups:
            modes = group.frame()
            names = [*self.names, *(c for c in group.columns if c not in fixed)]
            columns = {n: fixed.get(n, 0.0) + modes.get(n, 0.0) for n in names}
            found[group.group] = pd.DataFrame(columns, index=modes.index)
        return found

    def group(self, name: str) -> GroupEffects:
        """The random effects of a grouping factor."""
        for each in self.groups:
            if each.group == name:
                return each
        known = ", ".join(g.group for g in self.groups)
        raise ModelError(f"there is no grouping factor {name!r}; there is {known}.")

    # -- rows

    def predict(
        self,
        exog: Any = None,
        level: str = "conditional",
        which: str = "mean",
        new_levels: str = "raise",
        **others: Any,
    ) -> Any:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog : data frame or array_like, optional
            New rows: a frame with the columns of the formula, or an array of the fixed columns. By
            default the rows of the fit.
        level : {"conditional", "population", "marginal"}
            With the modes of the rows' levels; at random effects of zero; or the mean over all
            levels there might be, by quadrature in one dimension.
        which : {"mean", "linear"}
            On the scale of the response or of the linear predictor.
        new_levels : {"raise", "zero", "nan"}
            For levels that the fit has not seen: an error, effects of zero, or NaN.
        **others
            ``offset``, ``exposure``; for a model given as arrays ``groups``, a mapping of factor
            to levels, and ``Z``, one of factor to columns.

        Returns
        -------
        ndarray or Series, shape (n,)
            NaN for rows with missing values.

        Raises
        ------
        UnseenLevelError
            For an unknown level, with ``new_levels="raise"``.
        DataError
            Naming what is wrong with the new rows.
        ModelError
            If an option is none of those above.
        """
        return predict_rows(self, exog, level, which, new_levels, others)

    @property
    def fittedvalues(self) -> Any:
        """Conditional means of the fitted rows, (n,)."""
        return self.predict()

    @property
    def resid_response(self) -> Any:
        """Response less fitted values, (n,)."""
        return self._model_with_data("residuals").rows.fixed.response - self.fittedvalues

    # -- lme4's and statsmodels' names

    @property
    def fixef(self) -> Any:
        """`params`, lme4's name."""
        return self.params

    @property
    def fe_params(self) -> Any:
        """`params`, statsmodels' name."""
        return self.params

    @property
    def bse_fe(self) -> Any:
        """`bse`, statsmodels' name."""
        return self.bse

    def VarCorr(self) -> Any:
        """`varcorr`, lme4's name."""
        return self.varcorr

    @property
    def cov_re(self) -> Any:
        """Covariance of the effects of the first factor, (k, k), statsmodels' name."""
        import pandas as pd

        first = self.groups[0]
        return pd.DataFrame(first.covariance, first.columns, first.columns)

    @property
    def random_effects(self) -> dict[Any, Any]:
        """Modes of the first factor by level, statsmodels' name."""
        frame = self.groups[0].frame()
        return {level: frame.loc[level] for level in frame.index}

    # -- the record itself

    def _summary(self, alpha: float) -> MixedSummary:
        return MixedSummary(cast("Any", self), alpha)

    def __getstate__(self) -> dict[str, Any]:
        """Without the data and the tables."""
        return super().__getstate__() | {"estimate": None}

    def __repr__(self) -> str:
        factors = ", ".join(f"{g.group} ({len(g.levels)})" for g in self.groups)
        state = "converged" if self.converged else self.status.name.lower()
        return (
            f"<MixedResults: {self.rank} coefficients, {factors}, {self.nobs:g} observations, "
            f"{'REML' if self.reml else '-2 log-likelihood'} {self.criterion:.8g}, {state}>"
        )
