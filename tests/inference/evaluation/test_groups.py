from __future__ import annotations

import numpy as np

from fastglm.inference.evaluation.groups import quantile_groups


def test_groups_hold_equal_weight():
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=5000), rng.uniform(0.1, 3.0, 5000)
    group = quantile_groups(values, weight, 10)
    np.testing.assert_allclose(np.bincount(group, weight), weight.sum() / 10, rtol=0.01)
    assert all(values[group == g].max() <= values[group == g + 1].min() for g in range(9))
    ties = quantile_groups(np.repeat([1.0, 2.0], [90, 10]), np.ones(100), 10)
    assert set(ties) == {0, 1}


def test_fewer_rows_than_groups():
    group = quantile_groups(np.arange(6.0), np.ones(6), 40)
    assert group.tolist() == [0, 1, 2, 3, 4, 5]
    assert quantile_groups(np.array([2.0]), np.ones(1), 10).tolist() == [0]
