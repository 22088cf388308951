"""Profile intervals: by held coefficients, binomial fits, and an optimiser of SciPy."""

import numpy as np
import pytest
import response_cases as cases
from scipy import optimize, special, stats

import fastglm as fg
from fastglm.errors import ConvergenceWarning, ModelError

QUANTILE = stats.chi2(1).ppf(0.95)


@pytest.mark.parametrize(
    ("name", "right"),
    [("BetaModel", "precision"), ("NegativeBinomialP", "dispersion"), ("ZeroInflated", "zeros")],
)
def test_ends_are_where_fits_with_an_offset_fall_that_far(name, right):
    """Of a slope of the first predictor, and one of the second."""
    data = cases.frame()
    response, options = cases.MODELS[name]
    make = getattr(fg, name).from_formula
    fit = make(f"{response} ~ x + g", data, **options).fit()
    ends = fit.conf_int(method="profile")
    for end in ends.loc["x"]:
        held = make(f"{response} ~ g + offset({end!r} * x)", data, **options).fit()
        assert 2.0 * (fit.llf - held.llf) == pytest.approx(QUANTILE, rel=1e-6)
    (second,) = (n for n in fit.names if n.endswith("-x"))
    for end in ends.loc[second]:
        own = options | {right: f"~ 1 + offset({end!r} * x)"}
        held = make(f"{response} ~ x + g", data, **own).fit()
        assert 2.0 * (fit.llf - held.llf) == pytest.approx(QUANTILE, rel=1e-6)


@pytest.mark.parametrize("alpha", [0.05, 0.3])
def test_two_levels_have_the_intervals_of_a_binomial_fit(alpha):
    data = cases.frame().assign(two=lambda d: (d.level > 0).astype(int))
    one = fg.glm("two ~ x + g", data, "binomial").conf_int(alpha, "profile").to_numpy()
    several = fg.MNLogit.from_formula("two ~ x + g", data).fit().conf_int(alpha, "profile")
    np.testing.assert_allclose(several, one, rtol=2e-6)
    ordered = fg.OrderedModel.from_formula("two ~ x + g", data).fit()
    found = np.asarray(ordered.conf_int(alpha, "profile"))
    np.testing.assert_allclose(found[:-1], one[1:], rtol=2e-6)
    # The threshold is minus the intercept.
    np.testing.assert_allclose(found[-1], -one[0, ::-1], rtol=2e-6)
    np.testing.assert_array_equal(ordered.confint(1.0 - alpha), found)


def test_one_level_of_several_against_scipy():
    data = cases.frame()
    X, y = np.column_stack([np.ones(cases.N), 1e3 + data.x]), data.level.to_numpy()
    fit = fg.MNLogit(y, X).fit()
    low, high = fit.conf_int(method="profile")[3]

    def fall(value):
        def loss(free):
            eta = np.column_stack(
                [np.zeros(cases.N), X @ free[:2], free[2] + (X[:, 1] - 1e3) * value]
            )
            return -(eta[np.arange(cases.N), y] - special.logsumexp(eta, axis=1)).sum()

        start = np.array([fit.estimates[0] + 1e3 * fit.estimates[1], fit.estimates[1], 0.0])
        centred = lambda free: loss(np.array([free[0] - 1e3 * free[1], free[1], free[2]]))  # noqa: E731
        return 2.0 * (optimize.minimize(centred, start, method="BFGS", tol=1e-9).fun + fit.llf)

    assert fall(low) == pytest.approx(QUANTILE, rel=1e-4)
    assert fall(high) == pytest.approx(QUANTILE, rel=1e-4)


def test_weights_offsets_and_aliased_columns():
    data = cases.frame().assign(twice=lambda d: 2.0 * d.x)
    with pytest.warns(fg.errors.RankWarning):
        fit = cases.model("DirichletModel", data, "x + twice", var_weights="w", offset="o").fit()
    plain = cases.model("DirichletModel", data, "x", var_weights="w", offset="o").fit()
    ends, expected = (np.asarray(f.conf_int(method="profile")) for f in (fit, plain))
    kept = ~np.isnan(fit.estimates)
    np.testing.assert_allclose(ends[kept], expected, rtol=1e-6)
    assert np.isnan(ends[~kept]).all()


def test_what_has_no_profile():
    data = cases.frame()
    with pytest.warns(fg.errors.BoundaryWarning):
        flat = fg.NegativeBinomialP(np.tile([1.0, 2.0, 1.0], 80), np.ones((240, 1))).fit()
    with pytest.raises(ModelError, match="not on the boundary"):
        flat.conf_int(method="profile")
    with pytest.raises(ModelError, match="method must be one of"):
        flat.conf_int(method="score")
    # As a share of extra zeros goes to nothing the likelihood hardly falls.
    rng = np.random.default_rng(8)
    counts = rng.poisson(1.2, cases.N).astype(float)
    counts[:5] = 0.0
    fit = fg.ZeroInflated(counts, np.ones((cases.N, 1))).fit()
    assert fit.converged
    with pytest.warns(ConvergenceWarning, match="do not reach"):
        ends = fit.conf_int(method="profile")
    assert np.isnan(ends[1, 0])
    assert np.isfinite(ends[0]).all() or np.isnan(ends[0]).any()
    assert data.shape[0] == cases.N
