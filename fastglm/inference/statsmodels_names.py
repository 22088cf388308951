"""Names by which statsmodels' scripts ask for what has another name here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastglm.inference.asking import Asking
from fastglm.inference.hypotheses import wald_test
from fastglm.inference.tables import HypothesisTest

__all__ = ["StatsmodelsNames", "read_fit_options"]

#: Options of statsmodels' ``GLM.fit`` that say how the optimum is looked for, or what is printed.
_OTHER_SEARCH = frozenset(
    {"method", "disp", "full_output", "max_start_irls", "attach_wls", "tol_criterion"}
)


def read_fit_options(options: Mapping[str, Any], max_iter: int) -> int:
    """Most steps, from the options of statsmodels' ``GLM.fit`` that are not those of ours.

    Parameters
    ----------
    options : mapping of str to object
        ``maxiter`` is `max_iter`. Those that choose another way to the same optimum change nothing.
    max_iter : int
        Where they do not say.

    Raises
    ------
    TypeError
        If there is no such option.
    """
    if not options:
        return int(max_iter)
    for name in options.keys() - _OTHER_SEARCH - {"maxiter"}:
        raise TypeError(f"fit() got an unexpected keyword argument {name!r}")
    return int(options.get("maxiter", max_iter))


class StatsmodelsNames(Asking):
    """Mixin of `fastglm.Results`."""

    @property
    def mu(self) -> Any:
        """Fitted means, (n,): `fittedvalues`."""
        return self._fit.fittedvalues

    @property
    def normalized_cov_params(self) -> Any:
        """Inverse of the information at dispersion 1, (p, p)."""
        fit = self._fit
        return fit._matrix(fit.information_inverse, fit.names)

    def fit(self, **options: Any) -> Any:
        """Fit the model again with other options; without any, this fit.

        So ``fg.glm(formula, data).fit()``, as a script for ``statsmodels.formula.api`` has it, is
        ``fg.glm(formula, data)``.

        Parameters
        ----------
        **options
            As for `fastglm.GLM.fit`.

        Returns
        -------
        Results

        Raises
        ------
        DataError
            If the result was loaded without its data.
        """
        if not options:
            return self._fit
        return self._fit._model_with_data("another fit").fit(**options)

    def f_test(self, hypothesis: Any) -> HypothesisTest:
        """`wald_test` with the F distribution."""
        return wald_test(self._fit, hypothesis, use_f=True)
