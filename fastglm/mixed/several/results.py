"""Results of a mixed model of several linear predictors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from fastglm.entry import entry_points
from fastglm.errors import ModelError, Status
from fastglm.fit.outcomes import named_prediction
from fastglm.mixed.assemble import groups_of_fit, rows_of_fit
from fastglm.mixed.boundary import describe_singular
from fastglm.mixed.effects import variance_components
from fastglm.mixed.generalized import GeneralizedEstimate
from fastglm.mixed.results import MixedResults
from fastglm.mixed.several.evaluation import evaluate_several
from fastglm.mixed.several.intervals import predict_several_intervals
from fastglm.mixed.several.rows import predict_several, predictors_with_effects, simulate_several
from fastglm.mixed.several.saving import describe_several
from fastglm.mixed.summary import MixedSummary
from fastglm.responses.evaluation import OutcomeEvaluation
from fastglm.responses.results import ResponseResults
from fastglm.rows.read import row_columns
from fastglm.solve.several_predictors import PredictorSolution

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.inference.effects.outcome_effects import OutcomeEffects
    from fastglm.inference.effects.outcome_means import OutcomeMeans
    from fastglm.inference.hypothesis_tests.estimates import Estimates
    from fastglm.typing import Matrix, Vector

__all__ = ["MixedSeveralResults", "make_several_results"]


class SeveralSummary(MixedSummary):
    """Printable summary, with notes on the parameters of the response."""

    def header(self) -> list[tuple[str, str]]:
        """Names and values above the table."""
        header, population = super().header(), self.fit.population  # type: ignore[attr-defined]
        header[2] = ("Model Family", population.kind)
        return header

    def setting(self) -> list[tuple[str, str]]:
        """Notes on the model: formulas, offset, weights, levels in their order."""
        formula, population = self.fit.formula, self.fit.population  # type: ignore[attr-defined]
        return [*([("Formula", formula)] if formula else []), *population.setting()]

    def notes(self) -> list[str]:
        """Warnings about the fit."""
        return [*super().notes(), *self.fit.population.notes()]  # type: ignore[attr-defined]


@entry_points
@dataclass(frozen=True, eq=False, repr=False)
class MixedSeveralResults(MixedResults):
    """One fitted mixed model of several linear predictors.

    As `MixedResults`; its coefficients are those of all predictors, with thresholds and logarithms
    of parameters, which were estimated together with theta.

    Attributes
    ----------
    population : ResponseResults
        The model at random effects of zero, with the estimates and covariance of this fit: its
        ``thresholds`` or ``alpha``, its averages and marginal means.
    """

    population: ResponseResults = None  # type: ignore[assignment]

    kind: ClassVar[str] = "MixedSeveral"

    def without_random_effects(self) -> ResponseResults:
        """The model at random effects of zero."""
        self.require_all_columns()
        return self.population

    def outcomes(self, which: str = "mean") -> Any:
        """Outcomes of `predict` at random effects of zero."""
        self.require_all_columns()
        return self.population.outcomes(which)

    def predict(  # type: ignore[override]
        self,
        exog: Any = None,
        level: str = "conditional",
        which: str = "mean",
        new_levels: str = "raise",
        **others: Any,
    ) -> Vector | Matrix:
        """Predict new rows, or the fitted ones.

        Parameters
        ----------
        exog, level, new_levels
            As for `MixedResults.predict`.
        which : str, default "mean"
            "mean", "linear" for the linear predictor that has the random effects, or what the model
            without them predicts: "prob", "cumulative" and "class" of ordered categories,
            "prob-zero" and "mean-count" of counts, "precision" and "variance" of shares.
        **others
            ``offset``, ``exposure``, ``groups`` and ``Z`` as there.

        Returns
        -------
        ndarray, Series or DataFrame
            A number to a row, or of ordered categories one for each level.
        """
        which = named_prediction(which, (*self.population.predictions, "mean", "linear"))
        return predict_several(self, exog, level, which, new_levels, others)

    def simulate(self, n: int = 1, seed: Any = None, use_u: bool = False) -> np.ndarray:
        """Responses drawn from the model for the fitted rows, (rows, n); codes of categories.

        Parameters
        ----------
        n, seed, use_u
            As for `MixedResults.simulate`.
        """
        return simulate_several(self, n, seed, use_u)

    def evaluate(  # type: ignore[override]
        self,
        data: Any = None,
        response: Any = None,
        level: str = "conditional",
        new_levels: str = "raise",
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        missing: str = "raise",
        **others: Any,
    ) -> OutcomeEvaluation:
        """Measure how well the fit predicts new rows, outcome by outcome.

        Parameters
        ----------
        data, response, offset, exposure, freq_weights, var_weights, missing, **others
            As for `MixedResults.evaluate`.
        level, new_levels
            Which means are compared with the responses, as for `predict`. The log-likelihood is
            that of each row given its random effects, which are zero at "population"; at
            "marginal" the likelihood of each row is averaged over the effects. Rows of unknown
            levels are left out with ``new_levels="nan"``.

        Returns
        -------
        OutcomeEvaluation
            As returned by `ResponseResults.evaluate`; D2 is relative to a model of constants
            without random effects.
        """
        columns = row_columns(offset, exposure, freq_weights, var_weights)
        return evaluate_several(self, data, response, level, new_levels, columns, missing, others)

    @property
    def resid_response(self) -> Vector:
        """Response less fitted values, (n,)."""
        rows = self._model_with_data("residuals").rows
        if rows.response_levels is not None:
            raise ModelError(
                "a category less a probability is no residual: use predict(which='prob')."
            )
        return rows.response - self.fittedvalues

    # -- at random effects of zero

    def emmeans(self, specs: Any, at: Mapping[str, Any] | None = None) -> OutcomeMeans:
        """Estimated marginal means at random effects of zero; see `fastglm.Results.emmeans`.

        Parameters
        ----------
        specs, at
            As there.
        """
        self.require_all_columns()
        return self.population.emmeans(specs, at)

    def get_margeff(self, *arguments: Any, **options: Any) -> OutcomeEffects:
        """Marginal effects at random effects of zero; see `fastglm.Results.get_margeff`.

        Parameters
        ----------
        *arguments, **options
            As there.
        """
        self.require_all_columns()
        return self.population.get_margeff(*arguments, **options)

    def avg_predictions(self, *arguments: Any, **options: Any) -> Estimates:
        """Averages at random effects of zero; see `fastglm.Results.avg_predictions`.

        Parameters
        ----------
        *arguments, **options
            As there.
        """
        self.require_all_columns()
        return self.population.avg_predictions(*arguments, **options)

    def avg_comparisons(self, *arguments: Any, **options: Any) -> Estimates:
        """Contrasts at random effects of zero; see `fastglm.Results.avg_comparisons`.

        Parameters
        ----------
        *arguments, **options
            As there.
        """
        self.require_all_columns()
        return self.population.avg_comparisons(*arguments, **options)

    def avg_slopes(self, *arguments: Any, **options: Any) -> Estimates:
        """Average slopes at random effects of zero; see `fastglm.Results.avg_slopes`.

        Parameters
        ----------
        *arguments, **options
            As there.
        """
        self.require_all_columns()
        return self.population.avg_slopes(*arguments, **options)

    def coef(self) -> dict[str, pd.DataFrame]:
        """Coefficients of every level in the predictors that have effects, by factor."""
        last = max(predictors_with_effects(self))
        further = list(self.names[self.population.blocks[last].stop :])
        return {name: frame.drop(columns=further) for name, frame in super().coef().items()}

    def with_covariance(
        self, cov_type: str, group: str | None = None, use_correction: bool = False
    ) -> MixedResults:
        """The same fit, and population, with another covariance of its coefficients.

        Parameters
        ----------
        cov_type, group, use_correction
            As for `MixedResults.with_covariance`.
        """
        found = super().with_covariance(cov_type, group, use_correction)
        population = replace(self.population, covariance=found.covariance, cov_type=cov_type)
        return replace(found, population=population)  # type: ignore[call-arg]

    def get_prediction(  # type: ignore[override]
        self,
        exog: Any = None,
        level: str = "conditional",
        interval: str = "confidence",
        new_levels: str = "raise",
        alpha: float = 0.05,
        which: str = "mean",
        **others: Any,
    ) -> pd.DataFrame:
        """Predictions with standard errors and limits, a pandas DataFrame.

        Parameters
        ----------
        exog, level, new_levels, **others
            As for `predict`.
        interval : {"confidence", "prediction"}
            Limits of the predicted quantity, or of a new response; the latter not for categories.
            At "population" the new response is one of a new level.
        alpha : float, default 0.05
            The limits have level 1 - alpha.
        which : str, default "mean"
            As for `predict`, but for "class".

        Returns
        -------
        DataFrame
            ``mean``, ``mean_se``, ``lower`` and ``upper`` of `which`, with the uncertainty of all
            estimates by the delta method, as in glmmTMB; for categories one set of columns each,
            ``mean.low`` and so on. For "linear" ``linear`` and ``linear_se``.

        Notes
        -----
        Limits are symmetrical on the scale of log odds for probabilities and shares, and on the log
        scale for other positive quantities. Limits of a new response are quantiles of its
        distribution, averaged over a normal distribution of the predictor with the effects; the
        other predictors are taken as known.
        """
        which = named_prediction(which, (*self.population.predictions, "mean", "linear"))
        return predict_several_intervals(
            self, exog, level, interval, new_levels, alpha, which, others
        )

    # -- not available for several predictors

    def _observed_on(self, data: Any) -> NoReturn:
        self._wait("pictures of calibration and lift", "plots.effect or report()")

    def _wait(self, what: str, instead: str) -> NoReturn:
        raise ModelError(
            f"{what} of mixed models with several linear predictors are not there yet: use "
            f"{instead}."
        )

    def _distribution_variance(self, eta: np.ndarray, sd: np.ndarray) -> float:
        response: Any = self.family
        return float(response.distribution_variance(self.population, eta, sd))

    # -- the record itself

    @property
    def response_dispersion(self) -> float:
        """Dispersion of the responses' distribution: 1, as such parameters are coefficients."""
        return 1.0

    def _ratio_names(self) -> list[str | None]:
        names: list[str | None] = self.population._ratio_names()
        return names

    def _augment_columns(self, data: Any, which: str | None, se_fit: bool) -> dict[str, np.ndarray]:
        if self.response_levels is not None:
            raise ModelError("augment has one number a row: use predict(which='prob').")
        return super()._augment_columns(data, which, se_fit)

    def _described(self) -> dict[str, Any]:
        return describe_several(self)

    def _summary(self, alpha: float) -> SeveralSummary:
        return SeveralSummary(self, alpha)  # type: ignore[arg-type]


def make_several_results(
    model: Any, estimate: GeneralizedEstimate, without_effects: Any, method: str, n_threads: int
) -> MixedSeveralResults:
    """Results of a `MixedGLM` in terms of the given columns."""
    population = _population(estimate, without_effects, n_threads)
    m, fixed = estimate.theta.size, estimate.fixed
    back = fixed.from_standardized
    covariance = estimate.parameter_covariance[:m, :m]
    layout = estimate.layout
    return MixedSeveralResults(
        names=population.names,
        estimates=population.estimates,
        covariance=population.covariance,
        conditional_covariance=fixed.spread_out(back @ estimate.information_inverse @ back.T),
        family=model.family.without_alpha() if estimate.at_zero else model.family,
        groups=groups_of_fit(estimate, model.mixed_rows.fitted_formulas),
        components=variance_components(layout, estimate.theta, (1.0, 0.0), None, covariance),
        theta=estimate.theta,
        theta_names=layout.theta_names(),
        parameter_covariance=covariance,
        sigma=1.0,
        criterion=estimate.value,
        n_parameters=fixed.p + m + estimate.at_zero,
        reml=False,
        method=method,
        rank=fixed.p,
        status=population.status,
        gradient=float(np.abs(estimate.slope).max(initial=0.0)),
        n_evaluations=estimate.n_evaluations,
        n_iter=estimate.n_iter,
        singular=describe_singular(layout, layout.factors(estimate.theta)),
        formula=model.formula,
        infinite=estimate.infinite,
        n_separated=estimate.n_separated,
        **rows_of_fit(without_effects.rows),
        n_threads=n_threads,
        model=model,
        estimate=estimate,
        population=population,
    )


def _population(estimate: GeneralizedEstimate, model: Any, n_threads: int) -> ResponseResults:
    """Results of the model without random effects, with the estimates of the mixed model."""
    fixed, back = estimate.fixed, estimate.fixed.from_standardized
    solution = PredictorSolution(
        params=fixed.spread_out(back @ estimate.beta),
        covariance=fixed.spread_out(back @ estimate.covariance @ back.T),
        log_likelihood=-0.5 * estimate.value,
        n_iter=estimate.n_iter,
        n_sweeps=estimate.n_evaluations,
        status=Status.CONVERGED if estimate.converged else Status.MAX_ITERATIONS,
    )
    blocks = model._blocks()
    names = model._names(blocks, model._column_names(model._rank_and_scaling(n_threads)))
    found: ResponseResults = model._results(blocks, names, solution, n_threads)
    # No null model: the estimates are not those of a fit without random effects.
    found.__dict__["llnull"] = float("nan")
    return found
