"""How kernels are compiled: those that Python calls, and the parts they are made of.

A *kernel* is compiled when its module is first imported, for the one signature it declares, and kept on disk. A
*part* is called by kernels only. It is compiled when the first kernel that calls it is, and never otherwise: compiled
code from the disk holds the parts it calls, so a program that finds its kernels there neither reads nor compiles any
part. A part is not turned into machine code of its own and not optimised on its own either, since the compiler does
both again wherever it is linked in; that alone is a fifth of the time all kernels take to compile. Nor has a part the
entry points through which Python would call it: for many arguments these are as long as a short kernel.

Declared signatures matter to parts as well. Left to itself numba compiles a function once for the literal 0 and once
more for any other integer, and all that is called with that argument twice as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from equipoise.stats.kernels.warm_up import drop_stale_code

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


def kernel(signature: str) -> Callable[[Callable[..., Any]], Any]:
    """Compile at definition: cached on disk, without the interpreter lock, division by zero giving infinity."""
    return njit(signature, cache=True, **_COMMON)  # type: ignore[no-any-return,unused-ignore]


def part(signature: str, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile for ``signature`` alone, when a kernel that calls it is compiled; Python cannot call it.

    ``options`` go to numba's ``njit``. Arguments are converted to the types of the signature, as in a kernel.
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
                compiled.compile(signature)
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
