import numpy as np
import pandas as pd
import pytest
from formulaic import model_matrix

import fastglm as fg
from fastglm.cli.demo import FORMULA
from fastglm.data import load_flights


@pytest.fixture(scope="module")
def flights():
    return load_flights()


def test_the_table_is_that_of_the_source(flights):
    # Numbers of the R package's documentation and of `summary(flights)`.
    assert len(flights) == 336_776
    assert flights["late"].isna().sum() == 9_430
    assert flights["departure"].isna().sum() == 8_255
    assert flights["carrier"].cat.categories.size == 16
    assert list(flights["origin"].cat.categories) == ["EWR", "JFK", "LGA"]
    assert flights["origin"].value_counts().to_dict() == {
        "EWR": 120_835,
        "JFK": 111_279,
        "LGA": 104_662,
    }
    assert flights["distance"].min() == 17
    assert flights["distance"].max() == 4_983


def test_scheduled_departures(flights):
    # The first flight left at 5:17, 2 minutes late.
    assert flights["departure"].iloc[0] == 5.25
    assert flights["hour"].iloc[0] == 5
    assert flights["departure"].between(0, 24, inclusive="left").sum() == 328_521


def test_the_fit_of_the_demonstration_solves_the_score_equations(flights):
    fit = fg.glm(FORMULA, flights, family="binomial", missing="drop")
    assert fit.converged
    assert fit.aliased == {}
    assert fit.n_dropped == 9_430
    complete = flights.dropna()
    # Knots are learned from every row that has the variable, by formulaic too.
    whole = flights.astype({"hour": pd.CategoricalDtype(range(5, 24))})
    X = model_matrix(FORMULA.partition("~")[2], whole).loc[complete.index].to_numpy(np.float64)
    probability = 1 / (1 + np.exp(-X @ fit.estimates))
    score = X.T @ (complete["late"].to_numpy() - probability)
    # In standard errors: the Newton step that the remaining score would still call for.
    assert np.abs(fit.covariance @ score / np.asarray(fit.bse)).max() < 1e-8
