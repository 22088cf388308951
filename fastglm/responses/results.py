"""The frozen record of a fit with several predictors, and what can be asked of any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy

from fastglm.design.parts import Design
from fastglm.design.recipe import Recipe
from fastglm.errors import DataError, ModelError, Status
from fastglm.responses.prediction import NewDesigns, linear_predictor, new_designs
from fastglm.responses.summary import ResponseSummary

if TYPE_CHECKING:
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
class ResponseResults:
    """One fitted model with several linear predictors.

    Attributes
    ----------
    names : tuple of str
        Of the m coefficients.
    blocks : tuple of Block
        Which coefficients make up which linear predictor.
    estimates : ndarray, shape (m,)
        NaN where the data cannot tell a coefficient apart from earlier ones.
    covariance : ndarray, shape (m, m)
        Inverse of the information.
    llf : float
        Log-likelihood.
    nobs : float
    rank : int
        Coefficients that are not aliased.
    status : Status
    n_iter, n_sweeps : int
    settings : dict
        What else defines the model, such as its links and levels.
    """

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    use_t: ClassVar[bool] = False

    names: tuple[str, ...]
    blocks: tuple[Block, ...]
    estimates: np.ndarray
    covariance: np.ndarray
    llf: float
    nobs: float
    rank: int
    status: Status
    n_iter: int
    n_sweeps: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    recipes: tuple[Recipe | None, ...] = ()
    n_columns: tuple[int, ...] = ()
    formula: str | None = None
    response_name: str = "y"
    has_offset: bool = False
    labelled: bool = False
    n_dropped: int = 0
    missing: Mapping[str, int] = field(default_factory=dict)
    n_threads: int = 1
    model: ResponseModel | None = None

    def __init_subclass__(cls) -> None:
        """Register the kind."""
        KINDS[cls.kind] = cls

    # -- estimates and their uncertainty

    @property
    def params(self) -> Any:
        """Coefficients, (m,)."""
        return self._vector(self.estimates)

    @property
    def bse(self) -> Any:
        """Standard errors, (m,)."""
        return self._vector(self.standard_errors)

    @property
    def tvalues(self) -> Any:
        """Coefficients over their standard errors, (m,)."""
        return self._vector(self._z)

    @property
    def pvalues(self) -> Any:
        """Two-sided p-values of the coefficients being zero, (m,)."""
        return self._vector(2.0 * scipy.special.ndtr(-np.abs(self._z)))

    def cov_params(self) -> Any:
        """Covariance of the coefficients, (m, m)."""
        if not self.labelled:
            return self.covariance
        import pandas as pd

        return pd.DataFrame(self.covariance, index=list(self.names), columns=list(self.names))

    def conf_int(self, alpha: float = 0.05) -> Any:
        """Wald intervals of the coefficients, (m, 2), at level 1 - alpha.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1.
        """
        if not 0.0 < alpha < 1.0:
            raise ModelError(f"alpha must be between 0 and 1, not {alpha!r}")
        half = scipy.special.ndtri(1.0 - alpha / 2.0) * self.standard_errors
        limits = np.column_stack([self.estimates - half, self.estimates + half])
        if not self.labelled:
            return limits
        import pandas as pd

        return pd.DataFrame(limits, index=list(self.names))

    @cached_property
    def standard_errors(self) -> np.ndarray:
        """Standard errors in the order of `names`, (m,)."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(np.diag(self.covariance))

    @property
    def _z(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimates / self.standard_errors

    @property
    def aliased(self) -> tuple[str, ...]:
        """Names of the coefficients that the data cannot tell apart from earlier ones."""
        missing = np.isnan(self.estimates)
        return tuple(name for name, gone in zip(self.names, missing, strict=True) if gone)

    # -- goodness of fit

    @property
    def converged(self) -> bool:
        """Whether the fit reached the optimum."""
        return self.status == Status.CONVERGED

    @property
    def df_resid(self) -> float:
        """Observations less coefficients."""
        return self.nobs - self.rank

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

    def predict(self, exog: Any = None, which: str = "mean", **others: Any) -> Any:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog : data frame or array_like, optional
            New rows: a frame with the columns of the formulas, or an array of the columns. By
            default the rows of the fit.
        which : str
            What to predict: one of the model's `predictions`, or "linear".
        **others
            For models fitted to arrays, the columns of further predictors under the names they
            had; ``offset`` where the fit had one; ``unseen`` = "raise" or "nan" for rows that
            hold a level the fit has not seen.

        Returns
        -------
        ndarray, Series or DataFrame
            A number or several to a row; NaN for rows with missing values.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.
        ModelError
            If there is no such prediction.
        """
        if which not in (*self.predictions, "linear"):
            raise ModelError(f"which must be one of {(*self.predictions, 'linear')}, not {which!r}")
        if exog is None:
            rows = self._model_with_data("predictions").rows
            new = NewDesigns(rows.designs, None, rows.offset, rows.index)
        else:
            new = new_designs(self, exog, others)
        etas = self._linear_predictors(new.designs)
        if new.offset is not None:
            etas[0] += new.offset
        if which == "linear":
            return new.label(etas, [block.name for block in self.blocks])
        values, columns = self._prediction(etas, which)
        return new.label(values, columns)

    @property
    def fittedvalues(self) -> Any:
        """Predictions of the fitted rows, the first of `predictions`."""
        return self.predict(which=self.predictions[0])

    #: What `predict` can give, the default first.
    predictions: ClassVar[tuple[str, ...]] = ("mean",)

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
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
            ("Converged", "yes" if self.converged else f"NO: {self.status.name.lower()}"),
            ("No. Observations", f"{self.nobs:.15g}"),
            ("No. Iterations", f"{self.n_iter}"),
            ("Df Residuals", f"{self.df_resid:.15g}"),
            ("No. Coefficients", f"{self.rank}"),
            ("Log-Likelihood", f"{self.llf:.8g}"),
            ("LL-Null", f"{self.llnull:.8g}"),
            ("AIC", f"{self.aic:.8g}"),
            ("BIC", f"{self.bic:.8g}"),
        ]

    def notes(self) -> list[str]:
        """What stands below the table of a summary."""
        return []

    def summary(self, alpha: float = 0.05) -> ResponseSummary:
        """Table of coefficients; prints as text, shows as HTML in notebooks."""
        return ResponseSummary(self, alpha)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__}: {self.rank} coefficients, {self.nobs:g} observations, "
            f"log-likelihood {self.llf:.8g}, "
            f"{'converged' if self.converged else self.status.name.lower()}>"
        )

    def save(self, path: str | Path) -> None:
        """Write the fit to a JSON file that `fastglm.load` reads; no data goes with it."""
        from fastglm.saving import save

        save(self, path)

    def _model_with_data(self, what: str) -> ResponseModel:
        if self.model is None:
            raise DataError(
                f"{what} cannot be computed: this result was loaded without the data of its fit."
            )
        return self.model

    def _vector(self, values: np.ndarray) -> Any:
        if not self.labelled:
            return values
        import pandas as pd

        return pd.Series(values, index=list(self.names))

    def __getstate__(self) -> dict[str, Any]:
        """Without the data: a pickled result is a few kilobytes whatever n is."""
        if self.model is not None:
            _ = self.llnull
        return dict(self.__dict__) | {"model": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class CategoricalResults(ResponseResults):
    """A fit of a categorical response."""

    @property
    def prsquared(self) -> float:
        """McFadden's pseudo R squared, 1 - llf / llnull."""
        return 1.0 - self.llf / self.llnull
