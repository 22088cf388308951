"""Estimates printed as R prints them (tests/data/r/tables/printed.txt)."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastglm.inference.number_format import (
    common_decimals,
    format_at,
    format_level,
    format_levels,
    stars_of,
)

R = Path(__file__).parents[1] / "data" / "r" / "tables"
TIDY = pd.read_csv(R / "tidy.csv")
BLOCKS = dict(
    re.findall(r"## (\w+) \n(.*?)(?=\n##|\Z)", (R / "printed.txt").read_text(), re.DOTALL)
)


@pytest.mark.parametrize("name", BLOCKS)
def test_estimates_and_errors_have_rs_digits(name):
    table = TIDY[TIDY.model == name]
    lines = BLOCKS[name].splitlines()[1:]
    decimals = common_decimals(table[["estimate", "std.error"]].to_numpy().ravel(), 4)
    assert len(lines) == len(table)
    for line, (_, row) in zip(lines, table.iterrows(), strict=True):
        printed = line.removeprefix(row.term).split()
        assert printed[:2] == [
            format_at(row.estimate, decimals),
            format_at(row["std.error"], decimals),
        ]
        mark = printed[-1] if printed[-1][0] in "*." else ""
        assert stars_of(row["p.value"]) == mark


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([1.0, 2.0], 0),
        ([0.5, 12.25], 2),
        ([1234.5678], 0),
        ([1e-10, 1.0], None),
        ([np.nan, np.inf], 0),
        ([1e6, 0.001], None),
        ([1e7, 0.0012345], None),
        ([1e-120, 1e-119], None),
    ],
)
def test_decimals_are_those_of_rs_format(values, decimals):
    # format(x, digits = 4) in R: "1" "2"; " 0.50" "12.25"; "1235"; powers of ten; ...
    assert common_decimals(values) == decimals


def test_numbers_that_are_not_finite_keep_their_names():
    assert [format_at(v, 2) for v in (np.inf, -np.inf, np.nan)] == ["inf", "-inf", "nan"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7500123.0, "7500123"),
        (123456789012.0, "123456789012"),
        (-0.0, "0"),
        (np.float32(0.1), "0.1"),
        (1.0 / 3.0, "0.3333333"),
        (75001234.6, "75001235"),
        (1.5e-10, "1.5e-10"),
        (1e-5, "1e-05"),
        (1e15, "1e+15"),
        (np.nan, "nan"),
        (7500123, "7500123"),
        ("07", "07"),
        (True, "True"),
    ],
)
def test_levels_are_written_as_by_rs_format(value, text):
    # format(1/3), format(75001234.6), format(1.5e-10), format(1e-5), format(1e15) in R.
    assert format_level(value) == text


def test_levels_have_the_digits_that_distinguish_them():
    assert format_levels([1.0, 2.5]) == ["1", "2.5"]
    assert format_levels([1.0, 1.00000001]) == ["1", "1.00000001"]
    assert format_levels([0.1, np.nextafter(0.1, 1.0)]) == [f"{v:.17g}" for v in (
        0.1, np.nextafter(0.1, 1.0),
    )]  # fmt: skip
    assert format_levels(["a", "b"]) == ["a", "b"]
