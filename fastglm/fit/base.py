"""Base of the records of fits: estimates and their names, tests, labels, saving and pickling."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cached_property
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import scipy

from fastglm.arguments import require_new_rows
from fastglm.errors import DataError, ModelError, Status, require_level
from fastglm.pointers import Pointing
from fastglm.solve.conditioning import semidefinite_root
from fastglm.solve.newton.blocked_inverse import variances_of

if TYPE_CHECKING:
    from fastglm.fit.outcomes import Outcomes
    from fastglm.typing import Matrix, Vector

__all__ = ["FitBase"]


#: Public to the package alone.
_INTERNAL = frozenset({
    "fitted_formula", "fitted_formulas", "covariance_root", "inverse_information_factor",
    "information_inverse", "centering",
    "row_values", "lazy_numbers", "from_estimate", "labelled", "critical_value", "n_columns",
    "root_of_combinations", "covariance_of_combinations", "outcomes",
    "model_text", "has_likelihood", "sums_of_weights", "parameter_of_deviance", "same_kind",
    "options_of_refits", "scaled_lack_of_fit", "refitted", "terms_of_designs", "needs_no_column",
    "has_several_predictors", "has_random_effects", "report_pictures", "expected_counts",
    "without_random_effects",
    "takes_exposure", "names_of_designs",
    "link_of_offset", "was_constant", "replicates_of_samples", "row_influences",
    "row_source", "setting", "estimate", "read_from", "require_all_columns",
    "observed_and_expected",
    "column_names", "decrement", "header", "notes", "blocks", "terms", "kind", "title",
})  # fmt: skip


class FitBase(Pointing):
    """Base of frozen dataclasses with these fields and more.

    Attributes
    ----------
    names : tuple of str
        Of the p coefficients.
    estimates : ndarray, shape (p,)
        NaN for aliased coefficients, whose columns are combinations of earlier ones.
    covariance : ndarray, shape (p, p)
        Behind standard errors, tests and intervals.
    cov_type : str
        Its name.
    use_t : bool
        Whether tests use Student's t and F instead of the normal distribution and chi-squared.
    df_inference : float
        Their degrees of freedom.
    nobs : float
    rank : int
        Coefficients that are not aliased.
    status : Status
    response_name : str
    labelled : bool
        Whether pandas objects came in, and go out.
    model
        With the data; None for a result that was loaded.
    """

    #: Numbers that need the data once more; a saved result carries them along.
    lazy_numbers: ClassVar[tuple[str, ...]] = ()
    #: Whether the fit is of several linear predictors: it refits and resamples itself.
    has_several_predictors: ClassVar[bool] = False
    #: Whether effects vary between levels: its report has sections of its own.
    has_random_effects: ClassVar[bool] = False

    names: tuple[str, ...]
    estimates: np.ndarray
    covariance: np.ndarray
    cov_type: str
    use_t: bool
    df_inference: float
    nobs: float
    rank: int
    status: Status
    labelled: bool
    response_name: str
    model: Any

    def __dir__(self) -> list[str]:
        """Names for users; the rest is there, but not shown."""
        return [name for name in super().__dir__() if name not in _INTERNAL]

    def without_random_effects(self) -> FitBase:
        """The fit whose means are drawn: of a mixed model that at random effects of zero."""
        return self

    # -- estimates and their uncertainty

    @property
    def params(self) -> Vector:
        """Coefficients, (p,)."""
        return self._vector(self.estimates)

    @property
    def bse(self) -> Vector:
        """Standard errors, (p,)."""
        return self._vector(self.standard_errors)

    @property
    def tvalues(self) -> Vector:
        """Coefficients over their standard errors, (p,): z or t statistics, see `use_t`."""
        return self._vector(self._statistics)

    @property
    def pvalues(self) -> Vector:
        """Two-sided p-values of the coefficients being zero, (p,)."""
        return self._vector(self._pvalues)

    @property
    def _pvalues(self) -> np.ndarray:
        sizes = np.abs(self._statistics)
        if self.use_t:
            return 2.0 * scipy.special.stdtr(self.df_inference, -sizes)
        # SciPy takes longer to load its functions than a fit takes.
        return np.array([math.erfc(size) for size in (math.sqrt(0.5) * sizes).tolist()])

    def cov_params(self) -> Matrix:
        """Covariance of the coefficients, (p, p).

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.cov_params().shape
        (3, 3)
        """
        return self._matrix(self.covariance, self.names)

    @cached_property
    def standard_errors(self) -> np.ndarray:
        """Standard errors in the order of `names`, (p,), unlabelled."""
        # A robust covariance may have a negative variance. One by one that is soon seen to; NumPy
        # takes longer to silence its warning than for the roots.
        variances = variances_of(self, "covariance").tolist()
        try:
            errors = np.array(list(map(math.sqrt, variances)))
        except ValueError:
            errors = np.array([math.sqrt(v) if v >= 0.0 else math.nan for v in variances])
        errors.setflags(write=False)
        return errors

    def root_of_combinations(self, matrix: np.ndarray) -> np.ndarray:
        """F with F F' the covariance of combinations, the rows of (m, p), of known coefficients.

        Rows of F are NaN where a robust covariance has a negative variance.
        """
        used = np.flatnonzero((matrix != 0.0).any(axis=0))
        covariance = matrix[:, used] @ self.covariance[np.ix_(used, used)] @ matrix[:, used].T
        if not np.isfinite(covariance).all():
            return covariance
        root = semidefinite_root(covariance)
        root[np.diag(covariance) < 0.0] = np.nan
        return root

    def covariance_of_combinations(self, matrix: np.ndarray) -> np.ndarray:
        """Covariance, (m, m), of m combinations of the estimates, the rows of (m, p).

        Coefficients without a variance, such as aliased ones, count as known.
        """
        return matrix @ np.nan_to_num(self.covariance) @ matrix.T

    def outcomes(self, which: str = "mean") -> Outcomes:
        """What the fit predicts for rows, as functions of their linear predictors."""
        raise NotImplementedError

    @property
    def _statistics(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.estimates / self.standard_errors

    def critical_value(self, alpha: float) -> float:
        """Two-sided critical value of the reference distribution, normal or Student's t."""
        require_level(alpha)
        upper = 1.0 - alpha / 2.0
        if not self.use_t:
            return NormalDist().inv_cdf(upper)
        return float(scipy.special.stdtrit(self.df_inference, upper))

    def _wald_intervals(self, alpha: float) -> Matrix:
        half = self.critical_value(alpha) * self.standard_errors
        limits = np.column_stack([self.estimates - half, self.estimates + half])
        return self._matrix(limits, (0, 1))

    # -- the fit as a whole

    @property
    def converged(self) -> bool:
        """Whether the fit reached the optimum, be it on the boundary of the domain."""
        return self.status in (Status.CONVERGED, Status.BOUNDARY)

    @property
    def df_resid(self) -> float:
        """Residual degrees of freedom: observations less coefficients."""
        return self.nobs - self.rank

    # -- what tables of any fit need

    def _glance_columns(self) -> list[tuple[str, str]]:
        """Columns of broom's ``glance``, and the attributes that fill them."""
        rest = [("df.residual", "df_resid"), ("nobs", "nobs")]
        return [("logLik", "llf"), ("AIC", "aic"), ("BIC", "bic"), *rest]

    def _tidy_names(self) -> dict[str, list[str]]:
        """Columns of broom's ``tidy`` that tell the p coefficients apart."""
        return {"term": list(self.names)}

    def _model_title(self) -> str:
        """Of what model the fit is, in a word or two."""
        return str(getattr(self, "kind", type(self).__name__))

    def _ratio_names(self) -> list[str | None]:
        """Name of the exponential of each coefficient; None where it has none."""
        return [None] * len(self.names)

    def _columns_in_use(self) -> list[str]:
        """Columns of a frame that predictions read; none of a model of arrays."""
        fitted_formulas = getattr(self, "fitted_formulas", None) or (
            getattr(self, "fitted_formula", None),
        )
        each = [e for r in fitted_formulas if r is not None for e in (*r.factors, *r.offsets)]
        names = [name for expression in each for name in expression.columns]
        given = getattr(self, "column_names", {})
        return list(dict.fromkeys([*names, *given.values()]))

    @property
    def _frame(self) -> Any:
        """The data frame that the formula was read on, if it is at hand."""
        return None if self.model is None else self.model.rows.frame

    @property
    def _like(self) -> Any:
        """A frame of the library that tables go back to, None for pandas."""
        if self.model is None:
            return None
        rows = self.model.rows
        named_by = getattr(rows, "fixed", rows).named_by
        return self._frame if named_by is None else named_by

    # -- labels and the data behind

    def _model_of_rows(self, what: str) -> Any:
        """The model, whose rows may have to be read from a source."""
        if self.model is None:
            raise DataError(
                f"{what} cannot be computed: remove_data() was called, or this result was loaded "
                "without the data of its fit. Fit the model to its data again."
            )
        return self.model

    def _require_own_rows(self, given: Mapping[str, Any]) -> None:
        """Refuse, where rows are those of the fit, columns of new ones, and a fit without rows."""
        require_new_rows("data", given)
        if self.model is None:
            raise DataError(
                "remove_data() was called, or this result was loaded without the rows of its fit: "
                "give data=, with responses."
            )

    def _model_with_data(self, what: str) -> Any:
        """The model with its rows in memory, by one more pass where they are not."""
        model = self._model_of_rows(what)
        # Of the class, where a name that is not there costs no search for one like it.
        return model.in_memory(what) if hasattr(type(model), "in_memory") else model

    def _rows_beside_columns(self, what: str) -> Any:
        """Responses, weights and offsets of the rows, if not also their columns, by one pass."""
        model = self._model_of_rows(what)
        if hasattr(type(model), "rows_beside_columns"):
            return model.rows_beside_columns(what)
        return self._model_with_data(what).rows

    def _observed_on(self, data: Any) -> Any:
        """Responses beside means, an `Observed`, of the rows of the fit or of `data`."""
        raise ModelError(
            f"this picture needs one mean of each row, which {type(self).__name__} does not have: "
            "fastglm.plots.calibration draws one for each outcome."
        )

    def _vector(self, values: np.ndarray) -> Any:
        if not self.labelled:
            return values
        import pandas as pd

        return pd.Series(values, index=list(self.names))

    def _matrix(self, values: np.ndarray, columns: tuple) -> Any:
        if not self.labelled:
            return values
        import pandas as pd

        return pd.DataFrame(values, index=list(self.names), columns=list(columns))

    def __getstate__(self) -> dict[str, Any]:
        """Without the data: a pickled result is a few kilobytes whatever n is."""
        names = self.lazy_numbers
        if self.model is None:
            names = tuple(name for name in names if name in self.__dict__)
        numbers = {name: getattr(self, name) for name in names}
        state = {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]
        return state | numbers | {"model": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
