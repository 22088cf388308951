"""What statsmodels' scripts read of a model itself: sums over its rows at given coefficients."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.errors import DataError, ModelError
from fastglm.families import Family
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.pointers import Pointing
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.vectors import OffsetParts, vector
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["StatsmodelsModel"]

_WHICH = {"mean": row_buffers.MEAN, "linear": row_buffers.LINEAR_PREDICTOR}
#: Step of the difference that stands for the slope of the variance function: exact, but for
#: rounding, for polynomials of the fourth degree.
STEP = 0.01


class StatsmodelsModel(Pointing):
    """Mixin of `fastglm.GLM`."""

    family: Family
    rows: ModelRows

    if TYPE_CHECKING:

        @cached_property
        def row_table(self) -> RowTable:
            """What the kernels read."""

    @property
    def nobs(self) -> float:
        """Number of observations: rows, or the sum of their frequencies."""
        return self.rows.nobs

    @property
    def df_model(self) -> float:
        """Columns that are no combinations of others, beside the intercept."""
        has_intercept = self._columns.constant is not None
        return float(np.count_nonzero(~self._columns.aliased) - has_intercept)

    @property
    def df_resid(self) -> float:
        """Observations less columns that are no combinations of others."""
        return float(self.nobs - np.count_nonzero(~self._columns.aliased))

    @cached_property
    def _columns(self) -> Any:
        rows = self.rows
        return rank_and_scaling(rows.design, rows.prior_weights, usable_threads(None))

    @property
    def offset(self) -> np.ndarray | None:
        """As given and in the formula, (n,), without the exposure; None where there is none."""
        parts = self.rows.offset_parts
        return OffsetParts(parts.formula, parts.offset).total(self.family.link)

    @property
    def exposure(self) -> np.ndarray | None:
        """Its logarithm, (n,), as in statsmodels; None where there is none."""
        return OffsetParts(exposure=self.rows.offset_parts.exposure).total(self.family.link)

    @property
    def freq_weights(self) -> np.ndarray:
        """Numbers of identical rows, (n,); ones where none were given."""
        return self._or_ones(self.rows.frequencies)

    @property
    def var_weights(self) -> np.ndarray:
        """Variance weights times numbers of trials, (n,); ones where none were given."""
        return self._or_ones(self.rows.variance_weights)

    def _or_ones(self, weights: np.ndarray | None) -> np.ndarray:
        return np.ones(self.rows.n_rows) if weights is None else weights

    # -- sums over the rows

    def loglike(self, params: Any, scale: float | None = None) -> float:
        """Log-likelihood at coefficients.

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            Dispersion. By default what ``results.llf`` takes: R's, which for some families is the
            deviance over the sum of weights.

        Returns
        -------
        float
            NaN for quasi families.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> fit = model.fit()
        >>> abs(model.loglike(fit.params) - fit.llf) < 1e-9
        True
        """
        if not self.family.has_likelihood:
            return float("nan")
        beta, rows = self._checked_params(params), self.rows
        if scale is None:
            (deviance,) = self._at(beta, row_buffers.DEVIANCE)
            scale = self.family.likelihood_dispersion(
                float(deviance.sum()), rows.sum_weights, rows.nobs, self._pearson_scale(beta)
            )
        row_table = build_row_table(rows.design, rows.response, rows.variance_weights, rows.offset)
        (values,) = evaluate_rows(
            row_table,
            self.family,
            beta,
            (row_buffers.LOG_LIKELIHOOD,),
            dispersion=scale,
            n_threads=usable_threads(None),
        )
        return float(values.sum() if rows.frequencies is None else values @ rows.frequencies)

    def loglike_mu(self, mu: Any, scale: float = 1.0) -> float:
        """Log-likelihood at means.

        Parameters
        ----------
        mu : array_like, shape (n,)
        scale : float, default 1
            Dispersion.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> fit = model.fit()
        >>> abs(model.loglike_mu(fit.fittedvalues) - fit.llf) < 1e-9
        True
        """
        return float(
            self.family.loglike(self.rows.response, mu, self.var_weights, self.freq_weights, scale)
        )

    def score(self, params: Any, scale: float | None = None) -> np.ndarray:
        """First derivative of the log-likelihood, (p,).

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            Dispersion. By default 1 where the family fixes it, else Pearson's statistic at `params`
            over the residual degrees of freedom.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> bool(abs(model.score(model.fit().params)).max() < 1e-4)
        True
        """
        factor = self.score_factor(params, scale)
        return np.asarray(sum(factor[part] @ X for part, X in dense_slices(self.rows.design)))

    def score_factor(self, params: Any, scale: float | None = None) -> np.ndarray:
        """First derivatives of the rows' log-likelihoods by their linear predictors, (n,).

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            As for `score`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> model.score_factor(model.fit().params).shape
        (6,)
        """
        beta = self._checked_params(params)
        (residual,) = self._at(beta, row_buffers.RESIDUAL)
        return np.asarray(residual) / self._scale(beta, scale)

    def score_obs(self, params: Any, scale: float | None = None) -> np.ndarray:
        """First derivatives of the rows' log-likelihoods, (n, p): a dense array.

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            As for `score`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> model.score_obs(model.fit().params).shape
        (6, 2)
        """
        factor = self.score_factor(params, scale)
        blocks = [X * factor[part, None] for part, X in dense_slices(self.rows.design)]
        return np.vstack(blocks)

    def hessian(
        self, params: Any, scale: float | None = None, observed: bool | None = None
    ) -> np.ndarray:
        """Second derivative of the log-likelihood, (p, p): negative definite at a maximum.

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            As for `score`.
        observed : bool, optional
            The derivative itself, by default, or with False its expectation.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> round(float(model.hessian(model.fit().params)[0, 0]), 3)
        -45.0
        """
        factor = self.hessian_factor(params, scale, observed)
        total = sum((X.T * factor[part]) @ X for part, X in dense_slices(self.rows.design))
        return -np.asarray(total)

    def hessian_factor(
        self, params: Any, scale: float | None = None, observed: bool | None = None
    ) -> np.ndarray:
        """Weights of the rows in the information: ``hessian`` is ``-X' diag(factor) X``, (n,).

        Parameters
        ----------
        params : array_like, shape (p,)
        scale : float, optional
            As for `score`.
        observed : bool, optional
            As for `hessian`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> model.hessian_factor(model.fit().params).shape
        (6,)
        """
        beta = self._checked_params(params)
        weight = self._at(beta, row_buffers.WEIGHT)[0]
        if observed is None or observed:
            weight = weight * self._observed_share(beta)
        return np.asarray(weight) / self._scale(beta, scale)

    def information(self, params: Any, scale: float | None = None) -> np.ndarray:
        """``hessian(params, scale, observed=False)``, (p, p), with that sign, as in statsmodels.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> round(float(model.information(model.fit().params)[0, 0]), 3)
        -45.0
        """
        return self.hessian(params, scale, observed=False)

    def _observed_share(self, beta: np.ndarray) -> np.ndarray:
        """Observed over expected weight of every row (McCullagh & Nelder 1989, section 2.5)."""
        mean, slope = self._at(beta, row_buffers.MEAN, row_buffers.SLOPE)
        domain, variance = self.family.domain, self.family.variance
        room = np.minimum(mean - domain.lower, domain.upper - mean)
        step = STEP * np.where(np.isfinite(room), room, np.maximum(np.abs(mean), 1.0))
        near = variance(mean + step) - variance(mean - step)
        far = variance(mean + 2.0 * step) - variance(mean - 2.0 * step)
        of_variance = (8.0 * near - far) / (12.0 * step)
        of_link = self.family.link.deriv2(mean) * variance(mean) * slope
        return 1.0 + (self.rows.response - mean) * (of_link + of_variance) / variance(mean)

    def predict(
        self,
        params: Any,
        exog: Any = None,
        exposure: Any = None,
        offset: Any = None,
        which: str = "mean",
    ) -> np.ndarray:
        """Means or linear predictors at given coefficients, (n,).

        Parameters
        ----------
        params : array_like, shape (p,)
        exog : array_like, shape (n, p), optional
            Columns; by default those of the model, with its offset and exposure.
        exposure, offset : array_like, shape (n,), optional
            For `exog`.
        which : {"mean", "linear"}, default "mean"

        Raises
        ------
        ModelError
            If there is no such prediction, or an offset comes without columns.
        DataError
            If a shape is wrong.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> round(float(model.predict([0.0, 0.0])[0]), 4)
        1.0
        """
        checked_choice("which", which, _WHICH)
        beta, row_table = self._checked_params(params), self.row_table
        if exog is not None:
            design = design_from_array(exog)
            if design.n_columns != beta.size:
                raise DataError(f"exog has {design.n_columns} columns, but the model {beta.size}.")
            n = design.n_rows
            given = None if offset is None else vector(offset, "offset", n)
            exposed = None if exposure is None else vector(exposure, "exposure", n)
            total = OffsetParts(None, given, exposed).total(self.family.link)
            row_table = build_row_table(design, offset=total)
        elif offset is not None or exposure is not None:
            raise ModelError("offset and exposure of predict are those of exog: give exog too.")
        return evaluate_rows(
            row_table, self.family, beta, (_WHICH[which],), n_threads=usable_threads(None)
        )[0]

    def _at(self, beta: np.ndarray, *which: int) -> np.ndarray:
        return evaluate_rows(
            self.row_table, self.family, beta, which, n_threads=usable_threads(None)
        )

    def _scale(self, beta: np.ndarray, scale: float | None) -> float:
        return self._pearson_scale(beta) if scale is None else float(scale)

    def _pearson_scale(self, beta: np.ndarray) -> float:
        if self.family.dispersion_known:
            return 1.0
        return float(self._at(beta, row_buffers.PEARSON)[0].sum() / self.df_resid)

    def _checked_params(self, params: Any) -> np.ndarray:
        beta = np.asarray(params, dtype=np.float64)
        p = self.rows.design.n_columns
        if beta.shape != (p,):
            raise DataError(f"params has shape {beta.shape}, but there are {p} columns.")
        return beta
