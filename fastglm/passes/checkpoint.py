"""Sums of passes kept in a file, so that a fit that was stopped can be resumed.

A fit depends on its rows only by the sums of its passes. Started again, it requests the same sums,
and those in the file need no pass. A checkpoint therefore holds sums, not the state of the solver,
and a resumed fit has the same bits as one that was never stopped.
"""

from __future__ import annotations

import hashlib
import io
import json
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastglm.data.whole_files import whole_file
from fastglm.errors import DataError
from fastglm.passes.grains import TreeSum

__all__ = ["Checkpoint"]

#: Format that the file names.
FORMAT = 1
#: Seconds between two writes inside a pass.
SECONDS = 60.0


class Checkpoint:
    """The sums of the passes of one fit, in a file.

    Parameters
    ----------
    path : str or Path
        Where it is, or will be.
    fit : mapping
        Identity of the fit, of plain JSON types: formula, options, fingerprint of the source.

    Raises
    ------
    DataError
        If the file is of another fit, or cannot be read.
    """

    def __init__(self, path: str | Path, fit: Mapping[str, Any]) -> None:
        self.path, self._fit = Path(path), json.loads(json.dumps(fit))
        self._questions: list[str] = []
        self._totals: list[np.ndarray] = []
        self._asked = 0
        self._question, self._tree = "", TreeSum()
        self._done: list[tuple[int, int]] = []
        self._written = time.monotonic()
        if self.path.exists():
            self._read()

    def answer(self, question: bytes) -> np.ndarray | None:
        """The sums of the next pass, (m,), if they are known.

        Parameters
        ----------
        question : bytes
            All that the sums depend on beside the rows.

        Raises
        ------
        DataError
            If another question was asked when the file was written.
        """
        digest = hashlib.sha256(question).hexdigest()
        is_answered = self._asked < len(self._questions)
        known = self._questions[self._asked] if is_answered else self._question
        if known and known != digest:
            raise DataError(
                f"{self.path} is of a fit of other options, or of other rows: remove it, or choose "
                "another name."
            )
        if not is_answered:
            self._question = digest
            return None
        self._asked += 1
        return self._totals[self._asked - 1]

    @property
    def tree(self) -> TreeSum:
        """Sums of the grains of this pass that are known."""
        return self._tree

    @property
    def done(self) -> list[tuple[int, int]]:
        """Ranges of these grains."""
        return list(self._done)

    def add(self, tree: TreeSum, first: int, last: int) -> None:
        """Add the sums of some more grains; writes the file after a while."""
        self._tree.merge(tree)
        self._done.append((first, last))
        if time.monotonic() - self._written >= SECONDS:
            self._write()

    def complete(self, total: np.ndarray) -> None:
        """Store the sums of all rows, and write the file."""
        self._questions.append(self._question)
        self._totals.append(total.copy())
        self._asked += 1
        self._question, self._tree, self._done = "", TreeSum(), []
        self._write()

    def remove(self) -> None:
        """Remove the file of a finished fit."""
        self.path.unlink(missing_ok=True)

    def _write(self) -> None:
        nodes = list(self._tree.nodes())
        head = {
            "format": FORMAT,
            "fit": self._fit,
            "questions": self._questions,
            "question": self._question,
            "done": self._done,
            "nodes": [(level, number) for level, number, _ in nodes],
        }
        arrays: dict[str, Any] = {"head": np.frombuffer(json.dumps(head).encode(), dtype=np.uint8)}
        arrays |= {f"total {k}": total for k, total in enumerate(self._totals)}
        arrays |= {f"node {k}": value for k, (_, _, value) in enumerate(nodes)}
        content = io.BytesIO()
        np.savez(content, **arrays)
        with whole_file(self.path, f"the checkpoint {self.path}") as partial:
            partial.write_bytes(content.getbuffer())
        self._written = time.monotonic()

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                head = json.loads(arrays["head"].tobytes())
                if head["format"] != FORMAT:
                    raise ValueError
                totals = [arrays[f"total {k}"] for k in range(len(head["questions"]))]
                values = [arrays[f"node {k}"] for k in range(len(head["nodes"]))]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self.path} is no checkpoint that this version of fastglm can read: remove it, "
                "or choose another name."
            ) from error
        if head["fit"] != self._fit:
            differs = [k for k in self._fit if head["fit"].get(k) != self._fit[k]]
            raise DataError(
                f"{self.path} is of another fit, of another {' and '.join(differs)}: remove it, or "
                "choose another name."
            )
        self._questions, self._totals = head["questions"], totals
        self._question = head["question"]
        self._done = [(first, last) for first, last in head["done"]]
        for (level, number), value in zip(head["nodes"], values, strict=True):
            self._tree.add_node(level, number, value)
