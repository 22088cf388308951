"""Cross-validation: a model fitted to all folds but one, and measured on that one."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import Categories
from fastglm.design.frames.labels import label_rows
from fastglm.entry import entry, entry_points
from fastglm.errors import DataError, ModelError, require_seed
from fastglm.inference.evaluation.evaluate import Evaluation, evaluate
from fastglm.inference.evaluation.held_out import on_those
from fastglm.inference.rendering import RenderedFrame
from fastglm.kernels.blocks import row_buffers
from fastglm.model import GLM
from fastglm.results import Results
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.vectors import product

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CrossValidation", "cross_validate"]


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class CrossValidation(RenderedFrame):
    """How a model does on folds that it was not fitted to.

    Attributes
    ----------
    fold : ndarray of int, shape (n,)
        Of each row of the data that a fit uses, from 0; -1 for rows that no fold holds.
    predictions : (n,)
        Mean of each row by the fit to the other folds; NaN for rows that no fold holds.
    evaluations : tuple of Evaluation
        Of each fold.
    fits : tuple of Results
        To the other folds.
    """

    fold: np.ndarray
    predictions: Any
    evaluations: tuple[Evaluation, ...]
    fits: tuple[Results, ...]

    def summary_frame(self) -> pd.DataFrame:
        """Measures by row, a pandas DataFrame: mean, its standard error, and each fold."""
        import pandas as pd

        by_fold = pd.DataFrame([each.to_dict() for each in self.evaluations]).T
        error = by_fold.std(axis=1, ddof=1) / np.sqrt(len(self.evaluations))
        by_fold.columns = [f"fold {k + 1}" for k in by_fold.columns]
        head = pd.DataFrame({"mean": by_fold.mean(axis=1), "std err": error})
        return pd.concat([head, by_fold], axis=1)

    def _heading(self) -> str:
        return f"Cross-validation, {len(self.evaluations)} folds"


@entry
def cross_validate(
    formula: str,
    data: Any,
    family: Any = "gaussian",
    folds: Any = 10,
    *,
    groups: Any = None,
    seed: int = 0,
    link: Any = None,
    offset: Any = None,
    exposure: Any = None,
    freq_weights: Any = None,
    var_weights: Any = None,
    missing: str = "raise",
    **fit_options: Any,
) -> CrossValidation:
    """Fit a formula to all folds but one, for each fold, and measure the fit on that one.

    Parameters
    ----------
    formula, data, family, link, offset, exposure, freq_weights, var_weights, missing
        As for `GLM.from_formula`.
    folds : int, array_like, or iterable of pairs, default 10
        How many folds of random rows of equal number; or the fold of each of the n rows; or pairs
        of row numbers, of a fit and of its test, such as a splitter of scikit-learn gives.
    groups : str or array_like, optional
        A column, or a value for each row: rows of equal values go to one fold.
    seed : int, default 0
        Of the folds.
    **fit_options
        As for `GLM.fit`.

    Returns
    -------
    CrossValidation

    Raises
    ------
    ModelError
        If there are fewer than two folds, or both folds and groups are given by row.
    DataError
        If there is not a fold or group for each row, or fewer groups than folds.

    Notes
    -----
    The data is read once. Levels of factors, knots of splines and means of centred columns are
    those of all rows: they are part of the formula, and know nothing of responses.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], "y": [1.0, 3.0, 4.0, 9.0, 12.0, 22.0]}
    >>> found = fg.cross_validate("y ~ x", data, "poisson", folds=3)
    >>> sorted(set(found.fold.tolist())), len(found.fits)
    ([0, 1, 2], 3)
    """
    model = GLM.from_formula(
        formula, data, family, offset, exposure, freq_weights, var_weights, missing, link=link
    )
    rows = model.rows
    splits = _splits(rows, folds, groups, seed)
    mean, fold = np.full(rows.n_rows, np.nan), np.full(rows.n_rows, -1)
    fits, evaluations = [], []
    for k, (train, test) in enumerate(splits):
        fit = _of_rows(model, train).fit(**fit_options)
        held = on_those(fit, rows.take(test))
        mean[test], fold[test] = held.row_values(row_buffers.MEAN)[0], k
        fits.append(fit)
        evaluations.append(evaluate(held))
    return CrossValidation(fold, label_rows(mean, rows.labels), tuple(evaluations), tuple(fits))


def _of_rows(model: GLM, train: np.ndarray) -> GLM:
    """The model of some rows: the others get weight 0, and nothing is copied."""
    rows, part = model.rows, copy(model)
    weights = product(rows.variance_weights, train.astype(np.float64))
    prior = product(rows.frequencies, weights)
    part.__dict__.pop("layout", None)
    part.rows = replace(rows, variance_weights=weights, prior_weights=prior)
    return part


def _splits(
    rows: ModelRows, folds: Any, groups: Any, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Masks of the rows to fit and to test, by fold."""
    n = rows.n_rows
    if isinstance(folds, int | np.integer):
        code = _random_folds(n, int(folds), _group_codes(rows, groups), seed)
        return [(code != k, code == k) for k in range(int(folds))]
    if groups is not None:
        raise ModelError("groups goes with a number of folds: the folds given hold the rows.")
    if hasattr(folds, "split") and not isinstance(folds, str):
        raise ModelError(
            f"folds is a {type(folds).__name__}: give the pairs of row numbers that it makes, "
            "folds=list(splitter.split(data))."
        )
    if not np.iterable(folds):
        raise ModelError(f"folds must be a whole number, or hold folds of rows, not {folds!r}.")
    pairs = folds if isinstance(folds, np.ndarray) and folds.ndim == 1 else list(folds)
    if len(pairs) and all(map(_is_pair, pairs)):
        return [(_mask(train, n), _mask(test, n)) for train, test in pairs]
    given = np.asarray(pairs) if not any(map(np.ndim, pairs)) else np.empty((0, 0))
    if given.shape != (n,):
        raise DataError(
            f"folds must be a number, a fold for each of the {n} rows, or pairs of row numbers."
        )
    return [(given != k, given == k) for k in np.unique(given)]


def _is_pair(each: Any) -> bool:
    return isinstance(each, tuple | list) and len(each) == 2


def _mask(numbers: Any, n: int) -> np.ndarray:
    mask, numbers = np.zeros(n, dtype=bool), np.asarray(numbers)
    if numbers.dtype == bool and numbers.shape != (n,):
        raise DataError(f"a mask of folds has shape {numbers.shape}, but there are {n} rows.")
    if numbers.dtype != bool and numbers.size and not -n <= numbers.min() <= numbers.max() < n:
        raise DataError(f"folds holds row {numbers.max()}, but there are {n} rows.")
    mask[numbers] = True
    return mask


def _random_folds(n: int, folds: int, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """The fold of each row: of equal numbers of rows, or of whole groups."""
    members = n if groups is None else int(groups.max()) + 1
    if folds < 2:
        raise ModelError(f"folds must be at least 2, not {folds}.")
    if members < folds:
        raise DataError(f"there are {members} rows or groups, too few for {folds} folds.")
    require_seed(seed)
    order = np.random.default_rng(seed).permutation(members)
    if groups is None:
        code = np.empty(n, dtype=np.intp)
        code[order] = np.arange(n) % folds
        return code
    # The largest groups first, each to the smallest fold.
    size = np.bincount(groups)
    total, fold_of = np.zeros(folds), np.empty(members, dtype=np.intp)
    for group in order[np.argsort(-size[order], kind="stable")]:
        fold_of[group] = np.argmin(total)
        total[fold_of[group]] += size[group]
    return fold_of[groups]


def _group_codes(rows: ModelRows, groups: Any) -> np.ndarray | None:
    import pandas as pd

    if groups is None:
        return None
    values = rows.frame_column(groups) if isinstance(groups, str) else np.asarray(groups)
    codes = values.codes if isinstance(values, Categories) else pd.factorize(values)[0]
    if codes.shape != (rows.n_rows,):
        raise DataError(f"groups has shape {codes.shape}, but there are {rows.n_rows} rows.")
    if (codes < 0).any():
        raise DataError(f"groups has no value in row {int(np.argmin(codes))}.")
    return np.unique(codes, return_inverse=True)[1]
