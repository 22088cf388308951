# ruff: noqa: F821 -- the scalar functions are bound when a template is compiled
"""Row blocks of responses that are shares: beta and Dirichlet.

Templates of `fastglm.kernels.passes.several_predictors`. The first parameter of the response says
whether the negative second derivatives are expected ones, 1, or observed, 0.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from numba.core.types import float64

from fastglm.families.links import functions as lf
from fastglm.kernels.blocks.row_buffers import BUFFER
from fastglm.kernels.compiler.intrinsics import pointer
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.math import elementary as vm
from fastglm.kernels.math.gamma import gamma_functions
from fastglm.kernels.passes.several_predictors import (
    FIRST_EXTRA,
    HEADER_SHAPE,
    ROW_LOG_LIKELIHOOD,
    ROW_RESPONSE,
    pair_index,
    predictor_buffers,
)

__all__ = ["MEAN_LINKS", "PRECISION_LINKS", "beta_rows", "dirichlet_rows"]

MEAN_LINKS = ("logit", "probit", "cloglog", "loglog", "cauchit", "log")
PRECISION_LINKS = ("log", "identity", "sqrt")

# Bound by RowBlock; named here for the reader and the linter.
mean_inverse: Any
mean_inverse_deriv2: Any
precision_inverse: Any
precision_inverse_deriv2: Any


def beta_block(buffers, rows):
    """Beta response of mean mu = f(eta_0) and precision phi = g(eta_1): shapes mu phi, (1-mu) phi.

    Ferrari & Cribari-Neto (2004), "Beta regression for modelling rates and proportions"; Simas,
    Barreto-Souza & Rocha (2010) for the precision.
    """
    base = pointer(buffers, float64)
    _, _, eta, score, weight = predictor_buffers(base)
    observed = 1.0 - base[HEADER_SHAPE]
    for i in range(rows):
        y = base[ROW_RESPONSE * BUFFER + i]
        eta_0, eta_1 = base[eta + i], base[eta + BUFFER + i]
        mu, rest, slope = mean_inverse(eta_0, 0.0)
        bend = mean_inverse_deriv2(eta_0, mu, rest, slope, 0.0)
        phi, other, phi_slope = precision_inverse(eta_1, 0.0)
        phi_bend = precision_inverse_deriv2(eta_1, phi, other, phi_slope, 0.0)
        inside = (mu > 0.0) & (rest > 0.0) & (phi > 0.0) & (phi < math.inf)
        a, b = (mu * phi, rest * phi) if inside else (1.0, 1.0)
        log_y, log_rest = vm.log(y), vm.log1p(-y)
        log_a, psi_a, curve_a = gamma_functions(a)
        log_b, psi_b, curve_b = gamma_functions(b)
        log_total, psi, curve = gamma_functions(a + b)
        surprise = (log_y - log_rest) - (psi_a - psi_b)
        by_mu = phi * surprise
        by_phi = mu * surprise + log_rest - psi_b + psi
        value = log_total - log_a - log_b
        value += (a - 1.0) * log_y + (b - 1.0) * log_rest
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = value if inside else -math.inf
        base[score + i] = by_mu * slope
        base[score + BUFFER + i] = by_phi * phi_slope
        fisher = phi * phi * (curve_a + curve_b)
        base[weight + i] = fisher * slope * slope - observed * by_mu * bend
        mixed = phi * (mu * curve_a - rest * curve_b) - observed * surprise
        base[weight + BUFFER + i] = mixed * slope * phi_slope
        spread = mu * mu * curve_a + rest * rest * curve_b - curve
        base[weight + 2 * BUFFER + i] = (
            spread * phi_slope * phi_slope - observed * by_phi * phi_bend
        )
    return 0


@functools.cache
def beta_rows(link: str, precision_link: str) -> RowBlock:
    """The row block of `beta_block` for R's names of two links."""
    functions = {
        "mean_inverse": getattr(lf, f"{link}_inverse"),
        "mean_inverse_deriv2": getattr(lf, f"{link}_inverse_deriv2"),
        "precision_inverse": getattr(lf, f"{precision_link}_inverse"),
        "precision_inverse_deriv2": getattr(lf, f"{precision_link}_inverse_deriv2"),
    }
    return RowBlock(beta_block, f"beta_{link}_{precision_link}", functions)


def dirichlet_block(buffers, rows):
    """Dirichlet response of K shares, log shape_k = eta_k; the extra numbers are log shares.

    Hijazi & Jernigan (2009), "Modelling compositional data using Dirichlet regression models".
    """
    base = pointer(buffers, float64)
    n_predictors, _, eta, score, weight = predictor_buffers(base)
    observed = 1.0 - base[HEADER_SHAPE]
    for i in range(rows):
        total = 0.0
        for k in range(n_predictors):
            total += vm.exp(base[eta + k * BUFFER + i])
        inside = total < math.inf
        total = total if inside else 1.0
        value, psi, curve = gamma_functions(total)
        for k in range(n_predictors):
            shape = vm.exp(base[eta + k * BUFFER + i])
            inside = inside & (shape > 0.0)
            shape = shape if inside else 1.0
            log_share = base[(FIRST_EXTRA + k) * BUFFER + i]
            log_gamma, own_psi, own_curve = gamma_functions(shape)
            value += (shape - 1.0) * log_share - log_gamma
            slope = shape * (psi - own_psi + log_share)
            base[score + k * BUFFER + i] = slope
            fisher = shape * shape * (own_curve - curve)
            base[weight + pair_index(k, k) * BUFFER + i] = fisher - observed * slope
            for j in range(k):
                other = vm.exp(base[eta + j * BUFFER + i])
                base[weight + pair_index(k, j) * BUFFER + i] = -shape * other * curve
        base[ROW_LOG_LIKELIHOOD * BUFFER + i] = value if inside else -math.inf
    return 0


dirichlet_rows = RowBlock(dirichlet_block, "dirichlet", {})
