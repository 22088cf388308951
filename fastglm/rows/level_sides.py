"""Counts of responses by level and side, which show levels that are separated.

A side is an end of the response's range that an infinite linear predictor reaches: -1 and 1, or 0
for a response at neither end (`fastglm.families.open_ends.sides`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod

import numpy as np

from fastglm.design.formula.grammar import Term
from fastglm.design.frames.categories import Categories, Level

__all__ = ["NO_SIDE", "LevelSides", "only_side"]

#: Side of a row that does not count, as its weight is 0.
NO_SIDE = 2
#: Largest number of combinations of levels that are counted.
MOST_CELLS = 2**18


class LevelSides:
    """Counts of rows by level, or combination of levels, and side.

    Parameters
    ----------
    terms : iterable of Term
        Terms of the formula. Counts are by each categorical factor, and by each term of categorical
        factors alone.
    levelled : iterable of str
        Texts of the categorical factors.
    """

    def __init__(self, terms: Iterable[Term], levelled: Iterable[str]) -> None:
        known = set(levelled)
        whole = (tuple(sorted(f.text for f in term.factors)) for term in terms)
        wanted = [(text,) for text in sorted(known)] + [t for t in whole if known.issuperset(t)]
        self._places: dict[str, dict[Level, int]] = {text: {} for text in known}
        self._counts = {
            texts: np.zeros((0,) * len(texts) + (3,), dtype=np.int64)
            for texts in dict.fromkeys(wanted)
            if texts
        }

    def add(self, values: Mapping[str, Categories], side: np.ndarray) -> None:
        """Adds n rows to the counts.

        Parameters
        ----------
        values : mapping of str to Categories
            Values of every categorical factor, by its text.
        side : ndarray of int8, shape (n,)
            Sides by `fastglm.families.open_ends.sides`; NO_SIDE for rows that do not count.
        """
        codes = {text: self._numbers(text, values[text]) for text in self._places}
        counted = side != NO_SIDE
        if not counted.all():
            side = side[counted]
            codes = {text: own[counted] for text, own in codes.items()}
        which = np.where(side < 0, 2, side)
        for texts in list(self._counts):
            shape = tuple(len(self._places[text]) for text in texts)
            if prod(shape) > MOST_CELLS:
                del self._counts[texts]
                continue
            cell = np.zeros(1, dtype=np.int64)
            for text, size in zip(texts, shape, strict=True):
                cell = cell * size + codes[text]
            found = np.bincount(cell * 3 + which, minlength=3 * prod(shape)).reshape(*shape, 3)
            old = self._counts[texts]
            found[tuple(slice(0, size) for size in old.shape)] += old
            self._counts[texts] = found

    def _numbers(self, text: str, value: Categories) -> np.ndarray:
        """Level numbers of some rows, (n,), in the order of first occurrence in the stream."""
        place = self._places[text]
        table = np.array([place.setdefault(level, len(place)) for level in value.levels], np.int64)
        return table[value.codes]

    def of(
        self, texts: tuple[str, ...], levels: Mapping[str, tuple[Level, ...]]
    ) -> np.ndarray | None:
        """Counts of rows by combination of levels.

        Parameters
        ----------
        texts : tuple of str
            Texts of the factors; the last one varies fastest.
        levels : mapping of str to tuple
            Levels of each factor, in order.

        Returns
        -------
        ndarray of int, shape (number of combinations, 3), or None
            Rows on sides 0, 1 and -1; None if these factors were not counted.
        """
        ordered = tuple(sorted(texts))
        counts = self._counts.get(ordered)
        if counts is None:
            return None
        counts = counts.transpose(*(ordered.index(text) for text in texts), len(texts))
        # Levels that do not occur have number -1: the zeros added at the end.
        counts = np.pad(counts, [(0, 1)] * len(texts) + [(0, 0)])
        own = [[self._places[text].get(level, -1) for level in levels[text]] for text in texts]
        return counts[np.ix_(*own, range(3))].reshape(-1, 3)


def only_side(counts: np.ndarray) -> np.ndarray:
    """The side on which all responses of a level lie, -1 or 1, for each of k levels; else 0.

    Parameters
    ----------
    counts : ndarray, shape (k, 3)
        Numbers of rows on sides 0, 1 and -1, or whether there are any.
    """
    seen = counts.astype(bool)
    one = ~seen[:, 0] & (seen[:, 1] != seen[:, 2])
    return one * np.where(seen[:, 1], 1, -1).astype(np.int8)
