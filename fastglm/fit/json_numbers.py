"""Numbers as JSON has them: NaN is null, infinities are text, floats read back exactly.

Matrices are base64 text of little-endian float64, triangles row by row.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from fastglm.arguments import checked_path
from fastglm.data.whole_files import whole_file
from fastglm.errors import DataError

__all__ = [
    "FORMAT",
    "digest",
    "float_from_json",
    "json_numbers",
    "pack",
    "pack_triangle",
    "require_kinds",
    "unpack",
    "unpack_triangle",
    "write_json",
]

#: Version of the format of saved fits; a file of a later one is refused.
FORMAT = 2

_KIND_NAMES = {
    float: "a number", int: "a whole number", bool: "true or false", str: "text", dict: "a table",
}  # fmt: skip


def json_numbers(value: Any) -> Any:
    """A number, or nested lists of numbers, as plain JSON types."""
    if isinstance(value, list):
        return [json_numbers(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def float_from_json(value: Any) -> Any:
    """The number that `json_numbers` wrote."""
    if value is None:
        return np.nan
    return float(value) if value in ("inf", "-inf") else value


def pack(values: np.ndarray) -> str:
    """Numbers as text."""
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")


def unpack(text: str, size: int) -> np.ndarray:
    """The `size` numbers that `pack` wrote.

    Raises
    ------
    DataError
        If that is not what the text holds.
    """
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raw = b""
    if len(raw) != 8 * size:
        raise DataError(f"a matrix of the saved model does not hold {size} numbers.")
    return np.frombuffer(raw, dtype="<f8").astype(np.float64)


def pack_triangle(matrix: np.ndarray) -> str:
    """The lower triangle of a square matrix as text."""
    return pack(matrix[np.tril_indices(matrix.shape[0])])


def unpack_triangle(text: str, p: int, symmetric: bool) -> np.ndarray:
    """The (p, p) matrix whose lower triangle `pack_triangle` wrote; zero above, or symmetric."""
    matrix = np.zeros((p, p))
    matrix[np.tril_indices(p)] = unpack(text, p * (p + 1) // 2)
    return np.where(np.tri(p, dtype=bool), matrix, matrix.T) if symmetric else matrix


def digest(saved: Mapping[str, Any]) -> str:
    """SHA-256 of what is saved, whatever the order of names and the spaces between them."""
    text = json.dumps(saved, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def require_kinds(saved: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raise `DataError` for a value that is not of its kind: float, int, bool, str or dict.

    A float may be null, "inf" or "-inf".
    """
    for name, kind in kinds.items():
        value = saved[name]
        if kind is float:
            right = value is None or value in ("inf", "-inf") or type(value) in (int, float)
        else:
            right = type(value) is kind
        if not right:
            raise DataError(f"{name!r} of the saved model is not {_KIND_NAMES[kind]}.")


def write_json(described: Mapping[str, Any], path: str | Path) -> None:
    """Write a fit to `path`, atomically, with the version of the format and a digest."""
    saved = json.loads(json.dumps({"fastglm": FORMAT} | dict(described)))
    saved["digest"] = digest(saved)
    target = checked_path("path", path)
    with whole_file(target, str(path)) as partial:
        partial.write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")
