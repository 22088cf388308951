"""The kernels' table, written by slot and type: numbers, arrays of one element type, functions.

A kernel cannot check what a slot holds: an array of another element type, or with gaps, would give
wrong sums in silence. All writes therefore go through these methods, which check both and keep the
arrays alive. They cost a few tenths of a microsecond, at most once for each pass over the rows.
"""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np

from fastglm.families import Family, Link
from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.load import load_stage, widen_stage
from fastglm.kernels.blocks.row_buffers import BLOCK_ROWS
from fastglm.kernels.blocks.table import FLOAT32, SHIFTED, address_of
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.kernels.passes.gram import accumulate_stage
from fastglm.kernels.passes.predict import predict_stage
from fastglm.kernels.passes.quadratic import quadratic_stage
from fastglm.kernels.threads.launch import run_serial
from fastglm.kernels.threads.threads import launch

__all__ = ["KernelTable", "SlotTable", "empty_table"]

_FLOAT64, _FLOAT32, _INT64 = np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.int64)

_NO_ARRAYS: dict[int, np.ndarray] = {}


def _slots(names: str) -> tuple[int, ...]:
    return tuple(getattr(fields, name) for name in names.split())


#: Element types of the arrays whose addresses slots hold.
_ARRAY_SLOTS: dict[int, tuple[np.dtype, ...]] = {
    **dict.fromkeys(
        _slots(
            """SOURCES DENSE_START DENSE_FACTOR DESIGN_COLUMN_OF INDICATOR_START INDICATOR_SOURCE
            INDICATOR_STRIDE INDICATOR_OFFSET INDICATOR_FACTOR_START INDICATOR_FACTOR SPARSE_START
            COLUMN_MAP_START COLUMN_MAP_INDEX KEPT_COLUMN LEVEL_COLUMN WANTED GROUP REPLICATE_NUMBER
            POLYNOMIAL_LENGTH"""
        ),
        (_INT64,),
    ),
    **dict.fromkeys(
        _slots(
            """SPARSE_VALUE SHIFT SCALE PARAMETERS BETA PARTIALS COLUMN_MAP_VALUE STATE VECTORS GRAM
            TRIANGLE GRAM_WORK ELIMINATION OUTPUT MEAN_LEVERAGE ROW_FACTOR LINEAR_PREDICTORS
            STANDARD_ERRORS CRITICAL_VALUE REPLICATE_REST POLYNOMIAL_NODES POLYNOMIAL_POWERS
            POLYNOMIAL_LIMITS"""
        ),
        (_FLOAT64,),
    ),
    fields.SPARSE_INDEX: (np.dtype(np.int32),),
    fields.FACTOR: (_FLOAT64, _FLOAT32),
    fields.REPLICATE_COUNT: (np.dtype(np.uint8), _INT64, _FLOAT32),
    fields.REPLICATE_SEED: (np.dtype(np.uint64),),
    fields.REPLICATE_STEP: (_FLOAT32,),
    fields.THRESHOLDS: (np.dtype(np.uint32),),
    fields.POLYNOMIAL: (_FLOAT32,),
}
#: Slots that hold the address of a compiled function.
_FUNCTION_SLOTS = frozenset(
    _slots(
        """LOAD WIDEN PREDICT ACCUMULATE FORWARD_ROWS INVERSE_ROWS START_ROWS RESPOND_ROWS
        LOG_DENSITY_ROWS QUADRATIC"""
    )
)
#: Slots that depend on the rows; all others are the same for every window of rows.
_ROW_SLOTS = np.array(
    _slots(
        """N_ROWS N_BLOCKS MAX_ENTRIES SOURCES DENSE_START DENSE_FACTOR INDICATOR_START
        INDICATOR_SOURCE INDICATOR_STRIDE INDICATOR_OFFSET INDICATOR_FACTOR_START INDICATOR_FACTOR
        SPARSE_START SPARSE_INDEX SPARSE_VALUE RESPONSE_SOURCE WEIGHT_SOURCE OFFSET_SOURCE"""
    )
)


class SlotTable:
    """A table that kernels read; ``table[slot]`` reads a slot.

    Parameters
    ----------
    values : ndarray of int64
        All slots.
    arrays : dict of int to ndarray
        Arrays that slots point to; they live as long as the table.
    """

    __slots__ = ("_address", "_arrays", "values")

    #: Element types of the arrays that slots point to, and the slots that call a function.
    array_slots: ClassVar[dict[int, tuple[np.dtype, ...]]]
    function_slots: ClassVar[frozenset[int]]

    def __init__(self, values: np.ndarray, arrays: dict[int, np.ndarray] = _NO_ARRAYS):
        self.values = values
        self._address = 0
        #: Shared by copies of the table: `point` replaces it.
        self._arrays = arrays

    def __getitem__(self, slot: int) -> int:
        return int(self.values[slot])

    @property
    def address(self) -> int:
        """Address of the table."""
        if not self._address:
            self._address = address_of(self.values)
        return self._address

    def launch(self, kernel: RowBlock, n_chunks: int, n_threads: int) -> None:
        """Run a kernel on so many chunks (`fastglm.kernels.threads.threads.launch`)."""
        launch(kernel, self.values, n_chunks, n_threads)

    def run(self, kernel: RowBlock) -> None:
        """Run a kernel of a single task."""
        run_serial(kernel.address, self._address or self.address, 1)

    def set(self, slot: int, number: int) -> None:
        """Write a size, a flag or the number of a source."""
        if slot in self.array_slots or slot in self.function_slots:
            raise TypeError(f"slot {slot} of the kernels' table holds an address")
        self.values[slot] = number

    def point(self, slot: int, array: np.ndarray | None) -> None:
        """Point to an array, contiguous and of the slot's element type; None for address 0."""
        if array is None:
            self.values[slot] = 0
            self._arrays = {s: a for s, a in self._arrays.items() if s != slot}
            return
        if array.dtype not in self.array_slots[slot] or not array.flags.c_contiguous:
            raise TypeError(
                f"slot {slot} of the kernels' table takes contiguous arrays of "
                f"{self.array_slots[slot]}, not {array.dtype} with strides {array.strides}"
            )
        self.values[slot] = address_of(array)
        self._arrays = {**self._arrays, slot: array}

    def call(self, slot: int, function: RowBlock) -> None:
        """Set the compiled function that kernels call."""
        if slot not in self.function_slots:
            raise TypeError(f"slot {slot} of the kernels' table holds no function")
        self.values[slot] = function.address


class KernelTable(SlotTable):
    """Sizes, addresses and functions by slot (`fastglm.kernels.blocks.table`)."""

    __slots__ = ()

    array_slots = _ARRAY_SLOTS
    function_slots = _FUNCTION_SLOTS

    def copy(self) -> KernelTable:
        """A copy that points to the same arrays."""
        return KernelTable(self.values.copy(), self._arrays)

    def point_pieces(self, slots: np.ndarray, addresses: np.ndarray, n_chunks: int) -> None:
        """Point to pieces of one float64 array, which the caller keeps, one of them of chunks."""
        self.values[slots] = addresses
        self.values[fields.N_CHUNKS] = n_chunks

    def point_output(self, results: np.ndarray) -> None:
        """Where results go, float64 and contiguous, which the caller keeps."""
        self.values[fields.OUTPUT] = address_of(results)

    def take_rows(self, other: KernelTable) -> None:
        """Point to the rows of another table with the same layout of columns."""
        self.values[_ROW_SLOTS] = other.values[_ROW_SLOTS]

    @property
    def mode(self) -> int:
        """Sum of the modes of a sweep."""
        return int(self.values[fields.MODE])

    @mode.setter
    def mode(self, mode: int) -> None:
        self.values[fields.MODE] = mode

    def bind_scaling(self, address: int, n_dense: int, constant: int) -> None:
        """Shifts of the dense columns with the scales behind them, and the constant column."""
        values = self.values
        values[fields.SHIFT], values[fields.SCALE] = address, address + 8 * n_dense
        values[fields.CONSTANT] = constant

    def bind_moments(self, address: int, n_dense: int, shifted: bool) -> None:
        """Output of shifts and scales, and the sums of the columns behind them."""
        values, size = self.values, 8 * n_dense
        values[fields.SHIFT], values[fields.SCALE] = address, address + size
        values[fields.OUTPUT] = address + 2 * size
        values[fields.MODE] = SHIFTED if shifted else 0

    def bind_family(self, family: Family, binary: bool) -> None:
        """All that a sweep asks family and link for, in double precision.

        The start, which makes a linear predictor of the response, and what follows from linear
        predictors, of responses that are all 0 or 1 if `binary`.
        """
        values, link = self.values, family.link
        values[fields.FORWARD_ROWS] = link.forward_rows.address
        values[fields.START_ROWS] = family.functions.start_rows.address
        values[fields.INVERSE_ROWS] = link.inverse_rows.address
        values[fields.RESPOND_ROWS] = family.respond_rows_for(binary).address
        values[fields.MODE] = int(values[fields.MODE]) & ~FLOAT32

    def bind_link(self, link: Link, parameter: float = 0.0, dispersion: float = 1.0) -> None:
        """The inverse link, and the parameters of family and link."""
        self.point(fields.PARAMETERS, np.array([parameter, dispersion, link.parameter]))
        self.values[fields.INVERSE_ROWS] = link.inverse_rows.address

    def bind_respond(self, inverse: RowBlock, respond: RowBlock, mode: int) -> None:
        """The functions of linear predictors, for means and for weights and residuals; the mode."""
        values = self.values
        values[fields.INVERSE_ROWS] = inverse.address
        values[fields.RESPOND_ROWS] = respond.address
        values[fields.MODE] = mode

    def bind_float32(self, family: Family) -> None:
        """Single precision, without a deviance."""
        inverse, respond = family.link.inverse_rows, family.score_rows
        self.bind_respond(inverse.in_float32, respond.in_float32, self.mode | FLOAT32)

    def bind_partials(self, partials: np.ndarray) -> None:
        """Partial sums of each chunk, (n_chunks, ...)."""
        self.values[fields.N_CHUNKS] = len(partials)
        self.point(fields.PARTIALS, partials)

    def bind_output(self, wanted: np.ndarray, output: np.ndarray, n_chunks: int) -> None:
        """Buffers of a row to write, and the array for them or their sums."""
        self.values[fields.N_CHUNKS] = n_chunks
        self.values[fields.N_WANTED] = wanted.size
        self.point(fields.WANTED, wanted)
        self.point(fields.OUTPUT, output)

    def bind_groups(self, groups: np.ndarray | None, n_groups: int) -> None:
        """Number of the group of each row, (n,), and of all groups; None if rows have their own."""
        self.point(fields.GROUP, groups)
        self.values[fields.N_GROUPS] = n_groups

    def bind_factor(self, factor: np.ndarray) -> None:
        """The factor of a quadratic form of each row, (n_factor, n_stored)."""
        self.point(fields.FACTOR, factor)
        self.values[fields.N_FACTOR] = len(factor)
        self.values[fields.QUADRATIC] = quadratic_stage.address


@cache
def empty_table() -> KernelTable:
    """The table of an empty design."""
    table = KernelTable(np.zeros(fields.KERNEL_TABLE_SIZE, dtype=np.int64))
    table.set(fields.BLOCK_STEP, 1)
    table.set(fields.BLOCK_LENGTH, BLOCK_ROWS)
    table.set(fields.CHUNK_STEP, 1)
    for field in (
        fields.CONSTANT,
        fields.RESPONSE_SOURCE,
        fields.WEIGHT_SOURCE,
        fields.OFFSET_SOURCE,
    ):
        table.set(field, -1)
    table.call(fields.LOAD, load_stage)
    table.call(fields.WIDEN, widen_stage)
    table.call(fields.PREDICT, predict_stage)
    table.call(fields.ACCUMULATE, accumulate_stage)
    return table
