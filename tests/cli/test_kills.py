"""A fit of the command line that is killed in each of its passes, and goes on: the same numbers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastglm as fg
from fastglm.cli import commands
from fastglm.passes import checkpoint

N = 60_000
MODEL = ("claims ~ x + g", "-f", "poisson", "--memory", "3MB", "--threads", "1", "--json")
#: Ranges of rows of a pass after which the process ends.
RANGES = 3


def be_killed(number, *arguments):
    """Runs the command up to the midst of a pass."""
    add, checkpoint.SECONDS = checkpoint.Checkpoint.add, 0.0

    def add_and_end(self, *sums):
        add(self, *sums)
        if self._asked == int(number) - 1 and len(self.done) >= RANGES:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.Checkpoint.add = add_and_end
    sys.argv = ["fastglm", *arguments]
    commands.main()


def test_killed_in_every_pass_it_goes_on_to_the_same_numbers(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    claims = rng.poisson(np.exp(0.2 * x + (g == "b")))
    table = pa.table({"x": x, "g": g, "claims": claims})
    pq.write_table(table, "rows.parquet", row_group_size=9_000)
    kept = ("--checkpoint", "fit.ckpt")
    code, wanted, err = run("fit", "rows.parquet", *MODEL)
    assert code == 0, err
    n_passes = fg.glm(MODEL[0], "rows.parquet", "poisson", memory="3MB").n_passes
    for number in range(1, n_passes + 1):
        resume = () if number == 1 else ("--resume",)
        killed = subprocess.run(
            [sys.executable, __file__, str(number), "fit", "rows.parquet", *MODEL, *kept, *resume],
            env=os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, (number, killed.stdout, killed.stderr)
        assert [path.name for path in tmp_path.iterdir() if "ckpt" in path.name] == ["fit.ckpt"]
    # Neither another model nor other rows under the same name go on from it.
    code, _, err = run("fit", "rows.parquet", "claims ~ x", *MODEL[1:], *kept, "--resume")
    assert code == 2
    assert "fit.ckpt is of another fit, of another formula" in err
    code, found, err = run("fit", "rows.parquet", *MODEL, *kept, "--resume")
    assert code == 0, err
    assert found == wanted
    assert not Path("fit.ckpt").exists()


if __name__ == "__main__":
    be_killed(*sys.argv[1:])
