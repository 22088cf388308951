import re

import numpy as np
import pytest

from fastglm.errors import DataError, MissingValueError
from fastglm.rows.vectors import checked, vector


def test_the_rows_named_are_those_that_are_wrong():
    weights = np.ones(20)
    weights[[7, 12]] = -1.0
    with pytest.raises(DataError, match=r"negative, but it is in 2 rows \(7, 12, counted from 0\)"):
        checked(weights, "var_weights", 0.0, True)
    exposure = np.ones(20)
    exposure[13] = 0.0
    with pytest.raises(DataError, match=r"positive, but it is not in 1 row \(13,"):
        checked(exposure, "exposure", 0.0, False)
    exposure[4] = np.nan
    with pytest.raises(MissingValueError, match=r"in 1 row \(4,"):
        checked(exposure, "exposure", 0.0, False)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.ones((3, 2)), "shape (3, 2)"),
        (np.array(["a", "b", "c"]), "must be numeric"),
        (np.array([1.0, "a", 2.0], dtype=object), "objects that are not numbers"),
        (np.ones(4), "4 values, but there are 3 rows"),
    ],
)
def test_what_is_no_vector_of_numbers(values, reason):
    with pytest.raises(DataError, match=f"^offset .*{re.escape(reason)}"):
        vector(values, "offset", 3)


def test_a_number_is_the_same_for_every_row():
    np.testing.assert_array_equal(vector(2.0, "exposure", 3), [2.0, 2.0, 2.0])
