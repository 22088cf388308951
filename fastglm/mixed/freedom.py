"""Degrees of freedom of linear mixed models, from the level tables: no n x n matrix is formed.

Satterthwaite's by the derivatives of the coefficients' covariance in theta and sigma (Kuznetsova,
Brockhoff & Christensen 2017, lmerTest); Kenward and Roger's with their covariance, whose sums over
rows become sums over effects (Kenward & Roger 1997, *Biometrics* 53; Halekoh & Højsgaard 2014,
pbkrtest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fastglm.errors import ModelError
from fastglm.mixed.estimate import LinearEstimate
from fastglm.mixed.linear import products_by_block

__all__ = ["KenwardRoger", "Satterthwaite"]

#: Most effects of several grouping factors for Kenward and Roger's matrices.
MOST_EFFECTS = 5_000


class Satterthwaite:
    """Degrees of freedom that match the mean and variance of a coefficient's variance.

    Parameters
    ----------
    estimate : LinearEstimate
    """

    def __init__(self, estimate: LinearEstimate):
        self.estimate = estimate
        #: Of coefficients of standardised columns, (p, p).
        self.covariance = estimate.covariance

    def single(self, contrast: np.ndarray) -> float:
        """Of a combination of coefficients of standardised columns, (p,)."""
        estimate, state = self.estimate, self.estimate.state
        direction = state.information_inverse @ contrast
        weights = np.zeros((direction.size + 1,) * 2)
        weights[:-1, :-1] = np.outer(direction, direction)
        slopes = products_by_block(estimate.layout, state.column_residuals, state.effects, weights)
        in_theta = 2.0 * state.sigma2 * estimate.layout.chain(estimate.theta, slopes)
        form = float(contrast @ direction)
        gradient = np.append(in_theta, 2.0 * estimate.sigma * form)
        known = ~np.isnan(np.diag(estimate.parameter_covariance))
        covariance = estimate.parameter_covariance[np.ix_(known, known)]
        spread = float(gradient[known] @ covariance @ gradient[known])
        return 2.0 * (state.sigma2 * form) ** 2 / spread

    def several(self, contrasts: np.ndarray) -> tuple[float, float]:
        """Denominator of an F test of (k, p) combinations, and what its statistic is times: one."""
        form = contrasts @ self.covariance @ contrasts.T
        _, vectors = np.linalg.eigh(form)
        singles = np.array([self.single(v @ contrasts) for v in vectors.T])
        if singles.size == 1:
            return float(singles[0]), 1.0
        above = singles[singles > 2.0]
        total = float(np.sum(above / (above - 2.0)))
        return 2.0 * total / (total - singles.size) if total > singles.size else 0.0, 1.0


@dataclass(frozen=True, eq=False)
class _Tables:
    """Z'WZ, its likes and C = Lambda H^-1 Lambda' of effects, by independent sets of effects.

    Attributes
    ----------
    A, C : ndarray, shape (sets, s, s)
    B : ndarray, shape (sets, s, p)
        Z'WX.
    pairs : list of tuple of ndarray
        For every variance and covariance, the effects inside a set whose products it multiplies.
    """

    A: np.ndarray
    C: np.ndarray
    B: np.ndarray
    pairs: list[tuple[np.ndarray, np.ndarray]]


def _tables(estimate: LinearEstimate) -> _Tables:
    layout, state = estimate.layout, estimate.state
    problem, p = state.problem, state.problem.p
    for block in layout.blocks:
        for term in block.terms:
            if not term.structure.is_linear:
                raise ModelError(
                    "Kenward and Roger's degrees of freedom need covariances that are linear in "
                    f"their parameters: '{block.group}' has {term.structure.name}(). Use "
                    "'satterthwaite'."
                )
    if len(layout.blocks) == 1:
        pairs = [(np.array([a]), np.array([b])) for a, b in _entries(layout.blocks[0].terms)]
        C = state.factor.level_covariances(0)
        return _Tables(problem.products.own, C, problem.columns.own[:, :, :p], pairs)
    size = layout.q * layout.k + layout.rest_size
    if size > MOST_EFFECTS:
        raise ModelError(
            f"Kenward and Roger's degrees of freedom would need matrices of {size} effects of "
            f"several factors; at most {MOST_EFFECTS} are possible. Use 'satterthwaite'."
        )
    A, factors = state.problem.products.dense(), _whole_factor(estimate)
    H = np.eye(size) + factors.T @ A @ factors
    C = factors @ np.linalg.solve(H, factors.T)
    own = problem.columns.own[:, :, :p].reshape(-1, p)
    B = np.vstack([own, problem.columns.other[:, :p]])
    pairs = []
    for b, block in enumerate(layout.blocks):
        places = layout.places(b)
        pairs += [(places[:, i], places[:, j]) for i, j in _entries(block.terms)]
    return _Tables(A[None], C[None], B[None], pairs)


def _entries(terms: tuple) -> list[tuple[int, int]]:
    """Variances and covariances of a block."""
    found = []
    for term in terms:
        index = range(term.start, term.stop)
        full = term.structure.is_correlated
        found += [(i, j) for i in index for j in range(i, term.stop) if full or i == j]
    return found


def _whole_factor(estimate: LinearEstimate) -> np.ndarray:
    """Lambda of all effects, (N, N)."""
    layout = estimate.layout
    size = layout.q * layout.k + layout.rest_size
    whole = np.zeros((size, size))
    factors = layout.factors(estimate.theta)
    for b in range(len(layout.blocks)):
        k, places = int(layout.widths[b]), layout.places(b)
        for i in range(k):
            for j in range(k):
                whole[places[:, i], places[:, j]] = factors[b, i, j]
    return whole


class KenwardRoger:
    """Kenward and Roger's covariance of the coefficients and degrees of freedom.

    Parameters
    ----------
    estimate : LinearEstimate
        By REML.

    Attributes
    ----------
    covariance : ndarray, shape (p, p)
        Of coefficients of standardised columns, adjusted.
    """

    def __init__(self, estimate: LinearEstimate):
        if not estimate.state.problem.reml:
            raise ModelError(
                "Kenward and Roger's method needs a fit by REML: fit with reml=True, or use "
                "'satterthwaite'."
            )
        self.estimate = estimate
        self._phi = estimate.covariance
        self._derivatives()
        correction = self._correction()
        self.covariance = self._phi + 2.0 * self._phi @ correction @ self._phi

    def _derivatives(self) -> None:
        """P_i, Q_ij and the traces of V^-1 V_i V^-1 V_j, the residual variance last."""
        estimate, state = self.estimate, self.estimate.state
        tables, s2 = _tables(estimate), state.sigma2
        A, C, B, pairs = tables.A, tables.C, tables.B, tables.pairs
        M = np.eye(A.shape[1]) - A @ C
        T, E = M @ A / s2, M @ B / s2
        E2, T2 = M @ E / s2, M @ A @ M.transpose(0, 2, 1) / s2**2
        picked = [_picked(E, *pair) for pair in pairs]
        m, p = len(pairs) + 1, self._phi.shape[0]
        self.P = np.zeros((m, p, p))
        self.Q = np.zeros((m, m, p, p))
        self.traces = np.zeros((m, m))
        spread = [_picked(T, *pair) for pair in pairs]
        for i in range(m - 1):
            self.P[i] = -_sum_products(E, picked[i])
            for j in range(i + 1):
                q = _sum_products(picked[i], T @ picked[j])
                self.Q[i, j], self.Q[j, i] = q, q.T
                # tr(T S_i T S_j): the product of the two matrices S T, transposed and summed.
                trace = float(np.sum(spread[i] * spread[j].transpose(0, 2, 1)))
                self.traces[i, j] = self.traces[j, i] = trace
            q = _sum_products(picked[i], E2)
            self.Q[i, -1], self.Q[-1, i] = q, q.T
            trace = float(np.trace(_picked(T2, *pairs[i]), axis1=1, axis2=2).sum())
            self.traces[i, -1] = self.traces[-1, i] = trace
        rest = self._residual_form()
        self.P[-1] = -rest / s2**2
        self.Q[-1, -1] = rest / s2**3 - _sum_products(E, C @ E) / s2
        CA = C @ A
        total = state.problem.nobs - 2.0 * np.trace(CA, axis1=1, axis2=2).sum()
        self.traces[-1, -1] = (total + np.sum(CA * CA.transpose(0, 2, 1))) / s2**2

    def _residual_form(self) -> np.ndarray:
        """W-products of the columns less what random effects fit of them, (p, p)."""
        state, p = self.estimate.state, self._phi.shape[0]
        own, other = state.effects
        fitted = np.tensordot(own[:, :, :p], own[:, :, :p], ([0, 1], [0, 1]))
        return state.information - fitted - other[:, :p].T @ other[:, :p]

    def _correction(self) -> np.ndarray:
        """U: what the estimation of the variances adds, (p, p)."""
        m, phi = len(self.P), self._phi
        information = np.empty((m, m))
        for i in range(m):
            for j in range(m):
                information[i, j] = (
                    self.traces[i, j]
                    - 2.0 * np.sum(phi * self.Q[i, j])
                    + np.sum((phi @ self.P[i] @ phi) * self.P[j])
                )
        self.weights = 2.0 * np.linalg.pinv(0.5 * (information + information.T), hermitian=True)
        total = np.zeros_like(phi)
        for i in range(m):
            for j in range(m):
                total += self.weights[i, j] * (self.Q[i, j] - self.P[i] @ phi @ self.P[j])
        return 0.5 * (total + total.T)

    def single(self, contrast: np.ndarray) -> float:
        """Of a combination of coefficients of standardised columns, (p,)."""
        return self.several(contrast[None])[0]

    def several(self, contrasts: np.ndarray) -> tuple[float, float]:
        """Denominator of an F test of (k, p) combinations, and what its statistic is times."""
        phi, q = self._phi, len(contrasts)
        theta = contrasts.T @ np.linalg.solve(contrasts @ phi @ contrasts.T, contrasts)
        turned = [theta @ phi @ P @ phi for P in self.P]
        traces = np.array([np.trace(t) for t in turned])
        first = float(traces @ self.weights @ traces)
        products = np.array([[np.sum(s * t.T) for t in turned] for s in turned])
        second = float(np.sum(self.weights * products))
        B = (first + 6.0 * second) / (2.0 * q)
        g = ((q + 1) * first - (q + 4) * second) / ((q + 2) * second)
        below = 3.0 * q + 2.0 * (1.0 - g)
        c1, c2, c3 = g / below, (q - g) / below, (q + 2 - g) / below
        mean = 1.0 / (1.0 - second / q)
        spread = 2.0 / q * (1.0 + c1 * B) / ((1.0 - c2 * B) ** 2 * (1.0 - c3 * B))
        rho = spread / (2.0 * mean * mean)
        df = 4.0 + (q + 2) / (q * rho - 1.0)
        return float(df), float(df / (mean * (df - 2.0)))


def _picked(X: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """S X, S the symmetric matrix of ones where pairs of effects meet."""
    out = np.zeros_like(X)
    out[:, first] += X[:, second]
    if not np.array_equal(first, second):
        out[:, second] += X[:, first]
    return out


def _sum_products(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """X' Y summed over sets of effects."""
    return np.tensordot(X, Y, ([0, 1], [0, 1]))
