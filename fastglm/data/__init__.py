"""Data that come with the package."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from fastglm.data.files import read_table

if TYPE_CHECKING:
    import pandas

__all__ = ["load_flights"]

#: Minutes of delay from which a flight counts as late.
LATE = 30


def load_flights() -> pandas.DataFrame:
    """All flights that left New York City in 2013, for examples and tests.

    Returns
    -------
    pandas.DataFrame, 336,776 rows
        ``month`` (1 to 12), ``carrier`` and ``origin`` (categories), ``distance`` in miles,
        ``departure`` (scheduled time in hours after midnight), ``hour`` (its whole hour, a
        category) and ``late`` (1 if the flight arrived more than 30 minutes behind schedule, else
        0). The last three have missing values, for flights that were cancelled or diverted.

    Raises
    ------
    DataError
        If pyarrow is not installed.

    Notes
    -----
    Source: the R package nycflights13, CC0; see ``fastglm/data/README.md``.
    """
    with resources.as_file(resources.files(__name__) / "flights.parquet") as path:
        raw = read_table(path).to_pandas()
    # From the actual time a model could read the delay: no departure is scheduled after midnight.
    minutes = raw["dep_time"] // 100 * 60 + raw["dep_time"] % 100 - raw["dep_delay"]
    departure = minutes % (24 * 60) / 60
    frame = raw[["month", "carrier", "origin", "distance"]]
    return frame.assign(
        departure=departure,
        hour=np.floor(departure).astype("category").cat.rename_categories(int),
        late=raw["arr_delay"].gt(LATE).where(raw["arr_delay"].notna()).astype("float64"),
    )


def __dir__() -> list[str]:
    return list(__all__)
