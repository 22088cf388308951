"""Covariances of the estimates: the registry of those that `fit` and `with_covariance` accept.

Sandwich covariances are ``F M F'``, with ``F F'`` the inverse information and M the sum of products
of scores in the coordinates where the information is the identity. The dispersion cancels. White
(1980), *Econometrica* 48; Zeileis (2004), *Journal of Statistical Software* 11(10), for the
conventions, which are those of R's package sandwich.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.arguments import checked_choice
from fastglm.errors import DataError, ModelError
from fastglm.inference.covariance.groups import group_codes, of_weight
from fastglm.inference.covariance.streamed_clusters import streamed_clusters
from fastglm.kernels.passes.score_products import HC4_EXPONENT
from fastglm.passes.products import group_scores
from fastglm.rows.streamed import StreamedModelRows
from fastglm.solve.conditioning import may_use_cholesky, semidefinite_root
from fastglm.solve.orthogonal_rows import OrthogonalRows, ScoreProducts
from fastglm.solve.score_products import score_products

if TYPE_CHECKING:
    from fastglm.fit.base import FitBase
    from fastglm.fit.record import Fit
    from fastglm.passes.row_table import RowTable
    from fastglm.passes.scaling import Centering

__all__ = [
    "SANDWICHES",
    "Covariance",
    "clustered",
    "covariance_of",
    "jackknife_meat",
    "orthogonal_rows",
    "over_df",
    "require_leverage",
    "sandwich",
    "trusted",
]


@dataclass(frozen=True, eq=False)
class Covariance:
    """A covariance of the estimates.

    Attributes
    ----------
    matrix : ndarray, shape (p, p)
        NaN for aliased coefficients.
    df : float
        Degrees of freedom of t and F statistics that use it.
    root : ndarray, shape (p, p), or None
        F with F F' the covariance for centred columns, rows of aliased coefficients 0; None where
        the record's information contains it.
    """

    matrix: np.ndarray
    df: float
    root: np.ndarray | None = None


def covariance_of(
    fit: FitBase,
    cov_type: str,
    cov_kwds: dict[str, Any],
    covariances: Mapping[str, Callable[..., Covariance]],
) -> Covariance:
    """The covariance of that name, of those in the registry `covariances`.

    Raises
    ------
    ModelError
        If there is no covariance of that name, or it does not take these options.
    """
    checked_choice("cov_type", cov_type, covariances)
    known = _options(covariances[cov_type])
    unknown = sorted(cov_kwds.keys() - known.keys())
    if unknown:
        takes = ", ".join(known) or "nothing"
        others = [name for name, of in covariances.items() if {*unknown} <= {*_options(of)}]
        advice = f" Give cov_type={others[0]!r}, or leave the option out." if others else ""
        raise ModelError(
            f"covariance {cov_type!r} does not take {unknown}; it takes {takes}.{advice}"
        )
    return covariances[cov_type](fit, **cov_kwds)


def _options(covariance: Callable[..., Covariance]) -> dict[str, Any]:
    return covariance.__kwdefaults__ or {}


# -- the classical covariance, and White's


def _nonrobust(fit: Fit) -> Covariance:
    return Covariance(fit.information_inverse * fit.scale, fit.df_resid)


def orthogonal_rows(fit: Fit, row_table: RowTable) -> OrthogonalRows:
    """Rows of a fit in the coordinates where its information is the identity."""
    return OrthogonalRows(
        row_table,
        fit.family,
        fit.estimates,
        fit.inverse_information_factor,
        fit.centering,
        fit.n_threads,
    )


def trusted(
    fit: Fit, by_sums: Callable[[], ScoreProducts], by_rows: Callable[[], ScoreProducts]
) -> ScoreProducts:
    """Sums of products of scores, row by row where sums over columns would lose their digits."""
    if not fit.orthogonal:
        products = by_sums()
        if may_use_cholesky(products.inflation):
            return products
    return by_rows()


def _scores(fit: Fit, power: int) -> ScoreProducts:
    """Sums of products of scores with leverages to that power."""
    model = fit._model_of_rows("a robust covariance")
    rows, root, centering = fit.row_source, fit.inverse_information_factor, fit.centering
    mean = fit.rank / fit.nobs
    frequencies = model.rows.frequencies if rows.is_in_memory else None

    def by_sums() -> ScoreProducts:
        products = score_products(
            rows,
            fit.family,
            fit.estimates,
            shifted=fit.has_intercept,
            power=power,
            leverage_factor=root,
            centering=centering,
            mean_leverage=mean,
            frequencies=frequencies,
            n_threads=fit.n_threads,
            dispersion=fit.scale,
        )
        return ScoreProducts.from_sums(products, root, centering)

    def by_rows() -> ScoreProducts:
        return orthogonal_rows(fit, fit._row_table).score_products(power, mean, frequencies)

    products = trusted(fit, by_sums, by_rows)
    require_leverage(products.n_undefined)
    return products


def require_leverage(n_undefined: int) -> None:
    """Refuse residuals over a power of one less leverage where that is 0."""
    if n_undefined:
        raise DataError(
            f"{n_undefined} rows have leverage 1: the fit passes through them whatever "
            'their response is, and their residuals say nothing. Use "HC0" or "HC1".'
        )


def sandwich(fit: Fit, meat: np.ndarray, df: float) -> Covariance:
    """``F M F'`` with M in orthogonal coordinates: the covariance of the estimates."""
    root, centering = fit.inverse_information_factor, fit.centering
    matrix = root @ meat @ root.T
    return of_centered(
        fit, 0.5 * (matrix + matrix.T), df, root @ semidefinite_root(meat), centering
    )


def of_centered(
    fit: Fit, matrix: np.ndarray, df: float, root: np.ndarray, centering: Centering
) -> Covariance:
    """The covariance of the estimates from that of the coefficients of centred columns, (p, p)."""
    aliased = np.isnan(fit.estimates)
    given = centering.to_given(centering.to_given(matrix).T)
    given[aliased] = np.nan
    given[:, aliased] = np.nan
    return Covariance(given, df, root)


def _white(fit: Fit, power: int, factor: float = 1.0) -> Covariance:
    return sandwich(fit, factor * _scores(fit, power).meat, fit.df_resid)


def over_df(fit: FitBase, observations: float) -> float:
    """A small-sample factor: observations over residual degrees of freedom."""
    if not fit.df_resid > 0:
        raise DataError(
            f"there are {fit.nobs:g} observations for {fit.rank} coefficients: a "
            "small-sample correction needs more observations than that."
        )
    return observations / fit.df_resid


def _hc0(fit: Fit) -> Covariance:
    return _white(fit, 0)


def _hc1(fit: Fit) -> Covariance:
    return _white(fit, 0, over_df(fit, fit.nobs))


def _hc2(fit: Fit) -> Covariance:
    return _white(fit, 1)


def _hc3(fit: Fit) -> Covariance:
    return _white(fit, 2)


def _hc4(fit: Fit) -> Covariance:
    return _white(fit, HC4_EXPONENT)


# -- clusters


def _ways(fit: FitBase, groups: Any) -> list[tuple[np.ndarray, int]]:
    """Codes of each way of grouping; several ways are the columns of `groups`."""
    if groups is None:
        raise ModelError('covariance "cluster" needs cov_kwds={"groups": ...}.')
    several = isinstance(groups, tuple) and all(isinstance(way, str) for way in groups)
    if several or (isinstance(groups, tuple | list) and len(groups) and np.ndim(groups[0]) == 1):
        columns = list(groups)
    else:
        table = np.asarray(groups)
        columns = list(table.T) if table.ndim == 2 else [groups]
    return [group_codes(fit, column) for column in columns]


def clustered(
    fit: FitBase,
    groups: Any,
    use_correction: bool | str,
    sandwich: Callable[[np.ndarray, int], np.ndarray],
) -> Covariance:
    """Scores are summed over clusters; several ways are combined by inclusion and exclusion.

    `sandwich` gives what is summed up for codes of groups, (n,), and how many there are. Cameron,
    Gelbach & Miller (2011), *Journal of Business & Economic Statistics* 29.
    """
    _check_correction(use_correction)
    ways = _ways(fit, groups)
    total = np.zeros_like(fit.covariance)
    for size in range(1, len(ways) + 1):
        for chosen in itertools.combinations(ways, size):
            codes, n_groups = of_weight(*_intersection(chosen), fit)
            factor = n_groups / (n_groups - 1.0) if use_correction else 1.0
            total += (-1.0) ** (size + 1) * factor * sandwich(codes, n_groups)
    if use_correction is True:
        total *= over_df(fit, fit.nobs - 1.0)
    return Covariance(total, min(n for _, n in ways) - 1.0)


def _check_correction(use_correction: bool | str) -> None:
    if use_correction not in (True, False, "groups"):
        raise ModelError(
            'use_correction must be True for G/(G-1) (n-1)/(n-p), "groups" for G/(G-1), or False, '
            f"not {use_correction!r}"
        )


def _streamed_cluster(
    fit: Fit, rows: StreamedModelRows, groups: Any, use_correction: bool | str
) -> Covariance:
    """As `clustered`, of one way of grouping."""
    _check_correction(use_correction)
    meat, n_groups = streamed_clusters(fit, rows, groups)
    if use_correction:
        meat = meat * (n_groups / (n_groups - 1.0))
    if use_correction is True:
        meat = meat * over_df(fit, fit.nobs - 1.0)
    return Covariance(meat, n_groups - 1.0)


def _cluster(
    fit: Fit, *, groups: Any = None, use_correction: bool | str = True, df_correction: bool = True
) -> Covariance:
    model = fit._model_of_rows("a clustered covariance")
    root, centering = fit.inverse_information_factor, fit.centering

    def meat(codes: np.ndarray, n_groups: int) -> np.ndarray:
        def by_sums() -> ScoreProducts:
            products = group_scores(
                model.row_table,
                fit.family,
                fit.estimates,
                codes,
                n_groups,
                shifted=fit.has_intercept,
                n_threads=fit.n_threads,
            )
            return ScoreProducts.from_sums(products, root, centering)

        def by_rows() -> ScoreProducts:
            return orthogonal_rows(fit, model.row_table).group_products(codes, n_groups)

        return trusted(fit, by_sums, by_rows).meat

    if isinstance(model.rows, StreamedModelRows):
        found = _streamed_cluster(fit, model.rows, groups, use_correction)
    else:
        found = clustered(fit, groups, use_correction, meat)
    return sandwich(fit, found.matrix, found.df if df_correction else fit.df_resid)


def _intersection(ways: tuple[tuple[np.ndarray, int], ...]) -> tuple[np.ndarray, int]:
    """Codes of the groups that are alike in every way."""
    codes, n_groups = ways[0]
    for other, n_other in ways[1:]:
        present, codes = np.unique(codes * n_other + other, return_inverse=True)
        n_groups = present.size
    return codes, n_groups


# -- the jackknife


def _jackknife(fit: Fit) -> Covariance:
    """Covariance of the estimates with each observation left out, each by one Newton step.

    Exact for linear models. Efron (1982), *The Jackknife, the Bootstrap and Other Resampling
    Plans*; Pregibon (1981), *Annals of Statistics* 9, for the step.
    """
    return sandwich(fit, jackknife_meat(_scores(fit, 2), fit.nobs), fit.df_resid)


def jackknife_meat(products: ScoreProducts, nobs: float) -> np.ndarray:
    """Spread of the scores of HC3 about their mean, times (n-1)/n of their number."""
    meat = products.meat - np.outer(products.score, products.score) / nobs
    return meat * ((nobs - 1.0) / nobs)


#: Those that need no replicates, by name. Options are keyword arguments with defaults.
SANDWICHES: dict[str, Callable[..., Covariance]] = {
    "nonrobust": _nonrobust,
    # What statsmodels calls the inverse of the expected information.
    "eim": _nonrobust,
    "HC0": _hc0,
    "HC1": _hc1,
    "HC2": _hc2,
    "HC3": _hc3,
    "HC4": _hc4,
    "cluster": _cluster,
    "jackknife": _jackknife,
}
