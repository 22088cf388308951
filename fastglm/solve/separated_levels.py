"""Separated levels of categoricals, found before a fit by comparing responses with codes.

Where every response of a level lies at the end of its range, the level's coefficient has no finite
estimate, and a fit would add a constant to it in each of dozens of sweeps. All other estimates are
as if the rows of the level were not there. So the other rows are fitted alone, and the level gets a
coefficient so large that its rows add nothing to the deviance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy

from fastglm.design.matrix.dense_slices import sparse_columns
from fastglm.design.matrix.parts import Design, Indicators
from fastglm.design.matrix.select import select_columns
from fastglm.design.matrix.take import take_rows
from fastglm.errors import Status
from fastglm.families import Family, ResponseSummary
from fastglm.families.open_ends import open_ends, sides
from fastglm.kernels.blocks.row_buffers import DEVIANCE, PEARSON, WEIGHT
from fastglm.passes.row_table import RowTable, build_row_table
from fastglm.passes.row_values import evaluate_rows
from fastglm.passes.scaling import Centering
from fastglm.rows.level_sides import only_side
from fastglm.solve.deviance_units import largest_weight
from fastglm.solve.fit import solve
from fastglm.solve.newton.blocked_inverse import BlockedInverse, OnDemand
from fastglm.solve.newton.run import SolverOptions
from fastglm.solve.separation import Separation, looks_separated
from fastglm.solve.solution import Solution

__all__ = [
    "MOST_VALUES",
    "LevelRows",
    "SeparatedLevels",
    "direction_of",
    "separated_columns",
    "sides_of_levels",
    "solve_beside_levels",
    "with_levels",
]

#: Rows checked at a time: the first ones usually show that no level is separated.
LOOK_ROWS = 65_536
#: Largest number of values of a dense matrix of separated rows.
MOST_VALUES = 20_000_000
#: Largest contribution of separated rows to the deviance, as a share of it; and the largest linear
#: predictor that may be needed for that.
NEGLIGIBLE, FARTHEST = 1e-16, 60


@dataclass(frozen=True, eq=False)
class SeparatedLevels:
    """Design columns each of which is the indicator of one separated level, up to a factor.

    Attributes
    ----------
    columns : ndarray of int, shape (k,)
        Numbers of the columns.
    values : ndarray, shape (k,)
        Value of each column in the rows of its level.
    signs : ndarray of int, shape (k,)
        Direction, 1 or -1, in which the linear predictor of the level goes to infinity.
    places : tuple of tuple of int
        For each column the number of the part of the design, and the level's number in it.
    """

    columns: np.ndarray
    values: np.ndarray
    signs: np.ndarray
    places: tuple[tuple[int, int], ...]


class LevelRows(NamedTuple):
    """The rows of separated levels, one level after the other.

    Attributes
    ----------
    design : Design
    response, weights, offset : ndarray or None
        Those of the rows, (m,).
    sizes : ndarray of int, shape (k,)
        Number of rows of each level.
    """

    design: Design
    response: np.ndarray
    weights: np.ndarray | None
    offset: np.ndarray | None
    sizes: np.ndarray


def sides_of_levels(row_table: RowTable, family: Family) -> dict[int, np.ndarray]:
    """The side on which all responses of a level lie, for all levels of all categoricals.

    Parameters
    ----------
    row_table
        Design, response and prior weights.
    family
        With its link.

    Returns
    -------
    dict of int to ndarray
        By number of a categorical part of the design, the side of each level, -1 or 1; 0 if its
        responses lie on no or several sides. Empty if the family cannot separate.
    """
    # The parts first: without categoricals nothing else is computed, which small fits would notice.
    levelled = {
        number: part
        for number, part in enumerate(row_table.design.parts)
        if isinstance(part, Indicators) and not part.factors
    }
    if not levelled or not open_ends(family):
        return {}
    return {number: _only_sides(part, row_table, family) for number, part in levelled.items()}


def separated_columns(
    row_table: RowTable, sides_of: Mapping[int, np.ndarray]
) -> SeparatedLevels | None:
    """Columns that are indicators of separated levels; None if there are none.

    Parameters
    ----------
    row_table
        Its design maps levels to columns.
    sides_of
        Result of `sides_of_levels`; parts that are not in it are ignored.
    """
    if not sides_of:
        return None
    matrix = row_table.transform_matrix()
    single = np.flatnonzero(np.diff(matrix.indptr) == 1)
    column_of = np.full(row_table.n_stored, -1)
    column_of[matrix.indices[matrix.indptr[single]]] = single
    first, columns, values, signs, places = row_table.n_dense, [], [], [], []
    for number, part in enumerate(row_table.design.parts):
        if not isinstance(part, Indicators):
            continue
        own = column_of[first : first + part.n_columns]
        first += part.n_columns
        if number not in sides_of:
            continue
        only = sides_of[number]
        for level in np.flatnonzero((only != 0) & (own >= 0)):
            column = int(own[level])
            value = float(matrix.data[matrix.indptr[column]])
            if value != 0.0:
                columns.append(column)
                values.append(value)
                signs.append(int(only[level]))
                places.append((number, int(level)))
    if not columns:
        return None
    order = np.argsort(columns)
    return SeparatedLevels(
        np.array(columns)[order], np.array(values)[order], np.array(signs)[order],
        tuple(places[k] for k in order),
    )  # fmt: skip


def _only_sides(part: Indicators, row_table: RowTable, family: Family) -> np.ndarray:
    """The side on which all responses of each level lie, -1 or 1; 0 if there is none."""
    # Whether a level has rows on the sides 0, 1 and -1.
    seen = np.zeros((part.n_columns, 3), dtype=bool)
    for start in range(0, row_table.n_rows, LOOK_ROWS):
        rows = slice(start, min(start + LOOK_ROWS, row_table.n_rows))
        side = sides(family, _response(row_table)[rows])
        codes = part.combined_codes(rows)
        if row_table.weights is not None:
            present = row_table.weights[rows] > 0.0
            side, codes = side[present], codes[present]
        for which in range(3):
            seen[codes[side == (0, 1, -1)[which]], which] = True
        if (seen[:, 0] | (seen[:, 1] & seen[:, 2])).all():
            return np.zeros(part.n_columns, dtype=np.int8)
    return only_side(seen)


def _response(row_table: RowTable) -> np.ndarray:
    return np.asarray(row_table.response)


def _rows_of(place: tuple[int, int], row_table: RowTable) -> np.ndarray:
    """Numbers of the rows of positive weight of a level."""
    part = row_table.design.parts[place[0]]
    assert isinstance(part, Indicators)
    rows = np.flatnonzero(part.combined_codes(slice(None)) == place[1])
    return rows if row_table.weights is None else rows[row_table.weights[rows] > 0.0]


def solve_beside_levels(
    row_table: RowTable,
    family: Family,
    options: SolverOptions,
    summary: ResponseSummary,
    found: SeparatedLevels,
) -> tuple[Solution, Separation] | None:
    """The fit of all columns, with huge coefficients of separated levels, and the separation.

    Parameters
    ----------
    row_table, family, options
        As for `fastglm.solve.fit.solve`.
    summary
        Of the response.
    found
        By `separated_columns`.

    Returns
    -------
    tuple or None
        None if the other rows may have no maximum of full rank, or the means of the levels reach
        the end of their range at finite linear predictors.
    """
    n, p = row_table.n_rows, row_table.n_columns
    kept = np.setdiff1d(np.arange(p), found.columns)
    rows = [_rows_of(place, row_table) for place in found.places]
    numbers = np.concatenate(rows)
    separated = np.zeros(n, dtype=bool)
    separated[numbers] = True
    if kept.size == 0 or separated.sum() * p > MOST_VALUES:
        return None
    weights = np.ones(n) if row_table.weights is None else row_table.weights.astype(np.float64)
    weights[separated] = 0.0
    design = select_columns(row_table.design, kept)
    rest = build_row_table(design, row_table.response, weights, row_table.offset)
    if not weights.any():
        return None
    solution = solve(rest, family, options, binary=summary.binary)
    uncertain = solution.status != Status.CONVERGED or solution.combinations
    if uncertain or looks_separated(solution, family, summary, rest, options.n_threads):
        return None
    of_levels = LevelRows(
        take_rows(row_table.design, numbers),
        _response(row_table)[numbers],
        None if row_table.weights is None else row_table.weights[numbers],
        None if row_table.offset is None else np.asarray(row_table.offset)[numbers],
        np.array([some.size for some in rows]),
    )
    whole = with_levels(of_levels, family, found, kept, solution)
    if whole is None:
        return None
    return whole, Separation(direction_of(found, p), separated)


def direction_of(found: SeparatedLevels, p: int) -> np.ndarray:
    """The direction, (p,), along which the coefficients of separated levels go to infinity."""
    direction = np.zeros(p)
    direction[found.columns] = found.signs * np.sign(found.values)
    return direction


def with_levels(
    of_levels: LevelRows,
    family: Family,
    found: SeparatedLevels,
    kept: np.ndarray,
    rest: Solution,
) -> Solution | None:
    """The solution of all columns: separated rows add next to nothing to the information.

    Parameters
    ----------
    of_levels
        The rows of the levels.
    family
        With its link.
    found
        The levels.
    kept
        Numbers of the other columns.
    rest
        The solution of these, of the other rows.
    """
    p, k = kept.size + found.columns.size, found.columns.size
    params = np.zeros(p)
    params[kept] = rest.params
    design, response, weights, offset, sizes = of_levels
    first = np.cumsum(sizes) - sizes
    columns = sparse_columns(design)[:, kept]
    beside = columns @ rest.params + (0.0 if offset is None else offset)
    least, most = np.minimum.reduceat(beside, first), np.maximum.reduceat(beside, first)
    # Levels with the same sign and number of rows get the same linear predictor.
    kinds = sorted(set(zip(found.signs, sizes, strict=True)))
    deviance = rest.deviance / largest_weight(weights)
    far = {kind: _far_out(family, int(kind[0]), int(kind[1]), deviance) for kind in kinds}
    for j in range(k):
        level_far = far[found.signs[j], sizes[j]]
        if level_far is None:
            return None
        end = least[j] if found.signs[j] > 0 else most[j]
        params[found.columns[j]] = (level_far - end) / found.values[j]
    row_table = build_row_table(design, response, weights, offset)
    weight, own, chi2 = evaluate_rows(row_table, family, params, (WEIGHT, DEVIANCE, PEARSON))
    total = np.add.reduceat(weight, first)
    if not ((total > 0.0) & (total < np.inf)).all():
        return None
    ends = np.append(0, np.cumsum(sizes))
    by_level = scipy.sparse.csr_array((weight, np.arange(ends[-1]), ends))
    means = (by_level @ columns).toarray() / (total * found.values)[:, None]
    inverse_weight = 1.0 / (total * np.square(found.values))
    deviance, pearson = rest.deviance + own.sum(), rest.pearson_chi2 + chi2.sum()
    inverse, factor, centering = _covariances(rest, found.columns, kept, means, inverse_weight)
    return replace(
        rest,
        params=params,
        information_inverse=inverse,
        inverse_information_factor=factor,
        centering=centering,
        deviance=float(deviance),
        pearson_chi2=float(pearson),
        constant=None if rest.constant is None else int(kept[rest.constant]),
    )


def _covariances(
    rest: Solution,
    columns: np.ndarray,
    kept: np.ndarray,
    means: np.ndarray,
    inverse_weight: np.ndarray,
) -> tuple[Any, Any, Centering]:
    """The inverse information of all columns, its factor and the centering of that."""
    p, rest_inverse = columns.size + kept.size, rest.information_inverse
    if isinstance(rest_inverse, OnDemand) and rest_inverse.unknown is None:
        levels = rest_inverse.blocks.level_column
        if not means[:, levels].any():
            return _blocked_covariances(rest, columns, kept, means, inverse_weight)
    both, own = np.ix_(kept, kept), np.ix_(columns, columns)
    inverse, factor, center = np.zeros((p, p)), np.zeros((p, p)), np.zeros(p)
    crossed = means @ rest.information_inverse
    inverse[both], inverse[np.ix_(columns, kept)] = rest.information_inverse, -crossed
    inverse[np.ix_(kept, columns)] = -crossed.T
    inverse[own] = np.diag(inverse_weight) + crossed @ means.T
    factor[both] = rest.inverse_information_factor
    centered = rest.centering.combinations(means)
    factor[np.ix_(columns, kept)] = -centered @ rest.inverse_information_factor
    factor[own] = np.diag(np.sqrt(inverse_weight))
    center[kept] = rest.centering.center
    constant = rest.centering.constant
    moved = None if constant is None else int(kept[constant])
    centering = rest.centering._replace(center=center, constant=moved)
    return inverse, factor, centering


def _blocked_covariances(
    rest: Solution,
    columns: np.ndarray,
    kept: np.ndarray,
    means: np.ndarray,
    inverse_weight: np.ndarray,
) -> tuple[OnDemand, OnDemand, Centering]:
    """Result of `_covariances` if no separated level shares rows with a level that was eliminated.

    The separated level is then added to the eliminated ones.
    """
    own, center = np.sqrt(inverse_weight), np.zeros(columns.size + kept.size)
    center[kept] = rest.centering.center
    constant = rest.centering.constant
    moved = None if constant is None else int(kept[constant])

    def extended(matrix: OnDemand, means: np.ndarray) -> OnDemand:
        blocks = matrix.blocks
        cross = -means[:, blocks.kept_column] @ blocks.root
        whole = BlockedInverse(
            np.concatenate([kept[blocks.level_column], columns]),
            np.concatenate([blocks.own, own]),
            np.concatenate([blocks.cross, cross]),
            kept[blocks.kept_column],
            blocks.root,
        )
        return replace(matrix, blocks=whole)

    inverse: Any = rest.information_inverse
    factor: Any = rest.inverse_information_factor
    return (
        extended(inverse, means),
        extended(factor, rest.centering.combinations(means)),
        rest.centering._replace(center=center, constant=moved),
    )


def _far_out(family: Family, sign: int, n_rows: int, deviance: float) -> float | None:
    """A linear predictor at which responses at the end of their range add nothing to a deviance."""
    end = next(end for side, end, _ in open_ends(family) if side == sign)
    sizes = np.arange(1.0, FARTHEST + 1.0)
    with np.errstate(all="ignore"):
        means = family.link.inverse(sign * sizes)
        added = n_rows * family.unit_deviance(np.full(sizes.size, end), means)
    enough = np.flatnonzero(added <= NEGLIGIBLE * (deviance + 0.1))
    return float(sign * sizes[enough[0]]) if enough.size else None
