import importlib
import pkgutil

import numba
from numba.core.dispatcher import Dispatcher

import fastglm
from fastglm.cli.warmup import every_family, every_row_block, warm_up
from fastglm.families import FAMILIES, LINKS
from fastglm.kernels.compiler.numba_internals import KernelCache, _LazyCache
from fastglm.kernels.compiler.templates import RowBlock


def entries():
    """Everything that Python calls and that is kept in the cache."""
    for found in pkgutil.walk_packages(fastglm.__path__, "fastglm."):
        module = importlib.import_module(found.name)
        for value in vars(module).values():
            is_cached = isinstance(value, Dispatcher) and value._cache is not None
            if is_cached and value.py_func.__module__ == found.name:
                yield value


def test_every_family_and_link_is_there():
    assert {type(family) for family in every_family()} == set(FAMILIES.values())
    names = [block.name for block in every_row_block()]
    assert len(names) == len(set(names))
    assert {link.inverse_rows.name for link in LINKS.values()} <= set(names)
    own = {family.functions.log_density_rows.name for family in every_family()}
    assert own <= set(names)


def test_warm_up_compiles_all_that_python_calls():
    said = []
    n_kernels = warm_up(lambda *report: said.append(report))
    assert [done for done, _, _ in said] == list(range(n_kernels))
    assert {total for _, total, _ in said} == {n_kernels}
    blocks = [
        value
        for found in pkgutil.walk_packages(fastglm.__path__, "fastglm.")
        for value in vars(importlib.import_module(found.name)).values()
        if isinstance(value, RowBlock)
    ]
    assert {block.name for block in blocks} <= {name for _, _, name in said}
    if not numba.config.DISABLE_JIT:
        assert any(isinstance(entry._cache, KernelCache) for entry in entries())
        waiting = [e.py_func.__qualname__ for e in entries() if isinstance(e._cache, _LazyCache)]
        assert waiting == [], "fastglm.cli.warmup needs a use of these"
