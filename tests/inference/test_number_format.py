"""Estimates printed as R prints them (tests/data/r/tables/printed.txt)."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fastglm.inference.number_format import common_decimals, format_at, stars_of

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
