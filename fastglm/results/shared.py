"""Methods of every result, whatever its model: tests, summary and saving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastglm.errors import ModelError
from fastglm.fit.base import FitBase
from fastglm.fit.json_numbers import write_json
from fastglm.inference.hypothesis_tests.hypotheses import LinearTests, t_test, wald_test
from fastglm.inference.hypothesis_tests.tables import HypothesisTest

__all__ = ["SharedMethods"]

#: What the models without an export are told.
_EXPORTED = "is written for fits of fastglm.GLM alone; use predict, or GLM."


class SharedMethods(FitBase):
    """Methods of all results."""

    def t_test(self, hypothesis: Any) -> LinearTests:
        """Tests of linear combinations of the coefficients, one by one.

        Parameters
        ----------
        hypothesis : str, array_like, or tuple of two array_like
            ``"x1 = x2, x3 = 0"``, or a matrix of one row of p numbers for each combination, which
            is compared with zero, or such a matrix and the k values to compare with. A name that
            is not a plain word may be written as it is or in backquotes.

        Returns
        -------
        LinearTests
            t tests if the fit uses t (`use_t`), else z tests.

        Raises
        ------
        ModelError
            If the hypothesis cannot be read, or involves an aliased coefficient in a combination
            that is not estimable.
        DataError
            If a matrix has the wrong shape.
        """
        return t_test(self, hypothesis)

    def wald_test(
        self, hypothesis: Any, use_f: bool | None = None, scalar: bool = True
    ) -> HypothesisTest:
        """Wald test of all equations of a linear hypothesis together.

        Parameters
        ----------
        hypothesis
            As for `t_test`.
        use_f : bool, optional
            F instead of chi-squared; by default where the fit uses t.
        scalar : True
            As statsmodels is asked for it: the statistic is a number, not a matrix.

        Raises
        ------
        ModelError
            As for `t_test`, if one equation follows from the others, or if `scalar` is not True.
        DataError
            If a matrix has the wrong shape.
        """
        if not scalar:
            raise ModelError("scalar must be True: the statistic is a number.")
        return wald_test(self, hypothesis, use_f)

    def summary(
        self,
        alpha: float = 0.05,
        yname: str | None = None,
        xname: Sequence[str] | None = None,
        title: str | None = None,
    ) -> Any:
        """Table of coefficients and goodness of fit; prints as text, shows as HTML in notebooks.

        Parameters
        ----------
        alpha : float, default 0.05
            Intervals are at level 1 - alpha.
        yname, xname, title : optional
            Other names of the response and of the p coefficients, and another title.
        """
        return self._summary(alpha).renamed(yname, xname, title)

    def to_sql(self, *_: Any, **__: Any) -> str:
        """Of fits of one linear predictor alone; see `fastglm.Results.to_sql`."""
        raise ModelError(f"a fit of {self._model_name()} cannot be exported: SQL {_EXPORTED}")

    def to_onnx(self, *_: Any, **__: Any) -> Any:
        """Of fits of one linear predictor alone; see `fastglm.Results.to_onnx`."""
        raise ModelError(f"a fit of {self._model_name()} cannot be exported: ONNX {_EXPORTED}")

    def _model_name(self) -> str:
        return str(getattr(self, "kind", type(self).__name__.removesuffix("Results")))

    def _summary(self, alpha: float) -> Any:
        raise NotImplementedError

    def _described(self) -> dict[str, Any]:
        """All of the fit as plain JSON types."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    def save(self, path: str | Path) -> None:
        """Write the fit to a JSON file that `fastglm.load` reads; no data goes with it."""
        write_json(self._described(), path)
