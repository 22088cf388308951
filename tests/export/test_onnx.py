"""ONNX models against predict, run by ONNX Runtime."""

import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from export_cases import AT, EDGES, FORMULAS, link_fit, predicted_or_missing

import fastglm as fg
from fastglm.errors import MissingPackageError, ModelError
from fastglm.families.links import LINKS

CLOSE = {"rtol": 1e-13, "atol": 1e-13}
TYPES = {
    "tensor(double)": np.float64,
    "tensor(string)": object,
    "tensor(bool)": np.bool_,
    "tensor(int64)": np.int64,
}


def score(fit, table, **options):
    """Predictions by ONNX Runtime; missing text is empty."""
    session = onnxruntime.InferenceSession(fit.to_onnx(**options).SerializeToString())
    inputs = {
        each.name: table[each.name].fillna("").to_numpy(dtype=object)
        if each.type == "tensor(string)"
        else table[each.name].to_numpy(dtype=TYPES[each.type])
        for each in session.get_inputs()
    }
    (values,) = session.run(None, inputs)
    assert values.dtype == np.float64
    return values


def expected(fit, new, which="mean", **options):
    return np.asarray(fit.predict(new, which, unseen="nan", **options))


@pytest.mark.filterwarnings("ignore:The predicted mean is outside the domain")
@pytest.mark.parametrize("name", sorted(LINKS))
def test_means_of_every_link(name):
    fit, table = link_fit(name)
    mean = expected(fit, table)
    assert np.isfinite(mean).sum() > 80
    np.testing.assert_allclose(score(fit, table), mean, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("formula", FORMULAS)
def test_every_kind_of_term(frame, new, formula):
    fit = fg.glm(f"y ~ {formula}", frame, family="gamma", link="log")
    mean = expected(fit, new)
    assert np.isfinite(mean).sum() >= 50
    np.testing.assert_allclose(score(fit, new), mean, **CLOSE)


def test_unseen_levels_and_missing_values_are_nan(frame, new):
    fit = fg.glm("y ~ region + C(year) + x", frame, family="gamma", link="log")
    assert np.isnan(score(fit, new)[[0, 2, 3, 4]]).all()
    assert np.isfinite(score(fit, new)[[1, 5, 6]]).all()


def test_offset_exposure_and_linear_predictors(frame, new):
    fit = fg.glm("n ~ x + kind", frame, family="poisson", offset="o", exposure="years")
    np.testing.assert_allclose(score(fit, new), expected(fit, new), **CLOSE)
    linear = expected(fit, new, "linear")
    np.testing.assert_allclose(score(fit, new, what="linear"), linear, **CLOSE)
    other = new.rename(columns={"o": "shift", "years": "at risk"})
    names = {"offset": "shift", "exposure": "at risk"}
    np.testing.assert_allclose(score(fit, other, **names), expected(fit, other, **names), **CLOSE)


def test_splines_go_on_or_end_as_in_predict(frame, new):
    beyond = new.assign(age=np.linspace(0.0, 110.0, len(new)))
    for name in ("cr", "cc", "cs"):
        fit = fg.glm(f"y ~ {name}(age, df=4)", frame, family="gamma", link="log")
        np.testing.assert_allclose(score(fit, beyond), expected(fit, beyond), **CLOSE)
    inside = beyond.age.between(frame.age.min(), frame.age.max()).to_numpy()
    values = score(fg.glm("y ~ bs(age, df=4)", frame, family="gamma", link="log"), beyond)
    assert np.array_equal(np.isfinite(values), inside)


def test_columns_may_be_called_as_what_is_computed(new):
    names = ["c0", "c1", "v0", "v1", "_v2", "prediction", "linear_predictor"]
    rng = np.random.default_rng(3)
    table = pd.DataFrame(rng.normal(size=(80, len(names))), columns=names)
    fit = fg.glm(f"y ~ {' + '.join(names)}", table.assign(y=rng.poisson(2.0, 80)), "poisson")
    np.testing.assert_allclose(score(fit, table), expected(fit, table), **CLOSE)


def test_a_file_is_the_model(frame, new, tmp_path):
    fit = fg.glm("y ~ region + x", frame, family="gamma", link="log")
    model = fit.to_onnx(tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").read_bytes() == model.SerializeToString()


def test_what_cannot_be_exported_is_an_error(frame):
    fit = fg.glm("y ~ x", frame, family="gamma", link="log")
    with pytest.raises(ModelError, match='what must be "mean" or "linear"'):
        fit.to_onnx(what="terms")


def test_without_onnx_the_error_names_the_package(frame, monkeypatch):
    fit = fg.glm("y ~ x", frame, family="gamma", link="log")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"need onnx; pip install 'fastglm\[onnx\]'"):
        fit.to_onnx()


@pytest.mark.parametrize("formula", EDGES)
def test_edges_of_every_function_are_those_of_predict(formula):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(0.3, 3.0, 120), "y": rng.normal(size=120)})
    fit = fg.glm(f"y ~ {formula}", frame)
    rows = pd.DataFrame({"x": AT})
    mean = np.array([predicted_or_missing(fit, rows.iloc[[k]]) for k in range(len(rows))])
    # A period is taken off by another rounding; the runtime's sine is not exact far from zero.
    rtol = 1e-10 if "cc(" in formula or "sin(" in formula else 1e-12
    np.testing.assert_allclose(score(fit, rows), mean, rtol=rtol, atol=rtol)


def test_an_infinite_predictor_has_no_mean():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"x": rng.uniform(-0.5, 3.0, 90), "y": rng.integers(0, 2, 90)})
    fit = fg.glm("y ~ log1p(x)", frame, family="poisson")
    rows = pd.DataFrame({"x": [-1.0, 1.0, np.inf, -2.0]})
    assert np.isfinite(score(fit, rows)).tolist() == [False, True, False, False]
