"""MixedGLM: a generalized linear mixed model, by arrays or by formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice, require_whole
from fastglm.design.frames.frames import Frame
from fastglm.entry import entry_points
from fastglm.errors import DataError, ModelError
from fastglm.kernels.threads.threads import usable_threads
from fastglm.mixed.adaptive import MOST_NODES
from fastglm.mixed.advice import warn_of_fit, warn_of_several
from fastglm.mixed.array_rows import rows_of_arrays
from fastglm.mixed.assemble import make_results
from fastglm.mixed.estimate import estimate_linear
from fastglm.mixed.fast import estimate_fast
from fastglm.mixed.formula import statsmodels_terms
from fastglm.mixed.generalized import GeneralizedEstimate, estimate_generalized
from fastglm.mixed.profiled_parameter import estimate_profiled, is_profiled
from fastglm.mixed.results import MixedResults
from fastglm.mixed.rows import MixedRows, Random, rows_of_formula
from fastglm.mixed.several.estimate import estimate_several
from fastglm.mixed.several.resolve import family_of, resolve_response
from fastglm.mixed.several.responses import MixedResponse
from fastglm.mixed.several.results import make_several_results
from fastglm.mixed.units import fit_in_own_units
from fastglm.pointers import Pointing
from fastglm.rows.model_rows import ModelRows
from fastglm.rows.read import row_columns
from fastglm.rows.subset import RowsChosen, chosen_rows, conditions_of

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MixedGLM", "fit_formula"]

_OF_MODEL = {
    "link", "offset", "exposure", "freq_weights", "var_weights", "weights", "missing",
    "ziformula", "dispformula", "subset",
}  # fmt: skip


@entry_points
class MixedGLM(RowsChosen, Pointing):
    """A generalized linear model with random effects.

    Parameters
    ----------
    endog : array_like, shape (n,) or (n, 2)
        Response, as for `fastglm.GLM`.
    exog : array_like or data frame, shape (n, p)
        Fixed columns; no intercept is added.
    groups : array_like, shape (n,), optional
        Level of each row.
    Z : array_like or data frame, shape (n, k), optional
        Columns whose effects vary between levels; an intercept alone by default.
    family : family, class or str, default "gaussian"
        With a likelihood: gaussian, binomial, poisson, gamma, inverse_gaussian, negative_binomial
        or tweedie. A parameter of the family that is not given is estimated. Also "beta" for
        shares, with links as `fastglm.BetaModel`, and "ordinal" for ordered categories, with links
        as `fastglm.OrderedModel`.
    random : sequence of Random, optional
        Several grouping factors, instead of `groups` and `Z`.
    offset, exposure, freq_weights, var_weights, weights : array_like, shape (n,), optional
        As for `fastglm.GLM`; the last is R's name for `var_weights`.
    missing, link
        As for `fastglm.GLM`.

    Raises
    ------
    DataError, ModelError
        If anything in the data cannot be used, or options do not go together.

    Examples
    --------
    >>> import numpy as np, fastglm as fg
    >>> rng = np.random.default_rng(1)
    >>> group = np.repeat(np.arange(20), 10)
    >>> x = rng.normal(size=200)
    >>> y = 1 + x + rng.normal(size=20)[group] + rng.normal(size=200)
    >>> fit = fg.MixedGLM(y, np.column_stack([np.ones(200), x]), groups=group).fit()
    >>> fit.params.shape
    (2,)
    """

    def __init__(
        self,
        endog: Any,
        exog: Any,
        groups: Any = None,
        Z: Any = None,
        family: Any = "gaussian",
        *,
        random: Sequence[Random] | None = None,
        exog_re: Any = None,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        weights: Any = None,
        missing: str = "raise",
        link: Any = None,
    ):
        several = resolve_response(family, link, None, None)
        self.family: Any = family_of(family, link) if several is None else several
        Z = exog_re if Z is None else Z
        if (groups is None) == (random is None):
            raise ModelError("give either groups=, with Z=, or random=.")
        random = [Random(groups, Z)] if random is None else list(random)
        columns = _columns(offset, exposure, freq_weights, var_weights, weights)
        takes: Any = self.family if several is None else several.takes
        self.mixed_rows: MixedRows = rows_of_arrays(endog, exog, random, takes, columns, missing)
        self.formula: str | None = None
        self.source: tuple[Any, dict[str, Any]] | None = None

    @classmethod
    def from_formula(
        cls,
        formula: str,
        data: Any,
        family: Any = "gaussian",
        groups: Any = None,
        re_formula: str | None = None,
        vc_formula: Mapping[str, str] | None = None,
        *,
        offset: Any = None,
        exposure: Any = None,
        freq_weights: Any = None,
        var_weights: Any = None,
        weights: Any = None,
        missing: str = "raise",
        link: Any = None,
        ziformula: str | None = None,
        dispformula: str | None = None,
        subset: Any = None,
    ) -> Self:
        """A model given as a formula and a data frame.

        Parameters
        ----------
        formula : str
            ``"y ~ x + (1 + x | g)"``, or without random terms where `groups` is given.
        data : data frame
        family, link
            As for `MixedGLM`.
        groups : str, optional
            statsmodels' spelling: column with the levels, ...
        re_formula : str, optional
            ... columns whose effects vary between them, ``"~x"``; an intercept by default, ...
        vc_formula : mapping of str to str, optional
            ... and further independent effects inside each level, by name,
            ``{"item": "0 + C(item)"}``.
        offset, exposure, freq_weights, var_weights, weights : str or array_like, optional
            As for `MixedGLM`, or the name of a column.
        ziformula : str, optional
            glmmTMB's spelling of a model for the zeros of counts, ``"~ x"`` or ``"~1"``, with
            random terms of its own, ``"~ x + (1 | g)"``, independent of the others: log odds of
            extra zeros with family "poisson" or "negative_binomial", and of a count at all, as
            in `fastglm.Hurdle`, with "truncated_poisson" or "truncated_negative_binomial".
        dispformula : str, optional
            glmmTMB's spelling of a model for the dispersion: logarithm of the precision of family
            "beta", and of alpha of "negative_binomial", with or without `ziformula`.
        missing, subset
            As for `fastglm.GLM.from_formula`.

        Raises
        ------
        FormulaError, DataError, ModelError
            If the formula cannot be read, and as for `MixedGLM`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7], "x": [0, 1, 2, 3, 0, 1], "g": list("aabbcc")}
        >>> fg.MixedGLM.from_formula("y ~ x + (1 | g)", data).formula
        'y ~ x + (1 | g)'
        """
        model = cls.__new__(cls)
        several = resolve_response(family, link, ziformula, dispformula)
        model.family = family_of(family, link) if several is None else several
        if groups is not None:
            terms = statsmodels_terms(groups, re_formula, vc_formula, Frame(data))
            formula = f"{formula} + {terms}"
        elif re_formula is not None or vc_formula is not None:
            raise ModelError("re_formula= and vc_formula= need groups=.")
        columns = _columns(offset, exposure, freq_weights, var_weights, weights)
        data, columns = chosen_rows(data, columns, subset)
        further = () if several is None else several.further(ziformula, dispformula)
        takes: Any = model.family if several is None else several.takes
        model.mixed_rows = rows_of_formula(formula, data, takes, columns, missing, further)
        model.formula, model.chosen_by = formula, conditions_of(subset)
        model.source = (
            data,
            {**columns, "missing": missing, "ziformula": ziformula, "dispformula": dispformula},
        )
        return model

    def with_formula(self, formula: str, data: Any = None, **options: Any) -> Self:
        """The model of another formula, data or options, and nothing else changed.

        Raises
        ------
        ModelError
            If the model was given as arrays.
        """
        if self.source is None:
            raise ModelError("the model was given as arrays: this needs one from a formula.")
        known, known_options = self.source
        options = {"family": self.family} | known_options | options
        return self._with_formula(formula, known, data, **options)

    def fit(
        self,
        reml: bool | None = None,
        nagq: int = 1,
        laplace: str = "observed",
        start_theta: Any = None,
        max_iter: int = 200,
        n_threads: int | None = None,
    ) -> MixedResults:
        """Maximise the likelihood, random effects integrated out.

        Parameters
        ----------
        reml : bool, optional
            Restricted likelihood; by default for a gaussian response with identity link, as lme4.
        nagq : int, default 1
            Nodes of adaptive Gauss-Hermite quadrature for each effect, for one grouping factor
            with one or two effects; 1 is Laplace's approximation, and 0 the cruder one of lme4
            that estimates coefficients together with the effects.
        laplace : {"observed", "expected"}, default "observed"
            Which weights the approximation's determinant is of, where the link is not canonical:
            "observed" is Laplace's approximation as defined, and what glmmTMB does; "expected"
            is what lme4 does.
        start_theta : array_like, shape (m,), optional
            Parameters of the covariances to start from.
        max_iter : int, default 200
            Most quasi-Newton steps.
        n_threads : int, optional
            Threads to use. The results do not depend on it, to the last bit.

        Returns
        -------
        MixedResults

        Warns
        -----
        SeparationWarning
            If fixed columns separate responses, so that their coefficients are infinite.
        BoundaryWarning
            If the parameter of the negative binomial is zero, or a standard deviation of effects
            on probabilities has no clear end.
        ConvergenceWarning
            If the fit stopped early; the text names the parameter that still moves.

        Raises
        ------
        ModelError
            If an option does not go with the model.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7], "x": [0, 1, 2, 3, 0, 1], "g": list("aabbcc")}
        >>> fg.MixedGLM.from_formula("y ~ x + (1 | g)", data).fit().names
        ('Intercept', 'x')
        """
        checked_choice("laplace", laplace, ("observed", "expected"))
        require_whole("max_iter", max_iter, 1, None)
        require_whole("nagq", nagq, 0, MOST_NODES)
        threads = usable_threads(n_threads)
        start = self._checked_start(start_theta)
        linear = self.family.is_linear
        if reml and not linear:
            raise ModelError("REML is defined for a gaussian response with identity link only.")
        if isinstance(self.family, MixedResponse):
            return self._fit_several(nagq, laplace, start, max_iter, threads)
        if not self.family.dispersion_known:
            self._require_residuals("residuals" if linear else "dispersion")
        if linear:
            reml = True if reml is None else bool(reml)

            def fit(rows: MixedRows, start: np.ndarray | None) -> Any:
                return estimate_linear(rows, reml, start, max_iter, threads)

            method = "REML" if reml else "ML"
        else:
            observed = laplace == "observed"

            def fit(rows: MixedRows, start: np.ndarray | None) -> Any:
                if nagq == 0:
                    return estimate_fast(rows, self.family, observed, start, max_iter, threads)
                by = estimate_profiled if is_profiled(self.family) else estimate_generalized
                return by(rows, self.family, observed, nagq, start, max_iter, threads)

            method = {0: "nAGQ = 0", 1: "Laplace"}.get(nagq, f"adaptive quadrature, {nagq} nodes")
            if not self.family.has_canonical_link:
                method += f" ({laplace})"
        estimate = fit_in_own_units(fit, self.mixed_rows, start, threads)
        results = make_results(self, estimate, method, threads)
        options = {"reml": reml, "nagq": nagq, "laplace": laplace, "max_iter": max_iter}
        results = replace(results, fit_options=options)
        warn_of_fit(results, estimate)
        return results

    def _fit_several(
        self, nagq: int, laplace: str, start: np.ndarray | None, max_iter: int, n_threads: int
    ) -> MixedResults:
        """The fit of several linear predictors."""
        if nagq == 0:
            raise ModelError(
                "nagq=0 is lme4's, for models of one linear predictor: with several, thresholds "
                "or precisions would be biased as much as the coefficients are. Use nagq=1."
            )
        if laplace != "observed":
            raise ModelError(
                "laplace='expected' is lme4's, for models of one linear predictor; those of "
                "several are glmmTMB's, with observed weights: leave out laplace=."
            )
        without_effects: Any = None

        def fit(rows: MixedRows, start: np.ndarray | None) -> GeneralizedEstimate:
            nonlocal without_effects
            found, without_effects = estimate_several(
                rows, self.family, nagq, start, max_iter, n_threads
            )
            return found

        estimate = fit_in_own_units(fit, self.mixed_rows, start, n_threads)
        method = "Laplace" if nagq == 1 else f"adaptive quadrature, {nagq} nodes"
        results = make_several_results(self, estimate, without_effects, method, n_threads)
        results = replace(results, fit_options={"nagq": nagq, "max_iter": max_iter})
        warn_of_several(results, estimate)
        return results

    @property
    def rows(self) -> ModelRows:
        """Rows of the fixed part."""
        return self.mixed_rows.fixed

    def _checked_start(self, start_theta: Any) -> np.ndarray | None:
        if start_theta is None:
            return None
        m = sum(t.structure.n_theta for block in self.mixed_rows.blocks for t in block.terms)
        try:
            start = np.atleast_1d(np.asarray(start_theta, dtype=np.float64))
        except (TypeError, ValueError):
            start = np.empty(0)
        if start.shape != (m,) or not np.isfinite(start).all():
            raise DataError(f"start_theta must be {m} finite numbers.")
        return start

    def _require_residuals(self, what: str) -> None:
        """Refuse an effect for every row: its variance and sigma are not separately identified."""
        for block in self.mixed_rows.blocks:
            if block.q * block.k >= self.mixed_rows.nobs:
                raise ModelError(
                    f"'{block.group}' has {block.q * block.k} random effects for "
                    f"{self.mixed_rows.nobs:g} observations: they cannot be told from the "
                    f"{what}. Leave the term out or use a coarser grouping factor."
                )

    def __repr__(self) -> str:
        what = f", formula={self.formula!r}" if self.formula else ""
        return f"<{type(self).__name__} {self.family!r}, {self.rows.n_rows} rows{what}>"


def fit_formula(formula: str, data: Any, family: Any = "gaussian", **options: Any) -> MixedResults:
    """Build and fit; see `fastglm.mixed`."""
    of_model = {name: options.pop(name) for name in _OF_MODEL & options.keys()}
    return MixedGLM.from_formula(formula, data, family, **of_model).fit(**options)


def _columns(
    offset: Any, exposure: Any, freq_weights: Any, var_weights: Any, weights: Any
) -> dict[str, Any]:
    if weights is not None:
        if var_weights is not None:
            raise ModelError("weights= and var_weights= are the same: give one of them.")
        var_weights = weights
    return row_columns(offset, exposure, freq_weights, var_weights)
