"""The random effects of a fit: their covariances and conditional modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from fastglm.inference.rendering import RenderedFrame
from fastglm.mixed.layout import Layout, Term
from fastglm.mixed.rows import FittedGroup

__all__ = ["GroupEffects", "VarianceComponent", "components_of", "variance_components"]

#: Steps of numerical derivatives of standard deviations and correlations in theta.
STEP = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class GroupEffects(RenderedFrame):
    """Random effects of one grouping factor.

    Attributes
    ----------
    group : str
    levels : tuple
        The q levels.
    columns : tuple of str
        Names of the k effects of a level.
    terms : tuple of Term
    covariance : ndarray, shape (k, k)
        Between the effects of a level.
    modes : ndarray, shape (q, k)
        Conditional modes: means, in a linear model.
    variances : ndarray, shape (q, k, k)
        Conditional variances, given the other parameters.
    fitted_formula : FittedGroup
        For new rows.
    """

    group: str
    levels: tuple
    columns: tuple[str, ...]
    terms: tuple[Term, ...]
    covariance: np.ndarray
    modes: np.ndarray
    variances: np.ndarray
    fitted_formula: FittedGroup

    def __repr__(self) -> str:
        of = ", ".join(self.columns)
        return f"<GroupEffects: {len(self.levels)} levels of {self.group}, effects of {of}>"

    def _heading(self) -> str:
        return repr(self).strip("<>")

    def frame(self) -> Any:
        """The modes as a pandas DataFrame, levels by effects."""
        import pandas as pd

        index = pd.Index(list(self.levels), name=self.group)
        return pd.DataFrame(self.modes, index=index, columns=list(self.columns))

    def summary_frame(self, alpha: float = 0.05) -> Any:
        """Mode, conditional standard deviation and limits of every effect, a row each."""
        import pandas as pd

        half = scipy.special.ndtri(1.0 - alpha / 2.0)
        sd = np.sqrt(np.diagonal(self.variances, axis1=1, axis2=2))
        index = pd.MultiIndex.from_product(
            [list(self.levels), list(self.columns)], names=[self.group, "term"]
        )
        mode, sd = self.modes.ravel(), sd.ravel()
        columns = {"mode": mode, "sd": sd, "lower": mode - half * sd, "upper": mode + half * sd}
        return pd.DataFrame(columns, index=index)


@dataclass(frozen=True)
class VarianceComponent:
    """A variance, or a covariance, of random effects or of the residuals.

    Attributes
    ----------
    group, term1, term2 : str
        `term2` is empty for a variance.
    variance : float
        Or covariance.
    sd : float
        Standard deviation, or correlation.
    se : float
        Standard error of `sd`; NaN on the boundary.
    """

    group: str
    term1: str
    term2: str
    variance: float
    sd: float
    se: float

    def limits(self, alpha: float = 0.05) -> tuple[float, float]:
        """Wald's interval of `sd` at level 1 - alpha; NaN on the boundary.

        On the scale of the logarithm of a standard deviation, and of the inverse hyperbolic tangent
        of a correlation.
        """
        half = float(scipy.special.ndtri(1.0 - alpha / 2.0)) * self.se
        if self.term2:
            if not abs(self.sd) < 1.0:
                return np.nan, np.nan
            center, half = np.arctanh(self.sd), half / (1.0 - self.sd**2)
            return float(np.tanh(center - half)), float(np.tanh(center + half))
        if not self.sd > 0.0:
            return np.nan, np.nan
        factor = float(np.exp(half / self.sd))
        return self.sd / factor, self.sd * factor


def _standard(covariance: np.ndarray, places: Sequence[tuple[int, int]]) -> np.ndarray:
    """Standard deviations and correlations at these places of a covariance."""
    deviations = np.sqrt(np.diag(covariance))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array(
            [
                deviations[i] if i == j else covariance[i, j] / (deviations[i] * deviations[j])
                for i, j in places
            ]
        )


def _places(terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Variances of a block, then the covariances that its terms have."""
    found = []
    for term in terms:
        index = range(term.start, term.stop)
        found += [(i, i) for i in index]
        if term.structure.name != "diag":
            found += [(i, j) for i in index for j in range(i + 1, term.stop)]
    return found


def components_of(layout: Layout) -> list[tuple[int, list[tuple[int, int]]]]:
    """Of every block, the entries of its covariance that are parameters."""
    return [(b, _places(block.terms)) for b, block in enumerate(layout.blocks)]


def variance_components(
    layout: Layout,
    theta: np.ndarray,
    last: float,
    scale_of: Callable[[float], float],
    residual_of: Callable[[float], float] | None,
    covariance: np.ndarray,
) -> tuple[VarianceComponent, ...]:
    """Variances and covariances with standard errors by the delta method.

    Parameters
    ----------
    layout : Layout
    theta : ndarray, shape (m,)
    last : float
        The parameter behind theta, such as sigma.
    scale_of
        From that parameter to what multiplies Lambda.
    residual_of
        From that parameter to the residual standard deviation; None if there is none.
    covariance : ndarray
        Of theta and, where it has one more row, that parameter.
    """
    blocks = components_of(layout)

    def all_of(x: np.ndarray) -> np.ndarray:
        factors, scale = layout.factors(x[:-1]), scale_of(x[-1])
        parts = []
        for b, places in blocks:
            k = int(layout.widths[b])
            root = scale * factors[b, :k, :k]
            parts.append(_standard(root @ root.T, places))
        if residual_of is not None:
            parts.append(np.array([residual_of(x[-1])]))
        return np.concatenate(parts)

    x = np.append(theta, last)
    values = all_of(x)
    errors = _errors(all_of, x, covariance)
    labels = [
        (
            layout.blocks[b].group,
            layout.blocks[b].names[i],
            "" if i == j else layout.blocks[b].names[j],
        )
        for b, places in blocks
        for i, j in places
    ]
    if residual_of is not None:
        labels.append(("Residual", "", ""))
    variances = _variances(layout, theta, scale_of(last), blocks)
    if residual_of is not None:
        variances.append(values[-1] ** 2)
    rows = zip(labels, variances, values, errors, strict=True)
    return tuple(
        VarianceComponent(*label, float(variance), float(value), float(error))
        for label, variance, value, error in rows
    )


def _variances(
    layout: Layout, theta: np.ndarray, scale: float, blocks: list[tuple[int, list]]
) -> list[float]:
    factors, found = layout.factors(theta), []
    for b, places in blocks:
        k = int(layout.widths[b])
        root = scale * factors[b, :k, :k]
        whole = root @ root.T
        found += [float(whole[i, j]) for i, j in places]
    return found


def _errors(
    function: Callable[[np.ndarray], np.ndarray], x: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """Standard errors of a function of parameters; NaN where one of those is not known."""
    size = len(covariance)
    jacobian = np.zeros((function(x).size, size))
    with np.errstate(invalid="ignore"):
        for i in range(size):
            up, down = x.copy(), x.copy()
            up[i] += STEP
            down[i] -= STEP
            jacobian[:, i] = (function(up) - function(down)) / (2.0 * STEP)
    jacobian[np.abs(jacobian) < 1e-9] = 0.0
    unknown = np.isnan(np.diag(covariance))
    known = np.where(np.isnan(covariance), 0.0, covariance)
    variances = np.einsum("ij,jk,ik->i", np.nan_to_num(jacobian), known, np.nan_to_num(jacobian))
    bad = np.isnan(jacobian).any(axis=1) | (jacobian[:, unknown] != 0.0).any(axis=1)
    return np.where(bad, np.nan, np.sqrt(np.maximum(variances, 0.0)))
