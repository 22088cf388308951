"""Which categoricals of which terms are coded in full, so that the design has full rank.

A factor that spans the intercept (a categorical, or a spline basis that sums to one) can be coded
in full or reduced by the direction of the intercept. Each term is split into the products of
reduced factors it spans, those that an earlier term already spans are left out, and the rest are
joined again into as few products as possible. The rule is that of patsy and formulaic, whose
order of columns it reproduces (Smith, "patsy" documentation, "Redundancy and categorical
factors").
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["CodedFactor", "CodedTerm", "code_contrasts"]


@dataclass(frozen=True)
class CodedFactor:
    """A factor, by its text, and whether it is coded without the direction of the intercept."""

    text: str
    reduced: bool


@dataclass(frozen=True)
class CodedTerm:
    """A product of scoped factors; empty for the intercept."""

    factors: tuple[CodedFactor, ...]

    @property
    def span(self) -> frozenset[CodedFactor]:
        """The factors without their order: two terms with the same span are the same columns."""
        return frozenset(self.factors)


def code_contrasts(
    terms: Iterable[Sequence[str]], spans_intercept: dict[str, bool]
) -> list[list[CodedTerm]]:
    """Choose full or reduced coding for every factor of every term.

    Parameters
    ----------
    terms : iterable of sequences of str
        The factors of each term, in the order of the model.
    spans_intercept : dict of str to bool
        For each factor, whether it can be reduced.

    Returns
    -------
    list of list of CodedTerm
        For each term, the products whose columns make it up; empty if earlier terms span it.
    """
    spanned: set[frozenset[CodedFactor]] = set()
    coded = []
    for term in terms:
        choices = [
            (CodedFactor(text, True), None)
            if spans_intercept[text]
            else (CodedFactor(text, False),)
            for text in term
        ]
        products = [
            CodedTerm(tuple(factor for factor in product if factor is not None))
            for product in itertools.product(*choices)
        ]
        new = [product for product in products if product.span not in spanned]
        spanned.update(product.span for product in new)
        coded.append(_join(new))
    return coded


def _join(products: Sequence[CodedTerm]) -> list[CodedTerm]:
    """Apply ``anything + anything:reduced -> anything:full`` until nothing changes."""
    joined: list[CodedTerm] = []
    for product in sorted(products, key=lambda product: len(product.factors)):
        partner = next((other for other in joined if _extends(product, other)), None)
        if partner is None:
            joined.append(product)
            continue
        (extra,) = product.span - partner.span
        full = CodedTerm(
            tuple(CodedFactor(f.text, False) if f == extra else f for f in product.factors)
        )
        joined = _join([*(other for other in joined if other is not partner), full])
    return joined


def _extends(product: CodedTerm, other: CodedTerm) -> bool:
    """Whether `product` is `other` times one reduced factor."""
    extra = product.span - other.span
    return (
        len(product.factors) == len(other.factors) + 1
        and len(extra) == 1
        and next(iter(extra)).reduced
    )
