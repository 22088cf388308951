"""Names of lme4 and statsmodels for attributes of a fitted mixed model."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    def VarCorr(self) -> pd.DataFrame:
        """`varcorr`, lme4's name."""
        return self.varcorr

    @property
    def cov_re(self) -> pd.DataFrame:
        """Covariance of the effects of the first factor, (k, k), statsmodels' name."""
        import pandas as pd

        first = self.groups[0]
        return pd.DataFrame(first.covariance, first.columns, first.columns)

    @property
    def random_effects(self) -> dict[Level, pd.Series]:
        """Modes of the first factor by level, statsmodels' name."""
        frame = self.groups[0].frame()
        return {level: frame.loc[level] for level in frame.index}
