"""Row blocks in single precision against the same blocks in double precision."""

import ctypes

import numpy as np
import pytest

from fastglm.cli.warmup import every_family
from fastglm.families import LINKS
from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    COMPLEMENT,
    FAMILY_PARAMETER,
    LINEAR_PREDICTOR,
    LINK_PARAMETER,
    MEAN,
    N_BUFFERS,
    PEARSON,
    PRIOR_WEIGHT,
    RESIDUAL,
    RESPONSE,
    SLOPE,
    WEIGHT,
)

CALL = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
LINK_OUTPUTS = (MEAN, COMPLEMENT, SLOPE)
FAMILY_OUTPUTS = (WEIGHT, RESIDUAL, PEARSON)


def run_block(block, given, outputs, parameters, kind):
    """Output buffers of a block from given ones, in numbers of that kind; rows outside."""
    scratch = np.zeros((N_BUFFERS, BUFFER))
    scratch[FAMILY_PARAMETER, 0], scratch[LINK_PARAMETER, 0] = parameters
    buffers = scratch.view(kind)
    for buffer, values in given.items():
        buffers[buffer, :BLOCK_ROWS] = values
    outside = CALL(block.address)(scratch.ctypes.data, BLOCK_ROWS)
    return {buffer: buffers[buffer, :BLOCK_ROWS].astype(float) for buffer in outputs}, outside


def both(block, given, outputs, parameters=(0.0, 0.0)):
    """What a block gives in double and in single precision, of the same numbers."""
    given = {buffer: np.float32(values) for buffer, values in given.items()}
    double = run_block(block, given, outputs, parameters, np.float64)
    float32 = run_block(block.in_float32, given, outputs, parameters, np.float32)
    return double, float32


@pytest.mark.parametrize("name", LINKS)
def test_inverse_links(name):
    link = LINKS[name]()
    eta = np.linspace(-6.0, 6.0, BLOCK_ROWS)
    if link.mean_range is None:
        eta = np.linspace(0.05, 6.0, BLOCK_ROWS) * (-1.0 if name == "nbinom" else 1.0)
    eta = -np.abs(eta) if name == "logc" else eta
    (double, _), (float32, outside) = both(
        link.inverse_rows,
        {LINEAR_PREDICTOR: eta, PRIOR_WEIGHT: 1.0},
        LINK_OUTPUTS,
        (0.0, link.parameter),
    )
    assert outside == 0
    for buffer in LINK_OUTPUTS:
        # Tails are as exact as exp(eta) is, of an eta that is rounded.
        np.testing.assert_allclose(float32[buffer], double[buffer], rtol=3e-6, atol=1e-7)
        assert (float32[buffer] == double[buffer].astype(np.float32)).mean() > 0.1


@pytest.mark.parametrize("name", ["log", "logit"])
def test_tails_keep_their_digits(name):
    eta = np.linspace(-80.0, -10.0, BLOCK_ROWS)
    (double, _), (float32, outside) = both(
        LINKS[name]().inverse_rows, {LINEAR_PREDICTOR: eta, PRIOR_WEIGHT: 1.0}, (MEAN, SLOPE)
    )
    assert outside == 0
    for buffer in (MEAN, SLOPE):
        np.testing.assert_allclose(float32[buffer], double[buffer], rtol=3e-7)


@pytest.mark.parametrize("family", every_family(), ids=lambda family: family.functions.name)
def test_scores(family):
    generator = np.random.default_rng(5)
    mean, slope = generator.uniform(0.05, 0.95, (2, BLOCK_ROWS))
    weights = generator.choice([0.0, 1.0, 2.5], BLOCK_ROWS)
    given = {
        RESPONSE: generator.choice([0.0, 0.25, 1.0], BLOCK_ROWS),
        PRIOR_WEIGHT: weights,
        MEAN: mean,
        COMPLEMENT: 1.0 - mean,
        SLOPE: slope,
    }
    (double, _), (float32, outside) = both(
        family.score_rows, given, FAMILY_OUTPUTS, (family.parameter, 0.0)
    )
    assert outside == 0
    for buffer in FAMILY_OUTPUTS:
        np.testing.assert_allclose(float32[buffer], double[buffer], rtol=3e-6, atol=3e-7)
        assert (float32[buffer][weights == 0.0] == 0.0).all()
        assert (float32[buffer] != double[buffer]).any()


def test_rows_outside_are_counted():
    eta = np.linspace(-1.0, 1.0, BLOCK_ROWS)
    given = {LINEAR_PREDICTOR: eta, PRIOR_WEIGHT: 1.0}
    (_, outside), (_, as_float32) = both(LINKS["sqrt"]().inverse_rows, given, LINK_OUTPUTS)
    assert outside == as_float32 == BLOCK_ROWS // 2
