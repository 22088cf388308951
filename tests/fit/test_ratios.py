import numpy as np
import pytest

import fastglm as fg
from fastglm.errors import SeparationWarning
from fastglm.fit.ratios import to_ratio


@pytest.fixture(scope="module")
def separated():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=400), rng.choice(list("abcd"), 400)
    y = np.where(g == "d", 0.0, rng.random(400) < 1.0 / (1.0 + np.exp(-x)))
    with pytest.warns(SeparationWarning):
        return fg.glm("y ~ x + C(g)", {"x": x, "g": g, "y": y}, family="binomial")


def test_a_limit_beyond_all_numbers_is_infinite():
    assert to_ratio(np.array([0.0, 800.0, -800.0])).tolist() == [1.0, np.inf, 0.0]


def test_tables_of_ratios_take_infinite_estimates(separated):
    # Any warning of an overflow would be an error here.
    tidy = separated.tidy(exponentiate=True, conf_int=True).set_index("term")
    assert tidy.loc["C(g)[T.d]", "conf.low"] == 0.0
    assert tidy.loc["C(g)[T.d]", "conf.high"] == np.inf
    rating = separated.rating_table().summary_frame()
    assert rating["upper"].iloc[-1] == np.inf
    assert "inf" in str(separated.summary(exponentiate=True))
    assert "inf" in str(fg.compare_table(separated, below="interval", exponentiate=True))
