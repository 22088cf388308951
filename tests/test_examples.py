"""Every public function, method and class has an example in its docstring, and each runs."""

import doctest
import inspect

import pytest

import fastglm as fg

RESULT = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")


def members(owner, prefix, names):
    for name in names:
        member = inspect.getattr_static(owner, name, None)
        member = getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(member):
            yield f"{prefix}.{name}", member


def public():
    for name in fg.__all__:
        value = getattr(fg, name)
        if inspect.isfunction(value) or inspect.isclass(value):
            yield f"fg.{name}", value
    yield from members(fg.Results, "fg.Results", dir(RESULT))
    yield from members(fg.GLM, "fg.GLM", dir(RESULT.model))
    for name in fg.plots.__all__:
        yield f"fg.plots.{name}", getattr(fg.plots, name)


PUBLIC = {name: value for name, value in public() if not name.endswith(("Error", "Warning"))}
EXAMPLES = {
    name: test
    for name, value in PUBLIC.items()
    for test in doctest.DocTestFinder(recurse=False).find(value, name, globs={})
    if test.examples
}


def test_every_public_name_has_an_example():
    assert sorted(PUBLIC.keys() - EXAMPLES.keys()) == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(name):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    report = []
    doctest.DocTestRunner().run(EXAMPLES[name], out=report.append, clear_globs=False)
    pyplot.close("all")
    assert "".join(report) == ""


def test_results_show_public_names():
    for shown in (RESULT, RESULT.model):
        assert not [name for name in dir(shown) if name in {"centring", "lazy_numbers", "blocks"}]
