"""A process killed while rows are learned, swept, or asked after the fit: nothing is lost."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import fastglm as fg
from fastglm.passes import checkpoint
from fastglm.sources.files import ParquetFiles
from fastglm.streamed import StreamedGLM

N = 60_000


def work(folder, name, reached):
    """Fit, robust covariance and predictions; `reached` is told the stage at each piece of rows."""
    path, target, stage = folder / "rows.parquet", folder / f"{name}.ckpt", ["learning"]
    read = ParquetFiles.read

    def counted(self, *rest):
        for piece in read(self, *rest):
            reached(stage[0])
            yield piece

    with mock.patch.object(ParquetFiles, "read", counted):
        model = StreamedGLM("claims ~ x + g", path, "poisson", memory="3MB")
        stage[0] = "fit"
        res = model.fit(checkpoint=target, n_threads=1)
        stage[0] = "covariance"
        robust = res.with_covariance("HC1")
        stage[0] = "prediction"
        res.predict_to(folder / f"{name}.parquet", path, keep="g")
    return [v.tobytes() for v in (res.estimates, res.standard_errors, robust.standard_errors)]


def be_killed(folder, stage, at):
    """As `work`, up to a piece of a stage."""
    seen = Counter()

    def reached(where):
        seen[where] += 1
        if where == stage and seen[where] == at:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.SECONDS = 0.0
    work(folder, "killed", reached)


def test_killed_in_every_stage_the_end_is_the_same(tmp_path):
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    claims = rng.poisson(np.exp(0.2 * x + (g == "b")))
    table = pa.table({"x": x, "g": g, "claims": claims})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=9_000)
    pieces = Counter()
    wanted = work(tmp_path, "whole", lambda stage: pieces.update([stage]))
    assert min(pieces.values()) >= 3
    target, scored = tmp_path / "killed.ckpt", tmp_path / "killed.parquet"
    # Passes of the fit one by one: tests/passes/test_checkpoint.py.
    for stage in ("learning", "fit", "covariance", "prediction"):
        killed = subprocess.run(
            [sys.executable, __file__, str(tmp_path), stage, str(pieces[stage] * 2 // 3)],
            env=os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, (stage, killed.stdout, killed.stderr)
        # The fit goes on from its checkpoint, and removes it at its end.
        assert target.exists() == (stage == "fit")
        assert not scored.exists()
    assert work(tmp_path, "killed", lambda stage: None) == wanted
    assert scored.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert not target.exists()


if __name__ == "__main__":
    be_killed(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
