"""Random terms, and all of one grouping factor together: the levels and columns of its effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fastglm.mixed.covariances import Structure, unit_of_effects

__all__ = ["Block", "Term", "predictors_of"]


@dataclass(frozen=True)
class Term:
    """One random term: some columns of a block and the structure of their covariance.

    Attributes
    ----------
    columns : tuple of str
    start : int
        Its first column in the block.
    structure : Structure
    predictor : int
        Which linear predictor has its effects.
    """

    columns: tuple[str, ...]
    start: int
    structure: Structure
    predictor: int = 0

    @property
    def stop(self) -> int:
        """One past its last column in the block."""
        return self.start + len(self.columns)


@dataclass(frozen=True, eq=False)
class Block:
    """All random terms of one grouping factor.

    Attributes
    ----------
    group : str
    levels : tuple
        The q levels.
    codes : ndarray, shape (n,), int64
        Of the rows; every level has one.
    columns : ndarray, shape (n, k)
        Multipliers of the effects of a level.
    terms : tuple of Term
    """

    group: str
    levels: tuple
    codes: np.ndarray
    columns: np.ndarray
    terms: tuple[Term, ...]

    @property
    def k(self) -> int:
        """Effects of a level."""
        return self.columns.shape[1]

    @property
    def q(self) -> int:
        """Number of levels."""
        return len(self.levels)

    @property
    def predictors(self) -> np.ndarray:
        """Which linear predictor each of the k columns belongs to."""
        return predictors_of(self.terms)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the k columns."""
        return tuple(name for term in self.terms for name in term.columns)

    @cached_property
    def units(self) -> np.ndarray:
        """Of the columns' effects, (k,): powers of two, 1 where values are not far from that."""
        best = np.array([unit_of_effects(column) for column in self.columns.T])
        parts = [t.structure.column_units(best[t.start : t.stop]) for t in self.terms]
        return np.concatenate(parts)

    def in_own_units(self) -> Block:
        """The block with columns whose values are about one."""
        return replace(self, columns=self.columns * self.units)


def predictors_of(terms: Sequence[Term]) -> np.ndarray:
    """Which linear predictor each column of some terms belongs to, (k,)."""
    return np.repeat([t.predictor for t in terms], [len(t.columns) for t in terms])
