import numpy as np
import pytest
from as_entry import as_entry
from scipy import special

from fastglm.kernels.math.gamma import gamma_functions

X = np.concatenate([np.geomspace(1e-6, 1e6, 200), np.linspace(9.9, 10.1, 11), [1.0, 2.0]])


@pytest.mark.parametrize("x", X)
def test_equal_scipy(x):
    log_gamma, digamma, trigamma = as_entry(gamma_functions)(x)
    # The logarithm vanishes at 1 and 2, digamma near 1.46: absolute errors there.
    assert log_gamma == pytest.approx(special.gammaln(x), rel=2e-14, abs=2e-14)
    assert digamma == pytest.approx(special.digamma(x), rel=2e-14, abs=2e-15)
    assert trigamma == pytest.approx(special.polygamma(1, x), rel=2e-14)
