from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError, ModelError


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(21)
    n = 500
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "u": rng.normal(size=n),
            "v": rng.normal(size=n),
            "a": rng.choice(list("pqr"), n),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    mean = np.exp(0.3 * frame.x + 0.25 * frame.z * (frame.a == "p"))
    return frame.assign(y=rng.poisson(mean * frame.w), s=rng.gamma(3.0, mean / 3.0))


def test_additions_are_the_larger_models(frame):
    fit = fg.glm("y ~ x", frame, "poisson", exposure="w")
    table = fit.add1("z + a + x:z", test="Chisq")
    assert table.names == ("<none>", "z", "a")
    for row, term in enumerate(("z", "a"), 1):
        larger = fg.glm(f"y ~ x + {term}", frame, "poisson", exposure="w")
        np.testing.assert_allclose(table["Deviance"][row], larger.deviance, rtol=1e-9)
        np.testing.assert_allclose(table["AIC"][row], larger.aic, rtol=1e-9)
        expected = fg.anova(fit, larger)
        np.testing.assert_allclose(table["LRT"][row], expected["Deviance"][1], rtol=1e-7)
        np.testing.assert_allclose(table["Pr(>Chi)"][row], expected["Pr(>Chi)"][1], rtol=1e-7)
    np.testing.assert_array_equal(table["Df"][1:], [1, 2])


def test_additions_and_deletions_mirror_each_other(frame):
    small, large = fg.glm("s ~ x", frame), fg.glm("s ~ x + a", frame)
    added, dropped = small.add1("a", test="F"), large.drop1(test="F")
    row = dropped.names.index("a")
    np.testing.assert_allclose(added["F value"][1], dropped["F value"][row], rtol=1e-9)
    np.testing.assert_allclose(added["Pr(>F)"][1], dropped["Pr(>F)"][row], rtol=1e-8)


def test_score_tests_of_additions_equal_those_of_deletions(frame):
    small = fg.glm("y ~ x", frame, "poisson")
    large = fg.glm("y ~ x + a", frame, "poisson")
    added, dropped = small.add1(["a"], test="Rao"), large.drop1(test="Rao")
    row = dropped.names.index("a")
    np.testing.assert_allclose(added["Rao score"][1], dropped["Rao score"][row], rtol=1e-8)


def test_a_dot_is_what_there_is(frame):
    fit = fg.glm("y ~ x + z", frame, "poisson")
    assert fit.add1("~ . + u").names == ("<none>", "u")
    assert fit.add1("~ (. + u)**2").names == ("<none>", "u", "x:z")


@pytest.mark.parametrize(("response", "family"), [("y", "poisson"), ("s", "gaussian")])
@pytest.mark.parametrize("k", ["aic", "bic"])
def test_searches_end_at_the_best_model_of_main_effects(frame, response, family, k):
    full = fg.glm(f"{response} ~ x + z + u + v + a", frame, family)
    found = full.step(k=k)
    best = min(
        (
            fg.glm(f"{response} ~ {' + '.join(['1', *terms])}", frame, family)
            for size in range(6)
            for terms in itertools.combinations(["x", "z", "u", "v", "a"], size)
        ),
        key=lambda fit: getattr(fit, k),
    )
    assert set(found.results.names) == set(best.names)
    np.testing.assert_allclose(found.table["AIC"][-1], getattr(best, k), rtol=1e-10)
    empty = fg.glm(f"{response} ~ 1", frame, family).step("x + z + u + v + a", k=k)
    assert set(empty.results.names) == set(best.names)


def test_interactions_come_after_and_go_before_their_parts(frame):
    start = fg.glm("y ~ x", frame, "poisson", exposure="w")
    found = start.step("~ (x + z + a)**2", direction="forward")
    for name in found.table.names[1:]:
        parts = name.removeprefix("+ ").split(":")
        earlier = {"x", *(n.removeprefix("+ ") for n in found.table.names)}
        assert len(parts) == 1 or set(parts) <= earlier
    assert "z:a" in str(found) or "a:z" in str(found)
    full = fg.glm("y ~ x * z * a", frame, "poisson", exposure="w")
    assert full.step(direction="backward").table.names[1] == "- x:z:a"


def test_each_step_lowers_the_criterion(frame):
    table = fg.glm("y ~ x * z + u * v + a", frame, "poisson").step().table
    assert (np.diff(table["AIC"]) < 0).all()
    np.testing.assert_allclose(table["Deviance"][1:], np.diff(table["Resid. Dev"]))


def test_offsets_stay(frame):
    fit = fg.glm("y ~ x + u + offset(log(w))", frame, "poisson")
    found = fit.step().results
    expected = fg.glm("y ~ x + offset(log(w))", frame, "poisson")
    np.testing.assert_allclose(found.deviance, expected.deviance, rtol=1e-10)


def test_what_cannot_be_searched(frame):
    fit = fg.glm("y ~ x", frame, "poisson")
    with pytest.raises(ModelError, match="direction"):
        fit.step(direction="up")
    with pytest.raises(ModelError, match="k must be"):
        fit.step(k="dic")
    with pytest.raises(ModelError, match="no term that could be added"):
        fit.add1("x")
    with pytest.raises(ModelError, match="every term of the model"):
        fit.add1("~ z")
    with pytest.raises(ModelError, match="no likelihood"):
        fg.glm("y ~ x", frame, "quasipoisson").step()
    with pytest.raises(ModelError, match="given by a formula"):
        fg.GLM(frame.y, frame[["x"]], "poisson").fit().add1("z")
    missing = frame.assign(z=frame.z.where(frame.z > -2.0))
    with pytest.raises(DataError, match="missing values"):
        fg.glm("y ~ x", missing, "poisson", missing="drop").add1("z")


def test_every_step_has_the_rows_and_the_dispersion_of_the_first(frame):
    gaps = frame.assign(w=np.random.default_rng(1).normal(size=len(frame)))
    gaps.loc[gaps.index[:10], "w"] = np.nan
    fit = fg.glm("y ~ x + w", gaps, "poisson", missing="drop")
    with pytest.raises(DataError, match="no missing values in 500 rows, and the model in 490"):
        fit.step(k=50.0)
    model = fg.GLM.from_formula("y ~ x + w", gaps.dropna(), "poisson")
    for scale in ("X2", 1.7):
        found = model.fit(scale=scale).step().results
        again = fg.GLM.from_formula(found.formula, gaps.dropna(), "poisson").fit(scale=scale)
        assert found.scale == pytest.approx(again.scale, rel=1e-8)
        assert found.use_t == again.use_t
