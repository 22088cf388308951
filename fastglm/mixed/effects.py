"""The random effects of a fit: their covariances and conditional modes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy

from fastglm.errors import few_of
from fastglm.inference.rendering import RenderedFrame
from fastglm.mixed.blocks import Term, predictors_of
from fastglm.mixed.layout import Layout
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

#: Curvature that is rounding, with ones on the Hessian's diagonal; an intercept and the slope of a
#: year 2000 have 5e-7 left.
FLAT = 1e-7
#: A parameter or component that moves by a smaller share along a flat direction stays.
MOVED = 1e-3
#: A difference of two terms below this share of them is none.
ROUNDING = 1e-13


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

    @property
    def predictors(self) -> np.ndarray:
        """Which linear predictor each of the k effects belongs to."""
        return predictors_of(self.terms)

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


def _places(terms: Sequence[Term]) -> list[tuple[int, int]]:
    """Variances of a block, then the covariances that its terms have."""
    found = []
    for term in terms:
        index = range(term.start, term.stop)
        found += [(i, i) for i in index]
        if term.structure.is_correlated:
            found += [(i, j) for i in index for j in range(i + 1, term.stop)]
    return found


def components_of(layout: Layout) -> list[tuple[int, list[tuple[int, int]]]]:
    """Of every block, the entries of its covariance that are parameters."""
    return [(b, _places(block.terms)) for b, block in enumerate(layout.blocks)]


def variance_components(
    layout: Layout,
    theta: np.ndarray,
    scale: tuple[float, float],
    residual: tuple[float, float] | None,
    covariance: np.ndarray,
) -> tuple[VarianceComponent, ...]:
    """Variances and covariances with standard errors by the delta method.

    Parameters
    ----------
    layout : Layout
    theta : ndarray, shape (m,)
    scale : tuple of float
        What multiplies Lambda, and its derivative in the parameter behind theta, such as sigma.
    residual : tuple of float or None
        Likewise the residual standard deviation; None if there is none.
    covariance : ndarray
        Of theta and, where it has one more row, that parameter.
    """
    parts = {
        (b, term.start): (theta[place], place)
        for (b, term), place in zip(layout.theta_order, layout.theta_places, strict=True)
    }
    labels, variances, values, slopes = [], [], [], []
    for b, block in enumerate(layout.blocks):
        for term in block.terms:
            part, place = parts[b, term.start]
            found = _of_term(term, part, scale)
            jacobian = np.zeros((found.values.size, theta.size + 1))
            jacobian[:, place], jacobian[:, -1] = found.slopes, found.last
            labels += [
                (block.group, term.columns[i], "" if i == j else term.columns[j])
                for i, j in found.places
            ]
            variances.append(found.variances)
            values.append(found.values)
            slopes.append(jacobian)
    if residual is not None:
        labels.append(("Residual", "", ""))
        variances.append(np.array([residual[0] ** 2]))
        values.append(np.array(residual[:1]))
        slopes.append(np.append(np.zeros(theta.size), residual[1])[None])
    units = np.append(layout.theta_units(), 1.0)[: len(covariance)]
    # In units of the parameters, in which what is small can be told.
    jacobian = np.concatenate(slopes)[:, : len(covariance)] * units
    errors = _errors(jacobian, covariance / np.outer(units, units))
    rows = zip(labels, np.concatenate(variances), np.concatenate(values), errors, strict=True)
    return tuple(
        VarianceComponent(*label, float(variance), float(value), float(error))
        for label, variance, value, error in rows
    )


class _Components(NamedTuple):
    """Of a term: standard deviations, then correlations, and their derivatives.

    `slopes`, (c, m), are those in its parameters, `last` those in the parameter behind theta, and
    `variances` the variances and covariances; NaN where a standard deviation is zero.
    """

    places: list[tuple[int, int]]
    variances: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    last: np.ndarray


def _of_term(term: Term, theta: np.ndarray, scale: tuple[float, float]) -> _Components:
    """Variance components of a term."""
    structure = term.structure
    factor, moves = structure.factor(theta), structure.jacobian(theta)
    whole = factor @ factor.T
    half = moves @ factor.T
    change = half + half.transpose(0, 2, 1)
    deviations = np.sqrt(np.diag(whole))
    places = [(i - term.start, j - term.start) for i, j in _places([term])]
    i, j = np.array(places).T
    k = structure.k
    with np.errstate(divide="ignore", invalid="ignore"):
        of_deviation = 0.5 * change[:, range(k), range(k)] / deviations
        size = deviations[i[k:]] * deviations[j[k:]]
        correlation = whole[i[k:], j[k:]] / size
        relative = of_deviation / deviations
        direct = change[:, i[k:], j[k:]] / size
        scaled = correlation * (relative[:, i[k:]] + relative[:, j[k:]])
        of_correlation = direct - scaled
        # What rounding leaves of two equal terms would be an error of a correlation at its end.
        of_correlation[np.abs(of_correlation) < ROUNDING * (np.abs(direct) + np.abs(scaled))] = 0.0
    return _Components(
        places,
        scale[0] ** 2 * whole[i, j],
        np.concatenate([scale[0] * deviations, correlation]),
        np.vstack([scale[0] * of_deviation.T, of_correlation.T]),
        np.concatenate([scale[1] * deviations, np.zeros(correlation.size)]),
    )


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


def _errors(jacobian: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Standard errors of functions of parameters; NaN where one of those is not known."""
    jacobian[np.abs(jacobian) < 1e-9 * np.abs(jacobian).max(axis=1, keepdims=True)] = 0.0
    unknown = np.isnan(np.diag(covariance))
    known, flat = determined_part(covariance)
    changes = np.nan_to_num(jacobian)
    variances = np.einsum("ij,jk,ik->i", changes, known, changes)
    bad = ~(jacobian != 0.0).any(axis=1)
    bad |= np.isnan(jacobian).any(axis=1) | (jacobian[:, unknown] != 0.0).any(axis=1)
    bad |= (np.abs(changes @ flat) > MOVED * (np.abs(changes) @ np.abs(flat))).any(axis=1)
    return np.where(bad, np.nan, np.sqrt(np.maximum(variances, 0.0)))
