"""Frequency times severity: what two fits say together of the cost of a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.design.frames.frames import Categories, Frame
from fastglm.design.frames.output import take_rows_of
from fastglm.entry import entry_points
from fastglm.errors import DataError, ModelError
from fastglm.fit.record import Fit
from fastglm.inference.effects.joined_rating_tables import joined_tables
from fastglm.inference.effects.rating_table import RatingTable
from fastglm.inference.evaluation.evaluate import Evaluation, measures_of_means
from fastglm.inference.evaluation.groups import Observed, observed
from fastglm.inference.evaluation.held_out import on_rows

if TYPE_CHECKING:
    from fastglm.families import Family
    from fastglm.typing import Vector

__all__ = ["PurePremium"]


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class PurePremium:
    """The product of a model of claims and one of the cost of a claim, for pictures and measures.

    `fastglm.plots.lift`, `double_lift`, `calibration` and `actual_expected` take it as they take a
    fit, so that it is compared with a Tweedie model of the cost, and with what claims cost.

    Parameters
    ----------
    frequency : Results
        Of numbers of claims with an exposure, or of claims a year with weights.
    severity : Results
        Of the mean cost of a claim, or of total costs with the numbers of claims as exposure.
    cost : str
        The column of the data that holds what the claims of a row cost in all.

    Raises
    ------
    ModelError
        If these are no generalized linear models, or means of one may be negative.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"zone": list("aabb"), "n": [1, 1, 2, 4], "cost": [9.0, 11.0, 30.0, 60.0]}
    >>> claims = fg.glm("n ~ zone", data, family="poisson")
    >>> sizes = fg.glm("I(cost / n) ~ zone", data, family="gamma", link="log", var_weights="n")
    >>> premium = fg.PurePremium(claims, sizes, "cost")
    >>> [round(float(value), 6) for value in premium.predict({"zone": ["a", "b"]})]
    [10.0, 45.0]
    """

    frequency: Any
    severity: Any
    cost: str

    #: As pictures ask of a fit.
    has_several_predictors: ClassVar[bool] = False
    has_random_effects: ClassVar[bool] = False

    def __post_init__(self) -> None:
        """Check that both are fits whose means are not negative."""
        for name in ("frequency", "severity"):
            fit = getattr(self, name)
            if not isinstance(fit, Fit):
                raise ModelError(
                    f"{name} must be a fitted generalized linear model, not {fit!r:.60}"
                )
            if fit.family.domain.lower < 0.0:
                raise ModelError(
                    f"the {name} is of the family {fit.family.name}, whose means may be negative: "
                    "a premium needs one such as poisson or gamma."
                )

    @property
    def family(self) -> Family:
        """That of the severity, whose means are amounts as those of the premium."""
        family: Family = self.severity.family
        return family

    @property
    def formula(self) -> str:
        """Both right sides."""
        sides = (str(f.formula or "").partition("~")[2] for f in (self.frequency, self.severity))
        return f"{self.cost} ~ {' × '.join(f'({side.strip()})' for side in sides)}"

    @property
    def response_name(self) -> str:
        """The column of costs."""
        return self.cost

    @property
    def column_names(self) -> Mapping[str, str]:
        """The column of the exposure, if it has one."""
        names: Mapping[str, str] = self.frequency.column_names
        return names

    def predict(self, exog: Any = None, exposure: Any = None) -> Vector:
        """Expected cost of rows: of new ones, or of those the frequency was fitted to.

        Parameters
        ----------
        exog : data frame, optional
            New rows with the columns of both formulas.
        exposure : float, array_like or str, optional
            As for `Results.predict`, of the frequency; 1 gives the premium of a unit.

        Raises
        ------
        DataError
            Naming what is wrong with the new rows.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"zone": list("aabb"), "n": [1, 1, 2, 4], "cost": [9.0, 11.0, 30.0, 60.0]}
        >>> claims = fg.glm("n ~ zone", data, family="poisson")
        >>> sizes = fg.glm("I(cost / n) ~ zone", data, family="gamma", link="log", var_weights="n")
        >>> premium = fg.PurePremium(claims, sizes, "cost")
        >>> round(float(premium.predict({"zone": ["b"]})[0]), 6)
        45.0
        """
        frame = self._frame() if exog is None else exog
        return self.frequency.predict(exog, exposure=exposure) * self._sizes(frame)

    def _sizes(self, frame: Any) -> np.ndarray:
        """Mean costs of one claim, also by a severity of total costs with claims as exposure."""
        one = 1.0 if self.severity.has_exposure else None
        return np.asarray(self.severity.predict(frame, exposure=one), dtype=np.float64)

    def evaluate(
        self, data: Any = None, exposure: Any = None, var_weights: Any = None,
        missing: str = "raise",
    ) -> Evaluation:  # fmt: skip
        """Measure how well premiums are what claims cost.

        Parameters
        ----------
        data : data frame, optional
            New rows with claims, exposure and costs; by default those of the frequency.
        exposure, var_weights : array_like or str, optional
            As for `Results.evaluate`, of the frequency.
        missing : {"raise", "drop"}, default "raise"
            Whether rows in which the response, a cost or a column of either model is missing are
            an error or left out.

        Returns
        -------
        Evaluation
            With what needs no likelihood: actual over expected, errors and the Gini index, groups
            for calibration and lift, actual against expected by one factor or two. Bounds of
            groups are by the variances of a compound distribution.

        Raises
        ------
        DataError
            If the rows cannot be used, or have no costs.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"zone": list("aabb"), "n": [1, 1, 2, 4], "cost": [9.0, 11.0, 30.0, 60.0]}
        >>> claims = fg.glm("n ~ zone", data, family="poisson")
        >>> sizes = fg.glm("I(cost / n) ~ zone", data, family="gamma", link="log", var_weights="n")
        >>> premium = fg.PurePremium(claims, sizes, "cost")
        >>> round(premium.evaluate().actual_over_expected, 6)
        1.0
        """
        checked_choice("missing", missing, ("raise", "drop"))
        return measures_of_means(self, self._observed_on(data, exposure, var_weights, missing))

    def rating_table(
        self,
        at: Mapping[str, Sequence[Any]] | None = None,
        base: str | Mapping[str, Any] = "reference",
        n_values: int = 11,
        alpha: float = 0.05,
        data: Any = None,
        exposure: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
    ) -> RatingTable:
        """Relativities of the premium: those of both models, multiplied by variable.

        Parameters
        ----------
        at, base, n_values, alpha
            As for `Results.rating_table`; intervals take the two models to be independent.
        data, exposure, var_weights, missing
            New rows whose exposures are shown, as for `evaluate`.

        Returns
        -------
        RatingTable
            The base times the relativities of a row, and its exposure, is its premium. A variable
            that has several terms in a model has a row for each, and its own of the other model.
            Weights are exposures; totals and means, which are of claims or of costs, are left out.

        Raises
        ------
        ModelError
            As for `Results.rating_table`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"zone": list("aabb"), "n": [1, 1, 2, 4], "cost": [9.0, 11.0, 30.0, 60.0]}
        >>> claims = fg.glm("n ~ zone", data, family="poisson")
        >>> sizes = fg.glm("I(cost / n) ~ zone", data, family="gamma", link="log", var_weights="n")
        >>> premium = fg.PurePremium(claims, sizes, "cost")
        >>> [round(float(value), 6) for value in premium.rating_table().columns["relativity"]]
        [1.0, 4.5]
        """
        given = {"exposure": exposure, "var_weights": var_weights, "missing": missing}
        frequency, severity = on_rows(self.frequency, data, **given), self.severity
        if severity.model is None:
            # For the values of its variables alone: rows without claims have no mean cost.
            one = np.ones(Frame(data).n_rows)
            names = [name for name in ("freq_weights", "var_weights") if name in severity.weights]
            names += ["response", *(["exposure"] if severity.has_exposure else [])]
            severity = on_rows(severity, data, **dict.fromkeys(names, one), missing="drop")
        return joined_tables(frequency, severity, at, base, n_values, alpha)

    def _frame(self) -> Any:
        """The rows of the frequency as they came."""
        return _frame_of(self.frequency._model_with_data("premiums").rows, None)

    def _observed_on(
        self, data: Any, exposure: Any = None, var_weights: Any = None, missing: str = "raise"
    ) -> Observed:
        """Costs beside premiums, for a unit of exposure; see `FitBase._observed_on`.

        The variance of the cost of a row is E(N) Var(X) + Var(N) E(X)^2.
        """
        given = {"exposure": exposure, "var_weights": var_weights, "missing": missing}
        found = observed(on_rows(self.frequency, data, **given))
        size, cost = self._sizes(_frame_of(found.rows, data)), found.rows.frame_column(self.cost)
        if isinstance(cost, Categories):
            raise DataError(f"the column {self.cost!r} of costs holds text, not numbers.")
        cost = np.asarray(cost, dtype=np.float64)
        for name, values in (("cost", cost), ("severity", size)):
            used = ~np.isnan(values) if missing == "drop" else np.ones(values.size, dtype=bool)
            if not np.isfinite(values[used]).all():
                row = int(np.argmax(used & ~np.isfinite(values)))
                raise DataError(f"the {name} of row {row}, counted from 0, is {values[row]}.")
        known = ~(np.isnan(cost) | np.isnan(size))
        if not known.any():
            raise DataError("no row has a cost and a severity: premiums cannot be measured.")
        if not known.all():
            found, size, cost = _taken(found, known), size[known], cost[known]
        return self._of_costs(found, size, cost)

    def _of_costs(self, found: Observed, size: np.ndarray, cost: np.ndarray) -> Observed:
        """Costs beside premiums, from claims beside their means."""
        exposure, weights = found.rows.offset_parts.exposure, found.rows.variance_weights
        per = exposure if exposure is not None else 1.0 if weights is None else weights
        expected = found.weight * found.mean
        of_size = self.severity.response_dispersion * self.severity.family.variance(size)
        variance = expected * of_size + found.variance * size**2
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = np.where(found.weight > 0.0, cost / per, 0.0)
        return Observed(
            rate, found.mean * size, found.weight, found.weight_name, variance, found.rows
        )

    def __repr__(self) -> str:
        return f"<PurePremium {self.formula}>"


def _frame_of(rows: Any, data: Any) -> Any:
    """The frame of rows that were read, without those that were left out."""
    frame = getattr(rows, "frame", None)
    if frame is None:
        if data is None:
            raise ModelError("premiums need models that were given as formulas and a data frame.")
        return data
    return frame if rows.frame_rows is None else take_rows_of(frame, rows.frame_rows)


def _taken(found: Observed, rows: np.ndarray) -> Observed:
    """Some of the rows, given as a mask."""
    names = ("response", "mean", "weight", "variance")
    of_rows = {name: getattr(found, name)[rows] for name in names}
    return replace(found, **of_rows, rows=found.rows.take(rows))
