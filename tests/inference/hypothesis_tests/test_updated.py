from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError
from fastglm.inference.hypothesis_tests.updated import with_dots


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(8)
    n = 120
    frame = pd.DataFrame({
        "x": rng.normal(size=n), "z": rng.normal(size=n), "t": rng.uniform(1.0, 2.0, n),
        "g": rng.choice(list("ab"), n), "id": np.arange(n) // 6,
    })  # fmt: skip
    return frame.assign(y=rng.poisson(np.exp(0.3 + 0.4 * frame.x) * frame.t))


@pytest.mark.parametrize(
    ("change", "written"),
    [
        (". ~ . - x", "y ~ g + z + g:z + offset(log(t))"),
        (". ~ . + x:z", "y ~ x + g + z + g:z + x:z + offset(log(t))"),
        ("sqrt(.) ~ .", "sqrt(y) ~ x + g + z + g:z + offset(log(t))"),
        ("~ . - g:z - 1", "y ~ 0 + x + g + z + offset(log(t))"),
        (". ~ 1", "y ~ 1"),
    ],
)
def test_formulas_are_changed_as_by_r(data, change, written):
    res = fg.glm("y ~ x + g*z + offset(log(t))", data, "poisson").update(change)
    assert res.formula == written
    whole = fg.glm(written, data, "poisson")
    np.testing.assert_allclose(res.params[whole.names[0]], whole.params.iloc[0], rtol=1e-9)
    np.testing.assert_allclose(res.deviance, whole.deviance, rtol=1e-9)


def test_a_dot_is_put_in_parentheses_only_where_it_needs_them():
    assert with_dots(" . - b", "a + b") == "a + b - b"
    assert with_dots("log(.)", "y") == "log(y)"
    assert with_dots(".:c + 0.5*d + e.f", "a + b") == "(a + b):c + 0.5*d + e.f"


def test_what_is_not_told_stays(data):
    res = fg.glm("y ~ x", data, "poisson", exposure="t", var_weights="t", cov_type="HC1")
    new = res.update(". ~ . + z")
    assert (new.cov_type, new.has_exposure, dict(new.weights)) == (
        "HC1",
        True,
        {"var_weights": "t"},
    )
    whole = fg.glm("y ~ x + z", data, "poisson", exposure="t", var_weights="t", cov_type="HC1")
    np.testing.assert_array_equal(new.bse, whole.bse)
    assert res.update(cov_type="nonrobust").cov_type == "nonrobust"
    held = fg.glm("y ~ x", data, scale=2.0).update(". ~ z")
    assert held.scale == 2.0
    firth = fg.glm(
        "y > 0 ~ x".replace("y > 0", "I(y > 0)"), data, "binomial", bias_reduction="firth"
    )
    assert firth.update(". ~ . + z").bias_reduction == "firth"


def test_data_family_and_rows_are_changed(data):
    res = fg.glm("y ~ x", data, "poisson", scale="X2")
    assert res.update(data=data.head(50)).nobs == 50.0
    assert res.update(subset="x > 0").nobs == float((data.x > 0).sum())
    new = res.update(family="gaussian")
    np.testing.assert_array_equal(new.bse, fg.glm("y ~ x", data).bse)


def test_models_of_other_kinds(data):
    hurdle = fg.Hurdle.from_formula("y ~ x", data).fit()
    assert hurdle.update(". ~ . + z").formula == "y ~ x + z"
    mixed = fg.mixed("y ~ x + (1 | id)", data, reml=False)
    new = mixed.update(". ~ . - x")
    assert new.names == ("Intercept",)
    assert not new.reml


def test_what_cannot_be_known_is_asked_for(data):
    res = fg.glm("y ~ x", data, "poisson", cov_type="cluster", cov_kwds={"groups": "id"})
    with pytest.raises(ModelError, match="cov_type= and cov_kwds="):
        res.update(". ~ . + z")
    with pytest.raises(ModelError, match=r"'\. ~ \. - x'"):
        fg.glm("y ~ x", data).update("z")
    with pytest.raises(ModelError, match="a formula and data for it"):
        fg.GLM(data.y, data[["x"]]).fit().update(". ~ x")


def test_a_covariance_that_is_told_is_taken(data):
    res = fg.glm("y ~ x", data, "poisson").with_covariance("cluster", groups="id")
    new = res.update(". ~ . + z", cov_type="cluster", cov_kwds={"groups": "id"})
    whole = fg.glm("y ~ x + z", data, "poisson").with_covariance("cluster", groups="id")
    np.testing.assert_allclose(new.bse, whole.bse, rtol=1e-12)


def test_a_condition_chooses_among_other_rows_too(data):
    """As the call of R's ``update`` is read again; by truth values there is nothing to read."""
    twice = pd.concat([data, data], ignore_index=True)
    n = float((data.x > 0).sum())
    hurdle = fg.Hurdle.from_formula("y ~ x", data, subset="x > 0").fit()
    mixed = fg.mixed("y ~ x + (1 | id)", data, subset="x > 0")
    res = fg.glm("y ~ x + z", data, "poisson", subset="x > 0")
    for fit in (res, hurdle, mixed, res.step().results, res.update(". ~ . - z")):
        assert fit.nobs == n
        assert fit.update(data=twice).nobs == 2.0 * n
    again = res.update(subset="g == 'a'")
    assert again.nobs == float(((data.x > 0) & (data.g == "a")).sum())
    assert again.update(data=twice).nobs == 2.0 * again.nobs
    assert res.update(data=twice, subset="x < 0").nobs == float((twice.x < 0).sum())
    assert res.update(data=twice, subset=None).nobs == 240.0
    masked = fg.glm("y ~ x", data, "poisson", subset=(data.x > 0).to_numpy())
    assert masked.update(". ~ 1").nobs == n
    with pytest.raises(ModelError, match="other data do not have: give subset="):
        masked.update(data=data)


def test_a_loaded_result_says_what_to_fit(data, tmp_path):
    fg.glm("y ~ x", data, "poisson", exposure="t").save(tmp_path / "fit.json")
    loaded = fg.load(tmp_path / "fit.json")
    with pytest.raises(
        DataError, match=r"the formula 'y ~ x \+ z' to data again with exposure='t'"
    ):
        loaded.update(". ~ . + z", data)
