"""Methods about rows: residuals, influence, predictions and their uncertainty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.diagnostics.influence import Influence
from fastglm.inference.evaluation.evaluate import Evaluation, evaluate
from fastglm.inference.evaluation.groups import Observed, observed
from fastglm.inference.evaluation.held_out import on_rows
from fastglm.inference.intervals.prediction_intervals import Prediction, get_prediction
from fastglm.inference.rows import residuals
from fastglm.inference.rows.new_rows import fitted_designs
from fastglm.inference.rows.prediction import new_rows, predict, warn_of_means_outside
from fastglm.inference.rows.term_contributions import partial_residuals, term_contributions
from fastglm.inference.tidy import row_columns
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.threads.threads import usable_threads
from fastglm.results.diagnostics import DiagnosticMethods
from fastglm.results.effects import EffectMethods

if TYPE_CHECKING:
    from fastglm.typing import Matrix, Vector

    pass

__all__ = ["RowMethods"]


class RowMethods(EffectMethods, DiagnosticMethods):
    """Mixin of `fastglm.Results`."""

    @property
    def fittedvalues(self) -> Vector:
        """Fitted means, (n,)."""
        return self._rows(self.row_values(row_buffers.MEAN)[0])

    @property
    def linear_predictor(self) -> Vector:
        """Fitted linear predictor, offset included, (n,)."""
        return self._rows(self.row_values(row_buffers.LINEAR_PREDICTOR)[0])

    def predict(
        self,
        exog: Any = None,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        n_threads: int | None = None,
    ) -> Vector:
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

        Warns
        -----
        FastGLMWarning
            Naming rows whose mean no response of the family can have, such as one below 0 of a
            Poisson model with identity link.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> round(float(res.predict({"x": [2.0]})[0]), 4)
        4.5742
        """
        return predict(self, exog, which, offset, exposure, unseen, n_threads)

    # -- residuals

    @property
    def resid_response(self) -> Vector:
        """Response less fitted mean, (n,)."""
        return self._rows(residuals.response_residuals(self))

    @property
    def resid_pearson(self) -> Vector:
        """Response residual over the square root of variance function / prior weight, (n,)."""
        return self._rows(residuals.pearson_residuals(self))

    @property
    def resid_deviance(self) -> Vector:
        """Signed square root of each row's part of the deviance, (n,)."""
        return self._rows(residuals.deviance_residuals(self))

    @property
    def resid_working(self) -> Vector:
        """Response residual on the scale of the linear predictor, (n,)."""
        return self._rows(residuals.working_residuals(self))

    @property
    def resid_anscombe(self) -> Vector:
        """Residuals on the scale that makes responses most nearly normal, (n,).

        Over the root of the dispersion, as statsmodels has them. Anscombe (1953); McCullagh &
        Nelder (1989), section 2.4.2.
        """
        return self._rows(residuals.anscombe_residuals(self) / np.sqrt(self.scale))

    def resid_quantile(self, seed: int = 0) -> Vector:
        """Randomised quantile residuals, (n,): standard normal if the model is right.

        Parameters
        ----------
        seed : int, default 0
            Of the draws that discrete responses need.

        Raises
        ------
        ModelError
            If the family does not define how responses are distributed.

        Notes
        -----
        Dunn & Smyth (1996), *Journal of Computational and Graphical Statistics* 5.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.resid_quantile(seed=1).shape
        (4,)
        """
        return self._rows(residuals.quantile_residuals(self, seed))

    def resid_partial(self) -> Matrix:
        """Working residuals plus each term's contribution, (n, terms), as in R.

        Landwehr, Pregibon & Shoemaker (1984), *Journal of the American Statistical Association*
        79.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.resid_partial().shape
        (4, 1)
        """
        return partial_residuals(self).labelled()

    def rstandard(self, kind: str = "deviance") -> Vector:
        """Residuals over their estimated standard deviations, (n,), as R's ``rstandard``.

        Parameters
        ----------
        kind : {"deviance", "pearson"}, default "deviance"

        Raises
        ------
        ModelError
            If there is no such kind.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> round(float(res.rstandard()[0]), 3)
        -0.294
        """
        if kind not in ("deviance", "pearson"):
            raise ModelError(f'kind must be "deviance" or "pearson", not {kind!r}')
        influence = self.get_influence()
        if kind == "pearson":
            return influence.resid_studentized
        return influence.resid_standardized

    def rstudent(self) -> Vector:
        """Likelihood residuals of leaving each observation out, (n,), as R's ``rstudent``.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> round(float(res.rstudent()[0]), 3)
        -0.29
        """
        return self.get_influence().resid_studentized_external

    def get_influence(self) -> Influence:
        """Leverages, Cook's distances and what else leaving out observations would change.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> round(float(res.get_influence().hat_matrix_diag.sum()), 4)
        2.0
        """
        self._model_of_rows("influence")
        return Influence(self)

    def evaluate(
        self,
        data: Any = None,
        response: Any = None,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ) -> Evaluation:
        """Measure how well the fit predicts new rows, or those it was fitted to.

        Parameters
        ----------
        data : data frame, array_like or source, optional
            New rows, as for `predict`, with their responses. By default the rows of the fit. A path
            or anything else that `fastglm.scan` takes is read piece by piece, and only a few
            numbers of each row are kept in memory.
        response : array_like or str, optional
            Responses of the new rows, (n,), or a column of the frame; by default the left side of
            the formula, computed from the frame.
        offset, exposure, freq_weights, var_weights : array_like or str, optional
            Values for the new rows, (n,), or a column of the frame; by default the columns with the
            names that the fit used.
        missing : {"raise", "drop"}, default "raise"
            Whether rows with missing values are an error or left out.

        Returns
        -------
        Evaluation
            Deviance and the share of it that is explained (D squared); errors; for binomial models
            log loss, Brier score and area under the ROC curve with DeLong's interval; the Gini
            index, with exposure; and by ``groups()`` and ``lorenz()`` calibration, lift and Lorenz
            curve.

        Raises
        ------
        DataError
            If the new rows cannot be used; the message names the column, row or argument.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0.0, 1.0, 2.0, 3.0], "y": [1.0, 3.0, 4.0, 9.0]}
        >>> res = fg.glm("y ~ x", data, family="poisson")
        >>> round(res.evaluate({"x": [1.5, 2.5], "y": [3.0, 6.0]}).d2, 3)
        0.954
        """
        held = on_rows(self, data, response, offset, exposure, freq_weights, var_weights, missing)
        return evaluate(held)

    def _observed_on(self, data: Any) -> Observed:
        """See `FitBase._observed_on`."""
        return observed(on_rows(self, data))

    # -- predictions

    def get_prediction(
        self,
        exog: Any = None,
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        var_weights: Any = None,
        n_threads: int | None = None,
    ) -> Prediction:
        """Predictions of new rows, or the fitted ones, with their uncertainty.

        Parameters
        ----------
        exog, offset, exposure, unseen
            As for `predict`.
        var_weights : array_like, optional
            Weights that new observations would have, for their intervals: numbers of trials for
            the binomial family. By default 1, or those of the fitted rows.
        n_threads : int, optional

        Returns
        -------
        Prediction

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> round(float(res.get_prediction().se_mean[0]), 3)
        0.765
        """
        if exog is None:
            rows = fitted_designs(self, offset, exposure, unseen)
            if var_weights is None and self.model is not None:
                var_weights = self._model_with_data("predictions").rows.variance_weights
                if var_weights is not None:
                    # A row of weight 0 has no distribution.
                    var_weights = np.where(var_weights > 0.0, var_weights, np.nan)
        else:
            rows = new_rows(self, exog, offset, exposure, unseen)
        found = get_prediction(self, rows, var_weights, usable_threads(n_threads))
        warn_of_means_outside(self, found.predicted_mean)
        return found

    def predict_terms(self, exog: Any = None) -> Matrix:
        """What each term adds to the linear predictor, (n, terms): R's ``predict(type="terms")``.

        Parameters
        ----------
        exog : optional
            As for `predict`.

        Returns
        -------
        (n, terms)
            Centred at the fitted rows if the model has an intercept. A DataFrame where pandas
            objects came in.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows, or if the data of the fit is not at hand.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> res.predict_terms().shape
        (4, 1)
        """
        return term_contributions(self, exog).labelled()

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        return row_columns(self, data, which, se_fit)

    # -- pictures
