"""The parameter of a family that was estimated with the fit, under its usual names."""

from __future__ import annotations

from fastglm.errors import ModelError
from fastglm.families import FAMILIES, Family

__all__ = ["FamilyParameters"]


class FamilyParameters:
    """Mixin of `fastglm.Results`: the negative binomial's alpha and theta, the Tweedie power."""

    family: Family
    parameter_se: float

    @property
    def alpha(self) -> float:
        """The negative binomial's alpha: the variance is mu + alpha mu**2."""
        return self._parameter("alpha", "alpha")

    @property
    def alpha_se(self) -> float:
        """Standard error of `alpha`, from the observed information; NaN if it was given."""
        self._parameter("alpha", "alpha_se")
        return self.parameter_se

    @property
    def theta(self) -> float:
        """R's parameter of the negative binomial, 1 / alpha; infinite on the Poisson boundary."""
        alpha = self._parameter("alpha", "theta")
        return 1.0 / alpha if alpha > 0.0 else float("inf")

    @property
    def theta_se(self) -> float:
        """Standard error of `theta`, as R's ``theta.ml`` gives it; NaN if alpha was given."""
        alpha = self._parameter("alpha", "theta_se")
        return self.parameter_se / alpha**2 if alpha > 0.0 else float("nan")

    @property
    def var_power(self) -> float:
        """The power of the mean in the Tweedie variance function."""
        return self._parameter("var_power", "var_power")

    @property
    def var_power_se(self) -> float:
        """Standard error of `var_power`, from the observed information; NaN if it was given."""
        self._parameter("var_power", "var_power_se")
        return self.parameter_se

    def _parameter(self, name: str, what: str) -> float:
        if self.family.parameter_name != name:
            known = [key for key, family in FAMILIES.items() if family.parameter_name == name]
            raise ModelError(
                f"{what} belongs to the family {' or '.join(known)}, not to {self.family!r}."
            )
        return self.family.parameter
