from __future__ import annotations

import numpy as np
import pytest

import fastglm as fg
from fastglm import plots
from fastglm.errors import ModelError, SeparationWarning


def test_forest_of_estimates_and_intervals(counts):
    ax = plots.coefficients(counts)
    names = [label.get_text() for label in ax.get_yticklabels()]
    # From the bottom, with the reference level above the others of its factor.
    order = [name for name in names if "base" not in name][::-1]
    assert order == list(counts.names[1:])
    base = names.index("region = north (base)")
    assert names[base - 1] == "region[T.south]"
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    np.testing.assert_allclose(drawn, counts.params.to_numpy()[1:])
    ends = np.array([path.vertices[:, 0] for path in ax.collections[0].get_paths()])
    np.testing.assert_allclose(ends, counts.conf_int().to_numpy()[1:])


def test_ratios_are_on_a_logarithmic_axis(wins):
    ax = plots.coefficients(wins, names=["age"], exponentiate=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    assert drawn[0] == pytest.approx(np.exp(wins.params["age"]))
    assert ax.get_xscale() == "log"
    with pytest.raises(ModelError, match="no coefficient"):
        plots.coefficients(wins, names=["wage"])


def test_numeric_columns_per_standard_deviation(counts, frame):
    ax = plots.coefficients(counts, standardize=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    by_name = dict(zip(counts.names[1:], drawn, strict=True))
    assert by_name["age"] == pytest.approx(counts.params["age"] * frame.age.std(ddof=0))
    assert by_name["region[T.west]"] == counts.params["region[T.west]"]
    assert "per standard deviation" in ax.get_xlabel()


def test_standard_deviations_are_those_of_columns_written_out(frame):
    formula = "claims ~ C(region, Sum) + bs(hours, df=4) + age + C(region):age + I(age > 40)"
    fit = fg.glm(formula, frame.assign(hours=(8 * frame.hours).round()), "poisson")
    X = fit.model.rows.design.to_dense()
    expected = np.where(((X == 0.0) | (X == 1.0)).all(axis=0), 1.0, X.std(axis=0))
    names = [name for name in fit.names if name != "Intercept"]
    ax = plots.coefficients(fit, names=names, standardize=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    wanted = expected[[fit.names.index(name) for name in names]] * fit.params[names]
    np.testing.assert_allclose(drawn, wanted, rtol=1e-9)
    # A level against another is 1, 0 or -1: no indicator.
    assert (expected[1:3] != 1.0).all()


def test_standard_deviations_far_from_zero_keep_their_digits(frame):
    far = frame.assign(age=frame.age + 2.0**27)
    fit = fg.glm("hours ~ age", far)
    ax = plots.coefficients(fit, standardize=True)
    drawn = next(line for line in ax.lines if line.get_marker() == "o").get_xdata()
    assert drawn[0] == pytest.approx(fit.params["age"] * frame.age.std(ddof=0), rel=1e-9)


@pytest.mark.parametrize("exponentiate", [False, True])
def test_infinite_estimates_are_arrows_beside_the_others(frame, exponentiate):
    never = frame.assign(won=((frame.age > frame.age.median()) & (frame.region != "north")) * 1)
    with pytest.warns(SeparationWarning):
        fit = fg.glm("won ~ hours + C(region, Treatment('west'))", never, "binomial")
    (name,) = fit.infinite
    finite = [n for n in fit.names if n != name]
    expected = plots.coefficients(fit, names=finite, exponentiate=exponentiate).get_xlim()
    ax = plots.coefficients(fit, names=list(fit.names), exponentiate=exponentiate)
    assert ax.get_xlim() == pytest.approx(expected)
    arrow = next(line for line in ax.lines if line.get_marker() == "<" and len(line.get_xdata()))
    assert arrow.get_xdata()[0] == pytest.approx(expected[0])
    assert arrow.get_ydata()[0] == len(fit.names) - 1 - fit.names.index(name)
    assert "infinite" in ax.get_xlabel()


def test_columns_of_splines_are_left_out(frame):
    fit = fg.glm("claims ~ bs(age, df=4) + hours", frame, "poisson")
    names = [label.get_text() for label in plots.coefficients(fit).get_yticklabels()]
    assert names == ["hours"]
    alone = plots.coefficients(fg.glm("claims ~ bs(age, df=4)", frame, "poisson"))
    assert len(alone.get_yticklabels()) == 4
