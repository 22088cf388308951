"""Separation: verdict, rows and direction, against known truth and plain linear programs."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from scipy.optimize import linprog

import fastglm as fg
from fastglm import GLM
from fastglm.design.matrix.arrays import design_from_array
from fastglm.errors import FastGLMError, SeparationWarning, Status
from fastglm.families import resolve_family
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.separation import Separation, find_separation, looks_separated

DATA = Path(__file__).parents[1] / "data"
#: Sign of the infinite linear predictor at mean 0, and at mean 1.
OPEN_SIDES = {
    ("binomial", "logit"): (-1, 1),
    ("binomial", "probit"): (-1, 1),
    ("binomial", "cloglog"): (-1, 1),
    ("binomial", "loglog"): (-1, 1),
    ("binomial", "cauchit"): (-1, 1),
    ("binomial", "log"): (-1, 0),
    ("binomial", "logc"): (0, -1),
    ("binomial", "identity"): (0, 0),
    ("quasibinomial", "logit"): (-1, 1),
    ("poisson", "log"): (-1, 0),
    ("poisson", "inverse"): (1, 0),
    ("poisson", "1/mu^2"): (1, 0),
    ("poisson", "sqrt"): (0, 0),
    ("poisson", "identity"): (0, 0),
    ("quasipoisson", "log"): (-1, 0),
    ("negative_binomial", "log"): (-1, 0),
    ("negative_binomial", "nbinom"): (-1, 0),
    ("tweedie", "log"): (-1, 0),
}
CONTINUOUS = [("gaussian", "identity"), ("gamma", "log"), ("inverse_gaussian", "log")]


def find(y: np.ndarray, x: np.ndarray, family: str, link: str, **options: object) -> Separation:
    """`find_separation` of plain arrays."""
    return find_separation(design_from_array(x), resolve_family(family, link), y, **options)


def plain_separated_rows(x: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Rows that some direction separates: one linear program for each row, over all rows."""
    gains, fixed = x[side != 0] * side[side != 0, None], x[side == 0]
    separated = np.zeros(side.size, dtype=bool)
    for i in np.flatnonzero(side):
        program = linprog(
            -side[i] * x[i],
            A_ub=-gains,
            b_ub=np.zeros(len(gains)),
            A_eq=fixed if len(fixed) else None,
            b_eq=np.zeros(len(fixed)) if len(fixed) else None,
            bounds=(-1.0, 1.0),
        )
        separated[i] = -program.fun > 1e-6
    return separated


def sides(y: np.ndarray, family: str, link: str) -> np.ndarray:
    at_lower, at_upper = OPEN_SIDES[family, link]
    upper = 1.0 if "binomial" in family and family != "negative_binomial" else np.inf
    return np.where(y == 0, at_lower, np.where(y == upper, at_upper, 0))


@pytest.mark.parametrize("path", sorted((DATA / "separation").glob("*.csv")), ids=lambda p: p.stem)
@pytest.mark.parametrize("family", ["poisson", "quasipoisson", "tweedie"])
def test_separated_rows_of_known_cases(path: Path, family: str):
    frame = pd.read_csv(path)
    columns = [c for c in frame if c not in ("y", "separated")]
    terms = [f"C({c})" if c.startswith("id") else c for c in columns]
    model = GLM.from_formula(f"y ~ {' + '.join(terms)}", frame, family=family, link="log")
    found = find_separation(model.rows.design, model.family, model.rows.response)
    np.testing.assert_array_equal(found.rows, frame["separated"] == 1)
    x = model.rows.design.to_dense()
    moved = x @ found.direction
    assert np.abs(moved[~found.rows]).max() < 1e-12
    assert (moved[found.rows] < 0).all()


@pytest.mark.parametrize(("family", "link"), OPEN_SIDES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_rows_are_those_of_plain_programs(family: str, link: str, data: st.DataObject):
    n = data.draw(st.integers(2, 12))
    p = data.draw(st.integers(1, 4))
    cells = st.integers(-2, 2).map(float)
    x = np.array(data.draw(st.lists(cells, min_size=n * p, max_size=n * p))).reshape(n, p)
    values = [0.0, 1.0, 0.5] if "binomial" in family else [0.0, 1.0, 3.0]
    y = np.array(data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n)))
    side = sides(y, family, link)
    expected = plain_separated_rows(x, side)
    found = find(y, x, family, link)
    np.testing.assert_array_equal(found.rows, expected)
    moved = side * (x @ found.direction)
    assert (moved[found.rows] > 1e-10).all()
    assert np.abs((x @ found.direction)[~found.rows]).max(initial=0.0) < 1e-10
    assert found.exists == expected.any()
    assert found.n_rows == expected.sum()


@pytest.mark.parametrize(("family", "link"), CONTINUOUS)
def test_a_response_without_boundary_is_never_separated(family: str, link: str):
    x = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert not find(np.array([1.0, 2.0, 3.0]), x, family, link).exists


@pytest.mark.parametrize("variance", ["mu^2", "mu^2(1-mu)^2"])
def test_an_unbounded_quasi_likelihood_has_no_verdict(variance: str):
    from fastglm.families import Quasi

    family = Quasi("log" if variance == "mu^2" else "logit", variance=variance)
    x = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    assert not find_separation(design_from_array(x), family, np.array([0.5, 0.2, 0.0])).exists


def test_interior_probabilities_of_a_half_are_separated():
    x = np.array([[1.0, -1.0], [1.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    found = find(np.array([0.0, 0.0, 1.0, 1.0]), x, "binomial", "logit")
    np.testing.assert_array_equal(found.rows, [True, False, False, True])
    np.testing.assert_array_equal(found.direction > 0, [False, True])
    assert found.direction[0] == 0.0


def test_endometrial_separates_by_nv_alone():
    frame = pd.read_csv(DATA / "reference" / "v_sep_endometrial.data.csv.gz")
    model = GLM.from_formula("HG ~ NV + PI + EH", frame, family="binomial")
    found = find_separation(model.rows.design, model.family, model.rows.response)
    assert [n for n, d in zip(model.names, found.direction, strict=True) if d > 0] == ["NV"]
    assert np.count_nonzero(found.direction) == 1
    np.testing.assert_array_equal(found.rows, frame["NV"] == 1)


def test_a_column_that_earlier_ones_stand_for_is_not_named():
    x = np.array([[1.0, -1.0, -2.0], [1.0, -0.5, -1.0], [1.0, 0.5, 1.0], [1.0, 1.0, 2.0]])
    found = find(np.array([0.0, 0.0, 1.0, 1.0]), x, "binomial", "logit")
    assert found.rows.all()
    assert found.direction[1] > 0.0
    assert found.direction[2] == 0.0


def test_rows_of_weight_zero_do_not_count():
    x = np.array([[1.0, -1.0], [1.0, -0.5], [1.0, 0.5], [1.0, 1.0], [1.0, 2.0]])
    y = np.array([0.0, 0.0, 1.0, 1.0, 0.0])
    weights = np.array([1.0, 1.0, 1.0, 1.0, 0.0])
    assert not find(y, x, "binomial", "logit").exists
    found = find(y, x, "binomial", "logit", prior_weights=weights)
    np.testing.assert_array_equal(found.rows, weights > 0)


@pytest.mark.parametrize(("shift", "scale"), [(0, 1e-8), (0, 1e8), (2000, 1), (2000, 0.01)])
def test_verdict_does_not_depend_on_scale_and_shift(shift: float, scale: float):
    generator = np.random.default_rng(3)
    age = generator.normal(size=300)
    y = (age > 0.1).astype(float)
    x = np.column_stack([np.ones(300), shift + scale * age])
    assert find(y, x, "binomial", "logit").rows.all()
    y[np.argmax(age)] = 0.0
    assert not find(y, x, "binomial", "logit").exists


@pytest.mark.parametrize("separated", [True, False])
def test_few_rows_decide_for_many(separated: bool):
    generator = np.random.default_rng(5)
    n, p = 60_000, 6
    x = np.column_stack([np.ones(n), generator.normal(size=(n, p - 1))])
    margin = x @ np.array([0.3, 1.0, -0.5, 0.2, 0.0, 0.7])
    y = (margin > 0).astype(float)
    if not separated:
        y[np.argsort(np.abs(margin))[200]] = 1.0 - y[np.argsort(np.abs(margin))[200]]
    found = find(y, x, "binomial", "probit")
    assert found.rows.all() if separated else not found.exists
    if separated:
        assert (np.sign(x @ found.direction) == np.sign(y - 0.5)).all()


def test_a_rare_level_among_many_rows_is_found():
    generator = np.random.default_rng(7)
    n = 50_000
    level = np.zeros(n, dtype=np.int8)
    level[[123, 40_321]] = 1
    y = generator.poisson(1.0, n).astype(float)
    y[level == 1] = 0.0
    x = np.column_stack([np.ones(n), generator.normal(size=n), level.astype(float)])
    found = find(y, x, "poisson", "log")
    np.testing.assert_array_equal(np.flatnonzero(found.rows), [123, 40_321])
    np.testing.assert_array_equal(found.direction != 0, [False, False, True])


def test_a_direction_that_few_rows_of_many_determine():
    """Separated only along a combination in which the first rows looked at do not move."""
    generator = np.random.default_rng(8)
    n = 30_000
    x = np.column_stack([np.ones(n), np.zeros(n), np.zeros(n)])
    x[17, 1:], x[29_000, 1:] = (1.0, -1.0), (-1.0, 2.0)
    y = generator.integers(0, 2, n).astype(float)
    found = find(y, x, "binomial", "logit")
    np.testing.assert_array_equal(np.flatnonzero(found.rows), [17, 29_000])


def test_number_of_threads_changes_nothing():
    generator = np.random.default_rng(9)
    x = generator.normal(size=(40_000, 4))
    y = (x[:, 0] > 0).astype(float)
    one, two = (find(y, x, "binomial", "logit", n_threads=k) for k in (1, 2))
    np.testing.assert_array_equal(one.direction, two.direction)
    np.testing.assert_array_equal(one.rows, two.rows)


def fit(model: GLM, **options: object):
    rows = model.rows
    solution = solve(
        model.row_table, model.family, SolverOptions(**options), binary=rows.summary.binary
    )
    return solution, looks_separated(solution, model.family, rows.summary, model.row_table)


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
@pytest.mark.parametrize("n", [20, 3_000])
def test_separated_fits_show_symptoms(link: str, n: int):
    generator = np.random.default_rng(11)
    x = generator.normal(size=(n, 2))
    group = (generator.uniform(size=n) < 0.2).astype(float)
    y = (generator.uniform(size=n) < 0.5).astype(float)
    y[group == 1] = 1.0
    model = GLM(y, np.column_stack([np.ones(n), x, group]), family="binomial", link=link)
    assert fit(model)[1]


@pytest.mark.parametrize("link", ["log", "inverse"])
def test_separated_counts_show_symptoms(link: str):
    generator = np.random.default_rng(12)
    group = np.arange(400) % 5 == 0
    y = generator.poisson(2.0, 400).astype(float)
    y[group] = 0.0
    model = GLM(y, np.column_stack([np.ones(400), group]), family="poisson", link=link)
    assert fit(model)[1]


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit"])
def test_an_ordinary_fit_shows_none(link: str):
    generator = np.random.default_rng(13)
    x = np.column_stack([np.ones(2_000), generator.normal(size=(2_000, 3))])
    model = GLM(
        (generator.uniform(size=2_000) < 0.4).astype(float), x, family="binomial", link=link
    )
    solution, symptoms = fit(model)
    assert solution.status == Status.CONVERGED
    assert not symptoms


def test_symptoms_of_an_aliased_fit_are_shrunken_weights():
    """x and z differ in two rows only, which x separates from the others."""
    generator = np.random.default_rng(14)
    x = generator.normal(size=200)
    z = x.copy()
    z[[0, 1]] += (5.0, -5.0)
    y = (generator.uniform(size=200) < 0.5).astype(float)
    y[[0, 1]] = (1.0, 0.0)
    ones = np.ones(200)
    for columns, separated in ([x, z], True), ([x, 2.0 * x], False):
        model = GLM(y, np.column_stack([ones, *columns]), family="binomial")
        _, symptoms = fit(model, tol=1e-12)
        assert symptoms == separated
        assert find_separation(model.rows.design, model.family, y).exists == separated


def test_a_program_that_cannot_be_solved_is_an_error(monkeypatch: pytest.MonkeyPatch):
    from types import SimpleNamespace

    import scipy.optimize

    failed = SimpleNamespace(status=4, message="numerical difficulties")
    monkeypatch.setattr(scipy.optimize, "linprog", lambda *a, **k: failed)
    with pytest.raises(FastGLMError, match="numerical difficulties"):
        find(np.array([0.0, 1.0]), np.eye(2), "binomial", "logit")


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_a_polynomial_that_runs_off_leaves_the_errors_of_other_rows_alone(seed):
    # Its columns are told from combinations of others by a QR factorisation, at whose steps the
    # separated rows have lost all weight but for rounding.
    rng = np.random.default_rng(seed)
    n = 400
    data = pd.DataFrame({"g": rng.integers(0, 6, n), "x": rng.normal(size=n)})
    data["y"] = (rng.random(n) < special.expit(0.5 * data.x - 0.2 * (data.g % 3))).astype(float)
    separated = (data.g == 3).to_numpy()
    data["u"] = np.where(separated, 1.0 + data.x**2, 0.0)
    data.loc[separated, "y"] = 0.0
    with pytest.warns(SeparationWarning):
        full = fg.glm("y ~ x + C(g) + poly(u, 2)", data, family="binomial")
    rest = fg.glm("y ~ x + C(g)", data[~separated], family="binomial")
    rows = np.flatnonzero(~separated)[:40]
    errors = full.t_test(full.model.rows.design.to_dense()[rows]).sd
    expected = rest.t_test(rest.model.rows.design.to_dense()[:40]).sd
    np.testing.assert_allclose(errors, expected, rtol=1e-8)
    assert full.deviance == pytest.approx(rest.deviance, rel=1e-11)
