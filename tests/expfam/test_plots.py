"""What the pictures show, read back from the axes."""

import matplotlib as mpl
import numpy as np
import pytest

from fastglm import expfam
from fastglm.errors import ModelError

mpl.use("Agg")
from matplotlib import pyplot


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


def heights(ax):
    return [[bar.get_height() for bar in container] for container in ax.containers]


def test_bernoulli_is_drawn_at_the_textbooks_probabilities():
    ax = expfam.Bernoulli.plot()
    np.testing.assert_allclose(heights(ax), [[0.75, 0.25], [0.5, 0.5], [0.1, 0.9]])
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[0] == "p = 0.25  (η = −1.1)"
    assert ax.get_title() == "Bernoulli"


def test_binomial_keeps_its_own_n():
    ax = expfam.Binomial(4, 0.5).plot(etas=[0.0, 1.0])
    drawn = heights(ax)
    assert len(drawn) == 2
    np.testing.assert_allclose(drawn[0], np.array([1, 4, 6, 4, 1]) / 16)
    assert "n = 4" in ax.get_title()


def test_curves_are_the_density():
    _, given = pyplot.subplots()
    ax = expfam.Gamma.plot(etas=[[2.0, -1.0], [5.0, -2.0]], ax=given)
    assert ax is given
    x, y = ax.lines[1].get_data()
    np.testing.assert_allclose(y, np.exp(expfam.Gamma(5.0, 2.0).log_prob(x)))
    # Nearly all of the probability is in the picture.
    assert np.trapezoid(y, x) > 0.99


def test_every_scalar_member_draws(member):
    if member.support.example.ndim:
        with pytest.raises(ModelError, match="single numbers"):
            member.plot([member.natural_parameter])
    else:
        ax = type(member).plot()
        assert len(ax.get_legend().get_texts()) == 3
