"""Fits that end where the likelihood has no maximum say so, and others find it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import (
    ConvergenceWarning,
    FastGLMWarning,
    RankWarning,
    SeparationWarning,
    Status,
)

families, links = fg.families, fg.families.links


def fit_quietly(y, x, family: families.Family, **options: object) -> fg.Results:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastGLMWarning)
        return fg.GLM(y, x, family=family).fit(**options)


@pytest.mark.parametrize(
    "family",
    [
        families.InverseGaussian(link=links.Sqrt()),
        families.InverseGaussian(link=links.Power(power=0.3)),
        families.InverseGaussian(link=links.Log()),
        families.Tweedie(var_power=2.5, link=links.Power(power=0.3)),
        families.Tweedie(var_power=4.0, link=links.Power(power=0.3)),
    ],
    ids=repr,
)
def test_weights_that_vanish_far_out_do_not_pass_for_convergence(family: families.Family) -> None:
    # The deviance is bounded as means grow, and flat there: the first steps overshoot.
    y = np.array([1e-6, 3.0, 2.0, 5.0])
    fit = fg.GLM(y, np.ones((4, 1)), family=family).fit()
    assert fit.converged
    # A mean is the estimate of any family.
    np.testing.assert_allclose(fit.fittedvalues, y.mean(), rtol=1e-7)


def test_start_far_out_on_the_plateau() -> None:
    y = np.array([0.5, 3.0, 2.0, 5.0])
    family = families.InverseGaussian(link=links.Log())
    fit = fg.GLM(y, np.ones((4, 1)), family=family).fit(start_params=[20.0])
    assert fit.converged
    np.testing.assert_allclose(fit.params, np.log(y.mean()), rtol=1e-9)


def test_mean_of_zero_in_a_saturated_fit_is_a_boundary() -> None:
    x = np.array([[-1.0, 1.0], [-1.0, 0.0]])
    with pytest.warns(ConvergenceWarning, match="boundary"):
        fit = fg.GLM([0, 7], x, family=families.Poisson(link=links.Identity())).fit()
    assert fit.status == Status.BOUNDARY
    assert fit.aliased == {}
    np.testing.assert_allclose(fit.params, [-7.0, -7.0], rtol=1e-12)
    np.testing.assert_allclose(fit.fittedvalues, [0.0, 7.0], atol=1e-12)


@pytest.mark.parametrize("link", [links.Log(), links.InversePower()], ids=repr)
def test_gaussian_responses_out_of_reach_have_no_finite_estimate(link: links.Link) -> None:
    # The means of rows with x = 1 can come near their responses, but never reach them.
    x = np.column_stack([np.ones(5), [0, 0, 0, 1, 1]])
    fit = fit_quietly([3.0, 2.0, 4.0, 0.0, 0.0], x, families.Gaussian(link=link))
    assert not fit.converged
    assert fit.aliased == {}
    np.testing.assert_allclose(fit.deviance, 2.0, rtol=1e-3)


def test_weights_that_vanish_within_a_step_leave_no_column_aliased() -> None:
    x = np.column_stack([np.ones(3), [0, 0, 1]])
    fit = fit_quietly([2.0, 3.0, -1.0], x, families.Gaussian(link=links.Log()))
    assert not fit.converged
    assert fit.aliased == {}
    np.testing.assert_allclose(fit.fittedvalues, [2.5, 2.5, 0.0], atol=1e-3)


def test_estimates_of_a_fit_whose_columns_came_to_look_alike_give_its_deviance() -> None:
    # Of rank 2: which columns seem aliased changes while the mean of some rows vanishes.
    x = np.repeat([[2008, 1, 0.1049, 0.3616], [2006, 1, -0.5357, 1.304]], 2, axis=0)
    fit = fit_quietly([0.0, 0.0, 2.0, 2.0], x, families.Gaussian(link=links.Log()))
    assert not fit.converged
    np.testing.assert_allclose(fit.fittedvalues, [0.0, 0.0, 2.0, 2.0], atol=1e-6)


@pytest.mark.parametrize("family", [families.Poisson(), families.Gaussian()], ids=repr)
def test_start_params_of_an_aliased_column_are_not_lost(family: families.Family) -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=50)
    x = np.column_stack([np.ones(50), a, 2.0 * a - 3.0])
    y = rng.poisson(np.exp(a))
    with pytest.warns(RankWarning, match="x2"):
        plain = fg.GLM(y, x, family=family).fit()
    with pytest.warns(RankWarning, match="x2"):
        started = fg.GLM(y, x, family=family).fit(start_params=[0.0, 1.0, 3.0])
    np.testing.assert_allclose(started.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(started.fittedvalues, plain.fittedvalues, rtol=1e-9)


def test_last_step_never_leaves_the_domain() -> None:
    # The second row's mean tends to 0, where the linear predictor ends.
    x = np.array([[0.0, -2.0, 1.0], [1.0, -1.0, 1.0], [-1.0, -1.0, -1.0], [1.0, 0.0, 1.0]])
    fit = fit_quietly([0, 3, 3, 0], x, families.Poisson(link=links.Power(power=0.3)))
    assert np.isfinite(fit.fittedvalues).all()


def test_column_of_zeros_is_aliased_wherever_the_fit_starts() -> None:
    x = np.column_stack([np.ones(4), np.zeros(4)])
    with pytest.warns(RankWarning, match="x1"):
        fit = fg.GLM([1, 2, 3, 4], x, family="poisson").fit(start_params=[0.5, 7.0])
    assert fit.converged
    np.testing.assert_allclose(fit.params, [np.log(2.5), np.nan], rtol=1e-12)


@pytest.mark.parametrize(("link", "sign"), [(links.Log(), -1), (links.InversePower(), 1)], ids=repr)
def test_gaussian_rows_separated_at_the_end_of_the_range_are_named(
    link: links.Link, sign: int
) -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(400), rng.uniform(size=400), np.arange(400) < 5])
    y = link.inverse(1.0 + x[:, 1]) + 0.01 * rng.normal(size=400)
    y[:5] = [0, 0, -1, 0, 0]
    with pytest.warns(SeparationWarning, match="5 rows are separated .* x2"):
        fit = fg.GLM(y, x, family=families.Gaussian(link=link)).fit()
    assert fit.infinite == {"x2": sign}
    # What is left without those rows has a maximum.
    with pytest.warns(SeparationWarning, match="5 rows"):
        loose = fg.GLM(1e3 * y, x, family=families.Gaussian(link=link)).fit()
    assert loose.infinite == {"x2": sign}
    rest = fg.GLM(y[5:], x[5:, :2], family=families.Gaussian(link=link)).fit()
    np.testing.assert_allclose(fit.params[:2], rest.params, rtol=1e-6)


def test_steps_of_rounding_errors_are_not_taken() -> None:
    # Exact responses of weight 1e11 beside others of 1e-11: the decrement grows from step to step.
    x = np.column_stack([np.ones(4), [-2.0, 0.0, -1.0, 2.0]])
    weights = np.array([1e-9, 1e11, 1e-11, 1e6])
    family = families.Tweedie(var_power=1.9, link=links.Power(power=0.3))
    model = fg.GLM(np.full(4, 2.0), x, family=family, var_weights=weights, offset=np.full(4, 500.0))
    fit = model.fit()
    assert weights @ family.unit_deviance(2.0, fit.fittedvalues) < 1e-12


def test_slow_convergence_is_not_taken_for_rounding() -> None:
    # Far from what the responses look like, Fisher's information is some 50 times the curvature.
    x = np.linspace(-2.0, 2.0, 21)[:, None] + 0.05
    family = families.Tweedie(var_power=4.0, link=links.Log())
    fit = fg.GLM(np.full(21, 2.0), x, family=family).fit()
    mean = np.exp(x @ fit.params)
    score = x.T @ ((2.0 - mean) / mean**3)
    np.testing.assert_allclose(score / np.abs(x.T @ mean**-3.0), 0.0, atol=1e-7)


def test_means_of_either_sign_are_no_worse_than_one_mean() -> None:
    # From the responses, rows start on both sides of 1 / 0 and stay there.
    rng = np.random.default_rng(5)
    for _ in range(40):
        x = np.column_stack([np.ones(12), rng.normal(size=12)])
        y = 3.0 * rng.normal(size=12)
        fit = fit_quietly(y, x, families.Gaussian(link=links.InversePower()))
        assert not fit.converged or fit.deviance <= np.sum((y - y.mean()) ** 2) * (1.0 + 1e-9)


def test_refinement_that_no_step_improves_has_not_converged() -> None:
    # Every mean is far out on the plateau, and columns look alike there.
    x = np.array([[3.0, 2006.0, 4012.0], [3.0, 2008.0, 4016.0], [3.0, 2004.0, 4008.0]])
    weights = np.array([1.5101338332761247, 1.5931266096696097, 0.647570804182499])
    offset = np.array([-1.4475924150851458, 0.5379960147606389, 0.5780033860967162])
    family = families.InverseGaussian(link=links.Log())
    y = np.array([1e-6, 2.0, 8.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FastGLMWarning)
        fit = fg.GLM(y, x, family=family, var_weights=weights, offset=offset).fit()
    eta = x[:, :2] @ fit.params[:2] + offset
    mean = np.exp(eta)
    score = x[:, :2].T @ (weights * (y - mean) / mean**2)
    gram = x[:, :2].T @ (x[:, :2] * (weights / mean)[:, None])
    decrement = score @ np.linalg.solve(gram, score)
    assert not fit.converged or decrement <= 1e-7 * fit.deviance
