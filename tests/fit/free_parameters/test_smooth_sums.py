import numpy as np
import pytest

from fastglm.fit.free_parameters.smooth_sums import smooth_sums


def cases(n):
    rng = np.random.default_rng(1)
    return rng.uniform(-3.0, 3.0, n), rng.uniform(0.0, 2.0, n), rng.normal(size=n)


@pytest.mark.parametrize("n", [1, 30, 5000])
def test_sums_of_smooth_functions_with_powers_of_the_factor(n):
    points, weights, factors = cases(n)
    calls = []

    def functions(x):
        calls.append(x.size)
        return np.array([np.exp(x), np.cos(2.0 * x), np.ones_like(x)])

    expected = [[(weights * factors**j * f).sum() for j in range(3)] for f in functions(points)]
    found = smooth_sums(functions, points, weights, factors)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    assert sum(calls[1:]) <= min(n, 400)


def test_a_function_that_is_not_smooth_is_evaluated_at_the_points():
    points, weights, factors = cases(400)
    calls = []

    def rough(x):
        calls.append(x.size)
        return np.abs(x - 0.123)[None]

    found = smooth_sums(rough, points, weights, factors)
    np.testing.assert_allclose(found[0, 0], weights @ np.abs(points - 0.123), rtol=1e-14)
    assert sum(calls) < 4 * 400


def test_a_piece_where_a_function_is_small_has_its_digits():
    # Weights that are large where the function is small: its error there counts as much.
    points, _, factors = cases(5000)
    weights = np.exp(-8.0 * points)
    found = smooth_sums(lambda x: np.exp(8.0 * x)[None], points, weights, factors)
    np.testing.assert_allclose(found[0, 0], 5000.0, rtol=1e-11)


def test_equal_points_and_none():
    found = smooth_sums(lambda x: np.exp(x)[None], np.zeros(50), np.ones(50), np.ones(50))
    np.testing.assert_allclose(found, [[50.0] * 3], rtol=1e-14)
    none = np.empty(0)
    assert (smooth_sums(lambda x: np.exp(x)[None], none, none, none) == 0.0).all()
