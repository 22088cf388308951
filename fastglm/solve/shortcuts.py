"""The one place through which a fit takes its shortcuts, all disabled by `exact=True`.

A sample as a start, sweeps in single precision and corrections from some chunks all begin with
`Shortcuts.start`; the normal equations are trusted by `Shortcuts.may_use_cholesky`. Each has a
bound on the error of what is reported, checked while it runs, or is given up.
"""

from __future__ import annotations

from typing import NamedTuple

from fastglm.passes.eliminated_levels import EliminatedLevels, find_eliminated_levels
from fastglm.passes.row_table import RowTable
from fastglm.solve.aliases import ProvenAliases
from fastglm.solve.conditioning import may_use_cholesky
from fastglm.solve.newton.run import Run, SolverOptions
from fastglm.solve.starting.subsample import choose_start

__all__ = ["Shortcuts"]


class Shortcuts(NamedTuple):
    """Shortcuts that save passes over the rows.

    Attributes
    ----------
    allowed : bool
        False: every pass reads all rows in double precision, and the factor comes from a QR.
    """

    allowed: bool

    @classmethod
    def of(cls, options: SolverOptions) -> Shortcuts:
        """The shortcuts that the options of a fit allow."""
        return _NONE if options.exact else _ALL

    def eliminate(self, row_table: RowTable) -> EliminatedLevels | None:
        """The categorical whose levels are eliminated first; None for all columns in order."""
        return find_eliminated_levels(row_table) if self.allowed else None

    def start(self, run: Run, options: SolverOptions, aliases: ProvenAliases) -> bool | None:
        """Start from a sample, if `choose_start` finds one that pays, else from the response."""
        if self.allowed:
            return choose_start(run, options, aliases)
        run.start_from_response(None)
        return False

    def may_use_cholesky(self, run: Run) -> bool:
        """Whether the factor of the Gram matrix is as accurate as needed, so that no QR follows."""
        return self.allowed and may_use_cholesky(run.inflation)


_ALL, _NONE = Shortcuts(True), Shortcuts(False)
