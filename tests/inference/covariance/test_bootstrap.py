from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import fastglm as fg
from fastglm.errors import ConvergenceWarning, DataError, ModelError
from fastglm.inference.rows.simulate import draw_responses
from fastglm.passes.draws import ResampleCounts
from fastglm.solve.replicates import Replicates


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(12)
    n = 3000
    frame = pd.DataFrame(
        {
            "x": rng.normal(1e3, 1.0, n),
            "z": rng.uniform(size=n),
            "a": rng.choice(list("uvwx"), n),
            "t": rng.uniform(0.5, 2.0, n),
            "g": rng.integers(0, 200, n),
            "f": rng.integers(0, 4, n),
        }
    )
    mean = frame.t * np.exp(0.3 * (frame.x - 1e3) + (frame.a == "u") * frame.z)
    frame["y"] = rng.poisson(mean)
    frame["b"] = (rng.random(n) < mean / (1 + mean)).astype(float)
    frame["s"] = rng.gamma(2.0, mean / 2.0)
    return frame


SEED = 5


def seeds(n):
    return np.random.SeedSequence(SEED).generate_state(n, np.uint64)


def draw_counts(seeds, n_units, n_threads=1):
    counts = ResampleCounts(n_units, seeds.size)
    counts.draw(seeds, n_threads)
    return np.array([counts[b] for b in range(seeds.size)])


def test_draws_are_uniform_and_independent_of_threads():
    counts = draw_counts(seeds(400), 1000, 1)
    np.testing.assert_array_equal(counts, draw_counts(seeds(400), 1000, 2))
    assert (counts.sum(axis=1) == 1000).all()
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 1e-4
    observed = np.bincount(counts.ravel(), minlength=8)[:7]
    expected = stats.binom.pmf(np.arange(7), 1000, 1e-3) * counts.size
    assert (
        stats.chisquare(
            np.append(observed, counts.size - observed.sum()),
            np.append(expected, counts.size - expected.sum()),
        ).pvalue
        > 1e-4
    )
    correlation = np.corrcoef(counts)
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 0.2


@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("y ~ x + z * a", "poisson", {"exposure": "t"}),
        ("b ~ x + a", "binomial", {}),
        ("s ~ x + a", "gamma", {"link": "log"}),
        ("s ~ x + z", "gaussian", {}),
        ("y ~ z + a", "poisson", {"link": "sqrt"}),
        ("b ~ z", "binomial", {"link": "cloglog", "var_weights": "t"}),
    ],
)
def test_replicates_are_refits_of_resampled_rows(frame, formula, family, options):
    fit = fg.glm(formula, frame, family, **options)
    replicates = fit.bootstrap(20, seed=SEED).replicates
    counts = draw_counts(seeds(20), 3000, 1)
    for b in (0, 7, 19):
        sample = frame.loc[np.repeat(np.arange(3000), counts[b])]
        refit = fg.glm(formula, sample, family, tol=1e-12, **options)
        error = (replicates[b] - refit.params.to_numpy()) / fit.bse.to_numpy()
        assert np.abs(error).max() < 1e-5


@pytest.mark.parametrize(
    ("formula", "family"),
    [
        ("s ~ z + near", "gaussian"),
        ("y ~ z + near", "poisson"),
        ("y ~ year + a", "poisson"),
        ("y ~ a + x:a - 1", "poisson"),
        ("y ~ a - 1", "poisson"),
        ("tiny ~ x + a", "gaussian"),
        ("huge ~ x + a", "gaussian"),
        ("y ~ heavy + z", "poisson"),
        ("b ~ x + constant", "binomial"),
    ],
)
@pytest.mark.parametrize("most_directions", [0, 128])
@pytest.mark.filterwarnings("ignore::fastglm.errors.RankWarning")
def test_replicates_of_columns_that_cost_digits(
    frame, formula, family, most_directions, monkeypatch
):
    """Collinear, of any magnitude, heavy-tailed, aliased: though passes are in single precision.

    All columns come as directions, or the sparse ones do not.
    """
    monkeypatch.setattr("fastglm.solve.replicates.MOST_DIRECTIONS", most_directions)
    rng = np.random.default_rng(3)
    frame = frame.assign(
        near=frame.z + 1e-5 * rng.normal(size=len(frame)),
        year=2000.0 + frame.a.map(ord) + 1e-4 * rng.normal(size=len(frame)),
        heavy=np.exp(2.0 * rng.normal(size=len(frame))),
        tiny=frame.s * 1e-40,
        huge=frame.s * 1e40,
        constant=2.0,
    )
    fit = fg.glm(formula, frame, family)
    replicates = fit.bootstrap(6, seed=SEED).replicates
    counts = draw_counts(seeds(6), len(frame), 1)
    kept = fit.bse.notna().to_numpy()
    for b in range(6):
        sample = frame.loc[np.repeat(np.arange(len(frame)), counts[b])]
        refit = fg.glm(formula, sample, family, tol=1e-12)
        error = (replicates[b] - refit.params.to_numpy()) / fit.bse.to_numpy()
        assert np.abs(error[kept]).max() < 1e-5


def test_columns_too_collinear_for_steps_are_left_to_the_solver(frame, monkeypatch):
    fit = fg.glm("y ~ x + a", frame, "poisson")
    quick = fit.bootstrap(4, seed=SEED).replicates

    def fail(*arguments):
        raise np.linalg.LinAlgError

    monkeypatch.setattr("fastglm.solve.replicates.inverse_factor", fail)
    solved = fit.bootstrap(4, seed=SEED).replicates
    assert np.abs((quick - solved) / fit.bse.to_numpy()).max() < 1e-5


@pytest.mark.parametrize(("family", "options"), [("poisson", {}), ("gamma", {"link": "log"})])
def test_polynomials_stand_for_residuals(frame, monkeypatch, family, options):
    """Replicates by polynomials equal those by link and family, and use them where they hold."""
    held = []
    find_polynomials = Replicates._find_polynomials

    def spied(self, *arguments):
        find_polynomials(self, *arguments)
        held.append((self.polynomial_length > 0).mean())

    monkeypatch.setattr(Replicates, "_find_polynomials", spied)
    frame = pd.concat([frame] * 8, ignore_index=True)
    fit = fg.glm(f"{'s' if family == 'gamma' else 'y'} ~ x + a", frame, family, **options)
    quick = fit.bootstrap(40, seed=SEED).replicates
    monkeypatch.setattr("fastglm.solve.replicates.POLYNOMIAL_ERROR", -1.0)
    exact = fit.bootstrap(40, seed=SEED).replicates
    assert held[0] > 0.9
    assert held[1] == 0.0
    assert np.abs((quick - exact) / fit.bse.to_numpy()).max() < 2e-6


def test_draws_follow_probabilities():
    probabilities = np.array([0.5, 0.3, 0.2] + [0.0] * 300)
    counts = ResampleCounts(303, 2, probabilities, 100_000)
    counts.draw(seeds(2), 1)
    for b in range(2):
        assert counts[b].sum() == 100_000
        assert stats.chisquare(counts[b][:3], 100_000 * probabilities[:3]).pvalue > 1e-4
    assert counts.include(np.array([2])).all()
    assert not counts.include(np.array([3, 302])).any()


def test_groups_are_drawn_as_a_whole(frame):
    fit = fg.glm("y ~ x + a", frame, "poisson")
    replicates = fit.bootstrap(10, seed=SEED, groups=frame.g).replicates
    names, codes = np.unique(frame.g, return_inverse=True)
    counts = draw_counts(seeds(10), names.size, 1)
    for b in (0, 9):
        sample = frame.loc[np.repeat(np.arange(3000), counts[b][codes])]
        refit = fg.glm("y ~ x + a", sample, "poisson", tol=1e-12)
        error = (replicates[b] - refit.params.to_numpy()) / fit.bse.to_numpy()
        assert np.abs(error).max() < 1e-5


def test_the_same_whatever_the_threads_and_batches(frame, monkeypatch):
    model = fg.GLM.from_formula("y ~ x + a", frame, "poisson")
    one, two = (model.fit(n_threads=k).bootstrap(30, seed=3).replicates for k in (1, 2))
    np.testing.assert_array_equal(one, two)
    first = model.fit().bootstrap(10, seed=3).replicates
    np.testing.assert_array_equal(first, one[:10])
    monkeypatch.setattr("fastglm.inference.covariance.bootstrap.SAMPLE_BYTES", 3000 * 7)
    np.testing.assert_array_equal(model.fit().bootstrap(30, seed=3).replicates, one)
    assert not np.array_equal(model.fit().bootstrap(10, seed=4).replicates, first)


def test_covariance_is_near_the_sandwich(frame):
    fit = fg.glm("y ~ x + a", frame, "poisson")
    boot = fit.with_covariance("bootstrap", n_replicates=2000, seed=1)
    ratio = boot.bse.to_numpy() / fit.with_covariance("HC0").bse.to_numpy()
    assert (np.abs(ratio - 1.0) < 0.1).all()
    grouped = fit.with_covariance("bootstrap", n_replicates=2000, groups=frame.g).bse
    clustered = fit.with_covariance("cluster", groups=frame.g).bse
    assert (np.abs(grouped / clustered - 1.0) < 0.15).all()


def test_frequencies_draw_observations(frame):
    counted = fg.glm("y ~ x + a", frame, "poisson", freq_weights="f")
    boot = counted.bootstrap(1000, seed=1)
    ratio = boot.bse / counted.with_covariance("HC0").bse.to_numpy()
    assert (np.abs(ratio - 1.0) < 0.12).all()


@pytest.mark.parametrize(
    ("response", "family", "options"),
    [
        ("y", "poisson", {}),
        ("b", "binomial", {}),
        ("s", "gamma", {"link": "log"}),
        ("s", "gaussian", {}),
        ("s", "inverse_gaussian", {"link": "log"}),
        ("y", fg.families.NegativeBinomial(alpha=0.5), {}),
        ("s", fg.families.Tweedie(var_power=1.5), {}),
    ],
)
def test_parametric_replicates_have_the_covariance_of_the_model(frame, response, family, options):
    fit = fg.glm(f"{response} ~ z + a", frame, family, **options)
    boot = fit.bootstrap(400, seed=2, kind="parametric")
    assert (np.abs(boot.bse / fit.bse.to_numpy() - 1.0) < 0.2).all()
    assert (np.abs(boot.bias / fit.bse.to_numpy()) < 0.25).all()


@pytest.mark.parametrize(
    ("formula", "family", "options"),
    [
        ("y ~ x + z * a", "poisson", {"exposure": "t"}),
        ("b ~ x + a", "binomial", {}),
        ("b ~ x + a", "binomial", {"var_weights": "k", "link": "probit"}),
        ("b ~ z", "binomial", {"var_weights": "k"}),
        ("s ~ x + z", "gaussian", {"var_weights": "t"}),
        ("s ~ z + a", "gamma", {}),
    ],
)
def test_parametric_replicates_are_refits_to_drawn_responses(frame, formula, family, options):
    frame = frame.assign(k=frame.f + 1.0)
    fit = fg.glm(formula, frame, family, **options)
    replicates = fit.bootstrap(8, seed=SEED, kind="parametric").replicates
    weights = frame[options["var_weights"]] if "var_weights" in options else np.ones(len(frame))
    for b, seed in enumerate(seeds(8)):
        generator = np.random.default_rng(seed)
        drawn = draw_responses(fit, fit.fittedvalues.to_numpy(), np.asarray(weights), generator)
        own = frame.assign(**{formula[0]: drawn})
        refit = fg.glm(formula, own, family, tol=1e-12, **options)
        assert (np.abs(replicates[b] - refit.params) / fit.bse).max() < 1e-5


def test_parametric_replicates_do_not_depend_on_threads(frame):
    one, two = (
        fg.glm("y ~ x * a", frame, "poisson", n_threads=threads)
        .bootstrap(40, kind="parametric")
        .replicates
        for threads in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


def test_rows_of_weight_zero_draw_nothing():
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(400), rng.normal(size=400)])
    y = (rng.random(400) < 0.4).astype(float)
    weights = (np.arange(400) < 300).astype(float)
    fit = fg.GLM(y, X, "binomial", var_weights=weights).fit()
    boot = fit.bootstrap(300, kind="parametric")
    assert (np.abs(boot.bse / fit.bse - 1.0) < 0.2).all()


def test_parametric_binomial_with_trials():
    trials = np.array([5, 10, 20, 40, 30.0])
    X = np.column_stack([np.ones(5), np.arange(5.0)])
    fit = fg.GLM(np.array([0.2, 0.4, 0.35, 0.6, 0.8]), X, "binomial", var_weights=trials).fit()
    boot = fit.bootstrap(500, kind="parametric")
    assert (np.abs(boot.bse / fit.bse - 1.0) < 0.25).all()


def test_samples_that_lack_a_level_have_no_estimates():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": ["u"] * 2 + ["v"] * 50 + ["w"] * 50, "y": rng.poisson(5.0, 102)})
    fit = fg.glm("y ~ a", frame, "poisson")
    counts = draw_counts(np.random.SeedSequence(0).generate_state(200, np.uint64), 102, 1)
    lacking = counts[:, :2].sum(axis=1) == 0
    with pytest.warns(ConvergenceWarning, match=f"{lacking.sum()} of 200 samples"):
        boot = fit.bootstrap(200)
    assert boot.n_failed == lacking.sum() > 10
    np.testing.assert_array_equal(np.isnan(boot.replicates).all(axis=1), lacking)
    assert np.isfinite(boot.bse).all()


def test_small_samples_are_left_to_the_solver():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(25), rng.normal(size=(25, 3))])
    y = rng.poisson(np.exp(X @ [0.5, 0.8, -0.5, 0.3]))
    fit = fg.GLM(y, X, "poisson").fit()
    replicates = fit.bootstrap(50, seed=SEED).replicates
    counts = draw_counts(seeds(50), 25, 1)
    for b in range(50):
        refit = fg.GLM(y, X, "poisson", freq_weights=counts[b]).fit(tol=1e-12)
        assert np.abs((replicates[b] - refit.params) / fit.bse).max() < 1e-5


def test_intervals_and_the_frame(frame):
    fit = fg.glm("y ~ z", frame, "poisson")
    boot = fit.bootstrap(300, seed=9)
    low, high = boot.conf_int(0.1).T
    np.testing.assert_allclose(low, np.quantile(boot.replicates, 0.05, axis=0))
    basic = boot.conf_int(0.1, method="basic")
    np.testing.assert_allclose(basic[:, 0], 2 * fit.params.to_numpy() - high)
    np.testing.assert_array_equal(fit.conf_int(method="bootstrap"), fit.bootstrap().conf_int())
    assert list(boot.summary_frame().index) == list(fit.names)
    assert "300 replicates (pairs), seed 9" in repr(boot)


def test_progress_is_reported(frame):
    calls = []
    fit = fg.glm("y ~ z", frame, "poisson")
    fit.bootstrap(5, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (5, 5)


def test_options_that_make_no_sense(frame):
    fit = fg.glm("y ~ z", frame, "poisson")
    with pytest.raises(ModelError, match="n_replicates"):
        fit.bootstrap(1)
    with pytest.raises(ModelError, match="kind must be"):
        fit.bootstrap(kind="wild")
    with pytest.raises(ModelError, match="leave out kind"):
        fit.bootstrap(kind="parametric", groups=frame.g)
    with pytest.raises(DataError, match="one group for each"):
        fit.bootstrap(groups=[1, 2])
    with pytest.raises(ModelError, match="does not say how responses are distributed"):
        fg.glm("y ~ z", frame, "quasipoisson").bootstrap(3, kind="parametric")
    with pytest.raises(ModelError, match="freq_weights"):
        fg.glm("y ~ z", frame, "poisson", freq_weights="f").bootstrap(3, kind="parametric")


def test_bca_intervals_of_a_mean_equal_scipy():
    """Of a mean, the acceleration from influences is that of the jackknife."""
    y = np.random.default_rng(2).gamma(0.7, size=60)
    fit = fg.GLM(y, np.ones((60, 1))).fit()
    boot = fit.bootstrap(100_000, seed=1)
    theirs = stats.bootstrap(
        (y,), np.mean, n_resamples=500_000, method="BCa", rng=np.random.default_rng(3), batch=4000
    ).confidence_interval
    ours, spread = boot.conf_int(method="bca")[0], boot.bse[0]
    assert np.abs(ours - theirs).max() < 0.04 * spread
    assert np.abs(boot.conf_int()[0] - theirs).max() > 0.1 * spread
    low, high = boot.summary_frame(method="bca").iloc[0, 3:]
    np.testing.assert_array_equal([low, high], ours)


def test_bca_levels_of_rows_and_of_groups(frame):
    fit = fg.glm("s ~ z", frame, "gamma", link="log")
    X = np.column_stack([np.ones(3000), frame.z])
    influence = (
        X * (frame.s / fit.fittedvalues - 1.0).to_numpy()[:, None]
    ) @ fit.information_inverse
    summed = pd.DataFrame(influence).groupby(frame.g).sum().to_numpy()
    for groups, each in ((None, influence), (frame.g, summed)):
        boot = fit.bootstrap(300, seed=4, groups=groups)
        acceleration = (each**3).sum(axis=0) / (6.0 * (each**2).sum(axis=0) ** 1.5)
        for j in range(2):
            bias = stats.norm.ppf((boot.replicates[:, j] < boot.estimates[j]).mean())
            shifted = bias + stats.norm.ppf([0.05, 0.95])
            levels = stats.norm.cdf(bias + shifted / (1.0 - acceleration[j] * shifted))
            expected = np.quantile(boot.replicates[:, j], levels)
            np.testing.assert_allclose(boot.conf_int(0.1, "bca")[j], expected, rtol=1e-9)


def test_bca_needs_rows_and_replicates_on_both_sides(frame):
    fit = fg.glm("y ~ z", frame, "poisson")
    with pytest.raises(ModelError, match="drawn from the data"):
        fit.bootstrap(3, kind="parametric").conf_int(method="bca")
    above = fit.estimates + np.array([[0.1, 0.2], [0.3, 0.4]])
    moved = replace(fit.bootstrap(2), replicates=above)
    with pytest.raises(ModelError, match="one side"):
        moved.conf_int(method="bca")
    with pytest.raises(ModelError, match="bca"):
        fit.bootstrap(2).conf_int(method="abc")


def test_a_perfect_fit_has_the_same_estimates_in_every_sample():
    X = np.column_stack([np.ones(300), np.arange(300.0) % 17, np.arange(300.0) % 5])
    fit = fg.GLM(X @ [1.0, 2.0, -3.0], X).fit()
    replicates = fit.bootstrap(20).replicates
    np.testing.assert_allclose(replicates, np.tile(fit.estimates, (20, 1)), atol=1e-10)
