import itertools
from dataclasses import replace

import numpy as np
import pytest

from fastglm.design.formula.assemble import (
    Assembler,
    CategoricalFactor,
    NumericFactor,
    ScaledTerm,
    assemble,
)
from fastglm.design.formula.contrast_coding import CodedFactor, CodedTerm
from fastglm.design.formula.contrasts import Contrast
from fastglm.design.matrix.parts import Dense, Indicators, Ones, Product

RNG = np.random.default_rng(12)
N = 24


def categorical(name, n_levels, contrast="contr.treatment"):
    levels = tuple(f"{name}{i}" for i in range(n_levels))
    return CategoricalFactor(RNG.integers(0, n_levels, N), levels, Contrast(contrast), name)


FACTORS = {
    "a": categorical("a", 3),
    "b": categorical("b", 2, "contr.sum"),
    "c": categorical("c", 4, "contr.helmert"),
    "x": NumericFactor(RNG.normal(size=N), ("x",)),
    "s": NumericFactor(np.asfortranarray(RNG.normal(size=(N, 3))), ("s[0]", "s[1]", "s[2]"), True),
}


def written_out(text, reduced):
    """Columns and names of one factor, as a matrix."""
    factor = FACTORS[text]
    if isinstance(factor, NumericFactor):
        return factor.columns(reduced), factor.names[1:] if reduced else factor.names
    coding, names = factor.contrast.columns(factor.levels, reduced, text)
    return np.eye(len(factor.levels))[factor.codes] @ coding.toarray(), names


def term(*factors, scale=1.0):
    product = CodedTerm(tuple(CodedFactor(text, reduced) for text, reduced in factors))
    return ScaledTerm(":".join(text for text, _ in factors), (product,), scale)


@pytest.mark.parametrize(
    "texts", [t for k in (1, 2, 3) for t in itertools.permutations("abcxs", k)], ids="".join
)
@pytest.mark.parametrize("flip", [False, True])
def test_products_are_products_of_columns_first_factor_fastest(texts, flip):
    factors = [(text, (i % 2 == 0) != flip and text != "x") for i, text in enumerate(texts)]
    design = assemble([term(*factors, scale=2.0)], FACTORS, N)
    columns, names = np.full((N, 1), 2.0), [""]
    for text, reduced in reversed(factors):
        matrix, labels = written_out(text, reduced)
        columns = (columns[:, :, None] * matrix[:, None, :]).reshape(N, -1)
        names = [f"{label}:{name}" for name in names for label in labels]
    assert design.names == tuple(name.removesuffix(":") for name in names)
    np.testing.assert_allclose(design.to_dense(), columns, rtol=1e-14)


def test_nothing_is_expanded():
    def parts(*factors):
        return assemble([term(*factors)], FACTORS, N).parts

    assert isinstance(parts()[0], Ones)
    assert isinstance(parts(("x", False))[0], Product)
    (dense,) = parts(("s", True))
    assert isinstance(dense, Dense)
    assert np.shares_memory(dense.values, FACTORS["s"].values)
    (coded,) = parts(("a", True), ("x", False), ("c", False))
    assert isinstance(coded, Indicators)
    assert coded.levels == (3, 4)
    assert coded.codes[1] is FACTORS["c"].codes
    assert len(coded.factors) == 1
    assert len(parts(("s", False), ("x", False))) == 3


def test_the_identity_transform_is_left_out():
    assert assemble([term(), term(("x", False))], FACTORS, N).column_map is None
    assert assemble([term(("a", False))], FACTORS, N).column_map is None
    assert assemble([term(("a", True))], FACTORS, N).column_map is not None
    assert assemble([term(("x", False), scale=2.0)], FACTORS, N).column_map is not None


def test_main_effects_read_the_sweep_columns_of_their_interaction():
    def parts(*terms):
        return assemble([term(), *terms], FACTORS, N).parts

    a, b, c, x = (("a", True), ("b", True), ("c", True), ("x", False))
    assert [part.n_columns for part in parts(term(a), term(b), term(a, b))] == [1, 6]
    assert [part.n_columns for part in parts(term(b), term(a, b), term(c))] == [1, 6, 4]
    everything = [term(a), term(b), term(c), term(a, c), term(b, a), term(c, a, b)]
    assert [part.n_columns for part in parts(*everything)] == [1, 24]
    # Times x the indicators are other columns.
    assert [part.n_columns for part in parts(term(a), term(a, x))] == [1, 3, 3]
    assert [part.n_columns for part in parts(term(b, x), term(x, a, b))] == [1, 6]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_shared_sweep_columns_mean_the_same_matrix(order):
    terms = [
        term(("a", True), scale=3.0),
        term(("s", False), ("b", False)),
        term(("c", True), ("s", False), ("b", True), ("a", False)),
        term(("b", True), ("a", True)),
    ]
    terms = [terms[i] for i in order]
    apart = [assemble([one], FACTORS, N) for one in terms]
    together = assemble(terms, FACTORS, N)
    assert together.n_stored_columns == 3 * 24 + 6
    assert together.names == tuple(name for design in apart for name in design.names)
    np.testing.assert_allclose(
        together.to_dense(), np.hstack([design.to_dense() for design in apart]), rtol=1e-14
    )


def test_a_term_without_columns_keeps_its_place():
    design = assemble([term(), ScaledTerm("a", ()), term(("x", False))], FACTORS, N)
    assert design.terms == (("", slice(0, 1)), ("a", slice(1, 1)), ("x", slice(1, 2)))
    assert design.names == ("Intercept", "x")


def test_an_assembler_gives_every_frame_the_design_of_its_own_rows():
    terms = [term(), term(("a", True), ("x", False), scale=2.0), term(("s", True)), term(("b", 1))]
    assembler = Assembler(terms)
    for rows in (slice(0, N), slice(0, 1), slice(5, 12)):
        factors = {
            text: replace(f, values=f.values[rows])
            if isinstance(f, NumericFactor)
            else replace(f, codes=f.codes[rows])
            for text, f in FACTORS.items()
        }
        n_rows = rows.stop - rows.start
        design, alone = assembler.design(factors, n_rows), assemble(terms, factors, n_rows)
        assert design.names == alone.names
        assert design.terms == alone.terms
        np.testing.assert_array_equal(design.to_dense(), alone.to_dense())


def test_an_assembler_gives_coded_bases_their_own_tables():
    assembler = Assembler([term(("t", False))])
    for table in ([[1.0], [2.0]], [[3.0], [4.0], [5.0]]):
        codes = np.arange(N) % len(table)
        factor = NumericFactor(np.array(table), ("t",), codes=codes)
        design = assembler.design({"t": factor}, N)
        np.testing.assert_array_equal(design.to_dense(), np.array(table)[codes])
