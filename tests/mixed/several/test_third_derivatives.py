"""Derivatives of rows along the random part, against differences of the log-likelihood."""

import numpy as np
import pytest
from scipy import special

from fastglm.mixed.several import third_derivatives as td
from fastglm.mixed.several.row_pass import respond_along
from fastglm.responses.log_likelihoods.categories import CUMULATIVE_ROWS
from fastglm.responses.log_likelihoods.count_rows import (
    HURDLE_ROWS,
    ZERO_INFLATED_ROWS,
    negative_binomial_p_rows,
)
from fastglm.responses.log_likelihoods.proportions import MEAN_LINKS, beta_rows

RNG = np.random.default_rng(0)
ETAS = RNG.normal(size=(3, 8))
COUNTS = np.array([0, 0, 0, 1, 2, 5, 0, 9.0])
UPPER = RNG.normal(size=8)
THRESHOLDS = np.vstack([UPPER, UPPER - RNG.uniform(0.3, 2.0, 8)])
CODES = np.array([0, 1, 2, 3, 1, 2, 0, 3.0])
SHARES = RNG.uniform(0.02, 0.98, 8)
#: Below zero, where the log link has means below one.
LOW = np.vstack([-0.1 - np.abs(ETAS[0]), 1.0 + ETAS[1]])

CASES = {
    **{
        f"zero-inflated {name}": (rows, td.ZERO_INFLATED_THIRDS[name], [], COUNTS, ETAS[:size])
        for (name, rows), size in zip(ZERO_INFLATED_ROWS.items(), (2, 3), strict=True)
    },
    **{
        f"hurdle {name}": (rows, td.HURDLE_THIRDS[name], [], COUNTS, ETAS[:size])
        for (name, rows), size in zip(HURDLE_ROWS.items(), (2, 3), strict=True)
    },
    "negative binomial": (
        negative_binomial_p_rows, td.negative_binomial_thirds, [2.0], COUNTS, ETAS[:2],
    ),
    **{
        f"beta {link}": (beta_rows(link, "log"), td.beta_thirds(link), [0.0], SHARES, LOW)
        for link in MEAN_LINKS
    },
    **{
        f"cumulative {link}": (rows, td.cumulative_thirds(link), [3.0], CODES, THRESHOLDS)
        for link, rows in CUMULATIVE_ROWS.items()
    },
}  # fmt: skip


def derivatives(case, etas, direction):
    row, third, shape, y, _ = case
    out, outside = np.zeros((4 + 3 * len(etas), y.size)), np.zeros(1, dtype=np.int64)
    respond_along(
        0, 1, 0, np.array([0, y.size]), np.array([row.address, third.address]), np.array(shape),
        direction, y, np.full(y.size, 2.0), np.ascontiguousarray(etas), out, outside,
    )  # fmt: skip
    assert not outside.any()
    return out


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_rows(name):
    case = CASES[name]
    etas = case[-1]
    k, h = len(etas), 1e-5
    direction = np.full(k, -1.0) if name.startswith("cumulative") else np.eye(k)[0]
    here = derivatives(case, etas, direction)

    def slope(which, along):
        up, down = (
            derivatives(case, etas + side * h * along[:, None], direction) for side in (1, -1)
        )
        return (up[which] - down[which]) / (2.0 * h)

    expected = [-0.5 * slope(0, direction), -slope(1, direction), slope(2, direction)]
    for which in (0, 1, 2):
        factor = -0.5 if which == 0 else 1.0
        expected += [factor * slope(which, each) for each in np.eye(k)]
    np.testing.assert_allclose(here[1:], expected, rtol=1e-6, atol=2e-8)


def test_tetragamma():
    # Its row block is that of beta shares: of l in mu twice and once, at the mean.
    a = np.array([1e-3, 0.2, 1.0, 3.7, 13.9, 14.1, 250.0])
    found = [td.tetragamma.py_func(value) for value in a] if hasattr(
        td.tetragamma, "py_func"
    ) else [td.tetragamma(value) for value in a]  # fmt: skip
    np.testing.assert_allclose(found, special.polygamma(2, a), rtol=1e-13)
