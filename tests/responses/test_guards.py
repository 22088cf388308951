"""What models of several predictors refuse, each in a sentence that says what is wrong."""

import json

import numpy as np
import pytest
import response_cases as cases

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.mark.parametrize(
    "start", [[0.1, 0.2], [[0.1, 0.2, 0.3, 0.4]], [0.1, np.nan, 0.3, 0.4], [0.1, np.inf, 0.3, 0.4]]
)
def test_starts_of_another_length_or_without_a_value_are_refused(start):
    model = cases.model("BetaModel", cases.frame(), right="x")
    with pytest.raises(DataError, match="start_params must be 4 finite numbers"):
        model.fit(start_params=start)


def test_a_model_of_arrays_has_no_other_formula():
    data = cases.frame()
    model = fg.OrderedModel(data["level"], data[["x"]])
    with pytest.raises(ModelError, match="given as arrays"):
        model.with_formula("level ~ x + z")


def test_proportional_odds_need_an_estimate_of_each_threshold():
    data = cases.frame()
    # No row below the second level has a positive regressor.
    data["one"] = np.where(data.level == 0, -np.abs(data.x), np.abs(data.x))
    fit = fg.OrderedModel.from_formula("level ~ one + z", data).fit(separation="ignore")
    with pytest.raises(ModelError, match=r"first 1 levels .* no unique estimate"):
        fit.proportional_odds_test()


def test_averages_are_of_numbers():
    fit = cases.model("MNLogit", cases.frame(), right="x").fit()
    with pytest.raises(ModelError, match="'class' is a label"):
        fit.avg_predictions(which="class")


def test_augment_has_no_standard_errors_of_predictions():
    fit = cases.model("BetaModel", cases.frame(), right="x").fit()
    with pytest.raises(ModelError, match="BetaModel has no standard errors of predictions"):
        fit.augment(se_fit=True)


@pytest.mark.parametrize(
    ("model", "response"),
    [(fg.BetaModel, np.full((6, 2), 0.5)), (fg.DirichletModel, np.full(6, 0.5))],
)
def test_shares_have_the_shape_of_the_model(model, response):
    with pytest.raises(DataError, match=r"the response has shape .* must be \(n,"):
        model(response, np.column_stack([np.ones(6), np.arange(6.0)]))


@pytest.mark.parametrize("power", [np.nan, np.inf])
def test_a_power_is_a_finite_number(power):
    data = cases.frame()
    with pytest.raises(ModelError, match="power must be a finite number"):
        fg.NegativeBinomialP.from_formula("counts ~ x", data, power=power)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kind": "Betamodel"}, "unknown kind of model 'Betamodel'"),
        ({"estimates": [0.1]}, "has 4 names, but 1 estimates"),
    ],
)
def test_edited_files_of_another_model_or_size_are_refused(tmp_path, changed, message):
    path = tmp_path / "fit.json"
    cases.model("BetaModel", cases.frame(), right="x").fit().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))
    with pytest.raises(DataError, match=message):
        fg.load(path, check=False)
