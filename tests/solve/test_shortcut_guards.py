"""Every guard of a shortcut: what it refuses, and that the answer is then right without it.

Each test says which shortcut was taken or refused, and fails when its guard is taken out.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from spies import answers_of

import fastglm as fg
from fastglm.errors import Status
from fastglm.inference.covariance import sandwich as covariance
from fastglm.inference.covariance import time_series
from fastglm.passes import chunks
from fastglm.solve import fit, score_products
from fastglm.solve import qr_refinement as orthogonal
from fastglm.solve.newton import state as at
from fastglm.solve.starting import sampled_correction as sampled_correction
from fastglm.solve.starting import subsample as subsample

ROWS = 60_000


@pytest.fixture(autouse=True)
def small_thresholds(monkeypatch):
    """Shortcuts for many rows begin with 240,000 values, in chunks of some 700 rows."""
    monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 240_000)
    monkeypatch.setattr(score_products, "FLOAT32_FROM_VALUES", 240_000)
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)


@pytest.fixture
def finalized(monkeypatch):
    """What `finalize_information` returned, with whether it had a float32 Gram matrix."""
    answers, finalize = [], fit.finalize_information

    def spy(run, options):
        float32_gram = bool(run.table.mode & sampled_correction.FLOAT32_GRAM)
        answers.append((float32_gram, finalize(run, options)))
        return answers[-1][1]

    monkeypatch.setattr(fit, "finalize_information", spy)
    return answers


def problem(seed, spread=1.0):
    """Poisson responses; column 3 is column 2 plus `spread` times another."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((ROWS, 6))
    X[:, 0] = 1.0
    if spread != 1.0:
        X[:, 3] = X[:, 2] + spread * X[:, 3]
    y = generator.poisson(np.exp(0.2 * X[:, 1] + 0.1 * X[:, 2])).astype(float)
    return y, X, generator


def check(found, y, X, family="poisson", default=1e-7):
    """A fit, its default and its robust standard errors against the exact path's."""
    exact = fg.GLM(y, X, family).fit(exact=True)
    np.testing.assert_allclose((found.params - exact.params) / exact.bse, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.bse, exact.bse, rtol=default)
    for name in ("HC0", "HC3", "jackknife"):
        robust, known = (f.with_covariance(name) for f in (found, exact))
        np.testing.assert_allclose(robust.bse, known.bse, rtol=1e-6)


def test_the_exact_path_takes_no_shortcut(monkeypatch):
    y, X, _ = problem(1)
    quick = fg.GLM(y, X, "poisson").fit()

    def taken(*args, **kwargs):
        raise AssertionError("a shortcut")

    for module, name in (
        (subsample, "_run_on_sample"),
        (subsample, "_start_in_float32"),
        (sampled_correction, "_Correction"),
        (covariance, "score_products"),
        (covariance, "group_scores"),
        (time_series, "hac_products"),
    ):
        monkeypatch.setattr(module, name, taken)
    exact = fg.GLM(y, X, "poisson").fit(exact=True)
    assert exact.orthogonal
    assert not quick.orthogonal
    np.testing.assert_allclose(quick.bse, exact.bse, rtol=1e-7)
    for name, options in (("HC4", {}), ("cluster", {"groups": np.arange(ROWS) // 9}), ("HAC", {})):
        exact.with_covariance(name, **options)


def test_shortcuts_are_taken_where_they_may_be(monkeypatch, finalized):
    led = answers_of(monkeypatch, subsample, "_start_in_float32")
    corrected = answers_of(monkeypatch, subsample, "sampled_gradient_correction")
    sums = answers_of(monkeypatch, score_products, "_sum_in_float32")
    y, X, _ = problem(2)
    found = fg.GLM(y, X, "poisson").fit()
    found.with_covariance("HC3")
    assert (led, finalized) == ([True], [(True, True)])
    assert len(corrected) == 1
    assert sums[0] is not None
    check(found, y, X)


@pytest.mark.parametrize("spread", [3e-3, 1e-3])
def test_collinear_columns_are_not_led_in_single_precision(monkeypatch, finalized, spread):
    led = answers_of(monkeypatch, subsample, "_start_in_float32")
    y, X, _ = problem(3, spread)
    found = fg.GLM(y, X, "poisson").fit()
    assert led == []
    check(found, y, X)


def test_rounding_that_counts_often_is_not_sampled(monkeypatch, finalized):
    y, X, _ = problem(4, 0.05)
    found = fg.GLM(y, X, "poisson").fit()
    assert not any(float32_gram for float32_gram, _ in finalized)
    check(found, y, X)


def test_a_correction_allows_for_magnified_rounding(monkeypatch, finalized):
    # Though the run was let in: the inverse of all rows decides.
    monkeypatch.setattr(subsample, "can_sample_rounding", lambda run: True)
    monkeypatch.setattr(subsample, "sampled_gradient_correction", lambda run, start, options: False)
    y, X, _ = problem(4, 0.05)
    found = fg.GLM(y, X, "poisson").fit()
    # The sweep that it asks for leaves nothing to finalize.
    assert finalized == [(True, False), (False, True)]
    check(found, y, X)


def test_a_correction_is_judged_by_its_error_times_the_inflation(monkeypatch, finalized):
    monkeypatch.setattr(subsample, "can_sample_rounding", lambda run: True)
    monkeypatch.setattr(subsample, "sampled_gradient_correction", lambda run, start, options: False)
    monkeypatch.setattr(sampled_correction, "may_sample_rounding", lambda rows, inflation: True)
    y, X, _ = problem(4, 0.05)
    found = fg.GLM(y, X, "poisson").fit()
    # The sweep that it asks for leaves nothing to finalize.
    assert finalized == [(True, False), (False, True)]
    check(found, y, X)


def test_a_correction_by_too_few_chunks_is_refused(monkeypatch, finalized):
    monkeypatch.setattr(chunks, "ROUNDING_ROWS", 64)
    monkeypatch.setattr(sampled_correction, "CHUNKS", 3)
    y, X, _ = problem(5)
    found = fg.GLM(y, X, "poisson").fit()
    # The sweep that it asks for leaves nothing to finalize.
    assert finalized == [(True, False), (False, True)]
    check(found, y, X)


def test_a_row_that_no_chunk_has_may_be_rounded_in_its_own_way(monkeypatch, finalized):
    y, X, _ = problem(6)
    X[ROWS - 1, 4] = 3e4
    y[ROWS - 1] = 1.0
    sums = answers_of(monkeypatch, score_products, "_sum_in_float32")
    found = fg.GLM(y, X, "poisson").fit()
    assert all(not (float32_gram and answer) for float32_gram, answer in finalized)
    check(found, y, X)
    # Nor are squared scores trusted to single precision: the row's leverage is close to 1.
    assert sums == [None] * 3


def test_what_rows_of_no_chunk_still_change_counts():
    correction = object.__new__(sampled_correction._Correction)
    correction.run = SimpleNamespace(state=np.zeros(at.STATE_SIZE))
    correction.run.state[at.REMAINING_CHANGE] = 1e-5
    correction.is_left, correction.has_float32_gram = True, False
    correction.total = np.array([100.0, 100.0])
    correction.before = np.array([[10.0, 1.0], [10.0, 1.0]])
    correction.change = np.zeros((2, 2))
    correction.chunks = SimpleNamespace(weight=5.0, error_of=lambda x: np.zeros(x.shape[1]))
    np.testing.assert_allclose(correction._errors(np.arange(2)), [0.0, 0.9e-5])


def test_changed_weights_are_judged_by_the_variances(monkeypatch):
    # Indicators are collinear with the intercept, but changed weights are not magnified by that.
    pd = pytest.importorskip("pandas")
    generator = np.random.default_rng(7)
    level = generator.integers(0, 40, ROWS)
    frame = pd.DataFrame({"level": pd.Categorical(level), "x": generator.standard_normal(ROWS)})
    frame["y"] = generator.poisson(np.exp(0.3 * frame.x + 0.02 * level)).astype(float)
    monkeypatch.setattr(sampled_correction, "STANDARD_ERROR_SLACK", 1e-6)
    monkeypatch.setattr(sampled_correction, "remaining_change", lambda *of: 0.0)
    corrections, judge = [], sampled_correction._Correction.is_certain

    def spy(self, inverse, most):
        corrections.append((self, self._error_of_variances(inverse), judge(self, inverse, 1e-3)))
        return judge(self, inverse, most)

    monkeypatch.setattr(sampled_correction._Correction, "is_certain", spy)
    fg.glm("y ~ level + x", frame, family="poisson", tol=1e-5)
    ((correction, error, is_certain),) = corrections
    largest = correction._errors(correction.diagonal).max()
    assert 0.1 * largest < error < 3.0 * largest
    assert correction.run.inflation > 20.0
    # Between the two, the variances decide.
    most = np.sqrt(error * correction.run.inflation * largest)
    assert judge(correction, correction.run.invert(), most)
    assert not judge(correction, correction.run.invert(), 0.5 * error)
    assert is_certain == (error <= 1e-3)


@pytest.mark.parametrize("guard", ["ALIKE", "SMALL"])
def test_a_step_is_corrected_by_chunks_like_all_rows_and_by_little(monkeypatch, guard):
    monkeypatch.setattr(sampled_correction, "ERROR_SHARE", 1e9)
    corrected = answers_of(monkeypatch, subsample, "sampled_gradient_correction")
    y, X, _ = problem(8)
    if guard == "ALIKE":
        # The last chunk, of which no part is visited, has all that the column tells.
        X[:-300, 4] = 0.0
        X[-300:, 4] = 1.0
    else:
        sample = subsample._run_on_sample

        def failed(run, *args, **kwargs):
            rows = sample(run, *args, **kwargs)
            run.vectors[at.COEFFICIENTS, 1] -= 0.3
            return rows

        monkeypatch.setattr(subsample, "_run_on_sample", failed)
        monkeypatch.setattr(sampled_correction, "ALIKE", 1e9)
    found = fg.GLM(y, X, "poisson").fit()
    assert corrected == [False]
    monkeypatch.undo()
    check(found, y, X)


def test_a_corrected_step_must_leave_little_change(monkeypatch):
    monkeypatch.setattr(sampled_correction, "ERROR_SHARE", 0.0)
    corrected = answers_of(monkeypatch, subsample, "sampled_gradient_correction")
    y, X, _ = problem(9)
    found = fg.GLM(y, X, "poisson").fit()
    assert corrected == [False]
    monkeypatch.undo()
    check(found, y, X)


def test_rounding_is_taken_back_where_it_is_clear_of_its_error():
    rounding, errors = np.array([1.0, -1.9, 2.1, -3.0]), np.ones(4)
    np.testing.assert_array_equal(chunks.clear_of(rounding, errors), [0.0, 0.0, 2.1, -3.0])


def test_more_chunks_where_rounding_counts_more_often():
    assert chunks.enough_chunks(100, 1_000_000, 1.0) == chunks.LEAST_CHUNKS
    few, more = (chunks.enough_chunks(100, 100_000, inflation) for inflation in (1.0, 2.0))
    assert 4 * few - 4 <= more <= 4 * few
    assert chunks.may_sample_rounding(1_000, 1.2)
    assert chunks.may_sample_rounding(1_000_000, 3.0)
    assert not chunks.may_sample_rounding(1_000_000, 30.0)


@pytest.mark.parametrize(
    ("status", "n_aliased", "change", "failed"),
    [
        (Status.CONVERGED, 0.0, 0.01, False),
        (Status.CONVERGED, 0.0, 0.5, True),
        (Status.CONVERGED, 1.0, 0.01, True),
        (Status.STEP_TOO_SHORT, 0.0, 0.01, True),
    ],
)
def test_a_sample_that_misled_is_noticed(status, n_aliased, change, failed):
    state = np.zeros(at.STATE_SIZE)
    state[at.N_ALIASED] = n_aliased
    told = SimpleNamespace(status=status, state=state, weight_change=change, eliminated=None)
    aliases = SimpleNamespace(explain=lambda run: False)
    assert fit._subsample_start_failed(told, aliases) is failed


# -- robust covariances


@pytest.mark.parametrize("patched", [False, True])
def test_scores_of_collinear_columns_are_not_added_up_in_single_precision(monkeypatch, patched):
    sums = answers_of(monkeypatch, score_products, "_sum_in_float32")
    if patched:
        monkeypatch.setattr(score_products, "may_sample_rounding", lambda rows, inflation: True)
    y, X, _ = problem(10, 0.02)
    found = fg.GLM(y, X, "poisson").fit()
    check(found, y, X)
    assert sums == [None] * 3


@pytest.mark.parametrize("guard", ["FLOAT32_REACH", "FAR_ROWS"])
def test_a_row_far_out_is_not_added_up_in_single_precision(monkeypatch, guard):
    sums = answers_of(monkeypatch, score_products, "_sum_in_float32")
    _, X, generator = problem(11)
    # By its mean, at a leverage that is not close to 1; or by its leverage, at a usual mean.
    X[ROWS // 2 + 100, 4] = 5.0 if guard == "FLOAT32_REACH" else 1e4
    slope = 20.0 if guard == "FLOAT32_REACH" else 1e-4
    y = slope * X[:, 4] + generator.standard_normal(ROWS)
    found = fg.GLM(y, X).fit()
    check(found, y, X, "gaussian")
    assert sums == [None] * 3


def test_scores_of_rows_that_no_chunk_has_may_be_rounded_in_their_own_way(monkeypatch):
    sums = answers_of(monkeypatch, score_products, "_sum_in_float32")
    y, X, generator = problem(12)
    X[: ROWS - 200, 4] *= 1e-3
    y = generator.standard_normal(ROWS)
    monkeypatch.setattr(score_products, "FLOAT32_ROUNDING", 1e-5)
    fg.GLM(y, X).fit(cov_type="HC0")
    assert sums == [None]


def test_sums_over_columns_that_would_lose_digits_make_way_for_rows(monkeypatch):
    y, X, _ = problem(13, 1e-6)
    found = fg.GLM(y, X, "poisson").fit()
    assert found.orthogonal
    exact = found.with_covariance("HC3").bse
    groups = np.arange(ROWS) // 5
    by_group = found.with_covariance("cluster", groups=groups).bse
    by_time = found.with_covariance("HAC", maxlags=2).bse
    # As if nothing were known of the fit: the sums say themselves that they will not do.
    unaware = replace(found, orthogonal=False)
    np.testing.assert_allclose(unaware.with_covariance("HC3").bse, exact, rtol=1e-12)
    clustered = unaware.with_covariance("cluster", groups=groups).bse
    np.testing.assert_allclose(clustered, by_group, rtol=1e-12)
    np.testing.assert_allclose(unaware.with_covariance("HAC", maxlags=2).bse, by_time, rtol=1e-12)


def test_rows_and_sums_agree_with_weights_and_frequencies():
    generator = np.random.default_rng(14)
    X = generator.standard_normal((3_000, 4))
    y = generator.poisson(np.exp(0.2 * X[:, 1])).astype(float)
    times, weights = generator.integers(1, 4, 3_000), generator.uniform(0.5, 2.0, 3_000)
    model = fg.GLM(y, X, "quasipoisson", freq_weights=times, var_weights=weights)
    by_sums = model.fit()
    by_rows = replace(by_sums, orthogonal=True)
    groups = generator.integers(0, 50, 3_000)
    for name, options in (
        ("HC0", {}), ("HC2", {}), ("HC4", {}), ("jackknife", {}), ("cluster", {"groups": groups}),
    ):  # fmt: skip
        one, other = (f.with_covariance(name, **options) for f in (by_sums, by_rows))
        np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-9, atol=1e-14)


# -- factors


def test_a_factor_of_weights_close_by_is_made_anew(monkeypatch):
    # From a start that is off, the factor of which must not stay.
    generator = np.random.default_rng(15)
    X = generator.standard_normal((300, 3))
    X[:, 2] = X[:, 1] + 1e-6 * X[:, 2]
    y = generator.poisson(np.exp(0.5 * X[:, 1])).astype(float)
    fitted = fg.GLM(y, X, "poisson").fit()
    assert fitted.orthogonal
    weight = fitted.fittedvalues
    triangle = np.linalg.qr(np.sqrt(weight)[:, None] * X, mode="r")
    inverse = np.linalg.inv(triangle)
    np.testing.assert_allclose(fitted.bse, np.sqrt(np.square(inverse).sum(axis=1)), rtol=1e-8)
    assert orthogonal._weights_differ_by(0.1, np.array([1.0, 1.2]), np.ones(2))
    assert not orthogonal._weights_differ_by(0.1, np.array([1.0, 1.05]), np.ones(2))


def test_a_row_that_alone_determines_a_coefficient_variances_converged():
    y, X, _ = problem(16)
    X[ROWS // 3, 4], y[ROWS // 3] = 1e6, 0.0
    found = fg.GLM(y, X, "poisson").fit()
    weight = np.exp(X @ found.params)
    inverse = np.linalg.inv(np.linalg.qr(np.sqrt(weight)[:, None] * X, mode="r"))
    np.testing.assert_allclose(found.bse, np.sqrt(np.square(inverse).sum(axis=1)), rtol=1e-7)


@pytest.mark.parametrize(
    ("share", "decrement", "finalizes"),
    [(0.9, 1e-10, False), (0.4, 1e-10, True), (0.9, 1e-15, True)],
)
def test_a_row_that_has_most_of_a_column_takes_another_sweep(
    monkeypatch, share, decrement, finalizes
):
    monkeypatch.setattr(sampled_correction, "remaining_change", lambda *of: 0.0)
    # Columns in 10 chunks; one chunk has that share of the second. The first holds the total.
    partials = np.zeros((10, 4 + 2 + sampled_correction.N_SUMS))
    partials[1:, [0, 3]] = 1.0, (1.0 - share) / 9.0
    partials[4, 3] = share
    partials[0, [0, 3]] = 10.0, 1.0
    state, went_on = np.zeros(at.STATE_SIZE), []
    state[at.DECREMENT] = decrement
    run = SimpleNamespace(
        n_chunks=10,
        eliminated=None,
        row_table=SimpleNamespace(is_dense=True, n_stored=2, gram_order=2),
        has_constant_weights=False,
        state=state,
        partials=partials,
        status=Status.CONVERGED,
        table=SimpleNamespace(mode=0),
        resume_double=lambda **how: went_on.append(how["float32_gram"]),
    )
    assert sampled_correction.finalize_information(run, fit.SolverOptions()) is finalizes
    assert went_on == ([] if finalizes else [False])


@pytest.mark.parametrize(("n_aliased", "frozen"), [(0.0, [(0.125, 8)]), (1.0, [])])
def test_the_factor_of_a_sample_that_lost_columns_is_not_used(monkeypatch, n_aliased, frozen):
    monkeypatch.setattr(subsample, "_factor_reuses", lambda run: 8)
    sample = SimpleNamespace(vectors=np.zeros((at.N_VECTORS, 3)), state=np.zeros(at.STATE_SIZE))
    sample.state[at.N_ALIASED] = n_aliased
    taken = []
    run = SimpleNamespace(
        start_from=lambda coefficients: None,
        reuse_factor=lambda sample, share, sweeps: taken.append((share, sweeps)),
    )
    subsample._start_from_sample(run, sample, 0.125)
    assert taken == frozen


def test_rounding_of_rows_that_no_chunk_is_like_is_magnified():
    correction = object.__new__(sampled_correction._Correction)
    correction.run = SimpleNamespace(inflation=10.0)
    correction.diagonal = np.arange(3)
    correction.total = np.array([100.0, 100.0, 0.0])
    correction.before = np.array([[10.0, 8.0, 0.0], [10.0, 8.0, 0.0]])
    correction.chunks = SimpleNamespace(weight=5.0)
    correction.has_float32_gram = True
    np.testing.assert_allclose(
        correction._rounding_elsewhere(), 10.0 * chunks.FLOAT32_ROUNDING * 0.2
    )
    correction.has_float32_gram = False
    assert correction._rounding_elsewhere() == 0.0


def test_the_variances_decide_between_a_correction_and_a_sweep(monkeypatch):
    """Weights correlate the columns: a bound by the inflation alone asks for one more sweep."""
    monkeypatch.setattr(sampled_correction, "may_sample_rounding", lambda rows, inflation: True)
    # As of many more rows, which chunks are more like.
    monkeypatch.setattr(sampled_correction, "FLOAT32_ROUNDING", 1e-9)
    judged, judge = [], sampled_correction._Correction.is_certain

    def spy(self, inverse, most):
        by_inflation = (self.run.inflation * self._errors(self.diagonal)).max()
        parts = self._error_of_variances(inverse), self._rounding_elsewhere()
        judged.append((by_inflation, *parts, self.has_float32_gram))
        between = np.sqrt(by_inflation * sum(parts))
        assert judge(self, inverse, between)
        assert not judge(self, inverse, 0.99 * sum(parts))
        return judge(self, inverse, most)

    monkeypatch.setattr(sampled_correction._Correction, "is_certain", spy)
    generator = np.random.default_rng(10)
    X = generator.standard_normal((ROWS, 6))
    X[:, 0] = 1.0
    y = generator.poisson(np.exp(X @ np.full(6, 0.45))).astype(float)
    found = fg.GLM(y, X, "poisson").fit()
    ((by_inflation, of_variances, elsewhere, float32),) = judged
    assert float32
    assert elsewhere > 0.0
    assert of_variances + elsewhere < 0.7 * by_inflation
    check(found, y, X)
