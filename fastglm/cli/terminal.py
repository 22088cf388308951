"""What a person at a terminal sees on standard error: progress, times, warnings, reasons."""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["Watch", "as_options", "console", "plain_warnings", "say"]

#: Seconds after which a bar appears.
PATIENCE = 1.0

_ARGUMENT = re.compile(r'\b(missing|unseen|separation|bias_reduction)="(\w+)"')


def console() -> Console:
    """Standard error as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line on standard error, in which nothing is markup."""
    console().print(" ".join(text.split()), markup=False)


def as_options(advice: str) -> str:
    """Advice in terms of the command line: ``missing="drop"`` is ``--missing drop``."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')} {found[2]}", advice)


class Watch:
    """A bar on standard error, once something takes over a second and a person is watching.

    Parameters
    ----------
    task : str
        What is being done.
    """

    def __init__(self, task: str):
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        watched = console()
        self._bar = Progress(
            *columns, console=watched, transient=True, disable=not watched.is_terminal
        )
        self._task = self._bar.add_task(task, total=None)
        self._timer = threading.Timer(PATIENCE, self._bar.start)
        self._timer.daemon = True
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, task: str) -> Iterator[None]:
        """Time a stage under `name`, the bar showing `task`."""
        self.update(task)
        begin = perf_counter()
        yield
        self.seconds[name] = perf_counter() - begin

    def update(self, task: str, done: int | None = None, total: int | None = None) -> None:
        """Change the text of the bar, and how much of it is full where that is known."""
        self._bar.update(self._task, description=task, completed=done, total=total)

    def sweep(self, n_sweeps: int, deviance: float) -> None:
        """Progress of a fit, as `GLM.fit` reports it."""
        self.update(f"fitting: sweep {n_sweeps}, deviance {deviance:.8g}")

    def picture(self, done: int, total: int) -> None:
        """Progress of a report, as `Results.report` reports it."""
        self.update("drawing the report", done, total)

    def __enter__(self) -> Watch:
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._bar.live.is_started:
            self._bar.stop()


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Warnings as one line each on standard error, without the line of code that gave them."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: say(as_options(f"warning: {message}"))
        yield
