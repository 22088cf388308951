"""The reference table of the members, written from the symbols that each carries."""

from __future__ import annotations

from fastglm.expfam.base import ExponentialFamily
from fastglm.expfam.categories import Categorical, Multinomial
from fastglm.expfam.continuous import Normal, NormalKnownVariance
from fastglm.expfam.discrete import Geometric, NegativeBinomial, Poisson
from fastglm.expfam.matrix import InverseWishart, Wishart
from fastglm.expfam.positive import ChiSquared, Exponential, Gamma, InverseGaussian
from fastglm.expfam.simplex import Beta, Dirichlet
from fastglm.expfam.trials import Bernoulli, Binomial

MEMBERS: tuple[type[ExponentialFamily], ...] = (
    Normal,
    NormalKnownVariance,
    Exponential,
    Gamma,
    ChiSquared,
    Beta,
    Dirichlet,
    Bernoulli,
    Binomial,
    Categorical,
    Multinomial,
    Poisson,
    Geometric,
    NegativeBinomial,
    InverseGaussian,
    Wishart,
    InverseWishart,
)

_HEADINGS = ("member", "support", "T(y)", "a", "b(y)", "η", "parameters from η")


def table() -> str:
    """Return a Markdown table of T, a, b and η ↔ parameters, one row per member.

    Known parameters stand behind a bar: `Binomial(p | n)`.
    """
    lines = [_row(_HEADINGS), _row(["---"] * len(_HEADINGS))]
    lines += [_row(_cells(member)) for member in MEMBERS]
    return "\n".join(lines) + "\n"


def _cells(member: type[ExponentialFamily]) -> list[str]:
    free = [name for name in member.parameter_names if name not in member.fixed_names]
    known = " \\| " + ", ".join(member.fixed_names) if member.fixed_names else ""
    symbols = member.symbols
    shown = (
        symbols.statistic,
        symbols.log_partition,
        symbols.base_measure,
        symbols.natural,
        symbols.ordinary,
    )
    return [f"`{member.__name__}`({', '.join(free)}{known})", member.support_symbols, *shown]


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"
