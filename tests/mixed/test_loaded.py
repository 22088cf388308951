"""Loaded copies of mixed models predict what the fits did, and errors of population means."""

import pickle
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_several_cases import draw_frame

import fastglm as fg
from fastglm.errors import DataError, RankWarning

FITS = {
    "linear": ("beta", "y ~ x + (1 + x | g)", {}),
    "crossed": ("beta", "y ~ x + w + (1 | g) + (1 | h)", {}),
    "binomial": ("beta", "I(y > 0.5) ~ x + (1 | g)", {"family": "binomial"}),
    "poisson": ("zip", "y ~ x + offset(w) + (1 | g)", {"family": "poisson"}),
    "beta": ("beta", "y ~ x + (1 | g)", {"family": "beta", "dispformula": "~ w"}),
    "ordinal": ("ordinal", "y ~ x + (1 | g)", {"family": "ordinal"}),
    "zip": ("zip", "y ~ x + (1 | g)", {"family": "poisson", "ziformula": "~ w + (1 | g)"}),
}


@cache
def pair(name, folder):
    case, formula, options = FITS[name]
    fit = fg.mixed(formula, draw_frame(case, q=10, n=150), **options)
    fit.save(f"{folder}/{name}.json")
    return fit, fg.load(f"{folder}/{name}.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("loaded")


numbers = st.floats(-3.0, 3.0) | st.just(float("nan"))
rows = st.lists(
    st.tuples(numbers, numbers, st.integers(0, 14), st.integers(0, 9)), min_size=1, max_size=5
)


@pytest.mark.parametrize("name", FITS)
@settings(max_examples=20, deadline=None)
@given(rows=rows, new_levels=st.sampled_from(["zero", "nan"]))
def test_predictions_are_those_of_the_fit(name, folder, rows, new_levels):
    """Of levels seen and not, with missing values, at every level and of every quantity."""
    fit, loaded = pair(name, folder)
    new = pd.DataFrame(rows, columns=["x", "w", "g", "h"])
    quantities = getattr(getattr(fit, "population", None), "predictions", ("mean",))
    for level in ("conditional", "population", "marginal"):
        for which in (*quantities, "linear"):
            if level == "marginal" and which in ("linear", "class"):
                continue
            if which == "alpha":
                continue
            first = fit.predict(new, level, which, new_levels=new_levels)
            again = loaded.predict(new, level, which, new_levels=new_levels)
            np.testing.assert_array_equal(np.asarray(first), np.asarray(again))


@pytest.mark.parametrize("name", FITS)
def test_errors_of_population_means(name, folder):
    fit, loaded = pair(name, folder)
    new = draw_frame(FITS[name][0], q=10, n=150, seed=9).head(5)
    copies = [loaded, pickle.loads(pickle.dumps(fit))]
    levels = ["population", *(["marginal"] if name in ("linear", "crossed") else [])]
    for other in copies:
        for level in levels:
            expected = fit.get_prediction(new, level)
            found = other.get_prediction(new, level)
            np.testing.assert_allclose(found, expected, rtol=1e-9)
        if name != "ordinal":
            expected = fit.get_prediction(new, "population", "prediction")
            found = other.get_prediction(new, "population", "prediction")
            np.testing.assert_allclose(found, expected, rtol=1e-9)
        with pytest.raises(DataError, match="use level='population', or fit the model again"):
            other.get_prediction(new, "conditional")
    # Grouping columns say nothing of population means.
    bare = new.drop(columns=["g", "h"])
    np.testing.assert_allclose(
        loaded.get_prediction(bare, "population"), fit.get_prediction(bare, "population"), rtol=1e-9
    )


def test_columns_that_are_aliased(folder):
    data = draw_frame("beta", q=10, n=150).assign(twice=lambda d: 2.0 * d["x"])
    with pytest.warns(RankWarning):
        fit = fg.mixed("y ~ x + twice + w + (1 | g)", data)
    fit.save(f"{folder}/aliased.json")
    loaded = fg.load(f"{folder}/aliased.json")
    expected = fit.get_prediction(data.head(4), "population")
    np.testing.assert_allclose(
        loaded.get_prediction(data.head(4), "population"), expected, rtol=1e-9
    )
