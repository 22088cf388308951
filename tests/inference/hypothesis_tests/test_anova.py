from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from r_cases import model_of, names_with, read_case

import fastglm as fg
from fastglm.errors import ModelError


def block(name, key):
    """A table of R: row names, and columns as arrays."""
    table = read_case(name)["results"][key]
    columns = {
        column: np.array([np.nan if cell is None else float(cell) for cell in cells])
        for column, cells in table["columns"].items()
    }
    return table["rownames"], columns


@cache
def fit_with_terms(name):
    """The fit on R's design matrix, whose columns belong to R's terms in their order."""
    rownames, columns = block(name, "anova_sequential_Chisq")
    model = model_of(name)
    design = model.rows.design
    first = int(design.names[0] == "(Intercept)")
    edges = first + np.concatenate([[0], np.cumsum(columns["Df"][1:])]).astype(int)
    terms = [
        (term, slice(int(a), int(b)))
        for term, a, b in zip(rownames[1:], edges[:-1], edges[1:], strict=True)
    ]
    if first:
        terms.insert(0, ("1", slice(0, 1)))
    other = fg.GLM.__new__(fg.GLM)
    other.family = model.family
    other.formula = read_case(name)["formula"]
    other.rows = model.rows.with_design(replace(design, terms=tuple(terms)))
    return other.fit(tol=1e-18, max_iter=1000)


#: R's own fits of smaller models fail (log-binomial) or diverge (a deviance of 1e34) here.
R_FAILS = {"v_bin_log_affairs", "v_ig_log_cpus"}
ALIASED = {"v_poi_log_quine_aliased"}
FULL_RANK = [n for n in names_with("anova_sequential_Chisq") if n not in R_FAILS | ALIASED]


def compare(ours, theirs, scale):
    """Deviances to 1e-9 of the largest, the rest to 1e-7."""
    for column, expected in theirs.items():
        if column in ("Deviance", "Resid. Dev", "AIC", "LRT", "scaled dev."):
            tolerance = {"rtol": 1e-7, "atol": 1e-9 * scale}
        elif column.startswith("Pr("):
            tolerance = {"rtol": 1e-5, "atol": 1e-300}
        else:
            tolerance = {"rtol": 1e-7}
        np.testing.assert_allclose(ours[column], expected, err_msg=column, **tolerance)


@pytest.mark.parametrize("name", FULL_RANK)
def test_sequential_tables_equal_r(name):
    rownames, expected = block(name, "anova_sequential_Chisq")
    table = fit_with_terms(name).anova(test="Chisq")
    assert list(table.names) == rownames
    compare(table, expected, expected["Resid. Dev"][0])


DROPS = [
    (name, test)
    for test in ("Chisq", "F")
    for name in names_with(f"drop1_{test}")
    if name in FULL_RANK
]


@pytest.mark.parametrize(("name", "test"), DROPS)
def test_tables_of_dropped_terms_equal_r(name, test):
    rownames, expected = block(name, f"drop1_{test}")
    table = fit_with_terms(name).drop1(test=test)
    assert list(table.names) == rownames
    compare(table, expected, expected["Deviance"].max())


@pytest.fixture(scope="module")
def frame():
    import pandas as pd

    rng = np.random.default_rng(4)
    n = 400
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.uniform(size=n),
            "a": rng.choice(list("uvw"), n),
            "b": rng.choice(list("pq"), n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    mean = np.exp(0.5 + 0.3 * frame.x + (frame.a == "u") * frame.z)
    return frame.assign(y=rng.poisson(mean), s=rng.gamma(2.0, mean / 2.0))


def test_type_two_leaves_out_the_interactions_of_a_term(frame):
    fit = fg.glm("y ~ x + a * b", frame, "poisson")
    table = fit.anova(type=2)
    main = fg.glm("y ~ x + a + b", frame, "poisson").deviance
    for term, formula in (("a", "y ~ x + b"), ("b", "y ~ x + a")):
        expected = fg.glm(formula, frame, "poisson").deviance - main
        np.testing.assert_allclose(table["LR Chisq"][table.names.index(term)], expected, rtol=1e-8)
    expected = main - fit.deviance
    np.testing.assert_allclose(table["LR Chisq"][table.names.index("a:b")], expected, rtol=1e-8)
    np.testing.assert_array_equal(table["Df"], [1, 2, 1, 2])


def test_type_three_drops_columns_of_the_full_model(frame):
    fit = fg.glm("y ~ x + C(a, contr.sum) * C(b, contr.sum)", frame, "poisson")
    table = fit.anova(type=3)
    X = fit.model.rows.design.to_dense()
    for name, term in fit.terms:
        if name in table.names:
            rest = np.delete(X, np.arange(term.start, term.stop), axis=1)
            smaller = fg.GLM(frame.y.to_numpy(), rest, "poisson").fit()
            expected = smaller.deviance - fit.deviance
            row = table.names.index(name)
            np.testing.assert_allclose(table["LR Chisq"][row], expected, rtol=1e-7, atol=1e-9)


def test_all_types_agree_on_a_model_of_one_term(frame):
    fit = fg.glm("s ~ a", frame, "gamma", link="log")
    one, two, three = (fit.anova(type=k) for k in (1, 2, 3))
    np.testing.assert_allclose(one["F"][1], two["F"][0], rtol=1e-9)
    np.testing.assert_allclose(two["F"], three["F"], rtol=1e-12)


def weighted_rao(smaller, X):
    """Rao's statistic as R computes it: a regression of the working residuals on all columns."""
    from fastglm.kernels.blocks import row_buffers

    weight, residual = smaller.row_values(row_buffers.WEIGHT, row_buffers.RESIDUAL)
    root = np.sqrt(weight)
    target = residual / root
    fitted = np.linalg.lstsq(X * root[:, None], target, rcond=None)[0]
    return target @ target - ((target - (X * root[:, None]) @ fitted) ** 2).sum()


@pytest.mark.parametrize(("response", "family"), [("y", "poisson"), ("s", "gamma")])
def test_score_tests_equal_their_definition(frame, response, family):
    fit = fg.glm(f"{response} ~ x + a + z", frame, family, link="log", exposure="w")
    X = fit.model.rows.design.to_dense()
    sequential, dropped = fit.anova(test="Rao"), fit.drop1(test="Rao")
    column = "Rao score" if family == "poisson" else "scaled Rao sc."
    smaller = fg.glm(f"{response} ~ x", frame, family, link="log", exposure="w")
    expected = weighted_rao(smaller, X[:, :4])
    np.testing.assert_allclose(sequential["Rao"][2], expected, rtol=1e-8)
    smaller = fg.glm(f"{response} ~ a + z", frame, family, link="log", exposure="w")
    expected = weighted_rao(smaller, X) / fit.scale
    np.testing.assert_allclose(dropped[column][1], expected, rtol=1e-8)


def test_models_compared_one_with_the_next(frame):
    fits = [fg.glm(f"y ~ {right}", frame, "poisson") for right in ("1", "x", "x + a + b")]
    table = fg.anova(*fits)
    np.testing.assert_array_equal(table["Df"][1:], [1, 3])
    np.testing.assert_allclose(table["Deviance"][1:], -np.diff([f.deviance for f in fits]))
    assert str(fits[0].anova(fits[1])) == str(fg.anova(fits[0], fits[1]))
    downwards = fg.anova(*fits[::-1])
    np.testing.assert_allclose(downwards["Pr(>Chi)"][1:], table["Pr(>Chi)"][:0:-1], rtol=1e-12)
    assert "Model 3: y ~ x + a + b" in str(table)
    sequential = fits[2].anova()
    np.testing.assert_allclose(sequential["Resid. Dev"][1], table["Resid. Dev"][1], rtol=1e-10)


def test_f_tests_of_gaussian_models_are_those_of_least_squares(frame):
    import statsmodels.api as sm

    fit = fg.glm("s ~ x + a + z", frame)
    X = fit.model.rows.design.to_dense()
    full = sm.OLS(frame.s.to_numpy(), X).fit()
    small = sm.OLS(frame.s.to_numpy(), X[:, [0, 1, 4]]).fit()
    statistic, pvalue, _ = full.compare_f_test(small)
    for table, column in ((fit.anova(type=2), "F"), (fit.drop1(), "F value")):
        row = table.names.index("a")
        np.testing.assert_allclose(table[column][row], statistic, rtol=1e-9)
        np.testing.assert_allclose(table["Pr(>F)"][row], pvalue, rtol=1e-8)


def test_a_model_without_intercept_starts_from_the_offset(frame):
    fit = fg.glm("y ~ 0 + x + z", frame, "poisson", exposure="w")
    table = fit.anova()
    y, mean = frame.y.to_numpy(), frame.w.to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 2 * (np.where(y > 0, y * np.log(y / mean), 0.0) - (y - mean))
    np.testing.assert_allclose(table["Resid. Dev"][0], unit.sum(), rtol=1e-10)
    assert table.names == ("NULL", "x", "z")


def test_arrays_have_a_term_a_column(frame):
    X = np.column_stack([np.ones(400), frame.x, frame.z])
    table = fg.GLM(frame.y.to_numpy(), X, "poisson").fit().anova()
    formula = fg.glm("y ~ x + z", frame, "poisson").anova()
    assert table.names == ("NULL", "x1", "x2")
    np.testing.assert_allclose(table["Resid. Dev"], formula["Resid. Dev"], rtol=1e-10)


def test_aliased_terms_have_no_degrees_of_freedom(frame):
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("y ~ x + a + I(2 * x)", frame, "poisson")
    table = fit.anova()
    assert table["Df"][3] == 0
    assert np.isnan(table["Pr(>Chi)"][3])
    np.testing.assert_allclose(table["Deviance"][3], 0.0, atol=1e-8)


def test_questions_that_make_no_sense(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    assert str(fit.anova(type="II")) == str(fit.anova(type=2))
    assert str(fit.anova(type="III")) == str(fit.anova(type=3)) != str(fit.anova(type="I"))
    with pytest.raises(ModelError, match="type must be"):
        fit.anova(type=4)
    with pytest.raises(ModelError, match="test must be"):
        fit.drop1(test="t")
    with pytest.raises(ModelError, match="two or more"):
        fg.anova(fit)
    with pytest.raises(ModelError, match="same rows"):
        fg.anova(fit, fg.glm("y ~ 1", frame[:300], "poisson"))
    with pytest.raises(ModelError, match="family or link"):
        fg.anova(fit, fg.glm("y ~ 1", frame))


def test_fits_of_another_criterion_are_not_compared(frame):
    fit = fg.glm("y ~ x + a", frame, "poisson", bias_reduction="firth")
    for question in (fit.anova, fit.drop1, fit.bootstrap):
        with pytest.raises(ModelError, match="reduced its bias"):
            question()


SMALL = {
    "x": [0.1, 0.5, 0.9, 1.3, 1.7, 2.1, 2.5, 2.9, 3.3, 3.7, 0.3, 0.8],
    "a": list("uvw") * 4,
    "y": [1, 0, 3, 2, 7, 1, 5, 2, 14, 4, 0, 6],
}


def test_negative_binomial_fits_of_their_own_alpha_compare_by_likelihood():
    # anova(glm.nb(y ~ x), glm.nb(y ~ x + a)) of R's package MASS, converged to 1e-14.
    one, two = (fg.glm(f, SMALL, "negative_binomial") for f in ("y ~ x", "y ~ x + a"))
    assert one.family.parameter != two.family.parameter
    table = fg.anova(one, two).columns
    np.testing.assert_allclose(
        table["-2 logLik"], [54.16282120915806, 51.44469219347449], rtol=1e-8
    )
    assert table["LR"][1] == pytest.approx(2.71812901568357, rel=1e-7)
    assert table["Pr(>Chi)"][1] == pytest.approx(0.256900993440518, rel=1e-7)
    with pytest.raises(ModelError, match="parameter of negative_binomial"):
        fg.anova(one, two, test="F")
    same = fg.glm("y ~ x", SMALL, fg.families.NegativeBinomial(alpha=two.family.parameter))
    drop = fg.anova(same, two).columns["Deviance"][1]
    assert drop == pytest.approx(same.deviance - two.deviance)


def test_a_term_that_others_make_up_is_not_tested():
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("y ~ x + I(2 * x) + a", SMALL, "poisson")
    for test in ("Chisq", "F", "Rao"):
        *_, statistic, pvalue = fit.drop1(test).columns.values()
        for column in (statistic, pvalue):
            np.testing.assert_array_equal(np.isnan(column), [True, True, True, False], test)


def test_a_dispersion_that_was_estimated_or_given_chooses_the_test():
    quasi = fg.glm("y ~ x + a", SMALL, "quasipoisson")
    model = fg.GLM.from_formula("y ~ x + a", SMALL, "poisson")
    for ask in ("anova", "drop1"):
        ours = getattr(model.fit(scale="X2"), ask)().columns
        for name, column in getattr(quasi, ask)().columns.items():
            np.testing.assert_allclose(ours[name], column, rtol=1e-7, err_msg=name)
        assert "Pr(>Chi)" in getattr(model.fit(scale=1.7), ask)().columns


def test_terms_of_aliased_columns_change_nothing_at_all():
    rng = np.random.default_rng(2)
    frame = {"x": rng.normal(size=50), "y": rng.poisson(2.0, 50)}
    frame["twice"] = 2.0 * frame["x"]
    with pytest.warns(fg.errors.RankWarning):
        fit = fg.glm("y ~ x + twice", frame, family="poisson")
    assert fit.anova()["Deviance"][2] == 0.0
    for type_ in (2, 3):
        assert list(fit.anova(type=type_)["LR Chisq"]) == [0.0, 0.0]
