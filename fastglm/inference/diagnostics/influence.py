"""How much each observation moves a fit, without fitting again.

Deletion is one Newton step from the estimates, in closed form: Pregibon (1981), *Annals of
Statistics* 9; Williams (1987), *Applied Statistics* 36. Numbers equal those of R's
``influence.measures`` for a GLM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from fastglm.arguments import checked_number
from fastglm.design.frames.labels import label_rows
from fastglm.design.matrix.dense_slices import dense_slices
from fastglm.entry import entry_points
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.rendering import RenderedText
from fastglm.inference.rows.residuals import deviance_residuals, response_residuals
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.passes.score_products import FULL_LEVERAGE

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.fit.record import Fit
    from fastglm.typing import Matrix, Vector

__all__ = ["CooksDistance", "Influence"]


@dataclass(frozen=True, eq=False, repr=False)
class CooksDistance(RenderedText, Sequence):
    """Pair of distances and upper F tails; the tails, which take longer, on first use.

    Attributes
    ----------
    fit : Fit
    distance : ndarray, shape (n,)
    """

    results: Fit
    distance: np.ndarray

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return (
            f"<Cook's distances of {self.distance.size} observations, at most "
            f"{np.nanmax(self.distance):.4g}; [0] the distances, [1] their F tails>"
        )

    def __getitem__(self, which: Any) -> Any:
        fit = self.results
        which = range(2)[which]
        if which == 0:
            return fit._rows(self.distance)
        return fit._rows(scipy.special.fdtrc(fit.rank, fit.df_resid, self.distance))


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class Influence(RenderedText):
    """Influence of each of the n observations on a fit.

    Everything is computed on first use, from one pass over the rows. A row that stands for
    several observations (``freq_weights``) has the numbers of one of them. Rows of leverage 1,
    through which the fit passes whatever their response is, give NaN.

    Parameters
    ----------
    fit : Fit
        Of a fit whose data is at hand.
    """

    results: Fit

    def __repr__(self) -> str:
        n_rows = self.results._rows_beside_columns("influence").n_rows
        return f"<Influence of {n_rows} observations: summary_frame() has the table>"

    @cached_property
    def _leverage_and_pearson(self) -> tuple[np.ndarray, np.ndarray]:
        """Leverages, and squared Pearson residuals."""
        fit = self.results
        weight, form, pearson = fit.row_values(
            *(row_buffers.WEIGHT, row_buffers.QUADRATIC_FORM, row_buffers.PEARSON),
            factor=fit.inverse_information_factor.T,
        )
        leverage = np.multiply(weight, form, out=form)
        # As R does: what rounding keeps from 1 is 1.
        leverage[leverage > 1.0 - FULL_LEVERAGE] = 1.0
        return leverage, pearson

    @property
    def _leverage(self) -> np.ndarray:
        return self._leverage_and_pearson[0]

    @property
    def _pearson(self) -> np.ndarray:
        return self._leverage_and_pearson[1]

    @cached_property
    def _remaining(self) -> np.ndarray:
        """One less the leverage; NaN where that is 0."""
        remaining = 1.0 - self._leverage
        remaining[remaining == 0.0] = np.nan
        return remaining

    @cached_property
    def _difference(self) -> np.ndarray:
        return response_residuals(self.results)

    @cached_property
    def _deviance_residual(self) -> np.ndarray:
        return deviance_residuals(self.results)

    @cached_property
    def deletion_scale(self) -> np.ndarray:
        """Root of the deviance over its degrees of freedom, each observation left out in turn."""
        fit, squared = self.results, self._deviance_residual**2
        frequencies = fit._rows_beside_columns("influence").frequencies
        total = squared.sum() if frequencies is None else squared @ frequencies
        rest = total - squared / self._remaining
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.sqrt(rest / (fit.df_resid - 1.0))

    @property
    def hat_matrix_diag(self) -> Vector:
        """Leverages, (n,): diagonal of the projection matrix of the weighted regression."""
        return self.results._rows(self._leverage)

    @property
    def cooks_distance(self) -> CooksDistance:
        """Cook's distances and, as statsmodels has it, their p-values: a pair of (n,).

        The distance is the squared change of the estimates in units of their covariance, over
        their number.
        """
        return CooksDistance(self.results, self._cooks_distance)

    @cached_property
    def _cooks_distance(self) -> np.ndarray:
        fit = self.results
        distance = self._pearson * self._leverage
        distance /= self._remaining
        distance /= self._remaining
        distance *= 1.0 / (fit.scale * fit.rank)
        return distance

    @property
    def resid_studentized(self) -> Vector:
        """Pearson residuals over their standard deviations, (n,): R's ``rstandard`` of "pearson".

        statsmodels gives them this name; for those of deletion see `resid_studentized_external`.
        """
        pearson = np.copysign(np.sqrt(self._pearson), self._difference)
        return self.results._rows(self._standardized(pearson))

    @property
    def resid_standardized(self) -> Vector:
        """Deviance residuals over their standard deviations, (n,): R's ``rstandard``."""
        return self.results._rows(self._standardized(self._deviance_residual))

    def _standardized(self, residual: np.ndarray) -> np.ndarray:
        return residual / np.sqrt(self.results.scale * self._remaining)

    @property
    def resid_studentized_external(self) -> Vector:
        """Likelihood residuals, (n,): R's ``rstudent``.

        Signed root of the drop of the deviance on leaving the observation out, over the
        dispersion's root without it where the dispersion is estimated.
        """
        return self.results._rows(self._deletion_residual)

    @cached_property
    def _deletion_residual(self) -> np.ndarray:
        deviance_residual = self._deviance_residual
        drop = deviance_residual**2 + self._leverage * self._pearson / self._remaining
        # R's sign: 0 where a quasi-deviance below 0 has left no deviance residual.
        residual = np.sign(deviance_residual) * np.sqrt(drop)
        if self.results.dispersion_known:
            return residual
        return residual / self.deletion_scale

    @property
    def dffits(self) -> Vector:
        """Change of each fitted value on leaving its observation out, in standard errors, (n,)."""
        root = np.sqrt(self._leverage) / (self.deletion_scale * self._remaining)
        return self.results._rows(self._deviance_residual * root)

    @property
    def cov_ratio(self) -> Vector:
        """Determinant of the covariance without the observation, over that with it, (n,)."""
        fit = self.results
        with np.errstate(invalid="ignore", divide="ignore"):
            external = self._deviance_residual**2 / (self.deletion_scale**2 * self._remaining)
            ratio = (fit.df_resid - 1.0 + external) / fit.df_resid
            return fit._rows(1.0 / (self._remaining * ratio**fit.rank))

    @property
    def d_params(self) -> Matrix:
        """Estimates less those with the observation left out, (n, p), by one Newton step."""
        step = self.results.row_values(row_buffers.RESIDUAL)[0] / self._remaining
        return self._by_coefficient(step, np.ones(len(self.results.names)))

    @property
    def dfbetas(self) -> Matrix:
        """Change of each estimate on leaving an observation out, in standard errors, (n, p).

        As in R, from deviance residuals and with the dispersion without the observation.
        """
        root_weight = np.sqrt(self.results.row_values(row_buffers.WEIGHT)[0])
        step = self._deviance_residual * root_weight / (self._remaining * self.deletion_scale)
        with np.errstate(invalid="ignore"):
            unit = 1.0 / np.sqrt(np.diag(self.results.information_inverse))
        return self._by_coefficient(step, unit)

    def _by_coefficient(self, by_row: np.ndarray, by_column: np.ndarray) -> Any:
        """Inverse information times x of each row, times a number of the row and of the column.

        NaN for aliased coefficients, (n, p).
        """
        fit = self.results
        model_rows = fit._model_with_data("influence").rows
        design = model_rows.design
        root = fit.inverse_information_factor
        back = fit.centering.to_given(root).T * np.where(np.isnan(fit.estimates), np.nan, by_column)
        values = np.empty((design.n_rows, design.n_columns))
        for rows, columns in dense_slices(design):
            projected = (columns - fit.centering.center) @ root
            projected *= by_row[rows, None]
            np.matmul(projected, back, out=values[rows])
        return label_rows(values, model_rows.labels, fit.names) if fit.labelled else values

    def outlier_test(self, n_most: int = 10) -> Table:
        """The observations with the largest likelihood residuals, adjusted for the search.

        Parameters
        ----------
        n_most : int, default 10
            How many to show.

        Returns
        -------
        Table
            A row for each: its row number, residual, two-sided p-value (normal, or t where the
            dispersion is estimated), and that times the number of observations (Bonferroni).

        Raises
        ------
        ModelError
            If `n_most` is not positive.

        Notes
        -----
        As ``outlierTest`` of R's package car; Fox & Weisberg (2019), section 8.3.
        """
        n_most = int(checked_number("n_most", n_most, lower=1, whole=True))
        fit, residual = self.results, self._deletion_residual
        size = np.where(np.isnan(residual), -np.inf, np.abs(residual))
        frequencies = fit._rows_beside_columns("outliers").frequencies
        if frequencies is not None:
            # What was never observed is no outlier.
            size[frequencies == 0.0] = -np.inf
        n_most = min(n_most, int(np.isfinite(size).sum()))
        first = np.argpartition(-size, n_most - 1)[:n_most]
        first = first[np.argsort(-size[first], kind="stable")]
        tail = -size[first]
        known = fit.dispersion_known
        pvalue = 2.0 * (
            scipy.special.ndtr(tail) if known else scipy.special.stdtr(fit.df_resid - 1.0, tail)
        )
        index = fit._rows_beside_columns("outliers").index
        names = tuple(str(row if index is None else index[row]) for row in first)
        columns = {
            "row": first.astype(np.float64),
            "rstudent": residual[first],
            "pvalue": pvalue,
            "bonferroni": np.minimum(pvalue * fit.nobs, 1.0),
        }
        return Table("Outlier test", names, columns)

    def summary_frame(self) -> pd.DataFrame:
        """Leverage, Cook's distance and the other measures by observation, a pandas DataFrame."""
        import pandas as pd

        fit = self.results
        columns = {
            "hat_diag": self._leverage,
            "cooks_d": self._cooks_distance,
            "standard_resid": np.asarray(self.resid_studentized),
            "student_resid": self._deletion_residual,
            "dffits": np.asarray(self.dffits),
            "cov_ratio": np.asarray(self.cov_ratio),
        }
        return pd.DataFrame(columns, index=fit._rows_beside_columns("the table").index)
