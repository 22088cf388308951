"""Row blocks over whole arrays: what the methods of family and link objects run on."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastglm.kernels.blocks.row_buffers import (
    BLOCK_ROWS,
    BUFFER,
    FAMILY_PARAMETER,
    LINK_PARAMETER,
    N_BUFFERS,
    PRIOR_WEIGHT,
)
from fastglm.kernels.compiler.decorators import entry
from fastglm.kernels.compiler.intrinsics import call_row_block
from fastglm.kernels.compiler.templates import RowBlock


class Frozen:
    """Base of immutable objects that are equal when class and constructor arguments are."""

    def _set(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def arguments(self) -> dict[str, Any]:
        """Return constructor arguments that make an equal object."""
        return {}

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} objects are immutable: cannot set {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} objects are immutable: cannot delete {name}")

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.arguments() == other.arguments()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), *self.arguments().items()))

    def __reduce__(self) -> tuple:
        return _rebuild, (type(self), self.arguments())


def _rebuild(cls: type, arguments: dict[str, Any]) -> Any:
    return cls(**arguments)


@entry
def _run(address, input_buffers, inputs, parameters, output_buffer, output):
    """Run the row block at `address` over ``inputs`` (k, n) into ``output`` (n,), by blocks."""
    scratch = np.zeros(N_BUFFERS * BUFFER)
    scratch[FAMILY_PARAMETER * BUFFER] = parameters[0]
    scratch[FAMILY_PARAMETER * BUFFER + 1] = parameters[1]
    scratch[LINK_PARAMETER * BUFFER] = parameters[2]
    n = output.shape[0]
    for first in range(0, n, BLOCK_ROWS):
        rows = min(BLOCK_ROWS, n - first)
        for k in range(input_buffers.shape[0]):
            start = input_buffers[k] * BUFFER
            # Element by element: for slices numba compiles its messages of unequal shapes as well,
            # which takes longer than all the rest.
            for i in range(rows):
                scratch[start + i] = inputs[k, first + i]
        call_row_block(address, scratch.ctypes.data, rows)
        for i in range(rows):
            output[first + i] = scratch[output_buffer * BUFFER + i]


def evaluate(
    block: RowBlock,
    buffers: dict[int, Any],
    output_buffer: int,
    *,
    family: float = 0.0,
    dispersion: float = 1.0,
    link: float = 0.0,
) -> Any:
    """One buffer of what `block` computes from the given buffers.

    Parameters
    ----------
    block
        A row block of a family or a link.
    buffers
        Plane number to array or number; they are broadcast against each other. The prior weight
        is 1 unless it is given.
    output_buffer
        The buffer to return.
    family, dispersion, link
        The family's parameter, the dispersion and the link's parameter.

    Returns
    -------
    numpy.ndarray or numpy.float64
        float64, of the broadcast shape; a number when everything given is a number.
    """
    buffers = {PRIOR_WEIGHT: 1.0} | buffers
    values = np.broadcast_arrays(*(np.asarray(v, dtype=np.float64) for v in buffers.values()))
    shape = values[0].shape
    inputs = np.stack([value.reshape(-1) for value in values])
    output = np.empty(inputs.shape[1])
    parameters = np.array([family, dispersion, link], dtype=np.float64)
    _run(block.address, np.array(list(buffers)), inputs, parameters, output_buffer, output)
    return output.reshape(shape)[()]
