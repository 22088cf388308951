"""Compiled search for the modes of one grouping factor: a level at a time, its rows in cache."""

from __future__ import annotations

import math

import numpy as np

from fastglm.families.derivative_templates import ALL_BUFFERS, OBSERVED
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    DEVIANCE,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
)
from fastglm.kernels.compiler.decorators import entry, inline, noinline
from fastglm.kernels.compiler.intrinsics import call_row_block
from fastglm.mixed.level_algebra import level_factor

__all__ = ["search_levels"]

#: Most steps of a level, halved ones among them.
MOST_STEPS = 60
#: A step is halved where the penalised deviance rises by more than this share.
NOISE = 1e-12


@noinline
def sum_level(
    begin, end, z, fixed, effects, mean_block, family_block, y, prior, scratch, score, own
):
    """Deviance of a level's rows; their Z'r into `score` and Z'WZ into `own`."""
    k, deviance = z.shape[1], 0.0
    for a in range(k):
        score[a] = 0.0
        for b in range(k):
            own[a, b] = 0.0
    for first in range(begin, end, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, end - first)
        for i in range(rows):
            eta = fixed[first + i]
            for a in range(k):
                eta += z[first + i, a] * effects[a]
            scratch[LINEAR_PREDICTOR * BUFFER + i] = eta
            scratch[RESPONSE * BUFFER + i] = y[first + i]
            scratch[PRIOR_WEIGHT * BUFFER + i] = prior[first + i]
        call_row_block(mean_block, scratch.ctypes.data, rows)
        if call_row_block(family_block, scratch.ctypes.data, rows) > 0:
            return math.inf
        for i in range(rows):
            deviance += scratch[DEVIANCE * BUFFER + i]
            for a in range(k):
                score[a] += scratch[RESIDUAL * BUFFER + i] * z[first + i, a]
                wz = scratch[OBSERVED * BUFFER + i] * z[first + i, a]
                for b in range(a + 1):
                    own[a, b] += wz * z[first + i, b]
    for a in range(k):
        for b in range(a):
            own[b, a] = own[a, b]
    return deviance


@inline
def newton_step(factor, k, score, own, u, root, work, step):
    """Newton step of a level into `step`; returns its decrement."""
    level_factor(own, factor, k, root, work)
    for a in range(k):
        value = -u[a]
        for b in range(a, k):
            value += factor[b, a] * score[b]
        work[0, a] = value
        step[a] = value
    for a in range(k):
        for b in range(a):
            step[a] -= root[a, b] * step[b]
        step[a] /= root[a, a]
    for a in range(k - 1, -1, -1):
        for b in range(a + 1, k):
            step[a] -= root[b, a] * step[b]
        step[a] /= root[a, a]
    decrement = 0.0
    for a in range(k):
        decrement += work[0, a] * step[a]
    return decrement


@inline
def scale_effects(factor, k, u, effects):
    """Lambda u into `effects`; returns the sum of squares of u."""
    penalty = 0.0
    for a in range(k):
        effects[a] = 0.0
        for b in range(a + 1):
            effects[a] += factor[a, b] * u[b]
        penalty += u[a] * u[a]
    return penalty


@entry
def search_levels(
    first, last, chunk, start, z, factor, fixed, mean_block, family_block, parameters, y, prior,
    tolerance, modes, failed,
):  # fmt: skip
    """Newton's method for every level from where `modes`, (q, k), are; counts levels that fail."""
    k = z.shape[1]
    scratch = np.zeros(ALL_BUFFERS * BUFFER)
    scratch[FAMILY_PARAMETER * BUFFER] = parameters[0]
    scratch[FAMILY_PARAMETER * BUFFER + 1] = parameters[1]
    scratch[LINK_PARAMETER * BUFFER] = parameters[2]
    scratch[LINK_PARAMETER * BUFFER + 1] = parameters[3]
    effects, score, step, u = np.empty(k), np.empty(k), np.empty(k), np.empty(k)
    own, root, work = np.empty((k, k)), np.empty((k, k)), np.empty((k, k))
    count = 0
    for j in range(first, last):
        before, length, done = math.inf, 1.0, False
        for a in range(k):
            step[a] = 0.0
            u[a] = modes[j, a]
        for _ in range(MOST_STEPS):
            value = scale_effects(factor, k, u, effects) + sum_level(
                start[j], start[j + 1], z, fixed, effects, mean_block, family_block, y, prior,
                scratch, score, own,
            )  # fmt: skip
            if not value <= before + NOISE * (1.0 + abs(before)) and math.isfinite(before):
                # Back by half of what was gone.
                length *= 0.5
                for a in range(k):
                    u[a] -= length * step[a]
                continue
            decrement = newton_step(factor, k, score, own, u, root, work, step)
            if not (math.isfinite(value) and decrement >= 0.0):
                break
            for a in range(k):
                u[a] += step[a]
            before, length = value, 1.0
            if decrement <= tolerance * (1.0 + value):
                done = True
                break
        count += 0 if done else 1
        for a in range(k):
            modes[j, a] = u[a]
    failed[chunk] = count
    return 0
