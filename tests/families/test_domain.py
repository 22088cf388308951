from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastglm import families
from fastglm.errors import DataError, MissingValueError
from fastglm.families import summarize


@settings(max_examples=100, deadline=None)
@given(hnp.arrays(np.float64, st.integers(0, 70)))
def test_summarize_against_numpy(y):
    summary = summarize(y)
    finite = y[np.isfinite(y)]
    assert summary.minimum == finite.min(initial=np.inf)
    assert summary.maximum == finite.max(initial=-np.inf)
    assert summary.n_not_finite == y.size - finite.size
    assert summary.binary == bool(np.isin(y, (0.0, 1.0)).all())


@pytest.mark.parametrize("dtype", ["?", "i1", "u1", "i4", "u8", "f4", ">f8"])
def test_summarize_any_dtype_and_stride(dtype):
    y = np.array([0, 9, 1, 9, 1, 9]).astype(dtype)[::2]
    assert summarize(y) == families.ResponseSummary(0.0, 1.0, 0, True)


@pytest.mark.parametrize(
    ("family", "good", "bad", "needs"),
    [
        (families.Gaussian(), [-1.0, 3.0], None, None),
        (families.Binomial(), [0.0, 0.4, 1.0], [1.5], "between 0 and 1"),
        (families.QuasiBinomial(), [0.0, 1.0], [-0.1], "between 0 and 1"),
        (families.Poisson(), [0.0, 2.5], [-1.0], "at least 0"),
        (families.QuasiPoisson(), [0.0], [-1.0], "at least 0"),
        (families.NegativeBinomial(), [0.0, 2.0], [-1.0], "at least 0"),
        (families.Gamma(), [0.1], [0.0], "greater than 0"),
        (families.InverseGaussian(), [0.1], [0.0], "greater than 0"),
        (families.Tweedie(var_power=0), [-1.0], None, None),
        (families.Tweedie(var_power=1.5), [0.0, 1.0], [-1.0], "at least 0"),
        (families.Tweedie(var_power=2), [1.0], [0.0], "greater than 0"),
        (families.Tweedie(var_power=2.5), [1.0], [0.0], "greater than 0"),
        (families.Quasi("log", variance="mu^2"), [0.0], [-1.0], "at least 0"),
        (families.Quasi("log", variance="mu^3"), [1.0], [0.0], "greater than 0"),
        (families.Quasi("logit", variance="mu(1-mu)"), [0.0, 1.0], [2.0], "between 0 and 1"),
    ],
)
def test_what_each_family_allows(family, good, bad, needs):
    family.check_response(np.array(good))
    if bad is not None:
        with pytest.raises(DataError, match=rf"{type(family).__name__} needs .* {needs}.*row 2"):
            family.check_response(np.array([0.5, 0.5, *bad]))


def test_only_the_first_rows_are_named():
    with pytest.raises(DataError, match=r"8 of 8 rows .*row 0 \(-1\).*row 4 \(-1\), \.\.\.;"):
        families.Poisson().check_response(np.full(8, -1))


def test_missing_values_are_counted():
    with pytest.raises(MissingValueError, match=r"2 missing or infinite .*row 1 \(nan\), row 2"):
        families.Poisson().check_response(np.array([0.0, np.nan, np.inf]))


def test_rows_of_weight_zero_are_not_checked():
    y = np.array([1.0, -5.0, np.nan])
    families.Poisson().check_response(y, np.array([1.0, 0.0, 0.0]))
    with pytest.raises(DataError, match="row 1"):
        families.Poisson().check_response(y, np.array([1.0, 2.0, 0.0]))


def test_the_summary_recognizes_a_binary_response():
    assert families.Binomial().check_response(np.array([0, 1, 1])).binary
    assert not families.Binomial().check_response(np.array([0, 0.5, 1])).binary
