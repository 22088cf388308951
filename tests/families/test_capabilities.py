"""Families answer for themselves: nothing outside fastglm/families asks for a family by name."""

import ast
import pickle
from pathlib import Path

import numpy as np
import pytest
from oracle import make_families, variance
from scipy import integrate

import fastglm
from fastglm.families import FAMILIES, LINKS
from fastglm.families.anscombe import anscombe_difference

PACKAGE = Path(fastglm.__file__).parent
OUTSIDE = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] not in ("families", "expfam")
)


def questions_by_name(source):
    """Lines that use ``family.name`` for more than text."""
    tree = ast.parse(source)
    in_text = {
        id(part)
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        for part in ast.walk(text)
    }
    for node in ast.walk(tree):
        is_name = isinstance(node, ast.Attribute) and node.attr in ("name", "variance_name")
        if is_name and ast.unparse(node.value).split(".")[-1] == "family":
            if id(node) not in in_text:
                yield node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            asked, name = (ast.unparse(argument) for argument in node.args[:2])
            if "family" in asked and "name" in name:
                yield node.lineno


def compared_names(source):
    """Lines that compare the name of a link, or of the covariance of random effects, with text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute):
            owner = ast.unparse(node.left.value).split(".")[-1]
            with_text = any(isinstance(part, ast.Constant) for part in ast.walk(node))
            if node.left.attr == "name" and owner in ("link", "structure") and with_text:
                yield node.lineno


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_no_branch_depends_on_the_name_of_a_family(path):
    source = path.read_text()
    assert [*questions_by_name(source), *compared_names(source)] == []


def test_compared_names_are_found():
    assert list(compared_names('if fit.family.link.name == "log": pass')) == [1]
    assert list(compared_names('x = term.structure.name not in ("us", "diag")')) == [1]
    assert list(compared_names("x = f'{link.name}'")) == []


@pytest.mark.parametrize(
    "question",
    [
        'if family.name == "poisson": pass',
        'x = "binomial" in results.family.name',
        'fit.family.name.startswith("quasi")',
        "ESTIMATORS[family.name]",
        "LINKS.get(self.family.name)",
        'getattr(family, "variance_name", "")',
    ],
)
def test_questions_are_found(question):
    assert list(questions_by_name(question)) == [1]


def test_text_may_name_a_family():
    assert list(questions_by_name('raise ValueError(f"not of {results.family.name}")')) == []


# -- Anscombe's scale, by quadrature and in closed form


@pytest.mark.parametrize("name", make_families())
def test_anscombe_in_closed_form_equals_quadrature(name):
    family = make_families()[name]
    inside = np.array([0.03, 0.2, 0.5, 0.97])
    response, mean = (grid.ravel() for grid in np.meshgrid(inside, [0.1, 0.6, 0.9]))
    by_quadrature = anscombe_difference(family.variance, response, mean)
    closed = family.anscombe_difference(response, mean)
    np.testing.assert_allclose(by_quadrature, closed, rtol=1e-9, atol=1e-14)
    for y, mu, value in zip(response, mean, closed, strict=True):
        expected, _ = integrate.quad(lambda t: variance(family, t) ** (-1 / 3), mu, y)
        assert value == pytest.approx(expected, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize(("power", "expected"), [(1.0, 1.5), (2.0, 3.0), (2.5, 6.0)])
def test_anscombe_by_quadrature_at_the_end_of_the_domain(power, expected):
    found = anscombe_difference(lambda t: t**power, np.zeros(1), np.ones(1))
    np.testing.assert_allclose(found, -expected, rtol=1e-9)


@pytest.mark.parametrize("power", [3.0, 4.0])
def test_anscombe_is_infinite_where_the_integral_is(power):
    found = anscombe_difference(lambda t: t**power, np.array([0.0, 1.0]), np.ones(2))
    np.testing.assert_array_equal(found, [-np.inf, 0.0])


# -- old paths


@pytest.mark.parametrize("cls", [*FAMILIES.values(), *LINKS.values()], ids=lambda cls: cls.__name__)
def test_pickles_from_before_the_files_moved_are_read(cls):
    module = "links" if cls in LINKS.values() else "members"
    old = f"cfastglm.families.{module}\n{cls.__name__}\n.".encode()
    assert pickle.loads(old) is cls


@pytest.mark.parametrize("name", ["CustomFamily", "CustomLink"])
def test_pickles_of_what_a_user_defined_are_read(name):
    old = f"cfastglm.families.custom\n{name}\n.".encode()
    assert pickle.loads(old) is getattr(fastglm.families, name)
