"""From answers to words: how many digits are right, or what happened."""

from __future__ import annotations

import math

import numpy as np

from benchmarks.hard_cases.cases import HardCase
from benchmarks.hard_cases.libraries import LIBRARIES, Answer, ask

__all__ = ["hard_cases_table", "right_digits", "verdict"]

NO_MODEL = "–"
MOST_DIGITS = 15


def right_digits(values: np.ndarray, truth: np.ndarray) -> int:
    """Significant digits that all values have right, 0 to 15."""
    error = np.max(np.abs(np.asarray(values) - truth) / np.abs(truth))
    if not error < 1.0:
        return 0
    return MOST_DIGITS if error == 0.0 else min(MOST_DIGITS, math.floor(-math.log10(error)))


def verdict(case: HardCase, answer: Answer | None) -> str:
    """A cell of the table."""
    if answer is None:
        return NO_MODEL
    if answer.refused:
        return answer.refused
    if case.truth is None:
        return f"an answer where there is none{_tone(answer)}"
    if np.isinf(case.truth).any():
        return _of_separation(case, answer)
    values = getattr(answer, case.of)
    if values is None:
        return NO_MODEL
    finite = ~np.isnan(case.truth)
    if not np.array_equal(np.isnan(values), ~finite):
        left_out = "no column" if np.isfinite(values).all() else "other columns"
        return f"{left_out} left out{_tone(answer)}"
    digits = right_digits(values[finite], case.truth[finite])
    words = {0: "wrong", 1: "1 digit"}.get(digits, f"{digits} digits")
    return words + _tone(answer)


def _of_separation(case: HardCase, answer: Answer) -> str:
    """Estimates are infinite: no number is right, so what counts is what was said."""
    words = " ".join(answer.said).lower()
    if "separat" not in words:
        return f"finite numbers{_tone(answer)}"
    return "names the columns" if "infinity" in words else "warns of separation"


def _tone(answer: Answer) -> str:
    return ", warns" if answer.said else ""


def hard_cases_table(cases: list[HardCase]) -> str:
    """All cases by all libraries, in markdown."""
    lines = [f"| hard case | {' | '.join(LIBRARIES)} |", "|---" * (len(LIBRARIES) + 1) + "|"]
    for case in cases:
        cells = [verdict(case, ask(fit, case)) for fit in LIBRARIES.values()]
        lines.append(f"| {case.title} | {' | '.join(cells)} |")
    return "\n".join(lines)
