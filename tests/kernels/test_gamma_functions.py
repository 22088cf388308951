import numpy as np
import pytest
from scipy import special

from fastglm.kernels.gamma_functions import digamma, trigamma

X = np.concatenate([np.geomspace(1e-6, 1e6, 200), np.linspace(9.9, 10.1, 11), [1.0, 2.0]])


@pytest.mark.parametrize("x", X)
def test_equal_scipy(x):
    # digamma vanishes near 1.46: an absolute error there.
    assert digamma(x) == pytest.approx(special.digamma(x), rel=2e-14, abs=2e-15)
    assert trigamma(x) == pytest.approx(special.polygamma(1, x), rel=2e-14)
