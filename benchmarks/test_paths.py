"""Every path runs, and its programs answer the same question."""

import numpy as np
import pytest

from benchmarks.paths import OURS, PATHS, YARDSTICK, lines, measure

#: Both programs fit the same responses, but for counts, whose yardstick is the dense fit.
FITS = [
    path
    for path in PATHS
    if ("level" in path.title or "column" in path.title) and "counts" not in path.title
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.title)
def test_a_path_is_measured_with_its_yardstick(path):
    seconds = measure(path, 2_000, 1)
    assert {OURS, YARDSTICK} <= seconds.keys()
    table = lines(path, seconds)
    assert len(table) == len(seconds)
    assert table[0].split("|")[2].strip() == OURS
    assert ("MISSED" in table[0]) == (seconds[OURS] > path.asked * seconds[YARDSTICK])


@pytest.mark.filterwarnings("ignore::fastglm.errors.FastGLMWarning")
@pytest.mark.parametrize("path", FITS, ids=lambda path: path.title)
def test_both_fits_of_a_path_converge_to_like_deviances(path):
    runs = path.prepare(4_000)
    ours, other = runs[OURS](), runs[YARDSTICK]()
    assert ours.converged
    assert other.converged
    assert ours.deviance == pytest.approx(other.deviance, rel=0.05)
    assert np.isfinite(ours.llf)


@pytest.mark.parametrize(
    "path", [p for p in FITS if p.title.startswith("ten ")], ids=lambda path: path.title
)
def test_splines_have_the_estimates_of_their_columns(path):
    runs = path.prepare(12_000)
    ours, other = runs[OURS](), runs[YARDSTICK]()
    np.testing.assert_allclose(ours.estimates, other.estimates, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(ours.standard_errors, other.standard_errors, rtol=1e-7)
