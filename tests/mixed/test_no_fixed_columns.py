"""Models without a fixed column, against lme4 1.1-31 and glmmTMB 1.1.5 (polished)."""

import numpy as np
import pandas as pd
import pytest
import scipy.optimize
from mixed_cases import DATA

import fastglm as fg
from fastglm.errors import FormulaError, ModelError, RankWarning


def dyestuff():
    frame = pd.read_csv(DATA / "v_lmer_dyestuff.csv.gz", skipinitialspace=True)
    return frame.rename(columns=str.strip).assign(Y=lambda d: d["Yield"] - 1500)


@pytest.mark.parametrize("reml", [True, False])
def test_linear(reml, tmp_path):
    data = dyestuff()
    fit = fg.mixed("Y ~ 0 + (1 | Batch)", data, reml=reml)
    assert fit.converged
    assert fit.criterion == pytest.approx(329.356871774347, abs=1e-9)
    assert fit.theta[0] == pytest.approx(0.935357555168, abs=1e-7)
    assert fit.sigma == pytest.approx(49.51010, abs=1e-4)
    expected = [4.06967553, 22.79018299, 52.09184683, -1.62787021, 81.39351067, -24.41805320]
    np.testing.assert_allclose(fit.ranef()["Batch"]["Intercept"], expected, rtol=1e-6)
    assert fit.names == ()
    assert fit.params.shape == fit.bse.shape == (0,)
    assert (fit.aic, fit.bic) == pytest.approx((333.356871774347, 336.159266537671), abs=1e-9)
    assert "Batch" in str(fit.summary())
    np.testing.assert_array_equal(fit.predict(level="population"), np.zeros(30))
    np.testing.assert_allclose(fit.predict(), np.repeat(expected, 5), rtol=1e-6)
    found = fit.get_prediction(data.head(2))
    np.testing.assert_allclose(found["mean"], expected[0], rtol=1e-6)
    fit.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(data.head(3)), fit.predict(data.head(3)))
    average = fit.avg_predictions()
    assert average.estimate.tolist() == average.standard_error.tolist() == [0.0]
    drawn = fit.simulate(2, seed=1)
    assert drawn.shape == (30, 2)


def test_generalized():
    cbpp = pd.read_csv(DATA / "v_glmer_cbpp.csv.gz", skipinitialspace=True)
    cbpp = cbpp.rename(columns=str.strip)
    fit = fg.mixed("cbind(incidence, size - incidence) ~ 0 + (1 | herd)", cbpp, "binomial")
    assert fit.criterion == pytest.approx(236.749909538082, abs=1e-6)
    assert fit.theta[0] == pytest.approx(2.24660670462128, rel=1e-6)
    assert fit.aic == pytest.approx(238.749909538, abs=1e-6)
    expected = [-1.20290832, -2.31973428, -1.61081871]
    np.testing.assert_allclose(fit.ranef()["herd"]["Intercept"][:3], expected, rtol=1e-6)
    ticks = pd.read_csv(DATA / "v_glmer_grouseticks.csv.gz", skipinitialspace=True)
    ticks = ticks.rename(columns=str.strip)
    fit = fg.mixed("TICKS ~ 0 + (1 | BROOD) + (1 | LOCATION)", ticks, "nbinom2")
    assert fit.criterion == pytest.approx(1879.64975692597, abs=1e-6)
    assert fit.family.parameter == pytest.approx(np.exp(-1.20678140262415), rel=1e-5)
    np.testing.assert_allclose(np.log(fit.theta), [0.20595552, 0.21563303], atol=2e-6)


def test_an_offset_is_all_that_is_fixed():
    """As coefficients of the columns that are left out, held at their values."""
    data = dyestuff().assign(o=np.linspace(-10.0, 30.0, 30))
    fit = fg.mixed("Y ~ 0 + offset(o) + (1 | Batch)", data)
    moved = fg.mixed("Y2 ~ 0 + (1 | Batch)", data.assign(Y2=data["Y"] - data["o"]))
    assert fit.criterion == pytest.approx(moved.criterion, abs=1e-9)
    np.testing.assert_allclose(fit.predict(data), moved.predict(data) + data["o"])
    gamma = fg.mixed("Yield ~ 0 + offset(l) + (1 | Batch)", data.assign(l=7.3), "gamma", link="log")
    held = fg.mixed("Yield ~ 1 + (1 | Batch)", data, "gamma", link="log")
    assert gamma.criterion >= held.criterion - 1e-9
    at = fg.mixed(
        "Yield ~ 0 + offset(l) + (1 | Batch)", data.assign(l=held.params.iloc[0]), "gamma",
        link="log",
    )  # fmt: skip
    assert at.criterion == pytest.approx(held.criterion, abs=1e-7)
    assert at.sigma == pytest.approx(held.sigma, rel=1e-5)


def test_columns_that_are_zero_are_no_columns():
    """They ended in an error of NumPy's."""
    data = dyestuff().assign(z=0.0)
    with pytest.warns(RankWarning):
        fit = fg.mixed("Y ~ 0 + z + (1 | Batch)", data)
    assert fit.criterion == pytest.approx(329.356871774347, abs=1e-9)
    assert np.isnan(fit.params["z"])
    with pytest.warns(RankWarning):
        fit = fg.mixed("c ~ 0 + z + (1 | Batch)", data.assign(c=np.arange(30) % 4), "poisson")
    bare = fg.mixed("c ~ 0 + (1 | Batch)", data.assign(c=np.arange(30) % 4), "poisson")
    assert fit.criterion == pytest.approx(bare.criterion, abs=1e-9)


def test_profiles_and_influence():
    """One parameter is held where the rest are fitted again; nothing is on coefficients."""
    fit = fg.mixed("Y ~ 0 + (1 | Batch)", dyestuff(), reml=False)
    limits = fit.profile()
    assert list(limits.index) == ["sd(Intercept | Batch)", "sigma"]
    # Balanced groups: the sums of squares within them and of their means are all of the deviance.
    y = dyestuff()["Y"].to_numpy().reshape(6, 5)
    within, between = ((y - y.mean(1, keepdims=True)) ** 2).sum(), 5.0 * (y.mean(1) ** 2).sum()

    def deviance(sd, sigma):
        total = sigma**2 + 5.0 * sd**2
        logs = 24 * np.log(sigma**2) + 6 * np.log(total) + 30 * np.log(2 * np.pi)
        return logs + within / sigma**2 + between / total

    assert deviance(fit.theta[0] * fit.sigma, fit.sigma) == pytest.approx(fit.criterion, abs=1e-9)
    for end in limits.loc["sigma"]:
        lowest = scipy.optimize.minimize_scalar(
            lambda sd, at=end: deviance(sd, at), bounds=(1.0, 300.0), method="bounded"
        )
        assert lowest.fun - fit.criterion == pytest.approx(3.841459, abs=1e-3)
    assert fit.conf_int(method="profile").shape == (0, 2)
    with pytest.raises(ModelError, match="influence by level is on coefficients"):
        fit.influence()


def test_several_predictors_and_sources_need_one():
    data = dyestuff().assign(c=np.arange(30) % 4)
    with pytest.raises(FormulaError, match="no fixed term"):
        fg.mixed("c ~ 0 + (1 | Batch)", data, "poisson", ziformula="~ 1")
