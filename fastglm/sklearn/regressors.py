"""`GLMRegressor`: any family and link of `fastglm.GLM` as a scikit-learn regressor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import RegressorMixin

from fastglm.families import Family, resolve_family
from fastglm.rows.vectors import vector
from fastglm.sklearn.base import GLMEstimator
from fastglm.sklearn.inputs import row_vector

if TYPE_CHECKING:
    from typing_extensions import Self

    from fastglm.results import Results

__all__ = ["GLMRegressor", "Regressor"]


class Regressor(RegressorMixin, GLMEstimator):
    """Base of the regressors: numbers in, means out."""

    results_: Results
    intercept_: float

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        exposure: Any = None,
    ) -> Self:
        """Maximise the likelihood.

        Parameters
        ----------
        X : array_like, sparse matrix or data frame, shape (n, p)
            With a formula, or where a column is not numeric, a data frame whose columns go by
            name; categories are coded against their first level.
        y : array_like, shape (n,)
            Response.
        sample_weight : array_like, shape (n,), optional
            R's prior weights: the variance of a row is divided by its weight.
        offset : array_like, shape (n,), optional
            Added to the linear predictor.
        exposure : array_like, shape (n,), optional
            Its logarithm is added to the linear predictor; needs a log link.

        Returns
        -------
        self
        """
        data = self._read(X, y, sample_weight)
        y = np.asarray(vector(data.y, "y"), dtype=np.float64)
        self._fit_glm(data._replace(y=y), offset, exposure)
        return self

    def predict(self, X: Any, offset: Any = None, exposure: Any = None) -> np.ndarray:
        """Means of new rows, (n,).

        Parameters
        ----------
        X : array_like, sparse matrix or data frame, shape (n, p)
        offset, exposure : array_like, shape (n,), optional
            Of these rows; needed where the fit had one.
        """
        eta = self._linear_predictor(X, offset, exposure)
        return np.asarray(self.results_.family.link.inverse(eta))

    def score(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
        exposure: Any = None,
    ) -> float:
        """D², the share of the deviance that is explained; R² for the gaussian family.

        Parameters
        ----------
        X, y, sample_weight, offset, exposure
            As for `fit`.
        """
        mean = self.predict(X, offset, exposure)
        y = row_vector(y, "y", mean)
        weights = np.ones_like(y)
        if sample_weight is not None:
            weights = row_vector(sample_weight, "sample_weight", mean)
        family = self.results_.family
        null = np.full_like(y, np.average(y, weights=weights))
        explained = family.deviance(y, mean, weights) / family.deviance(y, null, weights)
        return float(1.0 - explained)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = self._family().domain.lower >= 0.0
        return tags


class GLMRegressor(Regressor):
    """A generalized linear model as a scikit-learn regressor.

    Parameters
    ----------
    family : family, class or str, default "gaussian"
        As for `fastglm.GLM`.
    link : link, class or str, optional
        Instead of the family's own.
    formula : str, optional
        The right side of a formula, such as ``"C(region) + bs(age, df=4)"``, on the columns of
        a data frame; its intercept is in the formula, and `fit_intercept` has no say.
    fit_intercept : bool, default True
    tol : float, default 1e-8
    max_iter : int, default 50
        As for `fastglm.GLM.fit`.
    n_jobs : int, optional
        Threads; by default all. The estimates do not depend on it.

    Attributes
    ----------
    coef_ : ndarray, shape (p,)
        0 where a column is a combination of earlier ones.
    intercept_ : float
    std_errors_ : ndarray, shape (p,)
        Standard errors of ``coef_``.
    coef_names_ : ndarray of str, shape (p,)
    n_iter_ : int
    results_ : fastglm.Results
        The whole fit: tests, intervals, diagnostics.

    Examples
    --------
    >>> import numpy as np
    >>> from fastglm.sklearn import GLMRegressor
    >>> X = np.arange(20.0)[:, None]
    >>> model = GLMRegressor(family="poisson").fit(X, np.round(np.exp(0.1 * X[:, 0])))
    >>> model.coef_.round(2)
    array([0.1])
    """

    def __init__(
        self,
        family: Any = "gaussian",
        link: Any = None,
        *,
        formula: str | None = None,
        fit_intercept: bool = True,
        tol: float = 1e-8,
        max_iter: int = 50,
        n_jobs: int | None = None,
    ):
        self.family = family
        self.link = link
        self.formula = formula
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def _family(self) -> Family:
        return resolve_family(self.family, self.link)
