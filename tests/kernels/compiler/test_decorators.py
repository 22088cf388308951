"""The compiler options' own behaviour; the cache has tests of its own."""

import pytest

from fastglm.kernels.math.elementary import nearest_integer
from fastglm.kernels.passes.gram import sum_buffer


@pytest.mark.parametrize("helper", [nearest_integer, sum_buffer])
def test_helpers_refuse_calls_from_python(helper):
    with pytest.raises(TypeError, match=f"^{helper.__name__} is a helper of kernels"):
        helper(1.0)
