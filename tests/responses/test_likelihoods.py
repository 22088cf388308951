"""Every model against its log-likelihood written out in NumPy: offsets, exposure and weights."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

import fastglm as fg
from fastglm.errors import DataError, ModelError

N = 240


def draw(seed=3):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=N),
            "z": rng.normal(size=N),
            "o": rng.normal(scale=0.7, size=N),
            "q": rng.normal(scale=0.7, size=N),
            "e": rng.uniform(0.5, 4.0, N),
            "v": rng.uniform(0.2, 3.0, N),
            "f": rng.integers(1, 4, N),
        }
    )
    mean = np.exp(0.4 + 0.3 * frame["x"] + 0.5 * frame["o"])
    counts = rng.poisson(mean * rng.gamma(2.0, 0.5, N))
    frame["y"] = np.where(rng.random(N) < special.expit(0.6 * frame["q"] - 1.0), 0, counts)
    eta = np.outer(frame["x"], [0.0, 0.5, -0.5]) + np.outer(frame["o"], [0.0, 1.0, 1.0])
    frame["c"] = (eta + rng.gumbel(size=(N, 3))).argmax(axis=1)
    frame["p"] = np.clip(rng.beta(2.0, 3.0, N), 0.01, 0.99)
    shares = rng.gamma(np.exp(np.outer(frame["x"], [0.2, -0.1, 0.3]) + 1.0))
    shares /= shares.sum(axis=1, keepdims=True)
    frame[["s1", "s2"]] = shares[:, :2]
    frame["s3"] = 1.0 - frame["s1"] - frame["s2"]
    return frame


FRAME = draw()
X = np.column_stack([np.ones(N), FRAME["x"]])
Z = np.column_stack([np.ones(N), FRAME["z"]])
OFFSET, Q, LOG_E = FRAME["o"].to_numpy(), FRAME["q"].to_numpy(), np.log(FRAME["e"].to_numpy())
Y, C, P = (FRAME[name].to_numpy() for name in ("y", "c", "p"))


def count_mass(y, log_mean, log_alpha=None):
    if log_alpha is None:
        return stats.poisson.logpmf(y, np.exp(log_mean))
    size = np.exp(-log_alpha) * np.ones_like(log_mean)
    return stats.nbinom.logpmf(y, size, size / (size + np.exp(log_mean)))


def zero_inflated(b, exposure=0.0):
    log_mean, zero = X @ b[:2] + OFFSET + exposure, Z @ b[2:4] + Q
    log_alpha = b[4] if len(b) > 4 else None
    mass = special.log_expit(-zero) + count_mass(Y, log_mean, log_alpha)
    return np.where(Y == 0, np.logaddexp(special.log_expit(zero), mass), mass)


def hurdle(b, exposure=0.0):
    log_mean, positive = X @ b[:2] + OFFSET + exposure, Z @ b[2:4] + Q
    log_alpha = b[4] if len(b) > 4 else None
    mass = count_mass(Y, log_mean, log_alpha)
    log_zero = count_mass(np.zeros(N), log_mean, log_alpha)
    cut = special.log_expit(positive) + mass - np.log(-np.expm1(log_zero))
    return np.where(Y == 0, special.log_expit(-positive), cut)


def negative_binomial_p(b, exposure=0.0):
    log_mean, log_alpha = X @ b[:2] + OFFSET + exposure, Z @ b[2:] + Q
    return count_mass(Y, log_mean, log_alpha - log_mean)


def beta(b):
    mean, precision = special.expit(X @ b[:2] + OFFSET), np.exp(Z @ b[2:] + Q)
    return stats.beta.logpdf(P, mean * precision, (1.0 - mean) * precision)


def multinomial(b):
    etas = np.stack([np.zeros(N), X @ b[:2] + OFFSET, X @ b[2:] + OFFSET])
    return special.log_softmax(etas, axis=0)[C, np.arange(N)]


def ordered(b):
    ends = np.array([-np.inf, b[1], b[2], np.inf])
    eta = FRAME["x"].to_numpy() * b[0] + OFFSET
    return np.log(special.expit(ends[C + 1] - eta) - special.expit(ends[C] - eta))


def dirichlet(b):
    shape = np.exp(np.stack([X @ b[k : k + 2] + OFFSET for k in (0, 2, 4)]))
    shares = FRAME[["s1", "s2", "s3"]].to_numpy().T
    value = special.gammaln(shape.sum(axis=0)) - special.gammaln(shape).sum(axis=0)
    return value + ((shape - 1.0) * np.log(shares)).sum(axis=0)


# Model, log-likelihood of the rows, its formulas, and whether it takes an exposure.
MODELS = {
    "ZeroInflated": (
        "ZeroInflated",
        zero_inflated,
        {"formula": "y ~ x + offset(o)", "zeros": "~ z + offset(q)"},
        True,
    ),
    "ZeroInflated nb": (
        "ZeroInflated",
        zero_inflated,
        {
            "formula": "y ~ x + offset(o)",
            "zeros": "~ z + offset(q)",
            "family": "negative_binomial",
        },
        True,
    ),
    "Hurdle": (
        "Hurdle",
        hurdle,
        {"formula": "y ~ x + offset(o)", "zeros": "~ z + offset(q)"},
        True,
    ),
    "Hurdle nb": (
        "Hurdle",
        hurdle,
        {
            "formula": "y ~ x + offset(o)",
            "zeros": "~ z + offset(q)",
            "family": "negative_binomial",
        },
        True,
    ),
    "NegativeBinomialP": (
        "NegativeBinomialP",
        negative_binomial_p,
        {"formula": "y ~ x + offset(o)", "dispersion": "~ z + offset(q)"},
        True,
    ),
    "BetaModel": (
        "BetaModel",
        beta,
        {"formula": "p ~ x + offset(o)", "precision": "~ z + offset(q)"},
        False,
    ),
    "MNLogit": ("MNLogit", multinomial, {"formula": "c ~ x + offset(o)"}, False),
    "OrderedModel": ("OrderedModel", ordered, {"formula": "c ~ x + offset(o)"}, False),
    "DirichletModel": (
        "DirichletModel",
        dirichlet,
        {"formula": "cbind(s1, s2, s3) ~ x + offset(o)"},
        False,
    ),
}
WEIGHTS = {
    "none": ({}, np.ones(N)),
    "freq": ({"freq_weights": "f"}, FRAME["f"].to_numpy()),
    "var": ({"var_weights": "v"}, FRAME["v"].to_numpy()),
    "both": ({"freq_weights": "f", "var_weights": "v"}, (FRAME["f"] * FRAME["v"]).to_numpy()),
}


def build(name, **options):
    model, _, formulas, _ = MODELS[name]
    return getattr(fg, model).from_formula(data=FRAME, **formulas, **options)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weighting", WEIGHTS)
def test_the_maximum_of_the_likelihood_written_out(name, weighting):
    _, rows_of, _, takes_exposure = MODELS[name]
    options, weights = WEIGHTS[weighting]
    exposure = {"exposure": LOG_E} if takes_exposure else {}
    given = options | ({"exposure": "e"} if takes_exposure else {})
    fit = build(name, **given).fit()
    assert fit.converged

    def total(b):
        return float(weights @ rows_of(b, **exposure))

    b, se = fit.estimates, fit.standard_errors
    assert fit.llf == pytest.approx(total(b), rel=1e-11)
    # Newton's step in standard errors, by central differences.
    gradient = optimize.approx_fprime(b, total, 1e-6 * se) / 2
    gradient -= optimize.approx_fprime(b, lambda a: total(2 * b - a), 1e-6 * se) / 2
    assert np.abs(gradient * se).max() < 1e-4
    # The information, from second differences.
    step = 1e-3 * se
    steps = np.diag(step)
    hessian = np.array(
        [
            [
                total(b + i + j) - total(b + i - j) - total(b - i + j) + total(b - i - j)
                for j in steps
            ]
            for i in steps
        ]
    ) / (4.0 * np.outer(step, step))
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(-hessian), rtol=2e-4, atol=1e-7)
    frequencies = FRAME["f"].sum() if "freq_weights" in options else N
    assert fit.nobs == frequencies


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_has_the_null_model_of_its_offsets(name):
    _, rows_of, _, _ = MODELS[name]
    fit = build(name).fit()
    slopes = [k for k, each in enumerate(fit.names) if each.endswith(("x", "z"))]
    free = np.setdiff1d(np.arange(len(fit.names)), slopes)

    def loss(values):
        b = np.zeros(len(fit.names))
        b[free] = values
        return -rows_of(b).sum()

    found = optimize.minimize(loss, fit.estimates[free], method="BFGS", options={"gtol": 1e-6})
    assert fit.llnull == pytest.approx(-found.fun, abs=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("weighting", ["freq", "var"])
def test_robust_covariances_of_weighted_rows(name, weighting):
    # A frequency repeats a row; another weight multiplies its score.
    _, rows_of, _, _ = MODELS[name]
    options, weights = WEIGHTS[weighting]
    fit = build(name, **options).fit()
    scores = np.array(
        [
            (rows_of(fit.estimates + step) - rows_of(fit.estimates - step)) / (2e-4 * se)
            for step, se in zip(
                np.diag(1e-4 * fit.standard_errors), fit.standard_errors, strict=True
            )
        ]
    )
    bread = fit.information_inverse
    power = 1 if weighting == "freq" else 2
    meat = (scores * weights**power) @ scores.T
    robust = fit.with_covariance("HC0").covariance
    np.testing.assert_allclose(robust, bread @ meat @ bread, rtol=1e-4, atol=1e-8)
    if weighting == "var":
        groups = np.arange(N)
        by_row = fit.with_covariance("cluster", groups=groups, use_correction=False).covariance
        np.testing.assert_allclose(by_row, robust, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ["ZeroInflated", "Hurdle", "NegativeBinomialP"])
def test_exposure_is_an_offset_of_its_logarithm(name):
    model, _, formulas, _ = MODELS[name]
    by_exposure = build(name, exposure="e").fit()
    offset = build(name, offset=LOG_E).fit()
    np.testing.assert_allclose(by_exposure.estimates, offset.estimates, rtol=1e-12)
    cls = getattr(fg, model)
    with pytest.raises(DataError, match="exposure must be positive, but it is not in 1 row"):
        cls.from_formula(data=FRAME, **formulas, exposure=np.r_[0.0, np.ones(N - 1)])
    with pytest.raises(DataError, match="exposure has 3 values"):
        cls.from_formula(data=FRAME, **formulas, exposure=np.ones(3))


def test_the_test_of_proportional_odds_reads_the_offset():
    test = build("OrderedModel", var_weights="v").fit().proportional_odds_test()
    weights, slopes, means, breads = WEIGHTS["var"][1], [], [], []
    for level in (0, 1):
        below = (level >= C).astype(float)
        fit = fg.GLM(below, X, family="binomial", offset=-OFFSET, var_weights=weights).fit()
        slopes.append(fit.params[1])
        means.append(fit.fittedvalues)
        breads.append(fit.cov_params())
    # The indicators of both levels have covariance mean_0 (1 - mean_1).
    meat = (X * (weights * means[0] * (1.0 - means[1]))[:, None]).T @ X
    mixed = (breads[0] @ meat @ breads[1])[1, 1]
    variance = breads[0][1, 1] + breads[1][1, 1] - 2.0 * mixed
    assert test.statistic == pytest.approx((slopes[1] - slopes[0]) ** 2 / variance, rel=1e-6)


def test_weights_that_cannot_be_used():
    for name in ("freq_weights", "var_weights"):
        with pytest.raises(DataError, match=f"{name} must not be negative"):
            build("BetaModel", **{name: -FRAME["v"]})
        with pytest.raises(DataError, match="all weights are zero"):
            build("BetaModel", **{name: np.zeros(N)})


def test_rows_of_weight_zero_do_not_count():
    weights = np.where(np.arange(N) % 5, 1.0, 0.0)
    fit = fg.MNLogit.from_formula("c ~ x", FRAME, var_weights=weights).fit()
    few = fg.MNLogit.from_formula("c ~ x", FRAME[weights > 0]).fit()
    assert fit.nobs == few.nobs == weights.sum()
    np.testing.assert_allclose(fit.estimates, few.estimates, rtol=1e-9)
    np.testing.assert_allclose(fit.standard_errors, few.standard_errors, rtol=1e-9)


def test_groups_by_the_name_of_a_column():
    frame = FRAME.assign(g=np.arange(N) % 20)
    frame.loc[7, "x"] = np.nan
    fit = fg.ZeroInflated.from_formula("y ~ x", frame, missing="drop").fit()
    named = fit.with_covariance("cluster", groups="g")
    given = fit.with_covariance("cluster", groups=frame["g"].drop(7))
    np.testing.assert_array_equal(named.covariance, given.covariance)
    by_array = fg.MNLogit(C, X).fit()
    with pytest.raises(ModelError, match="columns by name"):
        by_array.with_covariance("cluster", groups="g")


def test_frames_of_columns_leave_out_rows_with_missing_values():
    frame = FRAME[["x", "z"]].copy()
    frame.loc[[3, 11], "x"] = np.nan
    response = FRAME["p"].copy()
    response[20] = np.nan
    precision = FRAME[["q"]].copy()
    precision.loc[30, "q"] = np.nan
    with pytest.raises(DataError, match="'x' in 2 rows"):
        fg.BetaModel(FRAME["p"], frame)
    fit = fg.BetaModel(response, frame, precision=precision, missing="drop").fit()
    keep = np.setdiff1d(np.arange(N), [3, 11, 20, 30])
    few = fg.BetaModel(response[keep], frame.loc[keep], precision=precision.loc[keep]).fit()
    assert fit.n_dropped == 4
    np.testing.assert_allclose(fit.params, few.params, rtol=1e-12)
    assert list(fit.fittedvalues.index) == list(keep)
