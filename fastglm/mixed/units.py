"""Random columns of any unit: fitted in units in which effects are about one, and brought back.

A search for theta begins with standard deviations of about one, and steps and limits are shares of
that. Where a column's values are far from one, so are its effects: 1e-5 for a column in units of
1e5. Units are powers of two, so that nothing is rounded by a change of them.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.mixed.algebra import Columns, Products
from fastglm.mixed.estimate import LinearEstimate, log_weights, weights_and_response
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.laplace import Parameters
from fastglm.mixed.layout import Layout
from fastglm.mixed.linear import LinearProblem
from fastglm.mixed.rows import MixedRows

__all__ = ["fit_in_own_units", "in_own_units", "in_units_of"]

Estimate = LinearEstimate | GeneralizedEstimate


def in_own_units(rows: MixedRows) -> MixedRows:
    """The rows with random columns about one; the rows themselves where all are."""
    if all((block.units == 1.0).all() for block in rows.blocks):
        return rows
    return replace(rows, blocks=tuple(block.in_own_units() for block in rows.blocks))


def fit_in_own_units(
    fit: Callable[[MixedRows, np.ndarray | None], Any],
    rows: MixedRows,
    start: np.ndarray | None,
    n_threads: int,
) -> Any:
    """What `fit` estimates of rows from a start of theta, in the units of the rows."""
    scaled = in_own_units(rows)
    if scaled is rows:
        return fit(rows, start)
    layout = Layout(rows.blocks)
    size = layout.theta_units()
    found = fit(scaled, None if start is None else start / size)
    return in_units_of(found, rows, layout, size, n_threads)


def in_units_of(
    estimate: Estimate, rows: MixedRows, layout: Layout, size: np.ndarray, n_threads: int
) -> Estimate:
    """The estimate for rows whose effects have other units.

    Parameters
    ----------
    estimate : LinearEstimate or GeneralizedEstimate
    rows : MixedRows
        With columns in the other units.
    layout : Layout
        Of these.
    size : ndarray, shape (m,)
        Factors of theta.
    n_threads : int
    """
    free = size[~estimate.held]
    if isinstance(estimate, LinearEstimate):
        weight, y = weights_and_response(rows)
        products = Products(layout, weight[layout.order], n_threads)
        columns = Columns(layout, estimate.fixed, weight, y - estimate.fixed.predict(estimate.base))
        problem = LinearProblem(
            layout, products, columns, rows.nobs, log_weights(rows), estimate.fixed.log_scale,
            estimate.state.problem.reml,
        )  # fmt: skip
        return replace(
            estimate, layout=layout, state=problem.at(estimate.theta * size),
            hessian=estimate.hessian / np.outer(size, size), slope=estimate.slope / free,
        )  # fmt: skip
    at, other = estimate.state.parameters, copy(estimate.problem)
    other.layout, other.spare = layout, []
    other.warm, other.warm_factor = estimate.state.spherical, None
    whole = np.ones(len(estimate.hessian))
    whole[estimate.fixed.p : estimate.fixed.p + free.size] = free
    profiled = estimate.profiled
    return replace(
        estimate, layout=layout, problem=other,
        state=other.at(Parameters(at.beta, at.theta * size, at.log_extra)),
        hessian=estimate.hessian / np.outer(whole, whole), slope=estimate.slope / whole,
        profiled=None if profiled is None else (profiled[0] / whole, profiled[1]),
    )  # fmt: skip
