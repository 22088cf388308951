"""Methods for fits by Firth's method."""

from __future__ import annotations

from fastglm.fit.record import Fit
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.inference.intervals.penalized import penalized_llf, penalized_tests

__all__ = ["PenalizedMethods"]


class PenalizedMethods(Fit):
    """Methods of `fastglm.Results` for fits with ``bias_reduction="firth"``."""

    @property
    def penalized_llf(self) -> float:
        """Log-likelihood plus half the log-determinant of the information, Jeffreys' penalty.

        Raises
        ------
        ModelError
            If the fit does not maximise it: it takes ``bias_reduction="firth"``, a known dispersion
            and the canonical link.
        """
        return penalized_llf(self)

    def penalized_tests(self) -> Table:
        """Penalised likelihood-ratio test of each coefficient being zero.

        Returns
        -------
        Table
            ``chi2``, ``df`` and ``pvalue`` of each coefficient; NaN where aliased. Equal to R's
            package logistf.

        Raises
        ------
        ModelError
            As for `penalized_llf`.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5, 6, 7], "y": [0, 0, 1, 0, 1, 0, 1, 1]}
        >>> res = fg.glm("y ~ x", data, family="binomial", bias_reduction="firth")
        >>> res.penalized_tests().names
        ('Intercept', 'x')
        """
        return penalized_tests(self)
