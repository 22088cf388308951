"""The method that fits a result's model again with a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastglm.fit.base import FitBase
from fastglm.inference.hypothesis_tests.updated import updated

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["UpdateMethods"]


class UpdateMethods(FitBase):
    """Mixin of all results."""

    def update(self, formula: str | None = None, data: Any = None, **options: Any) -> Self:
        """Fit the model again with another formula, other data or other options, as R's ``update``.

        Parameters
        ----------
        formula : str, optional
            A formula in which a dot stands for that side of the one there is, such as
            ``". ~ . - x"`` or ``"log(.) ~ . + z"``.
        data : data frame, or source of rows where the fit read one, optional
            A condition that chose the rows of this fit chooses among these too.
        **options
            Arguments of the model's ``from_formula`` and of its ``fit``, such as ``family``,
            ``subset``, which chooses among the rows of this fit if there is no `data`, or
            ``cov_type``. What is not given stays as it is.

        Returns
        -------
        Results
            Of the kind of this one.

        Raises
        ------
        ModelError
            If the model was not given as a formula and data for it, was fitted under constraints,
            or has a covariance, such as of clusters, that needs to be told anew, or its rows were
            chosen by truth values, which other data do not have.
        DataError
            If the result was loaded, without its model.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
        >>> res = fg.glm("y ~ x + g", data, family="poisson")
        >>> res.update(". ~ . - g").formula
        'y ~ x'
        """
        return updated(self, formula, data, options)
