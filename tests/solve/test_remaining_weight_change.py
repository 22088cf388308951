"""Standard errors are those of the weights at the result, also where few rows determine them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.passes import chunks
from fastglm.solve import fit
from fastglm.solve.newton import state as at
from fastglm.solve.remaining_weight_change import remaining_change, variance_change
from fastglm.solve.starting import sampled_correction, subsample

N, LEVELS, EVENTS = 30_000, 12, 2


def frame(n_levels=LEVELS, seed=0):
    """A level that others are compared with, and that has two events."""
    generator = np.random.default_rng(seed)
    c, x = generator.integers(0, n_levels, N), generator.standard_normal(N)
    mean = np.exp(0.4 * x - 1.0 + 0.5 * c / n_levels)
    data = {
        "poisson": generator.poisson(mean).astype(float),
        "binomial": (generator.random(N) < mean / (1.0 + mean)).astype(float),
    }
    rare = np.flatnonzero(c == 0)
    for y in data.values():
        y[rare] = 0.0
        y[rare[5 : 5 + EVENTS]] = 1.0
    return pd.DataFrame(data | {"x": x, "c": pd.Categorical(c)})


def dense(data):
    levels = pd.get_dummies(data["c"], drop_first=True).to_numpy(float)
    return np.column_stack([np.ones(N), levels, data["x"]])


def errors_at(X, params, family):
    """Standard errors by the information at given coefficients."""
    mean = np.exp(X @ params)
    weight = mean if family == "poisson" else mean / (1.0 + mean) ** 2
    return np.sqrt(np.diag(np.linalg.inv((X.T * weight) @ X)))


FITS = {
    "columns of levels": lambda data, family: fg.glm(f"{family} ~ c + x", data, family=family),
    "dense columns": lambda data, family: fg.GLM(data[family], dense(data), family).fit(),
}


@pytest.mark.parametrize("few_chunks", [True, False])
@pytest.mark.parametrize("family", ["poisson", "binomial"])
@pytest.mark.parametrize("how", FITS)
def test_variances_follow_a_reference_level_of_few_events(monkeypatch, how, family, few_chunks):
    if not few_chunks:
        # As with many rows: from a sample, in single precision, and finalized by chunks.
        monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 100_000)
        monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)
    data = frame()
    found = FITS[how](data, family)
    expected = errors_at(dense(data), np.asarray(found.params), family)
    np.testing.assert_allclose(found.bse, expected, rtol=1e-7)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_so_they_do_where_levels_are_eliminated(family):
    data = frame(n_levels=150)
    found = FITS["columns of levels"](data, family)
    expected = errors_at(dense(data), np.asarray(found.params), family)
    np.testing.assert_allclose(found.bse, expected, rtol=1e-7)


@pytest.fixture
def judged(monkeypatch):
    """Runs that converged, with the estimate of what the last step changes."""
    found = []

    def spy(run, *of):
        # Its arrays go on.
        kept = run.information.copy(), run.last_information.copy(), run.state.copy()
        found.append((remaining_change(run, *of), kept))
        return found[-1][0]

    monkeypatch.setattr(sampled_correction, "remaining_change", spy)
    return found


def test_the_estimate_is_that_of_the_inverse(judged):
    data = frame()
    fg.glm("poisson ~ c + x", data, family="poisson")
    left, (now, last, state) = judged[0]
    below = np.tril(now) - np.tril(last)
    change = below + np.tril(below, -1).T
    now = np.tril(now) + np.tril(now, -1).T
    largest = np.abs(np.linalg.eigvals(np.linalg.solve(now, change))).max()
    ratio = np.sqrt(state[at.DECREMENT] / state[at.LAST_DECREMENT])
    assert left == pytest.approx(largest * max(ratio, largest), rel=1e-6)
    # Its diagonal, of which the level has no part of its own, shows next to nothing.
    assert np.abs(change.diagonal() / now.diagonal()).max() < 0.1 * largest


def test_fits_with_final_weights_take_no_further_sweep(judged):
    data = frame()
    data["c"] = pd.Categorical(data["c"], categories=[5, *range(5), *range(6, LEVELS)])
    fg.glm("poisson ~ c + x", data[data["c"] != 0], family="poisson")
    assert [left <= 1e-7 for left, _ in judged] == [True]


@pytest.mark.parametrize("kind", ["centered", "far from zero", "levels"])
def test_without_categoricals_the_step_itself_is_the_bound(monkeypatch, judged, kind):
    monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 100_000)
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)
    monkeypatch.setattr(subsample, "REUSE_FROM_DENSE", 12)
    steps, finalizes = [], sampled_correction.finalize_information

    def spy(run, options):
        ends = run.vectors[[at.COEFFICIENTS, at.TRIAL]]
        given = [run.scaling.to_params(end, run.row_table) for end in ends]
        steps.append((abs(ends[0] - ends[1])[0], abs(given[0] - given[1])[0]))
        return finalizes(run, options)

    monkeypatch.setattr(fit, "finalize_information", spy)
    generator = np.random.default_rng(1)
    X = generator.standard_normal((N, 16))
    if kind == "levels":
        X[:, 5:8] = generator.random((N, 3)) < 0.95
    linear = X[:, 1:5].sum(axis=1) / 4.0
    X += 50.0 if kind == "far from zero" else 0.0
    X[:, 0] = 1.0
    y = (generator.random(N) < 1.0 / (1.0 + np.exp(-linear))).astype(float)
    found = fg.GLM(y, X, "binomial").fit()
    (left, (_, last, _)), (mean, zero) = judged[0], steps[0]
    assert not last.any()
    # Far from zero no row is at the constant of the given columns; of levels those of one are.
    assert kind == "centered" or zero > 1.2 * mean
    expected = zero if kind == "levels" else mean
    assert left == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(
        found.bse, errors_at(X, np.asarray(found.params), "binomial"), rtol=1e-7
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_so_they_do_where_one_gram_matrix_led(monkeypatch, family, seed):
    monkeypatch.setattr(subsample, "LEAD_FROM_DENSE", 12)
    monkeypatch.setattr(subsample, "LEAD_FROM_VALUES", 100_000)
    data = frame(seed=seed)
    X = dense(data)
    found = fg.GLM(data[family], X, family).fit()
    np.testing.assert_allclose(found.bse, errors_at(X, np.asarray(found.params), family), rtol=1e-7)


def several_frame(events, seed=0, n_levels=8):
    """Responses of several kinds, of which the level that others are compared with has few."""
    generator = np.random.default_rng(seed)
    c, x = generator.integers(0, n_levels, N), generator.standard_normal(N)
    mean = np.exp(0.4 * x - 0.5 + 0.5 * c / n_levels)
    rare = np.flatnonzero(c == 0)
    counts = generator.poisson(mean * generator.gamma(2.0, 0.5, N)).astype(float)
    counts[rare] = 0.0
    counts[rare[5 : 5 + events]] = 1.0
    latent = np.outer(x, [0.0, 0.5, -0.5]) + generator.gumbel(size=(N, 3))
    level = latent.argmax(axis=1)
    level[rare] = 0
    level[rare[5 : 5 + events]] = 1
    level[rare[15 : 15 + events]] = 2
    return pd.DataFrame({"counts": counts, "level": level, "x": x, "c": pd.Categorical(c)})


SEVERAL = {
    "OrderedModel": ("level", {}, 5),
    "MNLogit": ("level", {}, 5),
    "NegativeBinomialP": ("counts", {"dispersion": "~ 1"}, 1),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_variances_of_several_predictors_follow_it_too(name):
    response, options, events = SEVERAL[name]
    model = getattr(fg, name).from_formula(f"{response} ~ c + x", several_frame(events), **options)
    found, exact = model.fit(), model.fit(tol=1e-14)
    np.testing.assert_allclose(np.ravel(found.bse), np.ravel(exact.bse), rtol=1e-7)


def test_change_left_is_that_of_a_contrast_that_no_diagonal_shows():
    # Two levels with an intercept, of which the reference has lost half of its little information.
    now, before = (np.array([[r + 1e6, 1e6], [1e6, 1e6]]) for r in (2.0, 4.0))
    assert variance_change(now, before, 1e-3, 0.0) == pytest.approx(1.0, rel=1e-6)
    now = np.array([[4.0 + 1e6, 1e6], [1e6, 1e6]]) - np.diag([1e-3, 0.0])
    assert variance_change(now, before, 0.5, 0.0) == pytest.approx(2.5e-4 * 0.5, rel=1e-3)
    assert variance_change(now, before, 0.0, 0.0, is_corrected=True) == 0.0


def run_of(information, last, pivot):
    """What `remaining_change` reads of a run after two steps, the second of a tenth the length."""
    state = np.zeros(at.STATE_SIZE)
    state[[at.DECREMENT, at.LAST_DECREMENT]] = 1e-4, 1e-2
    vectors = np.zeros((at.N_VECTORS, len(pivot)))
    vectors[at.PIVOT] = pivot
    return SimpleNamespace(
        state=state, has_constant_weights=False, information=information,
        last_information=last, vectors=vectors, eliminated=None,
    )  # fmt: skip


def test_aliased_columns_do_not_hide_what_is_left():
    information, last = np.diag([4.0, 0.0, 2.0]), np.diag([3.9, 0.0, 1.9])
    known = np.ix_([0, 2], [0, 2])
    want = variance_change(information[known], last[known], 0.1, 1e-9)
    assert want > 1e-3
    assert remaining_change(run_of(information, last, [1.0, 0.0, 1.0]), 1e-9) == want


def test_an_information_that_is_singular_is_left_to_the_qr_factorisation():
    singular = np.ones((2, 2))
    assert remaining_change(run_of(singular, 0.9 * singular, [1.0, 1.0]), 1e-9) == 0.0
