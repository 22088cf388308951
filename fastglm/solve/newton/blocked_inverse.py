"""The inverse information of a fit that has eliminated a categorical's levels, kept by blocks.

A matrix of all coefficients has the square of their number of entries. It is made when it is asked
for; variances are not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

__all__ = ["BlockedInverse", "OnDemand", "on_demand", "scaled_matrix", "variances_of"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class BlockedInverse:
    """A root F of an inverse F F': levels have an entry of their own and some in kept columns.

    Attributes
    ----------
    level_column : ndarray of int, shape (n_levels,)
        Which columns are levels.
    own : ndarray, shape (n_levels,)
        Their own entries: in their row and column.
    cross : ndarray, shape (n_levels, n_kept)
        Their entries in the kept columns.
    kept_column : ndarray of int, shape (n_kept,)
        Which columns are kept.
    root : ndarray, shape (n_kept, n_kept)
        Entries of the kept columns.
    """

    level_column: np.ndarray
    own: np.ndarray
    cross: np.ndarray
    kept_column: np.ndarray
    root: np.ndarray

    @property
    def _in_kept(self) -> np.ndarray:
        """Entries of all rows in the kept columns, (p, n_kept)."""
        entries = np.empty((self.own.size + self.kept_column.size, self.kept_column.size))
        entries[self.level_column], entries[self.kept_column] = self.cross, self.root
        return entries

    def factor(self) -> np.ndarray:
        """F, (p, p)."""
        factor = np.zeros((self.own.size + self.kept_column.size,) * 2)
        factor[:, self.kept_column] = self._in_kept
        factor[self.level_column, self.level_column] = self.own
        return factor

    def product(self) -> np.ndarray:
        """F F', (p, p)."""
        entries = self._in_kept
        product = entries @ entries.T
        product[self.level_column, self.level_column] += np.square(self.own)
        return product

    def variances(self) -> np.ndarray:
        """Diagonal of F F', (p,)."""
        entries = self._in_kept
        variances = np.einsum("ij,ij->i", entries, entries)
        variances[self.level_column] += np.square(self.own)
        return variances


@dataclass(frozen=True, eq=False)
class OnDemand:
    """A matrix, (p, p), that is made when it is asked for: F, or F F' times a dispersion.

    Attributes
    ----------
    blocks : BlockedInverse
    is_root : bool
        Whether it is F.
    dispersion : float
    unknown : ndarray of bool, shape (p,), or None
        Columns and rows that are NaN.
    """

    blocks: BlockedInverse
    is_root: bool
    dispersion: float = 1.0
    unknown: np.ndarray | None = None

    def without(self, unknown: np.ndarray) -> OnDemand:
        """The same with NaN in those columns and rows."""
        return replace(self, unknown=unknown)

    def matrix(self) -> np.ndarray:
        """All of it."""
        if self.is_root:
            return self.blocks.factor()
        product = self.blocks.product()
        if self.dispersion != 1.0:
            with np.errstate(over="ignore", invalid="ignore"):
                product *= self.dispersion
        if self.unknown is not None:
            product[self.unknown] = np.nan
            product[:, self.unknown] = np.nan
        return product

    def diagonal(self) -> np.ndarray:
        """Of F F' times the dispersion, (p,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            variances = self.blocks.variances() * self.dispersion
        if self.unknown is not None:
            variances[self.unknown] = np.nan
        return variances

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it, for NumPy."""
        return np.asarray(self.matrix(), dtype=dtype)


class _Field:
    """A field of a record that is an array from when it is first read on."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, record: Any, kind: type | None = None) -> Any:
        if record is None:
            raise AttributeError(self.name)
        try:
            value = record.__dict__[self.name]
        except KeyError:
            raise AttributeError(self.name) from None
        if isinstance(value, OnDemand):
            value = value.matrix()
            value.setflags(write=False)
            record.__dict__[self.name] = value
        return value

    def __set__(self, record: Any, value: Any) -> None:
        record.__dict__[self.name] = value


def on_demand(*names: str) -> Any:
    """Let fields of a dataclass be matrices that are made when they are first read."""

    def decorate(cls: type[T]) -> type[T]:
        for name in names:
            setattr(cls, name, _Field(name))
        return cls

    return decorate


def variances_of(record: Any, name: str) -> np.ndarray:
    """Diagonal of a field that may be a matrix on demand, without making it."""
    matrix = vars(record).get(name)
    if matrix is None:
        matrix = getattr(record, name)
    variances: np.ndarray = matrix.diagonal()
    return variances


def scaled_matrix(matrix: np.ndarray | OnDemand, dispersion: float) -> np.ndarray | OnDemand:
    """An inverse information times a dispersion, read-only."""
    if isinstance(matrix, OnDemand):
        return replace(matrix, dispersion=dispersion)
    with np.errstate(over="ignore", invalid="ignore"):
        # Where either is beyond 1e308, a variance is infinite.
        scaled = matrix * dispersion
    scaled.setflags(write=False)
    return scaled
