"""Sums of Chebyshev polynomials over points: sums of any smooth function of them follow."""

from __future__ import annotations

from fastglm.kernels.compiler.decorators import entry

__all__ = ["N_POWERS", "chebyshev_moments"]

#: Powers of the factor that weights are multiplied by, from 0 on.
N_POWERS = 3


@entry
def chebyshev_moments(points, weights, factors, low, width, moments):
    """Adds to moments the weights times powers of the factors times Chebyshev polynomials.

    Contiguous float64 arrays: `points`, `weights` and `factors` (n,); `moments`
    (n_pieces, n_degrees, N_POWERS), of pieces of one `width` from `low` on.
    """
    n_pieces, n_degrees, _ = moments.shape
    for i in range(points.shape[0]):
        place = (points[i] - low) / width
        piece = min(int(place), n_pieces - 1)
        x = 2.0 * (place - piece) - 1.0
        plain, factor = weights[i], factors[i]
        once = plain * factor
        twice = once * factor
        last, here = x, 1.0
        for degree in range(n_degrees):
            moments[piece, degree, 0] += plain * here
            moments[piece, degree, 1] += once * here
            moments[piece, degree, 2] += twice * here
            last, here = here, 2.0 * x * here - last
