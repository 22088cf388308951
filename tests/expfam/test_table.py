"""The symbols in the table, read as arithmetic, against the code beside them."""

import re

import numpy as np
import pytest
from scipy import special

from fastglm import expfam
from fastglm.expfam.base import Symbols

SINGLE = [
    member
    for member in expfam.MEMBERS
    if member not in (expfam.Categorical, expfam.Multinomial, expfam.Dirichlet)
    and not issubclass(member, (expfam.Wishart, expfam.InverseWishart))
]


def evaluate(text, **values):
    """Compute a symbolic expression of the table."""
    text = text.replace("log Γ(", "gammaln(").replace("√(", "sqrt(").replace("^", "**")
    text = text.replace("η₁", "eta1").replace("η₂", "eta2").replace("η", "eta")
    # A number or name beside a name or bracket is a product.
    text = text.replace("2π", "(2*pi)")
    text = re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", text)
    functions = {"log": np.log, "exp": np.exp, "sqrt": np.sqrt, "pi": np.pi}
    scope = {**functions, "gammaln": special.gammaln, **values}
    return np.asarray(eval(text, {"__builtins__": {}}, scope))


def parameters(member):
    return {name: float(getattr(member, name)) for name in member.parameter_names}


@pytest.fixture
def scalar_member(member):
    if type(member) not in SINGLE:
        pytest.skip("symbols with sums or determinants are read by eye")
    return member


def test_symbols_agree_with_the_code(scalar_member):
    member, symbols = scalar_member, type(scalar_member).symbols
    values = parameters(member)
    np.testing.assert_allclose(
        evaluate(symbols.natural, **values), member.natural_parameter.squeeze()
    )
    np.testing.assert_allclose(evaluate(symbols.log_partition, **values), member.log_partition())
    for y in member.sample(0, 5):
        at = {**values, "y": float(y)}
        np.testing.assert_allclose(
            evaluate(symbols.statistic, **at), member.sufficient_statistic(y).squeeze()
        )
        base = np.log(evaluate(symbols.base_measure, **at))
        np.testing.assert_allclose(base, member.log_base_measure(y), rtol=1e-10, atol=1e-12)


def test_symbols_lead_back_to_the_parameters(scalar_member):
    member = scalar_member
    eta = np.atleast_1d(member.natural_parameter)
    values = {"eta": eta[0], "eta1": eta[0], "eta2": eta[-1], **member.fixed}
    for equation in type(member).symbols.ordinary.split(", "):
        name, expression = equation.split(" = ")
        np.testing.assert_allclose(evaluate(expression, **values), getattr(member, name))


def test_table_has_a_row_for_every_member():
    rows = expfam.table().splitlines()
    assert len(rows) == len(expfam.MEMBERS) + 2
    columns = len(re.findall(r"(?<!\\)\|", rows[0]))
    for row, member in zip(rows[2:], expfam.MEMBERS, strict=True):
        assert row.startswith(f"| `{member.__name__}`(")
        assert len(re.findall(r"(?<!\\)\|", row)) == columns
        assert isinstance(member.symbols, Symbols)
        assert member.symbols.log_partition in row


def test_known_parameters_stand_behind_a_bar():
    assert "| `Binomial`(p \\| n) |" in expfam.table()
