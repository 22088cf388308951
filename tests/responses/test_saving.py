"""Saved fits of models with several predictors, those of earlier versions included."""

import json

import numpy as np
import pandas as pd
import pytest

import fastglm as fg
from fastglm.errors import DataError

N = 80
NEW_KEYS = ("boundary", "has_exposure", "column_names", "weights", "n_separated", "infinite")


@pytest.fixture
def frame():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"x": rng.normal(size=N), "o": rng.normal(size=N)})
    return data.assign(y=rng.poisson(np.exp(data["x"])) * (rng.random(N) < 0.6))


def of_first_version(path, **changes):
    saved = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in saved.items() if k not in NEW_KEYS} | changes))
    return fg.load(path, check=False)


def test_files_of_earlier_versions(frame, tmp_path):
    path = tmp_path / "fit.json"
    for formula, offset in (("y ~ x", None), ("y ~ x + offset(o)", None), ("y ~ x", frame["o"])):
        fit = fg.ZeroInflated.from_formula(formula, frame, offset=offset).fit()
        fit.save(path)
        # Then a formula's offset counted as one that was given.
        old = of_first_version(path, has_offset="offset" in formula or offset is not None)
        given = {} if offset is None else {"offset": offset}
        np.testing.assert_array_equal(old.predict(frame, **given), fit.predict())
    with pytest.raises(DataError, match="fitted with offset="):
        old.predict(frame)


def test_a_fit_that_ignored_an_offset_is_refused(frame, tmp_path):
    path = tmp_path / "fit.json"
    fg.ZeroInflated.from_formula("y ~ x", frame, zeros="~ offset(o)").fit().save(path)
    np.testing.assert_array_equal(fg.load(path).names, ["Intercept", "x", "zero-Intercept"])
    with pytest.raises(DataError, match="ignored the offset"):
        of_first_version(path, has_offset=False)


def test_a_glm_of_an_earlier_version(frame, tmp_path):
    path = tmp_path / "fit.json"
    fit = fg.glm("y ~ x", frame, family="poisson", freq_weights=np.ones(N))
    fit.save(path)
    assert fg.load(path).weights == fit.weights == {"freq_weights": "array"}
    saved = json.loads(path.read_text())
    del saved["weights"]
    path.write_text(json.dumps(saved))
    assert fg.load(path, check=False).weights == {}
