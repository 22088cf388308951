"""What numba's compiler does for kernels: the passes that they need, and helpers in their callers.

Numba optimises every function and turns it into machine code of its own before it is inlined into
those that call it, where all of that is done again. Helpers have no use for it: their code goes to
their callers as it is.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.typed_passes import (
    AnnotateTypes,
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import FixupArgs, IRProcessing, ReconstructSSA, TranslateByteCode


class _HelperLibrary(JITCodeLibrary):
    """Code that is only ever linked into other libraries, which optimise and finish it."""

    inline = True

    def add_ir_module(self, ir_module: Any) -> None:
        """Take over code; one copy of it serves all callers unless it is to be inlined."""
        for function in ir_module.functions:
            if not (self.inline or function.is_declaration):
                function.attributes.add("noinline")
        super().add_ir_module(ir_module)

    def _optimize_final_module(self) -> None:
        """Leave that to the callers."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _HelperLowering(NativeLowering):
    """Lowers to LLVM code, without machine code or anything that Python could call.

    A caller that is inlined itself must not pass that on: what need not be inlined never is.
    """

    _name = "fastglm_helper_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower, and tell the callers to come by which name they find the code."""
        state.library = _HelperLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.inline = state.flags.forceinline
        state.flags.no_compile = True
        super().run_pass(state)
        lowered = state["cr"]
        state.targetctx.insert_user_function(lowered.fndesc, lowered.fndesc, [state.library])
        state["cr"] = lowered._replace(cfunc=lowered.fndesc)
        return True


class KernelCompiler(CompilerBase):
    """Kernels are loops over numbers: numba's other passes would find nothing in them to rewrite.

    Left out are closures, array expressions, overloads to inline, ``with``, ``raise`` and literals.
    """

    lowering: type[NativeLowering] = NativeLowering

    def define_pipelines(self) -> list[PassManager]:
        """The passes, in numba's order."""
        passes = PassManager("fastglm")
        for step in (
            TranslateByteCode,
            FixupArgs,
            IRProcessing,
            ReconstructSSA,
            NopythonTypeInference,
            PreLowerStripPhis,
            IRLegalization,
            AnnotateTypes,
            self.lowering,
            NoPythonBackend,
        ):
            passes.add_pass(step, step._name)
        passes.finalize()
        return [passes]


class HelperCompiler(KernelCompiler):
    """For functions that only compiled code calls."""

    lowering = _HelperLowering
