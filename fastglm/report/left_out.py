"""What a page cannot have of rows that do not fit into memory, and the sentence that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastglm.errors import MemoryLimitError
from fastglm.report.findings import Finding

__all__ = ["LeftOut"]


class LeftOut:
    """Names of the parts of a page that need more of the rows in memory than fits there.

    Parameters
    ----------
    fit : Fit
    """

    def __init__(self, fit: Any) -> None:
        self._fit, self.names = fit, list[str]()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Makes a part, or notes its name."""
        try:
            yield
        except MemoryLimitError:
            self.names.append(name)

    def findings(self) -> list[Finding]:
        """One that says what was left out and why; none if nothing was."""
        if not self.names:
            return []
        rows = self._fit.model.rows
        text = ", ".join(self.names)
        text = (
            f"{text[0].upper()}{text[1:]} need the {rows.n_rows:,} rows in memory, about "
            f"{rows.needed_memory / 1e6:,.1f} MB, for which memory= has no room; raise it, or "
            "report a fit of a sample of the rows."
        )
        return [Finding(False, "Left out of this page", text)]
