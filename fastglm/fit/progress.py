"""A line on standard error that says how far a fit is."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from fastglm.passes.pass_progress import PassSoFar

if TYPE_CHECKING:
    from typing import Self

    from rich.console import Console

__all__ = ["PATIENCE", "Line", "shown", "standard_error"]

#: Seconds after which a line appears.
PATIENCE = 1.0
#: Of fits that tell nothing.
_NOTHING = nullcontext()


def standard_error() -> Console:
    """Standard error as it is now."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


class Line:
    """A bar on standard error, once something takes over a second and a person is watching.

    Parameters
    ----------
    task : str
        What is being done.
    is_kept : bool, default False
        Whether each pass leaves a line of its own, also where standard error is no terminal.
    """

    def __init__(self, task: str, is_kept: bool = False):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._console, self._is_kept = standard_error(), is_kept
        self._bar = Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(task, total=None)
        self._timer = threading.Timer(PATIENCE, self._bar.start)
        self._timer.daemon = True
        self._rows: PassSoFar | None = None

    def update(self, task: str, done: int | None = None, total: int | None = None) -> None:
        """Change the text of the bar, and how much of it is full where that is known."""
        self._bar.update(self._task, description=task, completed=done, total=total)

    def rows(self, so_far: PassSoFar) -> None:
        """How far a pass over rows that are read from a source is."""
        self._rows = so_far
        self.update(so_far.text(), so_far.done, so_far.n_rows)

    def sweep(self, n_sweeps: int, deviance: float) -> None:
        """After a sweep over the rows; see `fastglm.GLM.fit`."""
        text = f"sweep {n_sweeps}, deviance {deviance:.8g}"
        if self._rows is None:
            self.update(f"fitting: {text}")
        if self._is_kept:
            read = "" if self._rows is None else f"{self._rows.text()}: "
            self._console.print(f"{read}{text}", markup=False)

    __call__ = sweep

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.cancel()
        self._timer.join()
        if self._bar.live.is_started:
            self._bar.stop()


def shown(progress: Any, task: str) -> AbstractContextManager[Any]:
    """What a fit tells of its progress: a function as it is, and a line for True or "lines"."""
    if progress is None or progress is False:
        return _NOTHING
    if progress is True or (isinstance(progress, str) and progress == "lines"):
        return Line(task, progress is not True)
    return nullcontext(progress)
