import numpy as np
import pytest
import scipy.sparse

from fastglm.design.matrix.parts import Dense, Design, Indicators, Ones, Piecewise, Product, Sparse
from fastglm.design.matrix.take import take_rows

RNG = np.random.default_rng(6)
N = 9
DESIGN = Design(
    parts=(
        Ones(N),
        Dense(RNG.normal(size=(N, 2))),
        Product((RNG.normal(size=N), RNG.integers(0, 5, N))),
        Indicators((RNG.integers(0, 3, N),), (3,), (RNG.normal(size=N),)),
        Sparse(scipy.sparse.csc_array(np.eye(N)[:, :2])),
        Piecewise(RNG.normal(size=N), np.array([-9.0, 0.0, 9.0]), RNG.normal(size=(2, 2, 4))),
    ),
    n_rows=N,
    names=tuple("abcdefghijk"),
    column_map=None,
    constant=0,
    terms=(),
)


@pytest.mark.parametrize(
    "rows", [np.arange(N) % 2 == 0, np.array([3, 0, 3, 8]), np.zeros(N, dtype=bool)]
)
def test_rows_of_every_kind_of_part(rows):
    taken = take_rows(DESIGN, rows)
    np.testing.assert_array_equal(taken.to_dense(), DESIGN.to_dense()[rows])
    assert all(part.n_rows == taken.n_rows for part in taken.parts)
    assert (taken.names, taken.constant) == (DESIGN.names, DESIGN.constant)
