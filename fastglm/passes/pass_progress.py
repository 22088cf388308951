"""Progress of a pass over the rows of a source, and what takes its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["PassSoFar"]

_DOING = {"decode": "decoding", "columns": "making columns", "sweep": "sums"}


class PassSoFar(NamedTuple):
    """Progress of a pass.

    Attributes
    ----------
    number : int
        From 1 on.
    done, n_rows : int
        Rows so far, and all.
    elapsed : float
        Seconds since it began.
    spent : mapping of str to float
        Seconds of all threads in it, by kind of work.
    """

    number: int
    done: int
    n_rows: int
    elapsed: float
    spent: Mapping[str, float]

    @property
    def rows_per_second(self) -> float:
        """Rows a second so far."""
        return self.done / max(self.elapsed, 1e-9)

    @property
    def limit(self) -> str | None:
        """What most of the time goes to: "decode", "columns" or "sweep"; None if not known."""
        most = max(self.spent, key=lambda name: self.spent[name])
        return most if self.spent[most] > 0.0 else None

    def text(self) -> str:
        """The progress in one line."""
        limit = "" if self.limit is None else f", limited by {_DOING[self.limit]}"
        return (
            f"pass {self.number}: {self.done:,} of {self.n_rows:,} rows, "
            f"{self.rows_per_second:,.0f} a second{limit}"
        )
