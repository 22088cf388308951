import numpy as np
import pytest

import fastglm as fg
from fastglm.kernels.blocks.row_buffers import BUFFER


def leave_nan_in_free_memory():
    """Whatever memory is handed out next without being cleared is full of NaN."""
    del [np.full(size, np.nan) for size in range(20 * BUFFER, 60 * BUFFER, 40)][:]


@pytest.mark.parametrize("p", [1, 3, 4, 7, 9])
@pytest.mark.parametrize("n", [11, 100, 103, 239, 247, 248, 249, 255])
def test_nothing_behind_the_rows_of_a_short_block_counts(n, p):
    rng = np.random.default_rng(n)
    X, y = rng.normal(size=(n, p)), rng.normal(size=n)
    leave_nan_in_free_memory()
    fit = fg.GLM(y, X).fit()
    leave_nan_in_free_memory()
    exact = fit.model.fit(exact=True).params
    expected = np.linalg.lstsq(X, y, rcond=None)[0]
    np.testing.assert_allclose(fit.params, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(exact, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(fit.bse, np.sqrt(fit.scale * np.diag(np.linalg.inv(X.T @ X))))
