"""What the mixins of `fastglm.Results` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from fastglm.results import Results

__all__ = ["Asking"]


class Asking:
    """Base of the mixins."""

    @property
    def _fit(self) -> Results:
        return cast("Results", self)
