import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, settings

# On a busy machine inputs are slow to come, which says nothing of the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# On a busy machine kernels compile for more than a second; tests of that line ask for it.
os.environ["FASTGLM_QUIET"] = "1"

REFERENCE = Path(__file__).parent / "data" / "responses"


@pytest.fixture(scope="session")
def reference():
    """A case of the reference fits: its JSON, frame and design matrix."""

    def read(name):
        case = json.loads((REFERENCE / f"{name}.json").read_text())
        frame = pd.read_csv(REFERENCE / f"{name}.data.csv.gz")
        for column, levels in (case.get("factor_levels") or {}).items():
            names = [level[0] if isinstance(level, list) else level for level in levels]
            frame[column] = pd.Categorical(frame[column].astype(str), names, ordered=True)
        table = pd.read_csv(REFERENCE / f"{name}.design.csv.gz")
        columns = [column for column in table if column.startswith("x:")]
        return SimpleNamespace(
            formula=case["formula"],
            results=case["results"],
            frame=frame,
            table=table,
            X=table[columns].to_numpy(dtype=float),
            y=table["y"].to_numpy(),
        )

    return read


@pytest.fixture(scope="session")
def matrix():
    """The numbers of a matrix in a reference file."""
    return lambda block: np.array(block["data"], dtype=float)
