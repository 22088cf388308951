"""Members on symmetric positive definite matrices: Wishart and inverse Wishart.

A symmetric matrix is handled by its free coordinates, the p (p + 1) / 2 entries on and above the
diagonal, row by row. T holds them as they are and η holds the off-diagonal ones twice, so that
the plain dot product of the two is the trace of the product of the matrices.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from fastglm.errors import DataError
from fastglm.expfam import checks
from fastglm.expfam.base import Array, ExponentialFamily, Symbols
from fastglm.expfam.checks import Support
from fastglm.expfam.special import (
    UNIT_NODES,
    UNIT_WEIGHTS,
    gamma_excess,
    gamma_excess_divergence,
    gamma_excess_slope,
    log_excess,
    poisson_divergence,
    product_excess,
)

if TYPE_CHECKING:
    from typing_extensions import Self


def free_coordinates(matrices: Array) -> Array:
    """Return the entries (…, p (p + 1) / 2) on and above the diagonal of matrices (…, p, p)."""
    rows, columns = np.triu_indices(matrices.shape[-1])
    return matrices[..., rows, columns]


def symmetric_matrix(coordinates: Array) -> Array:
    """Return the symmetric matrices (…, p, p) with these free coordinates (…, p (p + 1) / 2)."""
    p = _order(coordinates.shape[-1])
    rows, columns = np.triu_indices(p)
    matrices = np.empty((*coordinates.shape[:-1], p, p))
    matrices[..., rows, columns] = matrices[..., columns, rows] = coordinates
    return matrices


def _order(size: int) -> int:
    """Return p from p (p + 1) / 2."""
    return round((np.sqrt(8 * size + 1) - 1) / 2)


def _doubling(p: int) -> Array:
    """Return 1 for free coordinates on the diagonal and 2 for those off it."""
    rows, columns = np.triu_indices(p)
    return np.where(rows == columns, 1.0, 2.0)


def _log_det(matrices: Array) -> Array:
    roots, unit = checks.unit_diagonal(matrices)
    return np.linalg.slogdet(unit)[1] + 2 * np.log(roots).sum(-1)


def _inverse(matrices: Array) -> Array:
    roots, unit = checks.unit_diagonal(matrices)
    inverse = np.linalg.inv(unit) / roots[..., :, None] / roots[..., None, :]
    return (inverse + inverse.swapaxes(-1, -2)) / 2


def _relative_eigenvalues(matrices: Array, base: Array) -> Array:
    """Return the eigenvalues (…, p) of base⁻¹ matrices, for positive definite `base`."""
    factor = np.linalg.cholesky(base)
    left = np.linalg.solve(factor, matrices)
    both = np.linalg.solve(factor, left.swapaxes(-1, -2))
    return np.linalg.eigvalsh((both + both.swapaxes(-1, -2)) / 2)


def _matrix_support(p: int) -> Support:
    return Support("y symmetric positive definite", checks.is_positive_definite, np.eye(p))


class _Wishart(ExponentialFamily):
    """The Wishart distribution of a matrix Z: y itself, or the inverse of y.

    η₁ = df / 2 and the rest are the free coordinates of -V⁻¹ / 2, V being Z's scale matrix.
    """

    parameter_names = ("df", "scale")
    support_symbols = "y symmetric positive definite"
    natural_domain_symbols = "η₁ > (p - 1)/2, matrix part negative definite"
    df: Array
    scale: Array

    def __init__(self, df: Any, scale: Any) -> None:
        scale = checks.positive_definite(scale, "scale")
        p = scale.shape[-1]
        df = checks.numbers(df, "df")
        checks.demand((df > p - 1) & np.isfinite(df), df, f"df must be above p - 1 = {p - 1}")
        shape = checks.common_shape(df=df, scale=scale[..., 0, 0])
        df, scale = np.broadcast_to(df, shape), np.broadcast_to(scale, (*shape, p, p))
        matrix_part = -0.5 * free_coordinates(self._precision(scale)) * _doubling(p)
        eta = np.concatenate([df[..., None] / 2, matrix_part], axis=-1)
        self._hold(eta, df=df, scale=scale)

    @classmethod
    def _precision(cls, scale: Array) -> Array:
        """Return V⁻¹ from the member's own scale matrix, and the scale matrix from V⁻¹."""
        raise NotImplementedError

    @classmethod
    def _wishart_matrix(cls, y: Array) -> Array:
        """Return Z from y, and y from Z."""
        raise NotImplementedError

    def _support_set(self) -> Support:
        return _matrix_support(self._p)

    @property
    def _p(self) -> int:
        return self.scale.shape[-1]

    @property
    def _half_df(self) -> Array:
        return self.natural_parameter[..., 0]

    @property
    def _shapes(self) -> Array:
        """The p gamma shapes (df - i) / 2, i < p."""
        return self._half_df[..., None] - np.arange(self._p) / 2

    @property
    def _precision_matrix(self) -> Array:
        """V⁻¹ (…, p, p)."""
        coordinates = self.natural_parameter[..., 1:] / _doubling(self._p)
        return -2 * symmetric_matrix(coordinates)

    @property
    def _base(self) -> Array:
        """V (…, p, p)."""
        return _inverse(self._precision_matrix)

    def _mean_parameter(self) -> Array:
        precision = self._precision_matrix
        log_det = special.digamma(self._shapes).sum(-1) - _log_det(precision / 2)
        matrix = np.asarray(self.df)[..., None, None] * _inverse(precision)
        return np.concatenate([log_det[..., None], free_coordinates(matrix)], axis=-1)

    def _fisher_information(self) -> Array:
        base, p = self._base, self._p
        rows, columns = np.triu_indices(p)
        i, j, k, m = rows[:, None], columns[:, None], rows, columns
        pairs = base[..., i, k] * base[..., j, m] + base[..., i, m] * base[..., j, k]
        result = np.empty((*self.batch_shape, 1 + len(rows), 1 + len(rows)))
        result[..., 0, 0] = special.polygamma(1, self._shapes).sum(-1)
        result[..., 0, 1:] = result[..., 1:, 0] = 2 * free_coordinates(base)
        result[..., 1:, 1:] = np.asarray(self.df)[..., None, None] * pairs
        return result

    def _log_partition(self) -> Array:
        log_det = _log_det(self._precision_matrix / 2)
        return special.gammaln(self._shapes).sum(-1) + self._log_pi - self._half_df * log_det

    @property
    def _log_pi(self) -> float:
        """What the multivariate log gamma function has beside ordinary ones."""
        return self._p * (self._p - 1) / 4 * np.log(np.pi)

    def _wishart_entropy(self) -> Array:
        """Return the entropy of Z."""
        p, half_df, shapes = self._p, self._half_df[..., None], self._shapes
        slope = gamma_excess_slope(shapes)
        lost = half_df - shapes
        gammas = lost * (1 - np.log(shapes)) + gamma_excess(shapes) - half_df * slope
        log_det = _log_det(self._precision_matrix / 2)
        outside = (p + 1) / 2 * ((slope + np.log(shapes)).sum(-1) - log_det)
        return gammas.sum(-1) + self._log_pi + outside

    def _statistic(self, y: Array) -> Array:
        z = self._wishart_matrix(y)
        return np.concatenate([_log_det(z)[..., None], free_coordinates(z)], axis=-1)

    def _log_base_measure(self, y: Array) -> Array:
        return -(self._p + 1) / 2 * _log_det(y)

    def _log_density(self, y: Array) -> Array:
        z, half_df, shapes = self._wishart_matrix(y), self._half_df[..., None], self._shapes
        halves = _relative_eigenvalues(z, self._base) / 2
        lost = half_df - shapes
        stirling = -shapes * np.log1p(-lost / half_df) + lost * np.log(half_df) - lost
        gammas = stirling - gamma_excess(shapes) - poisson_divergence(half_df, halves)
        return gammas.sum(-1) - self._log_pi + self._log_base_measure(y)

    def _divergence(self, other: _Wishart) -> Array:
        # Means apart, then degrees of freedom apart at equal means.
        half, end = self._half_df[..., None], other._half_df[..., None]
        precision, other_precision = self._precision_matrix, other._precision_matrix
        scales = _relative_eigenvalues(other_precision - precision, precision)
        degrees = (half - end) / end
        excess = product_excess(scales, degrees, (1 + scales) * half / end)
        # The log determinant, not the sum of logs: a small eigenvalue has few digits.
        log_ratio = _log_det(other_precision) - _log_det(precision)
        log_ratio = log_ratio + self._p * np.log(half / end)[..., 0]
        near = np.abs(excess).max(-1) < 0.5
        close = log_excess(np.where(near[..., None], excess, 0.0), 1.0).sum(-1)
        means = end[..., 0] * np.where(near, close, excess.sum(-1) - log_ratio)
        shapes = gamma_excess_divergence(other._shapes, self._shapes)
        return means + (shapes + _shift_gain(end, half, self._shapes)).sum(-1)

    def _wishart_draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """Draw Z by Bartlett's decomposition (Anderson 2003, section 7.2)."""
        p = self._p
        factor = np.tril(rng.standard_normal((*shape, p, p)), -1)
        diagonal = np.sqrt(2 * rng.standard_gamma(self._shapes, (*shape, p)))
        factor = np.linalg.cholesky(self._base) @ (factor + diagonal[..., None] * np.eye(p))
        return factor @ factor.swapaxes(-1, -2)

    @classmethod
    def _check_size(cls, size: int) -> None:
        p = _order(size - 1)
        if p < 1 or 1 + p * (p + 1) // 2 != size:
            raise DataError(
                f"{cls.__name__} has parameter vectors of 1 + p (p + 1) / 2 entries; got {size}"
            )

    @classmethod
    def _ordinary(cls, eta: Array, **fixed: Array) -> dict[str, Array]:
        coordinates = eta[..., 1:] / _doubling(_order(eta.shape[-1] - 1))
        scale = cls._precision(-2 * symmetric_matrix(coordinates))
        return {"df": 2 * eta[..., 0], "scale": scale}

    @classmethod
    def _natural_domain(cls, eta: Array, **fixed: Array) -> Array:
        p = _order(eta.shape[-1] - 1)
        matrix = -symmetric_matrix(eta[..., 1:] / _doubling(p))
        return (eta[..., 0] > (p - 1) / 2) & checks.is_positive_definite(matrix)

    @classmethod
    def _mean_domain(cls, mean: Array, **fixed: Array) -> Array:
        matrix = symmetric_matrix(mean[..., 1:])
        definite = checks.is_positive_definite(matrix)
        safe = np.where(definite[..., None, None], matrix, np.eye(matrix.shape[-1]))
        return definite & (mean[..., 0] < _log_det(safe))

    @classmethod
    def _start(cls, mean: Array, **fixed: Array) -> Array:
        # Right to first order for many degrees of freedom, and near p - 1 of the right order.
        matrix = symmetric_matrix(mean[..., 1:])
        p = matrix.shape[-1]
        half_df = (p - 1) / 2 + p * (p + 1) / 4 / (_log_det(matrix) - mean[..., 0])
        coordinates = free_coordinates(_inverse(matrix)) * _doubling(p)
        matrix_part = -half_df[..., None] * coordinates
        return np.concatenate([half_df[..., None], matrix_part], axis=-1)

    @classmethod
    def _template(cls, sample: Array, fixed: dict[str, Array]) -> Self:
        p = checks.vector(sample, "sample", least=1).shape[-1]
        return cls(float(p), np.eye(p))


def _shift_gain(y: Array, x: Array, shapes: Array) -> Array:
    """Return D(y - c, x - c) - D(y, x), D the Poisson divergence and x - c the `shapes`.

    Its derivative in c is y / x - 1 - log(y / x) at the shifted points, so where the shift is
    small the integral over the shift keeps what the difference would lose.
    """
    shift = x - shapes
    small = shift < np.minimum(x, y) / 4
    nodes = np.where(small, shift, 0.0)[..., None] * UNIT_NODES
    moved = x[..., None] - nodes
    slope = log_excess((y - x)[..., None] / moved, (y[..., None] - nodes) / moved)
    integral = shift * (slope @ UNIT_WEIGHTS)
    near = poisson_divergence(y - shift, shapes) - poisson_divergence(y, x)
    logs = np.log1p(-shift / y) - np.log1p(-shift / x)
    far = (y - shift) * logs - shift * np.log(y / x)
    return np.where(small, integral, np.where(np.abs(y - x) < x / 2, near, far))


class Wishart(_Wishart):
    """Wishart distribution of p × p symmetric positive definite matrices.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, above p - 1, whole or not.
    scale : array_like, shape (…, p, p)
        Symmetric positive definite; E[y] = df scale.
    """

    mean_domain_symbols = "E[y] positive definite, E[log det y] < log det E[y]"
    symbols = Symbols(
        "(log det y, y)",
        "log Γ_p(df/2) + (df/2) log det(2 scale)",
        "det(y)^(-(p + 1)/2)",
        "(df/2, -scale⁻¹/2)",
        "df = 2 η₁, scale = (-2 η₂)⁻¹",
    )
    plot_examples = (
        {"df": 3.0, "scale": [[1.0, 0.5], [0.5, 1.0]]},
        {"df": 6.0, "scale": [[1.0, 0.5], [0.5, 1.0]]},
        {"df": 6.0, "scale": [[2.0, 0.5], [0.5, 1.0]]},
    )

    @classmethod
    def _precision(cls, scale: Array) -> Array:
        return _inverse(scale)

    @classmethod
    def _wishart_matrix(cls, y: Array) -> Array:
        return y

    def _marginal(self) -> Wishart:
        return Wishart(self.df, self.scale[..., :1, :1])

    def _entropy(self) -> Array:
        return self._wishart_entropy()

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return self._wishart_draw(rng, shape)


class InverseWishart(_Wishart):
    """Inverse Wishart distribution: y⁻¹ is Wishart with scale matrix scale⁻¹.

    Parameters
    ----------
    df : array_like
        Degrees of freedom, above p - 1, whole or not.
    scale : array_like, shape (…, p, p)
        Symmetric positive definite; E[y] = scale / (df - p - 1) for df above p + 1.
    """

    mean_domain_symbols = "E[y⁻¹] positive definite, E[log det y⁻¹] < log det E[y⁻¹]"
    symbols = Symbols(
        "(-log det y, y⁻¹)",
        "log Γ_p(df/2) + (df/2) log det(2 scale⁻¹)",
        "det(y)^(-(p + 1)/2)",
        "(df/2, -scale/2)",
        "df = 2 η₁, scale = -2 η₂",
    )
    plot_examples = (
        {"df": 6.0, "scale": [[1.0, 0.5], [0.5, 1.0]]},
        {"df": 12.0, "scale": [[1.0, 0.5], [0.5, 1.0]]},
        {"df": 12.0, "scale": [[2.0, 0.5], [0.5, 1.0]]},
    )

    @classmethod
    def _precision(cls, scale: Array) -> Array:
        return scale

    @classmethod
    def _wishart_matrix(cls, y: Array) -> Array:
        return _inverse(y)

    def _marginal(self) -> InverseWishart:
        return InverseWishart(self.df - self._p + 1, self.scale[..., :1, :1])

    def _entropy(self) -> Array:
        # The volume element changes by det(y)^(p + 1) between y⁻¹ and y.
        return self._wishart_entropy() - (self._p + 1) * self.mean_parameter[..., 0]

    def _draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return _inverse(self._wishart_draw(rng, shape))
