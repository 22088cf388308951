"""The compiler options' own behaviour; the cache has tests of its own."""

import pytest

from fastglm.kernels.gram import sum_plane
from fastglm.kernels.vector_math import nearest_integer


@pytest.mark.parametrize("helper", [nearest_integer, sum_plane])
def test_helpers_refuse_calls_from_python(helper):
    with pytest.raises(TypeError, match=f"^{helper.__name__} is a helper of kernels"):
        helper(1.0)
