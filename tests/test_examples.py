"""Every public function, method and class has an example in its docstring, and each runs."""

import doctest
import inspect

import pytest

import fastglm as fg

RESULT = fg.glm("y ~ x", {"x": [0, 1, 2, 3], "y": [1, 3, 4, 9]}, family="poisson")

CATEGORIES = {"y": [*"abcabcabca"], "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2], "n": [0, 1, 0, 2, 5] * 2}
OTHERS = (
    fg.MNLogit.from_formula("y ~ x", CATEGORIES).fit(),
    fg.OrderedModel.from_formula("y ~ x", CATEGORIES, levels=[*"abc"]).fit(),
    fg.Hurdle.from_formula("n ~ x", CATEGORIES).fit(),
)
#: Fits with methods of their own beside those, some of which have no example yet.
MIXED = fg.mixed("x ~ n + (1 | y)", CATEGORIES)
#: Methods that these fits have to say what they lack.
REFUSED = {"to_sql", "to_onnx"}


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
    for fit in OTHERS:
        name = type(fit).__name__
        yield from ((key, value) for key, value in members(type(fit), name, dir(fit))
                    if key.split(".")[1] not in REFUSED)  # fmt: skip
    yield from members(fg.PurePremium, "fg.PurePremium", ("predict", "evaluate", "rating_table"))
    for name in ("from_formula", "with_formula", "fit"):
        yield from members(fg.MNLogit, "fg.MNLogit", [name])
    for name in fg.plots.__all__:
        yield f"fg.plots.{name}", getattr(fg.plots, name)


PUBLIC = {name: value for name, value in public() if not name.endswith(("Error", "Warning"))}
OF_MIXED = dict(members(type(MIXED), "MixedResults", dir(MIXED)))
EXAMPLES = {
    name: test
    for name, value in (PUBLIC | OF_MIXED).items()
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
    for shown in (RESULT, RESULT.model, *OTHERS):
        assert not {"centering", "lazy_numbers", "blocks", "row_source"} & set(dir(shown))
