"""What numba's compiler does for kernels: the passes that they need, and helpers in their callers.

Numba optimises every function and turns it into machine code of its own before it is inlined into
those that call it, where all of that is done again. Helpers have no use for it: their code goes to
their callers as it is.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from numba.core import ir, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import FunctionPass, PassManager, register_pass
from numba.core.errors import ConstantInferenceError
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


@register_pass(mutates_CFG=False, analysis_only=False)
class _Float32Constants(FunctionPass):
    """Constants in single precision, where numba would go on in that of the constants."""

    _name = "fastglm_narrow_constants"

    def __init__(self) -> None:
        FunctionPass.__init__(self)

    def run_pass(self, state: Any) -> bool:
        """Rewrite constants, and names that stand for numbers, also those of modules."""
        found = False
        for block in state.func_ir.blocks.values():
            for statement in block.find_insts(ir.Assign):
                with contextlib.suppress(ConstantInferenceError):
                    number = state.func_ir.infer_constant(statement.target)
                    if isinstance(number, float):
                        statement.value = ir.Const(np.float32(number), statement.loc)
                        found = True
        return found


class KernelCompiler(CompilerBase):
    """Kernels are loops over numbers: numba's other passes would find nothing in them to rewrite.

    Left out are closures, array expressions, overloads to inline, ``with``, ``raise`` and literals.
    """

    lowering: type[NativeLowering] = NativeLowering

    def has_float32_constants(self) -> bool:
        """Whether constants are in single precision."""
        return False

    def define_pipelines(self) -> list[PassManager]:
        """The passes, in numba's order."""
        passes = PassManager("fastglm")
        for step in (
            TranslateByteCode,
            FixupArgs,
            IRProcessing,
            ReconstructSSA,
            *([_Float32Constants] if self.has_float32_constants() else []),
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


class FormulaCompiler(HelperCompiler):
    """For helpers whose constants are of the precision of their arguments."""

    def has_float32_constants(self) -> bool:
        """Whether one of the arguments is in single precision."""
        return types.float32 in self.state.args


class Float32Compiler(KernelCompiler):
    """For kernels in single precision throughout."""

    def has_float32_constants(self) -> bool:
        """They are."""
        return True
