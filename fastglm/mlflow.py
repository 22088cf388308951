"""An MLflow flavour: fits logged, loaded and served as the JSON that `save` writes, not pickled.

Needs the extra ``fastglm[mlflow]``. A logged fit is a ``python_function`` model as well, so
``mlflow models serve`` and ``mlflow.pyfunc.load_model`` take it; its ``predict`` gives means, or
what the parameter ``which`` asks for.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.output import take_rows_of, to_pandas
from fastglm.entry import entry
from fastglm.errors import DataError, require_package
from fastglm.load import load
from fastglm.results.shared import SharedMethods

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models.model import ModelInfo

    from fastglm.load import AnyResults
    from fastglm.typing import Matrix, Vector

__all__ = ["load_model", "log_model", "save_model"]

FLAVOR = "fastglm"
#: The file inside a logged model.
FILE = "model.json"


def _require_mlflow() -> None:
    require_package("mlflow", "mlflow", "the MLflow flavour")


@entry
def save_model(
    results: Any,
    path: str | Path,
    mlflow_model: Any = None,
    signature: Any = None,
    input_example: Any = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a fit as a folder that MLflow reads.

    Parameters
    ----------
    results : results of any model
    path : str or Path
        A folder that does not exist, or is empty.
    mlflow_model, signature, input_example, metadata : optional
        As for MLflow's own flavours. The signature is by default that of the formula's columns,
        where the data of the fit is at hand.

    Raises
    ------
    MissingPackageError
        If MLflow is not installed.
    DataError
        If `results` is no fit, or the folder is not empty.
    """
    _require_mlflow()
    import mlflow
    from mlflow.models import Model
    from mlflow.models.utils import _save_example

    from fastglm import __version__

    if not isinstance(results, SharedMethods):
        raise DataError(f"save_model writes a fit of fastglm, not a {type(results).__name__}.")
    folder = Path(path)
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: give a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    results.save(folder / FILE)
    model = Model() if mlflow_model is None else mlflow_model
    signature = _signature(results) if signature is None else signature
    if signature is not None:
        model.signature = signature
    if input_example is not None:
        _save_example(model, input_example, str(folder))
    if metadata is not None:
        model.metadata = metadata
    requirements = [f"fastglm=={__version__}", f"mlflow=={mlflow.__version__}"]
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    model.add_flavor(FLAVOR, fastglm_version=__version__, data=FILE)
    mlflow.pyfunc.add_to_model(
        model, loader_module="fastglm.mlflow", data=FILE, python_env=_environment(folder)
    )
    model.save(str(folder / "MLmodel"))


@entry
def log_model(results: Any, name: str = "model", **options: Any) -> ModelInfo:
    """Log a fit to the active run of MLflow.

    Parameters
    ----------
    results : results of any model
    name : str, default "model"
        Of the logged model.
    **options
        As for `save_model`, and those of ``mlflow.models.Model.log``, such as
        ``registered_model_name``.

    Returns
    -------
    mlflow.models.model.ModelInfo

    Raises
    ------
    MissingPackageError, DataError
        As for `save_model`.
    """
    _require_mlflow()
    from mlflow.models import Model

    flavor = sys.modules[__name__]
    return Model.log(artifact_path=name, flavor=flavor, results=results, **options)


@entry
def load_model(model_uri: str, dst_path: str | None = None) -> AnyResults:
    """Load a fit that was logged or saved.

    Parameters
    ----------
    model_uri : str
        As MLflow writes it: ``"runs:/<id>/model"``, ``"models:/name/1"``, or a folder.
    dst_path : str, optional
        Where to put what is downloaded.

    Returns
    -------
    results of its model
        Without its data, as `fastglm.load` gives it.

    Raises
    ------
    MissingPackageError
        If MLflow is not installed.
    """
    _require_mlflow()
    from mlflow.tracking.artifact_utils import _download_artifact_from_uri

    return load(Path(_download_artifact_from_uri(model_uri, output_path=dst_path)) / FILE)


class _Served:
    """What ``mlflow.pyfunc`` calls."""

    def __init__(self, results: Any):
        self.results = results

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> Vector | Matrix:
        """Means of the rows, or what ``params={"which": ...}`` asks for."""
        return self.results.predict(data, **({} if params is None else params))

    def get_raw_model(self) -> AnyResults:
        """The fit."""
        return self.results


def _load_pyfunc(path: str) -> _Served:
    place = Path(path)
    return _Served(load(place / FILE if place.is_dir() else place))


def _environment(folder: Path) -> str:
    """A file that says which Python serves the model."""
    from mlflow.utils.environment import _PythonEnv

    _PythonEnv.current().to_yaml(str(folder / "python_env.yaml"))
    return "python_env.yaml"


def _signature(results: Any) -> Any:
    """Columns of the formula, with the offsets and exposures that were columns, and the means."""
    from mlflow.models import infer_signature

    frame, used = results._frame, results._columns_in_use()
    if frame is None or not used:
        return None
    top = to_pandas(take_rows_of(frame, np.arange(1)))
    top = top[[name for name in used if name in top]]
    # Levels are text to whoever serves a model.
    return infer_signature(top.astype({c: str for c in top if str(top[c].dtype) == "category"}))
