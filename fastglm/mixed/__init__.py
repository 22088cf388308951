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
        Or what `fastglm.scan` takes: the rows are read piece by piece. Of a linear model once for
        the formula, once more for each random term of columns, and once for the tables of levels;
        of a generalized one about twice for each step, and some 40 numbers of every row are kept
        in memory, but no fixed column. What needs the rows themselves, such as `simulate`, is
        refused afterwards.
    family : family, class or str, default "gaussian"
        Gaussian responses with identity link are fitted by REML unless ``reml=False``. "beta" and
        "ordinal" are there too, and models of zeros with ``ziformula=``.
    **options
        ``memory``, bytes that columns and numbers of rows which are needed as a whole may take,
        ``"1GB"`` by default, for rows of a source; and any other argument of
        `MixedGLM.from_formula` or of `MixedGLM.fit`, such as ``weights``, ``offset``, ``reml`` or
        ``nagq``.

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

    Examples
    --------
    >>> import numpy as np, fastglm as fg
    >>> rng = np.random.default_rng(1)
    >>> g = np.repeat(np.arange(20), 10)
    >>> x = rng.normal(size=200)
    >>> data = {"y": 1 + x + rng.normal(size=20)[g] + rng.normal(size=200), "x": x, "g": g}
    >>> fit = fg.mixed("y ~ x + (1 | g)", data)
    >>> fit.theta.shape, fit.singular
    ((1,), {})
    """
    from fastglm.sources.scan import is_source

    if is_source(data):
        from fastglm.mixed.streamed import fit_streamed

        return fit_streamed(formula, data, family, **options)
    from fastglm.mixed.model import fit_formula

    return fit_formula(formula, data, family, **options)
