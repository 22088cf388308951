"""Candidate families and links for one formula, fitted and ranked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastglm.entry import entry
from fastglm.errors import (
    BoundaryWarning,
    ConvergenceWarning,
    FastGLMError,
    ModelError,
    OptionError,
    SeparationWarning,
)
from fastglm.families import resolve_family
from fastglm.inference.hypothesis_tests.tables import Table
from fastglm.kernels.blocks import row_buffers

if TYPE_CHECKING:
    from fastglm.fit.record import Fit

__all__ = ["calibration_error", "compare"]

CALIBRATION_GROUPS = 10


@entry
def compare(
    frame: Any,
    formula: str,
    families: Sequence[Any] = ("gaussian",),
    links: Sequence[Any] | None = None,
    **options: Any,
) -> Table:
    """Fit a formula with several families and links, and rank the fits by AIC.

    Parameters
    ----------
    frame : data frame
        As for `fastglm.glm`.
    formula : str
    families : sequence of family, class or str
    links : sequence of link, class or str, optional
        Tried with each family that can have them; by default each family's own link.
    **options
        Any other argument of `fastglm.glm`, such as ``exposure=``.

    Returns
    -------
    Table
        A row for each candidate that has an optimum, by increasing AIC: aic, its difference from
        the least, bic, deviance, the share of the null deviance that is explained, and
        calibration, the mean difference of observed and expected means over ten groups of rows of
        similar fitted mean, in units of the mean response. AIC is NaN for quasi families, which
        come last.

    Raises
    ------
    ModelError
        If no candidate could be fitted; the text says why the last could not.

    Notes
    -----
    AIC compares likelihoods of the same response: Burnham & Anderson (2002), *Model Selection and
    Multimodel Inference*.

    Examples
    --------
    >>> import fastglm as fg
    >>> data = {"x": [0, 1, 2, 3, 4, 5], "g": list("ababab"), "y": [1, 3, 4, 9, 8, 20]}
    >>> fg.compare(data, "y ~ x", families=["poisson", "gaussian"]).names
    ('poisson, log', 'gaussian, identity')
    """
    found, reason = [], "no family can have any of the links"
    for family, link in _candidates(families, links):
        try:
            fit = _fit(frame, formula, resolve_family(family, link), options)
        except OptionError:
            # No other candidate has the option either.
            raise
        except FastGLMError as error:
            reason = str(error)
            continue
        if fit.converged:
            found.append(fit)
        else:
            reason = fit.status.advice
    if not found:
        raise ModelError(f"no candidate could be fitted: {reason}")
    aic = np.array([fit.aic for fit in found])
    order = np.argsort(aic, kind="stable")
    found, aic = [found[k] for k in order], aic[order]
    columns = {
        "aic": aic,
        "difference": aic - np.nanmin(aic, initial=np.inf),
        "bic": np.array([fit.bic for fit in found]),
        "deviance": np.array([fit.deviance for fit in found]),
        "explained": np.array([1.0 - fit.deviance / fit.null_deviance for fit in found]),
        "calibration": np.array([calibration_error(fit) for fit in found]),
    }
    return Table(f"Candidates for {formula}", tuple(map(_name, found)), columns)


def _candidates(families: Sequence[Any], links: Sequence[Any] | None) -> list[tuple[Any, Any]]:
    if links is None:
        return [(family, None) for family in families]
    return [(family, link) for family in families for link in links]


def _fit(frame: Any, formula: str, family: Any, options: dict[str, Any]) -> Fit:
    from fastglm.shorthand import glm

    with warnings.catch_warnings():
        # The table tells what a user would be warned of: which candidates have no optimum, and
        # which are no better than a simpler family.
        for category in (BoundaryWarning, ConvergenceWarning, SeparationWarning):
            warnings.simplefilter("ignore", category)
        return glm(formula, frame, family, **options)


def _name(fit: Fit) -> str:
    return f"{fit.family.name}, {fit.family.link.name}"


def calibration_error(fit: Fit, n_groups: int = CALIBRATION_GROUPS) -> float:
    """Mean distance of observed and expected means over groups of similar fitted mean.

    Weighted by the groups' weights, in units of the mean response.
    """
    rows = fit._rows_beside_columns("calibration")
    (mean,) = fit.row_values(row_buffers.MEAN)
    weights = np.ones(rows.n_rows) if rows.prior_weights is None else rows.prior_weights
    edges = np.unique(np.quantile(mean, np.linspace(0.0, 1.0, n_groups + 1)[1:-1]))
    group = np.searchsorted(edges, mean, side="right")
    difference = np.bincount(group, weights * (rows.response - mean))
    return float(np.abs(difference).sum() / abs(weights @ rows.response))
