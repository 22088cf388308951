import numpy as np
import pytest

from fastglm.design.formula.contrasts import CONTRASTS, Contrast
from fastglm.errors import FormulaError

LEVELS = ("a", "b", "c", "d")


def coded(contrast, levels=LEVELS, reduced=True):
    matrix, names = contrast.columns(levels, reduced, "g")
    return matrix.toarray(), names


# contr.treatment(4), contr.SAS(4), contr.sum(4), contr.helmert(4) and contr.poly(4) as R prints
# them; contr.sdif(4) of MASS is the one called diff here.
R = {
    "contr.treatment": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "contr.SAS": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]],
    "contr.sum": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [-1, -1, -1]],
    "contr.helmert": [[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3]],
    "contr.poly": [
        [-0.6708204, 0.5, -0.2236068],
        [-0.2236068, -0.5, 0.6708204],
        [0.2236068, -0.5, -0.6708204],
        [0.6708204, 0.5, 0.2236068],
    ],
    "contr.diff": [
        [-0.75, -0.5, -0.25],
        [0.25, -0.5, -0.25],
        [0.25, 0.5, -0.25],
        [0.25, 0.5, 0.75],
    ],
}


@pytest.mark.parametrize("name", R)
def test_matrices_are_those_of_r(name):
    np.testing.assert_allclose(coded(Contrast(name))[0], R[name], atol=5e-8)


@pytest.mark.parametrize("name", CONTRASTS)
def test_full_coding_has_a_column_for_every_level(name):
    matrix, names = coded(Contrast(name), reduced=False)
    np.testing.assert_array_equal(matrix, np.eye(4))
    assert names == ["g[a]", "g[b]", "g[c]", "g[d]"]


def test_names():
    assert coded(Contrast("contr.sum"))[1] == ["g[S.a]", "g[S.b]", "g[S.c]"]
    assert coded(Contrast("contr.helmert"))[1] == ["g[H.b]", "g[H.c]", "g[H.d]"]
    assert coded(Contrast("contr.poly"))[1] == ["g[.L]", "g[.Q]", "g[.C]"]
    assert coded(Contrast("Treatment", (), (("reference", "c"),)))[1] == [
        "g[T.a]",
        "g[T.b]",
        "g[T.d]",
    ]


def test_one_level_has_no_reduced_column():
    matrix, names = coded(Contrast(), levels=("a",))
    assert matrix.shape == (1, 0)
    assert names == []


def test_many_levels_stay_sparse():
    levels = tuple(range(50_000))
    matrix, names = Contrast().columns(levels, True, "g")
    assert matrix.shape == (50_000, 49_999)
    assert matrix.nnz == 49_999
    assert names[-1] == "g[T.49999]"


@pytest.mark.parametrize(
    ("contrast", "match"),
    [
        (Contrast("contr.treatment", ("z",)), "'g'.*'z'.* is not among"),
        (Contrast("contr.treatment", (), (("bse", "a"),)), "bse"),
        (Contrast("contr.poly", (), (("scores", [1, 2]),)), "same cardinality"),
    ],
)
def test_options_that_do_not_fit(contrast, match):
    with pytest.raises(FormulaError, match=match):
        coded(contrast)


def test_levels_that_are_equal_but_of_another_type_keep_their_own_names():
    contrast = Contrast()
    names = [
        contrast.columns(levels, True, "g")[1] for levels in [(0, 1), (0.0, 1.0), (False, True)]
    ]
    assert names == [["g[T.1]"], ["g[T.1.0]"], ["g[T.True]"]]


def test_a_coding_is_made_once_unless_its_options_cannot_be_compared(monkeypatch):
    made = []
    formulaic = Contrast._formulaic
    monkeypatch.setattr(Contrast, "_formulaic", lambda self: made.append(self) or formulaic(self))
    for _ in range(3):
        Contrast("Treatment", ("only here",)).columns(("a", "only here"), True, "g")
    assert len(made) == 1
    weights = Contrast("contr.poly", options=(("scores", [1, 2, 4]),))
    for _ in range(2):
        weights.columns(("a", "b", "c"), True, "g")
    assert len(made) == 3
