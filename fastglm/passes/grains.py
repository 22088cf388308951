"""Sums of grains, which are rows cut by position, added as a binary tree.

A grain is a fixed number of consecutive rows, by their position among all rows. Each grain is
summed alone, then neighbouring pairs are added, then pairs of pairs, so that the result is the same
to the last bit for any batches, row groups, threads or machines.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["GRAIN_ROWS", "TreeSum", "count_grains"]

#: Rows of a grain, 32 blocks; divides the row groups that libraries write by default.
GRAIN_ROWS = 8_192


def count_grains(n_rows: int) -> int:
    """Number of grains of so many rows; the last may have fewer rows."""
    return -(-n_rows // GRAIN_ROWS)


class TreeSum:
    """Sums of the grains added so far: the nodes of the tree whose grains are complete.

    A node is named by its level and its number on that level; one of level 0 is a grain, and the
    children of node k are 2 k and 2 k + 1.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int], np.ndarray] = {}

    def add_grains(self, first: int, sums: np.ndarray) -> None:
        """Add consecutive grains from number `first` on, (k, m); each grain at most once."""
        done = 0
        while done < len(sums):
            start = first + done
            # The largest node that begins here and ends among these.
            level = (len(sums) - done).bit_length() - 1
            while start % (1 << level):
                level -= 1
            part = sums[done : done + (1 << level)]
            while len(part) > 1:
                part = part[::2] + part[1::2]
            self.add_node(level, start >> level, part[0].copy())
            done += 1 << level

    def add_node(self, level: int, number: int, value: np.ndarray) -> None:
        """Add a node, (m,), and the parents that it completes."""
        while (sibling := self._nodes.pop((level, number ^ 1), None)) is not None:
            value = sibling + value
            level, number = level + 1, number >> 1
        self._nodes[level, number] = value

    def nodes(self) -> Iterator[tuple[int, int, np.ndarray]]:
        """Level, number and value of each node, in no order, for `merge` of another sum."""
        for (level, number), value in self._nodes.items():
            yield level, number, value

    def merge(self, other: TreeSum) -> None:
        """Add the grains of another sum, which must all be new."""
        for level, number, value in other.nodes():
            self.add_node(level, number, value)

    def total(self, n_grains: int) -> np.ndarray:
        """Sum of all, (m,).

        Raises
        ------
        ValueError
            Unless they are the grains 0 to n_grains - 1.
        """
        found = sorted(self._nodes, key=lambda node: node[1] << node[0])
        end = 0
        for level, number in found:
            if number << level != end:
                raise ValueError(f"the sums of grain {end} are not there")
            end += 1 << level
        if end != n_grains or not found:
            raise ValueError(f"there are sums of {end} grains, not of {n_grains}")
        # The last nodes are the smallest.
        total = self._nodes[found[-1]]
        for node in reversed(found[:-1]):
            total = self._nodes[node] + total
        return total
