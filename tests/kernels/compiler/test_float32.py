"""Functions with constants of float32."""

import math

import numpy as np
import pytest

from fastglm.kernels.compiler.float32 import with_float32_constants

THIRD = 1.0 / 3.0
WHOLE = 3


def _constants(x):
    return 0.1, (0.2, 0.3), THIRD, math.pi, WHOLE, 7, math.sqrt(x)


def test_literals_global_numbers_and_those_of_modules():
    literal, pair, third, pi, whole, seven, root = with_float32_constants(_constants)(2.0)
    for number, exact in ((literal, 0.1), (pair[0], 0.2), (pair[1], 0.3), (third, THIRD)):
        assert type(number) is np.float32
        assert number == np.float32(exact)
    assert type(pi) is np.float32
    assert (type(whole), type(seven), root) == (int, int, math.sqrt(2.0))


def test_the_function_itself_stays_as_it_is():
    with_float32_constants(_constants)
    assert _constants(2.0) == (0.1, (0.2, 0.3), THIRD, math.pi, WHOLE, 7, math.sqrt(2.0))
    assert type(math.pi) is float


def test_names_and_docstrings_of_functions_are_kept():
    def template():
        return 0.5

    template.stamped_modules = {"a"}
    twin = with_float32_constants(template)
    assert twin.stamped_modules == {"a"}
    assert (twin.__name__, twin.__qualname__) == (template.__name__, template.__qualname__)
    assert twin.__module__ == template.__module__


@pytest.mark.parametrize("x", [0.7, 1e10])
def test_a_term_of_single_precision_stays_in_it(x):
    def term(x):
        return 0.1 * x + math.e

    given = np.float32(x)
    assert type(with_float32_constants(term)(given)) is np.float32
