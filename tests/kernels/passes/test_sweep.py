"""One sweep's sums against NumPy, for each precision and each way that columns can lie."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.kernels.blocks.table import FLOAT32, FLOAT32_GRAM, WITH_DIAGONAL, WITH_GRAM
from fastglm.passes.scaling import find_scaling
from fastglm.passes.source import MemoryRows
from fastglm.solve.newton import state as at
from fastglm.solve.newton.run import Run

N = 2_003


def laid_out(layout, p):
    """N rows of p columns that lie in memory in that way, and the same as a plain array."""
    generator = np.random.default_rng([p, 1])
    wide = generator.normal(2.0, 1.5, (2 * N, 3 * p + 7))
    X = {
        "rows": np.ascontiguousarray(wide[:N, :p]),
        "columns": np.asfortranarray(wide[:N, :p]),
        "part of wide rows": wide[:N, 3 : 3 + p],
        "rows with a gap": wide[:N, : p + p // 2].copy()[:, :p],
        "every other row": wide[::2, 1 : 1 + p],
        "every third column": wide[:N, : 3 * p : 3],
        "backwards": wide[:N][::-1, :p],
        "single precision": wide[:N, :p].astype(np.float32),
        "part of wide rows in single precision": wide[:N].astype(np.float32)[:, 3 : 3 + p],
        "integers": np.round(10.0 * wide[:N, :p]).astype(np.int16),
    }[layout]
    return X, np.asarray(X, dtype=np.float64)


LAYOUTS = [
    "rows",
    "columns",
    "part of wide rows",
    "rows with a gap",
    "every other row",
    "every third column",
    "backwards",
    "single precision",
    "part of wide rows in single precision",
    "integers",
]


def swept(model, coefficients, mode):
    """A run after one sweep and step from coefficients of the standardised columns."""
    run = Run(
        MemoryRows(model.row_table), find_scaling(model.row_table), model.family, binary=False
    )
    run.start_from(coefficients)
    run.table.mode = mode & ~FLOAT32
    run.set_precision(float32=bool(mode & FLOAT32))
    # A deviance to stay below, where none is evaluated, and no end.
    run.state[at.DEVIANCE] = 1e300
    run.state[at.MAX_ITERATIONS] = 9
    run.sweep_and_step(1)
    return run


def expected(run, X, y, coefficients):
    """Gram matrix and score of the standardised columns of a Poisson model."""
    direct_columns, design_column = run.row_table.direct_columns
    Z = np.empty_like(X)
    Z[:, design_column] = (
        X[:, design_column] - run.scaling.shift[direct_columns]
    ) * run.scaling.scale[direct_columns]
    mean = np.exp(Z @ coefficients)
    return (Z.T * mean) @ Z, Z.T @ (y - mean)


def problem(layout, p):
    X, plain = laid_out(layout, p)
    generator = np.random.default_rng(p)
    y = generator.poisson(1.5, N).astype(float)
    # Numbers of single precision, so that both evaluate the same coefficients.
    coefficients = generator.normal(0.0, 0.1 / np.sqrt(p), p).astype(np.float32).astype(float)
    return fg.GLM(y, X, "poisson"), plain, y, coefficients


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("p", [1, 4, 7, 20, 22, 51])
def test_sums_equal_numpy(layout, p):
    model, X, y, coefficients = problem(layout, p)
    run = swept(model, coefficients, WITH_GRAM)
    gram, score = expected(run, X, y, coefficients)
    size = np.abs(gram).max()
    np.testing.assert_allclose(run.gram, gram, rtol=1e-12, atol=1e-13 * size)
    np.testing.assert_allclose(run.vectors[at.SCORE], score, atol=1e-11 * size)
    np.testing.assert_array_equal(run.vectors[at.DIAGONAL], run.gram.diagonal())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("p", [1, 4, 7, 20, 22, 51])
def test_sums_in_single_precision_equal_numpy_to_rounding(layout, p):
    model, X, y, coefficients = problem(layout, p)
    run = swept(model, coefficients, WITH_GRAM | FLOAT32)
    gram, score = expected(run, X, y, coefficients)
    size = np.abs(gram).max()
    np.testing.assert_allclose(run.gram, gram, atol=3e-7 * size)
    np.testing.assert_allclose(run.vectors[at.SCORE], score, atol=3e-7 * size)
    assert np.abs(run.gram - gram).max() > 1e-12 * size


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("p", [1, 4, 7, 20, 22, 51])
def test_a_narrowed_gram_matrix_comes_with_a_precise_score(layout, p):
    model, X, y, coefficients = problem(layout, p)
    run, precise = (
        swept(model, coefficients, WITH_GRAM | FLOAT32_GRAM),
        swept(model, coefficients, WITH_GRAM),
    )
    gram, _ = expected(run, X, y, coefficients)
    size = np.abs(gram).max()
    np.testing.assert_allclose(run.gram, gram, atol=1e-7 * size)
    assert np.abs(run.gram - gram).max() > 1e-12 * size
    np.testing.assert_array_equal(run.gram, run.gram.T)
    np.testing.assert_allclose(run.vectors[at.SCORE], precise.vectors[at.SCORE], rtol=1e-13)
    assert run.state[at.DEVIANCE] == precise.state[at.DEVIANCE]


@pytest.mark.parametrize("float32", [0, FLOAT32])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_a_diagonal_without_the_rest(layout, float32):
    model, _, _, coefficients = problem(layout, 22)
    whole = swept(model, coefficients, WITH_GRAM)
    for _ in range(2):
        run = swept(model, coefficients, WITH_DIAGONAL | float32)
        rtol = 3e-7 if float32 else 1e-12
        np.testing.assert_allclose(run.vectors[at.DIAGONAL], whole.gram.diagonal(), rtol=rtol)
    assert not run.gram.any()


def test_a_diagonal_of_categorical_and_sparse_columns():
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "y": generator.poisson(2.0, N),
            "x": generator.normal(size=N),
            "a": pd.Categorical(generator.choice(list("uvwz"), N)),
            "b": pd.Categorical(generator.choice(list("opq"), N)),
        }
    )
    model = fg.GLM.from_formula("y ~ 0 + a + b:x + x", frame, family="poisson")
    coefficients = generator.normal(0.0, 0.1, model.row_table.n_columns)
    whole, run = swept(model, coefficients, WITH_GRAM), swept(model, coefficients, WITH_DIAGONAL)
    known = run.vectors[at.DIAGONAL] > 0.0
    assert known.all() == (not model.row_table.column_map[0].size)
    np.testing.assert_allclose(
        run.vectors[at.DIAGONAL][known], whole.gram.diagonal()[known], rtol=1e-12
    )
