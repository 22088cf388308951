"""Beta regression: rates and proportions strictly between 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import scipy

from fastglm.design.frames.missing import rows_text
from fastglm.errors import DataError, ModelError
from fastglm.families import Binomial
from fastglm.families.links import Link, resolve_link
from fastglm.kernels.compiler.templates import RowBlock
from fastglm.responses.log_likelihoods.proportions import MEAN_LINKS, PRECISION_LINKS, beta_rows
from fastglm.responses.model import ResponseModel
from fastglm.responses.record import PredictorBlock
from fastglm.responses.residuals import Tails
from fastglm.responses.results import ResponseResults
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.solve.fit import SolverOptions, solve
from fastglm.solve.rank_and_scaling import Columns

__all__ = ["BetaModel", "BetaResults", "check_information"]


@dataclass(frozen=True, eq=False, repr=False)
class BetaResults(ResponseResults):
    """A fitted beta regression: the coefficients of the mean, then those of the precision.

    `predict` gives "mean", "precision", or "variance", of the response, (n,).
    """

    kind: ClassVar[str] = "BetaModel"
    title: ClassVar[str] = "Beta Regression Results"
    predictions: ClassVar[tuple[str, ...]] = ("mean", "precision", "variance")
    unit_interval: ClassVar[tuple[str, ...]] = ("mean",)

    def _ratio_of(self, component: str) -> str | None:
        if component != self.first_component:
            return "ratio of precisions" if self.precision_link.ratio == "mean" else None
        return {"odds": "odds ratio", "mean": "ratio of means"}.get(self.link.ratio or "")

    @property
    def link(self) -> Link:
        """Link of the mean."""
        return resolve_link(self.settings["link"])

    @property
    def precision_link(self) -> Link:
        """Link of the precision."""
        return resolve_link(self.settings["precision_link"])

    def header(self) -> list[tuple[str, str]]:
        """Names and values of what stands above the table of a summary."""
        header = super().header()
        names = type(self.link).__name__, type(self.precision_link).__name__
        header[2] = ("Links", ", ".join(names))
        return header

    def _prediction(self, etas: np.ndarray, which: str) -> tuple[np.ndarray, list[str]]:
        if which == "precision":
            return self.precision_link.inverse(etas[1]), []
        mean, variance = self._moments(etas)
        return (mean if which == "mean" else variance), []

    def _moments(self, etas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, precision = self.link.inverse(etas[0]), self.precision_link.inverse(etas[1])
        return mean, mean * (1.0 - mean) / (1.0 + precision)

    of_densities: ClassVar[bool] = True

    def _log_densities(self, response: np.ndarray, etas: np.ndarray) -> np.ndarray:
        from fastglm import expfam

        mean, precision = self.link.inverse(etas[0]), self.precision_link.inverse(etas[1])
        return expfam.Beta(mean * precision, (1.0 - mean) * precision).log_prob(response)

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        mean, precision = self.link.inverse(etas[0]), self.precision_link.inverse(etas[1])
        drawn = generator.beta(mean * precision, (1.0 - mean) * precision)
        # Rounding may leave a number on the boundary, where there is no density.
        tiny = np.finfo(np.float64).tiny
        return np.clip(drawn, tiny, 1.0 - np.finfo(np.float64).epsneg)

    def _tails(self, response: np.ndarray, etas: np.ndarray) -> tuple[Tails, Tails | None]:
        mean, precision = self.link.inverse(etas[0]), self.precision_link.inverse(etas[1])
        a, b = mean * precision, (1.0 - mean) * precision
        special = scipy.special
        return (special.betainc(a, b, response), special.betaincc(a, b, response)), None


class BetaModel(ResponseModel[BetaResults]):
    """Beta regression: mean f(x'b), variance mean (1 - mean) / (1 + precision), precision g(z'c).

    Parameters
    ----------
    endog : array_like, shape (n,)
        Strictly between 0 and 1.
    exog : array_like, sparse matrix or data frame, shape (n, p)
        Columns of the mean, taken as they are.
    precision : array_like or data frame, shape (n, k), optional
        Columns of the precision; by default it is a constant.
    link : link, class or str, default "logit"
        Of the mean: logit, probit, cloglog, loglog, cauchit or log.
    precision_link : link, class or str, default "log"
        log, identity or sqrt.
    freq_weights : array_like, shape (n,), optional
        Numbers of identical rows.
    var_weights : array_like, shape (n,), optional
        What the log-likelihood of each row is multiplied by, as R's ``weights``.
    offset : array_like, shape (n,), optional
        Added to the linear predictor of the mean.
        An ``offset()`` in the formula of the precision enters the precision's.
    information : {"observed", "expected"}, default "observed"
        Which information standard errors come from; R's ``betareg`` takes the expected one.
    missing : {"raise", "drop"}, default "raise"

    Raises
    ------
    DataError
        If anything in the data cannot be used.
    ModelError
        If a link or option is none of these.

    Notes
    -----
    Ferrari & Cribari-Neto (2004); Cribari-Neto & Zeileis (2010), "Beta regression in R".

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"y": [0.2, 0.3, 0.55, 0.6, 0.8], "x": [0, 1, 2, 3, 4]}
    >>> fg.BetaModel.from_formula("y ~ x", data).fit().names
    ('Intercept', 'x', 'precision-Intercept')
    """

    results_class = BetaResults

    def __init__(
        self,
        endog: Any,
        exog: Any,
        precision: Any = None,
        link: Any = "logit",
        precision_link: Any = "log",
        freq_weights: Any = None,
        *,
        var_weights: Any = None,
        offset: Any = None,
        information: str = "observed",
        missing: str = "raise",
    ):
        exogs = {"exog": exog, "precision": precision}
        columns = row_columns(offset, None, freq_weights, var_weights)
        rows = self._read(endog, exogs, columns, missing)
        self._take(rows, link, precision_link, information)

    def _take(self, rows: ModelRows, link: Any, precision_link: Any, information: str) -> None:
        self.link, self.precision_link = resolve_link(link), resolve_link(precision_link)
        for chosen, usable in (
            (self.link, MEAN_LINKS),
            (self.precision_link, PRECISION_LINKS),
        ):
            if chosen.name not in usable:
                raise ModelError(f"the link must be one of {', '.join(usable)}, not {chosen!r}")
        self.information = check_information(information)
        if rows.response.ndim != 1:
            raise DataError(f"the response has shape {rows.response.shape}; it must be (n,).")
        outside = ~((rows.response > 0.0) & (rows.response < 1.0))
        if outside.any():
            raise DataError(
                f"BetaModel needs responses strictly between 0 and 1: {rows_text(outside)} are not."
            )
        if (rows.response == rows.response[0]).all():
            raise DataError(
                f"the response is {rows.response[0]:g} in every row: no precision is large enough."
            )
        self.rows = rows

    def _predictors(self) -> list[tuple[str, int]]:
        return [("", 0), ("precision-", 1)]

    def _respond(self) -> RowBlock:
        return beta_rows(self.link.name, self.precision_link.name)

    def _shape(self) -> Sequence[float]:
        return (float(self.information == "expected"),)

    def _settings(self) -> dict[str, Any]:
        return {
            "link": self.link.name,
            "precision_link": self.precision_link.name,
            "information": self.information,
            "exogs": ["precision"],
        }

    def _start(
        self, blocks: Sequence[PredictorBlock], column_info: Sequence[Columns]
    ) -> np.ndarray:
        """Coefficients of a binomial fit, and the precision that its residuals speak for."""
        rows = self.rows
        fit = solve(rows.row_table(0), Binomial(self.link), SolverOptions(tol=1e-4))
        spread = fit.pearson_chi2 / rows.sum_weights
        precision = max(1.0 / spread - 1.0, 0.1)
        constant = self._constant_on(1, float(self.precision_link(precision)), column_info)
        return np.concatenate([np.nan_to_num(fit.params), constant])


def check_information(information: str) -> str:
    """Refuse anything but "observed" and "expected"."""
    if information not in ("observed", "expected"):
        raise ModelError(f'information must be "observed" or "expected", not {information!r}')
    return information
