"""Fits logged to MLflow come back to the last bit, and are served without pickle."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, MissingPackageError

rng = np.random.default_rng(6)
FRAME = pd.DataFrame({"x": rng.normal(size=90), "f": pd.Categorical(rng.choice([*"abc"], 90))})
FRAME["e"] = rng.uniform(0.5, 2.0, 90)
FRAME["y"] = rng.poisson(FRAME["e"] * np.exp(0.3 * FRAME["x"]))


def fits():
    yield fg.glm("y ~ x + f", FRAME, "poisson", exposure="e")
    yield fg.MNLogit.from_formula("f ~ x", FRAME).fit()
    yield fg.mixed("y ~ x + (1 | f)", FRAME)


def test_without_mlflow_the_error_names_the_package(monkeypatch):
    import sys

    import fastglm.mlflow

    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingPackageError, match=r"fastglm\[mlflow\]"):
        fastglm.mlflow.save_model(next(fits()), "nowhere")


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    module = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    module.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("which", range(3))
def test_logged_loaded_and_served(mlflow, which):
    import fastglm.mlflow as flavor

    fit = list(fits())[which]
    with mlflow.start_run():
        info = flavor.log_model(fit, "model")
    again = flavor.load_model(info.model_uri)
    np.testing.assert_array_equal(again.estimates, fit.estimates)
    served = mlflow.pyfunc.load_model(info.model_uri)
    rows = FRAME.assign(f=FRAME["f"].astype(str))
    np.testing.assert_array_equal(served.predict(rows), fit.predict(FRAME))
    names = set(served.metadata.get_input_schema().input_names())
    assert names == [{"x", "f", "e"}, {"x"}, {"x", "f"}][which]


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_pickled(mlflow, tmp_path):
    import fastglm.mlflow as flavor

    flavor.save_model(next(fits()), tmp_path / "folder", input_example=FRAME.head(2))
    found = {path.suffix for path in (tmp_path / "folder").iterdir()}
    assert found <= {".json", ".txt", ".yaml", ""}
    with pytest.raises(DataError, match="not empty"):
        flavor.save_model(next(fits()), tmp_path / "folder")
    with pytest.raises(DataError, match="not a dict"):
        flavor.save_model({}, tmp_path / "other")
