"""MixedLM: the linear mixed model as statsmodels spells it."""

from __future__ import annotations

from typing import Any

from fastglm.entry import entry_points
from fastglm.errors import ModelError
from fastglm.mixed.model import MixedGLM
from fastglm.mixed.results import MixedResults

__all__ = ["MixedLM"]


@entry_points
class MixedLM(MixedGLM):
    """`MixedGLM` with a gaussian response: a script of statsmodels' ``mixedlm`` runs with it.

    Examples
    --------
    >>> import fastglm as fg
    >>> fg.MixedLM([1, 3, 2, 5, 4, 6], [[1.0]] * 6, [0, 0, 1, 1, 2, 2]).fit().names
    ('x1',)
    """

    def __init__(
        self, endog: Any, exog: Any, groups: Any = None, exog_re: Any = None, **options: Any
    ):
        super().__init__(endog, exog, groups, exog_re, **options)

    def fit(  # type: ignore[override]
        self,
        start_params: None = None,
        reml: bool = True,
        method: Any = None,
        maxiter: int | None = None,
        do_cg: bool = True,
        niter_sa: int = 0,
        full_output: bool = False,
        disp: bool = False,
        **options: Any,
    ) -> MixedResults:
        """Maximise the (restricted) likelihood; see `MixedGLM.fit`.

        Parameters
        ----------
        start_params : None
            statsmodels' starts mix coefficients and covariances: none are needed here.
        reml : bool, default True
        method, do_cg, niter_sa, full_output, disp
            statsmodels' choice of an optimiser; there is one here, and they change nothing.
        maxiter : int, optional
            `max_iter`, in statsmodels' spelling.
        **options
            Those of `MixedGLM.fit`.
        """
        if start_params is not None:
            raise ModelError("start_params is not read: give start_theta= or leave it out.")
        if maxiter is not None:
            options.setdefault("max_iter", maxiter)
        return super().fit(reml=reml, **options)
