"""Machine code is stamped with all sources that it may be made of."""

import ast
from pathlib import Path

import pytest

from fastglm.kernels.compiler import stamp

MODULES = {
    ".".join(path.relative_to(stamp.PACKAGE).with_suffix("").parts): path
    for path in sorted(stamp.PACKAGE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
DECORATORS = "kernels.compiler.decorators"


def name_of(node):
    node = node.func if isinstance(node, ast.Call) else node
    return node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)


def imported(module):
    """The names that a module has from others of the package, and where from."""
    found = {}
    for node in TREES[module].body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fastglm."):
            for each in node.names:
                source = node.module.removeprefix("fastglm.")
                inner = f"{source}.{each.name}"
                found[each.asname or each.name] = inner if inner in MODULES else source
    return found


def templates():
    """Modules and names of the functions that some `RowBlock` is made of."""
    found = set()
    for module, tree in TREES.items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if name_of(call) == "RowBlock" and call.args:
                name = name_of(call.args[0])
                found.add((imported(module).get(name, module), name))
    return found


TEMPLATES = templates()


def compiled_functions(module):
    names = imported(module)
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef):
            decorators = {name_of(d) for d in node.decorator_list}
            if (
                "intrinsic" in decorators
                or DECORATORS in {names.get(d) for d in decorators}
                or (module, node.name) in TEMPLATES
            ):
                yield node


COMPILED = [name for name in MODULES if any(True for _ in compiled_functions(name))]


def places(module):
    """Folders and modules that the stamp of a module's kernels is made of."""
    own = stamp._place_of(f"fastglm.{module}")
    return {own, *stamp.COMPILED[own], *stamp.EVERYWHERE}


def is_inside(module, place):
    return module == place or module.startswith(place + ".")


def test_compiled_code_is_where_it_is_looked_for():
    # As many as there are: a reader that finds none would find everything in order.
    assert len(COMPILED) > 40
    assert {"kernels.passes.gram", "solve.newton.step", "families.row_templates"} <= set(COMPILED)


@pytest.mark.parametrize("module", COMPILED)
def test_a_stamp_has_every_source_of_compiled_code(module):
    sources = imported(module)
    used = {
        node.id
        for function in compiled_functions(module)
        for node in ast.walk(function)
        if isinstance(node, ast.Name)
    }
    # Numbers of the module itself may come from others.
    for node in TREES[module].body:
        if isinstance(node, ast.Assign):
            used |= {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
    for name in used & set(sources):
        assert any(is_inside(sources[name], p) for p in places(module)), (name, sources[name])


def test_code_elsewhere_must_be_named():
    with pytest.raises(LookupError, match=r"^fastglm\.plots\.lift holds compiled code"):
        stamp.source_stamp(["fastglm.plots.lift"])


def edit(monkeypatch, path):
    """The same sources, one of which ends otherwise."""
    read = stamp._read
    edited = lambda file, looks: read(file, looks) + b"# edited" * (Path(file) == path)  # noqa: E731
    monkeypatch.setattr(stamp, "_read", edited)
    stamp._hash_of.cache_clear()


@pytest.mark.parametrize(
    ("module", "source", "changes"),
    [
        ("kernels.passes.sweep", "kernels.math.elementary", True),
        ("kernels.passes.sweep", "families.row_templates", False),
        ("solve.newton.step", "solve.newton.state", True),
        ("solve.newton.step", "errors", True),
        ("solve.newton.step", "kernels.math.cholesky", True),
        ("responses.log_likelihoods.categories", "families.links.functions", True),
        ("mixed.level_modes", "mixed.level_algebra", True),
        ("mixed.level_modes", "families.derivative_templates", True),
        ("mixed.level_modes", "solve.newton.state", False),
        ("families.members.gamma", "families.shared_functions", True),
        ("families.members.gamma", "model", False),
    ],
)
def test_an_edit_changes_the_stamps_that_it_may_concern(module, source, changes, monkeypatch):
    stamp._hash_of.cache_clear()
    before = stamp.source_stamp([f"fastglm.{module}"])
    edit(monkeypatch, MODULES[source])
    after = stamp.source_stamp([f"fastglm.{module}"])
    monkeypatch.undo()
    stamp._hash_of.cache_clear()
    assert (after != before) == changes
    assert stamp.source_stamp([f"fastglm.{module}"]) == before


def test_a_file_that_took_the_place_of_what_was_imported_is_not_it(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("one")
    looks = stamp._looks(str(path))
    assert stamp._read(str(path), looks) == b"one"
    path.unlink()
    path.write_text("three")
    assert stamp._read(str(path), looks) != stamp._read(str(path), looks)
