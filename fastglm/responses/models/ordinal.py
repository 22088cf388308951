"""Ordinal regression: cumulative link models with proportional odds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import scipy

from fastglm.design.formula.response import ResponseRule
from fastglm.design.frames.frames import Level
from fastglm.design.matrix.parts import Design, Indicators
from fastglm.errors import DataError, ModelError
from fastglm.families.links import Link, resolve_link
from fastglm.fit.outcomes import Channel
from fastglm.inference.hypothesis_tests.tables import HypothesisTest
from fastglm.inference.rows.new_rows import NewRows
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.responses.log_likelihoods.categories import CUMULATIVE_ROWS
from fastglm.responses.model import ResponseModel
from fastglm.responses.models.multinomial import with_used_levels
from fastglm.responses.models.proportional_odds import proportional_odds_test
from fastglm.responses.record import PredictorBlock
from fastglm.responses.residuals import Tails
from fastglm.responses.results import CategoricalResults
from fastglm.responses.separation import CombinedRows, Part
from fastglm.rows.model_rows import ModelRows, constant_design, side_by_side
from fastglm.rows.read import row_columns
from fastglm.solve.rank_and_scaling import Columns, rank_and_scaling

if TYPE_CHECKING:
    from fastglm.typing import Vector

__all__ = ["OrderedModel", "OrdinalResults"]


@dataclass(frozen=True, eq=False, repr=False)
class OrdinalResults(CategoricalResults):
    """A fitted cumulative link model: the coefficients, and after them the thresholds.

    `predict` gives "prob" (also "mean"), the probability of every level, (n, K), "cumulative", that
    of every level or a lower one, "class", the most probable level, or "linear", x'b with its
    offset, (n, 1).
    """

    kind: ClassVar[str] = "OrderedModel"
    title: ClassVar[str] = "Ordinal Regression Results"
    predictions: ClassVar[tuple[str, ...]] = ("prob", "cumulative", "class", "mean")
    unit_interval: ClassVar[tuple[str, ...]] = ("prob", "cumulative", "mean")
    component_column: ClassVar[str] = "coef.type"
    first_component: ClassVar[str] = "coefficient"
    last_component: ClassVar[str] = "scale"
    #: The thresholds take the place of the constant.
    own_constants: ClassVar[int] = 0

    def _ratio_of(self, component: str) -> str | None:
        # Of a cumulative probability only the odds are multiplied whichever way it is read.
        is_odds = component == self.first_component and self.link.ratio == "odds"
        return "odds ratio" if is_odds else None

    #: The thresholds are there.
    needs_no_column: ClassVar[bool] = True

    @property
    def link(self) -> Link:
        """Link of the cumulative probabilities."""
        return resolve_link(self.settings["link"])

    @property
    def thresholds(self) -> Vector:
        """Thresholds between the levels, (K - 1,), rising."""
        return self.params[-(len(self.levels) - 1) :]

    def proportional_odds_test(self) -> HypothesisTest:
        """Wald test that the coefficients are the same at every threshold.

        The models of ``y <= level``, one for every threshold but the last level, are fitted each on
        its own, and their coefficients compared.

        Returns
        -------
        HypothesisTest
            Chi-squared on (K - 2) p degrees of freedom.

        Raises
        ------
        DataError
            If the result was loaded without its data.
        ModelError
            If there are two levels only, or a model of one threshold cannot be estimated.

        Notes
        -----
        Brant (1990), "Assessing proportionality in the proportional odds model for ordinal logistic
        regression", for any link.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": list("abcabcabca"), "x": [1, 3, 2, 2, 1, 3, 1, 2, 3, 2]}
        >>> res = fg.OrderedModel.from_formula("y ~ x", data, levels=["a", "b", "c"]).fit()
        >>> int(res.proportional_odds_test().df)
        1
        """
        model = cast("OrderedModel", self._model_with_data("the test of proportional odds"))
        return proportional_odds_test(model.rows, model.rows.response, len(self.levels), self.link)

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        header = super().header()
        header[2] = ("Link Function", type(self.link).__name__)
        return header

    def setting(self) -> list[tuple[str, str]]:
        """Names and values of what the fit was given, the order of the levels among them."""
        return [*super().setting(), ("Levels", " < ".join(map(str, self.levels)))]

    def _linear_predictors(self, designs: tuple[Design, ...]) -> np.ndarray:
        params = self.estimates[: self.blocks[0].stop]
        constant = self.settings["constant"]
        if constant is not None:
            params = np.insert(params, constant, 0.0)
        return self._etas_of(designs, [(0, params)])

    def _predictors_of(self, new: NewRows) -> np.ndarray:
        """X'b with its offset, and below it the thresholds, alike in every row."""
        etas = super()._predictors_of(new)
        thresholds = self.estimates[self.blocks[0].stop :, None]
        return np.vstack([etas, np.broadcast_to(thresholds, (len(thresholds), etas.shape[1]))])

    def _channels(self) -> tuple[Channel, ...]:
        first, one = self.blocks[0], np.zeros(1, dtype=np.intp)
        columns, constant = np.arange(first.stop), self.settings["constant"]
        if constant is not None:
            columns = columns + (columns >= constant)
        places = range(first.stop, self.estimates.size)
        thresholds = (Channel(None, one, np.array([place])) for place in places)
        return (Channel(0, columns, np.arange(first.stop)), *thresholds)

    def _cumulative(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of lower levels than each, and of others, (K + 1, n), from 0 to 1."""
        steps, n = etas[1:] - etas[0], etas.shape[1]
        below = np.vstack([np.zeros(n), self.link.inverse(steps), np.ones(n)])
        above = np.vstack([np.ones(n), self.link.complement(steps), np.zeros(n)])
        return below, above

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[Any]]:
        below, above = self._cumulative(etas)
        if which == "cumulative":
            return below[1:], self._prediction_names()
        # Of the two ways to take the difference, the one that keeps the digits of a small tail.
        small = below[1:] < 0.5
        probability = np.where(small, below[1:] - below[:-1], above[:-1] - above[1:])
        if which == "class":
            return self._most_probable(probability), []
        return probability, self._prediction_names()

    def _constant_predictors(self, constants: np.ndarray, offsets: np.ndarray) -> np.ndarray:
        # Thresholds that rise, whatever the constants: the first, and logarithms of the steps.
        thresholds = constants[0] + np.append(0.0, np.cumsum(np.exp(constants[1:])))
        full = np.broadcast_to(thresholds[:, None], (thresholds.size, offsets.shape[1]))
        return np.vstack([offsets[:1], full])

    def _constants_near(self, etas: np.ndarray) -> np.ndarray:
        return np.append(etas[1] - etas[0], np.log(np.diff(etas[1:])))

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        below, above = self._cumulative(etas)
        place = np.arange(response.size)
        at = below[response + 1, place], above[response + 1, place]
        return at, (below[response, place], above[response, place])


class OrderedModel(ResponseModel[OrdinalResults]):
    """Cumulative link model: P(y <= level j) = F(threshold_j - x'b).

    Parameters
    ----------
    endog : array_like, shape (n,)
        Ordered category of each row: numbers, or a type of ordered categories, such as an ordered
        pandas Categorical or a polars Enum. Text and unordered categories need `levels`.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns, without a constant: the thresholds take its place.
    link : link, class or str, default "logit"
        logit, probit, cloglog, loglog or cauchit.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows.
    var_weights : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as R's ``weights``.
    offset : array_like, shape (n,), optional
        Added to x'b.
    levels : sequence of levels, optional
        The order of the levels, lowest first.
    missing : {"raise", "drop"}, default "raise"

    Raises
    ------
    DataError
        If anything in the data cannot be used.
    ModelError
        If the link is none of these.

    Notes
    -----
    McCullagh (1980), "Regression models for ordinal data". Equal to R's ``ordinal::clm`` and
    ``MASS::polr``, whose signs it has; standard errors are from the observed information.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": [0, 1, 2, 1, 0, 2, 1], "x": [0, 1, 2, 3, 1, 3, 0]}
    >>> fg.OrderedModel.from_formula("y ~ x", data).fit().names
    ('x', '0|1', '1|2')
    """

    results_class = OrdinalResults

    def __init__(
        self,
        endog: Any,
        exog: Any,
        link: Any = "logit",
        freq_weights: Any = None,
        *,
        var_weights: Any = None,
        offset: Any = None,
        levels: Sequence[Level] | None = None,
        missing: str = "raise",
    ):
        columns = row_columns(offset, None, freq_weights, var_weights)
        self._take(self._read(endog, {"exog": exog}, columns, missing, _rule(levels)), link)

    def _take(self, rows: ModelRows, link: Any) -> None:
        self.link = resolve_link(link)
        if self.link.name not in CUMULATIVE_ROWS:
            raise ModelError(
                f"OrderedModel needs one of the links {', '.join(CUMULATIVE_ROWS)}, not "
                f"{self.link!r}"
            )
        self.rows = with_used_levels(rows)
        self.levels = self.rows.response_levels or ()

    @property
    def _constant(self) -> int | None:
        return self.rows.designs[0].constant

    def _with_constant(self) -> tuple[Design, int]:
        """The design with an intercept, whose place the thresholds take, and its column."""
        design = self.rows.designs[0]
        if self._constant is not None:
            return design, self._constant
        return side_by_side([constant_design(self.rows.n_rows), design]), 0

    def _blocks(self) -> list[PredictorBlock]:
        design, _ = self._with_constant()
        return [PredictorBlock("", 0, 0, design.n_columns - 1)]

    def _rank_and_scaling(self, n_threads: int) -> list[Columns]:
        design, constant = self._with_constant()
        columns = rank_and_scaling(design, self.rows.prior_weights, n_threads)
        if self._constant is None and columns.aliased.any():
            self._refuse_constant(np.delete(columns.aliased, constant), n_threads)
        return [columns]

    def _refuse_constant(self, aliased: np.ndarray, n_threads: int) -> None:
        rows = self.rows
        constant = rank_and_scaling(rows.designs[0], rows.prior_weights, n_threads).constant
        if constant is not None and aliased[constant]:
            raise DataError(
                f"column {constant} of exog is constant: the thresholds take its place, leave it "
                "out."
            )

    def _column_names(self, column_info: Sequence[Columns]) -> list[tuple[str, ...]]:
        design, constant = self._with_constant()
        return [design.names[:constant] + design.names[constant + 1 :]]

    def _aliased(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        _, constant = self._with_constant()
        thresholds = np.zeros(len(self.levels) - 1, dtype=bool)
        return np.concatenate([np.delete(column_info[0].aliased, constant), thresholds])

    def _rank_of_design(
        self, design: int, column_info: Sequence[Columns]
    ) -> tuple[np.ndarray, int | None]:
        aliased = column_info[design].aliased
        if self._constant is not None:
            return aliased, self._constant
        return np.delete(aliased, self._with_constant()[1]), -1

    def _from_standardized(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        # What shifts add to x'b goes to every threshold.
        _, constant = self._with_constant()
        kept, m = np.delete(np.arange(blocks[0].stop + 1), constant), len(self.levels) - 1
        whole, p = column_info[0].from_standardized, kept.size
        from_standardized = np.eye(p + m)
        from_standardized[:p, :p] = whole[np.ix_(kept, kept)]
        from_standardized[p:, :p] = -whole[constant, kept]
        return from_standardized

    def _names(
        self, blocks: Sequence[PredictorBlock], columns: Sequence[Sequence[str]]
    ) -> list[str]:
        between = zip(self.levels, self.levels[1:], strict=False)
        return [*columns[0], *(f"{low}|{high}" for low, high in between)]

    def _design(self) -> Design:
        """The indicators of the response's levels, then the columns."""
        levels = len(self.levels)
        names = tuple(str(level) for level in self.levels)
        indicators = Indicators((self.rows.response,), (levels,))
        coded = Design((indicators,), self.rows.n_rows, names, None, None, ())
        return side_by_side([coded, self._with_constant()[0]])

    def _maps(self, blocks: Sequence[PredictorBlock]) -> list[scipy.sparse.csr_array]:
        # The thresholds above and below a row's own level.
        levels, p = len(self.levels), blocks[0].stop
        _, constant = self._with_constant()
        kept = np.delete(np.arange(p + 1), constant)
        shape = (levels + p + 1, p + levels - 1)
        maps = []
        for shift in (0, 1):
            row = np.concatenate([levels + kept, np.arange(levels - 1) + shift])
            value = np.concatenate([np.full(p, -1.0), np.ones(levels - 1)])
            maps.append(scipy.sparse.csr_array((value, (row, np.arange(shape[1]))), shape=shape))
        return maps

    def _respond(self) -> RowBlock:
        return CUMULATIVE_ROWS[self.link.name]

    def _shape(self) -> Sequence[float]:
        return (len(self.levels) - 1.0,)

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        codes, weights = self.rows.response, self.rows.prior_weights
        # Half a row more for every level: a sample of the rows may lack one.
        counts = np.bincount(codes, weights=weights, minlength=len(self.levels)) + 0.5
        below = np.cumsum(counts)[:-1] / counts.sum()
        offset = self.rows.offsets[0]
        shift = 0.0 if offset is None else float(np.average(offset, weights=weights))
        return np.concatenate([np.zeros(blocks[0].stop), self.link(below) + shift])

    def _offsets(self) -> np.ndarray | None:
        # Both thresholds of a row, above and below its level, are less x'b and the offset.
        offset = self.rows.offsets[0]
        return None if offset is None else np.stack([-offset, -offset])

    def _separable_parts(self, blocks: Sequence[PredictorBlock], n_threads: int) -> Iterator[Part]:
        # A row gains as the threshold above its level rises over x'b, and that below it falls.
        codes = self.rows.response
        each = np.repeat(np.eye(2, dtype=np.int8)[:, :, None], codes.size, axis=2)
        moving = CombinedRows(self._design(), self._maps(blocks), each, n_threads)
        side = np.repeat(np.array([1, -1], dtype=np.int8), codes.size)
        yield slice(None), moving, side, np.concatenate([codes < len(self.levels) - 1, codes > 0])

    def _settings(self) -> dict[str, Any]:
        return {
            "levels": list(self.levels),
            "link": self.link.name,
            "constant": self._constant,
        }


def _rule(levels: Sequence[Level] | None) -> ResponseRule:
    order = None if levels is None else tuple(levels)
    return ResponseRule("OrderedModel", category=True, ordered=True, order=order)
