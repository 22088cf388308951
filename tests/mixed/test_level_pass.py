"""One pass over the levels against passes over all rows; samples of levels; threads."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.mixed import algebra, generalized, laplace, layout, sampling
from fastglm.mixed.laplace import LaplaceState
from fastglm.mixed.parameters import Parameters

links = fg.families.links


def grouped(n, q, seed=0, slope=False):
    """Rows of q levels in any order, a column that is coded, and counts."""
    rng = np.random.default_rng(seed)
    g, x = rng.integers(0, q, n), rng.normal(size=n)
    f = np.array(["a", "b", "c"], dtype=object)[rng.integers(0, 3, n)]
    effects = 0.6 * rng.normal(size=(q, 2))
    eta = 0.3 + 0.4 * x + effects[g, 0] + (0.4 * effects[g, 1] * x if slope else 0.0)
    data = {"x": x, "f": f, "g": g, "y": rng.poisson(np.exp(0.5 * eta))}
    data["s"] = (rng.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(int)
    data["w"] = rng.gamma(3.0, np.exp(0.3 * eta) / 3.0)
    return data


CASES = [
    ("s", fg.families.Binomial(), True),
    ("s", fg.families.Binomial(link=links.Probit()), True),
    ("s", fg.families.Binomial(link=links.Probit()), False),
    ("y", fg.families.NegativeBinomial(), True),
    ("y", fg.families.NegativeBinomial(), False),
    ("w", fg.families.Gamma(link=links.Log()), True),
]


@pytest.mark.parametrize("random", ["1", "1 + x"])
@pytest.mark.parametrize(("response", "family", "observed"), CASES)
def test_one_pass_is_the_sum_of_all_passes(response, family, observed, random, monkeypatch):
    # A level has more rows than a block has.
    data = grouped(1_500, 4, slope=True)
    fit = fg.mixed(
        f"{response} ~ x + f + ({random} | g)", data, family,
        laplace="observed" if observed else "expected",
    )  # fmt: skip
    problem = fit.estimate.problem
    theta = 0.4 * problem.layout.start_theta() + 0.05
    point = Parameters(np.array([0.2, 0.1, -0.1, 0.05]), theta, -0.2)
    quick = problem.at(point)
    assert quick.level_sums is not None
    monkeypatch.setattr(LaplaceState, "by_level", False)
    slow = problem.at(point)
    assert slow.level_sums is None
    assert quick.value == pytest.approx(slow.value, rel=1e-12)
    extra = ("extra_gradient",) if problem.extra != "none" else ()
    for name in ("beta_gradient", "theta_gradient", *extra):
        np.testing.assert_allclose(getattr(quick, name), getattr(slow, name), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(quick.factor.products.own, slow.factor.products.own, rtol=1e-9)
    if not observed:
        return
    for one, other in zip(quick.row_curvature, slow.row_curvature, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("random", ["1", "x"])
def test_a_start_from_some_levels_ends_where_others_end(random, monkeypatch):
    data = grouped(6_000, 300, slope=True)
    formula = f"s ~ x + f + ({random} | g)"
    whole = fg.mixed(formula, data, "binomial")
    monkeypatch.setattr(sampling, "SAMPLE_LEVELS", 60)
    asked = []
    monkeypatch.setattr(
        generalized, "start_of", lambda *a, f=generalized.start_of: asked.append(1) or f(*a)
    )
    sampled = fg.mixed(formula, data, "binomial")
    # The model without random effects was fitted to the sample alone.
    assert asked == [1]
    assert sampled.criterion == pytest.approx(whole.criterion, abs=1e-8)
    np.testing.assert_allclose(sampled.params, whole.params, atol=1e-8)
    np.testing.assert_allclose(sampled.theta, whole.theta, atol=1e-8)
    np.testing.assert_allclose(sampled.bse, whole.bse, rtol=4e-6)
    np.testing.assert_allclose(sampled.theta_se, whole.theta_se, rtol=1e-5)
    np.testing.assert_allclose(
        sampled.conditional_covariance, whole.conditional_covariance, rtol=2e-5, atol=1e-9
    )


def test_a_sample_that_is_odd_is_not_begun_from(monkeypatch):
    monkeypatch.setattr(sampling, "SAMPLE_LEVELS", 60)
    data = grouped(6_000, 300)
    # Only levels outside the sample have this column: it is constant inside.
    chosen = np.linspace(0, 299, 60).astype(int)
    rare = ~np.isin(data["g"], chosen)
    data["z"] = np.where(rare, data["x"], 0.0)
    fit = fg.mixed("s ~ x + z + (1 | g)", data, "binomial")
    monkeypatch.setattr(sampling, "SAMPLE_LEVELS", 10_000)
    again = fg.mixed("s ~ x + z + (1 | g)", data, "binomial")
    np.testing.assert_array_equal(fit.params, again.params)
    # Separated rows are found whether they are in the sample or not.
    monkeypatch.setattr(sampling, "SAMPLE_LEVELS", 60)
    data["z"] = (rare & (data["s"] == 1) & (np.arange(6_000) < 500)).astype(float)
    with pytest.warns(fg.errors.SeparationWarning, match="z"):
        fg.mixed("s ~ x + z + (1 | g)", data, "binomial")


@pytest.mark.parametrize("family", ["binomial", "gaussian"])
def test_any_number_of_threads_gives_the_same_bits(family, monkeypatch):
    for name in ("PARALLEL_ROWS", "PARALLEL_VISITS"):
        monkeypatch.setattr(algebra, name, 1_000)
    monkeypatch.setattr(layout, "CHUNK_ROWS", 1_000)
    data = grouped(8_000, 400, slope=True)
    formula = f"{'s' if family == 'binomial' else 'w'} ~ x + f + (x | g)"
    fits = [fg.mixed(formula, data, family, n_threads=n) for n in (1, 2, 5)]
    assert fits[0].estimate.layout.chunks.size > 4
    for other in fits[1:]:
        for name in ("estimates", "covariance", "theta", "parameter_covariance", "criterion"):
            one, two = np.asarray(getattr(fits[0], name)), np.asarray(getattr(other, name))
            assert one.tobytes() == two.tobytes()
        assert fits[0].groups[0].modes.tobytes() == other.groups[0].modes.tobytes()
        assert fits[0].groups[0].variances.tobytes() == other.groups[0].variances.tobytes()


def test_columns_are_read_where_they_lie():
    # No copy of the fixed columns is made: memory of a fit stays below that of one.
    import tracemalloc

    rng = np.random.default_rng(0)
    n, p = 60_000, 60
    X = rng.normal(size=(n, p))
    y = (rng.random(n) < 0.5).astype(float)
    g = rng.integers(0, 50, n)
    fg.MixedGLM(y, X, groups=g, family="binomial").fit(max_iter=1)
    tracemalloc.start()
    fg.MixedGLM(y, X, groups=g, family="binomial").fit(max_iter=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.75 * X.nbytes
    assert laplace.BUFFERS
