"""One line on standard error where kernels compile for more than a second."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

__all__ = ["CompilationNotice", "notice"]

#: Seconds of compiling, of all kernels together, after which the notice is written.
PATIENCE = 1.0
TEXT = "fastglm: compiling kernels, once per installation; `fastglm warmup` does it beforehand\n"


class CompilationNotice:
    """Writes once per process that kernels are being compiled, when that takes long.

    A plain line and no warning: nothing is wrong, and a process that turns warnings into errors
    must not stop. The environment variable FASTGLM_QUIET, set to anything, silences it, and so does
    `silenced`. Compilers of several threads take turns; what they take is added up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._begin = self._spent = 0.0
        self._n_silent = 0
        self._is_done = False

    def begin(self) -> None:
        """A kernel begins to be compiled."""
        with self._lock:
            self._stop()
            if self._is_done or self._n_silent or os.environ.get("FASTGLM_QUIET"):
                return
            self._begin = perf_counter()
            self._timer = threading.Timer(max(PATIENCE - self._spent, 0.0), self._say)
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """It has been compiled."""
        with self._lock:
            self._stop()

    @contextmanager
    def silenced(self) -> Iterator[None]:
        """No notice within: somebody else reports what is compiled."""
        with self._lock:
            self._n_silent += 1
        try:
            yield
        finally:
            with self._lock:
                self._n_silent -= 1

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._spent += perf_counter() - self._begin

    def _say(self) -> None:
        with self._lock:
            if self._is_done or self._timer is None:
                return
            self._is_done = True
        # There is none in a process without a console.
        if sys.stderr is not None:
            sys.stderr.write(TEXT)
            sys.stderr.flush()


notice = CompilationNotice()
