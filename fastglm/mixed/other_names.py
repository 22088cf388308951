"""What a fitted mixed model has under the names of lme4 and statsmodels."""

from __future__ import annotations

from typing import Any

from fastglm.mixed.record import MixedFit

__all__ = ["OtherNames"]


class OtherNames(MixedFit):
    """Mixin of `MixedResults`."""

    @property
    def fixef(self) -> Any:
        """`params`, lme4's name."""
        return self.params

    @property
    def fe_params(self) -> Any:
        """`params`, statsmodels' name."""
        return self.params

    @property
    def bse_fe(self) -> Any:
        """`bse`, statsmodels' name."""
        return self.bse

    def VarCorr(self) -> Any:
        """`varcorr`, lme4's name."""
        return self.varcorr

    @property
    def cov_re(self) -> Any:
        """Covariance of the effects of the first factor, (k, k), statsmodels' name."""
        import pandas as pd

        first = self.groups[0]
        return pd.DataFrame(first.covariance, first.columns, first.columns)

    @property
    def random_effects(self) -> dict[Any, Any]:
        """Modes of the first factor by level, statsmodels' name."""
        frame = self.groups[0].frame()
        return {level: frame.loc[level] for level in frame.index}
