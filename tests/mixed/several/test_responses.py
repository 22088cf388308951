"""What mixed models of several linear predictors refuse, and what they warn of."""

import re

import numpy as np
import pytest
from mixed_several_cases import draw_frame

import fastglm as fg
from fastglm.errors import BoundaryWarning, DataError, ModelError

FORMULA = "y ~ x + (1 | g)"


@pytest.mark.parametrize(
    ("case", "options", "words"),
    [
        ("ordinal", {"family": "multinomial"}, "use fastglm.MNLogit"),
        ("beta", {"family": "beta", "dispformula": "~ (1 | g)"}, "dispformula= without a bar"),
        ("zip", {"family": "poisson", "dispformula": "~ x"}, "'poisson' has no dispersion that"),
        ("ordinal", {"family": "ordinal", "dispformula": "~ x"}, "'ordinal' has no dispersion"),
        ("zip", {"family": "poisson", "ziformula": "~1", "dispformula": "~x"}, "'poisson' has no"),
        ("zip", {"family": "nbinom2", "link": "sqrt", "dispformula": "~x"}, "have the log link"),
        (
            "zip",
            {"family": fg.families.NegativeBinomial(alpha=0.5), "dispformula": "~x"},
            "with dispformula= alpha is estimated",
        ),
        ("beta", {"family": "beta", "ziformula": "~1"}, "ziformula= is for counts"),
        ("zip", {"family": "gamma", "ziformula": "~1"}, "ziformula= is for family='poisson'"),
        ("zip", {"family": "poisson", "link": "sqrt", "ziformula": "~1"}, "have the log link"),
        ("zip", {"family": "truncated_poisson"}, "needs ziformula="),
        ("beta", {"family": "beta", "nagq": 0}, "Use nagq=1"),
        ("beta", {"family": "beta", "laplace": "expected"}, "leave out laplace="),
        ("beta", {"family": "beta", "reml": True}, "REML is defined for"),
        ("beta", {"family": "beta", "link": "identity"}, "the link must be one of"),
        ("ordinal", {"family": "ordinal", "link": "log"}, "needs one of the links"),
        ("beta", {"family": "beta", "exposure": "e"}, "exposure= multiplies a mean of counts"),
        (
            "zip",
            {"family": fg.families.NegativeBinomial(alpha=0.5), "ziformula": "~1"},
            "alpha is estimated",
        ),
    ],
)
def test_options_that_do_not_go_together(case, options, words):
    frame = draw_frame(case).assign(e=1.0)
    with pytest.raises(ModelError, match=re.escape(words)):
        fg.mixed(FORMULA, frame, **options)


@pytest.mark.parametrize(
    ("options", "response", "words"),
    [
        ({"family": "beta"}, [0.0, 0.5], "strictly between 0 and 1"),
        ({"family": "poisson", "ziformula": "~1"}, [1.0, 2.0], "zeros and positive counts"),
        ({"family": "poisson", "ziformula": "~1"}, [0.0, 2.5], "count"),
        ({"family": "ordinal"}, [1, 1], "two levels or more"),
    ],
)
def test_responses_that_are_none_of_the_model(options, response, words):
    frame = draw_frame("zip")
    frame["y"] = np.resize(response, len(frame))
    with pytest.raises(DataError, match=words):
        fg.mixed(FORMULA, frame, **options)


def test_no_zero_part_is_the_family_alone():
    frame = draw_frame("zip")
    one = fg.mixed(FORMULA, frame, "poisson", ziformula="~0", dispformula="~ 1")
    assert one.criterion == fg.mixed(FORMULA, frame, "poisson").criterion


def test_counts_that_vary_as_poisson_counts():
    frame = draw_frame("zip")
    rng = np.random.default_rng(5)
    frame["y"] = np.where(rng.random(len(frame)) < 0.4, 0, rng.binomial(8, 0.5, len(frame)))
    with pytest.warns(BoundaryWarning, match="alpha is 0"):
        fit = fg.mixed(FORMULA, frame, "negative_binomial", ziformula="~1")
    poisson = fg.mixed(FORMULA, frame, "poisson", ziformula="~1")
    assert fit.criterion == pytest.approx(poisson.criterion, abs=1e-8)
    assert fit.population.alpha == 0.0
    assert "log(alpha)" not in fit.names
    assert fit.aic == pytest.approx(poisson.aic + 2.0)


def test_counts_without_extra_zeros():
    frame = draw_frame("zip")
    rng = np.random.default_rng(5)
    mean = np.exp(0.2 + 0.4 * rng.normal(size=25)[frame["g"]])
    frame["y"] = np.minimum(rng.poisson(mean) + (rng.random(len(frame)) < 0.3), 9)
    with pytest.warns(BoundaryWarning, match="Leave out ziformula="):
        fit = fg.mixed(FORMULA, frame, "poisson", ziformula="~1")
    alone = fg.mixed(FORMULA, frame, "poisson")
    assert fit.criterion == pytest.approx(alone.criterion, abs=1e-4)


def test_saturated_levels_end_without_an_error():
    """A level of nothing but the highest category, of shares next to the ends."""
    frame = draw_frame("ordinal")
    frame.loc[frame["g"] == 3, "y"] = 3
    fit = fg.mixed(FORMULA, frame, "ordinal")
    assert fit.converged
    assert fit.ranef()["g"]["Intercept"].idxmax() == 3
    frame = draw_frame("beta")
    frame.loc[:4, "y"] = 1e-12
    fit = fg.mixed(FORMULA, frame, "beta")
    assert fit.converged
    assert fit.gradient < 1e-6


def test_bootstrap_of_categories_refits_what_is_simulated():
    data = draw_frame("ordinal", q=12, n=200)
    fit = fg.mixed("y ~ x + (1 | g)", data, family="ordinal")
    found = fit.bootstrap(2, seed=4)
    for k, drawn in enumerate(fit.simulate(2, seed=4).T):
        again = fg.mixed("y ~ x + (1 | g)", data.assign(y=drawn.astype(int)), family="ordinal")
        estimates = [*again.params, *(c.sd for c in again.components)]
        np.testing.assert_allclose(found.replicates[k], estimates, rtol=1e-5)


def test_a_simulated_response_without_a_category_is_no_replicate(monkeypatch):
    data = draw_frame("ordinal", q=12, n=200)
    fit = fg.mixed("y ~ x + (1 | g)", data, family="ordinal")
    drawn = fit.simulate(2, seed=4)
    drawn[:, 1] = np.minimum(drawn[:, 1], 2)
    monkeypatch.setattr(type(fit), "simulate", lambda self, n, seed: drawn)
    replicates = fit.bootstrap(2, seed=4).replicates
    assert np.isfinite(replicates[0]).all()
    assert np.isnan(replicates[1]).all()


@pytest.mark.parametrize("case", ["beta", "ordinal", "zip"])
def test_pictures_of_calibration_wait(case):
    data = draw_frame(case, q=12, n=200)
    options = {"zip": {"family": "poisson", "ziformula": "~1"}}.get(case, {"family": case})
    fit = fg.mixed("y ~ x + (1 | g)", data, **options)
    with pytest.raises(ModelError, match="pictures of calibration and lift of mixed models"):
        fg.plots.lift(fit)


def test_an_unknown_family_names_those_of_mixed_models_too():
    with pytest.raises(ModelError, match=r"unknown family 'betta'.*of mixed models also beta"):
        fg.mixed("y ~ x + (1 | g)", draw_frame("beta"), family="betta")
