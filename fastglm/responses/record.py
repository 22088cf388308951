"""The frozen record of a fit with several predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.matrix.parts import Design
from fastglm.errors import ModelError, Status
from fastglm.families.links import Link, Log
from fastglm.fit.base import FitBase
from fastglm.fit.outcomes import Channel, NumericOutcomes, named_prediction
from fastglm.inference.rows.new_rows import NewRows
from fastglm.inference.summary_setting import model_setting
from fastglm.responses.designs import linear_predictor

if TYPE_CHECKING:
    pass


__all__ = ["KINDS", "PredictorBlock", "ResponseFit"]

#: Classes of results by the name of their model: what a saved fit is read back as.
KINDS: dict[str, type[ResponseFit]] = {}


@dataclass(frozen=True)
class PredictorBlock:
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
class ResponseFit(FitBase):
    """The record of one fit with several predictors; `ResponseResults` explains its fields."""

    kind: ClassVar[str] = ""
    title: ClassVar[str] = ""
    lazy_numbers: ClassVar[tuple[str, ...]] = ("llnull",)
    has_several_predictors: ClassVar[bool] = True
    #: Broom's names of the column of components, and of the first and the last of these.
    component_column: ClassVar[str] = "component"
    first_component: ClassVar[str] = "mean"
    last_component: ClassVar[str] = "alpha"

    names: tuple[str, ...]
    blocks: tuple[PredictorBlock, ...]
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
    fitted_formulas: tuple[FittedFormula | None, ...] = ()
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
    numerical_error: float = float("nan")
    n_threads: int = 1
    boundary: str = ""
    n_separated: int = 0
    infinite: Mapping[str, int] = field(default_factory=dict)
    model: Any = None

    # -- estimates and their uncertainty

    @property
    def aliased(self) -> tuple[str, ...]:
        """Names of the aliased coefficients, whose columns are combinations of earlier ones."""
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

    #: Coefficients of a linear predictor in the null model.
    own_constants: ClassVar[int] = 1

    @property
    def _rank_of_null(self) -> int:
        of_blocks = sum(block.stop - block.start for block in self.blocks)
        return len(self.names) - of_blocks + self.own_constants * len(self.blocks)

    @property
    def df_null(self) -> float:
        """Residual degrees of freedom of the model whose predictors are constants."""
        return self.nobs - self._rank_of_null

    @property
    def df_model(self) -> float:
        """Coefficients beside those of the model whose predictors are constants."""
        return float(self.rank - self._rank_of_null)

    # -- what new rows need to know

    #: An exposure, where a model takes one, multiplies a mean of a logarithmic link.
    link_of_offset: ClassVar[Link] = Log()

    @property
    def names_of_designs(self) -> tuple[str, ...]:
        """Arguments that the columns of the designs came from."""
        return ("exog", *self.settings.get("exogs", ()))

    def was_constant(self, k: int) -> bool:
        """Whether a design was nothing but the intercept that is there by default."""
        block = next(block for block in self.blocks if block.design == k)
        of_first = self.names[block.start].removeprefix(block.name)
        return k > 0 and self.n_columns[k] == 1 and of_first == "Intercept"

    # -- what comparisons of models need to know

    has_likelihood: ClassVar[bool] = True
    dispersion_known: ClassVar[bool] = True
    scale: ClassVar[float] = 1.0
    parameter_of_deviance: ClassVar[float] = 0.0
    #: Whether a linear predictor may have no column at all.
    needs_no_column: ClassVar[bool] = False
    options_of_refits: ClassVar[Mapping[str, Any]] = {}

    @property
    def deviance(self) -> float:
        """Minus twice the log-likelihood, as R has it for these models."""
        return -2.0 * self.llf

    @property
    def null_deviance(self) -> float:
        """Minus twice the log-likelihood of the model whose predictors are constants."""
        return -2.0 * self.llnull

    @property
    def model_text(self) -> str:
        """The name of the model."""
        return self.kind

    @property
    def sums_of_weights(self) -> tuple[float]:
        """What fits of the same rows have in common."""
        return (self.nobs,)

    @property
    def _n_parameters(self) -> int:
        return self.rank

    def same_kind(self, other: ResponseFit) -> bool:
        """Whether another fit is of this model with the same links, levels and options."""
        return self.settings == other.settings

    def scaled_lack_of_fit(self, deviance: np.ndarray) -> np.ndarray:
        """Deviances on the scale of a likelihood ratio."""
        return deviance

    # -- what tables of any fit need

    def _components(self) -> list[tuple[str, str]]:
        """Component and term of each coefficient."""
        found = [(self.last_component, name) for name in self.names]
        for block in self.blocks:
            component = block.name.rstrip(":-") or self.first_component
            for k in range(block.start, block.stop):
                found[k] = component, self.names[k].removeprefix(block.name)
        return found

    def _tidy_names(self) -> dict[str, list[str]]:
        components, terms = zip(*self._components(), strict=True)
        return {self.component_column: list(components), "term": list(terms)}

    def _ratio_names(self) -> list[str | None]:
        return [self._ratio_of(component) for component, _ in self._components()]

    def _ratio_of(self, component: str) -> str | None:
        """Names of exponentials of the coefficients of a component."""
        return None

    # -- rows

    def _fitted_rows(self, what: str) -> tuple[NewRows, np.ndarray]:
        """The rows of the fit, and their (K, n) predictors."""
        rows = self._model_with_data(what).rows
        fitted = NewRows(rows.designs, None, rows.offsets, rows.labels)
        return fitted, self._predictors_of(fitted)

    def _predictors_of(self, new: NewRows) -> np.ndarray:
        """Linear predictors with their offsets, (K, n)."""
        etas = self._linear_predictors(new.designs)
        for k, block in enumerate(self.blocks):
            offset = new.offsets[block.design]
            if offset is not None:
                etas[k] += offset
        return etas

    #: Quantities of `predict`, the default first.
    predictions: ClassVar[tuple[str, ...]] = ("mean",)
    #: Those of them that lie between 0 and 1.
    unit_interval: ClassVar[tuple[str, ...]] = ()
    #: Whether the first predictor is the logarithm of a mean that an exposure multiplies.
    takes_exposure: ClassVar[bool] = False

    #: Of these, what has no derivative: an average of it says nothing.
    _steps: ClassVar[tuple[str, ...]] = ("class",)

    def outcomes(self, which: str = "mean") -> NumericOutcomes:
        """See `FitBase.outcomes`; `which` is what `predict` can give."""
        which = named_prediction(which, (*self.predictions, "mean", "linear"))
        if which in self._steps:
            raise ModelError(f"which={which!r} is a label, which has no average.")
        channels, n_blocks = self._channels(), len(self.blocks)
        names: list[Any] = [block.name.rstrip(":-") for block in self.blocks]
        if which != "linear":
            names = self._prediction(np.zeros((len(channels), 1)), which)[1] or [""]

        def predict(designs: Any, offsets: Any) -> np.ndarray:
            return self._predictors_of(NewRows(tuple(designs), None, tuple(offsets), None))

        def function(etas: np.ndarray) -> np.ndarray:
            if which == "linear":
                return etas[:n_blocks]
            return np.atleast_2d(self._prediction(etas, which)[0])

        labels = tuple(str(name) for name in names)
        return NumericOutcomes(labels, channels, predict, function, which == "linear")

    def _channels(self) -> tuple[Channel, ...]:
        """How the coefficients enter each row of what `_predictors_of` gives."""
        return tuple(
            Channel(b.design, np.arange(b.stop - b.start), np.arange(b.start, b.stop))
            for b in self.blocks
        )

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
        """Notes below the table of a summary."""
        return []
