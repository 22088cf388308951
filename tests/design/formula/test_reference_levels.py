"""The level that others are compared with."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.design.formula.reference_levels import reference_levels

FRAME = pd.DataFrame(
    {
        "y": np.arange(12.0),
        "x": np.arange(12.0) % 5,
        "f": list("abc") * 4,
        "g": [2, 4] * 6,
    }
)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("y ~ f", {"f": "a"}),
        ("y ~ x", {}),
        ("y ~ C(f, contr.treatment('c'))", {"C(f, contr.treatment('c'))": "c"}),
        ("y ~ C(f, contr.SAS)", {"C(f, contr.SAS)": "c"}),
        ("y ~ C(f, contr.sum)", {}),
        ("y ~ 0 + f", {}),
        ("y ~ 0 + f + C(g)", {"C(g)": 2}),
        ("y ~ f + f:x", {"f": "a"}),
        ("y ~ C(f, levels=['b', 'a', 'c'])", {"C(f, levels=['b', 'a', 'c'])": "b"}),
    ],
)
def test_by_formula(formula, expected):
    fit = fg.glm(formula, FRAME)
    assert reference_levels(fit.fitted_formula) == expected
    shown = ", ".join(f"{name} = {level}" for name, level in expected.items())
    assert (f"Reference Levels: {shown}" in str(fit.summary())) == bool(expected)


def test_of_arrays():
    assert reference_levels(None) == {}
