"""Piecewise polynomials in compiled code, against SciPy's and NumPy's."""

import numpy as np
import pytest
from scipy.interpolate import PPoly

from fastglm.design.matrix.parts import Piecewise
from fastglm.kernels.math.pieces import (
    CUBIC,
    QUINTIC,
    gather_between,
    piece_moments,
    polynomial_sums,
)

BREAKS = np.array([-2.0, -0.5, 0.25, 3.0])


def scipys(part, j, values):
    """The j-th function by SciPy: powers of the distance from a piece's left end."""
    half = 0.5 * np.diff(part.breaks)
    shifted = []
    for coefficients, h in zip(part.coefficients[j], half, strict=True):
        powers = np.polynomial.Polynomial(coefficients)(np.polynomial.Polynomial([-1.0, 1.0 / h]))
        shifted.append(np.pad(powers.coef, (0, coefficients.size - powers.coef.size))[::-1])
    return PPoly(np.array(shifted).T, part.breaks)(values)


@pytest.mark.parametrize("n_powers", [CUBIC, QUINTIC])
def test_values_are_scipys_in_every_piece_and_beyond(n_powers):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.uniform(-3.0, 4.0, 2_500), BREAKS, np.nextafter(BREAKS, -9.0)])
    coefficients = rng.normal(size=(4, 3, n_powers))
    # Functions that are zero in the first, the last and in all pieces.
    coefficients[1, 0] = coefficients[2, 2] = coefficients[3] = 0.0
    part = Piecewise(values, BREAKS, coefficients)
    expected = np.column_stack([scipys(part, j, values) for j in range(4)])
    np.testing.assert_allclose(part.to_dense(), expected, rtol=1e-12, atol=1e-11)
    assert not part.to_dense()[:, 3].any()
    assert part.n_evaluated == 3 + 2 + 2


def test_nan_stays_nan():
    part = Piecewise(np.array([0.0, np.nan]), BREAKS, np.ones((2, 3, CUBIC)))
    assert np.isnan(part.to_dense()).tolist() == [[False, False], [True, True]]


def test_moments_are_sums_over_the_rows_of_each_piece():
    values = np.random.default_rng(2).uniform(-3.0, 4.0, 2_500)
    piece = np.searchsorted(BREAKS[1:-1], values, side="right")
    middle, half = 0.5 * (BREAKS[1:] + BREAKS[:-1]), 0.5 * np.diff(BREAKS)
    u = (values - middle[piece]) / half[piece]
    expected = [[(u[piece == m] ** k).sum() for k in range(QUINTIC)] for m in range(3)]
    np.testing.assert_allclose(piece_moments(values, BREAKS), expected, rtol=1e-12)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_sums_of_a_recurrence_are_those_of_its_polynomial(degree):
    values = np.random.default_rng(3).normal(size=2_500)
    alpha, beta = np.array([0.1, -0.2, 0.3]), np.array([0.0, 0.9, 1.7])
    before, now = np.zeros(values.size), np.ones(values.size)
    for k in range(degree):
        before, now = now, (values - alpha[k]) * now - beta[k] * before
    expected = (now**2).sum(), (values * now**2).sum()
    np.testing.assert_allclose(polynomial_sums(values, alpha, beta, degree), expected, rtol=1e-12)


def test_values_between_are_collected_as_far_as_there_is_room():
    values = np.random.default_rng(4).normal(size=2_500)
    low, high = np.array([-0.1, -1.0]), np.array([0.2, 1.0])
    room, counts = np.empty((2, 500)), np.empty((2, 2), dtype=np.int64)
    gather_between(values, low, high, room, counts)
    inside = values[(values >= -0.1) & (values <= 0.2)]
    np.testing.assert_array_equal(room[0, : inside.size], inside)
    assert counts[0].tolist() == [(values < -0.1).sum(), (values < -1.0).sum()]
    assert counts[1].tolist() == [inside.size, (np.abs(values) <= 1.0).sum()]
    assert counts[1, 1] > room.shape[1]
