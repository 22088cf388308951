"""Infinite estimates and boundaries of models with several predictors are found and named."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import special
from scipy.optimize import linprog

import fastglm as fg
from fastglm.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    ModelError,
    SeparationError,
    SeparationWarning,
    Status,
)
from fastglm.responses.models import count_boundaries


def no_direction_gains(gains, fixed):
    """Whether a linear program over all rows finds no direction that separates any row."""
    if not len(gains):
        return True
    program = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(gains)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
    )
    return -program.fun < 1e-7


def multinomial_gains(X, codes, n_levels):
    """For each row the log odds of its own level against the others, in all coefficients."""
    p, rows = X.shape[1], []
    for x, code in zip(X, codes, strict=True):
        for other in range(n_levels):
            if other != code:
                row = np.zeros((n_levels, p))
                row[code] += x
                row[other] -= x
                rows.append(row[1:].ravel())
    return np.array(rows)


def ordinal_gains(x, codes, n_levels):
    rows = []
    for value, code in zip(x, codes, strict=True):
        thresholds = np.eye(n_levels - 1)
        if code < n_levels - 1:
            rows.append(np.r_[-value, thresholds[code]])
        if code > 0:
            rows.append(np.r_[value, -thresholds[code - 1]])
    return np.array(rows)


def count_gains(kind, X, Z, y):
    """Gains and rows that bear no change, of the part of the counts and of that of the zeros."""
    if kind == "Hurdle":
        return (-X[y == 1], X[y > 1]), (np.where(y > 0, 1.0, -1.0)[:, None] * Z, Z[:0])
    return (-X[y == 0], X[y > 0]), (np.where(y == 0, 1.0, -1.0)[:, None] * Z, Z[:0])


@pytest.mark.parametrize("seed", range(40))
def test_verdicts_of_plain_linear_programs(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(6, 14))
    x = rng.integers(0, 4, n).astype(float)
    X = np.column_stack([np.ones(n), x])
    codes = np.r_[np.arange(3), np.clip(x[3:] + rng.integers(-1, 2, n - 3) - 1, 0, 2)].astype(int)
    counts = np.r_[0, 2, rng.poisson(np.exp(0.5 * x[2:] - 1.0))]
    cases = [
        ("MNLogit", codes, X, [(multinomial_gains(X, codes, 3), np.zeros((0, 4)))]),
        ("OrderedModel", codes, X[:, 1:], [(ordinal_gains(x, codes, 3), np.zeros((0, 3)))]),
        ("NegativeBinomialP", counts, X, [(-X[counts == 0], X[counts > 0])]),
        ("ZeroInflated", counts, X, count_gains("ZeroInflated", X, X, counts)),
        ("Hurdle", counts, X, count_gains("Hurdle", X, X, counts)),
    ]
    for name, y, columns, parts in cases:
        options = {"zeros": X} if name in ("ZeroInflated", "Hurdle") else {}
        model = getattr(fg, name)(y, columns, **options)
        found = model.check_separation()
        exists = [not no_direction_gains(*part) for part in parts]
        assert found.exists == any(exists), name
        # The direction is one: nothing loses, what bears no change stands still, something gains.
        start = 0
        for (gains, fixed), is_separated in zip(parts, exists, strict=True):
            own = found.direction[start : start + gains.shape[1]]
            start += gains.shape[1]
            assert (gains @ own > -1e-9).all()
            np.testing.assert_allclose(fixed @ own, 0.0, atol=1e-9)
            assert (gains @ own > 1e-3).any() == is_separated
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            fit = model.fit()
        kinds = {type(each.message) for each in caught}
        assert (SeparationWarning in kinds) == found.exists, name
        assert bool(fit.infinite) == found.exists
        assert fit.n_separated == found.rows.sum()
        # And what is said to be finite is: nothing but a boundary goes beyond.
        if not found.exists and fit.status == Status.CONVERGED:
            assert np.nanmax(np.abs(fit.estimates)) < 20.0, name


FRAME = pd.DataFrame({"y": [0, 0, 0, 1, 1, 1], "x": [1.0, 2, 3, 4, 5, 6]})
SEPARATED = {
    "MNLogit": (lambda: fg.MNLogit.from_formula("y ~ x", FRAME), {"1:Intercept": -1, "1:x": 1}),
    "OrderedModel": (lambda: fg.OrderedModel.from_formula("y ~ x", FRAME), {"x": 1, "0|1": 1}),
    "Hurdle": (
        lambda: fg.Hurdle.from_formula("y ~ 1", FRAME.assign(y=[0, 0, 0, 1, 3, 2]), zeros="~ x"),
        {"zero-Intercept": -1, "zero-x": 1},
    ),
    "ZeroInflated": (
        lambda: fg.ZeroInflated.from_formula(
            "y ~ 1", FRAME.assign(y=[0, 0, 0, 2, 3, 4]), zeros="~ x"
        ),
        {"zero-Intercept": 1, "zero-x": -1},
    ),
    "hurdle of ones": (
        lambda: fg.Hurdle.from_formula("y ~ 1", FRAME.assign(y=[0, 1, 0, 1, 1, 0])),
        {"Intercept": -1},
    ),
    "a group of zeros": (
        lambda: fg.NegativeBinomialP.from_formula(
            "y ~ g",
            pd.DataFrame({"y": [0, 0, 0, 9, 1, 4, 0, 2, 30], "g": list("aaabbbbbb")}),
        ),
        {"Intercept": -1, "g[T.b]": 1},
    ),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_complete_separation_is_named(name, tmp_path):
    build, infinite = SEPARATED[name]
    model = build()
    with pytest.warns(
        SeparationWarning, match=r"separated from the others by .*infinity\)"
    ) as said:
        fit = model.fit()
    assert not [w for w in said if issubclass(w.category, ConvergenceWarning)]
    assert fit.infinite == infinite
    assert "infinite estimates: " in str(fit.summary())
    fit.save(tmp_path / "fit.json")
    assert fg.load(tmp_path / "fit.json").infinite == infinite
    with pytest.raises(SeparationError, match="infinity"):
        model.fit(separation="raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeparationWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert model.fit(separation="ignore").infinite == {}
    # From where it stopped a fit goes nowhere, and has the same to say.
    with pytest.warns(SeparationWarning):
        model.fit(start_params=fit.estimates)


def test_choices_about_separation():
    model = fg.MNLogit.from_formula("y ~ x", FRAME)
    for choice in ("drop", "firth"):
        with pytest.raises(ModelError, match="is for models of one predictor"):
            model.fit(separation=choice)
    with pytest.raises(ModelError, match="separation must be one of"):
        model.fit(separation="never")


def test_check_finds_what_starting_values_hide():
    # Quasi-complete, one row of many: a rare level of which every row has the same class.
    rng = np.random.default_rng(3)
    n = 20_000
    rare = np.zeros(n)
    rare[[5, 9_000, 17_003]] = 1.0
    X = np.column_stack([np.ones(n), rng.normal(size=n), rare])
    y = rng.integers(0, 3, n)
    y[rare == 1.0] = 2
    for choice in ("warn", "check"):
        with pytest.warns(SeparationWarning, match="3 rows are separated"):
            fit = fg.MNLogit(y, X).fit(separation=choice)
    assert fit.infinite == {"2:x2": 1}
    # Class 1 against class 0 says nothing of it either way.
    rows = np.flatnonzero(fg.MNLogit(y, X).check_separation().rows)
    np.testing.assert_array_equal(rows, [5, 9_000, 17_003])


@pytest.mark.parametrize("name", ["MNLogit", "OrderedModel"])
def test_rows_of_weight_zero_do_not_hide_separation(name):
    frame = pd.concat([FRAME, pd.DataFrame({"y": [1, 0], "x": [0.5, 7.0]})])
    weights = np.r_[np.ones(6), 0.0, 0.0]
    model = getattr(fg, name).from_formula("y ~ x", frame, var_weights=weights)
    with pytest.warns(SeparationWarning, match="6 rows are separated"):
        model.fit()
    assert not getattr(fg, name).from_formula("y ~ x", frame).check_separation().exists


# -- boundaries


def counts(seed, n=400, alpha=0.0, zeros=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    mean = np.exp(0.5 + 0.4 * x)
    draws = rng.gamma(1.0 / alpha, alpha, n) * mean if alpha else mean
    y = np.where(rng.random(n) < zeros, 0, rng.poisson(draws))
    return pd.DataFrame({"x": x, "y": y, "z": rng.normal(size=n), "f": rng.integers(1, 4, n)})


def fewer_zeros(frame):
    """Some zeros made ones: fewer than the counts themselves have."""
    y = frame["y"].to_numpy().copy()
    y[np.flatnonzero(y == 0)[::2]] = 1
    return frame.assign(y=y)


@pytest.mark.parametrize("weights", [None, "freq_weights", "var_weights"])
@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_zero_inflation_without_inflation(family, weights):
    alpha = 0.0 if family == "poisson" else 1.5
    frame = fewer_zeros(counts(1, alpha=alpha))
    options = {} if weights is None else {weights: "f"}
    with pytest.warns(BoundaryWarning, match="no more zeros than the counts themselves have"):
        fit = fg.ZeroInflated.from_formula("y ~ x", frame, family=family, **options).fit()
    assert fit.status == Status.BOUNDARY
    assert fit.converged
    assert fit.estimates[2] == -np.inf
    assert np.isnan(fit.standard_errors[2])
    of_alpha = [] if family == "poisson" else [3]
    if family == "poisson":
        alone = fg.glm("y ~ x", frame, family="poisson", **options)
    else:
        alone = fg.NegativeBinomialP.from_formula("y ~ x", frame, power=2.0, **options).fit()
    np.testing.assert_allclose(fit.estimates[[0, 1, *of_alpha]], alone.params, rtol=1e-7)
    np.testing.assert_allclose(fit.standard_errors[[0, 1, *of_alpha]], alone.bse, rtol=1e-7)
    assert fit.llf == pytest.approx(alone.llf, rel=1e-11)
    np.testing.assert_allclose(fit.predict(frame), alone.predict(frame), rtol=1e-6)


@pytest.mark.parametrize("name", ["ZeroInflated", "Hurdle"])
def test_counts_without_alpha(name):
    frame = counts(4, zeros=0.3)
    poisson = getattr(fg, name).from_formula("y ~ x", frame).fit()
    # Of Poisson counts, about every second sample varies less.
    frame = next(
        each
        for each in (counts(seed, zeros=0.3) for seed in range(4, 20))
        if alpha_slope(name, each) < 0.0
    )
    poisson = getattr(fg, name).from_formula("y ~ x", frame).fit()
    with pytest.warns(BoundaryWarning, match="vary no more than Poisson counts"):
        fit = getattr(fg, name).from_formula("y ~ x", frame, family="negative_binomial").fit()
    assert fit.estimates[-1] == -np.inf
    assert fit.alpha == 0.0
    np.testing.assert_allclose(fit.estimates[:-1], poisson.estimates, rtol=1e-7)
    assert fit.llf == pytest.approx(poisson.llf, rel=1e-11)


def alpha_slope(name, frame):
    """Derivative of the log-likelihood in alpha at the Poisson fit, by a difference."""
    fit = getattr(fg, name).from_formula("y ~ x", frame).fit()
    model = getattr(fg, name).from_formula("y ~ x", frame)
    etas = model._etas(model._blocks(), fit.estimates, 1)
    y = frame["y"].to_numpy().astype(float)
    exact = getattr(
        count_boundaries,
        "alpha_slope_of_" + {"ZeroInflated": "zero_inflated", "Hurdle": "hurdle"}[name],
    )(y, etas).sum()

    def likelihood(alpha):
        size, mean = 1.0 / alpha, np.exp(etas[0])
        mass = (
            special.gammaln(y + size) - special.gammaln(size) - special.gammaln(y + 1.0)
            + y * np.log(alpha * mean) - (y + size) * np.log1p(alpha * mean)
        )  # fmt: skip
        zero = -size * np.log1p(alpha * mean)
        if name == "Hurdle":
            return np.where(y > 0, mass - np.log(-np.expm1(zero)), 0.0).sum()
        rest = special.log_expit(-etas[1])
        inflated = np.logaddexp(special.log_expit(etas[1]), rest + zero)
        return np.where(y == 0, inflated, rest + mass).sum()

    # The second derivative is left out by the difference of two steps.
    difference = (4.0 * likelihood(1e-4) - likelihood(2e-4) - 3.0 * likelihood(1e-7)) / 2e-4
    assert exact == pytest.approx(difference, rel=2e-2, abs=0.05)
    return exact


def test_interior_fits_are_left_alone():
    frame = counts(2, alpha=1.0, zeros=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for family in ("poisson", "negative_binomial"):
            for name in ("ZeroInflated", "Hurdle"):
                fit = getattr(fg, name).from_formula("y ~ x", frame, family=family).fit()
                assert fit.status == Status.CONVERGED


def test_boundaries_of_some_rows_are_named():
    # In one group there are fewer zeros than its counts would have; in the other, many more.
    many, few = counts(5, zeros=0.5), fewer_zeros(counts(6))
    frame = pd.concat([many.assign(g="a"), few.assign(g="b")], ignore_index=True)
    with pytest.warns(BoundaryWarning, match="In 400 rows there are no more zeros"):
        fit = fg.ZeroInflated.from_formula("y ~ x", frame, zeros="~ g").fit()
    assert fit.status == Status.BOUNDARY
    alone = fg.ZeroInflated.from_formula("y ~ x + g", frame, zeros="~ g")
    assert not alone.check_separation().exists
    wide = counts(7, alpha=1.0)
    narrow = counts(8)
    narrow["y"] = np.rint(np.exp(0.5 + 0.4 * narrow["x"])).astype(int)
    frame = pd.concat([wide.assign(g="a"), narrow.assign(g="b")], ignore_index=True)
    with pytest.warns(BoundaryWarning, match="In 400 rows the counts vary no more"):
        fit = fg.NegativeBinomialP.from_formula("y ~ x", frame, dispersion="~ g", power=2.0).fit()
    assert fit.status == Status.BOUNDARY


def test_the_null_model_of_a_boundary():
    frame = fewer_zeros(counts(1))
    with pytest.warns(BoundaryWarning):
        fit = fg.ZeroInflated.from_formula("y ~ x", frame).fit()
    null = fg.glm("y ~ 1", frame, family="poisson")
    assert fit.llnull == pytest.approx(null.llf, rel=1e-9)
    assert "Log-Likelihood" in str(fit.summary())
