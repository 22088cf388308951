"""Levels all of whose responses lie at one end: as by the fit that chases them to infinity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.fit import estimate as estimating

pytestmark = pytest.mark.filterwarnings("ignore::fastglm.errors.FastGLMWarning")


def _frame(n: int = 6_000) -> pd.DataFrame:
    generator = np.random.default_rng(5)
    codes, other = generator.integers(0, 20, n), generator.integers(0, 4, n)
    x, z = generator.normal(30.0, 1.0, n), generator.normal(size=n)
    eta = 0.4 * (x - 30.0) - 0.2 * z + 0.05 * codes
    binary = (generator.random(n) < 1.0 / (1.0 + np.exp(-eta))).astype(float)
    counts = generator.poisson(np.exp(0.5 * eta)).astype(float)
    binary[codes == 7], binary[codes == 9], counts[codes == 7], counts[codes == 11] = 0, 1, 0, 0
    cell = (codes == 5) & (other == 2)
    binary[cell] = 1.0
    frame = {"x": x, "z": z, "binary": binary, "counts": counts}
    frame |= {"g": pd.Categorical(codes), "h": pd.Categorical(other)}
    frame |= {"w": generator.integers(1, 4, n), "t": generator.uniform(0.5, 2.0, n)}
    return pd.DataFrame(frame)


FRAME = _frame()


@pytest.fixture
def chased(monkeypatch):
    """Fits that do not look before."""

    def without(call):
        with monkeypatch.context() as patched:
            patched.setattr(estimating, "_beside_separated_levels", lambda *args: None)
            return call()

    return without


@pytest.fixture
def looked(monkeypatch):
    """What looking before came to, fit by fit."""
    found, real = [], estimating._beside_separated_levels

    def watched(*args):
        found.append(real(*args))
        return found[-1]

    monkeypatch.setattr(estimating, "_beside_separated_levels", watched)
    return found


def _assert_same(fit, other) -> None:
    assert fit.infinite == other.infinite
    assert fit.n_separated == other.n_separated
    finite = [name not in other.infinite for name in other.names]
    unit = np.asarray(other.bse)[finite]
    found, expected = np.asarray(fit.params)[finite], np.asarray(other.params)[finite]
    np.testing.assert_allclose(found / unit, expected / unit, atol=1e-6)
    np.testing.assert_allclose(np.asarray(fit.bse)[finite], unit, rtol=1e-6)
    assert (np.asarray(fit.bse)[np.logical_not(finite)] > 1e3).all()
    inside = np.ix_(finite, finite)
    covariances = [np.asarray(f.cov_params())[inside] / np.outer(unit, unit) for f in (fit, other)]
    np.testing.assert_allclose(covariances[0], covariances[1], atol=1e-6)
    assert fit.deviance == pytest.approx(other.deviance, rel=1e-9)
    assert fit.pearson_chi2 == pytest.approx(other.pearson_chi2, rel=1e-6)
    assert fit.llf == pytest.approx(other.llf, rel=1e-9, nan_ok=True)
    assert fit.df_resid == other.df_resid
    np.testing.assert_allclose(fit.fittedvalues, other.fittedvalues, atol=1e-6)
    factor = fit.centering.to_given(fit.inverse_information_factor)
    inverse = np.asarray(fit.information_inverse)
    size = np.sqrt(np.outer(np.diag(inverse), np.diag(inverse)))
    np.testing.assert_allclose(factor @ factor.T / size, inverse / size, atol=1e-9)


CASES = [
    ("binary ~ x + g", "binomial", {}),
    ("binary ~ x + g", "quasibinomial", {}),
    ("binary ~ g * h + x", "binomial", {}),
    ("binary ~ 0 + g + x", "binomial", {"link": "cloglog"}),
    ("counts ~ x + C(g, Sum) + z", "poisson", {}),
    ("counts ~ x + g", "poisson", {"freq_weights": "w", "exposure": "t"}),
    ("counts ~ g + z", fg.families.NegativeBinomial(alpha=0.5), {}),
]


@pytest.mark.parametrize(("formula", "family", "options"), CASES)
def test_as_by_the_fit_that_chases_them(chased, looked, formula, family, options) -> None:
    fit = fg.glm(formula, FRAME, family, **options)
    assert fit.n_separated > 0
    # Sum contrasts have no column that is one level and no more, and in the reference level of h
    # a level of g is a combination of columns.
    assert (looked[-1] is None) == ("Sum" in formula or "*" in formula)
    _assert_same(fit, chased(lambda: fg.glm(formula, FRAME, family, **options)))


def test_a_cell_of_two_categoricals(chased, looked) -> None:
    frame = FRAME[~FRAME.g.isin([7, 9])]
    frame = frame.assign(g=frame.g.cat.remove_unused_categories())
    fit = fg.glm("binary ~ g * h + x", frame, "binomial")
    assert looked[-1] is not None
    assert list(fit.infinite) == ["g[T.5]:h[T.2]"]
    _assert_same(fit, chased(lambda: fg.glm("binary ~ g * h + x", frame, "binomial")))


def test_rows_of_no_weight_do_not_count(chased, looked) -> None:
    frame = FRAME.assign(counts=FRAME.counts.copy(), keep=1.0)
    rows = np.flatnonzero(frame.g.cat.codes == 11)[:2]
    frame.loc[rows, "counts"], frame.loc[rows, "keep"] = 3.0, 0.0
    fit = fg.glm("counts ~ x + g", frame, "poisson", freq_weights="keep")
    assert looked[-1] is not None
    assert "g[T.11]" in fit.infinite
    _assert_same(
        fit, chased(lambda: fg.glm("counts ~ x + g", frame, "poisson", freq_weights="keep"))
    )


@pytest.mark.parametrize("response", ["dropped", "raised"])
def test_results_on_separation(response: str) -> None:
    if response == "raised":
        with pytest.raises(fg.errors.SeparationError, match=r"g\[T.7\]"):
            fg.glm("binary ~ x + g", FRAME, "binomial", separation="raise")
        return
    fit = fg.glm("binary ~ x + g", FRAME, "binomial", separation="drop")
    kept = FRAME[~FRAME.g.isin([7, 9])]
    expected = fg.glm("binary ~ x + g", kept, "binomial", separation="ignore")
    np.testing.assert_allclose(fit.params["x"], expected.params["x"], rtol=1e-9)


def _near(frame: pd.DataFrame) -> pd.DataFrame:
    """With one more response in each level."""
    frame = frame.copy()
    for level in (7, 9):
        row = np.flatnonzero(frame.g.cat.codes == level)[3]
        frame.loc[row, "binary"] = 1.0 - frame.loc[row, "binary"]
    return frame


def test_levels_with_one_other_response_are_not_separated(looked) -> None:
    fit = fg.glm("binary ~ x + g", _near(FRAME), "binomial")
    assert looked[-1] is None
    assert fit.infinite == {}


# In the rest an x that separates, a column that is nothing but one of the level's rows, and rows
# that all belong to such levels.
LEFT = {
    "more is separated": FRAME.assign(
        x=np.where(FRAME.binary > 0, 1.0, -1.0) * (1.0 + np.abs(FRAME.z))
    ),
    "aliased without the level": FRAME.assign(x=np.where(FRAME.g.cat.codes == 7, FRAME.x, 0.0)),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_is_not_certain_is_left_to_the_ordinary_fit(chased, looked, case: str) -> None:
    fit = fg.glm("binary ~ x + g", LEFT[case], "binomial")
    assert looked[-1] is None
    other = chased(lambda: fg.glm("binary ~ x + g", LEFT[case], "binomial"))
    assert fit.infinite == other.infinite
    np.testing.assert_array_equal(fit.params, other.params)


def test_means_that_never_come_to_an_end_are_left_to_the_ordinary_fit(looked) -> None:
    fg.glm("binary ~ x + g", FRAME, "binomial", link="cauchit", max_iter=5)
    assert looked[-1] is None
