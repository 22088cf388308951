"""Numbers as JSON has them: NaN is null, infinities are text, floats read back exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["float_from_json", "plain_json"]


def plain_json(value: Any) -> Any:
    """A number, or nested lists of numbers, as plain JSON types."""
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None if np.isnan(value) else str(value)
    return value


def float_from_json(value: Any) -> Any:
    """The number that `plain_json` wrote."""
    if value is None:
        return np.nan
    return float(value) if value in ("inf", "-inf") else value
