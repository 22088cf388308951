"""Output to standard error at a terminal: progress, times, warnings and error messages."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from fastglm.fit.progress import Line, standard_error

__all__ = ["Watch", "as_options", "plain_warnings", "say"]

_ARGUMENT = re.compile(r'\b(missing|unseen|separation|bias_reduction)="(\w+)"')


def say(text: str) -> None:
    """Print one line on standard error, without interpreting rich's markup in it."""
    standard_error().print(" ".join(text.split()), markup=False)


def as_options(advice: str) -> str:
    """Advice in terms of the command line: ``missing="drop"`` is ``--missing drop``."""
    return _ARGUMENT.sub(lambda found: f"--{found[1].replace('_', '-')} {found[2]}", advice)


class Watch(Line):
    """A progress line that also times the stages of a fit."""

    def __init__(self, task: str, is_kept: bool = False):
        super().__init__(task, is_kept)
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, task: str) -> Iterator[None]:
        """Time a stage under `name`, the bar showing `task`."""
        self.update(task)
        begin = perf_counter()
        yield
        self.seconds[name] = perf_counter() - begin

    def picture(self, done: int, total: int) -> None:
        """Show the progress of a report; called by `Results.report` after each picture."""
        self.update("drawing the report", done, total)


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Print warnings as one line each on standard error, without file name and line of code."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.showwarning = lambda message, *_, **__: say(as_options(f"warning: {message}"))
        yield
