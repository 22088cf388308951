"""The compiler options' own behaviour; the cache has tests of its own."""

import pytest

import fastglm as fg
from fastglm.cli.warmup import every_row_block
from fastglm.kernels.compiler import stamp as stamping
from fastglm.kernels.math.elementary import nearest_integer
from fastglm.kernels.passes.gram import sum_buffer


@pytest.mark.parametrize("helper", [nearest_integer, sum_buffer])
def test_helpers_refuse_calls_from_python(helper):
    with pytest.raises(TypeError, match=f"^{helper.__name__} is a helper of kernels"):
        helper(1.0)


def stamp(block):
    function = block._function
    return stamping.source_stamp({function.__module__, *function.stamped_modules})


def edit(module, monkeypatch):
    """A source that ends otherwise."""
    read = stamping._read
    edited = lambda name: read(name) + b"# edited" * (name == module)  # noqa: E731
    monkeypatch.setattr(stamping, "_read", edited)


@pytest.mark.parametrize("block", every_row_block(), ids=lambda block: block.name)
def test_a_block_is_compiled_anew_when_a_file_of_its_functions_changes(block, monkeypatch):
    modules = {f.__module__ for f in block._functions.values()} | {block._function.__module__}
    before = stamp(block)
    for module in modules:
        edit(module, monkeypatch)
        stamping._module_source.cache_clear()
        assert stamp(block) != before
        monkeypatch.undo()
    stamping._module_source.cache_clear()
    assert stamp(block) == before


@pytest.mark.parametrize(
    ("family", "module"),
    [
        (fg.families.Binomial(), "families.shared_functions"),
        (fg.families.Tweedie(var_power=2.0), "families.members.gamma"),
        (fg.families.Tweedie(var_power=1.5), "families.shared_functions"),
        (fg.families.NegativeBinomial(alpha=1.0), "kernels.math.elementary"),
    ],
)
def test_a_family_is_compiled_anew_when_a_helper_changes(family, module, monkeypatch):
    for block in (family.respond_rows, family.log_density_rows):
        before = stamp(block)
        edit(f"fastglm.{module}", monkeypatch)
        stamping._module_source.cache_clear()
        after = stamp(block)
        monkeypatch.undo()
        stamping._module_source.cache_clear()
        assert after != before
