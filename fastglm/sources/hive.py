"""Columns that names of folders give, as in ``year=2024/region=north/part-0.parquet``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

__all__ = ["HiveColumns"]


class HiveColumns:
    """Values that folders named ``column=value`` give to all rows of a file, as Hive writes them.

    Parameters
    ----------
    paths : list of Path
        Files whose rows follow each other.
    file_format : str
        "parquet" or "ipc".
    stored : sequence of str
        Columns of the files, which go before folders of the same name.
    """

    def __init__(self, paths: Sequence[Path], file_format: str, stored: Sequence[str]) -> None:
        self.names: tuple[str, ...] = ()
        self._values: dict[Path, dict[str, Any]] = {}
        if not any("=" in part for path in paths for part in path.parent.parts):
            return
        from pyarrow import dataset

        found = dataset.dataset(
            [str(path) for path in paths], format=file_format, partitioning="hive"
        )
        for fragment in found.get_fragments():
            keys = dataset.get_partition_keys(fragment.partition_expression)
            self._values[Path(fragment.path)] = keys
        used = {name for keys in self._values.values() for name in keys}
        self.names = tuple(n for n in found.schema.names if n in used and n not in stored)
        self._types = {name: found.schema.field(name).type for name in self.names}

    def append_to(self, piece: pyarrow.Table, path: Path) -> pyarrow.Table:
        """Some rows of a file with the columns of its folders; text as a dictionary of one."""
        import pyarrow

        for name in self.names:
            value = pyarrow.scalar(self._values[path].get(name), self._types[name])
            column = pyarrow.repeat(value, piece.num_rows)
            if pyarrow.types.is_string(value.type):
                column = column.dictionary_encode()
            piece = piece.append_column(name, column)
        return piece
