"""Methods that compare a fit with its null model and its terms with nothing, of any predictors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.errors import ModelError
from fastglm.inference.diagnostics.goodness_of_fit import comparison_with_null, pseudo_rsquared
from fastglm.inference.hypothesis_tests.hypotheses import wald_test
from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table
from fastglm.results.shared import SharedMethods

if TYPE_CHECKING:
    from fastglm.inference.summary import Summary
    from fastglm.typing import Matrix

__all__ = ["NullComparisonMethods"]


class NullComparisonMethods(SharedMethods):
    """Mixin of `fastglm.Results` and of the results of response models."""

    if TYPE_CHECKING:
        llf: float
        information_inverse: np.ndarray

    def _coefficients_of_terms(self) -> list[tuple[str, np.ndarray]]:
        """Name of each term and places of its coefficients."""
        raise NotImplementedError

    def _log_likelihood_at_unit_scale(self) -> float:
        """Log-likelihood at dispersion 1."""
        raise NotImplementedError

    def pseudo_rsquared(self, kind: str = "cs") -> float:
        """Share of explained variation.

        Parameters
        ----------
        kind : {"cs", "nagelkerke", "mcf", "deviance"}, default "cs"
            Cox & Snell's, 1 - (L0/L)^(2/n); the same over its largest possible value (Nagelkerke
            1991, *Biometrika* 78); McFadden's, 1 - log L / log L0; or 1 - deviance over null
            deviance.

        Raises
        ------
        ModelError
            If there is no such kind, or the family has no likelihood that it needs.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> round(float(res.pseudo_rsquared("deviance")), 4)
        0.9883
        """
        return pseudo_rsquared(self, kind)

    def test_against_null(self) -> HypothesisTest:
        """All coefficients but the intercept are zero: likelihood ratio, or F.

        Raises
        ------
        ModelError
            If there is nothing but an intercept.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> int(res.test_against_null().df)
        2
        """
        return comparison_with_null(self)

    @property
    def llr_pvalue(self) -> float:
        """p-value of `test_against_null`: likelihood ratio, or F for estimated dispersions."""
        return self.test_against_null().pvalue

    @property
    def bic_llf(self) -> float:
        """``info_criteria("bic")``: `bic` without a parameter for the dispersion."""
        return self.info_criteria("bic")

    def info_criteria(self, crit: str, scale: float | None = None, dk_params: float = 0.0) -> float:
        """An information criterion that counts the coefficients alone.

        Parameters
        ----------
        crit : {"aic", "bic", "qaic"}
            "qaic" is -2 log L / scale + 2 (parameters).
        scale : float, optional
            Dispersion of the largest model; "qaic" needs it.
        dk_params : float, default 0
            Further parameters: 1 for an estimated dispersion gives `aic` and `bic`.

        Raises
        ------
        ModelError
            If there is no such criterion, or "qaic" has no scale.

        Notes
        -----
        Burnham & Anderson (2002), *Model Selection and Multimodel Inference*.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> abs(res.info_criteria("aic") - res.aic) < 1e-12
        True
        """
        if not isinstance(crit, str):
            raise ModelError(f'crit must be "aic", "bic" or "qaic", not {crit!r}')
        k = self.rank + dk_params
        if crit.lower() == "aic":
            return -2.0 * self.llf + 2.0 * k
        if crit.lower() == "bic":
            return -2.0 * self.llf + k * float(np.log(self.nobs))
        if crit.lower() != "qaic":
            raise ModelError(f'crit must be "aic", "bic" or "qaic", not {crit!r}')
        if scale is None:
            raise ModelError('crit="qaic" needs scale=, the dispersion of the largest model.')
        return -2.0 * self._log_likelihood_at_unit_scale() / scale + 2.0 * k

    # -- statsmodels' names

    @property
    def normalized_cov_params(self) -> Matrix:
        """Inverse of the information at dispersion 1, (p, p)."""
        return self._matrix(self.information_inverse, self.names)

    def f_test(self, hypothesis: Any) -> HypothesisTest:
        """`wald_test` with the F distribution.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x", data)
        >>> round(float(res.f_test("x = 0").pvalue), 3)
        0.015
        """
        return wald_test(self, hypothesis, use_f=True)

    def wald_test_terms(self) -> Table:
        """Wald tests of all coefficients of each term, chi-squared, or F where the fit uses t.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.wald_test_terms().names
        ('Intercept', 'x', 'g')
        """
        kept = ~np.isnan(self.estimates)
        terms = {name: own[kept[own]] for name, own in self._coefficients_of_terms()}
        terms = {name: columns for name, columns in terms.items() if columns.size}
        identity = np.eye(kept.size)
        tests = [wald_test(self, identity[columns], None) for columns in terms.values()]
        kind = "F" if self.use_t else "chi2"
        columns = {
            kind: np.array([test.statistic for test in tests]),
            f"P>{kind}": np.array([test.pvalue for test in tests]),
            "df constraint": np.array([float(columns.size) for columns in terms.values()]),
        }
        return Table("Wald tests of the terms", tuple(terms), columns)

    def summary2(
        self,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
        alpha: float = 0.05,
    ) -> Summary:
        """`summary`, with its arguments in statsmodels' order.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.summary2().title
        'Generalized Linear Model Regression Results'
        """
        return self.summary(alpha, yname, xname, title)

    def remove_data(self) -> None:
        """Forget the data of the fit, in place: what needs them is then an error.

        What a saved result carries along is computed first.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.remove_data()
        >>> res.model is None
        True
        """
        if self.model is not None:
            for name in self.lazy_numbers:
                getattr(self, name)
            self.__dict__["model"] = None
            self.__dict__.pop("_row_table", None)
