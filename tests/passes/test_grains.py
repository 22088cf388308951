from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastglm.passes.grains import TreeSum, count_grains


@given(st.integers(1, 200), st.lists(st.integers(0, 200), max_size=8), st.randoms())
def test_the_sum_is_the_same_bits_however_the_grains_come(n, cuts, random):
    values = np.random.default_rng(n).normal(size=(n, 3)) * 10.0 ** np.arange(n)[:, None] % 7.1
    whole = TreeSum()
    whole.add_grains(0, values)
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    pieces = list(pairwise(edges))
    random.shuffle(pieces)
    tree = TreeSum()
    for first, last in pieces:
        part = TreeSum()
        part.add_grains(first, values[first:last])
        tree.merge(part)
    assert (tree.total(n) == whole.total(n)).all()
    np.testing.assert_allclose(whole.total(n), values.sum(axis=0), rtol=1e-12)


def test_a_tree_adds_neighbours_first():
    big = 2.0**53
    tree = TreeSum()
    # From left to right the ones would be lost one by one.
    tree.add_grains(0, np.array([[big], [0.0], [1.0], [1.0]]))
    assert tree.total(4) == big + 2.0


def test_grains_that_are_not_there_are_missed():
    tree = TreeSum()
    tree.add_grains(2, np.ones((2, 1)))
    with pytest.raises(ValueError, match="grain 0"):
        tree.total(4)
    tree.add_grains(0, np.ones((2, 1)))
    with pytest.raises(ValueError, match="of 4 grains, not of 5"):
        tree.total(5)
    assert tree.total(4) == 4.0


def test_the_last_grain_may_be_short():
    assert [count_grains(n) for n in (1, 8192, 8193)] == [1, 1, 2]
