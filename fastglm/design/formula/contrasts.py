"""Contrasts: how the levels of a categorical become design columns.

The matrices and their labels are formulaic's, so that coefficients are called what formulaic
calls them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import scipy

from fastglm.design.frames.frames import Categories, Level
from fastglm.errors import FormulaError

__all__ = ["CONTRASTS", "Coding", "Contrast"]

#: Codings of so many levels are kept.
FEW_LEVELS = 64

# The spellings of R, of formulaic and of patsy, by the name of formulaic's class.
CONTRASTS = {
    "contr.treatment": "TreatmentContrasts",
    "contr.SAS": "SASContrasts",
    "contr.sum": "SumContrasts",
    "contr.helmert": "HelmertContrasts",
    "contr.poly": "PolyContrasts",
    "contr.diff": "DiffContrasts",
    "Treatment": "TreatmentContrasts",
    "Sum": "SumContrasts",
    "Helmert": "HelmertContrasts",
    "Poly": "PolyContrasts",
    "Diff": "DiffContrasts",
}


@dataclass(frozen=True)
class Contrast:
    """A kind of contrast and its options, as written in a formula.

    Parameters
    ----------
    name : str
        A key of `CONTRASTS`.
    arguments : tuple
        Positional arguments, such as the base level.
    options : tuple of (str, value)
        Keyword arguments.
    """

    name: str = "contr.treatment"
    arguments: tuple[Any, ...] = ()
    options: tuple[tuple[str, Any], ...] = ()

    def columns(
        self, levels: tuple[Level, ...], reduced: bool, factor: str
    ) -> tuple[scipy.sparse.csc_array, list[str]]:
        """Coding matrix and column names.

        Parameters
        ----------
        levels : tuple
            The levels in order.
        reduced : bool
            Whether to leave out the direction of the intercept.
        factor : str
            The name of the categorical, for the column names and messages.

        Returns
        -------
        matrix : csc_array, shape (len(levels), k)
            Not to be changed: it may be given again.
        names : list of k str

        Raises
        ------
        FormulaError
            If the options do not fit the levels, such as a base that is not one of them.
        """
        if len(levels) == 1 and reduced:
            return scipy.sparse.csc_array((1, 0)), []
        if len(levels) <= FEW_LEVELS:
            # 1, 1.0 and True are one key, but three labels.
            given = *levels, *self.arguments, *[value for _, value in self.options]
            kinds = tuple([type(value) for value in given])
            try:
                return _made_before(self, levels, reduced, factor, kinds)
            except TypeError:
                # An option is a list or an array.
                pass
        return self._make(levels, reduced, factor)

    def _make(
        self, levels: tuple[Level, ...], reduced: bool, factor: str
    ) -> tuple[scipy.sparse.csc_array, list[str]]:
        """See `columns`."""
        try:
            coding = self._formulaic()
            matrix = coding.get_coding_matrix(list(levels), reduced_rank=reduced, sparse=True)
            labels = coding.get_coding_column_names(list(levels), reduced_rank=reduced)
        except (TypeError, ValueError) as error:
            raise FormulaError(f"Contrasts of '{factor}': {error}") from error
        pattern = coding.get_factor_format(list(levels), reduced_rank=reduced)
        names = [pattern.format(name=factor, field=label) for label in labels]
        return scipy.sparse.csc_array(matrix), names

    def _formulaic(self) -> Any:
        from formulaic.transforms import contrasts

        options = dict(self.options)
        if self.name == "Treatment" and "reference" in options:
            options["base"] = options.pop("reference")
        return getattr(contrasts, CONTRASTS[self.name])(*self.arguments, **options)


@lru_cache(maxsize=256)
def _made_before(
    contrast: Contrast,
    levels: tuple[Level, ...],
    reduced: bool,
    factor: str,
    kinds: tuple[type, ...],
) -> tuple[scipy.sparse.csc_array, list[str]]:
    """Of few levels, whose coding takes longer to make than a small fit."""
    return contrast._make(levels, reduced, factor)


@dataclass(frozen=True, eq=False)
class Coding:
    """A categorical with the contrasts it is to be coded by, the value of ``C(...)``.

    Parameters
    ----------
    categories : Categories
    contrast : Contrast
    levels : tuple or None
        The levels asked for in the formula; None takes those of `categories`.
    spans_intercept : bool
        Whether rank rules may drop one of its columns next to an intercept.
    """

    categories: Categories
    contrast: Contrast = Contrast()
    levels: tuple[Level, ...] | None = None
    spans_intercept: bool = True
