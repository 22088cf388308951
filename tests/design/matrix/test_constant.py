import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

import fastglm as fg
from fastglm.errors import DataError, ModelError

X = np.array([[1.0, 4.0], [2.0, 4.0], [7.0, 4.0]])
DATA = {
    "vector": X[:, 0],
    "integers": X[:, :1].astype(int),
    "with a constant": X,
    "zeros": np.zeros((3, 1)),
    "frame": pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 3.5]}, index=["u", "v"]),
    "frame with a constant": pd.DataFrame(X, columns=["a", "b"]),
    "series": pd.Series([1.0, 2.0], name="a"),
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("prepend", [True, False])
@pytest.mark.parametrize("has_constant", ["skip", "add"])
def test_is_that_of_statsmodels(data, prepend, has_constant):
    ours = fg.add_constant(data, prepend, has_constant)
    theirs = sm.add_constant(data, prepend, has_constant)
    if isinstance(theirs, pd.DataFrame):
        pd.testing.assert_frame_equal(ours, theirs)
    else:
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


@pytest.mark.parametrize("data", [X, DATA["frame with a constant"]])
def test_a_constant_can_be_forbidden(data):
    with pytest.raises(DataError, match=r"constant already: [1b]"):
        fg.add_constant(data, has_constant="raise")


def test_what_it_cannot_use():
    with pytest.raises(DataError, match="3 dimensions"):
        fg.add_constant(np.zeros((2, 2, 2)))
    with pytest.raises(ModelError, match="has_constant"):
        fg.add_constant(X, has_constant="maybe")
