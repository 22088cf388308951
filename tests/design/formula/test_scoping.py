import itertools
import warnings

import formulaic
import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from fastglm.design.formula.recipe import Recipe
from fastglm.design.formula.scoping import ScopedFactor, ScopedTerm, scope_terms

SPANS = {"a": True, "b": True, "x": False}


def scoped(*terms):
    return [
        [
            ":".join(f.text + ("-" if f.reduced else "") for f in product.factors) or "1"
            for product in products
        ]
        for products in scope_terms(terms, SPANS)
    ]


def test_the_first_categorical_without_intercept_is_full():
    assert scoped([], ["a"]) == [["1"], ["a-"]]
    assert scoped(["a"], ["b"]) == [["a"], ["b-"]]
    assert scoped(["x"], ["a"], ["b"]) == [["x"], ["a"], ["b-"]]


def test_interactions():
    assert scoped([], ["a"], ["b"], ["a", "b"]) == [["1"], ["a-"], ["b-"], ["a-:b-"]]
    assert scoped([], ["a", "b"]) == [["1"], ["b-", "a-:b"]]
    assert scoped(["a", "b"]) == [["a:b"]]
    assert scoped([], ["a", "x"]) == [["1"], ["a:x"]]
    assert scoped([], ["x"], ["a", "x"]) == [["1"], ["x"], ["a-:x"]]


def test_a_term_spanned_by_earlier_terms_has_no_columns():
    assert scoped(["a", "b"], ["a"]) == [["a:b"], []]


def test_span_forgets_the_order():
    first, second = ScopedFactor("a", True), ScopedFactor("x", False)
    assert ScopedTerm((first, second)).span == ScopedTerm((second, first)).span


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
    _, result = Recipe.fit(formula, GRID)
    columns = result.design.to_dense()
    assert list(result.design.names) == list(matrix.columns)
    np.testing.assert_array_equal(columns, matrix.to_numpy(dtype=float))
    assert np.linalg.matrix_rank(columns) == columns.shape[1]
