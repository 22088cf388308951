from __future__ import annotations

import numpy as np
import pytest

from fastglm.families import Binomial, Poisson, links
from fastglm.families.evaluate import evaluate
from fastglm.kernels.blocks import row_buffers as pl


@pytest.mark.parametrize("n", [0, 1, pl.BLOCK_ROWS - 1, pl.BLOCK_ROWS, pl.BLOCK_ROWS + 1, 1000])
def test_blocks_join_without_a_seam(n):
    eta = np.linspace(-3, 3, n)
    np.testing.assert_allclose(links.Log().inverse(eta), np.exp(eta), rtol=1e-15)


def test_shapes_are_kept_and_broadcast():
    eta = np.arange(6.0).reshape(2, 3)
    assert links.Log().inverse(eta).shape == (2, 3)
    assert links.Log().inverse(eta[:, ::2]).shape == (2, 2)
    assert Poisson().unit_deviance(np.ones((2, 1)), np.ones(3)).shape == (2, 3)


def test_numbers_give_numbers_and_lists_give_arrays():
    assert isinstance(links.Logit().inverse(0), float)
    assert links.Logit().inverse([0, 0]).tolist() == [0.5, 0.5]


def test_the_prior_weight_is_one_unless_given():
    given = {pl.RESPONSE: [2.0], pl.MEAN: [1.0], pl.COMPLEMENT: [0.0], pl.SLOPE: [1.0]}
    block = Poisson().respond_rows
    assert evaluate(block, given, pl.RESIDUAL) == [1.0]
    assert evaluate(block, given | {pl.PRIOR_WEIGHT: 3.0}, pl.RESIDUAL) == [3.0]


def test_shapes_that_do_not_fit_raise():
    with pytest.raises(ValueError, match="shape"):
        Binomial().deviance([0.0, 1.0], [0.5, 0.5, 0.5])
