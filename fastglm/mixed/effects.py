"""The random effects of a fit: their covariances and conditional modes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy

from fastglm.errors import few_of
from fastglm.inference.rendering import RenderedFrame
from fastglm.mixed.layout import Layout, Term
from fastglm.mixed.rows import FittedGroup

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GroupEffects",
    "VarianceComponent",
    "components_of",
    "determined_part",
    "undetermined",
    "undetermined_text",
    "variance_components",
]

#: Steps of numerical derivatives of standard deviations and correlations in theta.
STEP = 1e-6
#: Curvature that is rounding, with ones on the Hessian's diagonal; an intercept and the slope of a
#: year 2000 have 5e-7 left.
FLAT = 1e-7
#: A parameter or component that moves by a smaller share along a flat direction stays.
MOVED = 1e-3


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

    def frame(self) -> pd.DataFrame:
        """The modes as a pandas DataFrame, levels by effects."""
        import pandas as pd

        index = pd.Index(list(self.levels), name=self.group)
        return pd.DataFrame(self.modes, index=index, columns=list(self.columns))

    def summary_frame(self, alpha: float = 0.05) -> pd.DataFrame:
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
        with np.errstate(over="ignore"):
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


def determined_part(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The covariance without directions along which the criterion is flat, and these, (m, d).

    Unknown parameters, NaN, have zeros. The Hessian is judged with ones on its diagonal: rounding
    leaves a flat direction a curvature of 1e-8 of either sign, of which a variance would be noise.
    """
    size = len(covariance)
    known = np.flatnonzero(~np.isnan(np.diag(covariance)))
    part, flat = np.zeros((size, size)), np.zeros((size, 0))
    if not known.size:
        return part, flat
    hessian = np.linalg.inv(covariance[np.ix_(known, known)])
    scale = np.sqrt(np.abs(np.diag(hessian)))
    curvature, vectors = np.linalg.eigh(hessian / np.outer(scale, scale))
    directions = vectors / scale[:, None]
    is_flat = curvature < FLAT
    kept = directions[:, ~is_flat]
    part[np.ix_(known, known)] = (kept / curvature[~is_flat]) @ kept.T
    flat = np.zeros((size, int(is_flat.sum())))
    flat[known] = np.where(np.abs(vectors) > MOVED, directions, 0.0)[:, is_flat]
    return part, flat


def undetermined(components: Sequence[VarianceComponent], singular: Collection[str]) -> list[str]:
    """Variances and correlations off the boundary of which the data do not tell, by name."""
    return [
        f"{c.term1}, {c.term2} of {c.group}" if c.term2 else f"{c.term1} of {c.group}"
        for c in components
        if np.isnan(c.se) and c.sd != 0.0 and np.isfinite(c.sd) and c.group not in singular
    ]


def undetermined_text(names: Sequence[str]) -> str:
    """That these variances have no standard error, and why."""
    return (
        "The data tell only of sums of these variances, which have no standard error: "
        f"{few_of(names, '; ')}."
    )


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
    known, flat = determined_part(covariance)
    changes = np.nan_to_num(jacobian)
    variances = np.einsum("ij,jk,ik->i", changes, known, changes)
    bad = ~(jacobian != 0.0).any(axis=1)
    bad |= np.isnan(jacobian).any(axis=1) | (jacobian[:, unknown] != 0.0).any(axis=1)
    bad |= (np.abs(changes @ flat) > MOVED * (np.abs(changes) @ np.abs(flat))).any(axis=1)
    return np.where(bad, np.nan, np.sqrt(np.maximum(variances, 0.0)))
