import numpy as np
import pytest

from fastglm.design.formula.coding import code_factor, require_same_kind
from fastglm.design.formula.contrasts import Coding, Contrast
from fastglm.design.formula.transforms import Basis
from fastglm.design.frames.frames import Categories, read_column
from fastglm.errors import DataError, FastGLMWarning, MissingValueError, UnseenLevelError

G = Categories(np.array([0, 1, 2, 0], dtype=np.int8), ("u", "v", "w"))


def test_levels_of_the_data_leave_the_codes_untouched():
    factor = code_factor(G, "g")
    assert factor.codes is G.codes
    assert factor.levels == G.levels
    assert factor.spans_intercept


def test_levels_given_reorder_the_codes():
    factor = code_factor(Coding(G, levels=("w", "u", "v")), "g")
    np.testing.assert_array_equal(factor.codes, [1, 2, 0, 1])
    learned = code_factor(G, "g", levels=("v", "w", "u", "z"))
    np.testing.assert_array_equal(learned.codes, [2, 0, 1, 2])


def test_integer_and_float_levels_are_the_same():
    column = Categories(np.array([0, 1]), (1.0, 2.0))
    np.testing.assert_array_equal(code_factor(column, "k", levels=(2, 1)).codes, [1, 0])


def test_a_level_declared_but_unused_need_not_be_known():
    column = Categories(np.array([0, 0]), ("u", "never"))
    np.testing.assert_array_equal(code_factor(column, "g", levels=("t", "u")).codes, [1, 1])


def test_unseen_levels():
    with pytest.raises(UnseenLevelError, match=r"'g' has the level 'w' in 1 row \(2.*'u', 'v'"):
        code_factor(G, "g", levels=("u", "v"))
    nan_rows = np.array([True, False, False, False])
    with pytest.raises(UnseenLevelError, match="'w'"):
        code_factor(G, "g", ("u", "v"), nan_rows)
    factor = code_factor(G, "g", ("u", "v"), nan_rows, unseen="nan")
    np.testing.assert_array_equal(nan_rows, [True, False, True, False])
    assert factor.codes.min() == 0
    assert factor.codes.max() == 1


def test_rows_known_to_be_missing_are_let_through():
    gaps = Categories(np.array([0, -1, 1], dtype=np.int8), ("u", "v"))
    with pytest.raises(MissingValueError, match=r"'g' in 1 row \(1"):
        code_factor(gaps, "g")
    nan_rows = np.array([False, True, False])
    np.testing.assert_array_equal(code_factor(gaps, "g", None, nan_rows).codes, [0, 0, 1])
    code_factor(np.array([1.0, np.nan, 2.0]), "x", None, nan_rows)
    with pytest.raises(MissingValueError, match=r"'x' .* 1 row \(2"):
        code_factor(np.array([1.0, np.nan, np.inf]), "x", None, nan_rows)


def test_contrast_and_names():
    factor = code_factor(Coding(G, Contrast("contr.sum"), spans_intercept=False), "C(g)")
    assert factor.contrast == Contrast("contr.sum")
    assert not factor.spans_intercept
    basis = code_factor(Basis(np.ones((4, 2), order="F"), ("1", "2"), True), "bs(x)")
    assert basis.names == ("bs(x)[1]", "bs(x)[2]")
    assert basis.spans_intercept


def test_require_same_kind():
    require_same_kind(code_factor(G, "g"), was_numeric=False)
    with pytest.raises(DataError, match="'g' was numeric when the model was fitted"):
        require_same_kind(code_factor(G, "g"), was_numeric=True)


@pytest.mark.parametrize(("words", "but"), [(("old",), " but 'old'"), ((), "")])
def test_text_that_looks_like_numbers(words, but):
    levels = [*(f"{k / 7:.3f}" for k in range(-20, 40)), "1e5", *words]
    text = read_column(np.array(levels), "age")
    with pytest.warns(
        FastGLMWarning, match=f"its {len(levels)} levels are numbers{but}\\. .*C\\(age"
    ):
        code_factor(text, "age")
    # What was asked for, is declared or has mostly words is left alone.
    code_factor(Coding(text), "C(age)")
    code_factor(Categories(text.codes, text.levels), "age")
    code_factor(read_column(np.array([*levels, *(f"a{k}" for k in range(5))]), "age"), "age")
