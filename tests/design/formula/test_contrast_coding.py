import itertools
import warnings

import formulaic
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fastglm.design.formula.contrast_coding import CodedFactor, CodedTerm, code_contrasts
from fastglm.design.formula.fitted_formula import FittedFormula

SPANS = {"a": True, "b": True, "x": False}


def coded(*terms):
    return [
        [
            ":".join(f.text + ("-" if f.reduced else "") for f in product.factors) or "1"
            for product in products
        ]
        for products in code_contrasts(terms, SPANS)
    ]


def test_the_first_categorical_without_intercept_is_full():
    assert coded([], ["a"]) == [["1"], ["a-"]]
    assert coded(["a"], ["b"]) == [["a"], ["b-"]]
    assert coded(["x"], ["a"], ["b"]) == [["x"], ["a"], ["b-"]]


def test_interactions():
    assert coded([], ["a"], ["b"], ["a", "b"]) == [["1"], ["a-"], ["b-"], ["a-:b-"]]
    assert coded([], ["a", "b"]) == [["1"], ["b-", "a-:b"]]
    assert coded(["a", "b"]) == [["a:b"]]
    assert coded([], ["a", "x"]) == [["1"], ["a:x"]]
    assert coded([], ["x"], ["a", "x"]) == [["1"], ["x"], ["a-:x"]]


def test_a_term_spanned_by_earlier_terms_has_no_columns():
    assert coded(["a", "b"], ["a"]) == [["a:b"], []]


def test_span_forgets_the_order():
    first, second = CodedFactor("a", True), CodedFactor("x", False)
    assert CodedTerm((first, second)).span == CodedTerm((second, first)).span


LEVELS = {"a": 2, "b": 3, "c": 2}
GRID = pd.DataFrame(
    [
        {"a": f"a{i}", "b": f"b{j}", "c": f"c{k}"}
        for i, j, k in itertools.product(*(range(n) for n in LEVELS.values()))
    ]
    * 4
)
GRID["x"] = np.random.default_rng(0).normal(size=len(GRID))
GRID["y"] = 1.0
TERMS = st.lists(st.sampled_from("abcx"), min_size=1, max_size=4, unique=True).map(":".join)


@settings(deadline=None, max_examples=60)
@given(st.lists(TERMS, min_size=1, max_size=5), st.booleans())
def test_any_set_of_terms_gives_formulaics_columns_at_full_rank(terms, intercept):
    formula = f"y ~ {'1' if intercept else '0'} + {' + '.join(terms)}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = formulaic.model_matrix(formula, GRID).rhs
    _, result = FittedFormula.fit(formula, GRID)
    columns = result.design.to_dense()
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(columns, matrix.to_numpy(dtype=float))
    assert np.linalg.matrix_rank(columns) == columns.shape[1]
