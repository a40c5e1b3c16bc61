"""What happens on a day: lists of orders or customers by kind and day, the latest first, and a hint to the processor.

A list is a chain of blocks of 16 numbers; the first of a block says where the block before ended. So a day's events can
be read well ahead of their turn, and `fetch` brings their records near while others are handled.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from credit_lab.compiled import njit
from credit_lab.simulation.records import BORROWING

BLOCK = 16
AHEAD = 16  # events between the hint and the use


@intrinsic
def fetch(_: Any, records: Any, at: Any) -> Any:  # noqa: ARG001
    """Ask the processor for records[at], which will be read and written soon; changes nothing."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = arrayobj.make_array(signature.args[0])(context, builder, arguments[0])
        place = cgutils.get_item_pointer(context, builder, signature.args[0], array, [arguments[1]])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(hint, [builder.bitcast(place, byte), number(1), number(3), number(1)])  # to write, near, data
        return context.get_dummy_value()

    return types.void(records, types.intp), build


@njit(**BORROWING, forceinline=True)
def put(pool, last, used, kind, day, item):  # type: ignore[no-untyped-def] # pragma: no cover
    """One more event of a kind on a day."""
    at = last[kind, day]
    if at < 0 or at % BLOCK == BLOCK - 1:
        pool[used[0]], at = at, used[0]
        used[0] += BLOCK
    pool[at + 1] = item
    last[kind, day] = at + 1


@njit(**BORROWING, forceinline=True)
def gather(pool, at, todays, number):  # type: ignore[no-untyped-def] # pragma: no cover
    """A list that ends at a place of the pool, behind so many events of the day; how many there are now."""
    while at >= 0:
        todays[number] = pool[at]
        number += 1
        at -= 1
        if at % BLOCK == 0:
            at = pool[at]
    return number


@njit(**BORROWING, forceinline=True)
def look_ahead(inv, cus, todays, at, number):  # type: ignore[no-untyped-def] # pragma: no cover
    """Fetch the invoice of a later event of the day, and the customer of one that comes earlier."""
    fetch(inv, todays[min(at + AHEAD, number - 1)])
    fetch(cus, inv[todays[min(at + AHEAD // 2, number - 1)]].who)
