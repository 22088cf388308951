"""A fitted model as scoring expressions: its terms, its linear predictor and its mean."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from fastglm.design.formula.assemble import ScaledTerm
from fastglm.design.formula.contrast_coding import CodedTerm
from fastglm.errors import ModelError
from fastglm.export.factors import Levels, factor_nodes
from fastglm.export.nodes import (
    Call,
    Column,
    Lookup,
    Node,
    Number,
    Polynomials,
    product,
    total,
)
from fastglm.export.splines import combined
from fastglm.fit.record import Fit

__all__ = ["Scoring", "scoring"]


class Scoring(NamedTuple):
    """What a model computes for a row.

    Attributes
    ----------
    terms : dict of str to Node
        The contribution of every term to the linear predictor.
    offsets : tuple of Node
        What is added to it: terms ``offset()``, the column of an offset, the logarithm of that of
        an exposure.
    """

    terms: dict[str, Node]
    offsets: tuple[Node, ...]

    @property
    def linear_predictor(self) -> Node:
        """Sum of terms and offsets."""
        return total([*self.terms.values(), *self.offsets])


def scoring(fit: Fit, offset: str | None, exposure: str | None) -> Scoring:
    """Turn a fit into expressions.

    Parameters
    ----------
    fit
        The fit.
    offset, exposure
        The columns that hold them; by default those that the fit named.

    Raises
    ------
    ModelError
        If the fit had an offset or exposure and no column is given for it, or a term does what
        no engine can.
    """
    beta = np.nan_to_num(fit.estimates)
    fitted_formula = fit.fitted_formula
    if fitted_formula is None:
        terms: dict[str, Node] = {
            name: product([Number(b), Column(name)])
            for name, b in zip(fit.names, beta.tolist(), strict=True)
        }
        offsets: list[Node] = []
    else:
        factors = {
            each.text: factor_nodes(each, fitted_formula.levels, fitted_formula.state)
            for each in fitted_formula.factors
        }
        terms = {
            term.name: _term_node(term, factors, beta[columns])
            for term, (_, columns) in zip(fitted_formula.terms, fit.terms, strict=True)
        }
        offsets = []
        for each in fitted_formula.offsets:
            value = factor_nodes(each, {}, fitted_formula.state)
            assert isinstance(value, list)
            offsets.extend(value)
    return Scoring(terms, (*offsets, *_columns_given(fit, offset, exposure)))


def _columns_given(fit: Fit, offset: str | None, exposure: str | None) -> list[Node]:
    nodes: list[Node] = []
    for name, given in (("offset", offset), ("exposure", exposure)):
        column = given or fit.column_names.get(name)
        if column is None:
            if getattr(fit, f"has_{name}"):
                raise ModelError(f"the fit had an {name}: give its column, {name}='...'.")
            continue
        nodes.append(Column(column) if name == "offset" else Call("log", (Column(column),)))
    return nodes


def _term_node(term: ScaledTerm, factors: dict[str, list[Node] | Levels], beta: np.ndarray) -> Node:
    """The products of a term, each with its own coefficients."""
    nodes, start = [], 0
    for each in term.products:
        codings = [_coding(factors[f.text], f.reduced, f.text) for f in each.factors]
        width = int(np.prod([coding.shape[1] for coding in codings])) if codings else 1
        own = term.scale * beta[start : start + width]
        start += width
        if width:
            nodes.append(_product_node(each, factors, codings, own))
    return total(nodes)


def _coding(factor: list[Node] | Levels, reduced: bool, text: str) -> np.ndarray:
    """From columns of coefficients to levels, or to columns of a transform."""
    if isinstance(factor, Levels):
        matrix, _ = factor.contrast.columns(factor.levels, reduced, text)
        return matrix.toarray()
    return np.eye(len(factor))[:, 1:] if reduced else np.eye(len(factor))


def _product_node(
    coded: CodedTerm,
    factors: dict[str, list[Node] | Levels],
    codings: list[np.ndarray],
    beta: np.ndarray,
) -> Node:
    """A product of factors: numbers by level, times columns of transforms."""
    if not codings:
        return Number(float(beta[0]))
    # Coefficients are ordered with the first factor varying fastest.
    weights = beta.reshape([coding.shape[1] for coding in codings], order="F")
    for axis, coding in enumerate(codings):
        weights = np.moveaxis(np.tensordot(coding, weights, (1, axis)), 0, axis)
    own = [factors[f.text] for f in coded.factors]
    numeric = [axis for axis, factor in enumerate(own) if not isinstance(factor, Levels)]
    keys = [factor for factor in own if isinstance(factor, Levels)]
    weights = np.moveaxis(weights, numeric, range(len(numeric)))
    bases = [factor for factor in own if isinstance(factor, list)]
    if not keys and len(bases) == 1 and isinstance(bases[0][0], Polynomials):
        return combined(bases[0], weights.tolist())
    nodes = []
    for choice in itertools.product(*(range(len(basis)) for basis in bases)):
        columns = [basis[k] for basis, k in zip(bases, choice, strict=True)]
        nodes.append(product([_by_levels(keys, weights[choice]), *columns]))
    return total(nodes)


def _by_levels(keys: list[Levels], weights: np.ndarray) -> Node:
    if not keys:
        return Number(float(weights))
    return Lookup(
        tuple(key.column for key in keys),
        tuple(key.levels for key in keys),
        tuple(weights.ravel().tolist()),
    )
