"""Folds: each against a fit of the other rows made by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

import fastglm as fg
from fastglm.errors import DataError, ModelError


def draw(n=400):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "f": rng.choice(list("abc"), n),
            "g": rng.integers(0, 23, n),
            "e": rng.uniform(0.5, 2.0, n),
            "w": rng.integers(1, 4, n),
        }
    )
    frame["y"] = rng.poisson(frame["e"] * np.exp(0.4 * frame["x"] + (frame["f"] == "b")))
    return frame


FRAME = draw()


@pytest.mark.parametrize(
    "options", [{}, {"exposure": "e"}, {"freq_weights": "w"}, {"var_weights": "w"}]
)
def test_each_fold_is_a_fit_of_the_others(options):
    found = fg.cross_validate("y ~ x + f", FRAME, "poisson", folds=4, tol=1e-10, **options)
    assert np.bincount(found.fold).tolist() == [100] * 4
    for k, (fit, measures) in enumerate(zip(found.fits, found.evaluations, strict=True)):
        train, test = FRAME[found.fold != k], FRAME[found.fold == k]
        by_hand = fg.glm("y ~ x + f", train, "poisson", tol=1e-10, **options)
        np.testing.assert_allclose(fit.params, by_hand.params, rtol=1e-8)
        np.testing.assert_allclose(fit.bse, by_hand.bse, rtol=1e-7)
        assert fit.nobs == by_hand.nobs
        np.testing.assert_allclose(
            found.predictions[found.fold == k], by_hand.predict(test), rtol=1e-8
        )
        expected = by_hand.evaluate(test).to_dict()
        assert measures.to_dict() == pytest.approx(expected, rel=1e-8)


def test_scikit_learns_folds_and_scores():
    X = FRAME[["x", "e"]]
    splitter = KFold(5, shuffle=True, random_state=1)
    found = fg.cross_validate("y ~ x + e", FRAME, "poisson", list(splitter.split(X)), tol=1e-12)
    theirs = cross_val_score(
        PoissonRegressor(alpha=0, tol=1e-10, solver="newton-cholesky"),
        X, FRAME["y"], cv=splitter, scoring="neg_mean_poisson_deviance",
    )  # fmt: skip
    ours = [each.mean_deviance for each in found.evaluations]
    np.testing.assert_allclose(ours, -theirs, rtol=1e-7)
    table = found.summary_frame()
    assert table.loc["mean_deviance", "mean"] == pytest.approx(-theirs.mean(), rel=1e-7)
    error = theirs.std(ddof=1) / np.sqrt(5)
    assert table.loc["mean_deviance", "std err"] == pytest.approx(error, rel=1e-6)
    whole = mean_poisson_deviance(FRAME["y"], found.predictions)
    assert whole == pytest.approx(-theirs.mean(), rel=0.01)


def test_groups_stay_together():
    for groups in ("g", FRAME["g"].to_numpy(), FRAME["g"].astype(str)):
        found = fg.cross_validate("y ~ x", FRAME, "poisson", 5, groups=groups)
        assert FRAME.assign(fold=found.fold).groupby("g")["fold"].nunique().eq(1).all()
        # No fold differs from another by more than the largest group.
        size = np.bincount(found.fold)
        assert size.max() - size.min() <= FRAME["g"].value_counts().max()
    splits = list(GroupKFold(5).split(FRAME, groups=FRAME["g"]))
    given = fg.cross_validate("y ~ x", FRAME, "poisson", splits)
    assert FRAME.assign(fold=given.fold).groupby("g")["fold"].nunique().eq(1).all()


def test_folds_by_row_and_the_seed():
    by_row = np.arange(400) % 3
    found = fg.cross_validate("y ~ x", FRAME, "poisson", by_row)
    assert (found.fold == by_row).all()
    one, two = (fg.cross_validate("y ~ x", FRAME, "poisson", 3, seed=k).fold for k in (1, 2))
    again = fg.cross_validate("y ~ x", FRAME, "poisson", 3, seed=1).fold
    assert (one == again).all()
    assert (one != two).any()


def test_predictions_are_in_the_library_of_the_data():
    found = fg.cross_validate("y ~ x", pl.from_pandas(FRAME), "poisson", 3)
    assert isinstance(found.predictions, pl.Series)
    pandas = fg.cross_validate("y ~ x", FRAME.set_index("e"), "poisson", 3)
    assert pandas.predictions.index.equals(pd.Index(FRAME["e"]))


def test_rows_that_no_fold_holds():
    found = fg.cross_validate("y ~ x", FRAME, "poisson", [(range(200), range(200, 300))])
    assert np.isnan(found.predictions[:200]).all()
    assert np.isfinite(found.predictions[200:300]).all()
    assert (found.fold[300:] == -1).all()
    assert len(found.fits) == 1
    assert found.fits[0].nobs == 200


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"folds": 1}, ModelError, "at least 2"),
        ({"folds": 401}, DataError, "too few for 401 folds"),
        ({"folds": 24, "groups": "g"}, DataError, "too few"),
        ({"folds": np.arange(3)}, DataError, "each of the 400 rows"),
        ({"folds": np.arange(400) % 2, "groups": "g"}, ModelError, "groups goes with a number"),
        ({"folds": [(range(5), range(400, 401))]}, DataError, "row 400"),
        ({"folds": 3, "groups": np.arange(5)}, DataError, "groups has shape"),
        (
            {"folds": 3, "groups": np.where(FRAME["g"] > 3, FRAME["g"], np.nan)},
            DataError,
            "no value",
        ),
        ({"folds": 2.5}, ModelError, "a whole number, or hold folds of rows, not 2.5"),
        ({"folds": KFold(3)}, ModelError, "KFold: give the pairs of row numbers that it makes"),
        ({"folds": 3, "seed": -1}, ModelError, "seed must be"),
    ],
)
def test_what_makes_no_folds(options, error, message):
    with pytest.raises(error, match=message):
        fg.cross_validate("y ~ x", FRAME, "poisson", **options)
