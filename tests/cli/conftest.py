import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from cli_cases import ROWS

from fastglm.cli import commands as cli
from fastglm.data.writing import write_table


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(11)
    x, years = rng.normal(size=ROWS), rng.uniform(0.2, 2, ROWS)
    region = rng.choice(["north", "south", "west"], ROWS)
    return pd.DataFrame(
        {
            "claims": rng.poisson(years * np.exp(0.3 * x - 0.2)),
            "x": x,
            "region": region,
            "years": years,
            "log_years": np.log(years),
            "count": rng.integers(1, 4, ROWS),
            "weight": rng.uniform(0.5, 2, ROWS),
            "unused": "text",
        }
    )


@pytest.fixture
def folder(frame, tmp_path, monkeypatch):
    """A folder to work in, with the frame as a file of each kind."""
    for ending in ("csv", "parquet", "feather"):
        write_table(pa.Table.from_pandas(frame), tmp_path / f"data.{ending}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command as a shell would: exit code, standard output and standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["fastglm", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return stopped.value.code, captured.out, captured.err

    return run
