"""Saved mixed models predict the same numbers."""

import pickle

import numpy as np
import pandas as pd
import pytest
from mixed_cases import case_frame, fit_case

import fastglm as fg
from fastglm.errors import DataError, UnseenLevelError


@pytest.mark.parametrize("name", ["s_lmer_machines_nested", "s_glmer_generated_binomial_zcp"])
def test_a_saved_fit_reads_back(name, tmp_path):
    fit = fit_case(name)
    fit.save(tmp_path / "fit.json")
    back = fg.load(tmp_path / "fit.json")
    pd.testing.assert_series_equal(back.params, fit.params)
    pd.testing.assert_series_equal(back.bse, fit.bse)
    pd.testing.assert_frame_equal(back.varcorr, fit.varcorr)
    assert str(back.summary()) == str(fit.summary())
    new = case_frame(name).head(20)
    for level in ("conditional", "population", "marginal"):
        pd.testing.assert_series_equal(
            back.predict(new, level=level), fit.predict(new, level=level)
        )
    with pytest.raises(DataError, match="loaded without the data"):
        back.predict()


def test_a_pickled_fit_reads_back():
    fit = fit_case("s_lmer_machines_nested")
    back = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_series_equal(back.params, fit.params)
    assert back.model is None


def test_new_levels_are_refused_or_predicted_as_asked():
    fit = fit_case("s_lmer_machines_nested")
    new = case_frame("s_lmer_machines_nested").head(2).copy()
    new["Worker"] = "nobody"
    with pytest.raises(UnseenLevelError, match="row 0 has a level of 'Machine:Worker'"):
        fit.predict(new)
    np.testing.assert_array_equal(
        fit.predict(new, new_levels="zero"), fit.predict(new, level="population")
    )
    assert fit.predict(new, new_levels="nan").isna().all()
    np.testing.assert_array_equal(
        fit.predict(new.drop(columns="Worker"), level="population"),
        fit.predict(new, level="population"),
    )
