"""The fit of a model whose coefficients fulfil linear equations.

Each equation gives one coefficient as a combination of the others. The model of the others alone is
fitted, on sums of columns that are never written out, and its estimates and information are taken
back to all coefficients: the covariance of coefficients that the equations tie is singular.
Nyquist (1991), "Restricted Estimation of Generalized Linear Models", *Applied Statistics* 40.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastglm.design.matrix.arrays import array_names, column_terms
from fastglm.design.matrix.select import combine_columns
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.hypotheses import read_hypothesis
from fastglm.kernels.blocks import row_buffers
from fastglm.kernels.threads.threads import usable_threads
from fastglm.passes.row_table import build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering
from fastglm.solve.rank_and_scaling import rank_and_scaling

__all__ = ["Restriction", "fit_constrained", "read_restriction"]

#: Of the largest coefficient of an equation: what eliminating others leaves of zero.
ZERO = 1e-10


@dataclass(frozen=True, eq=False)
class Restriction:
    """All p coefficients, ``shift + lift @ free``, of those that the equations leave free.

    Attributes
    ----------
    names, texts : tuple of str
        Of the coefficients, and the equations.
    free : ndarray of int, shape (k,)
    lift : ndarray, shape (p, k)
    shift : ndarray, shape (p,)
    constant : int or None
        The free coefficient of the constant column, if no equation has it.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    free: np.ndarray
    lift: np.ndarray
    shift: np.ndarray
    constant: int | None


def read_restriction(
    constraints: Any, names: Sequence[str], constant: int | None = None
) -> Restriction:
    """Solve equations for as many coefficients, the constant's only where there is no other.

    Parameters
    ----------
    constraints
        As `read_hypothesis` takes them.
    names
        Of the p coefficients.
    constant
        The column that is constant.

    Raises
    ------
    ModelError
        If the equations contradict each other, one follows from the others, or none of the
        coefficients is left free; and as `read_hypothesis`.
    """
    matrix, values, texts = read_hypothesis(constraints, names)
    size = np.abs(matrix).max(axis=1, initial=0.0)
    if (size == 0.0).any():
        raise ModelError(f"{texts[int(np.argmin(size))]!r} involves no coefficient.")
    equations = np.column_stack([matrix, values]) / size[:, None]
    tied: list[int] = []
    last = [] if constant is None else [constant]
    for k in range(len(equations)):
        for columns in (np.setdiff1d(np.arange(len(names)), last), np.array(last, dtype=np.intp)):
            left = np.abs(equations[k:, columns])
            if left.size and left.max() > ZERO:
                break
        else:
            raise ModelError(_why_dependent(equations[k:, -1]))
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        equations[[k, k + row]] = equations[[k + row, k]]
        pivot = int(columns[column])
        equations[k] /= equations[k, pivot]
        others = np.arange(len(equations)) != k
        equations[others] -= np.outer(equations[others, pivot], equations[k])
        tied.append(pivot)
    free = np.setdiff1d(np.arange(len(names)), tied)
    if free.size == 0:
        raise ModelError("the constraints leave no coefficient to be estimated.")
    lift, shift = np.zeros((len(names), free.size)), np.zeros(len(names))
    lift[free, np.arange(free.size)] = 1.0
    lift[tied], shift[tied] = 0.0 - equations[:, free], equations[:, -1]
    lift[np.abs(lift) < ZERO] = 0.0
    place = None
    if constant is not None and constant in free and np.count_nonzero(lift[constant]) == 1:
        found = int(np.searchsorted(free, constant))
        place = found if np.count_nonzero(lift[:, found]) == 1 else None
    return Restriction(tuple(names), texts, free, lift, shift, place)


def _why_dependent(values: np.ndarray) -> str:
    if np.abs(values).max() > ZERO:
        return "the constraints contradict each other: no coefficients fulfil all of them."
    return "one of the constraints follows from the others: leave it out."


def fit_constrained(
    model: Any, constraints: Any, start_params: Any, options: Mapping[str, Any]
) -> Any:
    """The fit under linear equations; see `fastglm.GLM.fit_constrained`."""
    options = dict(options)
    _refuse(options)
    cov_type, cov_kwds = options.pop("cov_type", "nonrobust"), options.pop("cov_kwds", None)
    design, constant = model.rows.design, model._columns.constant
    names = design.names
    if model.rows.fitted_formula is None and design.constant is None:
        names = array_names(len(names), constant)
    restriction = read_restriction(constraints, names, constant)
    smaller = _smaller(model, restriction)
    if start_params is not None:
        options["start_params"] = model._checked_start(start_params)[restriction.free]
    found = _lifted(model, restriction, smaller.fit(**options))
    if cov_type == "nonrobust" and not cov_kwds:
        return found
    return found.with_covariance(cov_type, **(cov_kwds or {}))


def _refuse(options: Mapping[str, Any]) -> None:
    """Raises `ModelError` for what has no meaning, or another one, under constraints."""
    if options.get("bias_reduction", "none") != "none":
        raise ModelError("fit_constrained maximises the likelihood: leave out bias_reduction=.")
    if options.get("separation", "warn") in ("drop", "firth"):
        raise ModelError(
            f"separation={options['separation']!r} is not there with constraints: use "
            '"warn", "raise", "check" or "ignore".'
        )


def _smaller(model: Any, restriction: Restriction) -> Any:
    """The model of the free coefficients, what the equations fix as an offset."""
    rows, shift = model.rows, restriction.shift
    names = [restriction.names[k] for k in restriction.free]
    design = combine_columns(rows.design, restriction.lift, names, restriction.constant)
    aliased = rank_and_scaling(design, rows.prior_weights, usable_threads(None)).aliased
    if aliased.any():
        found = ", ".join(name for name, is_one in zip(names, aliased, strict=True) if is_one)
        raise ModelError(
            f"the data and the constraints do not determine {found}: give a further constraint, or "
            "leave out columns."
        )
    smaller, offset = copy(model), rows.offset
    for made in ("row_table", "_columns"):
        smaller.__dict__.pop(made, None)
    if shift.any():
        known = evaluate_rows(
            build_row_table(rows.design, None, None, offset),
            model.family,
            shift,
            (row_buffers.LINEAR_PREDICTOR,),
            n_threads=usable_threads(None),
        )
        offset = np.asarray(known[0])
    smaller.rows = replace(rows, designs=(design,), offsets=(offset,))
    return smaller


def _lifted(model: Any, restriction: Restriction, found: Any) -> Any:
    """The fit of the free coefficients as one of all of them."""
    lift, names = restriction.lift, restriction.names
    if np.isnan(found.estimates).any():
        raise DataError("a column holds values that leave its coefficient without an estimate.")
    root, centering = _centered(restriction, found)
    inverse = lift @ np.asarray(found.information_inverse) @ lift.T
    covariance = lift @ np.asarray(found.covariance) @ lift.T
    signs = np.array([found.infinite.get(name, 0) for name in found.names], dtype=np.float64)
    towards = np.sign(lift @ signs) * (lift != 0.0)[:, signs != 0.0].any(axis=1)
    design = model.rows.design
    by_formula = model.rows.fitted_formula is not None or design.constant is not None
    return replace(
        found,
        names=names,
        terms=design.terms if by_formula else column_terms(names),
        estimates=restriction.shift + lift @ found.estimates,
        information_inverse=inverse,
        covariance=covariance,
        inverse_information_factor=root,
        centering=centering,
        infinite={names[k]: int(towards[k]) for k in np.flatnonzero(towards)},
        constraints=restriction.texts,
        model=model,
    )


def _centered(restriction: Restriction, found: Any) -> tuple[np.ndarray, Centering]:
    """Root of the inverse information, (p, p), and the centring of its rows."""
    lift, free, known = restriction.lift, restriction.free, found.centering
    factor = np.asarray(found.inverse_information_factor)
    p = len(lift)
    if known.constant is None or known.constant != restriction.constant:
        root, centering = lift @ known.to_given(factor), Centering(np.zeros(p), None, 1.0)
    else:
        center = np.zeros(p)
        center[free] = known.center
        root = lift @ factor
        centering = Centering(center, int(free[known.constant]), known.value)
    square = np.zeros((p, p))
    square[:, : root.shape[1]] = root
    return square, centering
