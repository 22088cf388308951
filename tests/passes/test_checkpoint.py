"""A streamed fit that is killed at any moment goes on to the same bits."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from limits import files_of_at_most

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.passes import checkpoint as module
from fastglm.passes.source import without

N = 70_000
FORMULA = "claims ~ x + g"


def make_table(seed=0):
    rng = np.random.default_rng(seed)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    claims = rng.poisson(np.exp(0.2 * x + (g == "b")))
    return pa.table({"x": x, "g": g, "claims": claims})


@pytest.fixture
def path(tmp_path):
    pq.write_table(make_table(), tmp_path / "rows.parquet", row_group_size=9_000)
    return tmp_path / "rows.parquet"


SCRIPT = """
import os, signal, sys
import fastglm as fg
from fastglm.passes import checkpoint, windows
checkpoint.SECONDS = 0.0
path, target, kill_pass, kill_share = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
passes, parts = 0, 0
whole = windows.Sweeper.sweep
def sweep(self, *rest):
    global parts
    found = whole(self, *rest)
    parts += 1
    if kill_share and parts == kill_share:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
windows.Sweeper.sweep = sweep
def progress(n, deviance):
    global passes
    passes = n
    if n == kill_pass:
        os.kill(os.getpid(), signal.SIGKILL)
res = fg.glm("claims ~ x + g", path, "poisson", memory="4MB", n_threads=int(sys.argv[5]),
             checkpoint=target, progress=progress)
print(res.estimates.tobytes().hex(), res.standard_errors.tobytes().hex(), res.n_passes, parts)
"""


def run(path, target, kill_pass=0, kill_share=0, threads=1):
    arguments = [str(value) for value in (path, target, kill_pass, kill_share, threads)]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), *arguments],
        env=os.environ | {"PYTHONPATH": str(Path(fg.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_at_any_moment_it_goes_on_to_the_same_bits(path, tmp_path):
    target = tmp_path / "fit.ckpt"
    wanted = run(path, tmp_path / "whole.ckpt").stdout.split()
    assert not (tmp_path / "whole.ckpt").exists()
    passes, all_parts = int(wanted[2]), int(wanted[3])
    assert passes >= 2
    # Inside the first pass, at its end, inside the next, and at the end of each that follows.
    for place in ("share 3", "pass 1", "share 2", *(f"pass {k}" for k in range(2, passes + 1))):
        kind, _, number = place.partition(" ")
        killed = run(path, target, **{f"kill_{kind}": int(number)})
        assert killed.returncode == -signal.SIGKILL, place
        assert target.exists()
    done = run(path, target, threads=2)
    found = done.stdout.split()
    assert found[:3] == wanted[:3], done.stderr
    # Nothing was left to sweep.
    assert int(found[3]) < all_parts / passes
    assert not target.exists()


def stopped(path, target, **options):
    """A fit that is stopped after its first pass."""

    def progress(n, deviance):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fg.glm(FORMULA, path, "poisson", checkpoint=target, progress=progress, **options)
    assert target.exists()


def test_another_file_under_the_same_name_is_refused(path, tmp_path):
    target = tmp_path / "fit.ckpt"
    stopped(path, target)
    pq.write_table(make_table(seed=1), path, row_group_size=9_000)
    with pytest.raises(DataError, match="is of another fit, of another source: remove it"):
        fg.glm(FORMULA, path, "poisson", checkpoint=target)


def test_another_fit_is_refused(path, tmp_path):
    target = tmp_path / "fit.ckpt"
    stopped(path, target)
    for formula, options, what in (
        ("claims ~ x", {"family": "poisson"}, "formula"),
        (FORMULA, {"family": "gaussian"}, "family"),
        (FORMULA, {"family": "poisson", "missing": "drop"}, "missing"),
        (FORMULA, {"family": "poisson", "var_weights": "x"}, "columns"),
    ):
        with pytest.raises(DataError, match=rf"of another .*{what}|must not be negative"):
            fg.glm(formula, path, checkpoint=target, **options)
    with pytest.raises(DataError, match="of other options, or of other rows"):
        fg.glm(FORMULA, path, "poisson", checkpoint=target, start_params=[0.1, 0.2, 0.3, 0.1])


def test_rows_that_a_stream_gives_differently_are_refused(tmp_path):
    target = tmp_path / "fit.ckpt"
    tables = [make_table()]

    def rows():
        return iter(tables[0].to_batches(max_chunksize=10_000))

    stopped(fg.scan(rows), target)
    tables[0] = make_table(seed=1)
    with pytest.raises(DataError, match="of other options, or of other rows"):
        fg.glm(FORMULA, fg.scan(rows), "poisson", checkpoint=target)


@pytest.mark.parametrize("content", [b"", b"PK nothing", b"0" * 1000])
def test_what_is_no_checkpoint_is_refused(content, path, tmp_path):
    target = tmp_path / "fit.ckpt"
    target.write_bytes(content)
    with pytest.raises(DataError, match="is no checkpoint"):
        fg.glm(FORMULA, path, "poisson", checkpoint=target)


def test_a_checkpoint_cut_short_is_refused(path, tmp_path):
    target = tmp_path / "fit.ckpt"
    stopped(path, target)
    whole = target.read_bytes()
    target.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="is no checkpoint"):
        fg.glm(FORMULA, path, "poisson", checkpoint=target)


def test_a_place_that_cannot_be_written(path, tmp_path):
    with pytest.raises(DataError, match="cannot write the checkpoint"):
        fg.glm(FORMULA, path, "poisson", checkpoint=tmp_path / "absent" / "fit.ckpt")
    table = make_table()
    with pytest.raises(ModelError, match="checkpoint is for rows"):
        fg.glm(FORMULA, table, "poisson", checkpoint=tmp_path / "fit.ckpt")


def test_a_full_disk_leaves_no_checkpoint(path, tmp_path):
    target = tmp_path / "there" / "fit.ckpt"
    target.parent.mkdir()
    with (
        files_of_at_most(100),
        pytest.raises(DataError, match=r"cannot write the check.*too"),
    ):
        fg.glm(FORMULA, path, "poisson", checkpoint=target)
    assert not list(target.parent.iterdir())


def test_a_file_that_changes_during_a_fit(path):
    def progress(n, deviance):
        os.utime(path, (n, n))

    with pytest.raises(DataError, match="has changed during the fit"):
        fg.glm(FORMULA, path, "poisson", memory="4MB", progress=progress)


def test_sums_are_written_after_a_while_only(path, tmp_path, monkeypatch):
    written = []
    write = module.Checkpoint._write
    monkeypatch.setattr(module.Checkpoint, "_write", lambda self: (written.append(1), write(self)))
    options = {"family": "poisson", "memory": "4MB", "n_threads": 1}
    passes = fg.glm(FORMULA, path, checkpoint=tmp_path / "a", **options).n_passes
    assert len(written) == passes
    monkeypatch.setattr(module, "SECONDS", 0.0)
    fg.glm(FORMULA, path, checkpoint=tmp_path / "b", **options)
    assert len(written) > 3 * passes


def test_ranges_without_others():
    assert without([(0, 10), (10, 20)], [(3, 5), (8, 12), (19, 20)]) == [
        (0, 3), (5, 8), (12, 19),
    ]  # fmt: skip
    assert without([(0, 4)], [(0, 4)]) == []
    assert without([(0, 4)], []) == [(0, 4)]
