import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastglm.design.formula.fitted_formula import FittedFormula
from fastglm.design.matrix.arrays import design_from_array
from fastglm.design.matrix.parts import Design, Ones, Piecewise
from fastglm.design.matrix.select import join_designs, select_columns


@pytest.fixture(scope="module")
def designs(frame):
    import scipy.sparse

    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(80, 7))
    return [
        FittedFormula.fit("y ~ x + z + a * c + a:z + b", frame)[1].design,
        design_from_array(matrix),
        design_from_array(scipy.sparse.csr_matrix(matrix * (matrix > 0.5))),
        FittedFormula.fit("y ~ 0 + x * z", frame)[1].design,
        in_pieces(rng),
    ]


def in_pieces(rng):
    """Two bases of piecewise polynomials beside ones."""
    breaks = np.array([-9.0, 0.0, 1.0, 9.0])
    bases = [Piecewise(rng.normal(size=80), breaks, rng.normal(size=(k, 3, 4))) for k in (4, 2)]
    return Design(
        (Ones(80), *bases), 80, tuple("1abcdef"), None, 0, (("u", slice(1, 5)), ("v", slice(5, 7)))
    )


@given(which=st.integers(0, 4), data=st.data())
def test_selected_columns_are_those_columns(designs, which, data):
    design = designs[which]
    p = design.n_columns
    columns = sorted(data.draw(st.sets(st.integers(0, p - 1), min_size=1)))
    selected = select_columns(design, columns)
    np.testing.assert_array_equal(selected.to_dense(), design.to_dense()[:, columns])
    assert selected.names == tuple(design.names[k] for k in columns)
    for name, term in selected.terms:
        whole = dict(design.terms)[name]
        expected = [design.names[k] for k in columns if whole.start <= k < whole.stop]
        assert list(selected.names[term]) == expected
    if selected.constant is not None:
        assert (selected.to_dense()[:, selected.constant] == 1.0).all()


def test_unused_columns_are_not_read(designs):
    assert select_columns(designs[1], [0, 1, 4]).n_stored_columns == 3
    assert select_columns(designs[0], [0, 1]).n_stored_columns == 2
    assert select_columns(designs[4], [2, 3, 5]).n_stored_columns == 3


def test_selected_columns_share_memory(designs):
    selected = select_columns(designs[1], [2, 3])
    assert np.shares_memory(selected.parts[0].values, designs[1].parts[0].values)


def test_joined_designs_stand_side_by_side(designs):
    for first in designs:
        for second in designs:
            joined = join_designs(first, second)
            expected = np.hstack([first.to_dense(), second.to_dense()])
            np.testing.assert_array_equal(joined.to_dense(), expected)
            assert joined.names == first.names + second.names
            assert joined.terms[-1][1].stop == joined.n_columns
