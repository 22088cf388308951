"""Names by which statsmodels' scripts ask for what has another name here."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from fastglm.errors import OptionError
from fastglm.inference.asking import Asking
from fastglm.inference.hypotheses import wald_test
from fastglm.inference.tables import HypothesisTest
from fastglm.pointers import describe_option

__all__ = ["StatsmodelsNames", "read_fit_options"]

# fmt: off
#: Options of statsmodels' ``GLM.fit`` that say how the optimum is looked for, or what is printed.
_OTHER_SEARCH = frozenset({
    "method", "disp", "full_output", "max_start_irls", "attach_wls", "tol_criterion", "atol",
    "wls_method", "optim_hessian", "callback", "retall", "skip_hessian", "warn_convergence",
})
# fmt: on


def read_fit_options(
    called: str, model: type, options: Mapping[str, Any], tol: float, max_iter: int
) -> tuple[float, int]:
    """Tolerance and most steps, from the options of statsmodels' ``GLM.fit`` that are not ours.

    Parameters
    ----------
    called : str
        The function that was given them.
    model : type
        Class of the model, whose options are known.
    options : mapping of str to object
        ``maxiter`` is `max_iter`, and ``rtol`` a `tol`. Those that choose another way to the same
        optimum change nothing.
    tol, max_iter
        Where they do not say, or say less.

    Raises
    ------
    OptionError
        If there is no such option.
    """
    if not options:
        return tol, int(max_iter)
    for name in options:
        if name not in _OTHER_SEARCH and name not in ("maxiter", "rtol"):
            methods = [model.fit] if called == "fit" else [model.from_formula, model.fit]  # type: ignore[attr-defined]
            known = [p for method in methods for p in inspect.signature(method).parameters]
            known = [p for p in known if p not in ("self", "statsmodels_options")]
            raise OptionError(describe_option(called, name, known, model))
    rtol = options.get("rtol")
    return min(tol, rtol) if rtol else tol, int(options.get("maxiter", max_iter))


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
