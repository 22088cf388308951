"""Random columns in any unit: the same fit, and everything that is asked of it, in that unit."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.mixed.covariances import structure_named

N = 200


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"x": rng.normal(size=N), "a": np.arange(N) % 10, "b": np.arange(N) % 7})
    eta = 0.4 * frame.x + rng.normal(size=10)[frame.a] * (0.6 + 0.4 * frame.x)
    eta += 0.5 * rng.normal(size=10)[frame.a] * frame.x + 0.4 * rng.normal(size=7)[frame.b]
    frame["y"] = eta + rng.normal(size=N)
    frame["k"] = np.where(rng.random(N) < 0.2, 0, rng.poisson(np.exp(eta)))
    return frame


MODELS = {
    "gaussian": ("y ~ x + (x | a)", {"reml": False}),
    "crossed, independent": ("y ~ x + (x || a) + (1 | b)", {"reml": False}),
    "cs": ("y ~ x + cs(x | a)", {"reml": False}),
    "poisson": ("k ~ x + (x | a)", {"family": "poisson"}),
    "slope alone": ("k ~ x + (0 + x | a)", {"family": "poisson", "nagq": 3}),
    "nagq=0": ("k ~ x + (x | a)", {"family": "poisson", "nagq": 0}),
    "zero-inflated": ("k ~ x + (0 + x | a)", {"family": "poisson", "ziformula": "~ 1"}),
}


@pytest.mark.parametrize("unit", [2.0**-30, 2.0**11, 2.0**30])
@pytest.mark.parametrize("name", MODELS)
def test_a_fit_does_not_depend_on_the_unit_of_a_random_column(data, name, unit):
    formula, options = MODELS[name]
    one = fg.mixed(formula, data, **options)
    other = fg.mixed(formula, data.assign(x=data.x * unit), **options)
    assert other.converged
    assert other.llf == pytest.approx(one.llf, rel=1e-12)
    in_unit = np.where(np.char.endswith(np.array(one.names), "x"), unit, 1.0)
    np.testing.assert_allclose(other.params * in_unit, one.params, rtol=1e-7)
    np.testing.assert_allclose(other.bse * in_unit, one.bse, rtol=1e-6)
    assert list(other.singular) == list(one.singular)
    for ours, known in zip(other.components, one.components, strict=True):
        factor = unit if ours.term1 == "x" and not ours.term2 else 1.0
        assert ours.sd * factor == pytest.approx(known.sd, rel=1e-6)
        assert ours.se * factor == pytest.approx(known.se, rel=1e-6, nan_ok=True)
    for ours, known in zip(other.groups, one.groups, strict=True):
        factors = np.where(np.array(ours.columns) == "x", unit, 1.0)
        np.testing.assert_allclose(ours.modes * factors, known.modes, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(other.fittedvalues, one.fittedvalues, rtol=1e-6)


@pytest.mark.parametrize("unit", [2.0**-20, 2.0**20])
@pytest.mark.parametrize("name", ["gaussian", "poisson"])
def test_errors_of_predictions_and_profiles_do_not_depend_on_it_either(data, name, unit):
    formula, options = MODELS[name]
    scaled = data.assign(x=data.x * unit)
    one, other = (fg.mixed(formula, frame, **options) for frame in (data, scaled))
    frames = one.get_prediction(data[:9]), other.get_prediction(scaled[:9])
    np.testing.assert_allclose(*frames, rtol=1e-6)
    at = "sd(x | a)", "x"
    limits = one.profile(which=list(at)), other.profile(which=list(at))
    np.testing.assert_allclose(limits[1] * unit, limits[0], rtol=1e-5)


def test_starts_are_in_the_unit_of_the_column(data):
    scaled = data.assign(x=data.x * 2.0**20)
    first = fg.mixed("y ~ x + (x | a)", scaled)
    model = fg.MixedGLM.from_formula("y ~ x + (x | a)", scaled)
    again = model.fit(start_theta=first.theta)
    np.testing.assert_allclose(again.bse, first.bse, rtol=1e-8)
    assert again.n_evaluations < first.n_evaluations
    draws = first.bootstrap(4, seed=1)
    assert np.isfinite(draws.replicates).all()


def test_one_standard_deviation_for_several_columns_has_one_unit():
    units = np.array([1.0, 2.0**-20, 2.0**10])
    assert (structure_named("ar1", 3).column_units(units) == 2.0**-20).all()
    np.testing.assert_array_equal(structure_named("us", 3).column_units(units), units)
    np.testing.assert_array_equal(structure_named("ar1", 3).theta_units(units), [1.0, 1.0])
    np.testing.assert_array_equal(structure_named("cs", 3).theta_units(units), [*units, 1.0])
    np.testing.assert_array_equal(structure_named("diag", 3).theta_units(units), units)
    of_rows = units[[0, 1, 2, 1, 2, 2]]
    np.testing.assert_array_equal(structure_named("us", 3).theta_units(units), of_rows)
