"""`GLMClassifier`: binomial and multinomial models as a scikit-learn classifier."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from fastglm.design.frames.missing import rows_text
from fastglm.design.matrix.select import select_columns
from fastglm.errors import DataError, MissingValueError, ModelError, RankWarning
from fastglm.families import Binomial, Family
from fastglm.responses.models.multinomial import MNLogit
from fastglm.sklearn.base import GLMEstimator, array_design
from fastglm.sklearn.inputs import FitData, read_new
from fastglm.sklearn.wide import independent_columns

if TYPE_CHECKING:
    from typing_extensions import Self

    from fastglm.responses.models.multinomial import MultinomialResults
    from fastglm.results import Results

__all__ = ["Classifier", "GLMClassifier"]


class Classifier(ClassifierMixin, GLMEstimator):
    """Base of the classifiers: labels in, labels and their probabilities out."""

    results_: Results | MultinomialResults
    intercept_: np.ndarray
    classes_: np.ndarray

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        offset: Any = None,
    ) -> Self:
        """Maximise the likelihood.

        Parameters
        ----------
        X : array_like, sparse matrix or data frame, shape (n, p)
            As for `GLMRegressor.fit`.
        y : array_like, shape (n,)
            Labels. Two make a binomial model, of the second in sorted order; more a multinomial
            one, which takes the logit link alone.
        sample_weight : array_like, shape (n,), optional
            Multiplies the log-likelihood of each row.
        offset : array_like, shape (n,), optional
            Added to the linear predictor of two classes.

        Returns
        -------
        self
        """
        data = self._read(X, y, sample_weight)
        check_classification_targets(data.y)
        classes, codes = np.unique(data.y, return_inverse=True)
        present = codes if data.sample_weight is None else codes[data.sample_weight > 0.0]
        if np.unique(present).size < 2:
            raise DataError(
                f"{type(self).__name__} needs two classes at least; the rows hold one class."
            )
        if classes.size == 2:
            self._fit_glm(data._replace(y=codes.astype(np.float64)), offset, None)
            self.coef_, self.intercept_ = self.coef_[None, :], np.array([self.intercept_])
        else:
            self._fit_multinomial(data._replace(y=codes), classes.size, offset)
        self.classes_ = classes
        return self

    def _fit_multinomial(self, data: FitData, n_classes: int, offset: Any) -> None:
        """Every class against the first; coefficients are shown with their mean over classes 0."""
        if data.is_frame or offset is not None or self._family() != Binomial():
            raise ModelError(
                "three classes or more take arrays, the logit link and no offset; for formulas "
                "use fastglm.MNLogit.from_formula."
            )
        self._by_name = False
        design = array_design(data.X, self.fit_intercept, self._feature_names())
        kept = independent_columns(design, data.sample_weight)
        model = MNLogit(data.y, select_columns(design, kept), var_weights=data.sample_weight)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RankWarning)
            results = model.fit(tol=self.tol, max_iter=self.max_iter, n_threads=self.n_jobs)
        against_first = np.zeros((n_classes, design.n_columns))
        against_first[1:, kept] = np.nan_to_num(results.estimates).reshape(n_classes - 1, -1)
        centered = against_first - against_first.mean(axis=0)
        self.results_, self.n_iter_ = results, int(results.n_iter)
        first = int(self.fit_intercept)
        self.coef_ = centered[:, first:]
        self.intercept_ = centered[:, 0] if first else np.zeros(n_classes)
        self.coef_names_ = np.array(design.names[first:], dtype=object)

    def decision_function(self, X: Any, offset: Any = None) -> np.ndarray:
        """Linear predictors: (n,) of the second of two classes, else (n, classes).

        Parameters
        ----------
        X : array_like, sparse matrix or data frame, shape (n, p)
        offset : array_like, shape (n,), optional
        """
        check_is_fitted(self, "results_")
        if len(self.classes_) == 2:
            return self._linear_predictor(X, offset, None)
        X = read_new(self, X, False)
        return np.asarray(X @ self.coef_.T) + self.intercept_

    def predict_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Probabilities of the classes, (n, classes), in the order of ``classes_``.

        Parameters
        ----------
        X, offset
            As for `decision_function`.
        """
        eta = self.decision_function(X, offset)
        if eta.ndim == 1:
            results: Any = self.results_
            link = results.family.link
            return np.column_stack([link.complement(eta), link.inverse(eta)])
        shares = np.exp(eta - eta.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: Any, offset: Any = None) -> np.ndarray:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, offset))

    def predict(self, X: Any, offset: Any = None) -> np.ndarray:
        """The most probable class of each row, (n,).

        Parameters
        ----------
        X, offset
            As for `decision_function`.

        Raises
        ------
        MissingValueError
            If a row of a data frame has a missing value.
        """
        probabilities = self.predict_proba(X, offset)
        unknown = np.isnan(probabilities).any(axis=1)
        if unknown.any():
            raise MissingValueError(
                f"X has missing values in {rows_text(unknown)}, whose class cannot be told: leave "
                "these rows out or fill them; predict_proba gives them NaN."
            )
        return self.classes_[probabilities.argmax(axis=1)]


class GLMClassifier(Classifier):
    """A binomial or multinomial model as a scikit-learn classifier.

    Parameters
    ----------
    link : link, class or str, default "logit"
        Of a binomial model.
    formula : str, optional
        The right side of a formula on the columns of a data frame; see `GLMRegressor`.
    fit_intercept : bool, default True
    tol : float, default 1e-8
    max_iter : int, default 50
    n_jobs : int, optional
        Threads; by default all. The estimates do not depend on it.

    Attributes
    ----------
    classes_ : ndarray
    coef_ : ndarray, shape (1, p) or (classes, p)
        0 where a column is a combination of earlier ones. Of more than two classes with their
        mean over the classes taken off, as scikit-learn's without a penalty.
    intercept_ : ndarray, shape (1,) or (classes,)
    std_errors_ : ndarray, shape (p,)
        Of two classes.
    n_iter_ : int
    results_
        The whole fit, `fastglm.Results` or that of `fastglm.MNLogit`.

    Examples
    --------
    >>> from fastglm.sklearn import GLMClassifier
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], ["no", "yes", "no", "yes"]
    >>> GLMClassifier().fit(X, y).predict([[0.0], [4.0]])
    array(['no', 'yes'], dtype='<U3')
    """

    def __init__(
        self,
        link: Any = "logit",
        *,
        formula: str | None = None,
        fit_intercept: bool = True,
        tol: float = 1e-8,
        max_iter: int = 50,
        n_jobs: int | None = None,
    ):
        self.link = link
        self.formula = formula
        self.fit_intercept = fit_intercept
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs

    def _family(self) -> Family:
        return Binomial(link=self.link)
