"""The kernels' table: what its slots take."""

import gc
import inspect
import re
import weakref

import numpy as np
import pytest

from fastglm.kernels.blocks import table as fields
from fastglm.kernels.blocks.table import address_of
from fastglm.kernels.passes.predict import predict_stage
from fastglm.passes.kernel_table import KernelTable, empty_table


@pytest.fixture
def table():
    return empty_table().copy()


@pytest.mark.parametrize(
    ("slot", "array"),
    [
        (fields.BETA, np.zeros(4, np.float32)),
        (fields.BETA, np.zeros(4)[::2]),
        (fields.BETA, np.asfortranarray(np.zeros((2, 2)))),
        (fields.GROUP, np.zeros(4, np.int32)),
        (fields.FACTOR, np.zeros((2, 2), np.int64)),
        (fields.SPARSE_INDEX, np.zeros(4, np.int64)),
    ],
)
def test_arrays_that_a_kernel_would_misread_are_refused(table, slot, array):
    with pytest.raises(TypeError, match=f"slot {slot} "):
        table.point(slot, array)


def test_numbers_and_functions_keep_to_their_slots(table):
    with pytest.raises(TypeError, match="holds an address"):
        table.set(fields.BETA, 1)
    with pytest.raises(TypeError, match="holds an address"):
        table.set(fields.PREDICT, 1)
    with pytest.raises(TypeError, match="holds no function"):
        table.call(fields.MODE, predict_stage)
    with pytest.raises(KeyError):
        table.point(fields.MODE, np.zeros(1))
    with pytest.raises(TypeError):
        table[fields.MODE] = 1


def test_slots_have_the_types_in_the_comments_of_the_kernels():
    # "BETA,  # float64 (n_stored,)"; a line without an element type is of numbers or functions.
    lines = re.findall(r"^    ([A-Z_0-9]+),(?:  # (.*))?$", inspect.getsource(fields), re.MULTILINE)
    kinds = {getattr(fields, n): text.split()[0].strip(":") for n, text in lines if text}
    types = {s: k for s, k in kinds.items() if k.startswith(("float", "int", "uint"))}
    for slot, kind in types.items():
        assert KernelTable.array_slots[slot][0] == np.dtype(kind)
    # Of counts, the comment on COUNT_BYTES says the types.
    assert set(KernelTable.array_slots) - set(types) == {fields.REPLICATE_COUNT}
    assert not set(KernelTable.array_slots) & KernelTable.function_slots


def test_arrays_live_as_long_as_a_table_points_to_them(table):
    values = np.arange(3.0)
    table.point(fields.BETA, values)
    assert table[fields.BETA] == address_of(values)
    copy, alive = table.copy(), weakref.ref(values)
    table.point(fields.BETA, None)
    del values
    gc.collect()
    assert table[fields.BETA] == 0
    assert alive() is not None
    copy.point(fields.BETA, np.zeros(3))
    gc.collect()
    assert alive() is None


def test_a_copy_is_written_apart(table):
    copy = table.copy()
    copy.mode = 3
    copy.set(fields.N_CHUNKS, 7)
    assert (table.mode, table[fields.N_CHUNKS]) == (0, 0)
    assert copy.mode == 3
