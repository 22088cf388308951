"""From evaluated factors to a `Design`: parts, column names and the sparse column map."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import TypeAlias

import numpy as np
import scipy

from fastglm.design.formula.contrast_coding import CodedFactor, CodedTerm
from fastglm.design.formula.contrasts import Contrast
from fastglm.design.frames.frames import Level
from fastglm.design.matrix.parts import (
    Dense,
    Design,
    Indicators,
    Ones,
    Part,
    Piecewise,
    Product,
    empty_design,
)

__all__ = [
    "Assembler",
    "CategoricalFactor",
    "Factor",
    "NumericFactor",
    "ScaledTerm",
    "assemble",
]


@dataclass(frozen=True, eq=False)
class NumericFactor:
    """Numeric columns of a factor.

    Parameters
    ----------
    values : ndarray, shape (n,), (n, k) or (L, k)
        One column as it lies, or the columns of a basis, of each code if there are `codes`.
    names : tuple of str
        One per column.
    spans_intercept : bool
        Whether the first column is left out when the factor is reduced.
    codes : ndarray of int, shape (n,), optional
        Of a basis of a column of L distinct values.
    pieces : Piecewise, optional
        Of a basis of piecewise polynomials that is not written out; `values` are then its column.
    """

    values: np.ndarray
    names: tuple[str, ...]
    spans_intercept: bool = False
    codes: np.ndarray | None = None
    pieces: Piecewise | None = None

    def columns(self, reduced: bool) -> np.ndarray:
        """Give the columns as a matrix, (n, k), a view unless they are coded or pieces."""
        if self.pieces is not None:
            return self.kept_pieces(reduced).to_dense()
        matrix = self.values[:, None] if self.values.ndim == 1 else self.values
        if self.codes is not None:
            matrix = matrix[self.codes]
        return matrix[:, 1:] if reduced else matrix

    def kept_pieces(self, reduced: bool) -> Piecewise:
        """The piecewise polynomials that are columns."""
        assert self.pieces is not None
        if not reduced:
            return self.pieces
        return replace(self.pieces, coefficients=self.pieces.coefficients[1:])


@dataclass(frozen=True, eq=False)
class CategoricalFactor:
    """Codes of a factor, checked to lie between 0 and len(levels) - 1.

    Parameters
    ----------
    codes : ndarray, shape (n,), integer
    levels : tuple
    contrast : Contrast
    name : str
    spans_intercept : bool
        Whether rank rules may reduce it.
    """

    codes: np.ndarray
    levels: tuple[Level, ...]
    contrast: Contrast
    name: str
    spans_intercept: bool = True


Factor: TypeAlias = NumericFactor | CategoricalFactor


@dataclass(frozen=True)
class ScaledTerm:
    """A term of the model with the products of factors that make it up, all times `scale`."""

    name: str
    products: tuple[CodedTerm, ...]
    scale: float = 1.0


@dataclass(frozen=True, eq=False)
class _Block:
    """The parts of one product of factors and the column map of their stored columns, (q, p)."""

    parts: list[Part]
    column_map: scipy.sparse.csc_array
    names: list[str]
    numeric: tuple[CodedFactor, ...] = ()
    categorical: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()


def assemble(terms: Sequence[ScaledTerm], factors: Mapping[str, Factor], n_rows: int) -> Design:
    """Build the design of scoped terms.

    Parameters
    ----------
    terms : sequence of ScaledTerm
    factors : mapping of factor text to Factor
    n_rows : int

    Returns
    -------
    Design
        With the columns in formulaic's order: terms as given, and inside a term the first factor
        varies fastest. The indicators of a categorical are sums of those of its interactions,
        so a main effect next to its interaction adds no stored columns.
    """
    return _assemble_with_stored(terms, factors, n_rows)[0]


class Assembler:
    """Designs of several frames by the same terms; what all of them have in common is made once.

    Parameters
    ----------
    terms : sequence of ScaledTerm
    """

    def __init__(self, terms: Sequence[ScaledTerm]) -> None:
        self._terms = terms
        self._known: tuple[Design, tuple[CodedTerm, ...]] | None = None
        #: Of each part of the designs, the factors whose levels it has; None for other columns.
        self.level_terms: tuple[tuple[str, ...] | None, ...] = ()

    def design(self, factors: Mapping[str, Factor], n_rows: int) -> Design:
        """The design of factors that have the levels and columns of the fit.

        A factor that is codes and a table has the table of its own rows: nothing of such a design
        is kept.
        """
        if not self._terms:
            return empty_design(n_rows)
        if any(isinstance(f, NumericFactor) and f.codes is not None for f in factors.values()):
            return assemble(self._terms, factors, n_rows)
        if self._known is None:
            design, blocks = _assemble_with_stored(self._terms, factors, n_rows)
            stored = tuple(product for product, _ in blocks)
            self._known = replace(design, parts=(Ones(1),), n_rows=1), stored
            self.level_terms = _level_terms(blocks, factors)
            return design
        known, stored = self._known
        parts = tuple(part for product in stored for part in _parts(product, factors, n_rows))
        return replace(known, parts=parts, n_rows=n_rows)


def _assemble_with_stored(
    terms: Sequence[ScaledTerm], factors: Mapping[str, Factor], n_rows: int
) -> tuple[Design, tuple[tuple[CodedTerm, int], ...]]:
    """The design, and the products of factors whose columns it stores, with how many parts each."""
    blocks: list[_Block] = []
    slices: list[tuple[str, slice]] = []
    products: list[CodedTerm] = []
    constant, start = None, 0
    for term in terms:
        width = 0
        for product in term.products:
            block = _block(product, factors, n_rows)
            if not block.names:
                continue
            if not product.factors and term.scale == 1:
                constant = start + width
            if term.scale != 1:
                block = replace(block, column_map=block.column_map * term.scale)
            blocks.append(block)
            products.append(product)
            width += len(block.names)
        slices.append((term.name, slice(start, start + width)))
        start += width
    hosts = [_host(block, blocks) for block in blocks]
    stored = [i for i, host in enumerate(hosts) if host == i]
    design = Design(
        parts=tuple(part for i in stored for part in blocks[i].parts),
        n_rows=n_rows,
        names=tuple(name for block in blocks for name in block.names),
        column_map=_stack(blocks, hosts),
        constant=constant,
        terms=tuple(slices),
    )
    return design, tuple((products[i], len(blocks[i].parts)) for i in stored)


def _level_terms(
    stored: Sequence[tuple[CodedTerm, int]], factors: Mapping[str, Factor]
) -> tuple[tuple[str, ...] | None, ...]:
    """Of each stored part, the factors whose levels it has; None for other columns."""
    found: list[tuple[str, ...] | None] = []
    for product, n_parts in stored:
        texts = tuple(factor.text for factor in product.factors)
        is_plain = bool(texts) and all(isinstance(factors[t], CategoricalFactor) for t in texts)
        found += [texts if is_plain else None] * n_parts
    return tuple(found)


def _host(block: _Block, blocks: Sequence[_Block]) -> int:
    """The block whose stored columns `block` reads: the largest that holds its categoricals."""
    if not block.categorical:
        return next(i for i, other in enumerate(blocks) if other is block)
    holding = [
        i
        for i, other in enumerate(blocks)
        if other.numeric == block.numeric and set(block.categorical) <= set(other.categorical)
    ]
    return max(holding, key=lambda i: len(blocks[i].categorical))


def _hosted_transform(block: _Block, host: _Block) -> scipy.sparse.csc_array:
    """The column map of `block` on the stored columns of `host`."""
    if block is host:
        return block.column_map
    combination = np.indices(host.levels).reshape(len(host.levels), -1)
    own = [combination[host.categorical.index(text)] for text in block.categorical]
    code = np.ravel_multi_index(tuple(own), block.levels)
    indicator = scipy.sparse.csr_array(
        (np.ones(len(code)), code, np.arange(len(code) + 1)),
        shape=(len(code), prod(block.levels)),
    )
    n_numeric = block.column_map.shape[0] // indicator.shape[1]
    sums = scipy.sparse.kron(scipy.sparse.eye_array(n_numeric), indicator)
    column_map = scipy.sparse.csc_array(sums @ block.column_map)
    column_map.sort_indices()
    return column_map


def _stack(
    blocks: Sequence[_Block], hosts: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Put the column maps side by side, each on the rows of its host; None for the identity."""
    first_row, n_rows = {}, 0
    for i, block in enumerate(blocks):
        if hosts[i] == i:
            first_row[i] = n_rows
            n_rows += block.column_map.shape[0]
    column_maps = [
        _hosted_transform(block, blocks[host]) for block, host in zip(blocks, hosts, strict=True)
    ]
    widths = np.concatenate([np.diff(column_map.indptr) for column_map in column_maps])
    rows = np.concatenate(
        [t.indices.astype(np.int64) + first_row[h] for t, h in zip(column_maps, hosts, strict=True)]
    )
    values = np.concatenate([column_map.data for column_map in column_maps])
    if len(widths) == n_rows and np.array_equal(rows, np.arange(n_rows)) and (values == 1).all():
        return None
    return np.concatenate([[0], np.cumsum(widths)]).astype(np.int64), rows, values


@lru_cache(maxsize=16)
def _identity(size: int) -> scipy.sparse.csc_array:
    """The identity, not to be changed: scipy takes as long to make one as a small fit takes."""
    return scipy.sparse.eye_array(size, format="csc")


def _block(product: CodedTerm, factors: Mapping[str, Factor], n_rows: int) -> _Block:
    if not product.factors:
        return _Block([Ones(n_rows)], _identity(1), ["Intercept"])
    coded = [(factors[factor.text], factor.reduced) for factor in product.factors]
    names, coding = _columns(coded)
    categorical = [f for f, _ in coded if isinstance(f, CategoricalFactor)]
    return _Block(
        _parts(product, factors, n_rows),
        coding,
        names,
        tuple(f for f in product.factors if isinstance(factors[f.text], NumericFactor)),
        tuple(factor.name for factor in categorical),
        tuple(len(factor.levels) for factor in categorical),
    )


def _parts(product: CodedTerm, factors: Mapping[str, Factor], n_rows: int) -> list[Part]:
    """The stored columns of a product of factors."""
    if not product.factors:
        return [Ones(n_rows)]
    coded = [(factors[factor.text], factor.reduced) for factor in product.factors]
    table = _coded_basis(coded)
    if table is not None:
        codes, values = table
        return [Indicators((codes,), (len(values),))]
    factor, is_reduced = coded[0]
    if len(coded) == 1 and isinstance(factor, NumericFactor) and factor.pieces is not None:
        return [factor.kept_pieces(is_reduced)]
    numeric = [f.columns(reduced) for f, reduced in coded if isinstance(f, NumericFactor)]
    categorical = [f for f, _ in coded if isinstance(f, CategoricalFactor)]
    if len(numeric) == 1 and not categorical and numeric[0].shape[1] > 1:
        return [Dense(numeric[0])]
    # One part for every choice of a column from each numeric factor.
    choices = itertools.product(*(values.T for values in numeric))
    return [_part(choice, categorical) for choice in choices]


def _coded_basis(coded: Sequence[tuple[Factor, bool]]) -> tuple[np.ndarray, np.ndarray] | None:
    """Codes, (n,), and their columns, (L, k), of a term that is a coded basis by itself."""
    factor, reduced = coded[0]
    if len(coded) > 1 or not isinstance(factor, NumericFactor) or factor.codes is None:
        return None
    return factor.codes, factor.values[:, 1:] if reduced else factor.values


def _part(numeric: tuple[np.ndarray, ...], categorical: list[CategoricalFactor]) -> Part:
    if not categorical:
        return Product(numeric)
    return Indicators(
        tuple(factor.codes for factor in categorical),
        tuple(len(factor.levels) for factor in categorical),
        numeric,
    )


def _columns(coded: Sequence[tuple[Factor, bool]]) -> tuple[list[str], scipy.sparse.csc_array]:
    """Model column names of a product and its column map.

    The stored columns are ordered by numeric columns first, then by levels, the last varying
    fastest; so the column map is the Kronecker product of the factors' codings in that order,
    with its columns put into the order of the names, where the first factor varies fastest.
    """
    table = _coded_basis(coded)
    names: list[list[str]] = []
    codings: list[scipy.sparse.csc_array] = []
    for factor, reduced in coded:
        if isinstance(factor, CategoricalFactor):
            matrix, columns = factor.contrast.columns(factor.levels, reduced, factor.name)
        else:
            columns = list(factor.names[1:] if reduced else factor.names)
            matrix = _identity(len(columns))
            if table is not None:
                matrix = scipy.sparse.csc_array(table[1])
        names.append(list(columns))
        codings.append(matrix)
    if len(coded) == 1:
        return names[0], codings[0]
    order = sorted(range(len(coded)), key=lambda i: isinstance(coded[i][0], CategoricalFactor))
    column_map = codings[order[0]]
    for i in order[1:]:
        column_map = scipy.sparse.kron(column_map, codings[i], format="csc")
    widths = [len(columns) for columns in names]
    positions = np.arange(column_map.shape[1]).reshape([widths[i] for i in order])
    by_factor = positions.transpose(np.argsort(order))
    column_map = scipy.sparse.csc_array(column_map[:, by_factor.ravel(order="F")])
    column_map.sort_indices()
    joined = [":".join(reversed(labels)) for labels in itertools.product(*reversed(names))]
    return joined, column_map
