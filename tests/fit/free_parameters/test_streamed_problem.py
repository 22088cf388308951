"""Parameters of families estimated by passes: the numbers of a fit in memory, without its rows."""

import numpy as np
import pyarrow as pa
import pytest

import fastglm as fg
from fastglm.errors import BoundaryWarning, DataError, RankWarning
from fastglm.passes.source import StreamedRows

N = 40_000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=N), rng.choice(["a", "b", "c"], N)
    mean = np.exp(0.3 * x - 0.2 * (g == "b"))
    columns = {
        "x": x,
        "g": g,
        "z": rng.normal(size=N),
        "years": rng.uniform(0.2, 1.0, N),
        "claims": rng.poisson(mean * rng.gamma(2.0, 0.5, N)),
        "cost": rng.poisson(0.7, N) * rng.gamma(2.0, mean),
        "w": rng.uniform(0.5, 2.0, N),
        "times": rng.integers(0, 3, N),
        "even": rng.binomial(2, 0.3, N),
    }
    return pa.table(columns)


WIDE = "cost ~ x * g + z * g + I(z**2) * x + I(x**2) * g"
MODELS = {
    "alpha": ("claims ~ x + g", "negativebinomial", {}),
    "exposure": ("claims ~ x + g", "negativebinomial", {"exposure": "years"}),
    "weights": ("claims ~ x", "negativebinomial", {"var_weights": "w", "freq_weights": "times"}),
    "power": (WIDE, "tweedie", {}),
    "weighted power": (WIDE, "tweedie", {"var_weights": "w", "freq_weights": "times"}),
}
MEMORY = {"negativebinomial": "900KB", "tweedie": "4MB"}


@pytest.mark.parametrize("model", MODELS)
def test_estimates_are_those_of_a_fit_in_memory(model, table):
    formula, family, options = MODELS[model]
    streamed = fg.glm(formula, fg.scan(table), family, memory=MEMORY[family], **options)
    assert not streamed.model.rows.fits
    assert streamed.model._in_memory is None
    whole = fg.glm(formula, table, family, **options)
    assert streamed.converged
    assert streamed.family.parameter == pytest.approx(whole.family.parameter, rel=1e-7)
    assert streamed.parameter_se == pytest.approx(whole.parameter_se, rel=1e-6)
    np.testing.assert_allclose((streamed.params - whole.params) / whole.bse, 0.0, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-7)
    for name in ("llf", "deviance", "scale", "null_deviance", "aic"):
        assert getattr(streamed, name) == pytest.approx(getattr(whole, name), rel=1e-7), name


def test_alpha_has_the_same_bits_in_windows_of_any_size(table):
    source, found = fg.scan(table), set()
    for n_threads, memory in ((1, "256MB"), (2, "256MB"), (2, "2GB")):
        res = fg.glm(
            "claims ~ x + g", source, "negativebinomial", memory=memory, n_threads=n_threads
        )
        numbers = [*res.params, *res.bse, res.family.parameter, res.parameter_se, res.llf]
        found.add(np.array(numbers).tobytes())
    assert len(found) == 1


def test_no_overdispersion(table):
    with pytest.warns(BoundaryWarning, match="alpha is 0"):
        streamed = fg.glm("even ~ z", fg.scan(table), "negativebinomial", memory="700KB")
    assert streamed.family.parameter == 0.0
    poisson = fg.glm("even ~ z", table, "poisson")
    np.testing.assert_allclose(streamed.params, poisson.params, atol=1e-7)


def test_aliased_columns(table):
    with pytest.warns(RankWarning, match=r"I\(2 \* x\) = 2 x"):
        streamed = fg.glm(
            "claims ~ x + g + I(2 * x)", fg.scan(table), "negativebinomial", memory="900KB"
        )
    whole = fg.glm("claims ~ x + g", table, "negativebinomial")
    assert streamed.family.parameter == pytest.approx(whole.family.parameter, rel=1e-7)
    np.testing.assert_allclose(streamed.bse[:4], whole.bse, rtol=1e-7)


def test_a_response_that_is_no_count_is_named_by_its_row(table):
    claims = table.column("claims").to_numpy().astype(float)
    claims[20_123] = 0.5
    source = fg.scan(table.set_column(4, "claims", pa.array(claims)))
    with pytest.raises(DataError, match=r"the response is 0\.5 in row") as caught:
        fg.glm("claims ~ x", source, "negativebinomial", memory="700KB")
    text = str(caught.value)
    first = int(text.split("from row ")[1].split(" ")[0].replace(",", ""))
    row = int(text.split("0.5 in row ")[1].split(":")[0])
    assert first + row == 20_123


def test_a_power_needs_room_for_a_few_numbers_of_each_row(table):
    with pytest.raises(DataError, match="an estimate of the family's var_power needs a few"):
        fg.glm("cost ~ x", fg.scan(table), "tweedie", memory="900KB")


def test_a_stopped_estimate_goes_on_from_its_checkpoint(table, tmp_path, monkeypatch):
    source, path = fg.scan(table), tmp_path / "fit.ckpt"
    whole = fg.glm("claims ~ x + g", source, "negativebinomial", memory="900KB")
    real, left = StreamedRows._total, [6]

    def counted(self, *arguments):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return real(self, *arguments)

    monkeypatch.setattr(StreamedRows, "_total", counted)
    with pytest.raises(KeyboardInterrupt):
        fg.glm("claims ~ x + g", source, "negativebinomial", memory="900KB", checkpoint=path)
    assert path.exists()
    left[0] = 10**6
    again = fg.glm("claims ~ x + g", source, "negativebinomial", memory="900KB", checkpoint=path)
    assert np.array_equal(again.params, whole.params)
    assert np.array_equal(again.bse, whole.bse)
    assert again.family.parameter == whole.family.parameter
    # What the checkpoint answers is not read again.
    assert 10**6 - left[0] <= whole.n_passes - 6
    assert not path.exists()


@pytest.mark.parametrize(
    ("formula", "family"), [("claims ~ g", "negativebinomial"), ("sized ~ g", "tweedie")]
)
def test_rows_that_are_alike_count_as_many(formula, family, table):
    sized = np.round(table.column("cost").to_numpy())
    table = table.append_column("sized", pa.array(sized))
    streamed = fg.streamed.StreamedGLM(formula, table, family, compress=True).fit()
    assert streamed.model.rows.cells is not None
    whole = fg.glm(formula, table, family)
    assert streamed.family.parameter == pytest.approx(whole.family.parameter, rel=1e-7)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-7)
    assert streamed.llf == pytest.approx(whole.llf, rel=1e-9)
