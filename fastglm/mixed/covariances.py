"""Covariance structures of random effects: from parameters theta to a factor Lambda.

The effects of a level are ``b = Lambda u`` with u standard normal, times sigma in a linear model.
Bates et al. (2015), section 2.2, for the unstructured one, whose parameters are the lower triangle
of Lambda column by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from fastglm.errors import ModelError

__all__ = ["STRUCTURES", "Correlated", "Structure", "unit_of_effects"]

#: Where a correlation, on its unbounded scale, is at the end of its range to 1e-13.
END = 15.0
#: The same of a start: about 0.96 of the range.
LIFTED = 2.0
#: Power of two of a column's values, in root mean square, from which they have another unit.
FAR_FROM_ONE = 5


@dataclass(frozen=True)
class Structure:
    """Of the effects of k columns.

    Attributes
    ----------
    k : int
        Number of columns.
    """

    k: int
    name: ClassVar[str] = ""
    #: Whether the parameters are entries of Lambda, and its covariance is any that there can be.
    is_linear: ClassVar[bool] = False
    #: Whether the effects of two columns may be correlated.
    is_correlated: ClassVar[bool] = True

    def from_factor(self, factor: np.ndarray) -> np.ndarray:
        """Parameters of a Lambda, (k, k), where they are entries of it."""
        raise NotImplementedError

    @property
    def n_theta(self) -> int:
        """Number of parameters."""
        raise NotImplementedError

    def start(self) -> np.ndarray:
        """Parameters, (m,), at which Lambda is the identity."""
        raise NotImplementedError

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """Lambda, (k, k), lower triangular."""
        raise NotImplementedError

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Derivatives of Lambda in each parameter, (m, k, k)."""
        raise NotImplementedError

    def chain(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Derivatives in the parameters, (m,), from those in the entries of Lambda, (k, k)."""
        return np.einsum("mab,ab->m", self.jacobian(theta), gradient)

    def names(self, columns: tuple[str, ...]) -> list[str]:
        """Of the parameters, given those of the columns."""
        raise NotImplementedError

    def lifted(self, theta: np.ndarray, least: float) -> np.ndarray:
        """Parameters nearby whose standard deviations are not zero."""
        return np.where((self.start() > 0.0) & (np.abs(theta) < least), least, theta)

    def column_units(self, units: np.ndarray) -> np.ndarray:
        """Units of the columns' effects, (k,), that the structure allows, given the best."""
        return units

    def theta_units(self, units: np.ndarray) -> np.ndarray:
        """Units of the parameters, (m,), where the columns' effects have these, (k,)."""
        return units

    def canonical(self, theta: np.ndarray) -> np.ndarray:
        """The parameters of the same covariance whose standard deviations are not negative."""
        raise NotImplementedError


@lru_cache(maxsize=64)
def _lower_by_columns(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a lower triangle, column by column; not to be written to."""
    column, row = np.triu_indices(k)
    return row, column


class Unstructured(Structure):
    """Any covariance: theta is the lower triangle of Lambda, column by column."""

    name = "us"
    is_linear = True

    def from_factor(self, factor: np.ndarray) -> np.ndarray:
        """The triangle."""
        return factor[self._places()]

    @property
    def n_theta(self) -> int:
        """Entries of the lower triangle."""
        return self.k * (self.k + 1) // 2

    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        return _lower_by_columns(self.k)

    def start(self) -> np.ndarray:
        """The identity."""
        row, column = self._places()
        return (row == column).astype(np.float64)

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """The triangle filled."""
        factor = np.zeros((self.k, self.k))
        factor[self._places()] = theta
        return factor

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Ones where each parameter stands."""
        row, column = self._places()
        jacobian = np.zeros((theta.size, self.k, self.k))
        jacobian[np.arange(theta.size), row, column] = 1.0
        return jacobian

    def theta_units(self, units: np.ndarray) -> np.ndarray:
        """Those of the rows."""
        return units[self._places()[0]]

    def chain(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Those of the entries that the parameters are."""
        return gradient[self._places()]

    def names(self, columns: tuple[str, ...]) -> list[str]:
        """As lme4's: a column, or two joined by a dot, second first."""
        row, column = self._places()
        return [
            columns[i] if i == j else f"{columns[i]}.{columns[j]}"
            for i, j in zip(row, column, strict=True)
        ]

    def canonical(self, theta: np.ndarray) -> np.ndarray:
        """Columns of Lambda with a negative diagonal change their sign."""
        factor = self.factor(theta)
        factor *= np.where(np.diag(factor) < 0.0, -1.0, 1.0)
        return factor[self._places()] + 0.0


class Diagonal(Structure):
    """Independent effects: theta is the diagonal of Lambda."""

    name = "diag"
    is_linear = True
    is_correlated = False

    def from_factor(self, factor: np.ndarray) -> np.ndarray:
        """The diagonal."""
        return np.diag(factor)

    @property
    def n_theta(self) -> int:
        """One a column."""
        return self.k

    def start(self) -> np.ndarray:
        """Ones."""
        return np.ones(self.k)

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """The diagonal matrix."""
        return np.diag(theta)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """Ones where each parameter stands."""
        jacobian = np.zeros((self.k, self.k, self.k))
        index = np.arange(self.k)
        jacobian[index, index, index] = 1.0
        return jacobian

    def chain(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Those of the diagonal."""
        return np.diag(gradient)

    def names(self, columns: tuple[str, ...]) -> list[str]:
        """The columns."""
        return list(columns)

    def canonical(self, theta: np.ndarray) -> np.ndarray:
        """Absolute values."""
        return np.abs(theta)


class Correlated(Structure):
    """Standard deviations times the Cholesky factor of a correlation matrix of one parameter.

    theta holds the standard deviations, whose signs do not matter, and then t, a correlation on an
    unbounded scale.
    """

    def semidefinite(self, theta: np.ndarray, small: float) -> tuple[np.ndarray, np.ndarray]:
        """Theta with small standard deviations at zero and t at its end if the correlation is.

        Also which of its entries that holds there, (m,) bool.
        """
        new = theta.copy()
        held = np.append(np.abs(theta[:-1]) < small, False)
        new[held] = 0.0
        if np.count_nonzero(self._deviations(new)[0]) < 2:
            new[-1], held[-1] = 0.0, True
            return new, held
        least = np.linalg.eigvalsh(self._bounded(theta[-1])[0])[0]
        if least < small:
            new[-1], held[-1] = np.copysign(END, theta[-1]), True
        return new, held

    def lifted(self, theta: np.ndarray, least: float) -> np.ndarray:
        """The correlation is not at its end either."""
        lifted = super().lifted(theta, least)
        lifted[-1] = np.clip(lifted[-1], -LIFTED, LIFTED)
        return lifted

    def theta_units(self, units: np.ndarray) -> np.ndarray:
        """Those of the standard deviations; the correlation has none."""
        return np.append(units[: self.n_theta - 1], 1.0)

    def _deviations(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviations, (k,), and their derivatives in those of theta, (m - 1, k)."""
        return np.abs(theta[:-1]), np.diag(np.sign(theta[:-1]))

    def _correlation(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The correlation matrix at t, and its derivative."""
        raise NotImplementedError

    def _bounded(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The same; at its end the matrix still has a Cholesky factor, beyond it all is alike."""
        correlation, slope = self._correlation(min(max(t, -END), END))
        return correlation, slope if abs(t) < END else np.zeros_like(slope)

    @property
    def n_theta(self) -> int:
        """The standard deviations and one more."""
        return self.k + 1

    def start(self) -> np.ndarray:
        """Ones, without correlation."""
        return np.append(np.ones(self.n_theta - 1), 0.0)

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """Rows of the Cholesky factor times standard deviations."""
        correlation, _ = self._bounded(theta[-1])
        return self._deviations(theta)[0][:, None] * np.linalg.cholesky(correlation)

    def jacobian(self, theta: np.ndarray) -> np.ndarray:
        """By the derivative of a Cholesky factor: L Phi(L^-1 dR L^-T), Phi halving the diagonal."""
        correlation, slope = self._bounded(theta[-1])
        root = np.linalg.cholesky(correlation)
        deviations, weights = self._deviations(theta)
        inner = np.linalg.solve(root, np.linalg.solve(root, slope).T)
        of_root = root @ (np.tril(inner, -1) + 0.5 * np.diag(np.diag(inner)))
        return np.stack([*(w[:, None] * root for w in weights), deviations[:, None] * of_root])

    def canonical(self, theta: np.ndarray) -> np.ndarray:
        """Standard deviations without sign."""
        return np.append(np.abs(theta[:-1]), theta[-1])


class CompoundSymmetry(Correlated):
    """A standard deviation for each column and one correlation for all pairs, above -1/(k-1)."""

    name = "cs"

    def _correlation(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        low = -1.0 / max(self.k - 1, 1)
        share = 0.5 * (1.0 + np.tanh(t + np.arctanh(-1.0 - 2.0 * low / (1.0 - low))))
        value = low + (1.0 - low) * share
        ones = np.ones((self.k, self.k)) - np.eye(self.k)
        return np.eye(self.k) + value * ones, (1.0 - low) * 2.0 * share * (1.0 - share) * ones

    def names(self, columns: tuple[str, ...]) -> list[str]:
        """The columns, and "cor"."""
        return [*columns, "cor"]


class Autoregressive(Correlated):
    """One standard deviation, and correlations rho to the power of the distance of columns."""

    name = "ar1"

    def column_units(self, units: np.ndarray) -> np.ndarray:
        """The same for all, as there is one standard deviation."""
        return np.full(self.k, units.min())

    @property
    def n_theta(self) -> int:
        """A standard deviation and a correlation."""
        return 2

    def _deviations(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.full(self.k, abs(theta[0])), np.full((1, self.k), np.sign(theta[0]))

    def _correlation(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        rho = np.tanh(t)
        index = np.arange(self.k)
        distance = np.abs(index[:, None] - index)
        slope = distance * np.power(rho, np.maximum(distance - 1, 0)) * (1.0 - rho * rho)
        return np.power(rho, distance), slope

    def names(self, columns: tuple[str, ...]) -> list[str]:
        """Standard deviation and correlation."""
        return ["sd", "rho"]


def unit_of_effects(column: np.ndarray) -> float:
    """A power of two by which values are about one; 1 where they are not far from that."""
    squares, n = float(column @ column), np.count_nonzero(column)
    if not 0.0 < squares < np.inf:
        return 1.0
    exponent = round(0.5 * np.log2(squares / n))
    return 1.0 if abs(exponent) < FAR_FROM_ONE else 2.0**-exponent


STRUCTURES: dict[str, type[Structure]] = {
    cls.name: cls for cls in (Unstructured, Diagonal, CompoundSymmetry, Autoregressive)
}


def structure_named(name: str, k: int) -> Structure:
    """A structure of k columns.

    Raises
    ------
    ModelError
        If there is none of this name, or it needs more columns.
    """
    if name not in STRUCTURES:
        raise ModelError(f"the structure must be one of {', '.join(STRUCTURES)}, not {name!r}.")
    if name in ("cs", "ar1") and k < 2:
        raise ModelError(f"{name}() needs two or more columns left of the bar.")
    return STRUCTURES[name](k)
