"""Several grouping factors: their tables, the inverse of what is dense, and where a fit begins."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.mixed import algebra, generalized
from fastglm.mixed.laplace import LaplaceProblem
from fastglm.mixed.search import LEAST_START, Search


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    n = 600
    data = {
        "a": rng.integers(60, size=n),
        "b": rng.integers(25, size=n),
        "c": rng.integers(4, size=n),
    }
    data["x"] = rng.normal(size=n)
    effects = 0.8 * rng.normal(size=60)[data["a"]] + 0.6 * rng.normal(size=25)[data["b"]]
    data["y"] = (rng.logistic(size=n) < 0.3 * data["x"] + effects).astype(float)
    data["even"] = np.arange(n) % 20
    return data


@pytest.fixture(scope="module")
def crossed(frame):
    return fg.mixed("y ~ x + (x | a) + (1 | b) + (x | c)", frame, "binomial").estimate


def test_columns_of_a_level_ascend(crossed):
    layout = crossed.layout
    for first, last in zip(layout.cross_start[:-1], layout.cross_start[1:], strict=True):
        assert (np.diff(layout.cross_column[first:last]) > 0).all()


def test_levels_that_share_rows_are_those_of_the_rows(crossed):
    layout = crossed.layout
    start, which = layout.shared
    found = {
        (s, int(t)) for s in range(start.size - 1) for t in which[start[s] : start[s + 1]]
    }  # fmt: skip
    of_column = np.searchsorted(layout.rest_first[:-1], layout.column)
    wanted = {(s, s) for s in range(layout.rest_block.size)}
    wanted |= {(max(row), min(row)) for row in of_column.tolist()}
    assert found == wanted
    assert len(which) == len(found)


@pytest.mark.parametrize("small", [0, 1_000])
def test_inverse_of_the_remainder_is_that_of_the_whole_matrix(crossed, monkeypatch, small):
    # By LAPACK, whose lower triangle is mirrored, and by the library's own loops.
    monkeypatch.setattr(algebra, "SMALL", small)
    layout, products = crossed.layout, crossed.factor.products
    factor = algebra.Factor(products, crossed.factor.factors)
    first = layout.q * layout.k
    root = np.zeros((first + layout.rest_size,) * 2)
    for number in range(len(layout.blocks)):
        k = int(layout.widths[number])
        for place in layout.places(number):
            root[np.ix_(place, place)] = factor.factors[number, :k, :k]
    inverse = np.linalg.inv(np.eye(len(root)) + root.T @ products.dense() @ root)
    size = layout.rest_size
    assert size > 2 * 16
    got = factor.remainder_inverse.reshape(size, size)
    np.testing.assert_allclose(got, inverse[first:, first:], atol=1e-12)
    traces = factor.traces()
    whole = (inverse @ root.T @ products.dense()).T
    for number in range(len(layout.blocks)):
        k = int(layout.widths[number])
        wanted = sum(whole[np.ix_(p, p)] for p in layout.places(number))
        np.testing.assert_allclose(traces[number, :k, :k], wanted, atol=1e-9)


def test_a_fit_begins_with_the_factors_alone(frame, monkeypatch):
    together, at = [], LaplaceProblem.at

    def counted(self, *args, **kwargs):
        together.append(len(self.layout.blocks))
        return at(self, *args, **kwargs)

    monkeypatch.setattr(LaplaceProblem, "at", counted)
    fit = fg.mixed("y ~ x + (1 | a) + (1 | b)", frame, "binomial")
    assert fit.gradient < 1e-6
    # A search over theta together would take six more; the Hessian takes eight.
    assert together.count(2) <= 18
    assert together.count(1) >= 6


def test_a_factor_that_does_not_vary_alone_begins_off_zero(frame, monkeypatch):
    begun, minimum = [], Search.minimum

    def watched(self, start, *rest):
        begun.append(start)
        return minimum(self, start, *rest)

    monkeypatch.setattr(generalized.Search, "minimum", watched)
    fit = fg.mixed("y ~ x + (1 | a) + (1 | even)", frame, "binomial")
    assert list(fit.singular) == ["even"]
    assert begun[0][2:].min() == LEAST_START
