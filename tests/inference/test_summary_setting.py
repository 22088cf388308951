"""What a fit was given stands in its summary, in every form, of every model, loaded or not."""

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import RankWarning

N = 80


def draw():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "y": rng.poisson(1.0, N),
            "x": rng.normal(size=N),
            "o": rng.normal(size=N),
            "e": rng.uniform(1.0, 2.0, N),
            "f": rng.integers(1, 3, N),
            "late": rng.choice(["no", "yes"], N),
            "c": rng.choice(list("uvw"), N),
            "w": rng.gamma(2.0, 1.0, N),
        }
    )


FRAME = draw()
ARRAY = FRAME["o"].to_numpy()
NB = fg.families.NegativeBinomial(alpha=1.5)
CASES = {
    "binomial": (
        lambda: fg.glm("late ~ x", FRAME, family="binomial"),
        ["Formula: late ~ x", "Modelled Level: late = yes"],
    ),
    "negative binomial": (
        lambda: fg.glm("y ~ x + offset(o)", FRAME, family=NB, exposure="e", offset=ARRAY),
        ["Offset: offset(o) + array", "Exposure: e", "Family Parameters: alpha = 1.5"],
    ),
    "weights": (
        lambda: fg.glm("y ~ x", FRAME, freq_weights="f", var_weights=FRAME["e"].to_numpy()),
        ["Weights: freq_weights f, var_weights array"],
    ),
    "tweedie": (
        lambda: fg.glm("w ~ x", FRAME, family=fg.families.Tweedie(var_power=1.5)),
        ["Family Parameters: var_power = 1.5"],
    ),
    "quasi": (
        lambda: fg.glm("w ~ x", FRAME, family=fg.families.Quasi(variance="mu^2", link="log")),
        ["Family Parameters: variance = mu^2"],
    ),
    "MNLogit": (
        lambda: fg.MNLogit.from_formula("c ~ x", FRAME, reference="v", offset="o").fit(),
        ["Formula: c ~ x", "Offset: o", "Reference Level: c = v"],
    ),
    "OrderedModel": (
        lambda: fg.OrderedModel.from_formula("c ~ x", FRAME, levels=list("wuv")).fit(),
        ["Levels: w < u < v"],
    ),
    "ZeroInflated": (
        lambda: fg.ZeroInflated.from_formula(
            "y ~ x", FRAME, zeros="~ offset(o)", exposure="e", var_weights="f"
        ).fit(),
        ["Formula of zeros: ~ offset(o)", "Exposure: e", "Weights: var_weights f"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_summaries_name_what_the_fit_was_given(name, tmp_path):
    build, expected = CASES[name]
    fit = build()
    fit.save(tmp_path / "fit.json")
    for each in (fit, fg.load(tmp_path / "fit.json")):
        summary = each.summary()
        lines = str(summary).splitlines()
        for line in expected:
            assert line in lines
            key, value = line.split(": ", 1)
            escaped = value.replace("<", "&lt;")
            assert f'<th>{key}</th><td colspan="3">{escaped}</td>' in summary.as_html()
            assert summary.tables[0].loc[key, "value"] == value
            assert f"{key}: " in summary.as_latex()
            assert f"{key}," in summary.as_csv()


def test_what_was_not_given_is_not_named():
    fit = fg.GLM(FRAME["y"].to_numpy(), np.ones((N, 1)), family="poisson").fit()
    assert fit.summary().setting() == []


def test_an_estimated_parameter():
    rng = np.random.default_rng(1)
    frame = FRAME.assign(y=rng.negative_binomial(1, 0.4, N))
    fit = fg.glm("y ~ x", frame, family="negative_binomial")
    ((key, value),) = fit.summary().setting()[1:]
    assert key == "Family Parameters"
    assert value == f"alpha = {fit.family.alpha:.6g}, estimated"


def test_long_formulas_are_wrapped():
    right = " + ".join(f"I(x ** {k} / {k})" for k in range(1, 9))
    lines = str(fg.glm(f"y ~ {right}", FRAME).summary()).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("Formula: "))
    assert lines[start + 1].startswith("  ")
    assert max(map(len, lines)) == len(lines[1])


@pytest.mark.parametrize("right", ["x + I(2 * x)", "0 + g"])
@pytest.mark.parametrize(
    ("name", "response"),
    [
        ("MNLogit", "c"),
        ("OrderedModel", "k"),
        ("BetaModel", "p"),
        ("DirichletModel", "cbind(p, q)"),
        ("NegativeBinomialP", "y"),
        ("ZeroInflated", "y"),
        ("Hurdle", "y"),
    ],
)
def test_summaries_with_aliased_columns(name, response, right):
    rng = np.random.default_rng(3)
    frame = FRAME.assign(
        p=rng.beta(2.0, 2.0, N),
        k=rng.integers(0, 3, N),
        g=rng.choice(list("ab"), N),
        y=np.where(rng.random(N) < 0.4, 0, rng.negative_binomial(1, 0.3, N)),
    )
    frame["q"] = 1.0 - frame["p"]
    model = getattr(fg, name).from_formula(f"{response} ~ {right}", frame)
    if right == "x + I(2 * x)" or name == "OrderedModel":
        with pytest.warns(RankWarning):
            fit = model.fit()
        assert f"Combinations of earlier columns: {', '.join(fit.aliased)}." in str(fit.summary())
    else:
        fit = model.fit()
        assert "Combinations" not in str(fit.summary())
    assert fit.aliased == () or all(each in str(fit.summary()) for each in fit.aliased)
