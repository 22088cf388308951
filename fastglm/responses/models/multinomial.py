"""Multinomial logit: one category out of several, against a reference category."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.formula.response import CATEGORIES
from fastglm.design.frames.frames import Level
from fastglm.errors import DataError
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.responses.log_likelihoods.categories import softmax_rows
from fastglm.responses.model import ResponseModel
from fastglm.responses.record import PredictorBlock
from fastglm.responses.results import CategoricalResults
from fastglm.responses.separation import CombinedRows, Part
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.solve.rank_and_scaling import Columns

__all__ = ["MNLogit", "MultinomialResults"]


@dataclass(frozen=True, eq=False, repr=False)
class MultinomialResults(CategoricalResults):
    """A fitted multinomial logit.

    `params`, `bse`, `tvalues` and `pvalues` are (p, K - 1): a column for every level but the
    reference, as in statsmodels. `cov_params` and `conf_int` run through the columns one after the
    other, in the order of `names`.

    `predict` gives "prob" (also "mean"), the probability of every level, (n, K), "class", the most
    probable level, or "linear", the log odds against the reference, (n, K - 1).
    """

    kind: ClassVar[str] = "MNLogit"
    title: ClassVar[str] = "Multinomial Logit Results"
    predictions: ClassVar[tuple[str, ...]] = ("prob", "class", "mean")
    component_column: ClassVar[str] = "y.level"

    def _ratio_of(self, component: str) -> str | None:
        return "relative risk ratio"

    def _vector(self, values: np.ndarray) -> Any:
        matrix = values.reshape(len(self.blocks), -1).T
        if not self.labelled:
            return matrix
        import pandas as pd

        prefix = len(self.blocks[0].name)
        index = [name[prefix:] for name in self.names[: matrix.shape[0]]]
        return pd.DataFrame(matrix, index=index, columns=list(self.levels[1:]))

    def setting(self) -> list[tuple[str, str]]:
        """Names and values of what the fit was given, the reference level among them."""
        reference = f"{self.response_name} = {self.levels[0]}"
        return [*super().setting(), ("Reference Level", reference)]

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[Any]]:
        full = np.vstack([np.zeros(etas.shape[1]), etas])
        if which == "class":
            return self._most_probable(full), []
        return scipy.special.softmax(full, axis=0), self._prediction_names()

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        full = np.vstack([np.zeros(etas.shape[1]), etas])
        return scipy.special.log_softmax(full, axis=0)[response, np.arange(response.size)]


class MNLogit(ResponseModel[MultinomialResults]):
    """Multinomial logit: log(P(y = k) / P(y = reference)) = x' b_k.

    Parameters
    ----------
    endog : array_like, shape (n,)
        Category of each row: numbers, text or categories. The levels of an ordered type are in its
        order, all others sorted.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns, taken as they are: no intercept is added.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows.
    var_weights : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as R's ``weights``.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of every level but the reference.
    reference : level, optional
        The level that the others are compared with; by default the first.
    missing : {"raise", "drop"}, default "raise"

    Raises
    ------
    DataError
        If anything in the data cannot be used.

    Notes
    -----
    Agresti (2013), *Categorical Data Analysis*, section 8.1. Equal to R's ``nnet::multinom`` and
    ``VGAM::vglm(multinomial)`` at their optimum.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": list("abcabcabca"), "x": [0, 1, 2, 3, 4, 5, 4, 3, 2, 1]}
    >>> fg.MNLogit.from_formula("y ~ x", data).fit().names
    ('b:Intercept', 'b:x', 'c:Intercept', 'c:x')
    """

    results_class = MultinomialResults

    def __init__(
        self,
        endog: Any,
        exog: Any,
        freq_weights: Any = None,
        *,
        var_weights: Any = None,
        offset: Any = None,
        reference: Level | None = None,
        missing: str = "raise",
    ):
        columns = row_columns(offset, None, freq_weights, var_weights)
        self._take(self._read(endog, {"exog": exog}, columns, missing, CATEGORIES), reference)

    def _take(self, rows: ModelRows, reference: Level | None) -> None:
        rows = with_used_levels(rows)
        levels = rows.response_levels or ()
        if reference is not None:
            if reference not in levels:
                raise DataError(f"reference {reference!r} is no level of the response: {levels}.")
            first, codes = levels.index(reference), rows.response
            codes = np.where(codes == first, 0, codes + (codes < first))
            levels = (reference, *levels[:first], *levels[first + 1 :])
            rows = replace(rows, response=codes, response_levels=levels)
        self.rows, self.levels = rows, levels

    def _predictors(self) -> list[tuple[str, int]]:
        return [(f"{level}:", 0) for level in self.levels[1:]]

    def _respond(self) -> RowBlock:
        return softmax_rows

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        return np.zeros(blocks[-1].stop)

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        # The log odds of a row's own level against each of the others.
        levels, codes = np.arange(len(self.levels)), self.rows.response
        own = (codes == levels[1:, None]).astype(np.int8)
        others = (levels[:, None] == levels[1:]).astype(np.int8)
        odds = own - others[:, :, None]
        moving = CombinedRows(self._design(), self._maps(blocks), odds, n_threads)
        counts = (codes != levels[:, None]).ravel()
        yield slice(None), moving, np.ones(counts.size, np.int8), counts

    def _settings(self) -> dict[str, Any]:
        return {"levels": list(self.levels)}


def with_used_levels(rows: ModelRows) -> ModelRows:
    """Rows of a categorical response without the levels that no row has.

    Raises
    ------
    DataError
        If fewer than two levels occur.
    """
    levels = rows.response_levels or ()
    counts = np.bincount(rows.response, weights=rows.prior_weights, minlength=len(levels))
    used = counts > 0
    if np.count_nonzero(used) < 2:
        raise DataError(
            f"the response '{rows.response_name}' needs two levels or more, but every row is the "
            "same."
        )
    if used.all():
        return rows
    # Rows of weight 0 may hold a level that no other row has: any code will do for them.
    place = np.maximum(np.cumsum(used) - 1, 0)
    kept = tuple(level for level, keep in zip(levels, used, strict=True) if keep)
    return replace(rows, response=place[rows.response], response_levels=kept)
