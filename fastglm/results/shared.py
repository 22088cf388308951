"""Methods of every result, whatever its model: tests, summary and saving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.frames.output import frame_of
from fastglm.errors import FastGLMWarning, ModelError, require_level, warn
from fastglm.fit.json_numbers import write_json
from fastglm.inference.hypothesis_tests.hypotheses import LinearTests, t_test, wald_test
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.inference.tidy import augmented, coefficient_columns, glance
from fastglm.results.updating import UpdateMethods

if TYPE_CHECKING:
    import onnx

    from fastglm.inference.summary import Summary
    from fastglm.typing import Frame, Matrix

__all__ = ["SharedMethods"]

#: The error of models without an export.
_EXPORTED = "is written for fits of fastglm.GLM alone; use predict, or GLM."


class SharedMethods(UpdateMethods):
    """Methods of all results."""

    def t_test(self, hypothesis: Any) -> LinearTests:
        """Tests of linear combinations of the coefficients, one by one.

        Parameters
        ----------
        hypothesis : str, array_like, or tuple of two array_like
            ``"x1 = x2, x3 = 0"``, or a matrix of one row of p numbers for each combination, which
            is compared with zero, or such a matrix and the k values to compare with. A name that
            is not a plain word may be written as it is or in backquotes.

        Returns
        -------
        LinearTests
            t tests if the fit uses t (`use_t`), else z tests.

        Raises
        ------
        ModelError
            If the hypothesis cannot be read, or involves an aliased coefficient in a combination
            that is not estimable.
        DataError
            If a matrix has the wrong shape.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.t_test("x = 0.5").pvalue[0]), 3)
        0.667
        """
        return t_test(self, hypothesis)

    def wald_test(
        self, hypothesis: Any, use_f: bool | None = None, scalar: bool = True
    ) -> HypothesisTest:
        """Wald test of all equations of a linear hypothesis together.

        Parameters
        ----------
        hypothesis
            As for `t_test`.
        use_f : bool, optional
            F instead of chi-squared; by default where the fit uses t.
        scalar : True
            As in statsmodels: the statistic is a number, not a matrix.

        Raises
        ------
        ModelError
            As for `t_test`, if one equation follows from the others, or if `scalar` is not True.
        DataError
            If a matrix has the wrong shape.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.wald_test("x = 0, g[T.b] = 0").df), 1)
        2.0
        """
        if not scalar:
            raise ModelError("scalar must be True: the statistic is a number.")
        return wald_test(self, hypothesis, use_f)

    def summary(
        self,
        alpha: float = 0.05,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
        exponentiate: bool = False,
    ) -> Summary:
        """Table of coefficients and goodness of fit; prints as text, shows as HTML in notebooks.

        Parameters
        ----------
        alpha : float, default 0.05
            Intervals are at level 1 - alpha.
        yname, xname, title : optional
            Other names of the response and of the p coefficients, and another title.
        exponentiate : bool, default False
            Show odds ratios, rate ratios or relativities, whichever the exponentials of
            coefficients are under the link and family of the fit.

        Raises
        ------
        DataError
            If there is not a name for each coefficient.
        ModelError
            If no coefficient is the logarithm of a ratio.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"y": [1.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0]}, "poisson")
        >>> res.summary(exponentiate=True).columns()[0]
        'rate ratio'
        """
        summary = self._summary(alpha).renamed(yname, xname, title)
        return summary.exponentiated() if exponentiate else summary

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Matrix:
        """Intervals of the coefficients at level 1 - alpha, (p, 2).

        Parameters
        ----------
        alpha : float, default 0.05
        method : {"wald", "profile", "bootstrap"}, default "wald"
            "wald" is the estimate and so many standard errors, of the covariance of this fit.
            "profile" is where the deviance, or minus twice the log-likelihood, of the best model
            with that coefficient rises by the chi-squared quantile times the dispersion, as R's
            ``confint``; it takes refits, does not use the covariance, and can be infinite, as one
            end is where regressors separate the responses. With ``bias_reduction="firth"`` it is
            the deviance less the penalty (`Results.penalized_llf`), as R's package logistf.
            "bootstrap" are quantiles of the replicates of `bootstrap`.

        Returns
        -------
        ndarray or DataFrame of shape (p, 2)
            Of a mixed model the fixed coefficients; `MixedResults.profile` has the others too.

        Raises
        ------
        ModelError
            If `alpha` is not between 0 and 1, there is no such method, or a profile has no
            dispersion to measure the deviance in, or an estimate that is infinite or on the
            boundary.
        DataError
            If a method that needs refits is asked of a result that was loaded without its data.

        Warns
        -----
        ConvergenceWarning
            If an end of a profile is not reached, which is then NaN.
        FastGLMWarning
            If a profile is asked of a fit with another covariance than that of the likelihood.

        Notes
        -----
        Venzon & Moolgavkar (1988), *Applied Statistics* 37, for the profile likelihood.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.conf_int()[1, 0]), 4)
        0.2366
        """
        checked_choice("method", method, ("wald", "profile", "bootstrap"))
        if method == "wald":
            return self._wald_intervals(alpha)
        require_level(alpha)
        is_profile = method == "profile"
        if is_profile and self.cov_type != "nonrobust":
            warn(
                f"Profile intervals are those of the likelihood: they do not use the covariance "
                f"{self.cov_type} of this fit. method='wald' does.",
                FastGLMWarning,
            )
        limits = self._profile_limits(alpha) if is_profile else self._bootstrap_limits(alpha)
        return self._matrix(limits, (0, 1))

    def _profile_limits(self, alpha: float) -> np.ndarray:
        raise NotImplementedError

    def _bootstrap_limits(self, alpha: float) -> np.ndarray:
        raise NotImplementedError

    def tidy(
        self, exponentiate: bool = False, conf_int: bool | str = False, alpha: float = 0.05
    ) -> Frame:
        """A row for each coefficient, as ``tidy`` of R's package broom.

        Parameters
        ----------
        exponentiate : bool, default False
            Odds ratios, rate ratios or relativities, and intervals of them. Standard errors and
            tests stay those of the coefficients, as in broom.
        conf_int : bool or str, default False
            Whether there are columns of intervals; or by which of the methods of `conf_int`,
            "wald" by default.
        alpha : float, default 0.05
            Intervals are at level 1 - alpha.

        Returns
        -------
        data frame
            Of the library that the data came in, pandas else: columns term, estimate, std.error,
            statistic, p.value, and with `conf_int` conf.low and conf.high. Models of several
            predictors have a column before these with their names; mixed models have effect
            and group, and rows ``sd__`` and ``cor__`` of the random effects.

        Raises
        ------
        ModelError
            If no coefficient is the logarithm of a ratio, or there are no such intervals.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"y": [1.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0]}, "poisson")
        >>> list(res.tidy(conf_int=True).columns)
        ['term', 'estimate', 'std.error', 'statistic', 'p.value', 'conf.low', 'conf.high']
        """
        return frame_of(self._tidy_columns(exponentiate, conf_int, alpha), self._like)

    def _tidy_columns(
        self, exponentiate: bool, conf_int: bool | str, alpha: float
    ) -> dict[str, Any]:
        limits = None
        if conf_int is not False:
            method = "wald" if conf_int is True else conf_int
            limits = np.asarray(self.conf_int(alpha, method), dtype=np.float64)
        return coefficient_columns(self, limits, exponentiate)

    def glance(self) -> Frame:
        """One row about the whole fit, as ``glance`` of R's package broom.

        Returns
        -------
        data frame
            Of the library that the data came in, pandas else: logLik, AIC, BIC, df.residual, nobs,
            and what else the model has, such as null.deviance, df.null and deviance.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"y": [1.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0]}, "poisson")
        >>> float(res.glance()["df.residual"][0])
        1.0
        """
        return glance(self)

    def augment(self, data: Any = None, which: str | None = None, se_fit: bool = False) -> Frame:
        """The rows beside their fitted values and residuals, as ``augment`` of R's package broom.

        Parameters
        ----------
        data : data frame or array_like, optional
            New rows, whose offset or exposure are columns; by default those of the fit.
        which : {"linear", "mean"}, optional
            What ``.fitted`` is. By default, as in broom, the linear predictor of generalized and
            mixed models, and the mean of other responses.
        se_fit : bool, default False
            Whether there is ``.se.fit``, the standard error of ``.fitted``, of generalized linear
            models.

        Returns
        -------
        data frame
            Of the library that the rows came in, pandas else: the columns of the rows, and
            ``.fitted``. For rows of a fit of a generalized linear model also .resid, deviance
            residuals, .hat, leverages, .sigma, the root of the dispersion without the row, .cooksd
            and .std.resid; for a mixed model .resid, response less conditional mean, .fixed, the
            linear predictor at random effects of zero, and .mu; of other responses .resid,
            response less mean. Several means have columns ``.fitted.level``, and a categorical
            response has its most probable level in ``.fitted``.

        Raises
        ------
        ModelError
            If there is no such prediction, or no standard error of it.
        DataError
            If the rows cannot be used, or the result was loaded without its data.

        Examples
        --------
        >>> import fastglm as fg
        >>> res = fg.glm("y ~ x", {"y": [1.0, 3.0, 4.0], "x": [0.0, 1.0, 2.0]}, "poisson")
        >>> list(res.augment().columns)
        ['y', 'x', '.fitted', '.resid', '.hat', '.sigma', '.cooksd', '.std.resid']
        """
        return augmented(self, data, self._augment_columns(data, which, se_fit))

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        raise NotImplementedError

    def to_sql(self, *_: Any, **__: Any) -> str:
        """Of fits of one linear predictor alone; see `fastglm.Results.to_sql`."""
        raise ModelError(f"a fit of {self._model_name()} cannot be exported: SQL {_EXPORTED}")

    def to_onnx(self, *_: Any, **__: Any) -> onnx.ModelProto:
        """Of fits of one linear predictor alone; see `fastglm.Results.to_onnx`."""
        raise ModelError(f"a fit of {self._model_name()} cannot be exported: ONNX {_EXPORTED}")

    def _model_name(self) -> str:
        return str(getattr(self, "kind", type(self).__name__.removesuffix("Results")))

    def _summary(self, alpha: float) -> Any:
        raise NotImplementedError

    def _described(self) -> dict[str, Any]:
        """All of the fit as plain JSON types."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def save(self, path: str | Path) -> None:
        """Write the fit to a JSON file that `fastglm.load` reads; no data goes with it.

        Examples
        --------
        >>> import fastglm as fg
        >>> import os, tempfile
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> path = os.path.join(tempfile.mkdtemp(), "model.json")
        >>> res.save(path)
        >>> fg.load(path).names == res.names
        True
        """
        write_json(self._described(), path)

    def report(
        self,
        path: str | Path,
        title: str | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write one self-contained web page: the fit, its checks in plain words, and pictures.

        Of a mixed model it has variances and tests of terms in the place of checks.

        Parameters
        ----------
        path : str or Path
            Of the HTML file.
        title : str, optional
            By default the family and the response.
        progress : callable, optional
            Called as ``progress(done, n_steps)`` after the tests and after each picture.

        Raises
        ------
        DataError
            If the result was loaded without its data.

        Examples
        --------
        >>> import fastglm as fg
        >>> import os, tempfile
        >>> res = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")
        >>> path = os.path.join(tempfile.mkdtemp(), "report.html")
        >>> res.report(path)
        >>> os.path.exists(path)
        True
        """
        from fastglm.report import write_report

        write_report(self, path, title, progress)
