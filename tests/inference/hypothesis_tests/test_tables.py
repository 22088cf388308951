from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from fastglm.inference.hypothesis_tests.tables import HypothesisTest, Table


def test_chi_squared_and_f_of_one_statistic():
    chi2 = HypothesisTest.of("test", 7.0, 2.0)
    f = HypothesisTest.of("test", 7.0, 2.0, 30.0)
    assert (chi2.distribution, f.distribution) == ("chi2", "F")
    assert chi2.pvalue == pytest.approx(stats.chi2.sf(7.0, 2), rel=1e-12)
    assert f.statistic == 3.5
    assert f.pvalue == pytest.approx(stats.f.sf(3.5, 2, 30), rel=1e-12)
    assert str(f) == f"test: F = 3.5 on 2 and 30 degrees of freedom, p = {f.pvalue:.4g}"


def test_tables_print_in_columns_without_missing_numbers():
    table = Table("Heading", ("a", "longer"), {"Df": np.array([np.nan, 2.0]), "F": np.ones(2)})
    assert str(table).splitlines() == ["Heading", "        Df  F", "a           1", "longer   2  1"]
    frame = table.summary_frame()
    assert frame.loc["longer", "Df"] == 2.0
    np.testing.assert_array_equal(table["F"], 1.0)
