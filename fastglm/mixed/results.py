"""`MixedResults`: a fitted mixed model with its methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast, overload

import numpy as np
import scipy

from fastglm.entry import entry_points
from fastglm.errors import ModelError, require_level
from fastglm.inference.hypothesis_tests.hypotheses import LinearTests
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.kernels.threads.threads import usable_threads
from fastglm.mixed.effects import GroupEffects
from fastglm.mixed.evaluation import EvaluationMethods
from fastglm.mixed.explained import distribution_variance
from fastglm.mixed.hypotheses import compare_mixed, f_test, freedom_of, linear_tests
from fastglm.mixed.intervals import predict_intervals
from fastglm.mixed.other_names import OtherNames
from fastglm.mixed.pictures import PictureMethods
from fastglm.mixed.population import PopulationMethods
from fastglm.mixed.prediction import predict_rows
from fastglm.mixed.profile import profile_intervals
from fastglm.mixed.record import MixedFit
from fastglm.mixed.robust import LevelInfluence, cluster_covariance, level_influence
from fastglm.mixed.saving import describe_mixed
from fastglm.mixed.simulation import Bootstrap, bootstrap, simulate
from fastglm.mixed.summary import MixedSummary
from fastglm.mixed.tidy import mixed_rows, with_random_rows
from fastglm.results.shared import SharedMethods

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.typing import Vector

__all__ = ["MixedResults"]


@entry_points
class MixedResults(
    PopulationMethods, PictureMethods, EvaluationMethods, OtherNames, SharedMethods, MixedFit
):
    """One fitted mixed model: a `MixedFit` with tests, intervals, predictions and pictures."""

    def _profile_limits(self, alpha: float) -> np.ndarray:
        return self.profile(alpha, self.names).to_numpy()

    def _bootstrap_limits(self, alpha: float) -> np.ndarray:
        return self.bootstrap().conf_int(alpha).to_numpy()[: len(self.names)]

    def with_covariance(
        self, cov_type: str, group: str | None = None, use_correction: bool = False
    ) -> MixedResults:
        """The same fit with another covariance of its fixed coefficients.

        Parameters
        ----------
        cov_type : {"nonrobust", "conditional", "cluster"}
            "nonrobust" takes account of the estimation of theta where the model is not linear;
            "conditional" is given theta, lme4's ``vcov(use.hessian=FALSE)``;
            "cluster" is White's for the levels of a factor that all others are nested in: of a
            generalized model from the scores of all parameters together.
        group : str, optional
            That factor; the one with the fewest levels by default.
        use_correction : bool, default False
            Whether to multiply by q / (q - 1), q its number of levels.
        """
        if cov_type == "cluster":
            covariance = cluster_covariance(self, group, use_correction)
            return replace(self, covariance=covariance, cov_type=cov_type)
        known = {"nonrobust": self.covariance, "conditional": self.conditional_covariance}
        if cov_type not in known:
            raise ModelError(
                f"cov_type must be one of {', '.join(known)}, cluster, not {cov_type!r}."
            )
        return replace(self, covariance=known[cov_type], cov_type=cov_type)

    # -- tests

    def with_df(self, method: str) -> MixedResults:
        """The same fit with degrees of freedom for the tests of its fixed coefficients.

        Parameters
        ----------
        method : {"satterthwaite", "kenward-roger", "residual", "inf"}
            "satterthwaite" as lmerTest, "kenward-roger" with its covariance as pbkrtest, for
            linear models; "residual" for observations less coefficients, "inf" for z tests.

        Raises
        ------
        ModelError
            If the method is not for this model.
        """
        freedom = freedom_of(self, method)
        if freedom is None:
            df: Any = self.df_resid if method == "residual" else float("inf")
            return replace(self, use_t=method == "residual", df_inference=df, df_method=method)
        fixed = self.estimate.fixed
        singles = np.array([freedom.single(row) for row in fixed.from_standardized])
        covariance = fixed.spread_out(
            fixed.from_standardized @ freedom.covariance @ fixed.from_standardized.T
        )
        return replace(
            self,
            use_t=True,
            df_inference=fixed.spread_out(singles),  # type: ignore[arg-type]
            df_method=method,
            covariance=covariance if method == "kenward-roger" else self.covariance,
        )

    def df(self, method: str = "satterthwaite") -> Vector:
        """Degrees of freedom of the fixed coefficients, (p,); methods as for `with_df`."""
        return self._vector(np.broadcast_to(self.with_df(method).df_inference, len(self.names)))

    def critical_value(self, alpha: float) -> Any:
        """Two-sided critical values of the coefficients' reference distributions."""
        if np.ndim(self.df_inference) == 0:
            return super().critical_value(alpha)
        require_level(alpha)
        return scipy.special.stdtrit(self.df_inference, 1.0 - alpha / 2.0)

    def t_test(self, hypothesis: Any) -> LinearTests:
        """Tests of combinations of the fixed coefficients, as `fastglm.Results.t_test`.

        Each has degrees of freedom of its own after `with_df`.
        """
        return linear_tests(self, hypothesis, self.df_method)

    def wald_test(
        self, hypothesis: Any, use_f: bool | None = None, scalar: bool = True
    ) -> HypothesisTest:
        """Test of all equations together, as `fastglm.Results.wald_test`."""
        if np.ndim(self.df_inference) == 0:
            return super().wald_test(hypothesis, use_f, scalar)
        return f_test(self, hypothesis, self.df_method)

    def anova(self, *others: MixedResults) -> Table:
        """Likelihood ratio tests of this and other models, smallest first.

        Fits by REML are compared if their fixed columns are equal. Where the larger model has one
        random effect more, the p-value is that of the mixture for a variance on its boundary.

        Raises
        ------
        ModelError
            If the models cannot be compared.
        """
        return compare_mixed([self, *others])

    def profile(
        self, alpha: float = 0.05, which: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Profile likelihood intervals of coefficients, standard deviations and correlations.

        Parameters
        ----------
        alpha : float, default 0.05
            They are at level 1 - alpha.
        which : str or sequence of str, optional
            Names of parameters: coefficients, ``sd(x | g)``, ``cor(x, z | g)`` and ``sigma``; all
            of them by default.

        Returns
        -------
        DataFrame
            ``lower`` and ``upper`` by parameter. A standard deviation whose limit is zero cannot
            be told from it. Fits by REML are profiled by maximum likelihood, as by lme4.
        """
        return profile_intervals(self, alpha, which)

    # -- single levels

    def influence(
        self, group: str | None = None, refit: bool | None = None, n_threads: int | None = None
    ) -> LevelInfluence:
        """Coefficients without each level of a grouping factor.

        Parameters
        ----------
        group : str, optional
            The factor; the one with the fewest levels by default.
        refit : bool, optional
            Whether to fit the model to the rows without each level, as lme4's ``influence``, rather
            than to keep variances as they are, which only a linear model with one factor allows and
            does by default.
        n_threads : int, optional
            Fits at the same time; the results do not depend on it.

        Returns
        -------
        LevelInfluence
            With ``params``, (q, p), ``cooks_distance``, (q,), and ``summary_frame()``; NaN for a
            level without which the model cannot be fitted.

        Raises
        ------
        ModelError
            If there is no such factor, no coefficient, or ``refit=False`` is not possible.
        """
        return level_influence(self, group, refit, usable_threads(n_threads))

    # -- responses from the model

    def _distribution_variance(self, eta: np.ndarray, sd: np.ndarray) -> float:
        return distribution_variance(self, eta, sd)

    def simulate(self, n: int = 1, seed: Any = None, use_u: bool = False) -> np.ndarray:
        """Responses drawn from the model for the fitted rows, (rows, n).

        Parameters
        ----------
        n : int, default 1
        seed : optional
            As for `numpy.random.SeedSequence`.
        use_u : bool, default False
            Whether random effects stay at their modes; otherwise each draw has its own.
        """
        return simulate(self, n, seed, use_u)

    def bootstrap(self, n: int = 500, seed: Any = None, n_threads: int | None = None) -> Bootstrap:
        """Parametric bootstrap: simulated responses, refitted.

        Parameters
        ----------
        n : int, default 500
        seed : optional
            As for `numpy.random.SeedSequence`.
        n_threads : int, optional
            Fits at the same time; the results do not depend on it.

        Returns
        -------
        Bootstrap
            With ``replicates``, (n, m), ``bse`` and ``conf_int()``.
        """
        return bootstrap(self, n, seed, usable_threads(n_threads))

    def get_prediction(
        self,
        exog: Any = None,
        level: str = "conditional",
        interval: str = "confidence",
        new_levels: str = "raise",
        alpha: float = 0.05,
        **others: Any,
    ) -> pd.DataFrame:
        """Predictions with standard errors and limits, a pandas DataFrame.

        Parameters
        ----------
        exog, new_levels, **others
            As for `predict`.
        level : {"conditional", "population", "marginal"}
        interval : {"confidence", "prediction"}
            Of the mean, or of a new response; for a population prediction of a new level.
        alpha : float, default 0.05

        Returns
        -------
        DataFrame
            ``mean``, ``linear`` with ``linear_se``, ``lower`` and ``upper``. The uncertainty is
            that of coefficients and effects together; of a linear model given theta, as by lme4, of
            others with that of theta, as by glmmTMB. A level not seen has all of the variance
            between levels. For ``level="marginal"`` ``mean``, ``mean_se`` and limits, with
            the uncertainty of theta as well.

        Notes
        -----
        Limits of a new response are quantiles of its distribution averaged over normal linear
        predictors, by quadrature; a dispersion is taken as known.
        """
        return predict_intervals(self, exog, level, interval, new_levels, alpha, others)

    # -- random effects

    @overload
    def ranef(self, cond_var: Literal[False] = False) -> dict[str, pd.DataFrame]: ...
    @overload
    def ranef(self, cond_var: Literal[True]) -> dict[str, GroupEffects]: ...
    def ranef(self, cond_var: bool = False) -> dict[str, pd.DataFrame] | dict[str, GroupEffects]:
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
        if cond_var:
            return {effects.group: effects for effects in self.groups}
        return {effects.group: effects.frame() for effects in self.groups}

    def coef(self) -> dict[str, pd.DataFrame]:
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

    # -- rows

    def predict(
        self,
        exog: Any = None,
        level: str = "conditional",
        which: str = "mean",
        new_levels: str = "raise",
        **others: Any,
    ) -> Vector:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog : data frame or array_like, optional
            New rows: a frame with the columns of the formula, or an array of the fixed columns. By
            default the rows of the fit.
        level : {"conditional", "population", "marginal"}
            With the modes of the rows' levels; at random effects of zero; or the mean over the
            distribution of levels, by quadrature in one dimension.
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

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> len(res.predict({"x": [1], "g": ["a"]}))
        1
        """
        return predict_rows(self, exog, level, which, new_levels, others)

    @property
    def fittedvalues(self) -> Vector:
        """Conditional means of the fitted rows, (n,)."""
        return self.predict()

    @property
    def resid_response(self) -> Vector:
        """Response less fitted values, (n,)."""
        return self._model_with_data("residuals").rows.response - self.fittedvalues

    def _tidy_columns(
        self, exponentiate: bool, conf_int: bool | str, alpha: float
    ) -> dict[str, Any]:
        return with_random_rows(self, super()._tidy_columns(exponentiate, conf_int, alpha))

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        return mixed_rows(self, self.predict, data, which, se_fit)

    # -- the record itself

    def _described(self) -> dict[str, Any]:
        return describe_mixed(self)

    def _summary(self, alpha: float) -> MixedSummary:
        return MixedSummary(cast("Any", self), alpha)
