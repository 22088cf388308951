"""Operations of LLVM that Numba has no word for: pointers, calls by address, bits of a float."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = [
    "address_in",
    "bits_of",
    "call_row_block",
    "call_stage",
    "from_bits",
    "from_float32_bits",
    "offset_pointer",
    "pointer",
    "spread",
    "take_number",
]


@intrinsic
def pointer(typing_context: Any, address: Any, element: Any) -> Any:
    """``pointer(address, float64)``: the integer `address` as a pointer to that type."""
    result = types.CPointer(element.instance_type)
    signature = result(address, element)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return signature, codegen


@intrinsic
def address_in(typing_context: Any, base: Any) -> Any:
    """The integer address that a pointer holds."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], context.get_value_type(types.int64))

    return types.int64(base), codegen


def spread(builder: Any, value: Any, lanes: int) -> Any:
    """For intrinsics: a vector of `lanes` times the same LLVM value."""
    from llvmlite import ir

    lane = ir.IntType(32)
    first = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(first, value, ir.Constant(lane, 0))
    return builder.shuffle_vector(
        first, first, ir.Constant(ir.VectorType(lane, lanes), [0] * lanes)
    )


@intrinsic
def offset_pointer(typing_context: Any, base: Any, elements: Any) -> Any:
    """The pointer `elements` further on than `base`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return base(base, types.int64), codegen


def _call_by_address(n_arguments: int) -> Any:
    """An intrinsic ``call(address, ...)`` for C functions of `n_arguments` 64-bit integers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int64 = context.get_value_type(types.int64)
        function_type = cgutils.ir.FunctionType(int64, [int64] * n_arguments)
        function = builder.inttoptr(args[0], function_type.as_pointer())
        return builder.call(function, args[1:])

    signature = types.int64(*[types.int64] * (n_arguments + 1))
    return signature, codegen


@intrinsic
def call_row_block(typing_context: Any, address: Any, buffers: Any, rows: Any) -> Any:
    """Call the `RowBlock` of two arguments at `address`; returns its status."""
    return _call_by_address(2)


@intrinsic
def call_stage(
    typing_context: Any,
    address: Any,
    table: Any,
    start: Any,
    rows: Any,
    scratch: Any,
    target: Any,
) -> Any:
    """Call the stage of a sweep at `address` (`fastglm.kernels.passes`)."""
    return _call_by_address(5)


@intrinsic
def caller_threads(typing_context: Any) -> Any:
    """The number of numba's threads that the calling thread uses (`numba.get_num_threads`).

    Numba's own function calls by an address of this process, which cannot be cached.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # Declared as numba declares it, though the number is a C int: the upper half is cut off.
        int64 = context.get_value_type(types.int64)
        function_type = cgutils.ir.FunctionType(int64, [])
        function = cgutils.get_or_insert_function(builder.module, function_type, "get_num_threads")
        return builder.and_(builder.call(function, []), int64(0xFFFFFFFF))

    return types.int64(), codegen


@intrinsic
def set_caller_threads(typing_context: Any, n_threads: Any) -> Any:
    """Set the number of numba's threads that the calling thread uses; not checked."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int32 = context.get_value_type(types.int32)
        function_type = cgutils.ir.FunctionType(cgutils.ir.VoidType(), [int32])
        function = cgutils.get_or_insert_function(builder.module, function_type, "set_num_threads")
        builder.call(function, [builder.trunc(args[0], int32)])
        return context.get_dummy_value()

    return types.none(types.int64), codegen


@intrinsic
def take_number(typing_context: Any, address: Any) -> Any:
    """The int64 at `address`, which is one more for whoever asks next, on any thread."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        int64 = context.get_value_type(types.int64)
        place = builder.inttoptr(args[0], int64.as_pointer())
        return builder.atomic_rmw("add", place, int64(1), "monotonic")

    return types.int64(types.int64), codegen


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """The 64 bits of a float64, as an integer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.int64))

    return types.int64(types.float64), codegen


@intrinsic
def from_float32_bits(typing_context: Any, bits: Any) -> Any:
    """The float32 with these 32 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float32))

    return types.float32(types.int32), codegen


@intrinsic
def from_bits(typing_context: Any, bits: Any) -> Any:
    """The float64 with these 64 bits."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.float64))

    return types.float64(types.int64), codegen
