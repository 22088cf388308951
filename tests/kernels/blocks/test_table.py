"""Addresses in the kernels' table."""

import numpy as np
import pytest

from fastglm.kernels.blocks.table import address_of

MATRIX = np.arange(12.0).reshape(3, 4)
READ_ONLY = MATRIX.copy()
READ_ONLY.setflags(write=False)


ARRAYS = {
    "whole": MATRIX,
    "rows": MATRIX[1:],
    "columns": MATRIX[:, 1:],
    "reversed": MATRIX[::-1],
    "transposed": MATRIX.T,
    "read-only": READ_ONLY,
    "bool": np.zeros(3, dtype=bool),
    "empty": np.zeros((0, 4)),
    "broadcast": np.broadcast_to(MATRIX[0], (5, 4)),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS)
def test_address_of_is_that_of_the_first_element(array):
    assert address_of(array) == array.__array_interface__["data"][0]
