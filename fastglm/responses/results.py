"""The frozen record of a fit with several predictors, and what can be asked of any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.design.formula.recipe import Recipe
from fastglm.design.frames.frames import Level
from fastglm.design.matrix.parts import Design
from fastglm.entry import entry_points
from fastglm.errors import Status
from fastglm.fit.base import FitBase
from fastglm.inference.covariance.sandwich import covariance_of
from fastglm.inference.rows.prediction import named_prediction
from fastglm.inference.summary_setting import model_setting
from fastglm.responses.covariance import ROBUST
from fastglm.responses.designs import NewDesigns, linear_predictor
from fastglm.responses.prediction import fitted_designs, new_designs
from fastglm.responses.residuals import ResponseResiduals
from fastglm.responses.summary import ResponseSummary

if TYPE_CHECKING:
    from typing_extensions import Self

    from fastglm.responses.model import ResponseModel

__all__ = ["KINDS", "Block", "CategoricalResults", "ResponseResults"]

#: Classes of results by the name of their model: what a saved fit is read back as.
KINDS: dict[str, type[ResponseResults]] = {}


@dataclass(frozen=True)
class Block:
    """The coefficients of one linear predictor: all columns of one design.

    Attributes
    ----------
    name : str
    design : int
        Which of the model's designs.
    start, stop : int
        Its coefficients among all.
    """

    name: str
    design: int
    start: int
    stop: int


@dataclass(frozen=True, eq=False, repr=False)
class ResponseResults(FitBase, ResponseResiduals):
    """One fitted model with several linear predictors.

    Attributes
    ----------
    names : tuple of str
        Of the m coefficients.
    blocks : tuple of Block
        Which coefficients make up which linear predictor.
    estimates : ndarray, shape (m,)
        NaN where the data cannot tell a coefficient apart from earlier ones.
    information_inverse : ndarray, shape (m, m)
        Inverse of the information.
    covariance : ndarray, shape (m, m)
        Behind standard errors, tests and intervals: that, or a robust one.
    llf : float
        Log-likelihood.
    nobs : float
    rank : int
        Coefficients that are not aliased.
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

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    lazy_numbers: ClassVar[tuple[str, ...]] = ("llnull",)

    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    estimates: np.ndarray
    information_inverse: np.ndarray
    covariance: np.ndarray
    llf: float
    nobs: float
    rank: int
    status: Status
    n_iter: int
    n_sweeps: int
    cov_type: str = "nonrobust"
    use_t: bool = False
    df_inference: float = float("nan")
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipes: tuple[Recipe | None, ...] = ()
    n_columns: tuple[int, ...] = ()
    formula: str | None = None
    response_name: str = "y"
    has_offset: bool = False
    has_exposure: bool = False
    column_names: Mapping[str, str] = field(default_factory=dict)
    weights: Mapping[str, str] = field(default_factory=dict)
    labelled: bool = False
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    n_threads: int = 1
    boundary: str = ""
    n_separated: int = 0
    infinite: Mapping[str, int] = field(default_factory=dict)
    model: ResponseModel | None = None

    def __init_subclass__(cls) -> None:
        """Register the kind."""
        KINDS[cls.kind] = entry_points(cls)

    # -- estimates and their uncertainty

    def conf_int(self, alpha: float = 0.05) -> Any:
        """Wald intervals of the coefficients, (m, 2), at level 1 - alpha.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1.
        """
        return self._wald_intervals(alpha)

    def with_covariance(self, cov_type: str, **cov_kwds: Any) -> Self:
        """The same fit with another covariance of its estimates.

        Parameters
        ----------
        cov_type : str
            - "nonrobust": inverse information.
            - "HC0", "HC1": from the products of the rows' own scores, right where the likelihood
              is not quite that of the data; "HC1" times n/(n-p).
            - "cluster": responses may depend on each other within groups. ``groups`` and
              ``use_correction`` as for `fastglm.Results.with_covariance`.
        **cov_kwds
            Options of that covariance.

        Raises
        ------
        ModelError
            If there is no such covariance, or an option it does not know.
        DataError
            If the result was loaded without its data, or there is not a group for each row.

        Notes
        -----
        White (1982), "Maximum likelihood estimation of misspecified models". Equal to ``sandwich``
        and ``vcovCL`` of R's package sandwich.
        """
        covariance = covariance_of(self, cov_type, cov_kwds, ROBUST)
        covariance.matrix.setflags(write=False)
        return replace(
            self, covariance=covariance.matrix, cov_type=cov_type, df_inference=covariance.df
        )

    @property
    def aliased(self) -> tuple[str, ...]:
        """Names of the coefficients that the data cannot tell apart from earlier ones."""
        missing = np.isnan(self.estimates)
        return tuple(name for name, gone in zip(self.names, missing, strict=True) if gone)

    # -- goodness of fit

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        return -2.0 * self.llf + 2.0 * self.rank

    @property
    def bic(self) -> float:
        """Bayesian information criterion."""
        return -2.0 * self.llf + float(np.log(self.nobs)) * self.rank

    @cached_property
    def llnull(self) -> float:
        """Log-likelihood of the model whose predictors are constants."""
        return self._model_with_data("the null model").null_log_likelihood(self.n_threads)

    # -- rows

    def predict(
        self,
        exog: Any = None,
        which: str = "mean",
        offset: Any = None,
        exposure: Any = None,
        unseen: str = "raise",
        **designs: Any,
    ) -> Any:
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
        """
        which = named_prediction(which, (*self.predictions, "mean", "linear"))
        if exog is None:
            new = fitted_designs(self, offset, exposure, unseen, designs)
        else:
            new = new_designs(self, exog, offset, exposure, unseen, designs)
        etas = self._predictors_of(new)
        if which == "linear":
            return new.label(etas, [block.name for block in self.blocks])
        values, columns = self._prediction(etas, which)
        return new.label(values, columns)

    def _fitted_rows(self, what: str) -> tuple[NewDesigns, np.ndarray]:
        """The rows of the fit, and their (K, n) predictors."""
        rows = self._model_with_data(what).rows
        fitted = NewDesigns(rows.designs, None, rows.offsets, rows.index)
        return fitted, self._predictors_of(fitted)

    def _predictors_of(self, new: NewDesigns) -> np.ndarray:
        """Linear predictors with their offsets, (K, n)."""
        etas = self._linear_predictors(new.designs)
        for k, block in enumerate(self.blocks):
            offset = new.offsets[block.design]
            if offset is not None:
                etas[k] += offset
        return etas

    @property
    def fittedvalues(self) -> Any:
        """Predictions of the fitted rows, the first of `predictions`."""
        return self.predict(which=self.predictions[0])

    #: What `predict` can give, the default first.
    predictions: ClassVar[tuple[str, ...]] = ("mean",)
    #: Whether the first predictor is the logarithm of a mean that an exposure multiplies.
    takes_exposure: ClassVar[bool] = False

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[Any]]:
        """From (K, n) linear predictors to (n,) or (k, n) values, and names of the k."""
        raise NotImplementedError

    def _linear_predictors(self, designs: tuple[Design, ...]) -> np.ndarray:
        coefficients = [
            (block.design, self.estimates[block.start : block.stop]) for block in self.blocks
        ]
        return self._etas_of(designs, coefficients)

    def _etas_of(
        self, designs: tuple[Design, ...], coefficients: list[tuple[int, np.ndarray]]
    ) -> np.ndarray:
        """Linear predictors, (K, n), of pairs of a design's number and its coefficients."""
        etas = [linear_predictor(designs[k], b, self.n_threads) for k, b in coefficients]
        return np.stack(etas)

    # -- the record itself

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        return [
            ("Dep. Variable", self.response_name),
            ("Model", self.kind),
            ("Method", "Newton"),
            ("Covariance Type", self.cov_type),
            ("Converged", "yes" if self.converged else f"NO: {self.status.name.lower()}"),
            ("No. Observations", f"{self.nobs:.15g}"),
            ("No. Iterations", f"{self.n_iter}"),
            ("Df Residuals", f"{self.df_resid:.15g}"),
            ("Log-Likelihood", f"{self.llf:.8g}"),
            ("LL-Null", f"{self.llnull:.8g}"),
            ("AIC", f"{self.aic:.8g}"),
            ("BIC", f"{self.bic:.8g}"),
        ]

    def setting(self) -> list[tuple[str, str]]:
        """Names and values of what the fit was given, such as formulas and offsets."""
        return model_setting(self)

    def notes(self) -> list[str]:
        """What stands below the table of a summary."""
        return []

    def _summary(self, alpha: float) -> ResponseSummary:
        return ResponseSummary(self, alpha)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self.rank} coefficients, {self.nobs:g} observations, "
            f"log-likelihood {self.llf:.8g}, "
            f"{'converged' if self.converged else self.status.name.lower()}>"
        )


class CategoricalResults(ResponseResults):
    """A fit of a categorical response."""

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
        """The level of the largest of (K, n) probabilities, (n,): numbers of numeric levels."""
        levels = np.array(self.levels)
        if levels.dtype.kind not in "iufb":
            levels = np.array(self.levels, dtype=object)
        return levels[probability.argmax(axis=0)]

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        probability, _ = self._prediction(etas, "prob")
        return probability, probability * (1.0 - probability)

    def _observed(self) -> np.ndarray:
        codes = self._model_with_data("residuals").rows.response
        return (codes == np.arange(len(self.levels))[:, None]).astype(np.float64)
