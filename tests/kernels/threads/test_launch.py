import ctypes
import threading
from types import SimpleNamespace

import numba
import numpy as np
import pytest

from fastglm.kernels.threads.threads import launch

N_CHUNKS = 9
#: Seconds after which a thread is no longer waited for.
PATIENCE = 20.0

several = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread")


def run(work, n_threads, n_chunks=N_CHUNKS):
    """Launches ``work(chunk)`` as if it were a kernel."""

    def kernel(table, chunk):
        work(chunk)
        return 0

    function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(kernel)
    address = ctypes.cast(function, ctypes.c_void_p).value
    launch(SimpleNamespace(address=address), np.zeros(1, dtype=np.int64), n_chunks, n_threads)


@pytest.mark.parametrize("n_threads", [1, pytest.param(2, marks=several)])
@pytest.mark.parametrize("n_chunks", [1, 2, 3, 50])
def test_each_chunk_is_run_once(n_threads, n_chunks):
    done = []
    run(done.append, n_threads, n_chunks)
    assert sorted(done) == list(range(n_chunks))


@several
@pytest.mark.parametrize("held", [0, N_CHUNKS - 1])
def test_a_thread_that_is_held_up_holds_up_its_own_chunk_alone(held):
    others, done = threading.Event(), []

    def work(chunk):
        if chunk == held:
            done.append(("waited for the others", others.wait(PATIENCE)))
            return
        done.append(chunk)
        if len([d for d in done if isinstance(d, int)]) == N_CHUNKS - 1:
            others.set()

    run(work, 2)
    assert ("waited for the others", True) in done
    assert len(done) == N_CHUNKS
