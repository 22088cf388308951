"""Free coordinates, and what the matrix members become in one dimension."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastglm import expfam
from fastglm.expfam.matrix import free_coordinates, symmetric_matrix

SCALE = np.array([[2.0, 0.3, -0.4], [0.3, 1.0, 0.2], [-0.4, 0.2, 0.7]])


def test_free_coordinates_round_trip():
    np.testing.assert_array_equal(free_coordinates(SCALE), [2.0, 0.3, -0.4, 1.0, 0.2, 0.7])
    np.testing.assert_array_equal(symmetric_matrix(free_coordinates(SCALE)), SCALE)


def test_the_dot_product_is_the_trace():
    member = expfam.Wishart(5.0, SCALE)
    y = member.sample(0)
    log_det = np.linalg.slogdet(y)[1]
    trace = np.trace(np.linalg.solve(SCALE, y))
    dot = member.natural_parameter @ member.sufficient_statistic(y)
    np.testing.assert_allclose(dot, 2.5 * log_det - trace / 2)


def test_inverse_wishart_is_wishart_of_the_inverse():
    wishart = expfam.Wishart(5.0, np.linalg.inv(SCALE))
    inverse = expfam.InverseWishart(5.0, SCALE)
    np.testing.assert_allclose(inverse.natural_parameter, wishart.natural_parameter)
    y = inverse.sample(1, 10)
    z = np.linalg.inv(y)
    z = (z + z.swapaxes(-1, -2)) / 2
    volume = (3 + 1) * np.linalg.slogdet(z)[1]
    np.testing.assert_allclose(inverse.log_prob(y), wishart.log_prob(z) + volume)


@given(st.floats(0.1, 1e6), st.floats(1e-3, 1e3), st.floats(0.1, 1e6), st.floats(1e-3, 1e3))
def test_one_dimension_is_the_gamma(df, scale, other_df, other_scale):
    one, two = expfam.Wishart(df, [[scale]]), expfam.Wishart(other_df, [[other_scale]])
    gamma = expfam.Gamma(df / 2, 0.5 / scale)
    other = expfam.Gamma(other_df / 2, 0.5 / other_scale)
    y = df * scale
    np.testing.assert_allclose(one.log_prob([[y]]), gamma.log_prob(y), rtol=1e-9)
    np.testing.assert_allclose(one.entropy(), gamma.entropy(), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.kl_divergence(two), gamma.kl_divergence(other), rtol=1e-8)


@pytest.mark.parametrize("df", [2.001, 2.5, 9.0, 1e5])
@pytest.mark.parametrize("other_df", [2.001, 2.6, 9.5, 1.2e5])
def test_divergence_at_any_degrees_of_freedom(df, other_df):
    one, two = expfam.Wishart(df, SCALE), expfam.Wishart(other_df, SCALE + 0.1 * np.eye(3))
    step = two.natural_parameter - one.natural_parameter
    terms = [two.log_partition(), -one.log_partition(), *(-step * one.mean_parameter)]
    size = np.abs(terms).max() + np.abs(one.natural_parameter * one.mean_parameter).max()
    np.testing.assert_allclose(one.kl_divergence(two), sum(terms), atol=1e-14 * size, rtol=1e-10)


def test_units_of_measurement_cost_nothing():
    # Rows and columns in wildly different units: the correlation is all that matters.
    units = np.array([1e-8, 1.0, 1e8])
    scaled = SCALE * units[:, None] * units
    plain, moved = expfam.Wishart(5.0, SCALE), expfam.Wishart(5.0, scaled)
    near_plain = expfam.Wishart(5.5, SCALE + 0.01 * np.eye(3))
    near_moved = expfam.Wishart(5.5, (SCALE + 0.01 * np.eye(3)) * units[:, None] * units)
    np.testing.assert_allclose(
        moved.kl_divergence(near_moved), plain.kl_divergence(near_plain), rtol=1e-10
    )
