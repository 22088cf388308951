"""A sweep described by plain values, for a process with other addresses."""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np

from fastglm.families import Family, Gaussian
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.sweep import sweep_kernel
from fastglm.passes.kernel_table import KernelTable, empty_table
from fastglm.passes.row_table import RowTable

__all__ = ["SweepRequest", "describe_sweep", "numbers_read"]

#: Slots of numbers, not addresses, that are the same for all rows.
_VALUES = (
    fields.BLOCK_STEP,
    fields.BLOCK_LENGTH,
    fields.CHUNK_STEP,
    fields.MODE,
    fields.N_DENSE,
    fields.N_INDICATORS,
    fields.N_STORED,
    fields.N_ELIMINATED,
    fields.SPARSE_OFFSET,
    fields.CONSTANT,
    fields.N_DESIGN,
    fields.N_KEPT,
)
_FUNCTIONS = (fields.FORWARD_ROWS, fields.INVERSE_ROWS, fields.START_ROWS, fields.RESPOND_ROWS)


class SweepRequest(NamedTuple):
    """A sweep that any process with the family can run.

    Attributes
    ----------
    size : int
        Of the sums of a grain.
    values : dict of int to int
        By field of the kernels' table.
    arrays : dict of int to ndarray
        That addresses of the table point to.
    functions : dict of int to (bool, bool)
        Row blocks by field: whether it is the model's family's, not the normal distribution's, and
        whether it is the one for responses of 0 and 1.
    """

    size: int
    values: dict[int, int]
    arrays: dict[int, np.ndarray]
    functions: dict[int, tuple[bool, bool]]

    def table(self, family: Family) -> KernelTable:
        """The kernels' table, valid as long as the request lives."""
        table = empty_table().copy()
        for field, value in self.values.items():
            table.set(field, value)
        for field, array in self.arrays.items():
            table.point(field, array)
        for field, (is_own, binary) in self.functions.items():
            table.call(field, _row_block(field, family if is_own else Gaussian(), binary))
        return table


def describe_sweep(
    kernel: RowBlock, table: KernelTable, row_table: RowTable, family: Family, size: int
) -> SweepRequest | None:
    """The request equivalent to the table of a sweep; None if there is none.

    Parameters
    ----------
    kernel, table, size
        As for `fastglm.passes.windows.grain_sums`.
    row_table
        Of some of the rows.
    family
        The model's.
    """
    functions = {field: _find_function(field, table[field], family) for field in _FUNCTIONS}
    known = {field: found for field, found in functions.items() if found is not None}
    if kernel is not sweep_kernel or len(known) < len(functions):
        return None
    arrays = numbers_read(table, row_table)
    return SweepRequest(size, {field: table[field] for field in _VALUES}, arrays, known)


def numbers_read(table: KernelTable, row_table: RowTable) -> dict[int, np.ndarray]:
    """Copies of the arrays that a sweep reads beside its rows, by field."""
    sizes = {
        fields.BETA: row_table.n_stored,
        fields.SHIFT: row_table.n_dense,
        fields.SCALE: row_table.n_dense,
        fields.PARAMETERS: 3,
    }
    return {f: np.frombuffer(ctypes.string_at(table[f], 8 * n)).copy() for f, n in sizes.items()}


def _row_block(field: int, family: Family, binary: bool) -> RowBlock:
    if field == fields.FORWARD_ROWS:
        return family.link.forward_rows
    if field == fields.INVERSE_ROWS:
        return family.link.inverse_rows
    if field == fields.START_ROWS:
        return family.start_rows
    return family.respond_rows_for(binary)


def _find_function(field: int, address: int, family: Family) -> tuple[bool, bool] | None:
    """Whose row block an address is."""
    for is_own, binary in ((True, True), (True, False), (False, False)):
        if _row_block(field, family if is_own else Gaussian(), binary).address == address:
            return is_own, binary
    return None
