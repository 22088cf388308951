"""The bootstrap of fits of several predictors: refits to samples, each from the fit's estimates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from fastglm.errors import ModelError, Status
from fastglm.inference.covariance.bootstrap import Progress
from fastglm.responses.record import ResponseFit
from fastglm.solve.fit import SolverOptions

__all__ = ["ResponseResampling"]

#: Of the estimates of a sample, whose own error is far larger.
TOLERANCE = 1e-6


class ResponseResampling(ResponseFit):
    """Mixin of `ResponseResults`."""

    def replicates_of_samples(
        self, kind: str, seeds: np.ndarray, codes: np.ndarray | None, progress: Progress | None
    ) -> np.ndarray:
        """Estimates of a sample of each seed, (B, m); NaN where it has none."""
        model = self._model_with_data("the bootstrap")
        if kind == "parametric" and model.rows.frequencies is not None:
            raise ModelError(
                "a parametric bootstrap draws a response for each observation: repeat the rows "
                "instead of counting them by freq_weights."
            )
        sampled = self._resampled(codes) if kind != "parametric" else self._redrawn()
        options = SolverOptions(TOLERANCE, max_iter=100, n_threads=self.n_threads)
        blocks, column_info = model._blocks(), model._rank_and_scaling(self.n_threads)
        start = np.nan_to_num(self.estimates, neginf=0.0)
        replicates = np.full((seeds.size, start.size), np.nan)
        for b, seed in enumerate(seeds):
            sample = copy(model)
            sample.rows = sampled(np.random.default_rng(seed))
            solution = sample._estimate(blocks, column_info, start, options)
            separated = sample._search(blocks, solution, "warn", self.n_threads)
            if solution.status == Status.CONVERGED and separated is None:
                replicates[b] = solution.params
            if progress is not None:
                progress(b + 1, seeds.size)
        return replicates

    def _resampled(self, codes: np.ndarray | None) -> Callable[[np.random.Generator], Any]:
        """Rows, or groups of them, drawn with replacement."""
        rows = self._model_with_data("the bootstrap").rows
        weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
        if codes is not None:
            n_groups = int(codes.max()) + 1
            often, size = np.ones(n_groups), n_groups
        else:
            often = (weights > 0.0).astype(np.float64)
            if rows.frequencies is not None:
                often = often * rows.frequencies
                weights = weights / np.where(often > 0.0, often, 1.0)
            size = round(self.nobs)

        def drawn(generator: np.random.Generator) -> Any:
            counts = generator.multinomial(size, often / often.sum())
            times = counts if codes is None else counts[codes]
            return replace(rows, prior_weights=weights * times, frequencies=None)

        return drawn

    def _redrawn(self) -> Callable[[np.random.Generator], Any]:
        """The rows with responses drawn from the fitted model."""
        rows = self._model_with_data("the bootstrap").rows
        _, etas = self._fitted_rows("the bootstrap")
        return lambda generator: replace(rows, response=self._draw(etas, generator))

    def _draw(self, etas: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A response of each row, as the rows of a fit hold them, from (K, n) predictors."""
        raise NotImplementedError

    def row_influences(self) -> Iterator[tuple[slice, np.ndarray]]:
        """What each row adds to the estimates, (c, m) of some rows, all observations of it."""
        model = self._model_with_data("accelerations")
        rows = model.row_scores(self.estimates, self.n_threads)
        bread = np.linalg.solve(rows.back, np.nan_to_num(self.information_inverse))
        for numbers, scores in rows.scores():
            yield numbers, scores @ bread
