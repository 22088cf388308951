"""MixedLM: the linear mixed model as statsmodels spells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.design.frames.frames import Frame
from fastglm.design.frames.output import with_columns
from fastglm.entry import entry_points
from fastglm.errors import ModelError
from fastglm.mixed.model import MixedGLM
from fastglm.mixed.results import MixedResults

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MixedLM"]

#: Options of statsmodels' optimisers.
_OF_OPTIMISERS = {
    "callback", "eps", "epsilon", "factr", "ftol", "gtol", "maxfun", "norm", "pgtol", "retall",
    "skip_hess", "tol", "xtol",
}  # fmt: skip


@entry_points
class MixedLM(MixedGLM):
    """`MixedGLM` with a gaussian response: a script of statsmodels' ``mixedlm`` runs with it.

    Parameters
    ----------
    endog, exog, groups
        As for `MixedGLM`.
    exog_re : array_like, shape (n, k), optional
        Columns whose effects vary between groups.
    exog_vc : None
        statsmodels' matrices of variance components: `random` or ``vc_formula`` say the same.
    use_sqrt : bool
        statsmodels' choice of parameters, which changes nothing here.
    missing : {"raise", "drop"}, default "raise"
        statsmodels' "none" is "raise".
    **options
        Those of `MixedGLM`.

    Examples
    --------
    >>> import fastglm as fg
    >>> fg.MixedLM([1, 3, 2, 5, 4, 6], [[1.0]] * 6, [0, 0, 1, 1, 2, 2]).fit().names
    ('x1',)
    """

    def __init__(
        self,
        endog: Any,
        exog: Any,
        groups: Any = None,
        exog_re: Any = None,
        exog_vc: None = None,
        use_sqrt: bool = True,
        missing: str = "raise",
        **options: Any,
    ):
        if exog_vc is not None:
            raise ModelError(
                "exog_vc= is not read: give random=[fastglm.Random(...), ...], or vc_formula= "
                "with a formula and a data frame."
            )
        super().__init__(endog, exog, groups, exog_re, missing=_rule(missing), **options)

    @property
    def k_fe(self) -> int:
        """Number of fixed columns."""
        return int(self.rows.design.n_columns)

    @classmethod
    def from_formula(  # type: ignore[override]
        cls,
        formula: str,
        data: Any,
        re_formula: str | None = None,
        vc_formula: Mapping[str, str] | None = None,
        subset: Any = None,
        use_sparse: bool = False,
        missing: str = "raise",
        *,
        groups: Any = None,
        **options: Any,
    ) -> Self:
        """A model given as a formula and a data frame.

        Parameters
        ----------
        formula, data, re_formula, vc_formula, subset
            As for `MixedGLM.from_formula`.
        use_sparse : bool
            statsmodels' choice of matrices, which changes nothing here.
        missing : {"raise", "drop"}, default "raise"
            statsmodels' "none" is "raise".
        groups : str or array_like, shape (n,), optional
            Column with the levels, or the levels themselves.
        **options
            Those of `MixedGLM.from_formula`.

        Raises
        ------
        FormulaError, DataError, ModelError
            As there.
        """
        if groups is not None and not isinstance(groups, str):
            levels, name = groups, str(getattr(groups, "name", None) or "groups")
            groups = name
            if name not in Frame(data).names or levels is not data[name]:
                data = with_columns(data, None, {name: np.asarray(levels)})
        return super().from_formula(
            formula, data, groups=groups, re_formula=re_formula, vc_formula=vc_formula,
            missing=_rule(missing), subset=subset, **options,
        )  # fmt: skip

    def fit(  # type: ignore[override]
        self,
        start_params: None = None,
        reml: bool = True,
        niter_sa: int = 0,
        do_cg: bool = True,
        full_output: bool = False,
        method: Any = None,
        maxiter: int | None = None,
        disp: bool = False,
        **options: Any,
    ) -> MixedResults:
        """Maximise the (restricted) likelihood; see `MixedGLM.fit`.

        Parameters
        ----------
        start_params : None
            statsmodels' starts mix coefficients and covariances: none are needed here.
        reml : bool, default True
        niter_sa, do_cg, full_output, method, disp
            statsmodels' choice of an optimiser; there is one here, and they change nothing.
        maxiter : int, optional
            `max_iter`, in statsmodels' spelling.
        **options
            Those of `MixedGLM.fit`; of statsmodels' optimisers, such as ``gtol``, they change
            nothing.
        """
        if start_params is not None:
            raise ModelError("start_params is not read: give start_theta= or leave it out.")
        if maxiter is not None:
            options.setdefault("max_iter", maxiter)
        options = {name: v for name, v in options.items() if name not in _OF_OPTIMISERS}
        return super().fit(reml=reml, **options)


def _rule(missing: str) -> str:
    """The rule for missing values that statsmodels' name stands for."""
    return "raise" if missing == "none" else missing
