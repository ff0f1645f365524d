"""An exponential that the compiler can run on several numbers at once, for use inside kernels.

The C library's exponential is a call for each number. Written out as arithmetic it becomes part of the surrounding
loop and four or eight are computed together; the quadrature kernels spend most of their time here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from equipoise.stats.kernels.compile import part

# Multiply-add may be fused; nothing may be reordered, so the answer depends on neither chunk nor thread.
FASTMATH = {"contract"}

# x log2(e) is rounded to an integer by adding and taking off 1.5 * 2**52, whose low bits then hold that integer.
_ROUNDER = 6755399441055744.0
_LOG2_E = 1.4426950408889634
_LN2_HIGH = 6.93145751953125e-1
_LN2_LOW = 1.42860682030941723212e-6


def lane_part(signature: str, *structures: type, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """As :func:`~equipoise.stats.kernels.compile.part`, with fused multiply-add: for loops over lanes side by side."""
    return part(signature, *structures, fastmath=FASTMATH, **options)


def _float_from_bits(typing_context, bits):  # type: ignore[no-untyped-def]
    """The float64 whose IEEE-754 bits are those of an int64."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


float_from_bits: Any = intrinsic(_float_from_bits)


def _bits_from_float(typing_context, value):  # type: ignore[no-untyped-def]
    """The IEEE-754 bits of a float64 as an int64."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


bits_from_float: Any = intrinsic(_bits_from_float)


def _get(typing_context, array, place):  # type: ignore[no-untyped-def]
    """``array[place]``, ``place`` not being negative.

    Ordinary indexing counts negative places from the end; for a place of unknown sign the compiler must then gather
    element by element. Nothing is checked here.
    """

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, value=args[0]).data
        return builder.load(builder.gep(data, [args[1]], inbounds=True))

    return types.float64(array, types.int64), generate


get: Any = intrinsic(_get)


def _put(typing_context, array, place, value):  # type: ignore[no-untyped-def]
    """``array[place] = value``, ``place`` not being negative."""

    def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, value=args[0]).data
        builder.store(args[2], builder.gep(data, [args[1]], inbounds=True))
        return context.get_dummy_value()

    return types.void(array, types.int64, types.float64), generate


put: Any = intrinsic(_put)


@lane_part("float64(float64)", forceinline=True)
def exponential(x):  # type: ignore[no-untyped-def]
    """e to the ``x`` with a relative error below 4e-16, ``x`` being moved into [-700, 700] first."""
    x = min(max(x, -700.0), 700.0)
    rounded = x * _LOG2_E + _ROUNDER
    k = rounded - _ROUNDER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    # Taylor to degree 13 on |r| <= ln(2)/2: the first term left out is below 5e-18.
    s = 1.0 / 6227020800.0
    s = s * r + 1.0 / 479001600.0
    s = s * r + 1.0 / 39916800.0
    s = s * r + 1.0 / 3628800.0
    s = s * r + 1.0 / 362880.0
    s = s * r + 1.0 / 40320.0
    s = s * r + 1.0 / 5040.0
    s = s * r + 1.0 / 720.0
    s = s * r + 1.0 / 120.0
    s = s * r + 1.0 / 24.0
    s = s * r + 1.0 / 6.0
    s = s * r + 0.5
    s = s * r + 1.0
    s = s * r + 1.0
    scale = float_from_bits((bits_from_float(rounded) + 1023) << 52)
    return s * scale
