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


def test_every_member_draws(member):
    ax = type(member).plot()
    assert len(ax.get_legend().get_texts()) == 3
    expected = "first entry of y" if member.support.example.ndim else "y"
    assert ax.get_xlabel() == expected


def test_matrices_and_vectors_are_drawn_by_their_first_entry(member):
    if not member.support.example.ndim:
        pytest.skip("a single number is drawn as it is")
    draws = member.sample(0, 20_000)
    first = draws.reshape(len(draws), -1)[:, 0]
    ax = member.plot([member.natural_parameter])
    if isinstance(member, expfam.Multinomial):
        shares = np.bincount(first, minlength=8) / len(first)
        drawn = [bar.get_height() for bar in ax.containers[0]]
        np.testing.assert_allclose(drawn, shares[: len(drawn)], atol=0.02)
    else:
        x, density = ax.lines[0].get_data()
        low, high = np.quantile(first, [0.2, 0.7])
        inside = (x > low) & (x < high)
        area = np.trapezoid(density[inside], x[inside])
        assert abs(area - 0.5) < 0.03


def test_nothing_to_draw_and_batches_are_refused():
    for etas in ([], [[[0.0], [1.0]]]):
        with pytest.raises(ModelError, match="at least one eta"):
            expfam.Bernoulli.plot(etas)
