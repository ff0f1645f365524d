"""How kernels are compiled: those that Python calls, and the parts they are made of.

A *kernel* is compiled when it is first called, for the one signature it declares, and kept on disk: a command
compiles what its own analyses need. A *part* is called by kernels only. It is compiled when the first kernel that
calls it is, and never otherwise: compiled code from the disk holds the parts it calls, so a program that finds its
kernels there neither reads nor compiles any part. A part is not turned into machine code of its own and not optimised
on its own either, since the compiler does both again wherever it is linked in; that alone is a fifth of the time all
kernels take to compile. Nor has a part the entry points through which Python would call it: for many arguments these
are as long as a short kernel.

Declared signatures matter to parts as well. Left to itself numba compiles a function once for the literal 0 and once
more for any other integer, and all that is called with that argument twice as well.

Arrays that belong together are passed as a named tuple, a *structure*. Its fields are annotated with the aliases below;
the signature names it, and it is given beside the signature: ``kernel("void(Rows, int64)", Rows)``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from equipoise.stats.kernels.disk_cache import drop_stale_code

try:
    from numba.core.codegen import JITCodeLibrary
    from numba.core.compiler import CompilerBase, DefaultPassBuilder
except ImportError:  # a numba arranged otherwise: parts are then compiled like kernels, which takes longer
    CompilerBase = None  # type: ignore[assignment,misc,unused-ignore]

drop_stale_code()  # of this room, before its first kernel is looked for on the disk

_COMMON: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}

if CompilerBase is not None:

    class _NoEnvironment:
        """Stands in for the code generator where numba would write to memory that unlinked code has not got yet."""

        def set_env(self, name: str, env: object) -> None:
            """Nothing: parts raise no exceptions, which is what the environment of a function serves."""

    class _Unlinked(JITCodeLibrary):  # type: ignore[misc,unused-ignore]
        """Code that waits to be linked into a kernel's, and is optimised and turned into machine code there."""

        @property
        def codegen(self) -> Any:
            return _NoEnvironment()

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()  # type: ignore[no-untyped-call,unused-ignore]
            return 0

        def _optimize_final_module(self) -> None:
            pass

        def _finalize_final_module(self) -> None:
            self._finalized = True

    class _PartCompiler(CompilerBase):  # type: ignore[misc,unused-ignore]
        """numba's usual steps into such a library."""

        def define_pipelines(self) -> list[Any]:
            state = self.state
            library: Any = _Unlinked
            steps: Any = DefaultPassBuilder
            state.library = library(state.targetctx.codegen(), state.func_id.func_qualname)
            return [steps.define_nopython_pipeline(state)]


Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]
Cube = NDArray[np.float64]
Blocks = NDArray[np.float64]
Integers = NDArray[np.int64]
IntegerMatrix = NDArray[np.int64]
Flags = NDArray[np.bool_]
FlagMatrix = NDArray[np.bool_]
Codes = NDArray[np.uint32]
Letters = NDArray[np.int8]
LetterCube = NDArray[np.int8]
Bytes = NDArray[np.uint8]
FlagCube = NDArray[np.bool_]
Keys = NDArray[np.uint64]
# Fields of structures by the name of their type: in C order, of one to four dimensions.
_FIELDS: dict[str, Any] = {
    "Vector": types.float64[::1],
    "Matrix": types.float64[:, ::1],
    "Cube": types.float64[:, :, ::1],
    "Blocks": types.float64[:, :, :, ::1],
    "Integers": types.int64[::1],
    "IntegerMatrix": types.int64[:, ::1],
    "Flags": types.boolean[::1],
    "FlagMatrix": types.boolean[:, ::1],
    "Codes": types.uint32[::1],
    "Letters": types.int8[:, ::1],
    "LetterCube": types.int8[:, :, ::1],
    "Bytes": types.uint8[:, :, ::1],
    "FlagCube": types.boolean[:, :, ::1],
    "Keys": types.uint64[::1],
    "int": types.int64,
    "float": types.float64,
    "bool": types.boolean,
    "np.uint64": types.uint64,
}


def type_of_structure(structure: type) -> Any:
    """The compiled type of a named tuple; its module annotates without evaluating (``annotations`` of the future)."""
    fields = [_FIELDS[given.__forward_arg__] for given in structure.__annotations__.values()]
    from_types: Any = types.BaseTuple.from_types
    return from_types(fields, structure)


def _read(signature: str, structures: tuple[type, ...]) -> Any:
    """A signature in numba's words and the names of structures."""
    named = {structure.__name__: type_of_structure(structure) for structure in structures}
    return eval(signature, {"__builtins__": {}}, {**vars(types), **named})


_COMPILING = threading.RLock()


class Kernel:
    """A function compiled for one signature when it is first called: cached on disk, without the interpreter lock.

    Division by zero gives infinity. Kernels may call one another; ``py_func`` is the function uncompiled.
    """

    def __init__(self, function: Callable[..., Any], signature: str, structures: tuple[type, ...]) -> None:
        self.py_func, self.__name__, self.__doc__ = function, function.__name__, function.__doc__
        self._signature, self._structures = signature, structures
        self._compiled: Any = None

    def compile(self) -> Any:
        """The function compiled, or read from the disk where it was before; by one thread at a time."""
        if self._compiled is None:
            with _COMPILING:
                if self._compiled is None:
                    signature = _read(self._signature, self._structures)
                    self._compiled = njit(signature, cache=True, **_COMMON)(self.py_func)
        return self._compiled

    def __call__(self, *args: Any) -> Any:
        """As the function uncompiled, for arguments of the types that the signature names."""
        return self.compile()(*args)

    @property
    def _numba_type_(self) -> Any:
        return self.compile()._numba_type_  # how numba asks what a name inside another kernel stands for


# Kernels by the module that defines them.
KERNELS: dict[str, list[Kernel]] = {}


def kernel(signature: str, *structures: type) -> Callable[[Callable[..., Any]], Kernel]:
    """Declare a kernel; ``structures`` are those that the signature names."""

    def declare(function: Callable[..., Any]) -> Kernel:
        declared = Kernel(function, signature, structures)
        KERNELS.setdefault(function.__module__, []).append(declared)
        return declared

    return declare


def part(signature: str, *structures: type, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for ``signature`` alone, when a kernel that calls it is compiled; Python cannot call it.

    ``structures`` are those that the signature names; ``options`` go to numba's ``njit``. Arguments are converted to
    the types of the signature, as in a kernel.
    """
    if CompilerBase is not None:
        options = {**options, "pipeline_class": _PartCompiler, "no_cpython_wrapper": True}

    def declare(function: Callable[..., Any]) -> Any:
        compiled = njit(**_COMMON, **options)(function)
        if not hasattr(compiled, "get_call_template"):  # compilation is switched off
            return compiled
        usual = compiled.get_call_template

        def compile_first(args: Any, kws: Any) -> Any:
            if not compiled.overloads:
                compiled.compile(_read(signature, structures))
            compiled.disable_compile()  # for no other signature
            try:
                return usual(args, kws)
            finally:
                compiled.disable_compile(False)  # so that a call from Python comes to `refuse`, which says what to do

        def refuse(*args: Any, **kws: Any) -> None:
            raise TypeError(f"{function.__name__} is compiled into the kernels that call it; call its py_func instead")

        compiled.get_call_template = compile_first
        if CompilerBase is not None:
            # Without this a call from Python would jump to where no code is.
            compiled._compile_for_args = refuse
            compiled._insert = lambda *args, **kws: None
        return compiled

    return declare
