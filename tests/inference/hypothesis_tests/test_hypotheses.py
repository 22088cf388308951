from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from r_cases import fit_of

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.hypotheses import read_hypothesis

NAMES = ("Intercept", "x1", "x2", "C(a)[T.b]", "x1:x2", "log(x1)", "bs(z, df=4)[1]", "x10")


@pytest.mark.parametrize(
    ("text", "rows", "values"),
    [
        ("x1 = x2, x10 = 0", [{1: 1, 2: -1}, {7: 1}], [0, 0]),
        ("x1 - 2*x2 = 3", [{1: 1, 2: -2}], [3]),
        ("(x1 + x2)/2 = 1", [{1: 0.5, 2: 0.5}], [1]),
        ("x1 = x2 = 0", [{1: 1, 2: -1}, {2: 1}], [0, 0]),
        ("C(a)[T.b]", [{3: 1}], [0]),
        ("x1:x2 = x1", [{4: 1, 1: -1}], [0]),
        ("log(x1) = -1.5", [{5: 1}], [-1.5]),
        ("bs(z, df=4)[1] = x2", [{6: 1, 2: -1}], [0]),
        ("`x1:x2` = `x10`", [{4: 1, 7: -1}], [0]),
        ("Intercept + x1 = 2", [{0: 1, 1: 1}], [2]),
    ],
)
def test_hypotheses_are_read_from_text(text, rows, values):
    matrix, constants, _ = read_hypothesis(text, NAMES)
    expected = np.zeros((len(rows), len(NAMES)))
    for k, row in enumerate(rows):
        for column, coefficient in row.items():
            expected[k, column] = coefficient
    np.testing.assert_array_equal(matrix, expected)
    np.testing.assert_array_equal(constants, values)


def test_the_text_of_a_matrix_reads_back_as_the_matrix():
    matrix = np.array([[0, 1, -2, 0.5, 0, 0, 0, 0], [1, 0, 0, 0, -1, 3, 1, 0]])
    _, _, texts = read_hypothesis((matrix, [1.0, -2.0]), NAMES)
    again, values, _ = read_hypothesis(", ".join(texts), NAMES)
    np.testing.assert_array_equal(again, matrix)
    np.testing.assert_array_equal(values, [1.0, -2.0])


@pytest.mark.parametrize(
    ("hypothesis", "error", "text"),
    [
        ("nothing = 0", ModelError, "cannot be read.*the coefficients are Intercept"),
        ("x1 = ", ModelError, "empty side"),
        ("x1 *** x2", ModelError, "cannot be read"),
        (np.ones(3), DataError, "8 coefficients"),
        (np.full(8, np.nan), DataError, "not finite"),
        ((1, 2, 3), DataError, "matrix, values"),
        ((np.ones((1, 8)), [1.0, 2.0]), DataError, "1 rows, but values of shape"),
    ],
)
def test_what_cannot_be_read_has_one_clear_error(hypothesis, error, text):
    with pytest.raises(error, match=text):
        read_hypothesis(hypothesis, NAMES)


@pytest.fixture(scope="module")
def both():
    """Our fit and statsmodels', gaussian: t and F."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["x1", "x2", "x3"])
    X.insert(0, "const", 1.0)
    y = X.to_numpy() @ [1.0, 0.5, 0.4, 0.0] + rng.normal(size=60)
    ours = fg.GLM(pd.Series(y), X).fit()
    theirs = sm.OLS(y, X).fit()
    return ours, theirs


def test_t_tests_equal_statsmodels(both):
    ours, theirs = both
    hypothesis = "x1 = x2, x3 = 0.5, x1 + x2 + const = 2"
    test, expected = ours.t_test(hypothesis), theirs.t_test(hypothesis)
    np.testing.assert_allclose(test.effect, expected.effect, rtol=1e-10)
    np.testing.assert_allclose(test.sd, np.ravel(expected.sd), rtol=1e-10)
    np.testing.assert_allclose(test.statistic, np.ravel(expected.statistic), rtol=1e-10)
    np.testing.assert_allclose(test.pvalue, expected.pvalue, rtol=1e-9)
    np.testing.assert_allclose(test.conf_int(0.1), expected.conf_int(0.1), rtol=1e-9)
    frame = test.summary_frame()
    assert list(frame.index) == ["x1 - x2 = 0", "x3 = 0.5", "const + x1 + x2 = 2"]
    assert "x3 = 0.5" in str(test)


@pytest.mark.parametrize("use_f", [True, False])
def test_wald_tests_equal_statsmodels(both, use_f):
    ours, theirs = both
    test = ours.wald_test("x1 = x2, x3 = 0", use_f=use_f)
    expected = theirs.wald_test("x1 = x2, x3 = 0", use_f=use_f, scalar=True)
    np.testing.assert_allclose(test.statistic, expected.statistic, rtol=1e-10)
    np.testing.assert_allclose(test.pvalue, expected.pvalue, rtol=1e-9)
    assert test.df == 2
    assert test.distribution == ("F" if use_f else "chi2")


def test_single_coefficients_are_the_table_of_the_summary(both):
    ours, _ = both
    test = ours.t_test(np.eye(4))
    np.testing.assert_allclose(test.statistic, ours.tvalues, rtol=1e-12)
    np.testing.assert_allclose(test.pvalue, ours.pvalues, rtol=1e-12)
    np.testing.assert_allclose(test.conf_int(), ours.conf_int(), rtol=1e-12)


def test_the_wald_test_of_one_equation_is_the_square_of_its_t(both):
    ours, _ = both
    wald, single = ours.wald_test("x1 = x2"), ours.t_test("x1 = x2")
    np.testing.assert_allclose(wald.statistic, single.statistic[0] ** 2, rtol=1e-12)
    np.testing.assert_allclose(wald.pvalue, single.pvalue[0], rtol=1e-10)


def test_tests_use_the_covariance_of_the_fit(both):
    ours, _ = both
    robust = ours.with_covariance("HC3")
    test = robust.t_test("x1")
    np.testing.assert_allclose(test.sd, robust.bse.iloc[1], rtol=1e-12)


def test_equations_in_other_units_test_the_same(both):
    ours, _ = both
    plain = ours.wald_test("x1 = 0, x2 = 0.1")
    scaled = ours.wald_test("1e6*x1 = 0, x1 + 1e-3*x2 = 1e-4")
    np.testing.assert_allclose(scaled.statistic, plain.statistic, rtol=1e-6)


def test_dependent_and_empty_equations_are_refused(both):
    ours, _ = both
    with pytest.raises(ModelError, match="not independent"):
        ours.wald_test("x1 = x2, x2 = x3, x1 = x3")
    with pytest.raises(ModelError, match="involves no coefficient"):
        ours.wald_test("x1 - x1 = 0")


def test_aliased_coefficients_cannot_be_tested():
    fit = fit_of("v_poi_log_quine_aliased")
    name = next(iter(fit.aliased))
    with pytest.raises(ModelError, match="cannot tell apart"):
        fit.t_test(f"`{name}` = 0")
    assert fit.wald_test("EthN = 0").pvalue == pytest.approx(fit.t_test("EthN").pvalue[0])


@pytest.mark.parametrize("order", [["x", "z", "sum"], ["sum", "z", "x"]])
@pytest.mark.parametrize("cov_type", ["nonrobust", "HC3"])
def test_estimable_combinations_of_aliased_coefficients_are_the_same_in_any_order(order, cov_type):
    # Of x, z and sum = x + 2 z the data tell b_x + b_sum and b_z + 2 b_sum, as with x and z alone.
    rng = np.random.default_rng(4)
    x, z = rng.normal(size=(2, 60))
    frame = {"x": x, "z": z, "sum": x + 2.0 * z, "y": rng.poisson(np.exp(0.3 * x + 0.2))}
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm(f"y ~ {' + '.join(order)}", frame, "poisson", cov_type=cov_type)
    plain = fg.glm("y ~ x + z", frame, "poisson", cov_type=cov_type)
    for ours, theirs in (
        ("x + sum = 0.1", "x = 0.1"),
        ("z + 2*sum", "z"),
        ("x - z - sum", "x - z"),
    ):
        found, expected = fit.t_test(ours), plain.t_test(theirs)
        np.testing.assert_allclose(found.effect, expected.effect, rtol=1e-7)
        np.testing.assert_allclose(found.sd, expected.sd, rtol=1e-7)
        np.testing.assert_allclose(found.pvalue, expected.pvalue, rtol=1e-6)
    joint = fit.wald_test("x + sum = 0, z + 2*sum = 0")
    assert joint.statistic == pytest.approx(plain.wald_test("x = 0, z = 0").statistic, rel=1e-6)
    with pytest.raises(ModelError, match="not independent"):
        fit.wald_test("x + sum = 0, 2*x + 2*sum = 0")
    for lost in (f"{order[-1]} = 0", f"x + z + sum + {order[-1]}", f"{order[-1]} + z"):
        with pytest.raises(ModelError, match="in another combination than they tell of"):
            fit.t_test(lost)


def test_a_test_prints_and_becomes_a_frame(both):
    ours, _ = both
    test = ours.wald_test("x1 = x2, x3 = 0")
    assert "F = " in str(test)
    assert "x1 - x2 = 0" in str(test)
    assert test.summary_frame().loc["Wald test", "pvalue"] == test.pvalue


def test_without_degrees_of_freedom_nothing_is_significant():
    X, y = np.vander([0.1, 0.4, 0.9], 3), np.array([1.0, 3.0, 2.0])
    fit = fg.GLM(y, X).fit()
    assert np.isnan(fit.t_test(np.eye(3)).pvalue).all()
    with pytest.raises(ModelError, match="3 observations for 3 coefficients"):
        fit.wald_test(np.eye(3))


def test_fewer_clusters_than_equations_are_an_error():
    rng = np.random.default_rng(5)
    X, groups = rng.normal(size=(60, 4)), np.arange(60) % 3
    fit = fg.GLM(rng.normal(size=60), X).fit(cov_type="cluster", cov_kwds={"groups": groups})
    with pytest.raises(ModelError, match="fewer clusters than equations"):
        fit.wald_test(np.eye(4))
    with pytest.raises(ModelError, match="not independent"):
        fit.wald_test(np.array([[1.0, 0, 0, 0], [2.0, 0, 0, 0]]))


def test_a_list_of_texts_is_one_hypothesis(both):
    ours, _ = both
    joint = ours.wald_test("x1 = x2, x3 = 0.5")
    assert ours.wald_test(["x1 = x2", "x3 = 0.5"]).statistic == joint.statistic
    for wrong in ({}, pd.DataFrame({"a": ["b"]}), object()):
        with pytest.raises(DataError, match="a hypothesis is text, a list of texts, or a matrix"):
            ours.t_test(wrong)
