"""Base of the models with several predictors: fits, their warnings and their results."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import numpy as np

from fastglm.design.formula.response import NUMBERS, ResponseRule
from fastglm.entry import entry_points
from fastglm.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    DataError,
    ModelError,
    SeparationError,
    SeparationWarning,
    Status,
    few_of,
    warn,
)
from fastglm.fit.aliased import warn_of_aliased
from fastglm.fit.options import solver_options
from fastglm.kernels.threads.threads import usable_threads
from fastglm.pointers import Pointing
from fastglm.responses.estimation import Estimation
from fastglm.responses.record import PredictorBlock
from fastglm.responses.results import ResponseResults
from fastglm.responses.separation import looks_separated, require_choice, separation_of
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import read_arrays, read_formulas
from fastglm.rows.subset import RowsChosen, chosen_rows, conditions_of
from fastglm.solve.fit import Progress, SolverOptions
from fastglm.solve.separation import Separation, infinite_text
from fastglm.solve.several_predictors import PredictorSolution

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["FormulaSource", "R", "ResponseModel"]

#: Results of a model.
R = TypeVar("R", bound=ResponseResults)


class FormulaSource(NamedTuple):
    """Formula and frame in the place of a response, and what else a model was given with them."""

    formula: str
    data: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]


class ResponseModel(RowsChosen, Pointing, Estimation, Generic[R]):
    """Base of models with several linear predictors: a model defines what `Estimation` needs."""

    #: Of class R, which no class variable may say.
    results_class: ClassVar[type[ResponseResults]]
    source: FormulaSource | None = None

    def __init__(self, endog: Any, exog: Any, *arguments: Any, **options: Any):
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        """Make its methods entry points; `from_formula` has the arguments of the class."""
        super().__init_subclass__()
        entry_points(cls)
        own, _, _, *others = inspect.signature(cls.__init__).parameters.values()
        first = [own.replace(name=name) for name in ("cls", "formula", "data")]
        reader: Any = cls.from_formula.__func__  # type: ignore[attr-defined]
        kind = inspect.Parameter.KEYWORD_ONLY
        others.append(inspect.Parameter("subset", kind, default=None, annotation="Any"))
        reader.__signature__ = inspect.Signature([*first, *others], return_annotation="Self")

    @classmethod
    def from_formula(
        cls, formula: str, data: Any, *arguments: Any, subset: Any = None, **options: Any
    ) -> Self:
        """A model given as a formula and a data frame, with an intercept.

        Parameters
        ----------
        formula : str
            Response and columns of the first, or only, linear predictor. A response of several
            shares is ``cbind(a, b, c)``; the intercept of ordered categories becomes the
            thresholds.
        data : data frame
        *arguments, **options
            As for the class, with formulas such as ``"~ z"`` in the place of the columns of further
            predictors; a name of a column will do for weights, offset and exposure.
        subset : str or array_like of bool, shape (n,), optional
            The rows to read, as for `fastglm.GLM.from_formula`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> fg.MNLogit.from_formula("y ~ x", data).formula
        'y ~ x'
        """
        if subset is not None:
            whole = data
            data, options = chosen_rows(whole, options, subset)
            numbered = {str(k): value for k, value in enumerate(arguments)}
            arguments = tuple(chosen_rows(whole, numbered, subset)[1].values())
        source = FormulaSource(formula, data, arguments, options)
        model = cls(source, None, *arguments, **options)
        model.chosen_by = conditions_of(subset)
        return model

    @property
    def formula(self) -> str | None:
        """Of the response and the first predictor; None for arrays."""
        return None if self.source is None else self.source.formula

    def with_formula(self, formula: str, data: Any = None, **options: Any) -> Self:
        """The model of another formula, data or options, and nothing else changed.

        Raises
        ------
        ModelError
            If the model was given as arrays.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> fg.MNLogit.from_formula("y ~ x", data).with_formula("y ~ 1").formula
        'y ~ 1'
        """
        if self.source is None:
            raise ModelError("the model was given as arrays: this needs one from a formula.")
        _, known, arguments, known_options = self.source
        return self._with_formula(formula, known, data, *arguments, **(known_options | options))

    def _read(
        self,
        endog: Any,
        exogs: Mapping[str, Any],
        columns: Mapping[str, Any],
        missing: str,
        takes: ResponseRule = NUMBERS,
    ) -> ModelRows:
        """The rows, from arrays or from what `from_formula` hands on."""
        if not isinstance(endog, FormulaSource):
            return read_arrays(endog, exogs, columns, missing, takes)
        self.source = endog
        _, *others = exogs.values()
        return read_formulas(endog.formula, others, endog.data, columns, missing, takes)

    def fit(
        self,
        tol: float = 1e-8,
        max_iter: int = 100,
        start_params: Any = None,
        n_threads: int | None = None,
        progress: Progress | None = None,
        cov_type: str = "nonrobust",
        cov_kwds: Mapping[str, Any] | None = None,
        separation: str = "warn",
    ) -> R:
        """Maximise the likelihood by Newton's method.

        Parameters
        ----------
        tol : float, default 1e-8
            Half the Newton decrement is brought below ``tol**2`` times twice the log-likelihood,
            or as far as rounding lets.
        max_iter : int, default 100
            Most steps.
        start_params : array_like, shape (m,), optional
            Coefficients to start from.
        n_threads : int, optional
            Threads to use. The results do not depend on it, to the last bit.
        progress : callable, optional
            Called as ``progress(n_sweeps, deviance)`` after each step.
        cov_type : str, default "nonrobust"
            Covariance of the estimates; see `ResponseResults.with_covariance`.
        cov_kwds : dict, optional
            What that covariance needs.
        separation : str, default "warn"
            What to do where regressors separate the responses, so that estimates are infinite
            (`check_separation`). A fit that shows no symptom of it is not searched.

            - "warn": warn, naming the coefficients and counting the rows.
            - "raise": raise `SeparationError`.
            - "check": as "warn", but search every fit.
            - "ignore": never search.

        Returns
        -------
        ResponseResults

        Warns
        -----
        ConvergenceWarning
            If the fit stopped early; ``results.status`` gives the reason.
        RankWarning
            If columns are combinations of earlier ones; their coefficients are NaN.
        SeparationWarning
            If estimates are infinite.
        BoundaryWarning
            If another parameter lies at the end of its range.

        Raises
        ------
        SeparationError
            With ``separation="raise"``.
        ModelError
            If an option is out of range.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> fg.MNLogit.from_formula("y ~ x", data).fit().status.name
        'CONVERGED'
        """
        require_choice(separation)
        options = solver_options(tol, max_iter, n_threads, progress)
        blocks, column_info = self._blocks(), self._rank_and_scaling(options.n_threads)
        names = self._names(blocks, self._column_names(column_info))
        if start_params is not None:
            start_params = np.asarray(start_params, dtype=np.float64)
            if start_params.shape != (len(names),) or not np.isfinite(start_params).all():
                raise DataError(f"start_params must be {len(names)} finite numbers.")
        solution = self._estimate(blocks, column_info, start_params, options)
        separated = self._search(blocks, solution, separation, options.n_threads)
        if separated is None and separation != "ignore":
            solution = self._with_boundary(blocks, solution, options.n_threads)
        results = cast("R", self._results(blocks, names, solution, options.n_threads))
        if separated is not None:
            signs = zip(names, np.sign(separated.direction).astype(int), strict=True)
            infinite = {name: int(sign) for name, sign in signs if sign}
            if separation == "raise":
                raise SeparationError(infinite_text(infinite, separated.n_rows))
            results = replace(results, n_separated=separated.n_rows, infinite=infinite)
        self._warn(solution, results)
        if cov_type == "nonrobust" and not cov_kwds:
            return results
        return results.with_covariance(cov_type, **(cov_kwds or {}))

    def _search(
        self,
        blocks: Sequence[PredictorBlock],
        solution: PredictorSolution,
        separation: str,
        n_threads: int,
    ) -> Separation | None:
        """Separation, if a search is called for and finds any."""
        if separation == "ignore" or (separation != "check" and not looks_separated(solution)):
            return None
        found = self._separation(blocks, n_threads)
        return found if found.exists else None

    def _with_boundary(
        self, blocks: Sequence[PredictorBlock], solution: PredictorSolution, n_threads: int
    ) -> PredictorSolution:
        """The solution, marked as on the boundary if something goes to the end of its range."""
        if solution.status == Status.BOUNDARY or not looks_separated(solution):
            return solution
        boundary = self._boundary_of_rows(blocks, solution, n_threads)
        return (
            replace(solution, status=Status.BOUNDARY, boundary=boundary) if boundary else solution
        )

    def _separation(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Separation:
        parts, rows = self._separable_parts(blocks, n_threads), self.rows
        m = self._maps(blocks)[0].shape[1]
        return separation_of(parts, m, rows.n_rows, rows.prior_weights)

    def check_separation(self, n_threads: int | None = None) -> Separation:
        """Search for rows that regressors separate from the others, whatever a fit looks like.

        Parameters
        ----------
        n_threads : int, optional
            As for `fit`.

        Returns
        -------
        Separation
            With ``exists``, ``rows``, (n,) bool, and ``direction``, (m,).

        Notes
        -----
        A row is separated if a probability of its response that the likelihood reads goes to 0 or
        1 on the way to the supremum. By linear programming, as `fastglm.GLM.check_separation`;
        Albert & Anderson (1984) for several categories.
        """
        return self._separation(self._blocks(), usable_threads(n_threads))

    def maximum(self, n_threads: int) -> PredictorSolution:
        """The solution alone, without a record of the fit and its warnings."""
        options = SolverOptions(max_iter=100, n_threads=n_threads)
        return self._estimate(self._blocks(), self._rank_and_scaling(n_threads), None, options)

    def null_log_likelihood(self, n_threads: int) -> float:
        """Log-likelihood of the model whose predictors are constants."""
        null = copy.copy(self)
        null.rows = self.rows.without_columns()
        solution = null.maximum(n_threads)
        if solution.status != Status.BOUNDARY:
            null._warn(solution)
        return solution.log_likelihood

    def _results(
        self,
        blocks: Sequence[PredictorBlock],
        names: Sequence[str],
        solution: PredictorSolution,
        n_threads: int,
    ) -> ResponseResults:
        rows = self.rows
        for array in (solution.params, solution.covariance):
            array.setflags(write=False)
        rank = int(np.count_nonzero(~np.isnan(solution.params)))
        return self.results_class(
            names=tuple(names),
            blocks=tuple(blocks),
            estimates=solution.params,
            information_inverse=solution.covariance,
            covariance=solution.covariance,
            llf=solution.log_likelihood,
            nobs=rows.nobs,
            rank=rank,
            df_inference=rows.nobs - rank,
            status=solution.status,
            n_iter=solution.n_iter,
            n_sweeps=solution.n_sweeps,
            numerical_error=solution.numerical_error,
            settings=self._settings(),
            fitted_formulas=rows.fitted_formulas,
            n_columns=tuple(design.n_columns for design in rows.designs),
            formula=self.formula,
            response_name=rows.response_name,
            has_offset=rows.offset_parts.offset is not None,
            has_exposure=rows.offset_parts.exposure is not None,
            column_names=rows.column_names,
            weights=rows.weights,
            labelled=rows.has_names,
            n_dropped=rows.n_dropped,
            missing=rows.missing,
            n_threads=n_threads,
            boundary=solution.boundary,
            model=self,
        )

    def _warn(self, solution: PredictorSolution, results: ResponseResults | None = None) -> None:
        if solution.status == Status.BOUNDARY:
            warn(solution.boundary, BoundaryWarning)
        if results is not None and results.infinite:
            warn(infinite_text(results.infinite, results.n_separated), SeparationWarning)
        elif solution.status not in (Status.CONVERGED, Status.BOUNDARY):
            text = solution.status.advice
            warn(text[0].upper() + text[1:], ConvergenceWarning)
        if results is not None and results.aliased:
            warn_of_aliased(few_of(list(results.aliased)))

    def __repr__(self) -> str:
        what = f"formula={self.formula!r}" if self.formula else ""
        return f"<{type(self).__name__}, {self.rows.n_rows} rows{', ' * bool(what)}{what}>"
