"""Saved mixed models predict the same numbers."""

import json
import os
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
    for level in ("conditional",) if fit.is_linear else ("conditional", "marginal"):
        with pytest.raises(DataError, match="use level='population', or fit the model again"):
            back.get_prediction(new, level=level)


def test_a_pickled_fit_reads_back():
    fit = fit_case("s_lmer_machines_nested")
    back = pickle.loads(pickle.dumps(fit))
    pd.testing.assert_series_equal(back.params, fit.params)
    assert back.model is None


def test_new_levels_are_refused_or_predicted():
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


@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (1 | h/g)"])
def test_files_grow_with_levels_and_not_with_rows(formula, tmp_path):
    rng = np.random.default_rng(0)

    def saved(n, q):
        g, x = rng.integers(0, q, n), rng.normal(size=n)
        data = {"g": g, "h": g % 7, "x": x, "y": rng.normal(size=q)[g] + rng.normal(size=n)}
        fit = fg.mixed(formula, data)
        fit.save(tmp_path / "fit.json")
        again = fg.load(tmp_path / "fit.json")
        for one, other in zip(fit.groups, again.groups, strict=True):
            assert one.levels == other.levels
            assert one.modes.tobytes() == other.modes.tobytes()
            np.testing.assert_array_equal(one.variances, other.variances)
        return (tmp_path / "fit.json").stat().st_size

    few, rows, levels = saved(3_000, 100), saved(12_000, 100), saved(12_000, 1_100)
    assert abs(rows - few) < 200
    # Of a level its label, and at most five numbers of eleven characters.
    assert levels - rows < 1_000 * 90


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("sigma", "large", "'sigma' of the saved model is not a number"),
        ("missing", [], "'missing' of the saved model is not a table"),
        ("estimates", [1.0], "names, but 1 estimates"),
        ("n_threads", 10_000, None),
    ],
)
def test_fields_of_files_are_checked_as_those_of_other_models(tmp_path, name, value, message):
    fit = fit_case("s_lmer_machines_nested", reml=True)
    path = tmp_path / "model.json"
    fit.save(path)
    saved = json.loads(path.read_text())
    path.write_text(json.dumps(saved | {name: value}))
    if message is None:
        assert fg.load(path, check=False).n_threads <= os.cpu_count()
        return
    with pytest.raises(DataError, match=message):
        fg.load(path, check=False)
