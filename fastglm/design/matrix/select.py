"""Some columns of a design, combinations of them, and designs side by side; no data is copied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy

from fastglm.design.matrix.parts import Design, Part

__all__ = ["combine_columns", "join_designs", "select_columns"]


def select_columns(design: Design, columns: Sequence[int] | np.ndarray) -> Design:
    """The design of some of the design columns.

    Parameters
    ----------
    design
        Of p columns.
    columns
        Numbers of at least one design column, in increasing order.

    Returns
    -------
    Design
        On the same arrays. Parts that no column needs are left out, and of a matrix the columns
        that none needs.
    """
    columns = np.asarray(columns)
    position = {int(old): new for new, old in enumerate(columns)}
    return _mapped(
        design,
        design.transform_matrix()[:, columns],
        tuple(design.names[k] for k in columns),
        None if design.constant is None else position.get(design.constant),
        _terms(design, columns),
    )


def combine_columns(
    design: Design, combination: np.ndarray, names: Sequence[str], constant: int | None
) -> Design:
    """The design of linear combinations of the design columns.

    Parameters
    ----------
    design
        Of p columns.
    combination
        (p, k), a combination in each column.
    names
        Of the k combinations.
    constant
        The combination that is constant, None if there is none.
    """
    column_map = design.transform_matrix() @ scipy.sparse.csc_array(combination)
    terms = tuple((name, slice(k, k + 1)) for k, name in enumerate(names))
    return _mapped(design, column_map.tocsc(), tuple(names), constant, terms)


def _mapped(
    design: Design,
    column_map: scipy.sparse.csc_array,
    names: tuple[str, ...],
    constant: int | None,
    terms: tuple[tuple[str, slice], ...],
) -> Design:
    """The design of other columns, on those parts and stored columns that a map, (q, k), needs."""
    needed = np.zeros(design.n_stored_columns, dtype=bool)
    needed[column_map.indices[column_map.data != 0.0]] = True
    parts: list[Part] = []
    kept: list[np.ndarray] = []
    start = 0
    for part in design.parts:
        numbers = np.arange(start, start + part.n_columns)
        start += part.n_columns
        wanted = needed[numbers]
        if not wanted.any():
            continue
        own, has = part.select(wanted)
        parts += own
        kept.append(numbers[has])
    return Design(
        parts=tuple(parts),
        n_rows=design.n_rows,
        names=names,
        column_map=_arrays(column_map.tocsr()[np.concatenate(kept)].tocsc()),
        constant=constant,
        terms=terms,
    )


def join_designs(first: Design, second: Design) -> Design:
    """The columns of two designs of the same rows side by side.

    Parameters
    ----------
    first, second
        Of the same number of rows.
    """
    p = first.n_columns
    column_map = None
    if first.column_map is not None or second.column_map is not None:
        blocks = [first.transform_matrix(), second.transform_matrix()]
        column_map = _arrays(scipy.sparse.block_diag(blocks, format="csc"))
    moved = tuple((n, slice(term.start + p, term.stop + p)) for n, term in second.terms)
    return replace(
        first,
        parts=(*first.parts, *second.parts),
        names=(*first.names, *second.names),
        column_map=column_map,
        terms=(*first.terms, *moved),
    )


def _terms(design: Design, columns: np.ndarray) -> tuple[tuple[str, slice], ...]:
    """Those terms of which a column is left, and where it is now."""
    terms = []
    for name, term in design.terms:
        first, last = np.searchsorted(columns, [term.start, term.stop])
        if last > first or term.stop == term.start:
            terms.append((name, slice(int(first), int(last))))
    return tuple(terms)


def _arrays(
    matrix: scipy.sparse.csc_array,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The column map's arrays; None for the identity."""
    q, p = matrix.shape
    identity = q == p and matrix.nnz == p and (matrix.indices == np.arange(p)).all()
    if identity and (matrix.data == 1.0).all() and (np.diff(matrix.indptr) == 1).all():
        return None
    return matrix.indptr, matrix.indices, matrix.data
