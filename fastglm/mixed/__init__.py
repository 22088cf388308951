"""Mixed models: random effects of grouping factors, integrated out of the likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastglm.mixed.results import MixedResults

__all__ = ["mixed"]


def mixed(formula: str, data: Any, family: Any = "gaussian", **options: Any) -> MixedResults:
    """Fit a model with random effects, in lme4's spelling.

    Parameters
    ----------
    formula : str
        ``"y ~ x + (1 + x | g)"``: right of the bar a grouping factor, ``a/b`` for nested and
        ``a:b`` for combined ones; left of it the columns whose effects vary between its levels.
        ``||`` for independent effects; ``diag(...)``, ``cs(...)`` and ``ar1(...)`` around the
        parenthesis for other structures of their covariance.
    data : pandas.DataFrame, polars.DataFrame, pyarrow.Table or mapping of columns
    family : family, class or str, default "gaussian"
        Gaussian responses with identity link are fitted by REML unless ``reml=False``.
    **options
        Any other argument of `MixedGLM.from_formula` or of `MixedGLM.fit`, such as ``weights``,
        ``offset``, ``reml`` or ``nagq``.

    Returns
    -------
    MixedResults

    Raises
    ------
    FormulaError
        If the formula cannot be read.
    DataError, ModelError
        If the data or options cannot be used.

    Notes
    -----
    Bates, Mächler, Bolker & Walker (2015), "Fitting linear mixed-effects models using lme4",
    *Journal of Statistical Software* 67.
    """
    from fastglm.mixed.model import fit_formula

    return fit_formula(formula, data, family, **options)
