"""`exact=True` shuts the one door to the shortcuts of a fit."""

import numpy as np
import pytest

import fastglm as fg
from fastglm.passes import chunks
from fastglm.solve import fit, shortcuts
from fastglm.solve.starting import subsample


@pytest.mark.parametrize("exact", [True, False])
def test_exact_takes_none_of_them(exact, monkeypatch):
    monkeypatch.setattr(subsample, "SAMPLE_FROM_VALUES", 60_000)
    monkeypatch.setattr(chunks, "CHUNK_VALUES", 4_096)
    taken = []

    def watched(name, function):
        return lambda *args: taken.append(name) or function(*args)

    monkeypatch.setattr(shortcuts, "choose_start", watched("sample", shortcuts.choose_start))
    monkeypatch.setattr(fit, "refine_with_qr", watched("QR", fit.refine_with_qr))
    random = np.random.default_rng(2)
    X = np.column_stack([np.ones(20_000), random.normal(size=(20_000, 4))])
    y = random.poisson(np.exp(X @ np.linspace(-0.2, 0.2, 5))).astype(float)
    fitted = fg.GLM(y, X, family="poisson").fit(exact=exact)
    assert taken == (["QR"] if exact else ["sample"])
    assert fitted.orthogonal == exact
