"""Evaluation of mixed models on new rows, against measures made by hand."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError, UnseenLevelError


def frame(seed, n=300):
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"x": rng.normal(size=n), "g": rng.choice(list("abcdefgh"), n)})
    effect = data.g.map(dict(zip("abcdefgh", np.linspace(-1.0, 1.0, 8), strict=True)))
    eta = 0.4 * data.x + effect
    data["years"] = rng.uniform(0.5, 2.0, n)
    data["y"] = eta + rng.normal(size=n)
    data["n"] = rng.poisson(data.years * np.exp(eta)).astype(float)
    data["won"] = np.where(rng.random(n) < 1.0 / (1.0 + np.exp(-eta)), "yes", "no")
    return data


OLD, NEW = frame(1), frame(2, 80)


@pytest.mark.parametrize("level", ["conditional", "population", "marginal"])
def test_a_linear_model(level):
    res = fg.mixed("y ~ x + (1 | g)", OLD)
    found = res.evaluate(NEW, level=level)
    error = NEW.y.to_numpy() - np.asarray(res.predict(NEW, level=level))
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-12)
    assert found.deviance == pytest.approx((error**2).sum(), rel=1e-12)
    total = ((NEW.y - NEW.y.mean()) ** 2).sum()
    assert found.d2 == pytest.approx(1.0 - (error**2).sum() / total, rel=1e-10)
    assert len(found.groups(5).summary_frame()) == 5


def test_counts_with_exposure():
    res = fg.mixed("n ~ x + (1 | g)", OLD, family="poisson", exposure="years")
    found = res.evaluate(NEW)  # the column of the fit
    mean = np.asarray(res.predict(NEW, exposure=NEW.years.to_numpy()))
    assert found.weight == pytest.approx(NEW.years.sum())
    assert found.actual == pytest.approx(NEW.n.sum() / NEW.years.sum(), rel=1e-12)
    assert found.expected == pytest.approx(mean.sum() / NEW.years.sum(), rel=1e-12)
    deviance = fg.families.Poisson().deviance(NEW.n.to_numpy(), mean)
    assert found.deviance == pytest.approx(deviance, rel=1e-12)


def test_text_of_two_levels():
    res = fg.mixed("won ~ x + (1 | g)", OLD, family="binomial")
    found, mean = res.evaluate(NEW), np.asarray(res.predict(NEW))
    y = (NEW.won == "yes").to_numpy()
    loss = -np.where(y, np.log(mean), np.log1p(-mean)).mean()
    assert found.log_loss == pytest.approx(loss, rel=1e-12)
    above = mean[y][:, None] - mean[~y]
    assert found.auc == pytest.approx(((above > 0) + 0.5 * (above == 0)).mean(), rel=1e-12)


def test_the_rows_of_the_fit():
    res = fg.mixed("y ~ x + (1 | g)", OLD)
    assert res.evaluate().to_dict() == pytest.approx(res.evaluate(OLD).to_dict(), rel=1e-10)
    with pytest.raises(ModelError, match="response= goes with new rows: give data too"):
        res.evaluate(response=OLD["y"])


def test_unknown_levels_and_gaps():
    res = fg.mixed("y ~ x + (1 | g)", OLD)
    other = NEW.copy()
    other.loc[4, "g"] = "z"
    with pytest.raises(UnseenLevelError, match="z"):
        res.evaluate(other)
    rest = res.evaluate(NEW.drop(index=4)).rmse
    assert res.evaluate(other, new_levels="nan").rmse == pytest.approx(rest, rel=1e-12)
    other.loc[4, "g"] = None
    with pytest.raises(DataError, match="no value in 1 row"):
        res.evaluate(other)
    assert res.evaluate(other, missing="drop").rmse == pytest.approx(rest, rel=1e-12)
    other.loc[6, "x"] = np.nan
    rest = res.evaluate(NEW.drop(index=[4, 6])).rmse
    assert res.evaluate(other, missing="drop").rmse == pytest.approx(rest, rel=1e-12)


def drawn_by(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line.get_xydata()


def test_pictures_are_of_new_rows_at_their_conditional_means():
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(8)
    n = 400
    data = pd.DataFrame({
        "x": rng.normal(size=n), "g": rng.integers(0, 12, n), "f": rng.choice(list("uvw"), n)
    })  # fmt: skip
    data["won"] = (rng.random(n) < 1.0 / (1.0 + np.exp(-data.x - 0.2 * (data.g - 6)))) * 1.0
    fit = fg.mixed("won ~ x + (1 | g)", data[:240], "binomial")
    new = data[240:]
    mean, won = np.asarray(fit.predict(new)), new.won.to_numpy()
    group = np.argsort(np.argsort(mean)) // 40
    sizes = np.bincount(group)
    expected, actual = (np.bincount(group, v) / sizes for v in (mean, won))
    found = drawn_by(fg.plots.calibration(fit, 4, data=new), "groups")
    close = {"rtol": 0.0, "atol": 1e-12}
    np.testing.assert_allclose(found, np.column_stack([expected, actual]), **close)
    lifted = fg.plots.lift(fit, 4, data=new)
    np.testing.assert_allclose(drawn_by(lifted, "observed")[:, 1], actual, **close)
    ax = fg.plots.actual_expected(fit, "f", data=new)
    by = new.groupby("f").won.mean()
    np.testing.assert_allclose(drawn_by(ax, "actual")[:, 1], by, **close)
    other = fg.mixed("won ~ 1 + (1 | g)", data[:240], "binomial")
    ax = fg.plots.double_lift(fit, other, 4, labels=("a", "b"), data=new)
    second = np.asarray(other.predict(new))
    group = np.argsort(np.argsort(mean / second)) // 40
    np.testing.assert_allclose(
        drawn_by(ax, "b")[:, 1],
        np.bincount(group, second) / 40,
        **close,
    )
    binned = fg.plots.binned_residuals(fit, 4, data=new)
    (points,) = [line for line in binned.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(points.get_ydata(), actual - expected, **close)
    area = fit.evaluate(new).auc
    assert f"AUC {area:.4f}" in fg.plots.roc(fit, data=new).texts[0].get_text()
    own = drawn_by(fg.plots.calibration(fit, 4), "groups")
    assert own.shape == found.shape
    assert not np.allclose(own, found)
