import math

import numpy as np
import pytest
from as_entry import as_entry
from scipy import special

from fastglm.kernels.math.gamma import gamma_functions, rising_factorial

X = np.concatenate([np.geomspace(1e-6, 1e6, 200), np.linspace(9.9, 10.1, 11), [1.0, 2.0]])


@pytest.mark.parametrize("x", X)
def test_equal_scipy(x):
    log_gamma, digamma, trigamma = as_entry(gamma_functions)(x)
    # The logarithm vanishes at 1 and 2, digamma near 1.46: absolute errors there.
    assert log_gamma == pytest.approx(special.gammaln(x), rel=2e-14, abs=2e-14)
    assert digamma == pytest.approx(special.digamma(x), rel=2e-14, abs=2e-15)
    assert trigamma == pytest.approx(special.polygamma(1, x), rel=2e-14)


def sums_over_j(y, size):
    """What `rising_factorial` returns, term by term."""
    j = np.arange(y)
    share = j / (size + j)
    terms = np.log1p(j / size), share, share * (size / (size + j))
    return [math.fsum(t) for t in terms]


SIZES = [1e-12, 0.3, 5.0, 9.999, 10.0, 33.0, 1e4, 1e7, 1e9, 1e12, 1e16, 1e100]


@pytest.mark.parametrize("size", SIZES)
def test_a_rising_factorial_is_a_sum_of_logarithms(size):
    for y in (0, 1, 2, 3, 40, 5_000):
        found, want = as_entry(rising_factorial)(float(y), size), sums_over_j(y, size)
        # To y^2 / size, the sum of j / size, where that is below one.
        unit = max(y, 1.0) * min(max(y, 1.0) / size, 1.0)
        np.testing.assert_allclose(found, want, rtol=1e-13, atol=2e-15 * unit)
    assert as_entry(rising_factorial)(0.0, size) == (0.0, 0.0, 0.0)
    assert as_entry(rising_factorial)(1.0, size) == (0.0, 0.0, 0.0)
