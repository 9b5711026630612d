"""Ask the processor for a row of an array before it is read."""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]  # ships no types
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_BYTE = ir.IntType(8).as_pointer()
_WORD = ir.IntType(32)


@intrinsic
def prefetch_row(_context: Any, array: Any, row: Any) -> Any:
    """Load the cache line where `array[row]` starts; changes nothing that can be seen."""
    signature = types.void(array, row)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        stride = cgutils.unpack_tuple(builder, array.strides)[0]
        start = builder.bitcast(array.data, _BYTE)
        place = builder.gep(start, [builder.mul(stride, arguments[1])])
        kind = ir.FunctionType(ir.VoidType(), [_BYTE, _WORD, _WORD, _WORD])
        load = builder.module.declare_intrinsic("llvm.prefetch", [_BYTE], kind)
        # For reading, into every level of cache, as data.
        builder.call(load, [place, _WORD(0), _WORD(3), _WORD(1)])
        return context.get_dummy_value()

    return signature, generate
