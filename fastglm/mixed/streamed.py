"""Mixed models of rows read from a source: linear ones by a pass that sums up tables by level.

The criterion depends on the rows through sums alone: X'X, X'y, y'y, and for every combination of
levels that occurs Z'Z, Z'X and Z'y, where Z has the columns of all random terms side by side. All
rows can be replaced by a few with the same sums. For each combination, with V D V' = Z'Z, these are

    z = D^1/2 V',  x = D^-1/2 V' Z'X,

and a root of the remainder of X'X gives further rows with z = 0. These rows are fitted in memory.
Before columns are summed, the means of the first rows are subtracted.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.design.formula.table import read_table
from fastglm.design.frames.frames import Frame
from fastglm.errors import DataError, FastGLMWarning, ModelError
from fastglm.families import Family, resolve_family
from fastglm.kernels.threads.threads import usable_threads
from fastglm.mixed.advice import warn_of_fit
from fastglm.mixed.formula import split_formula
from fastglm.mixed.model import MixedGLM
from fastglm.mixed.results import MixedResults
from fastglm.mixed.rows import MixedRows, grouped_terms
from fastglm.mixed.several.resolve import resolve_response
from fastglm.mixed.source_groups import block_of, group_of
from fastglm.mixed.streamed_generalized import rows_of_source
from fastglm.passes.grains import GRAIN_ROWS
from fastglm.rows.learning import learn_rows
from fastglm.rows.read import read_arrays, row_columns
from fastglm.rows.streamed_model import StreamedModel
from fastglm.rows.windows import columns_used, read_pieces
from fastglm.sources.base import Source
from fastglm.sources.scan import scan
from fastglm.streamed import bytes_of_text

__all__ = ["fit_streamed"]

#: Arguments that are columns of the source, or one number for all rows.
_COLUMNS = ("offset", "exposure", "freq_weights", "var_weights", "weights")
#: Grains in a piece; few, as products of its rows with the columns of random terms are in memory.
PIECE_GRAINS = 4
#: Eigenvalues of Z'Z below this share of the largest one are rounding errors.
NOTHING = 1e-14
#: Smallest residual sum of squares, as a share of that of the response, for which rounding errors
#: of the sums do not show in the results.
CANCELS = 1e-9


class _Cells:
    """Sums over the rows of each combination of levels, and over all rows."""

    def __init__(self, n_effects: int, p: int):
        self.k, self.p, self.n = n_effects, p, 0
        self.number: dict[tuple[int, ...], int] = {}
        self.tables = np.zeros((1024, n_effects, n_effects + p + 1))
        self.gram = np.zeros((p + 1, p + 1))

    def add(self, codes: np.ndarray, z: np.ndarray, columns: np.ndarray) -> None:
        """Adds n rows: level numbers, (n, factors), columns of effects, and shifted [X y]."""
        self.n += len(codes)
        self.gram += columns.T @ columns
        found, inverse = np.unique(codes, axis=0, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable")
        starts = np.searchsorted(inverse.ravel()[order], np.arange(len(found)))
        both = np.hstack([z, columns])[order]
        products = z[order][:, :, None] * both[:, None, :]
        sums = np.add.reduceat(products, starts, axis=0)
        cells = [self.number.setdefault(tuple(each), len(self.number)) for each in found.tolist()]
        if len(self.number) > len(self.tables):
            size = max(2 * len(self.tables), len(self.number))
            more = np.zeros((size, *self.tables.shape[1:]))
            more[: len(self.tables)] = self.tables
            self.tables = more
        self.tables[cells] += sums

    def rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Few rows with the same sums as all: level numbers, columns of effects, and [X y]."""
        tables = self.tables[: len(self.number)]
        sizes, vectors = np.linalg.eigh(tables[:, :, : self.k])
        kept = sizes > NOTHING * np.maximum(sizes[:, -1:], 1e-300)
        # Every combination keeps a row, even if its columns are zeros: no level may disappear.
        kept[:, -1] = True
        root = np.sqrt(np.where(kept, np.maximum(sizes, 0.0), 0.0))
        turned = vectors.transpose(0, 2, 1) @ tables[:, :, self.k :]
        inverse = np.where(root > 0.0, 1.0 / np.where(root > 0.0, root, 1.0), 0.0)
        columns = (inverse[:, :, None] * turned)[kept]
        z = (root[:, :, None] * vectors.transpose(0, 2, 1))[kept]
        codes = np.array(list(self.number), dtype=np.int64)[np.nonzero(kept)[0]]
        left = self.gram - columns.T @ columns
        scale = np.sqrt(np.maximum(np.diag(self.gram), 1e-300))
        values, directions = np.linalg.eigh(left / np.outer(scale, scale))
        rest = np.sqrt(np.maximum(values, 0.0))[:, None] * directions.T * scale
        none = np.zeros((len(rest), self.k))
        first = np.repeat(codes[:1], len(rest), axis=0)
        return np.vstack([codes, first]), np.vstack([z, none]), np.vstack([columns, rest])


class _Streamed:
    """State of a model while its rows are read."""

    def __init__(self, formula: str, source: Source, missing: str, memory: int):
        self.source, self.missing = source, missing
        fixed, terms = split_formula(formula, source.names)
        self.family: Family = resolve_family("gaussian")
        self.model = self._learn(fixed, memory)
        response = fixed.split("~", 1)[0]
        self.groups = tuple(
            group_of(
                name, tuple(own), response, lambda text: self._learn(text, memory).fitted_formula
            )
            for name, own in grouped_terms(terms).items()
        )
        self.shift = np.zeros(0)
        self.names: tuple[str, ...] = ()
        self.constant: int | None = None
        self.n_dropped = 0

    def _learn(self, formula: str, memory: int) -> StreamedModel:
        return learn_rows(formula, self.source, self.family, {}, self.missing, memory)[0]

    def _pieces(self) -> Iterator[Any]:
        """Columns of [X y], designs of random terms, complete rows and levels of every piece."""
        used = [self.model.response, *self.model.fitted_formula.factors]
        used += [f for group in self.groups for f in group.expressions]
        names = columns_used(tuple(used), {})
        size = PIECE_GRAINS * GRAIN_ROWS
        for position, piece in read_pieces(self.source, names, 0, None, size):
            yield self._read(Frame(piece), position)

    def _read(self, frame: Frame, position: int) -> Any:
        table = read_table(frame, [self.model.response], None)
        y = np.asarray(self.model.response.evaluate(table.columns, {}), dtype=np.float64)
        fixed = self.model.fitted_formula.apply(frame, missing="nan")
        self.constant, self.names = fixed.design.constant, fixed.design.names
        built = [group.built(frame) for group in self.groups]
        codes = [group.codes(frame) for group in self.groups]
        absent = ~np.isfinite(y)
        for each in [fixed, *(one for several in built for one in several)]:
            absent |= False if each.nan_rows is None else each.nan_rows
        for own in codes:
            absent |= own < 0
        if absent.any() and self.missing == "raise":
            raise DataError(
                f"row {position + int(np.argmax(absent))} of {self.source.label} has a missing "
                'value in a column of the formula. Pass missing="drop" to leave such rows out.'
            )
        self.n_dropped += int(absent.sum())
        designs = [[each.design for each in own] for own in built]
        return np.column_stack([fixed.design.to_dense(), y]), designs, ~absent, codes

    def learn(self) -> MixedRows:
        """Takes the pass over the rows; returns the few rows with the same sums."""
        cells, names = None, [[()] * len(group.terms) for group in self.groups]
        for columns, designs, present, codes in self._pieces():
            for number, own in enumerate(designs):
                names[number] = [each.names for each in own]
            z = np.hstack([each.to_dense() for own in designs for each in own])[present]
            if cells is None:
                cells = _Cells(z.shape[1], columns.shape[1] - 1)
                self.shift = self._shift_of(columns[present])
            if present.any():
                cells.add(np.column_stack(codes)[present], z, columns[present] - self.shift)
        if cells is None or cells.n == 0:
            raise DataError(f"{self.source.label} has no complete row.")
        return self._rows(cells, names)

    def _shift_of(self, columns: np.ndarray) -> np.ndarray:
        """Means of the columns over the first rows; 0 for the constant, and for all without one."""
        shift = np.zeros(columns.shape[1])
        if self.constant is not None and len(columns):
            shift = columns.mean(axis=0)
            shift[self.constant] = 0.0
        return shift

    def _rows(self, cells: _Cells, names: list[list[Any]]) -> MixedRows:
        codes, z, columns = cells.rows()
        if self.constant is not None:
            columns = columns + np.outer(columns[:, self.constant], self.shift)
        rows = read_arrays(columns[:, -1], {"X": columns[:, :-1]}, {}, "raise", self.family)
        fitted = self.model.fitted_formula
        design = replace(rows.design, names=self.names, constant=None)
        named = fitted.response or rows.response_name
        fixed = replace(
            rows.with_design(design), fitted_formulas=(fitted,), response_name=named,
            n_dropped=self.n_dropped,
        )  # fmt: skip
        blocks, groups, start = [], [], 0
        for number, group in enumerate(self.groups):
            block, known = block_of(group, names[number], codes[:, number], z, start)
            start += block.k
            blocks.append(block)
            groups.append(known)
        return MixedRows(fixed, tuple(blocks), tuple(groups), float(cells.n))


def fit_streamed(
    formula: str, data: Any, family: Any, memory: str | int = "1GB", missing: str = "raise",
    **options: Any,
) -> MixedResults:  # fmt: skip
    """Fit a mixed model of rows in a source; see `fastglm.mixed`.

    Raises
    ------
    ModelError
        If a linear model has weights or an offset, or the response has several predictors.
    """
    source, link = scan(data), options.pop("link", None)
    formulas = options.pop("ziformula", None), options.pop("dispformula", None)
    if resolve_response(family, link, *formulas) is not None:
        raise ModelError(
            f"random effects of {family!r} need the rows again and again: read them into memory, "
            "or fit a family with one linear predictor."
        )
    family, limit = resolve_family(family, link), bytes_of_text(memory)
    given = {name: options.pop(name, None) for name in _COLUMNS}
    model = MixedGLM.__new__(MixedGLM)
    model.family, model.formula, model.source = family, formula, None
    if family.is_linear:
        model.mixed_rows = _rows_of_linear(formula, source, given, missing, limit)
    else:
        if given["weights"] is not None:
            given["var_weights"] = given["weights"]
        columns = row_columns(*(given[name] for name in _COLUMNS[:4]))
        threads = usable_threads(options.get("n_threads"))
        model.mixed_rows = rows_of_source(formula, source, family, columns, missing, limit, threads)
    with warnings.catch_warnings():
        # Warnings are given below, if the fit is accepted.
        warnings.simplefilter("ignore", FastGLMWarning)
        fit = model.fit(**options)
    if family.is_linear:
        _require_residuals(fit, model.rows.response)
    warn_of_fit(fit, fit.estimate)
    return replace(fit, model=None, labelled=True, read_from=source.label)


def _rows_of_linear(
    formula: str, source: Source, given: dict[str, Any], missing: str, memory: int
) -> MixedRows:
    """The few rows that stand for those of a linear model."""
    refused = [name for name, value in given.items() if value is not None]
    if refused:
        raise ModelError(
            f"{min(refused)} is not read where rows of a linear mixed model come from a source: "
            "read the rows into memory."
        )
    return _Streamed(formula, source, missing, memory).learn()


def _require_residuals(fit: MixedResults, y: np.ndarray) -> None:
    """Refuse a fit whose residuals are lost in the rounding of the sums."""
    if fit.estimate.state.residual_sum < CANCELS * float(y @ y - y.sum() ** 2 / y.size):
        raise DataError(
            "the residuals are so small beside the response that sums of a stream do not tell "
            "them: read the rows into memory."
        )
