"""Results of models with several predictors: the record, with its methods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np

from fastglm.design.formula.response import CATEGORIES, ResponseRule
from fastglm.design.frames.frames import Level
from fastglm.entry import entry_points
from fastglm.errors import ModelError, counted
from fastglm.fit.outcomes import named_prediction
from fastglm.inference.covariance.sandwich import covariance_of
from fastglm.inference.rows.new_rows import fitted_designs, new_designs
from fastglm.responses.comparison import ResponseComparison
from fastglm.responses.covariance import ROBUST
from fastglm.responses.effects import ResponseEffects
from fastglm.responses.evaluation import ResponseEvaluation
from fastglm.responses.profile import profile_intervals
from fastglm.responses.record import KINDS, ResponseFit
from fastglm.responses.resampling import ResponseResampling
from fastglm.responses.saving import describe_response
from fastglm.responses.summary import ResponseSummary
from fastglm.results.of_predictors import PredictorMethods

if TYPE_CHECKING:
    from typing_extensions import Self

    from fastglm.typing import Matrix, Vector

__all__ = ["CategoricalResults", "OutcomeResults", "ResponseResults"]


class ResponseResults(
    ResponseEffects,
    ResponseComparison,
    ResponseResampling,
    ResponseEvaluation,
    PredictorMethods,
    ResponseFit,
):
    """One fitted model with several linear predictors.

    Attributes
    ----------
    names : tuple of str
        Of the m coefficients.
    blocks : tuple of PredictorBlock
        Which coefficients make up which linear predictor.
    estimates : ndarray, shape (m,)
        NaN for aliased coefficients, whose columns are combinations of earlier ones.
    information_inverse : ndarray, shape (m, m)
        Inverse of the information.
    covariance : ndarray, shape (m, m)
        Behind standard errors, tests and intervals: that, or a robust one.
    llf : float
        Log-likelihood.
    nobs : float
    rank : int
        Coefficients that are not aliased.
    numerical_error : float
        Bound on the relative error of any standard error that rounding may have left, magnified by
        collinear columns; NaN in a fit that an earlier version saved.
    status : Status
    n_iter, n_sweeps : int
    boundary : str
        What lies on the boundary of the domain, in a sentence, if anything does.
    n_separated : int
        Rows that regressors separate from the others; see `ResponseModel.check_separation`.
    infinite : dict of str to int
        Sign of each estimate that is infinite because of them; what is reported for it is only
        where the fit stopped.
    settings : dict
        What else defines the model, such as its links and levels.
    """

    def __init_subclass__(cls) -> None:
        """Register the kind."""
        KINDS[cls.kind] = entry_points(cls)

    def _profile_limits(self, alpha: float) -> np.ndarray:
        return profile_intervals(self, alpha)

    def with_covariance(self, cov_type: str, **cov_kwds: Any) -> Self:
        """The same fit with another covariance of its estimates.

        Parameters
        ----------
        cov_type : str
            - "nonrobust": inverse information.
            - "HC0", ..., "HC4": from the products of the rows' own scores, right where the
              likelihood is not quite that of the data; "HC1" times n/(n-p), "HC2", "HC3" and "HC4"
              with scores made larger by what the row has of the information.
            - "cluster": responses may depend on each other within groups. ``groups`` and
              ``use_correction`` as for `fastglm.Results.with_covariance`.
            - "HAC": responses may depend on those up to ``maxlags`` rows before; options as for
              `fastglm.Results.with_covariance`.
            - "jackknife": each observation left out in turn, by one Newton step.
            - "bootstrap": of the replicates of `bootstrap`, whose options it takes.
        **cov_kwds
            Options of that covariance.

        Raises
        ------
        ModelError
            If there is no such covariance, or an option it does not take.
        DataError
            If the result was loaded without its data, there is not a group for each row, or a row
            has leverage 1, which leaves nothing to HC2, HC3, HC4 and the jackknife.

        Notes
        -----
        White (1982), "Maximum likelihood estimation of misspecified models". Equal to ``sandwich``
        and ``vcovCL`` of R's package sandwich. The leverage of a row is a matrix, its share P of
        the information (observed, as are standard errors): scores are times ``(I - P)^(-1/2)`` for
        HC2 (Kauermann & Carroll 2001) and ``(I - P)^-1`` for HC3 (Mancl & DeRouen 2001), and P's
        trace is HC4's leverage. Of a single predictor these are the numbers of a GLM.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> res.with_covariance("HC0").cov_type
        'HC0'
        """
        covariance = covariance_of(self, cov_type, cov_kwds, ROBUST)
        covariance.matrix.setflags(write=False)
        return replace(
            self, covariance=covariance.matrix, cov_type=cov_type, df_inference=covariance.df
        )

    @overload
    def predict(
        self, exog: Any = None, *, which: Literal["linear", "link"], **more: Any
    ) -> Matrix: ...
    @overload
    def predict(
        self,
        exog: Any = None,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        **designs: Any,
    ) -> Vector: ...
    def predict(
        self,
        exog: Any = None,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        **designs: Any,
    ) -> Vector | Matrix:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog : data frame or array_like, optional
            New rows: a frame with the columns of the formulas, or an array of the columns. By
            default the rows of the fit.
        which : str, default "mean"
            What to predict: one of the model's `predictions`, which its class explains, or
            "linear", every linear predictor with its offset, (n, K). R's "response" and "link"
            mean "mean" and "linear".
        offset, exposure : array_like or str, optional
            For the new rows, or a column of the frame; needed where the model had one, unless it
            was a column that the new frame has too. Without new rows, in place of those of the
            fit. An ``offset()`` of a formula is computed from the new rows.
        unseen : {"raise", "nan"}, default "raise"
            What to do with rows that hold a level the fit has not seen.
        **designs
            For models fitted to arrays, the columns of further predictors under the names they
            had, such as ``zeros=``.

        Returns
        -------
        ndarray, Series or DataFrame
            A number or several to a row; NaN for rows with missing values.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.
        ModelError
            If there is no such prediction or argument.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> res.predict({"x": [1, 3]}).shape
        (2, 3)
        """
        which = named_prediction(which, (*self.predictions, "mean", "linear"))
        if exog is None:
            new = fitted_designs(self, offset, exposure, unseen, designs)
        else:
            new = new_designs(self, exog, offset, exposure, unseen, designs)
        etas = self._predictors_of(new)
        if which == "linear":
            return new.label(etas[: len(self.blocks)], [block.name for block in self.blocks])
        values, columns = self._prediction(etas, which)
        return new.label(values, columns)

    @property
    def fittedvalues(self) -> Vector:
        """Predictions of the fitted rows, the first of `predictions`."""
        return self.predict(which=self.predictions[0])

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        if se_fit:
            raise ModelError(f"{self.kind} has no standard errors of predictions: not se_fit.")
        columns = _by_column(".fitted", self.predict(data, which or "mean"))
        if data is None and which in (None, "mean"):
            columns |= _by_column(".resid", self.resid_response)
        return columns

    def _summary(self, alpha: float) -> ResponseSummary:
        return ResponseSummary(self, alpha)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {counted(self.rank, 'coefficient')}, "
            f"{self.nobs:g} observations, "
            f"log-likelihood {self.llf:.8g}, "
            f"{'converged' if self.converged else self.status.name.lower()}>"
        )

    def _described(self) -> dict[str, Any]:
        return describe_response(self)


def _by_column(name: str, values: Any) -> dict[str, np.ndarray]:
    """A column of (n,) values, or one for each of k."""
    if np.ndim(values) == 1:
        return {name: np.asarray(values)}
    labels = getattr(values, "columns", range(1, np.shape(values)[1] + 1))
    return {f"{name}.{label}": v for label, v in zip(labels, np.asarray(values).T, strict=True)}


if TYPE_CHECKING:

    class OutcomeResults(ResponseResults):
        """Results of a model that predicts several numbers of a row."""

        @overload  # type: ignore[override]
        def predict(
            self, exog: Any = None, *, which: Literal["class", "precision"], **more: Any
        ) -> Vector: ...
        @overload
        def predict(self, exog: Any = None, which: str = "mean", **more: Any) -> Matrix: ...
        def predict(self, exog: Any = None, which: str = "mean", **more: Any) -> Vector | Matrix:
            """See `ResponseResults.predict`."""

        fittedvalues: Matrix  # type: ignore[assignment]
        resid_response: Matrix  # type: ignore[assignment]
        resid_pearson: Matrix  # type: ignore[assignment]

else:
    OutcomeResults = ResponseResults


class CategoricalResults(OutcomeResults):
    """A fit of a categorical response."""

    def pred_table(self) -> Matrix:
        """How often each level was observed, by row, and most probable, by column, (K, K).

        Under statsmodels' name; rows count with their weights.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.MNLogit.from_formula("y ~ x", data).fit()
        >>> float(res.pred_table().sum())
        10.0
        """
        rows = self._model_with_data("a table of predictions").rows
        _, etas = self._fitted_rows("a table of predictions")
        best = self._prediction(etas, "prob")[0].argmax(axis=0)
        table: Any = np.zeros((len(self.levels), len(self.levels)))
        np.add.at(table, (rows.response, best), 1.0 if rows.prior_weights is None
                  else rows.prior_weights)  # fmt: skip
        if not self.labelled:
            return table
        import pandas as pd

        return pd.DataFrame(table, index=list(self.levels), columns=list(self.levels))

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        columns = super()._augment_columns(data, which, se_fit)
        first = {} if which else {".fitted": np.asarray(self.predict(data, "class"))}
        return first | columns

    @property
    def prsquared(self) -> float:
        """McFadden's pseudo R squared, 1 - llf / llnull."""
        return 1.0 - self.llf / self.llnull

    @property
    def levels(self) -> tuple[Level, ...]:
        """Levels of the response: the reference first, or from low to high."""
        return tuple(self.settings["levels"])

    def _prediction_names(self) -> list[Level]:
        return list(self.levels)

    def _most_probable(self, probability: np.ndarray) -> np.ndarray:
        """The level of the largest of (K, n) probabilities, (n,): numbers of numeric levels.

        NaN where a probability is.
        """
        levels = np.array(self.levels)
        if levels.dtype.kind not in "iufb":
            levels = np.array(self.levels, dtype=object)
        found, unknown = levels[probability.argmax(axis=0)], np.isnan(probability).any(axis=0)
        if unknown.any():
            found = found.astype(object if found.dtype == object else np.float64)
            found[unknown] = np.nan
        return found

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probability, _ = self._prediction(etas, "prob")
        return probability, probability * (1.0 - probability)

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        probability, _ = self._prediction(etas, "prob")
        with np.errstate(divide="ignore"):
            return np.log(probability[response, np.arange(response.size)])

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        probability, _ = self._prediction(etas, "prob")
        below = np.cumsum(probability, axis=0)[:-1]
        return (generator.random(etas.shape[1]) > below).sum(axis=0)

    of_categories: ClassVar[bool] = True
    _takes: ClassVar[ResponseRule] = CATEGORIES

    def _observed_of(self, response: np.ndarray) -> np.ndarray:
        return (response == np.arange(len(self.levels))[:, None]).astype(np.float64)
