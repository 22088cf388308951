"""What new rows need to know of a fit with one design."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from fastglm.design.formula.fitted_formula import FittedFormula
    from fastglm.families import Family
    from fastglm.families.links import Link

__all__ = ["OneDesign"]


class OneDesign:
    """Mixin of the records of fits with one linear predictor."""

    #: Whether an exposure can be given: a link other than the logarithm refuses it.
    takes_exposure: ClassVar[bool] = True
    names_of_designs: ClassVar[tuple[str, ...]] = ("X",)

    family: Family
    names: tuple[str, ...]
    fitted_formula: FittedFormula | None

    @property
    def fitted_formulas(self) -> tuple[FittedFormula | None, ...]:
        """That of the one design."""
        return (self.fitted_formula,)

    @property
    def n_columns(self) -> tuple[int, ...]:
        """Columns of the one design."""
        return (len(self.names),)

    @property
    def link_of_offset(self) -> Link:
        """On whose scale an offset is."""
        return self.family.link
