"""Quantiles of many rows are NumPy's to the last bit."""

import numpy as np
import pytest

from fastglm.design.formula.order_statistics import distinct_quantiles, quantiles

N = 40_003
NORMAL = np.random.default_rng(5).normal(size=N)
COLUMNS = {
    "continuous": NORMAL,
    "few decimals": np.round(NORMAL, 2),
    "mostly one value": np.where(NORMAL < 1.0, 0.0, NORMAL),
    "sorted": np.sort(NORMAL),
    # The rows of the sample are larger than all others.
    "misleading": np.where(np.arange(N) % (N // 4_096) == 0, NORMAL + 100.0, NORMAL),
    "short": NORMAL[:500],
}
SHARES = [
    np.linspace(0.0, 1.0, 5)[1:-1],
    np.linspace(0.0, 1.0, 30),
    np.array([0.0, 1e-5, 0.5, 1.0]),
    np.array([]),
]


@pytest.mark.parametrize("shares", SHARES, ids=len)
@pytest.mark.parametrize("kind", COLUMNS)
def test_quantiles_are_numpys(kind, shares):
    values = COLUMNS[kind]
    before = values.copy()
    np.testing.assert_array_equal(quantiles(values, shares), np.quantile(values, shares))
    expected = np.quantile(np.unique(values), shares)
    np.testing.assert_array_equal(distinct_quantiles(values, shares), expected)
    np.testing.assert_array_equal(values, before)
