"""Fits whose rows are swept by the workers of a Dask cluster: the bits of fits without."""

import os
import signal
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import fastglm as fg
from fastglm.errors import MissingPackageError, MissingValueError, ModelError
from fastglm.passes.windows import Window
from fastglm.rows import cluster, workers

distributed = pytest.importorskip("distributed")

N = 100_001
#: So little that windows have one grain, but enough to keep all.
MEMORY = "24MB"
FORMULA = "claims ~ bs(x, df=4) + g + z:g"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(3)
    x, g = rng.normal(size=N), rng.choice(["north", "east", "south"], N)
    claims = rng.poisson(np.exp(-0.5 + 0.3 * x + 0.3 * (g == "east")))
    table = pa.table(
        {"x": x, "z": rng.random(N), "g": g, "claims": claims, "any": claims > 0, "w": 1 + (x > 0)}
    )
    path = tmp_path_factory.mktemp("dask") / "rows.parquet"
    pq.write_table(table, path, row_group_size=9_000)
    return path


def start(n_workers):
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0"
    )


@pytest.fixture(scope="module")
def client():
    with start(2) as local, distributed.Client(local) as client:
        yield client


def bits(results):
    numbers = [results.params, results.bse, results.cov_params(), results.deviance, results.llf]
    return [np.asarray(value, dtype=np.float64).tobytes() for value in numbers]


MODELS = {
    "poisson": (FORMULA, {"family": "poisson", "memory": MEMORY}),
    "binary": ("any ~ x + g", {"family": "binomial", "freq_weights": "w", "memory": MEMORY}),
    "gaussian": ("x ~ g", {"memory": "4MB"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_same_bits_by_two_workers(client, path, name):
    formula, options = MODELS[name]
    whole = fg.glm(formula, path, **options)
    swept = fg.glm(formula, path, client=client, **options)
    assert bits(swept) == bits(whole)
    assert swept.n_passes == whole.n_passes
    # Passes after the fit find all rows here.
    robust, expected = (results.with_covariance("HC0").bse for results in (swept, whole))
    assert np.asarray(robust).tobytes() == np.asarray(expected).tobytes()
    # They have let go of what they kept.
    assert set(client.run(lambda: workers._kept.n_bytes).values()) == {0}


def test_workers_sweep_and_keep_rows(client, path, monkeypatch):
    kept, swept = [], []
    submit = client.submit
    monkeypatch.setattr(client, "submit", lambda f, *a, **k: swept.append(f) or submit(f, *a, **k))

    def progress(n, deviance):
        kept.append(sum(client.run(lambda: workers._kept.n_bytes).values()))

    results = fg.glm(FORMULA, path, "poisson", memory=MEMORY, client=client, progress=progress)
    assert len(swept) == 6 * results.n_passes
    assert min(kept) > 8 * N


def test_the_same_bits_when_a_worker_is_killed(client, path, tmp_path, monkeypatch):
    mark, submit, tasks = tmp_path / "killed", client.submit, []

    def submit_a_killer(function, *arguments, **options):
        def kill_once(*arguments):
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        tasks.append(function)
        # A task in the midst of the second pass.
        chosen = kill_once if len(tasks) == 9 else function
        return submit(chosen, *arguments, **options)

    whole = fg.glm(FORMULA, path, "poisson", memory=MEMORY)
    monkeypatch.setattr(client, "submit", submit_a_killer)
    swept = fg.glm(FORMULA, path, "poisson", memory=MEMORY, client=client)
    assert mark.exists()
    assert bits(swept) == bits(whole)


def test_errors_of_rows_are_those_without_workers(client, tmp_path):
    x = np.linspace(0.0, 1.0, 20_000)
    y = x**2
    x[15_000] = np.nan
    file = tmp_path / "gaps.parquet"
    pq.write_table(pa.table({"x": x, "y": y}), file, row_group_size=8192)
    with pytest.raises(MissingValueError, match="'x'") as alone:
        fg.glm("y ~ x", file)
    with pytest.raises(MissingValueError) as by_workers:
        fg.glm("y ~ x", file, client=client)
    assert str(by_workers.value) == str(alone.value)


def test_a_checkpoint_goes_on_without_workers(client, path, tmp_path):
    target, whole = tmp_path / "fit.ckpt", fg.glm(FORMULA, path, "poisson", memory=MEMORY)

    def stop(n, deviance):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fg.glm(
            FORMULA, path, "poisson", memory=MEMORY, client=client, checkpoint=target, progress=stop
        )
    assert target.exists()
    assert bits(fg.glm(FORMULA, path, "poisson", memory=MEMORY, checkpoint=target)) == bits(whole)


def test_one_worker_and_then_none(path, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 0.5)
    monkeypatch.setattr(cluster, "LOOK", 0.2)
    with start(1) as local, distributed.Client(local) as client:
        assert bits(fg.glm("any ~ x", path, "binomial", client=client)) == bits(
            fg.glm("any ~ x", path, "binomial")
        )
        with pytest.raises(ModelError, match=r"lost its workers .*none for"):
            fg.glm("any ~ x", path, "binomial", client=client, progress=lambda *_: local.scale(0))


def test_a_task_that_ends_its_workers(path, monkeypatch):
    def end(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    with start(1) as local, distributed.Client(local) as client:
        local.scheduler.allowed_failures = 0
        submit = client.submit
        monkeypatch.setattr(client, "submit", lambda f, *a, **k: submit(end, *a, **k))
        with pytest.raises(ModelError, match=r"lost its workers .*a task ended.*checkpoint="):
            fg.glm("any ~ x", path, "binomial", client=client)


def test_parts_have_no_gaps():
    assert cluster._parts([(0, 2), (2, 4), (6, 7), (7, 9)], 1) == [
        [(0, 2), (2, 4)],
        [(6, 7), (7, 9)],
    ]
    shares = [(k, k + 1) for k in range(10)]
    assert cluster._parts(shares, 3) == [shares[:3], shares[3:6], shares[6:]]
    assert len(cluster._parts(shares, 50)) == 10


def test_what_is_kept_has_a_limit():
    kept, reads = workers._Kept(), []

    def windows(token, k):
        def read():
            reads.append((token, k))
            yield Window(k, 1, None, 10)

        job = workers.Job(token, b"", 1, None, 25)
        assert [window.first for window in kept.windows(job, k, k + 1, read)] == [k]
        assert kept.n_bytes <= 25

    for k in (0, 1, 2, 0, 1, 2):
        windows("a", k)
    # A pass goes round: what there is room for stays.
    assert reads == [("a", 0), ("a", 1), ("a", 2), ("a", 2)]
    windows("a", 0)
    windows("b", 7)
    reads.clear()
    for token, k in (("b", 7), ("a", 0), ("a", 1)):
        windows(token, k)
    # Another job's take the place of those not used for longest.
    assert reads == [("a", 1)]
    kept.forget("a")
    kept.forget("b")
    assert kept.n_bytes == 0


def test_without_dask(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingPackageError, match=r"distributed; pip install 'fastglm\[dask\]'"):
        fg.glm("claims ~ x", path, client=object())


def test_what_is_no_client_or_no_source_is_refused(client, path):
    with pytest.raises(ModelError, match=r"client must be a dask.distributed.Client .* not str"):
        fg.glm("claims ~ x", path, client="tcp://localhost:8786")
    with pytest.raises(ModelError, match="write them to Parquet files"):
        fg.glm("y ~ x", {"x": [0.0, 1.0, 2.0], "y": [1.0, 2.0, 4.0]}, client=client)


def test_a_source_that_cannot_be_sent_is_refused(client):
    import threading

    lock = threading.Lock()
    table = pa.table({"x": np.arange(9.0), "y": np.arange(9.0) ** 2})

    def batches():
        with lock:
            return iter([table])

    with pytest.raises(ModelError, match=r"cannot be sent to workers .*Parquet"):
        fg.glm("y ~ x", batches, client=client)
