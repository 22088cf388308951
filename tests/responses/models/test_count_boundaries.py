"""When a fit of counts is taken to the boundary, and when it is not."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import special

import fastglm as fg
from fastglm.errors import Status
from fastglm.responses.models.count_boundaries import inflation_slope, without_parameter
from fastglm.solve.several_predictors import PredictorSolution


def solution(params, log_likelihood, status=Status.CONVERGED):
    m = len(params)
    return PredictorSolution(np.array(params), np.eye(m), log_likelihood, 3, 4, status)


FULL = solution([1.0, 2.0, -9.0], -10.0)
REDUCED = solution([1.5, 2.5], -10.0)


def test_the_fit_without_a_parameter():
    found = without_parameter(FULL, REDUCED, 1, -1.0, "gone.")
    assert found.status == Status.BOUNDARY
    assert found.boundary == "gone."
    assert (found.n_iter, found.n_sweeps) == (6, 8)
    np.testing.assert_array_equal(found.params, [1.5, -np.inf, 2.5])
    known = np.isfinite(found.covariance)
    np.testing.assert_array_equal(known, np.outer([1, 0, 1], [1, 0, 1]) == 1)
    # A boundary of the reduced fit is one still, and is said as well.
    both = replace(REDUCED, status=Status.BOUNDARY, boundary="less.")
    assert without_parameter(FULL, both, 1, 0.0, "gone.").boundary == "gone. less."


@pytest.mark.parametrize("slope", [1e-3, np.nan, np.inf])
def test_a_likelihood_that_rises_from_the_boundary(slope):
    assert without_parameter(FULL, REDUCED, 1, slope, "") is None


def test_a_higher_maximum_inside():
    lower = replace(REDUCED, log_likelihood=-10.01)
    assert without_parameter(FULL, lower, 1, -1.0, "") is None


def test_a_reduced_fit_without_a_maximum():
    stopped = replace(REDUCED, status=Status.MAX_ITERATIONS)
    assert without_parameter(FULL, stopped, 1, -1.0, "") is None


def test_the_slope_of_inflation_is_that_of_the_likelihood():
    y, mean = np.array([0.0, 0.0, 1.0, 4.0]), np.array([0.3, 2.0, 1.0, 5.0])
    share = 1e-7
    zero = np.log(np.where(y == 0, share + (1 - share) * np.exp(-mean), 1 - share))
    difference = (zero - np.where(y == 0, -mean, 0.0)) / share
    np.testing.assert_allclose(inflation_slope(y, -mean), difference, rtol=1e-5)
    # Zeros that the counts cannot have at all.
    assert inflation_slope(np.zeros(1), np.full(1, -1e4)) == np.inf


def test_rare_zeros_of_their_own_are_no_boundary():
    # One zero in 3000 counts of mean 30: log odds below -6, and yet the maximum is inside.
    rng = np.random.default_rng(0)
    y = rng.poisson(30.0, 3000)
    y[17] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = fg.ZeroInflated(y, np.ones((3000, 1))).fit()
    assert fit.status == Status.CONVERGED
    assert special.expit(fit.estimates[1]) == pytest.approx(1 / 3000, rel=1e-6)
