import numpy as np
import pandas as pd
import pytest
from scipy import special, stats
from statsmodels.othermod.betareg import BetaModel as Peer

import fastglm as fg
from fastglm.errors import DataError, ModelError

CASES = [
    ("v_beta_food", "logit", None),
    ("v_beta_food_varphi", "logit", "~ persons"),
    ("v_beta_gasoline", "logit", None),
    ("v_beta_gasoline_loglogprobit", "probit", None),
]


@pytest.mark.parametrize(("name", "link", "precision"), CASES)
def test_equals_r_by_formula(reference, matrix, name, link, precision):
    case = reference(name)
    expected = case.results
    formula = case.formula.split("|")[0]
    fit = fg.BetaModel.from_formula(formula, case.frame, precision, link).fit()
    assert fit.converged
    estimates = [*expected["mean_coef"], *expected["precision_coef"]]
    errors = np.array([*expected["mean_se"], *expected["precision_se"]])
    np.testing.assert_array_less(np.abs(np.asarray(fit.params) - estimates) / errors, 1e-7)
    np.testing.assert_allclose(fit.bse, errors, rtol=1e-6)
    scaled = np.asarray(fit.cov_params()) / np.outer(errors, errors)
    reference_scaled = matrix(expected["vcov"]) / np.outer(errors, errors)
    np.testing.assert_allclose(scaled, reference_scaled, atol=1e-5)
    assert fit.llf == pytest.approx(expected["loglik"], rel=1e-10)
    assert fit.aic == pytest.approx(expected["aic"], rel=1e-10)
    head = expected["fitted"]["head"]
    np.testing.assert_allclose(fit.predict(case.frame)[: len(head)], head, rtol=1e-7)
    if expected["phi_if_constant"] is not None:
        phi = fit.predict(which="precision")
        np.testing.assert_allclose(phi, expected["phi_if_constant"], rtol=1e-6)


def sample(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    Z = np.column_stack([np.ones(n), rng.uniform(size=n)])
    mean, precision = special.expit(X @ [0.3, -0.8]), np.exp(Z @ [1.5, 1.0])
    return rng.beta(mean * precision, (1 - mean) * precision), X, Z


def test_equals_statsmodels():
    y, X, Z = sample()
    fit = fg.BetaModel(y, X, precision=Z).fit()
    peer = Peer(y, X, exog_precision=Z).fit(disp=0, method="newton")
    np.testing.assert_allclose(fit.params, peer.params, rtol=1e-6)
    np.testing.assert_allclose(fit.bse, peer.bse, rtol=1e-5)
    assert fit.llf == pytest.approx(peer.llf, rel=1e-10)
    assert fit.names == ("const", "x1", "precision-const", "precision-x1")


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog", "loglog", "cauchit", "log"])
@pytest.mark.parametrize("precision_link", ["log", "identity", "sqrt"])
def test_every_link_solves_its_score_equations(link, precision_link):
    rng = np.random.default_rng(4)
    X = np.column_stack([np.ones(200), rng.uniform(-0.3, 0.3, 200)])
    y = rng.beta(3.0, 5.0, 200)
    fit = fg.BetaModel(y, X, link=link, precision_link=precision_link).fit()

    def log_likelihood(params):
        mean = fg.families.resolve_link(link).inverse(X @ params[:2])
        phi = fg.families.resolve_link(precision_link).inverse(params[2])
        return stats.beta.logpdf(y, mean * phi, (1 - mean) * phi).sum()

    assert fit.llf == pytest.approx(log_likelihood(fit.params), rel=1e-10)
    h = 1e-4 * fit.bse
    unit = np.diag(h)
    slopes = [
        (log_likelihood(fit.params + e) - log_likelihood(fit.params - e)) / 2e-4 for e in unit
    ]
    np.testing.assert_allclose(slopes, 0.0, atol=1e-5)


def test_predictions_weights_and_saving(tmp_path):
    y, X, Z = sample(100)
    times = np.arange(100) % 3
    weighted = fg.BetaModel(y, X, Z, freq_weights=times).fit()
    repeated = fg.BetaModel(*(np.repeat(a, times, axis=0) for a in (y, X, Z))).fit()
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-8)
    mean, phi = weighted.predict(X, precision=Z), weighted.predict(X, "precision", precision=Z)
    variance = weighted.predict(X, "variance", precision=Z)
    np.testing.assert_allclose(variance, mean * (1 - mean) / (1 + phi))
    weighted.save(tmp_path / "fit.json")
    again = fg.load(tmp_path / "fit.json")
    np.testing.assert_array_equal(again.predict(X, precision=Z), mean)
    assert str(again.summary()) == str(weighted.summary())


def test_rows_that_either_formula_misses_are_dropped():
    y, X, Z = sample(60)
    frame = pd.DataFrame({"y": y, "x": X[:, 1], "z": Z[:, 1]})
    frame.loc[3, "x"] = frame.loc[5, "z"] = np.nan
    fit = fg.BetaModel.from_formula("y ~ x", frame, "~ z", missing="drop").fit()
    assert fit.n_dropped == 2
    complete = fg.BetaModel.from_formula("y ~ x", frame.dropna(), "~ z").fit()
    np.testing.assert_array_equal(fit.params, complete.params)
    assert len(fit.fittedvalues) == 58


def test_what_cannot_be_used_is_named():
    with pytest.raises(DataError, match=r"1 row \(1, counted from 0\)"):
        fg.BetaModel([0.5, 1.0, 0.2], np.ones((3, 1)))
    with pytest.raises(ModelError, match="logit, probit"):
        fg.BetaModel([0.5, 0.4], np.ones((2, 1)), link="inverse")
    with pytest.raises(ModelError, match="information must be"):
        fg.BetaModel([0.5, 0.4], np.ones((2, 1)), information="fisher")
