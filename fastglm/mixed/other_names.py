"""Names of lme4 and statsmodels for attributes of a fitted mixed model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.mixed.effects import GroupEffects
from fastglm.mixed.record import MixedFit

if TYPE_CHECKING:
    import pandas as pd

    from fastglm.design.frames.frames import Level
    from fastglm.typing import Vector

__all__ = ["OtherNames"]


class OtherNames(MixedFit):
    """Mixin of `MixedResults`."""

    @property
    def fixef(self) -> Vector:
        """`params`, lme4's name."""
        return self.params

    @property
    def fe_params(self) -> Vector:
        """`params`, statsmodels' name."""
        return self.params

    @property
    def bse_fe(self) -> Vector:
        """`bse`, statsmodels' name."""
        return self.bse

    @property
    def k_fe(self) -> int:
        """Number of fixed coefficients, statsmodels' name."""
        return len(self.names)

    def VarCorr(self) -> pd.DataFrame:
        """`varcorr`, lme4's name.

        Examples
        --------
        >>> import fastglm as fg
        >>> data = {"y": [1, 3, 2, 5, 4, 7, 2, 4], "x": [0, 1, 2, 3] * 2, "g": list("aabbccdd")}
        >>> res = fg.mixed("y ~ x + (1 | g)", data)
        >>> type(res.VarCorr()).__name__
        'DataFrame'
        """
        return self.varcorr

    @property
    def _outer(self) -> GroupEffects:
        """The factor that all others are nested in by their names, statsmodels' groups.

        The first of several if there is none.
        """

        def names(group: GroupEffects) -> set[str]:
            factors = group.fitted_formula.factors
            return {factor.text for factor in factors} or {group.group}

        nested = [g for g in self.groups if all(names(g) <= names(other) for other in self.groups)]
        return nested[0] if nested else self.groups[0]

    @property
    def cov_re(self) -> pd.DataFrame:
        """Covariance of the effects of the groups, (k, k), statsmodels' name.

        Of several factors that of the one which the others are nested in, or of the first.
        """
        import pandas as pd

        outer = self._outer
        return pd.DataFrame(outer.covariance, outer.columns, outer.columns)

    @property
    def vcomp(self) -> Vector:
        """Variances of the effects of all other factors, by their names, statsmodels' name."""
        outer = self._outer
        others = sorted((g for g in self.groups if g is not outer), key=lambda g: g.group)
        variances = [value for g in others for value in np.diag(g.covariance).tolist()]
        found: Any = np.array(variances, dtype=np.float64)
        return found

    @property
    def random_effects(self) -> dict[Level, pd.Series]:
        """Modes of the groups by level, statsmodels' name; of the factor as for `cov_re`."""
        frame = self._outer.frame()
        return {level: frame.loc[level] for level in frame.index}

    @property
    def random_effects_cov(self) -> dict[Level, pd.DataFrame]:
        """Conditional covariances of the groups' effects by level, (k, k), statsmodels' name."""
        import pandas as pd

        outer = self._outer
        return {
            level: pd.DataFrame(variance, outer.columns, outer.columns)
            for level, variance in zip(outer.levels, outer.variances, strict=True)
        }
