"""Tests of the hard cases: how answers are judged, and that fastglm is right or says so."""

import numpy as np
import pytest

from benchmarks.hard_cases.cases import HardCase, hard_cases, log_link_optimum
from benchmarks.hard_cases.libraries import Answer, UnsupportedError, ask, fit_fastglm
from benchmarks.hard_cases.table import hard_cases_table, right_digits, verdict

ONE = np.ones((3, 1))


def case(truth, **options):
    return HardCase("a case", np.arange(3.0), ONE, truth, **options)


@pytest.mark.parametrize(
    ("values", "digits"),
    [
        ([2.0, -1.0], 15),
        ([2.0002, -1.0], 4),
        ([2.0, -1.0009], 3),
        ([2.0, 1.0], 0),
        ([np.nan, -1.0], 0),
    ],
)
def test_right_digits_are_those_of_the_worst(values, digits):
    assert right_digits(np.array(values), np.array([2.0, -1.0])) == digits


@pytest.mark.parametrize(
    ("truth", "answer", "words"),
    [
        ([1.0], None, "–"),
        ([1.0], Answer(params=np.array([1.0099])), "2 digits"),
        ([1.0], Answer(params=np.array([1.0099]), said=("not converged",)), "2 digits, warns"),
        ([1.0], Answer(params=np.array([9.0])), "wrong"),
        ([1.0], Answer(refused="LinAlgError"), "LinAlgError"),
        (None, Answer(params=np.array([9.0])), "an answer where there is none"),
        ([np.inf], Answer(params=np.array([9.0])), "finite numbers"),
        ([np.inf], Answer(params=np.array([9.0]), said=("W: slow",)), "finite numbers, warns"),
        (
            [np.inf],
            Answer(params=np.array([9.0]), said=("PerfectSeparationWarning: x",)),
            "warns of separation",
        ),
        (
            [np.inf],
            Answer(params=np.array([9.0]), said=("SeparationWarning: x1 (+infinity)",)),
            "names the columns",
        ),
        ([np.nan], Answer(params=np.array([9.0])), "no column left out"),
    ],
)
def test_verdicts(truth, answer, words):
    assert verdict(case(None if truth is None else np.array(truth)), answer) == words


def test_ask_hears_warnings_and_errors():
    import warnings

    def warn(case):
        warnings.warn("careful", UserWarning, stacklevel=1)
        np.log(np.zeros(1))
        return Answer(params=np.ones(1))

    def fail(case):
        raise np.linalg.LinAlgError

    def unsupported(case):
        raise UnsupportedError

    assert ask(warn, case(np.ones(1))).said == ("UserWarning: careful",)
    assert ask(fail, case(np.ones(1))).refused == "LinAlgError"
    assert ask(unsupported, case(np.ones(1))) is None


def test_reference_optimum_has_no_score():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(50), rng.normal(size=50)])
    y = rng.poisson(2.0, 50) + 1.0
    mu = np.exp(X @ log_link_optimum(y, X))
    np.testing.assert_allclose(X.T @ (y - mu), 0.0, atol=1e-12)
    mu = np.exp(X @ log_link_optimum(y, X, gamma=True))
    np.testing.assert_allclose(X.T @ (y / mu - 1), 0.0, atol=1e-12)


def test_fastglm_is_right_or_says_so_in_every_case():
    for hard in hard_cases():
        words = verdict(hard, ask(fit_fastglm, hard))
        digits = words.split(" digit")[0]
        right = digits.isdigit() and int(digits) >= 7
        assert right or words in ("names the columns", "StartError"), (hard.title, words)


def test_the_table_has_a_row_per_case_and_a_cell_per_library():
    table = hard_cases_table([case(np.ones(1))]).splitlines()
    assert len(table) == 3
    assert len({line.count("|") for line in table}) == 1
