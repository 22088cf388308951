"""GLM: choose family and link, build the design, call the solver, hand back Results."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from fastglm.entry import entry_points
from fastglm.errors import DataError, ModelError
from fastglm.families import Family, resolve_family
from fastglm.fit.estimate import FitOptions, fit_model
from fastglm.fit.options import solver_options
from fastglm.fit.progress import shown
from fastglm.inference.hypothesis_tests.constrained import fit_constrained
from fastglm.inference.statsmodels_model import StatsmodelsModel
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.records import MadeOnce
from fastglm.results import Results
from fastglm.results.statsmodels_names import read_fit_options
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import read_arrays, read_formulas, row_columns
from fastglm.rows.subset import RowsChosen, chosen_rows, conditions_of
from fastglm.solve.fit import Progress
from fastglm.solve.separation import Separation, find_separation

__all__ = ["GLM"]


@entry_points
class GLM(RowsChosen, StatsmodelsModel):
    """A generalized linear model of a response on columns.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, 2)
        Response. For the binomial family: 0/1, proportions with ``var_weights`` = trials, or two
        columns, successes and failures.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns, taken as they are: no intercept is added, nothing is copied. Categorical columns
        of a frame are coded against their first level. The arrays must stay as they are while
        the model is in use.
    family : family, class or str, default "gaussian"
        One of `fastglm.families`, or its name.
    link : link, class or str, optional
        Instead of the family's own.
    offset : array_like, shape (n,), optional
        Added to the linear predictor.
    exposure : array_like, shape (n,), optional
        Its logarithm is added to the linear predictor; needs a log link.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows; they enter ``nobs``.
    var_weights : array_like, shape (n,), optional
        R's prior weights: the variance of a row is divided by its weight.
    missing : {"raise", "drop", "none"}, default "raise"
        What to do about rows with NaN. "drop" leaves them out and counts them in ``n_dropped``.

    Raises
    ------
    DataError
        If anything in the data cannot be used; the text names the argument, column or row.
    ModelError
        If family, link and other options do not go together.

    Notes
    -----
    McCullagh & Nelder (1989), *Generalized Linear Models*, 2nd edition.

    Examples
    --------
    >>> import fastglm as fg
    >>> model = fg.GLM([1, 3, 4, 9], fg.add_constant([0, 1, 2, 3]), family="poisson")
    >>> round(float(model.fit().params[1]), 4)
    0.6574
    """

    def __init__(
        self,
        endog: Any,
        exog: Any,
        family: Any = "gaussian",
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        *,
        link: Any = None,
    ):
        self.family: Family = resolve_family(family, link)
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        self.rows: ModelRows = read_arrays(endog, {"X": exog}, columns, missing, self.family)
        self.formula: str | None = None
        self.source: tuple[Any, dict[str, Any], str] | None = None

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        family: Any = "gaussian",
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        *,
        link: Any = None,
        subset: Any = None,
    ) -> GLM:
        """A model given as a formula and a data frame.

        Parameters
        ----------
        formula : str
            In formulaic's grammar, such as ``"claims ~ C(region) * power + bs(age, df=4)"``. An
            intercept is added unless it says ``- 1``; ``offset(log(hours))`` is an offset, and
            ``cbind(successes, failures)`` a binomial response.
        data : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of columns
            Numeric columns and categorical codes are used as they lie.
        family, link
            As for `GLM`.
        offset, exposure, freq_weights, var_weights : str or array_like, optional
            As for `GLM`, or the name of a column.
        missing : {"raise", "drop"}, default "raise"
            As for `GLM`, over all columns in use.
        subset : str or array_like of bool, shape (n,), optional
            The rows to read: a condition such as ``"(age > 18) & (zone == 'a')"``, or its truth.

        Raises
        ------
        FormulaError, DataError, ModelError
            If the formula cannot be read, and as for `GLM`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> model.names
        ('Intercept', 'x')
        """
        model = cls.__new__(cls)
        model.family = resolve_family(family, link)
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        data, columns = chosen_rows(data, columns, subset)
        model.rows = read_formulas(formula, (), data, columns, missing, model.family)
        model.formula, model.chosen_by = formula, conditions_of(subset)
        # Other formulas, such as those that `step` tries, read the same frame.
        model.source = (data, columns, missing)
        return model

    def with_formula(self, formula: str, data: Any = None, **options: Any) -> GLM:
        """The model of another formula, data or options, and nothing else changed.

        Raises
        ------
        ModelError
            If the model was given as arrays.

        Examples
        --------
        >>> import fastglm as fg
        >>> model = fg.GLM.from_formula("y ~ x", {"x": [0, 1, 2], "y": [1, 3, 4]})
        >>> model.with_formula("y ~ 1").names
        ('Intercept',)
        """
        if self.source is None:
            raise ModelError("the model was given as arrays: this needs one from a formula.")
        known, columns, missing = self.source
        given: dict[str, Any] = {"family": self.family, "missing": missing} | columns | options
        return self._with_formula(formula, known, data, **given)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the p columns."""
        return self.rows.design.names

    exog_names = names

    @property
    def endog(self) -> np.ndarray:
        """Response, (n,); proportions where it was given as successes and failures."""
        return self.rows.response

    @property
    def endog_names(self) -> str:
        """Name of the response."""
        return self.rows.response_name

    @property
    def exog(self) -> np.ndarray:
        """Columns written out, (n, p): a large array where the data is large."""
        return self.rows.design.to_dense()

    @MadeOnce
    def row_table(self) -> RowTable:
        """What the kernels read."""
        rows = self.rows
        return build_row_table(rows.design, rows.response, rows.prior_weights, rows.offset)

    def fit(
        self,
        tol: float = 1e-8,
        max_iter: int = 50,
        start_params: Any = None,
        cov_type: str = "nonrobust",
        cov_kwds: dict[str, Any] | None = None,
        scale: float | str | None = None,
        use_t: bool | None = None,
        n_threads: int | None = None,
        progress: Progress | bool | str | None = None,
        separation: str = "warn",
        bias_reduction: str = "none",
        exact: bool = False,
        **statsmodels_options: Any,
    ) -> Results:
        """Maximise the likelihood.

        Parameters
        ----------
        tol : float, default 1e-8
            The fit has converged when half the Newton decrement is at most
            ``tol * (|deviance| + 0.1)``; further sweeps then refine estimates and standard errors
            to a relative error of about `tol`.
        max_iter : int, default 50
            Most steps.
        start_params : array_like, shape (p,), optional
            Coefficients to start from.
        cov_type : str, default "nonrobust"
            Covariance of the estimates.
        cov_kwds : dict, optional
            What that covariance needs.
        scale : float, "X2" or "dev", optional
            Dispersion: a number, or Pearson's statistic or the deviance over the residual degrees
            of freedom. By default 1 for families whose dispersion is known, else "X2".
        use_t : bool, optional
            Whether tests use Student's t; by default where the dispersion is estimated.
        n_threads : int, optional
            Threads to use. The results do not depend on it, to the last bit.
        progress : callable, bool or "lines", optional
            Called as ``progress(n_sweeps, deviance)`` after each sweep over many rows. True shows a
            line on standard error where that is a terminal and the fit takes over a second;
            "lines" writes one for each sweep, wherever that goes.
        separation : str, default "warn"
            What to do where regressors separate the responses, so that estimates are infinite
            (`check_separation`). A fit that shows no symptom of it is not searched.

            - "warn": warn, naming the columns and counting the rows.
            - "raise": raise `SeparationError`.
            - "drop": leave the separated rows out and fit the others.
            - "firth": fit again with ``bias_reduction="firth"``, whose estimates are finite.
            - "check": as "warn", but search every fit.
            - "ignore": never search.
        bias_reduction : {"none", "firth", "median"}, default "none"
            Estimates whose mean, or median, is less biased, by adjusted scores: finite where the
            responses are separated. A dispersion is estimated likewise for the gaussian, gamma and
            inverse Gaussian families, by Pearson's statistic for others.
        exact : bool, default False
            Take no shortcut: no sample of the rows, no single precision, standard errors and robust
            covariances from a QR factorisation. Slower by far, and for checking: where a shortcut
            could not be trusted, it has not been taken.
        **statsmodels_options
            ``maxiter`` is `max_iter`, and the smaller of ``rtol`` and `tol` counts; ``method``,
            ``disp``, ``atol`` and others that lead to the same optimum change nothing.

        Returns
        -------
        Results

        Warns
        -----
        ConvergenceWarning
            If the fit stopped early; ``results.status`` says why.
        RankWarning, SeparationWarning
            If columns are combinations of earlier ones, or estimates are infinite.

        Raises
        ------
        SeparationError
            With ``separation="raise"``, or "drop" where every row is separated.
        DataError
            If a column of X holds NaN or infinite values.
        ModelError
            If an option is out of range.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> model = fg.GLM.from_formula("y ~ x", data, family="poisson")
        >>> round(float(model.fit().params[1]), 4)
        0.5025
        """
        if statsmodels_options:
            tol, max_iter = read_fit_options(self.fit, GLM, statsmodels_options, tol, max_iter)
        start = None if start_params is None else self._checked_start(start_params)
        with shown(progress, "fitting") as told:
            options = solver_options(tol, max_iter, n_threads, told, exact)
            fit_options = FitOptions(options, start, scale, use_t, separation, bias_reduction)
            results = fit_model(self, fit_options, Results)
        if isinstance(cov_type, str) and cov_type == "nonrobust" and not cov_kwds:
            return results
        return results.with_covariance(cov_type, **(cov_kwds or {}))

    def fit_constrained(
        self, constraints: Any, start_params: Any = None, **fit_options: Any
    ) -> Results:
        """Maximise the likelihood under linear equations of the coefficients.

        Parameters
        ----------
        constraints : str, list of str, array_like, or tuple of two array_like
            ``"x1 = x2, x3 = 0.5"``, or (R, q) for ``R params = q``; as for `Results.t_test`.
        start_params, **fit_options
            As for `fit`, but for ``bias_reduction`` and ``separation="drop"`` or "firth".

        Returns
        -------
        Results
            Of all p coefficients, whose covariance is singular; degrees of freedom count those left
            free. What fits other models, as profiles do, is refused; ``fg.anova(it, large)`` works.

        Raises
        ------
        ModelError
            If the equations cannot be read or do not go together, or leave a coefficient unknown.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"a": [0, 1, 0, 1, 2], "b": [1, 0, 0, 2, 1], "y": [2.0, 2.0, 1.0, 4.0, 5.0]}
        >>> res = fg.GLM.from_formula("y ~ a + b", data).fit_constrained("a = b")
        >>> float(res.params[1] - res.params[2])
        0.0
        """
        return fit_constrained(self, constraints, start_params, fit_options)

    def check_separation(self, n_threads: int | None = None) -> Separation:
        """Search for rows that regressors separate from the others, whatever a fit looks like.

        Parameters
        ----------
        n_threads : int, optional
            As for `fit`.

        Returns
        -------
        Separation
            With ``exists``, ``rows``, (n,) bool, and ``direction``, (p,).

        Notes
        -----
        A row is separated if its fitted mean reaches 0, or 1 for a probability, on the way to the
        supremum of the likelihood. By linear programming: Konis (2007).

        Examples
        --------
        >>> import fastglm as fg
        >>> model = fg.GLM([0, 0, 1, 1], fg.add_constant([0, 1, 2, 3]), family="binomial")
        >>> model.check_separation().exists
        True
        """
        rows = self.rows
        return find_separation(
            rows.design, self.family, rows.response, rows.prior_weights, usable_threads(n_threads)
        )

    def subset(self, keep: np.ndarray) -> GLM:
        """The same model of some of its rows, by a (n,) bool mask; the rows are copied.

        Examples
        --------
        >>> import numpy as np
        >>> import fastglm as fg
        >>> model = fg.GLM.from_formula("y ~ x", {"x": [0, 1, 2], "y": [1, 3, 4]})
        >>> model.subset(np.array([True, False, True])).rows.n_rows
        2
        """
        model = copy(self)
        for cached in ("row_table", "_columns"):
            model.__dict__.pop(cached, None)
        model.rows = self.rows.take(keep)
        return model

    def _checked_start(self, start_params: Any) -> np.ndarray:
        start = np.asarray(start_params, dtype=np.float64)
        p = self.rows.design.n_columns
        if start.shape != (p,):
            raise DataError(f"start_params has shape {start.shape}, but there are {p} columns.")
        if not np.isfinite(start).all():
            raise DataError("start_params holds values that are not finite.")
        return start

    def __repr__(self) -> str:
        rows = self.rows
        what = f"formula={self.formula!r}" if self.formula else f"{rows.design.n_columns} columns"
        return f"<GLM {self.family!r}, {rows.n_rows} rows, {what}>"
