import numpy as np

from fastglm.kernels.math.chebyshev import N_POWERS, chebyshev_moments


def test_moments_are_sums_of_chebyshev_polynomials():
    rng = np.random.default_rng(2)
    points, weights, factors = rng.uniform(1.0, 4.0, (3, 200))
    points[0], points[1] = 1.0, 4.0
    moments = np.ones((2, 5, N_POWERS))
    chebyshev_moments(points, weights, factors, 1.0, 1.5, moments)
    piece = (points >= 2.5).astype(int)
    x = 2.0 * (points - 1.0 - 1.5 * piece) / 1.5 - 1.0
    for m in range(2):
        for degree in range(5):
            polynomial = np.cos(degree * np.arccos(np.clip(x, -1.0, 1.0)))
            for power in range(N_POWERS):
                expected = 1.0 + (weights * factors**power * polynomial)[piece == m].sum()
                np.testing.assert_allclose(moments[m, degree, power], expected, rtol=1e-12)
