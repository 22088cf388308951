"""Any number of threads, processes and callers: the same bits, no abort, no hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import fastglm as fg
from fastglm.passes.chunks import count_chunks

N = 40_000


def simulated(n: int = N) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 7))])
    return rng.poisson(np.exp(0.3 * X[:, 1] + 0.1 * X[:, 2])), X


def dense_c() -> fg.GLM:
    y, X = simulated()
    return fg.GLM(y, X, family="poisson")


def dense_f() -> fg.GLM:
    y, X = simulated()
    return fg.GLM(y, np.asfortranarray(X), family="poisson")


def categorical() -> fg.GLM:
    y, X = simulated()
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"y": y, "a": X[:, 1], "b": X[:, 2]})
    frame["g"] = rng.integers(0, 30, N).astype(str)
    frame["h"] = pd.Categorical(rng.integers(0, 5, N))
    return fg.GLM.from_formula("y ~ a * h + b + g", frame, family="poisson")


def sparse() -> fg.GLM:
    y, _ = simulated()
    X = scipy.sparse.random(N, 40, density=0.05, format="csr", random_state=7)
    return fg.GLM(y, scipy.sparse.hstack([np.ones((N, 1)), X], format="csr"), family="poisson")


def many_rows() -> fg.GLM:
    """Enough values for a sample of the rows to go first."""
    y, X = simulated(300_000)
    return fg.GLM(y, X, family="poisson")


def every_bit(fit: fg.Results) -> bytes:
    arrays = [fit.params, fit.cov_params(), fit.fittedvalues, fit.get_influence().hat_matrix_diag]
    numbers = [fit.deviance, fit.pearson_chi2, fit.llf, fit.null_deviance, fit.n_sweeps]
    return b"".join(np.asarray(value).tobytes() for value in [*arrays, *numbers])


@pytest.mark.parametrize("make", [dense_c, dense_f, categorical, sparse, many_rows])
def test_bits_do_not_depend_on_threads_or_runs(make: Any) -> None:
    model = make()
    assert count_chunks(model.row_table) >= 3
    alone = every_bit(model.fit(n_threads=1))
    for n_threads in (2, 3, None, 1, 2):
        assert every_bit(model.fit(n_threads=n_threads)) == alone
    assert every_bit(make().fit(n_threads=2)) == alone


# -- other processes, under every threading layer that can be loaded ------------------------------

LAYERS = {"omp": "omppool", "tbb": "tbbpool", "workqueue": "workqueue"}
# The wheel of tbb puts its libraries where no loader looks unless it is told to.
LIBRARIES = os.pathsep.join(
    [str(Path(sys.prefix) / "lib"), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
)
ENVIRONMENT = os.environ | {"LD_LIBRARY_PATH": LIBRARIES}


def loads(module: str) -> bool:
    """Whether a process that is told of the wheel's libraries can load a layer of numba."""
    command = [sys.executable, "-c", f"import numba.np.ufunc.{module}"]
    return (
        subprocess.run(command, env=ENVIRONMENT, capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(
    params=[
        pytest.param(
            layer,
            marks=pytest.mark.skipif(not loads(module), reason=f"numba has no {layer} layer here"),
        )
        for layer, module in LAYERS.items()
    ]
)
def layer(request: pytest.FixtureRequest) -> str:
    return request.param


COMMON = """
import multiprocessing, os, signal, sys, threading, time, traceback
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import numba
import numpy as np
import fastglm as fg

def model(n=40_000):
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(n), rng.normal(size=(n, 7))])
    return fg.GLM(rng.poisson(np.exp(0.3 * X[:, 1])), X, family="poisson")

def fit(n_threads=3):
    result = model().fit(n_threads=n_threads)
    return result.params.tobytes() + result.cov_params().tobytes()

def in_fork(task):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            task()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

def same_bits():
    assert fit() == expected
"""


def run(
    body: str, tmp_path: Path, layer: str, expected: str = "fit(n_threads=1)", **environment: str
) -> None:
    script = tmp_path / "script.py"
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    script.write_text(
        f"{COMMON}\nif __name__ == '__main__':\n    expected = {expected}\n{lines}"
        f"    print('reached the end')\n"
    )
    settings = {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "4"} | environment
    done = subprocess.run(
        [sys.executable, str(script)],
        env=ENVIRONMENT | settings,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "reached the end" in done.stdout


THREADS = """
barrier = threading.Barrier(8)
def work(k):
    barrier.wait()
    return {fit(n_threads=1 + k % 3) for _ in range(5)}
with ThreadPoolExecutor(8) as pool:
    assert set.union(*pool.map(work, range(8))) == {expected}
assert numba.threading_layer() == os.environ["NUMBA_THREADING_LAYER"]
"""

FORK = """
if first == "sweeps":
    fit()
elif first == "a small fit":
    model(50).fit()
in_fork(same_bits)
in_fork(lambda: in_fork(same_bits))
same_bits()
"""

FORK_AMID_FITS = """
stop = threading.Event()
def work():
    while not stop.is_set():
        same_bits()
workers = [threading.Thread(target=work) for _ in range(3)]
for worker in workers:
    worker.start()
try:
    for _ in range(5):
        in_fork(same_bits)
finally:
    stop.set()
for worker in workers:
    worker.join()
same_bits()
"""

FORK_AMID_COMPILING = """
def inverse(link):
    return getattr(fg.families.links, link)().inverse(np.ones(1))
worker = threading.Thread(target=inverse, args=["Log"])
worker.start()
time.sleep(0.3)
assert worker.is_alive()
in_fork(lambda: inverse("Logit"))
worker.join()
"""

PROCESSES = """
same_bits()
context = multiprocessing.get_context(method)
with context.Pool(2) as pool:
    assert set(pool.map(fit, [1, 3, None, 2])) == {expected}
with ProcessPoolExecutor(2, mp_context=context) as pool:
    assert set(pool.map(fit, [1, 3, None, 2])) == {expected}
"""

JOBLIB = """
from joblib import Parallel, delayed
same_bits()
for backend in ("loky", "threading", "loky"):
    found = Parallel(n_jobs=2, backend=backend)(delayed(fit)(k) for k in (1, 3, None, 2))
    assert set(found) == {expected}
"""

INTERRUPTS = """
from fastglm.kernels.threads import threads
big, reached = model(400_000), 0
signal.signal(signal.SIGALRM, signal.default_int_handler)
bits = big.fit(n_threads=3).params.tobytes()
before = numba.get_num_threads()
for k in range(60):
    inside = True
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002 + 0.001 * k)
        try:
            big.fit(n_threads=3)
            inside = False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        # The signal may come between the end of a fit and the end of the timer.
        reached += inside
assert reached >= 3, reached
assert numba.get_num_threads() == before
assert not threads._pool.lock.locked()
assert big.fit(n_threads=3).params.tobytes() == bits
"""

BUSY = """
def ticks():
    used = {}
    for task in os.listdir("/proc/self/task"):
        fields = open(f"/proc/self/task/{task}/stat").read().rsplit(")", 1)[1].split()
        used[task] = int(fields[11]) + int(fields[12])
    return used
big = model(400_000)
tasks = set(ticks())
big.fit(n_threads=1)
assert set(ticks()) == tasks
big.fit(n_threads=2)
assert len(ticks()) <= len(tasks) + 4
before, end = ticks(), time.monotonic() + 1
while time.monotonic() < end:
    big.fit(n_threads=2)
busy = {task for task, used in ticks().items() if used - before.get(task, 0) >= 5}
# The caller works too, unless the layer lets it wait for others.
helpers = 2 if numba.threading_layer() == "workqueue" else 1
assert 1 <= len(busy - {str(os.getpid())}) <= helpers, busy
assert numba.get_num_threads() == 4
"""

CHILD_THREADS = """
def children():
    return len(os.listdir("/proc/self/task"))
def child():
    before = children()
    model().fit()
    assert children() == before
process = multiprocessing.get_context("fork").Process(target=child)
process.start()
process.join()
assert process.exitcode == 0
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc here")


def test_eight_threads_at_once(tmp_path: Path, layer: str) -> None:
    run(THREADS, tmp_path, layer)


@needs_fork
@pytest.mark.parametrize("first", ["nothing", "a small fit", "sweeps"])
def test_fork_after(first: str, tmp_path: Path, layer: str) -> None:
    run(f"first = {first!r}\n{FORK.strip()}", tmp_path, layer)


@needs_fork
def test_fork_while_others_fit(tmp_path: Path, layer: str) -> None:
    run(FORK_AMID_FITS, tmp_path, layer)


@needs_fork
def test_fork_while_another_thread_compiles(tmp_path: Path) -> None:
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    run(FORK_AMID_COMPILING, tmp_path, "workqueue", expected="None", **cache)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_and_futures(method: str, tmp_path: Path, layer: str) -> None:
    run(f"method = {method!r}\n{PROCESSES.strip()}", tmp_path, layer)


def test_joblib(tmp_path: Path, layer: str) -> None:
    pytest.importorskip("joblib")
    run(JOBLIB, tmp_path, layer)


def test_dask_worker(tmp_path: Path, layer: str) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    run(
        "from distributed import Client\n"
        "for processes in (True, False):\n"
        "    with Client(n_workers=2, processes=processes, dashboard_address=None) as client:\n"
        "        assert set(client.gather(client.map(fit, [1, 3, None, 2]))) == {expected}",
        tmp_path,
        layer,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no interval timer on this system")
def test_interrupts_leave_a_model_usable(tmp_path: Path, layer: str) -> None:
    run(INTERRUPTS, tmp_path, layer)


@needs_proc
def test_no_more_threads_work_than_requested(tmp_path: Path, layer: str) -> None:
    run(BUSY, tmp_path, layer)


@needs_fork
@needs_proc
def test_children_of_multiprocessing_start_no_threads(tmp_path: Path, layer: str) -> None:
    run(CHILD_THREADS, tmp_path, layer)


# -- one process ----------------------------------------------------------------------------------


def test_progress_that_raises_leaves_the_model_usable() -> None:
    model = dense_c()
    expected = every_bit(model.fit())

    def interrupt(n_sweeps: int, deviance: float) -> None:
        if n_sweeps == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(progress=interrupt)
    assert every_bit(model.fit()) == expected


def test_read_only_memory_maps(tmp_path: Path) -> None:
    y, X = simulated()
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    mapped = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "yX"]
    fit = fg.GLM(*mapped, family="poisson").fit(n_threads=2)
    assert every_bit(fit) == every_bit(dense_c().fit(n_threads=2))
