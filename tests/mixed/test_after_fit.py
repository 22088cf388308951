"""The search over terms, the report and pictures of mixed models."""

import re

import numpy as np
import pytest
from mixed_cases import case_frame, fit_case

import fastglm as fg
from fastglm.errors import ModelError

RNG = np.random.default_rng(4)
N = 300
DATA = {"g": np.repeat(np.arange(30), 10), "x": RNG.normal(size=N), "z": RNG.normal(size=N)}
DATA["f"] = np.array(list("abc"))[RNG.integers(0, 3, N)]
DATA["y"] = 1.0 + 0.8 * DATA["x"] + RNG.normal(size=30)[DATA["g"]] + RNG.normal(size=N)
DATA["count"] = RNG.poisson(np.exp(0.3 + 0.5 * DATA["x"] + 0.4 * RNG.normal(size=30)[DATA["g"]]))


def ml_aic(formula, family):
    options = {"reml": False} if family == "gaussian" else {}
    return fg.mixed(formula, DATA, family=family, **options).aic


@pytest.mark.parametrize(("response", "family"), [("y", "gaussian"), ("count", "poisson")])
def test_step_ends_at_the_smallest_aic_of_all_models(response, family):
    fit = fg.mixed(f"{response} ~ x + z + f + (1 | g)", DATA, family=family)
    found = fit.step()
    subsets = [[], ["x"], ["z"], ["f"], ["x", "z"], ["x", "f"], ["z", "f"], ["x", "z", "f"]]
    aics = {
        tuple(s): ml_aic(f"{response} ~ {' + '.join(['1', *s])} + (1 | g)", family) for s in subsets
    }
    best = min(aics, key=aics.get)
    assert found.results.formula == f"{response} ~ {' + '.join(['1', *best])} + (1 | g)"
    assert found.results.aic == pytest.approx(aics[best], abs=1e-6)
    assert found.table["AIC"][0] == pytest.approx(aics[("x", "z", "f")], abs=1e-6)
    assert not found.results.reml


def test_step_adds_terms_of_a_scope_and_keeps_random_ones():
    fit = fg.mixed("count ~ 1 + (1 + x || g) + (1 | f)", DATA, family="poisson")
    found = fit.step(scope="~ . + x", direction="forward")
    assert found.results.formula == "count ~ 1 + x + (1 + x || g) + (1 | f)"
    assert found.results.theta.size == 3
    arrays = fg.MixedGLM(DATA["y"], DATA["x"][:, None], groups=DATA["g"]).fit()
    with pytest.raises(ModelError, match="given by a formula"):
        arrays.step()


def test_report_holds_variances_terms_and_every_picture(tmp_path):
    pytest.importorskip("matplotlib")
    fit = fg.mixed("count ~ x + f + (1 + x | g)", DATA, family="poisson")
    path, steps = tmp_path / "report.html", []
    fit.report(path, progress=lambda done, n: steps.append((done, n)))
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == [
        "What to know", "The fit", "Coefficients", "Variances", "Terms", "Random effects",
        "Variables",
    ]  # fmt: skip
    assert "Mixed Poisson model of count" in text
    # Two pictures of each effect, one of each variable; none failed.
    assert text.count("<img") == 6
    assert 'class="missing"' not in text
    assert steps == [(k, 7) for k in range(1, 8)]
    sd = fit.varcorr["sd"].to_numpy()
    assert all(f"{value:.4g}"[:5] in text for value in sd)


def test_the_report_names_a_singular_fit(tmp_path):
    pytest.importorskip("matplotlib")
    fit = fit_case("s_lmer_dyestuff2_singular")
    path = tmp_path / "report.html"
    fit.report(path)
    text = path.read_text(encoding="utf-8")
    assert fit.singular
    assert "Singular: the variance of" in text.split("<h2>The fit</h2>")[0]


@pytest.mark.parametrize("case", ["v_lmer_sleepstudy", "s_glmer_bacteria"])
def test_picture_of_an_effect_is_that_of_marginal_means(case):
    plt = pytest.importorskip("matplotlib.pyplot")
    fit = fit_case(case)
    variable = {"v_lmer_sleepstudy": "Days", "s_glmer_bacteria": "trt"}[case]
    ax = fg.plots.effect(fit, variable)
    line = max(ax.lines, key=lambda each: len(each.get_xdata()))
    if variable == "Days":
        at = np.asarray(line.get_xdata())
        frame = case_frame(case)
        np.testing.assert_allclose([at[0], at[-1]], np.quantile(frame["Days"], [0.005, 0.995]))
        expected = fit.params["Intercept"] + fit.params["Days"] * at
        np.testing.assert_allclose(line.get_ydata(), expected, rtol=1e-10)
    else:
        means = fit.emmeans("trt").summary_frame()["response"].to_numpy()
        shown = {round(float(v), 8) for each in ax.lines for v in np.ravel(each.get_ydata())}
        shown |= {round(float(v), 8) for each in ax.lines for v in np.ravel(each.get_xdata())}
        for collection in ax.collections:
            offsets = np.asarray(collection.get_offsets(), dtype=float)
            shown |= {round(float(v), 8) for v in offsets.ravel()}
        assert {round(float(v), 8) for v in means} <= shown
    plt.close("all")
